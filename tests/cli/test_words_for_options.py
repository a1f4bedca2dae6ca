"""An option that was typed with one dash, or with none, is answered with the command that was meant."""

import shlex
from pathlib import Path

import pytest

from testing.commands import Command, change, example, parsed


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` in a fresh copy of the three guests, applied, with another current directory."""
    made = example("three-guests", tmp_path, capsys)
    monkeypatch.chdir(made.directory)
    assert made.bare("apply", "--yes", *WHERE).code == 0
    return made


WHERE = ("--simulate", "simulated-host.yaml")
SIMULATED = " ".join(WHERE)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("status", "free"), f"reconcile status --free {SIMULATED}"),
        (("status", "FREE"), f"reconcile status --free {SIMULATED}"),
        (("status", "-free"), f"reconcile status --free {SIMULATED}"),
        (("status", "free", "card05"), f"reconcile status --free {SIMULATED} card05"),
        (("status", "guest1", "free"), f"reconcile status --free {SIMULATED}"),
        (("status", "idle", "-o", "json"), f"reconcile status --free -o json {SIMULATED}"),
        (("matrix", "free"), f"reconcile status --free {SIMULATED}"),
        (("matrix", "-free"), f"reconcile status --free {SIMULATED}"),
        (("matrix", "unused", "card05", "-o", "json"), f"reconcile status --free -o json {SIMULATED} card05"),
        (("status", "-free", "card05"), f"reconcile status --free card05 {SIMULATED}"),
        (("status", "json"), f"reconcile status -o json {SIMULATED}"),
        (("status", "wide", "guest1"), f"reconcile status -o wide {SIMULATED} guest1"),
        (("matrix", "json"), f"reconcile matrix -o json {SIMULATED}"),
        (("status", "-output", "json"), f"reconcile status --output json {SIMULATED}"),
        (("status", "-output=json"), f"reconcile status --output=json {SIMULATED}"),
        (("status", "-host", "lpar7"), f"reconcile status --host lpar7 {SIMULATED}"),
        (("status", "-label", "tenant=payments"), f"reconcile status --label tenant=payments {SIMULATED}"),
        (("plan", "-file", "."), f"reconcile plan --file . {SIMULATED}"),
        (("plan", "-out", "saved.plan"), f"reconcile plan --out saved.plan {SIMULATED}"),
        (("drift", "-file=."), f"reconcile drift --file=. {SIMULATED}"),
    ],
)
def test_the_option_is_printed_in_its_right_form(command: Command, words: tuple[str, ...], meant: str) -> None:
    """In the whole command, with the rest of what was typed, and it works."""
    ran = command.bare(*words, *WHERE)

    line = next(
        line for line in ran.err.splitlines() if "reconcile " in line and "Try" not in line and "Usage" not in line
    )
    line = line[line.index("reconcile ") :].partition("    #")[0]
    assert (ran.code, line) == (64, meant)
    parsed(line)
    assert command.bare(*shlex.split(line)[1:]).code == 0


@pytest.mark.parametrize(
    "words",
    [("status", "-ojson"), ("status", "-oname"), ("suspend", "guest1", "--reason", "-free"), ("plan", "-fguests.yaml")],
)
def test_values_behind_short_options_stay(command: Command, words: tuple[str, ...]) -> None:
    """As ever: nothing is refused."""
    files = ("-f", "host.yaml") if "-fguests.yaml" in words else ()

    assert command.bare(*words, *files, *WHERE).code == 0


def test_a_file_is_a_file_even_if_its_option_looks_like_another(command: Command) -> None:
    """Where it is there."""
    Path("ree").mkdir()

    assert "ree" in command.bare("status", "-free", *WHERE).err
    assert "--free" not in command.bare("status", "-free", *WHERE).err


def test_a_guest_of_that_name_comes_first(command: Command) -> None:
    """It is shown; where one has almost that name, both commands are printed."""
    change(command, "name: guest2", "name: free")
    change(command, "name: guest3", "name: idle2")

    shown, both = command.bare("status", "free", *WHERE), command.bare("status", "idle", *WHERE)

    assert shown.out.splitlines()[2].startswith("free  ")
    assert both.err.count("\n  next: reconcile status ") == 2
    assert f"next: reconcile status --free {SIMULATED}\n" in both.err
