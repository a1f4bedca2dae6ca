"""What the doctor finds on a host: each finding from a host that is ill in that way, and none from a healthy one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.cli.exit_codes import Exit
from reconciler.cli.main import run
from reconciler.doctor.finding import Finding, findings_json, findings_text
from reconciler.doctor.host import (
    host_findings,
    identity_line,
    interruption_findings,
    kernel_findings,
    left_findings,
    lock_findings,
    obstacle_findings,
)
from reconciler.kernel.locks import AtWork
from reconciler.kernel.observe import observe
from reconciler.kernel.sysinfo import sysinfo_text
from reconciler.model.commands import NOWHERE, Here
from reconciler.model.identity import NO_SYSINFO, MachineIdentity
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.steps import Holdings
from reconciler.simulator.hardware import Card
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction.confirmation import Awaited
from testing.commands import example, parsed
from testing.holdings import config, hardware, host_holding, uuid

FREE = Matrix(ALL_IDS, ALL_IDS - IdSet([4, 0x47]))


def healthy(profile: str = "6.12") -> SimulatedHost:
    """A host with one device, whose guest sees all it has."""
    return host_holding(Holdings(FREE, {uuid(1): config([5], [4])}), PROFILES[profile])


def found(host: SimulatedHost) -> list[Finding]:
    """What is found on `host`."""
    return host_findings(observe(host), host.read("bus/ap/bindings"))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_healthy_host_has_no_finding(profile: str) -> None:
    """Nobody is to be alarmed by nothing."""
    assert found(healthy(profile)) == []


def unload(host: SimulatedHost) -> None:
    """Take vfio_ap away."""
    host.write(f"devices/vfio_ap/matrix/{uuid(1)}/remove", "1")
    host.unload_vfio_ap()


ILLS: dict[str, Callable[[SimulatedHost], object]] = {
    "vfio-ap-not-loaded": unload,
    "unbound-queues": lambda host: host.write("bus/ap/drivers/vfio_ap/unbind", "05.0004"),
    "unbound-host-queues": lambda host: host.write("bus/ap/drivers/cex4queue/unbind", "05.00ab"),
    "standby-cards": lambda host: host.write("devices/ap/card06/config", "0"),
    "hidden-adapters": lambda host: host.write("bus/ap/drivers/vfio_ap/unbind", "05.0004"),
}


@pytest.mark.parametrize("ill", ILLS)
def test_each_ill_is_found(ill: str) -> None:
    """With what to do about it."""
    host = healthy()
    ILLS[ill](host)

    findings = {one.id: one for one in found(host)}

    assert ill in findings
    assert all(findings[ill][:5])


def test_a_pinned_queue_is_found() -> None:
    """While a queue has a driver_override, this kernel refuses all writes to the masks."""
    host = SimulatedHost(hardware(), PROFILES["7.2"])
    host.write("bus/ap/devices/06.00ab/driver_override", "vfio_ap")

    (finding,) = [one for one in found(host) if one.id == "driver-override"]

    assert "06.00ab" in finding.what
    assert "driver_override" in finding.help


def test_a_card_that_is_check_stopped_is_found() -> None:
    """Guests see it, but it does not work."""
    stopped = hardware()._replace(cards={5: Card(checkstopped=True)})

    (finding,) = found(SimulatedHost(stopped))
    assert (finding.id, finding.what) == ("checkstopped-cards", "adapter 0x05 (5) is check-stopped")
    both = hardware()._replace(cards={5: Card(checkstopped=True), 6: Card(checkstopped=True)})
    assert [one.what for one in found(SimulatedHost(both))] == ["adapters 0x05-0x06 (5-6) are check-stopped"]


@pytest.mark.parametrize(("profile", "told"), [("6.1", True), ("6.12", False)])
def test_a_device_that_is_not_shown_whole_is_found(profile: str, told: bool) -> None:
    """Newer kernels show all of it."""
    domains = IdSet(range(20))
    large = Holdings(Matrix(ALL_IDS, ALL_IDS - domains), {uuid(1): config(range(30), domains)})

    assert ("matrix-cut" in {one.id for one in found(host_holding(large, PROFILES[profile]))}) is told


@pytest.mark.parametrize(
    ("text", "told"),
    [("16/16 (complete)\n", False), ("12/16\n", True), ("0/0 (complete)\n", False), ("16/16\n", False), ("", False)],
)
def test_bindings_that_go_on_are_found(text: str, told: bool) -> None:
    """Right after boot the bus is still at it."""
    ids = [one.id for one in host_findings(observe(healthy()), text)]
    assert ids == (["bindings-incomplete"] if told else [])


@pytest.mark.parametrize(
    ("release", "ids"),
    [
        ("6.1.0", {"cve-2024-26620", "vfio-ap-2026-08"}),
        ("6.1.75-generic", {"cve-2024-26620", "vfio-ap-2026-08"}),
        ("6.1.76", {"vfio-ap-2026-08"}),
        ("6.5.13", {"cve-2024-26620", "vfio-ap-2026-08"}),
        ("6.12.107", {"vfio-ap-2026-08"}),
        ("7.2.13", set()),
        ("strange", set()),
    ],
)
def test_kernels_with_known_faults_are_named(release: str, ids: set[str]) -> None:
    """By their release, as a hint."""
    assert {one.id for one in kernel_findings(release, over_provision=True)} == ids


def test_an_old_kernel_is_named_by_what_it_cannot_do() -> None:
    """Not by its release."""
    assert "kernel-before-6.0" in {one.id for one in kernel_findings("5.15.0", over_provision=False)}


def test_a_lock_is_told_with_its_holder() -> None:
    """Held, left behind, or free."""
    holder = AtWork(4711, "chzdev", 12.0)
    assert lock_findings(None, lives=False) == []
    (held,) = lock_findings(holder, lives=True)
    (stale,) = lock_findings(holder, lives=False)
    assert (held.id, stale.id) == ("held-tools-lock", "stale-tools-lock")
    assert "4711" in held.what
    assert "4711" in stale.what


def test_what_applies_have_left_is_told() -> None:
    """Each with the command that comes next."""
    assert left_findings(unfinished=False, awaited=None, differences=()) == []
    findings = left_findings(unfinished=True, awaited=Awaited(7, 9.0, False, ""), differences=("aqmask is odd",))
    assert [one.id for one in findings] == ["unfinished-apply", "awaits-confirmation", "degraded"]
    assert all(one.commands for one in findings)


def test_the_commands_of_findings_lead_to_the_same_host() -> None:
    """Each is one line that runs as it stands, also for programs; the tool's own definition accepts it."""
    here = Here(("--simulate", "a host.yaml", "--state-dir", "/srv/state"))
    findings = left_findings(unfinished=True, awaited=Awaited(7, 9.0, False, ""), differences=("x",))

    text = findings_text(findings, here=here)
    steps = [line.removeprefix("  next: ") for line in text.splitlines() if line.startswith("  next: ")]
    lines = [step.partition("    # ")[0] for step in steps]

    assert lines == [line for one in json.loads(findings_json(findings, here))["findings"] for line in one["commands"]]
    assert len(lines) == 5
    for line in lines:
        assert "--simulate 'a host.yaml' --state-dir /srv/state" in line
        assert parsed(line)


@pytest.mark.parametrize(
    ("awaited", "expected"),
    [
        (Awaited(7, 9.0, False, ""), "awaits-confirmation"),
        (Awaited(7, 0.0, False, ""), "not-rolled-back"),
        (Awaited(7, 0.0, True, "/x: no space is left on the disk"), "unrecorded-rollback"),
        (Awaited(7, 9.0, True, ""), "unrecorded-rollback"),
    ],
)
def test_an_apply_to_be_confirmed_is_found_as_it_stands(awaited: Awaited, expected: str) -> None:
    """It waits, it is late, or the host was rolled back and only the record is missing."""
    (finding,) = left_findings(unfinished=False, awaited=awaited, differences=())

    assert finding.id == expected
    assert awaited.obstacle in finding.what


def test_running_guests_that_lost_queues_are_found() -> None:
    """By name, with the generation whose rollback took them."""
    assert interruption_findings(2, ()) == []
    (finding,) = interruption_findings(2, ["a", "b"])

    assert finding.id == "interrupted-guests"
    assert "generation 2" in finding.what
    assert "a, b" in finding.what


def test_a_state_directory_that_cannot_be_written_is_found() -> None:
    """With the reason that the file system gives."""
    assert obstacle_findings("") == []
    (finding,) = obstacle_findings("/x: the file system is read-only")

    assert finding.id == "state-not-writable"
    assert "/x: the file system is read-only" in finding.what


Z16 = MachineIdentity("IBM-3931-00000000000829E7", "LPAR7")


@pytest.mark.parametrize(
    ("identity", "unidentified", "line"),
    [
        (Z16, "", "This is machine IBM-3931-00000000000829E7, LPAR LPAR7."),
        (None, NO_SYSINFO, ""),
        (
            None,
            "/proc/sysinfo has no Type",
            "Which machine and LPAR this is, is not known: /proc/sysinfo has no Type.",
        ),
    ],
)
def test_where_the_host_runs_is_said_in_a_line(identity: MachineIdentity | None, unidentified: str, line: str) -> None:
    """Above the findings; of a host that is no s390x there is nothing to say."""
    assert identity_line(identity, unidentified) == line
    assert findings_text([], host=line) == f"{line}\nNothing wrong was found.\n".removeprefix("\n")
    record = json.loads(findings_json([], NOWHERE, identity, unidentified))
    assert (record["identity"] is None) == (identity is None)
    assert record["unidentified"] == unidentified


def test_a_name_of_an_lpar_cannot_reach_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever its characters are: they are shown escaped on that one line, and are kept apart for programs."""
    (tmp_path / "proc").mkdir()
    text = sysinfo_text(Z16._replace(extended_lpar="LPAR7")).encode()
    hostile = b"\x1b[2J\xff\xc2\x85\xe2\x80\xae::error::x\r"
    (tmp_path / "proc/sysinfo").write_bytes(text.replace(b"Extended Name:   LPAR7", b"Extended Name:   " + hostile))
    host = ("--sysfs", str(tmp_path), "--state-dir", str(tmp_path / "state"))

    assert run(["doctor", *host]) == Exit.CHANGES
    first = capsys.readouterr().out.splitlines()[0]
    assert first == ("This is machine IBM-3931-00000000000829E7, LPAR \\x1b[2J\\xff\\u0085\\u202e::error::x\\r.")
    assert run(["doctor", "-o", "json", *host]) == Exit.CHANGES
    record = json.loads(capsys.readouterr().out)
    assert record["identity"]["machineId"] == "IBM-3931-00000000000829E7"
    assert record["identity"]["lpar"] == "LPAR7"
    assert "error::x" in record["identity"]["extendedLpar"]


def test_a_simulated_host_has_no_kernel_to_update(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever release it has the rules of."""
    command = example("three-guests", tmp_path, capsys)
    description = command.simulated_host.read_text(encoding="utf-8")

    for release in ("6.12", "6.1", "5.15"):
        command.simulated_host.write_text(description.replace("6.12", release), encoding="utf-8")
        command.bare("simulate", "reset", "--simulate", str(command.simulated_host))
        found = json.loads(command.bare("doctor", "--simulate", str(command.simulated_host), "-o", "json").out)
        assert "kernel" not in " ".join(one["fix"] or "" for one in found["findings"])
        assert found["findings"] == []


def test_without_manifests_a_mistyped_host_is_refused_as_by_the_history(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether something was applied to the host or not; a Host of manifests that cannot be used is not judged."""
    command = example("three-guests", tmp_path, capsys)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    host = ("--simulate", str(command.simulated_host))

    for _ in range(2):
        doctor, history = (command.bare(name, "--host", "lpar8", *host) for name in ("doctor", "history"))
        assert (doctor.code, doctor.out) == (Exit.USAGE, "")
        assert doctor.err.splitlines()[2:] == history.err.splitlines()[2:] != []
        assert command.bare("doctor", "--host", "lpar7", *host).code == Exit.DONE
        assert command("apply", "--yes").code == Exit.DONE

    (tmp_path / "empty" / "broken.yaml").write_text("apiVersion: reconciler/v1\nkind: Guest\n", encoding="utf-8")
    assert command.bare("doctor", "--host", "lpar8", *host).code == Exit.DONE
