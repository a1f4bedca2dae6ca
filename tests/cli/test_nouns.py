"""Words such as guest, queue and card before a name are answered with the command without them."""

import shlex
from pathlib import Path

import pytest

from testing.commands import Command, change, example


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` in a fresh copy of the three guests, applied."""
    made = example("three-guests", tmp_path, capsys)
    monkeypatch.chdir(made.directory)
    assert made.bare("apply", "--yes", *WHERE).code == 0
    return made


WHERE = ("--simulate", "simulated-host.yaml")
SIMULATED = " ".join(WHERE)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("status guest guest1", [f"status {SIMULATED} guest1"]),
        ("status Guest guest1 guest guest2", [f"status {SIMULATED} guest1 guest2"]),
        ("status guests", [f"status {SIMULATED}"]),
        ("status vm guest1 -o json", [f"status -o json {SIMULATED} guest1"]),
        ("status queue 05.0047", [f"status {SIMULATED} 05.0047"]),
        ("status card 5", [f"status {SIMULATED} card05"]),
        ("status adapter 0x05", [f"status {SIMULATED} card05"]),
        ("status cards card05 card06", [f"status {SIMULATED} card05 card06"]),
        ("status card 47", [f"status {SIMULATED} card47", f"status {SIMULATED} card2f"]),
        ("status domain 0x47", [f"status {SIMULATED} 04.0047 05.0047 06.0047"]),
        ("status --free card 5", [f"status --free {SIMULATED} card05"]),
        ("status --free domain 0x47", [f"status --free {SIMULATED} 0047"]),
        ("matrix guest guest1", [f"matrix {SIMULATED} guest1"]),
        ("matrix card 5", [f"matrix {SIMULATED} card05"]),
        ("history guest guest1", [f"history -o wide {SIMULATED}"]),
        ("suspend guest guest2 --reason x", [f"suspend --reason x {SIMULATED} guest2"]),
        ("suspend host --reason x", [f"suspend --reason x {SIMULATED}"]),
        ("suspend host lpar7 --reason x", [f"suspend --reason x {SIMULATED}"]),
        ("resume guest guest1", [f"resume {SIMULATED} guest1"]),
        ("status --queue 05.0047", [f"status 05.0047 {SIMULATED}"]),
        ("status --queue=05.0047", [f"status 05.0047 {SIMULATED}"]),
        ("status --card 5", [f"status card05 {SIMULATED}"]),
        ("status --guest guest1", [f"status guest1 {SIMULATED}"]),
        ("matrix --card=6 -o json", [f"matrix card06 -o json {SIMULATED}"]),
        ("plan guest guest1", [f"plan --target guest1 {SIMULATED}"]),
        ("apply guest guest1 --yes", [f"apply --yes --target guest1 {SIMULATED}"]),
        ("drift guest guest1", [f"status {SIMULATED} guest1"]),
    ],
)
def test_the_command_without_the_noun_is_printed(command: Command, words: str, meant: list[str]) -> None:
    """And it works."""
    if words.startswith("resume"):
        assert command.bare("suspend", "guest1", "--reason", "x", *WHERE).code == 0
    ran = command.bare(*words.split(), *WHERE)

    lines = [line[line.index("reconcile ") :] for line in ran.err.splitlines() if _is_command(line)]
    assert (ran.code, ran.out) == (64, "")
    assert [shlex.split(line, comments=True)[1:] for line in lines] == [one.split() for one in meant]
    for one in meant:
        assert command.bare(*one.split()).code == 0


def _is_command(line: str) -> bool:
    return "reconcile " in line and "Usage: " not in line and "Try " not in line


@pytest.mark.parametrize("words", ["status guest gest1", "matrix guest gest1", "suspend guest gest1 --reason x"])
def test_what_is_wrong_without_the_noun_is_answered_at_once(command: Command, words: str) -> None:
    """With a command that has neither."""
    ran = command.bare(*words.split(), *WHERE)

    (line,) = [line for line in ran.err.splitlines() if line.startswith("  next: ")]
    assert "no guest called gest1 is known here" in ran.err
    assert (line.split()[-1], " guest " in line) == ("guest1", False)


def test_a_guest_of_that_name_comes_first(command: Command) -> None:
    """Since it can be named, too."""
    change(command, "name: guest2", "name: card")
    assert command.bare("apply", "--yes", *WHERE).code == 0

    ran = command.bare("status", "card", "guest1", *WHERE)

    assert ran.code == 0
