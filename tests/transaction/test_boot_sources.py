"""Who else decides what the host boots into."""

from pathlib import Path

import pytest

from reconciler.integrations.boot_masks import PersistentMasks
from reconciler.integrations.persistence import read_boot_files
from reconciler.kernel.observe import observe
from reconciler.model.desired import Persistence
from reconciler.model.ids import IdSet
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from reconciler.simulator.host import SimulatedHost
from reconciler.transaction.persist import boot_problems
from testing.boot_files import write_ap_rules
from testing.holdings import desired, hardware


@pytest.fixture
def plan() -> Plan:
    """Of a host that keeps everything."""
    return make_plan(desired(), observe(SimulatedHost(hardware())))


def told(plan: Plan, root: Path) -> list[str]:
    """The ids of what is told."""
    return [one.id for one in boot_problems(plan, read_boot_files(root))]


def test_where_nobody_else_decides_nothing_is_told(plan: Plan, tmp_path: Path) -> None:
    """Also where the rules set what is in force."""
    assert told(plan, tmp_path) == []
    write_ap_rules(tmp_path, PersistentMasks(plan.observed.pool.adapters, None))
    assert told(plan, tmp_path) == []


def test_a_boot_unit_that_is_missing_is_told(tmp_path: Path) -> None:
    """Where the Host asks for it, and there is a systemd."""
    wanted = make_plan(desired(persistence=Persistence.SERVICE), observe(SimulatedHost(hardware())))
    assert told(wanted, tmp_path) == []
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    assert told(wanted, tmp_path) == ["boot-unit-not-enabled"]


def test_masks_that_were_not_applied_are_told(plan: Plan, tmp_path: Path) -> None:
    """What 41-ap.rules says is not what is in force."""
    write_ap_rules(tmp_path, PersistentMasks(~IdSet([5]), None))
    assert told(plan, tmp_path) == ["masks-not-as-at-boot"]


def test_rules_that_cannot_be_read_say_nothing(plan: Plan, tmp_path: Path) -> None:
    """A broken text, and something that is no file."""
    write_ap_rules(tmp_path, PersistentMasks(~IdSet([5]), None))
    rules = tmp_path / "etc/udev/rules.d/41-ap.rules"
    rules.write_text('ATTR{../../bus/ap/apmask}="0x1"')
    assert told(plan, tmp_path) == []
    rules.unlink()
    rules.mkdir()
    assert told(plan, tmp_path) == []


def test_masks_on_the_command_line_are_told(plan: Plan, tmp_path: Path) -> None:
    """With what cannot be read."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cmdline").write_text("root=/dev/dasda1 ap.apmask=0xffff ap.aqmask=nonsense\n")
    (problem,) = boot_problems(plan, read_boot_files(tmp_path))
    assert problem.id == "masks-on-command-line"
    assert problem.message.endswith("ap.apmask=0xffff ap.aqmask=nonsense")
    assert "these leave the host's drivers nothing" in problem.details[0]
    assert "aqmask" in problem.details[1]


def test_rules_of_others_are_told_with_their_lines(plan: Plan, tmp_path: Path) -> None:
    """The first few, and how many more."""
    folder = tmp_path / "etc/udev/rules.d"
    folder.mkdir(parents=True)
    (folder / "99-mine.rules").write_text('SUBSYSTEM=="ap", RUN+="/bin/sh -c \'echo +5 > /sys/bus/ap/apmask\'"\n' * 10)
    (problem,) = boot_problems(plan, read_boot_files(tmp_path))
    assert problem.id == "foreign-mask-rules"
    assert len(problem.details) == 9
    assert "99-mine.rules:1:" in problem.details[0]
    assert problem.details[-1].strip() == "and 2 more"
