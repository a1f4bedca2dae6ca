"""Commits to several hosts by the real ansible-playbook over real ssh; the whole table is `./run trials ansible`."""

from pathlib import Path

import pytest

from testing.ansible_fleet import committed, id_of, planned
from testing.ssh_hosts import needed, ssh_hosts

pytestmark = pytest.mark.slow


def test_all_are_applied_or_none(tmp_path: Path) -> None:
    """All of them; and a run that leaves hosts out is refused before it asks one."""
    needed()
    with ssh_hosts(tmp_path / "fleet", ["a", "b"]) as fleet:
        plan = planned(fleet)
        asked = len(fleet["b"].sessions)
        refused = committed(fleet, plan, 1, "--limit", "a")
        assert (refused.code != 0, refused.result, len(fleet["b"].sessions)) == (True, {}, asked)
        assert "--limit cannot be used here" in refused.out

        ended = committed(fleet, plan, 1)

        assert (ended.code, ended.outcome) == (0, "all"), ended.out
        assert ["confirmed"] * 2 == [one.state(id_of(1)) for one in fleet.hosts.values()]
