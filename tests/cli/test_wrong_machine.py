"""A host changes nothing where its manifests do not have it, unless a person accepts that for one run."""

import json
import shlex
from pathlib import Path

import pytest

from testing.commands import Command, change, example
from testing.manifests import MACHINE_ID, OTHER_ID, machine_text


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` on the three guests; their host runs in LPAR7 of a machine."""
    made = example("three-guests", tmp_path, capsys)
    text = made.simulated_host.read_text(encoding="utf-8")
    where = f"  machineId: {MACHINE_ID.lower()}\n  lpar: LPAR7\n"
    made.simulated_host.write_text(text.replace("  maxDomain:", f"{where}  maxDomain:"), encoding="utf-8")
    return made


def place(command: Command, lpar: str, *more: str, **spec: str) -> None:
    """Have the manifests say that the host runs in `lpar` of the machine, and that there are `more` LPARs."""
    own = f"{{name: {lpar}, host: lpar7, adapters: [4-6], usageDomains: [4-6, 0x47, 0xab, 0xff]}}"
    (command.directory / "machine.yaml").write_text(machine_text("cpc-a", own, *more, **spec), encoding="utf-8")


def test_in_its_own_lpar_all_is_as_without_a_machine(command: Command) -> None:
    """No word is lost about it; `plan` and `apply` do the same."""
    before = command("plan")
    place(command, "lpar7")

    assert command("plan") == before
    assert command("apply", "--yes").code == 0
    assert "wrong-machine" not in command("doctor").out


def test_elsewhere_nothing_is_changed(command: Command) -> None:
    """Neither by an apply, nor is anything planned; with a consent for this run it is."""
    place(command, "LPAR8")

    plan, apply = command("plan"), command("apply", "--yes")

    assert (plan.code, apply.code) == (4, 4)
    assert f"error[wrong-machine]: host 'lpar7' runs on machine {MACHINE_ID}, LPAR LPAR7" in plan.err
    assert f"cpc-a/LPAR8 is LPAR LPAR8 of machine {MACHINE_ID}, its LPAR" in plan.err
    assert "wrong-machine" in apply.err
    assert not json.loads(command.bare("history", "-o", "json", "--simulate", str(command.simulated_host)).out)[
        "generations"
    ]

    accepted = command("plan", "--accept-machine")
    assert (accepted.code, "warning[wrong-machine]" in accepted.err) == (0, True)
    assert command("apply", "--yes", "--accept-machine").code == 0
    assert "error[wrong-machine]" in command("doctor").out
    assert command("apply", "--yes").code == 4


def test_an_accepted_plan_that_was_saved_has_to_be_accepted_again(command: Command) -> None:
    """The consent is for one run."""
    place(command, "LPAR8")
    file = str(command.directory.parent / "saved.json")

    saved = command("plan", "--accept-machine", "--out", file)
    (line,) = [line for line in saved.err.splitlines() if "reconcile apply" in line]

    at = ("--simulate", str(command.simulated_host))
    refused = command.bare("apply", "--yes", file, *at)
    assert (refused.code, "error[wrong-machine]" in refused.err) == (4, True)
    words = shlex.split(line.partition("reconcile ")[2], comments=True)
    assert "--accept-machine" in words
    assert command.bare(*words, "--yes").code == 0


def test_going_back_to_before_the_first_apply_needs_the_consent_too(command: Command) -> None:
    """What there was then is known, and where it was."""
    place(command, "LPAR8")
    assert command("apply", "--yes", "--accept-machine").code == 0

    words = ("rollback", "--yes", "--allow-empty", "--simulate", str(command.simulated_host))

    assert command.bare(*words).code == 4
    assert command.bare(*words, "--accept-machine").code == 0


def test_in_a_standby_it_goes_on_with_a_note(command: Command) -> None:
    """A takeover was foreseen; what the standby lacks is said."""
    place(command, "LPAR7", machineId=OTHER_ID)
    standby = "{name: LPAR7, standbyOf: cpc-a/LPAR7, adapters: [4-7]}"
    (command.directory / "other.yaml").write_text(machine_text("cpc-b", standby), encoding="utf-8")

    ran = command("plan")

    assert ran.code == 0
    assert "Note: it runs in the standby cpc-b/LPAR7 of cpc-a/LPAR7." in ran.out
    assert "warning[lpar-lacks]: the LPAR 'cpc-b/LPAR7' does not have adapter 0x07 (7)" in ran.err


def test_a_conflict_with_another_lpar_stops_the_plan_of_the_host_that_has_it(command: Command) -> None:
    """And of no other host."""
    place(command, "LPAR7", "{name: ZOS1, adapters: [5], usageDomains: [4]}")

    ran = command("plan")

    assert ran.code == 4
    assert "error[lpar-overlap]" in ran.err
    place(command, "LPAR7")
    others = ("{name: A, adapters: [5], usageDomains: [4]}", "{name: B, adapters: [5], usageDomains: [4]}")
    (command.directory / "other.yaml").write_text(machine_text("cpc-b", *others, machineId=OTHER_ID), encoding="utf-8")
    assert command("plan").code == 0
    assert command.bare("validate", "-f", str(command.directory)).code == 4


def test_a_rollback_elsewhere_needs_the_consent_too(command: Command) -> None:
    """What was applied last says where the host may run."""
    place(command, "LPAR7")
    kept = ("--state-dir", str(command.directory.parent / "kept"))
    assert command("apply", "--yes", *kept).code == 0
    moved = command.directory.parent / "moved.yaml"
    moved.write_text(command.simulated_host.read_text(encoding="utf-8").replace("lpar: LPAR7", "lpar: LPAR9"))
    change(command)
    assert command("apply", "--yes", *kept).code == 0

    words = ("rollback", "--yes", "1", "--simulate", str(moved), *kept)
    refused = command.bare(*words)

    assert (refused.code, "error[wrong-machine]" in refused.err) == (4, True)
    assert "error[wrong-machine]" not in command.bare(*words, "--accept-machine").err
