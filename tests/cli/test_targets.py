"""``plan`` and ``apply`` for chosen guests: ``--target GUEST`` and ``-l key=value``."""

import json
import shlex
from pathlib import Path

import pytest

from reconciler.cli.main import run
from reconciler.hosts import opening
from testing.clocks import NoTimer
from testing.commands import Command, change, example


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` on a fresh copy of the three guests; guest1 has the label tenant=payments."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    return example("three-guests", tmp_path, capsys)


def guests(command: Command) -> set[str]:
    """The guests whose device is there."""
    rows = json.loads(command("status", "-o", "json").out)["guests"]
    return {one["name"] for one in rows if one["authorised"]}


@pytest.mark.parametrize("words", [("--target", "guest1"), ("-l", "tenant=payments")])
def test_an_apply_for_chosen_guests_is_partial(command: Command, words: tuple[str, ...]) -> None:
    """It makes their devices, says that it is partial, and is nothing to roll back to."""
    planned = command("plan", *words)
    assert "Note: partial: this is only about 'guest1'; all else stays" in planned.out
    assert "a rollback can undo this, but never return to it later." in " ".join(planned.out.split())
    assert json.loads(command("plan", *words, "-o", "json").out)["targets"] == ["guest1"]

    assert command("apply", "--yes", *words).code == 0

    assert guests(command) == {"guest1"}
    assert command("plan", *words, "--detailed-exitcode").code == 0
    assert "Nothing to do: guest1 is as its manifest says." in command("plan", *words).out
    assert command("plan", "--detailed-exitcode").code == 2
    assert " partial: host pool, guest1\n" in command("history").out
    assert "partial:   about guest1 only" in command("history", "show", "1").out
    (one,) = json.loads(command("history", "-o", "json").out)["generations"]
    assert (one["extent"], one["target"]) == ("partial", False)
    refused = command("rollback", "1", "--yes")
    assert refused.code == 1
    assert "generation 1 is partial" in refused.err


def test_masks_are_moved_as_all_manifests_together_move_them(command: Command) -> None:
    """Whatever would take fewest queues for the chosen guest alone; the plan says why."""
    change(command, "[0x47, 0xff]", "[0x47]")
    assert "gives up adapters 0x05-0x06 (5-6)" in command("plan").out
    seen = command("plan", "--target", "guest2").out

    assert "gives up adapter 0x05 (5)" in seen
    assert "because all manifests together take the same" in seen
    assert "smaller axis" not in seen


def test_several_guests_are_chosen(command: Command) -> None:
    """By name and by label together."""
    assert command("apply", "--yes", "--target", "guest3", "-l", "tenant=payments").code == 0
    assert guests(command) == {"guest1", "guest3"}


def test_what_has_drifted_elsewhere_stays(command: Command) -> None:
    """Another guest's device is not corrected, and its drift is reported as before."""
    command("apply", "--yes")
    with opening.open_simulated_host(str(command.simulated_host), changes=True) as machine:
        machine.sysfs.write(f"devices/vfio_ap/matrix/{GUEST2}/unassign_domain", "71")
    change(command)
    drift = [line for line in command("plan").out.splitlines() if "guest2" in line]
    assert drift

    assert command("apply", "--yes", "--target", "guest1").code == 0
    assert command("plan", "--target", "guest1", "--detailed-exitcode").code == 0
    assert [line for line in command("plan").out.splitlines() if "guest2" in line][:1] == drift[:1]


GUEST2 = "7c3b6979-3edc-5d3c-af18-0c54f8134122"


def test_a_guest_that_has_left_the_manifests_can_be_chosen(command: Command) -> None:
    """By the name that it had; others that have left stay."""
    command("apply", "--yes")
    (command.directory / "guests.yaml").unlink()

    assert command("apply", "--yes", "--target", "guest2").code == 0
    assert command("apply", "--yes", "--target", "guest1", "--target", "guest3").code == 4
    assert command("apply", "--yes", "--target", "guest1", "--target", "guest3", "--allow-empty").code == 0
    assert guests(command) == set()


@pytest.mark.parametrize("name", ["plan", "apply"])
def test_who_is_not_there_is_not_chosen(command: Command, name: str) -> None:
    """A mistyped name does nothing, and says which there are."""
    for words in (("--target", "guest9"), ("--target", "guest1", "--target", "guest9")):
        ran = command(name, *words, *(["--yes"] if name == "apply" else []))
        assert ran.code == 64
        assert "There are: guest1, guest2, guest3" in ran.err
    assert guests(command) == set()


@pytest.mark.parametrize("name", ["plan", "apply"])
@pytest.mark.parametrize("label", ["tennant=payments", "tenant=payment", "TENANT=payments"])
def test_a_mistyped_label_says_which_labels_there_are(command: Command, name: str, label: str) -> None:
    """Whether its key or its value is wrong; it does nothing."""
    ran = command(name, "-l", label, *(["--yes"] if name == "apply" else []))

    assert ran.code == 64
    said = f"no guest has the label {label}. Did you mean 'tenant=payments'? Labels that guests have: tenant=payments"
    assert said in " ".join(ran.err.split())
    assert guests(command) == set()


def test_labels_that_no_guest_has_together_are_listed(command: Command) -> None:
    """Also where nothing is like what was asked for."""
    ran = command("plan", "-l", "tenant=payments,x=y")

    said = "no guest has all of the labels tenant=payments,x=y. Labels that guests have: tenant=payments"
    assert (ran.code, said in " ".join(ran.err.split())) == (64, True), ran


@pytest.mark.parametrize("name", ["start", "stop"])
def test_a_mistyped_guest_of_a_simulated_vm_is_named(command: Command, name: str) -> None:
    """The guests are listed that were applied to the simulated host."""
    before = command("simulate", name, "guest9")
    command("apply", "--yes")
    after = command("simulate", name, "gest1")

    assert (before.code, "no guest called guest9 is known here. Nothing is applied" in before.err) == (64, True)
    assert after.code == 64
    said = "no guest called gest1 is known here. Did you mean 'guest1'? There are: guest1, guest2, guest3"
    assert said in " ".join(after.err.split())


@pytest.mark.parametrize(
    ("words", "meant"), [("unplgu 5", "unplug"), ("strat guest1", "start"), ("rest", "reset"), ("lod", "load")]
)
def test_a_mistyped_request_says_which_one_was_probably_meant(command: Command, words: str, meant: str) -> None:
    """And how that one is written."""
    ran = command("simulate", *words.split())

    assert ran.code == 64
    assert f"did you mean '{meant}'? Write: {meant}" in " ".join(ran.err.split())


def test_a_request_that_is_like_none_says_which_there_are(command: Command) -> None:
    """All of them; where only a word is missing, it says how that request is written."""
    every = ["plug", "unplug", "set", "domains", "restore", "reset", "start", "stop", "load", "unload", "boot"]
    wrong, short = command("simulate", "xyzzy"), command("simulate", "unplug")

    assert (wrong.code, short.code) == (64, 64)
    there = " ".join(wrong.err.partition("\n  next: ")[0].split()).partition("there are: ")[2].split(", ")
    assert {*every} <= {*there}
    assert "write: unplug " in short.err


def test_a_saved_partial_plan_stays_partial(command: Command) -> None:
    """It is applied as it was shown, once; with other guests, or with none chosen, it would be another plan."""
    saved = str(command.directory / "saved.json")
    assert command("plan", "-l", "tenant=payments", "--out", saved).code == 0

    assert command("apply", saved, "--target", "guest2", "--yes").code == 64
    shown = command("apply", saved)
    assert shown.code == 4
    line = shown.err.rsplit("to do it: ", 1)[1]
    assert run(shlex.split(line)[1:]) == 0

    assert guests(command) == {"guest1"}
    again = command("apply", saved, "--yes")
    assert again.code == 5
    assert "was already applied as generation 1" in again.err
    assert " partial: " in command("history").out


def test_a_saved_partial_plan_that_was_made_whole_is_refused(command: Command) -> None:
    """Who takes the guests out of it does not get the others as well."""
    saved = command.directory / "saved.json"
    command("plan", "--target", "guest1", "--out", str(saved))
    record = json.loads(saved.read_text(encoding="utf-8"))
    record["targets"] = None
    saved.write_text(json.dumps(record), encoding="utf-8")

    assert command("apply", str(saved), "--yes").code != 0
    assert guests(command) == set()


def test_a_partial_apply_is_cancelled_and_undone_like_any_other(command: Command) -> None:
    """What waits is rolled back; what stays is undone by a rollback, which touches the chosen guests alone."""
    before = command("simulate").out
    command("apply", "--yes", "--target", "guest1", "--confirm-within", "5m", "--id", "deploy-1")
    assert command("cancel", "deploy-1").code == 0
    assert command("simulate").out == before

    command("apply", "--yes")
    whole = command("simulate").out
    change(command)
    command("apply", "--yes", "--target", "guest1")
    ran = command("rollback", "--yes")
    assert ran.code == 0
    assert "this undoes generation 3, by root, for chosen guests only: guest1" in " ".join(ran.err.split())
    assert command("simulate").out == whole


def test_a_partial_apply_without_a_whole_one_before_is_undone(command: Command) -> None:
    """The device that it made goes; masks are changed only as far as they must."""
    command("apply", "--yes", "--target", "guest2")
    command("apply", "--yes", "--target", "guest1")

    assert command("rollback", "--yes").code == 0
    assert guests(command) == {"guest2"}


def test_all_of_a_large_partial_plan_is_shown_by_the_printed_command(command: Command) -> None:
    """With the guests that were chosen."""
    ran = command("plan", "--target", "guest1", "-l", "tenant=payments", "-o", "wide")
    assert ran.code == 0
    assert "guest2" not in ran.out


@pytest.fixture
def moved(command: Command) -> Command:
    """Three guests of which one was applied by itself since, which took more of the host's masks."""
    command("apply", "--yes")
    change(command, "adapters: [5, 6]", "adapters: [5, 6, 7]")
    assert command("apply", "--yes", "--target", "guest1", "--allow-disruption").code == 0
    return command


def test_masks_that_a_partial_apply_took_have_not_drifted(moved: Command) -> None:
    """Neither a look for drift nor a rollback names another program."""
    assert "In sync" in moved("drift").out
    assert "changed on the host since" not in moved("rollback", "--dry-run").out


def test_where_no_manifests_are_a_partial_apply_counts(moved: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was applied last is what the whole plan wanted, with the guests that were changed by themselves since."""
    empty = moved.directory / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    seen = moved.bare("status", "-o", "wide", "--simulate", str(moved.simulated_host))
    assert "generation 1, with the guests that generation 2 changed by themselves" in " ".join(seen.out.split())
    assert "Nothing to do" in seen.out


def test_nothing_to_do_is_said_of_the_chosen_guests_alone(command: Command) -> None:
    """Whatever else differs, by a plan and by an apply."""
    assert command("apply", "--yes").code == 0
    change(command, "[0x47, 0xff]", "[0x47]")
    for name in ("plan", "apply"):
        seen = command(name, "--target", "guest1", *(["--yes"] if name == "apply" else []))
        assert "Nothing to do: guest1 is as its manifest says." in seen.out
        assert "the host is as the manifests say" not in seen.out
