"""Every example does what it says."""

import json
from pathlib import Path

import pytest

from testing.commands import EXAMPLES, Command, example

TOLD = {
    "back-to-host",
    "card-to-come",
    "conflict",
    "invalid",
    "large-host",
    "monitoring",  # see test_monitoring.py
    "movable-guest",
    "on-demand",
    "python",  # see tests/api
    "refused-write",
    "swap",
    "three-guests",
    "two-lpars",
}


def test_every_example_has_its_test() -> None:
    """A new folder in examples/ must be added here."""
    assert {one.name for one in EXAMPLES.iterdir() if one.is_dir()} == TOLD


@pytest.mark.parametrize("file", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda one: str(one.relative_to(EXAMPLES)))
def test_every_file_tells_editors_its_schema(file: Path) -> None:
    """The first line is the modeline of the YAML language server, and the schema that it names exists."""
    first = file.read_text(encoding="utf-8").splitlines()[0]

    assert first.startswith("# yaml-language-server: $schema=")
    assert (file.parent / first.partition("=")[2]).resolve().is_file()


def in_sync(command: Command, manifests: Path | None = None) -> bool:
    """Whether a plan finds nothing to do."""
    return command("plan", "--detailed-exitcode", manifests=manifests).code == 0


def effective(command: Command, manifests: Path | None = None) -> dict[str, object]:
    """What each guest sees, by name: a list of adapters and one of domains."""
    status = json.loads(command("status", "-o", "json", manifests=manifests).out)
    return {
        one["name"]: (one["effective"]["adapters"], one["effective"]["domains"])
        for one in status["guests"]
        if one["effective"]
    }


def test_three_guests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The kernel document's set-up: changes before, nothing to do after, and the queues of the document."""
    command = example("three-guests", tmp_path, capsys)

    assert command("plan", "--detailed-exitcode").code == 2
    assert command("apply", "--yes").code == 0
    assert in_sync(command)
    assert effective(command) == {
        "guest1": ([5, 6], [4, 0xAB]),
        "guest2": ([5], [0x47, 0xFF]),
        "guest3": ([6], [0x47, 0xFF]),
    }


def test_card_to_come(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A card that is authorised in advance is the guest's as soon as it is plugged, without any write of ours."""
    command = example("card-to-come", tmp_path, capsys)
    assert command("apply", "--yes").code == 0
    assert effective(command) == {"payments": ([5], [4, 0x47])}
    assert "pending" in command("status").out

    assert command("simulate", "plug", "9", "type=CEX8").code == 0

    assert effective(command) == {"payments": ([5, 9], [4, 0x47])}
    assert in_sync(command)


def test_swap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two guests exchange their cards in three writes."""
    command = example("swap", tmp_path, capsys)
    before, after = command.directory / "before", command.directory / "after"
    assert command("apply", "--yes", manifests=before).code == 0
    plan = json.loads(command("plan", "-o", "json", manifests=after).out)

    assert plan["summary"]["kernelWrites"] == 3
    assert command("apply", "--yes", manifests=after).code == 0
    assert effective(command, after) == {"payments": ([6], [4]), "web": ([5], [4])}
    assert in_sync(command, after)


def test_back_to_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What guests give up goes back to the host, after they have let go of it."""
    command = example("back-to-host", tmp_path, capsys)
    before, after = command.directory / "before", command.directory / "after"
    assert command("apply", "--yes", manifests=before).code == 0
    plan = json.loads(command("plan", "-o", "json", manifests=after).out)

    actions = [one["action"] for one in plan["steps"]]
    assert actions.index("remove") < actions.index("aqmask" if "aqmask" in actions else "apmask")
    assert command("apply", "--yes", manifests=after).code == 0
    assert effective(command, after) == {"payments": ([5, 6], [4])}
    assert in_sync(command, after)


def test_on_demand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guests that overlap are valid where both are on-demand; their queues are kept ready for them."""
    command = example("on-demand", tmp_path, capsys)

    assert command("validate").code == 0
    assert command("apply", "--yes").code == 0
    assert effective(command) == {}
    assert in_sync(command)


def test_conflict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two active guests with a common queue are refused, with both names and the queue."""
    command = example("conflict", tmp_path, capsys)

    for words in (["plan"], ["apply", "--yes"], ["validate"]):
        ran = command(*words)
        assert ran.code == 4
        assert "'payments' and 'web'" in ran.err
        assert "05.0047" in ran.err


def test_movable_guest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On both hosts it has the same device and its queues; it counts once, and no host has another host's guests."""
    command = example("movable-guest", tmp_path, capsys)
    assert command("validate").out.startswith("valid: 2 hosts, 2 guests\n")
    uuids = []

    for file, host, others in (("simulated-host", "lpar7", {"web"}), ("simulated-lpar8", "lpar8", set())):
        where = ("-f", str(command.directory), "--simulate", str(command.directory / f"{file}.yaml"))
        assert command.bare("apply", "--yes", *where).code == 0
        status = json.loads(command.bare("status", "-o", "json", *where).out)
        guests = {one["name"]: one for one in status["guests"]}
        assert (status["host"], set(guests)) == (host, {"payments", *others})
        assert guests["payments"]["effective"] == {"adapters": [5, 6], "domains": [4, 0x47]}
        uuids.append(guests["payments"]["uuid"])

    assert uuids[0] == uuids[1]


def test_invalid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All mistakes are told in one run."""
    command = example("invalid", tmp_path, capsys)

    ran = command.bare("validate", "-f", str(command.directory))

    assert ran.code == 3
    assert [line for line in ran.err.splitlines() if line.startswith("error")] != []
    assert ran.err.rstrip().endswith("3 errors, 1 note")


def test_refused_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A write that the kernel refuses leaves the host as it was."""
    command = example("refused-write", tmp_path, capsys)
    before = command("simulate").out

    ran = command("apply", "--yes")

    assert ran.code == 6
    assert "EADDRINUSE" in ran.out
    assert command("simulate").out == before


def test_two_lpars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two conflicts that no host can see are found where the machines are described, and the HMC's list ends them."""
    command = example("two-lpars", tmp_path, capsys)
    conflicts, fixed = (str(command.directory / name) for name in ("conflicts", "fixed"))

    assert command.bare("validate", f"{conflicts}/hosts.yaml").code == 0
    found = command.bare("validate", conflicts)
    assert found.code == 4
    assert "error[lpar-overlap]" in found.err
    assert "05.0047" in found.err
    assert "error[both-active]" in found.err
    assert found.err.rstrip().endswith("2 errors")
    assert command.bare("validate", "--strict", fixed).code == 0
    listed = json.loads(command.bare("hmc-changes", fixed, "--from", conflicts, "-o", "json").out)
    steps = [(one["name"], step["lpar"], step["action"]) for one in listed["machines"] for step in one["steps"]]
    assert steps == [("cpc-a", "LPAR8", "remove"), ("cpc-b", "LPAR7DR", "deactivate")]


def test_large_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A hundred guests on a full machine: one mask write, and two for each guest."""
    command = example("large-host", tmp_path, capsys)
    plan = json.loads(command("plan", "-o", "json").out)

    assert plan["summary"]["kernelWrites"] == 201
    assert command("apply", "--yes").code == 0
    assert in_sync(command)
    assert len(effective(command)) == 100
