"""What the doctor finds in files of other tools, and the whole examination."""

import json
import os
from pathlib import Path

import pytest

from reconciler.doctor.boot import definition_findings
from reconciler.doctor.examination import examined
from reconciler.doctor.finding import error, findings_json, findings_text
from reconciler.integrations.mdevctl import Definitions, Effect, Unusable
from reconciler.kernel.sysfs import RealSysfs
from reconciler.model.matrix import EMPTY_MATRIX, FULL_MATRIX, Matrix
from reconciler.model.steps import Definition
from reconciler.render.table import Page
from reconciler.simulator.host import SimulatedHost
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.state_directory import StateDirectory
from testing.clocks import FakeClock
from testing.commands import Command, example
from testing.holdings import config, hardware, uuid


def ids(definitions: Definitions, pool: Matrix = EMPTY_MATRIX) -> list[str]:
    """What is found in `definitions`."""
    return [f"{one.severity} {one.id}" for one in definition_findings(definitions, pool)]


def defined(*autostart: bool, apart: bool = False) -> Definitions:
    """Definitions of one queue, the same for all of them unless they are `apart`."""
    return Definitions(
        tuple(
            Definition(uuid(number), config([5 + number * apart], [4]), start) for number, start in enumerate(autostart)
        ),
        (),
    )


def test_broken_definitions_are_told_once() -> None:
    """Each with its file."""
    files = ("/etc/mdevctl.d/matrix/x", "/etc/mdevctl.d/matrix/y")
    broken = Definitions((), tuple(Unusable(one, "torn", Effect.STOPS_ALL) for one in files))
    (finding,) = definition_findings(broken, EMPTY_MATRIX)
    assert finding.id == "broken-definition"
    assert "matrix/x" in finding.what
    assert "matrix/y" in finding.what


@pytest.mark.parametrize(
    ("effect", "told"),
    [
        (Effect.STOPS_ALL, "error broken-definition"),
        (Effect.NOT_STARTED, "error definition-not-started"),
        (Effect.PASSED_OVER, "warning definition-passed-over"),
        (Effect.UNKNOWN, "warning definition-not-understood"),
        (Effect.DENIED, "error needs-root"),
    ],
)
def test_each_effect_of_a_bad_file_is_a_finding_of_its_own(effect: Effect, told: str) -> None:
    """Whether mdevctl starts nothing at all, not this device, or does not look at the file."""
    assert [told] == ids(Definitions((), (Unusable("/etc/mdevctl.d/matrix/x", "odd", effect),)))


@pytest.mark.parametrize(
    ("definitions", "told"),
    [
        (defined(), []),
        (defined(True, True, apart=True), []),
        (defined(True, True), ["error overlapping-definitions"]),
        (defined(True, False), ["warning overlapping-definitions"]),
        (defined(False, False), ["warning overlapping-definitions"]),
    ],
)
def test_definitions_that_overlap_are_told(definitions: Definitions, told: list[str]) -> None:
    """Two that are started at boot are an error: the second one fails."""
    assert ids(definitions) == told


def test_a_definition_of_queues_that_the_host_has_is_told() -> None:
    """Only where it is to be started by itself."""
    assert ids(defined(True), FULL_MATRIX) == ["error definition-of-host-queues"]
    assert ids(defined(False), FULL_MATRIX) == []


def test_no_more_findings_than_anybody_reads() -> None:
    """A hundred definitions of the same queues are thousands of pairs."""
    assert len(ids(defined(*[True] * 100), FULL_MATRIX)) == 32


@pytest.fixture
def machine(tmp_path: Path) -> OpenHost:
    """A healthy host without a history."""
    return OpenHost(SimulatedHost(hardware()), FakeClock(), StateDirectory(tmp_path / "state"), "boot", "lpar7")


def names(machine: OpenHost, root: Path | None = None) -> set[str]:
    """What is found, but for kernels with known faults."""
    return {one.id for one in examined(machine, root)} - {"vfio-ap-2026-08"}


def test_a_healthy_machine_has_no_finding(machine: OpenHost, tmp_path: Path) -> None:
    """Also where none of the files is there."""
    assert names(machine) == set()
    assert names(machine, tmp_path / "nothing") == set()


def test_everything_is_looked_at(machine: OpenHost, tmp_path: Path) -> None:
    """Files of other tools, the lock, and what we keep."""
    root = tmp_path / "root"
    for folder in ("etc/udev/rules.d", "etc/mdevctl.d/matrix", "proc"):
        (root / folder).mkdir(parents=True)
    (root / "etc/udev/rules.d/99-x.rules").write_text('ATTR{apmask}="0x0"', encoding="utf-8")
    (root / "etc/mdevctl.d/matrix" / uuid(1)).write_text("{torn", encoding="utf-8")
    (root / "proc/cmdline").write_text("ap.apmask=-5", encoding="utf-8")
    lock = tmp_path / "lock"
    lock.write_text(f"{os.getpid()}\n", encoding="ascii")
    machine.state.prepare()
    machine.state.replace("journal.jsonl", b"{torn")

    found = names(machine._replace(tools_lock=lock), root)

    assert found == {
        "foreign-mask-rules",
        "broken-definition",
        "masks-on-command-line",
        "held-tools-lock",
        "damaged-state",
    }


@pytest.mark.parametrize("name", ["inventory.json", "generations/000001.json", "degraded.json", "pending.json"])
def test_damage_to_anything_that_is_kept_is_told(machine: OpenHost, name: str) -> None:
    """The doctor is asked when nothing works, and must not say that all is well."""
    machine.state.prepare()
    file = machine.state.path / name
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_bytes(b'{"torn')
    file.chmod(0o600)

    assert names(machine) == {"damaged-state"}
    file.write_bytes(b'{"formatVersion": 7}')
    assert names(machine) == {"newer-state"}
    file.unlink()
    file.symlink_to("/etc/passwd")
    assert names(machine) == {"damaged-state"}


def test_a_lock_that_is_none_is_told(machine: OpenHost) -> None:
    """A directory in its place keeps every apply from beginning."""
    machine.state.prepare()
    (machine.state.path / "lock").mkdir()
    assert names(machine) == {"damaged-state"}


def test_a_free_lock_is_no_finding(machine: OpenHost, tmp_path: Path) -> None:
    """There is none."""
    assert names(machine._replace(tools_lock=tmp_path / "lock")) == set()


def test_a_lock_without_a_name_is_told(machine: OpenHost, tmp_path: Path) -> None:
    """Nobody is told to end process 0, which would be their own shell and all that it runs."""
    (tmp_path / "lock").mkdir()
    (finding,) = [one for one in examined(machine._replace(tools_lock=tmp_path / "lock"), None) if "lock" in one.id]
    assert finding.id == "foreign-tools-lock"
    assert "kill" not in finding.help


def test_a_machine_without_an_ap_bus_is_told(machine: OpenHost, tmp_path: Path) -> None:
    """It is the first thing to know."""
    (tmp_path / "sys").mkdir()
    assert names(machine._replace(sysfs=RealSysfs(tmp_path / "sys"))) == {"no-ap-bus"}


def test_findings_for_people_and_for_programs(machine: OpenHost) -> None:
    """What, why, and what to do; errors first; numbers at the end."""
    assert findings_text([]) == "Nothing wrong was found.\n"
    machine.sysfs.write("bus/ap/drivers/cex4queue/unbind", "05.0004")
    findings = examined(machine, None)
    text = findings_text(findings)
    assert "warning[unbound-host-queues]: " in text
    assert "  fix:  for queue in 05.0004; do echo $queue > /sys/bus/ap/drivers_probe; done" in text
    assert text.endswith("0 errors, 3 warnings\n")
    assert [one["id"] for one in json.loads(findings_json(findings))["findings"]] == [one.id for one in findings]


def test_findings_are_divided_at_the_width_of_the_page() -> None:
    """What, why and a fix in words; a command stays in one line, its remark above it where both are too wide."""
    words = "what is said in many words that one line of a narrow page does not have any room for at all"
    found = [error("a", words, words, words), error("b", words, words, f"mv /a/{'b' * 60} /c    # {words}")]

    lines = findings_text(found, Page(80)).splitlines()

    command = f"  fix:  mv /a/{'b' * 60} /c"
    assert [line for line in lines if len(line) > 80] == []
    assert command in lines
    assert findings_text(found, Page(60)).splitlines().count(command) == 1


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` on a fresh copy of the three guests."""
    return example("three-guests", tmp_path, capsys)


def test_the_command_tells_by_its_exit_code_whether_something_is_wrong(command: Command) -> None:
    """0 where at most warnings are found, 2 where an error is."""
    assert command("doctor").code == 0
    command("simulate", "unload")
    ran = command("doctor")
    assert ran.code == 2
    assert ran.out.startswith("error[vfio-ap-not-loaded]")
    assert json.loads(command("doctor", "-o", "json").out)["findings"][0]["id"] == "vfio-ap-not-loaded"


def test_a_state_directory_that_others_can_write_is_one_finding(machine: OpenHost) -> None:
    """However many files are in it; what is to be done is said once, and not otherwise elsewhere."""
    machine.state.prepare()
    machine.state.path.chmod(0o1777)

    (found,) = [one for one in examined(machine, None) if one.id == "damaged-state"]

    assert f"chmod go-w {machine.state.path}" in found.what
    assert "move it away" not in findings_text([found])


def test_what_only_root_may_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether of the kernel or of what is kept: it is no damage, and no lack of hardware."""
    denied = PermissionError(13, "Permission denied", "/some/file")

    def deny(*_: object) -> None:
        raise denied

    host = SimulatedHost(hardware())
    monkeypatch.setattr(StateDirectory, "read", deny)
    monkeypatch.setattr(StateDirectory, "names", deny)
    machine = OpenHost(host, FakeClock(), StateDirectory(tmp_path), "boot", "lpar7")

    found = examined(machine, None)

    denials = [one.what for one in found if one.id == "needs-root"]
    assert len(denials) == 1, "one block for all files"
    assert "/some/file: Permission denied" in denials[0]
    assert not any(one.id == "damaged-state" for one in found)


def test_files_of_a_closed_state_directory_are_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of them may not exist, and each would be denied alike: the directory is named once."""

    def deny(_: object, name: str = "generations", *__: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / name))

    monkeypatch.setattr(StateDirectory, "read", deny)
    monkeypatch.setattr(StateDirectory, "names", deny)
    machine = OpenHost(SimulatedHost(hardware()), FakeClock(), StateDirectory(tmp_path), "boot", "lpar7")

    (denial,) = (one.what for one in examined(machine, None) if one.id == "needs-root")

    assert denial == f"not everything can be read: {tmp_path} (what earlier runs have kept): Permission denied"
