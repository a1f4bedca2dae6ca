"""Commits to several hosts by the real ansible-playbook over real ssh; the whole table is `./run trials ansible`."""

from pathlib import Path
from typing import Final

import pytest

from testing.ansible_fleet import committed, id_of, planned
from testing.ssh_hosts import needed, ssh_hosts

pytestmark = pytest.mark.slow


HOSTILE: Final = "{{ lookup('pipe', 'touch %s') }}"


def test_all_are_applied_or_none(tmp_path: Path) -> None:
    """None where one cannot be reached any more, all in the next run; what people have written stays a text."""
    needed()
    hostile = HOSTILE % (tmp_path / "executed")
    with ssh_hosts(tmp_path / "fleet", ["a", "b"]) as fleet:
        plan = planned(fleet, remark=hostile, operator=hostile)
        asked = len(fleet["b"].sessions)
        refused = committed(fleet, plan, 1, "--limit", "a")
        assert (refused.code != 0, refused.result, len(fleet["b"].sessions)) == (True, {}, asked)
        assert "--limit cannot be used here" in refused.out

        fleet["b"].links("good", "good", "down")
        failed = committed(fleet, plan, 1)
        assert (failed.code, failed.outcome) == (2, "none"), failed.out
        assert fleet["a"].state(id_of(1)) == "cancelled"
        fleet["b"].links()
        ended = committed(fleet, plan, 2)

        assert (ended.code, ended.outcome) == (0, "all"), ended.out
        assert ["confirmed"] * 2 == [one.state(id_of(2)) for one in fleet.hosts.values()]
        assert hostile == fleet["a"].json("history", "state", id_of(2))["fleet"]["operator"]
    assert not (tmp_path / "executed").exists()
