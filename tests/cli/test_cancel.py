"""``apply --id``, ``confirm`` and ``cancel``: for whoever applies from afar and may get no answer."""

import time
from pathlib import Path

import pytest

from reconciler.cli.main import run
from reconciler.hosts import opening
from reconciler.transaction.apply_ids import ApplyIds
from reconciler.transaction.history import RETAINED
from reconciler.transaction.state_directory import StateDirectory
from testing.clocks import NoTimer
from testing.commands import Command, Ran, change, example, parsed


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` on a fresh copy of the three guests, without a real timer."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    return example("three-guests", tmp_path, capsys)


def pass_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 91 seconds go by."""
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 91)


def next_of(ran: Ran) -> list[str]:
    """The words of the command that is printed last."""
    line = ran.err[ran.err.rindex("  next: reconcile ") :].splitlines()[0].removeprefix("  next: ")
    line = line.partition("    #")[0]
    parsed(line)
    return line.split()[1:]


@pytest.mark.parametrize("which", [(), ("1",), ("deploy-42",)])
def test_what_waits_is_cancelled(command: Command, which: tuple[str, ...]) -> None:
    """By its number, by its id, or since it is the only one; it may be said again."""
    before = command("simulate").out
    assert command("apply", "--yes", "--confirm-within", "5m", "--id", "deploy-42").code == 0
    assert command("simulate").out != before

    ran = command("cancel", *which)

    assert (ran.code, ran.out) == (0, "")
    assert ran.err.splitlines()[0] == "cancelled: generation 1 is rolled back"
    assert ran.err.count("rolled back") == 1
    assert ran.err.count("generation 1") == 1
    assert command("simulate").out == before
    again = command("cancel", *which)
    assert (again.code, again.err) == (0, "nothing to cancel: generation 1 was rolled back already\n")
    assert command("confirm", *which).code == 1


@pytest.mark.parametrize("which", [(), ("1",), ("deploy-42",)])
def test_what_waits_is_confirmed(command: Command, which: tuple[str, ...]) -> None:
    """In the same ways."""
    command("apply", "--yes", "--confirm-within", "5m", "--id", "deploy-42")
    after = command("simulate").out

    assert "waits for another 1 hour" in command("confirm", *which, "--extend", "1h").err
    assert command("confirm", *which).err == "confirmed: generation 1 stays\n"
    assert command("simulate").out == after


@pytest.mark.parametrize("which", [(), ("1",), ("deploy-42",)])
def test_what_was_not_confirmed_in_time_is_cancelled_already(
    command: Command, monkeypatch: pytest.MonkeyPatch, which: tuple[str, ...]
) -> None:
    """Whether the timer has rolled it back, or this command does."""
    before = command("simulate").out
    command("apply", "--yes", "--confirm-within", "90s", "--id", "deploy-42")
    pass_by(monkeypatch)

    assert command("cancel", *which).code == 0
    assert command("simulate").out == before
    assert command("cancel", *which).code == 0


@pytest.mark.parametrize("which", [(), ("2",), ("deploy-43",)])
def test_what_was_confirmed_is_left_to_a_rollback(command: Command, which: tuple[str, ...]) -> None:
    """Its command is printed, and works."""
    command("apply", "--yes")
    before = command("simulate").out
    change(command)
    command("apply", "--yes", "--confirm-within", "5m", "--id", "deploy-43")
    command("confirm")
    after = command("simulate").out

    ran = command("cancel", *which)

    assert ran.code == 4
    assert "generation 2 does not wait to be confirmed: it stays" in ran.err
    assert command("simulate").out == after
    assert run([*next_of(ran), "--yes"]) == 0
    assert command("simulate").out == before


def test_no_command_is_printed_that_would_undo_another_generation(command: Command) -> None:
    """The first one of several cannot be rolled back alone."""
    command("apply", "--yes", "--id", "first")
    assert next_of(command("cancel", "first"))[0] == "rollback"
    change(command)
    command("apply", "--yes")

    ran = command("cancel", "first")

    assert ran.code == 4
    assert next_of(ran)[0] == "history"


def test_an_unknown_id_is_blocked_for_ever(command: Command) -> None:
    """The apply that was sent and comes late is refused, also one from a saved plan; all others are made."""
    before = command("simulate").out
    command("plan", "--out", str(command.directory / "saved.plan"))
    for _ in range(2):
        ran = command("cancel", "deploy-42")
        assert (ran.code, ran.out) == (0, "")
        assert ran.err == "blocked: no apply with the id deploy-42 has begun, and each that comes with it is refused\n"

    for words in ((), (str(command.directory / "saved.plan"),)):
        late = command("apply", *words, "--yes", "--id", "deploy-42")
        assert late.code == 4
        assert "the id deploy-42 was cancelled" in late.err
    assert command("simulate").out == before
    assert command("history").out == "Nothing has been applied yet.\n"
    assert command("apply", "--yes", "--id", "deploy-43").code == 0


@pytest.mark.parametrize(("word", "code"), [("cancel", 0), ("confirm", 1)])
def test_who_mistypes_an_id_learns_which_apply_waits(command: Command, word: str, code: int) -> None:
    """It still does, and the seconds run."""
    command("apply", "--yes", "--id", "deploy-42", "--confirm-within", "90s")

    ran = command(word, "deploy-24")

    assert ran.code == code
    assert "generation 1 (deploy-42) waits to be confirmed\n" in ran.err
    assert "cancelled" not in ran.err
    assert command(*next_of(ran)).code == 0
    assert next_of(command("confirm"))[0] == "history"


def test_the_state_of_nothing_in_particular_names_the_apply_that_waits(command: Command) -> None:
    """None was a part of a commit to several hosts; the seconds of this one run."""
    command("apply", "--yes", "--id", "deploy-42", "--confirm-within", "90s")

    ran = command("history", "state")

    assert "generation 1 (deploy-42) waits to be confirmed\n" in ran.err
    assert command(*next_of(ran)).code == 0
    assert command("history", "state").err == ""


def test_an_old_generation_is_undone_with_those_that_came_after_it(command: Command) -> None:
    """The command that does it is printed, with which these are; before the first one there is nothing."""
    states = []
    for number, (old, new) in enumerate(
        (("[5, 6]", "[5, 6]"), ("[5, 6]", "[6]"), ("[6]", "[5]"), ("[5]", "[5, 6]")), 1
    ):
        change(command, f"adapters: {old}", f"adapters: {new}")
        assert command("apply", "--yes", "--id", f"a{number}").code == 0
        states.append(command("simulate").out)

    first, second, third = (command("cancel", f"a{number}") for number in (1, 2, 3))

    assert (first.code, second.code, third.code) == (4, 4, 4)
    assert "it cannot be rolled back any more, since later generations came after it" in first.err
    assert next_of(first)[0] == "history"
    assert "it stays; to roll it back also undoes generation 4\n" in third.err
    assert next_of(third)[:2] == ["rollback", "2"]
    assert "it stays; to roll it back also undoes generations 3 to 4\n" in second.err
    assert command(*next_of(second), "--yes").code == 0
    assert command("simulate").out == states[0]


def test_an_id_is_used_once(command: Command) -> None:
    """By one plan: it is refused with another one, and where the apply does not stand."""
    assert command("apply", "--yes", "--id", "a").code == 0
    assert command("apply", "--yes", "--id", "b").code == 0
    change(command)
    command("apply", "--yes", "--confirm-within", "5m", "--id", "c")
    command("cancel", "c")
    before = command("simulate").out

    for one, number, why in (
        ("a", 1, "has another plan, of"),
        ("b", 2, "has another"),
        ("c", 3, "was used already, by"),
    ):
        ran = command("apply", "--yes", "--id", one)
        assert ran.code == 4
        assert f"the id {one} {why}" in ran.err
        assert f"generation {number}, which" in ran.err
        assert next_of(ran)[:3] == ["history", "show", str(number)]
    assert command("simulate").out == before


def test_an_id_outlives_its_generation(command: Command) -> None:
    """The history keeps so many generations, and every id."""
    assert command("apply", "--yes", "--id", "first").code == 0
    folder = Path(f"{command.simulated_host}.state")
    for number in range(2, RETAINED + 2):
        command("apply", "--yes", "--id", f"n{number}")

    assert not (folder / "generations/000001.json").exists()
    assert command("apply", "--yes", "--id", "first").code == 4
    assert command("apply", "--yes", "--id", "n2").code == 0
    refused = command("apply", "--yes", "--id", "first")
    assert "is not in the history any more" in refused.err
    assert next_of(refused)[0] == "history"
    assert "show" not in next_of(refused)
    assert command("cancel", "first").code == 1


def test_cancelling_what_had_nothing_to_do_does_nothing(command: Command) -> None:
    """The host is as before that apply, and it waits for nothing."""
    command("apply", "--yes")
    command("apply", "--yes", "--id", "again")

    assert command("cancel", "again").err == "nothing to cancel: generation 2 had nothing to do\n"
    assert command("cancel", "again").code == 0


def test_without_an_apply_there_is_nothing_to_confirm_or_cancel(command: Command) -> None:
    """That is said, with what shows the history."""
    for name in ("confirm", "cancel"):
        ran = command(name)
        assert ran.code == 1
        assert "error: no apply waits to be confirmed\n  next: reconcile history" in ran.err
    for words in (("confirm", "deploy-1"), ("confirm", "7"), ("cancel", "7")):
        assert command(*words).code == 1
    assert command("apply", "--yes", "--id", "deploy-1").code == 0  # to confirm an id does not block it


@pytest.mark.parametrize(
    "wrong", ["", "42", "0", "٤", "-a", "Deploy", "a_b", "a.b", "a/b", "ä", "a b", "a" * 65, "a\n"]
)
def test_what_is_no_id_is_wrong_usage(command: Command, wrong: str) -> None:
    """With what one is."""
    ran = command("apply", "--yes", f"--id={wrong}")
    assert ran.code == 64
    assert "letters from a to z, digits and dashes" in " ".join(ran.err.split())
    assert command("apply", "--yes", f"--id={'a' * 64}").code == 0


def test_a_damaged_record_of_ids_refuses_applies_with_ids_only(command: Command) -> None:
    """It is named, with the command that moves it away."""
    command("cancel", "deploy-42")
    (damaged,) = Path(f"{command.simulated_host}.state/ids").iterdir()
    damaged.write_bytes(b"{torn")

    for words in (("apply", "--yes", "--id", "deploy-42"), ("cancel", "deploy-42"), ("confirm", "deploy-42")):
        ran = command(*words)
        assert ran.code == 1
        assert f"  next: mv {damaged} {damaged}.damaged" in ran.err
    assert command("apply", "--yes").code == 0


def test_an_apply_that_never_began_leaves_its_id_free(command: Command) -> None:
    """A process that was killed between claiming the id and writing the generation has done nothing."""
    state = StateDirectory(Path(f"{command.simulated_host}.state"))
    state.prepare()
    ApplyIds(state).claim("deploy-42", 1)
    assert command("apply", "--yes").code == 0

    assert command("apply", "--yes", "--id", "deploy-42").code == 0
    assert command("apply", "--yes", "--id", "deploy-42").err.startswith("nothing was done: the apply deploy-42 came")


NO_MANIFESTS = (
    ("confirm",),
    ("cancel", "x"),
    ("history",),
    ("history", "show", "1"),
    ("rollback", "--yes"),
    ("rollback", "1", "--yes"),
    ("suspend", "--reason", "x"),
    ("resume",),
    ("trigger",),
)


@pytest.mark.parametrize("words", NO_MANIFESTS)
@pytest.mark.parametrize("applied", [True, False])
def test_another_host_is_refused_by_commands_that_read_no_manifests(
    command: Command, words: tuple[str, ...], applied: bool
) -> None:
    """As by those that do: whoever names it means another host than this one."""
    if applied:
        command("apply", "--yes")
    before = command("simulate").out

    ran = command(*words, "--host", "nope")

    assert ran.code == 64
    assert "--host nope: nothing is known of such a Host here; known is lpar7" in ran.err
    assert command("simulate").out == before
    assert command(*words, "--host", "lpar7").code != 64
