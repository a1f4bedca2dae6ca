"""A word of thousands of characters, such as what a variable holds by mistake, does not fill a screen."""

from pathlib import Path

import pytest

from reconciler.model.printable import shortened
from testing.commands import Command, example

LONG = f"first{'x' * 3000}last"


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """In a fresh copy of the three guests, applied."""
    made = example("three-guests", tmp_path, capsys)
    monkeypatch.chdir(made.directory)
    assert made.bare("apply", "--yes", *WHERE).code == 0
    return made


WHERE = ("--simulate", "simulated-host.yaml")


@pytest.mark.parametrize(
    "words",
    [
        *(
            (name, "--host", LONG)
            for name in ("status", "matrix", "plan", "apply", "drift", "validate", "history", "report")
        ),
        *((name, LONG) for name in ("status", "matrix", "plan", "doctor", "watch", "trigger", "history", "resume")),
        ("suspend", LONG, "--reason", "x"),
        ("plan", "--target", LONG),
        (LONG,),
    ],
)
def test_a_name_that_nothing_has_is_cut_in_its_middle(command: Command, words: tuple[str, ...]) -> None:
    """Of hosts as of guests; both ends are shown, so that it is recognised."""
    page = ("--html", "page.html") if words[0] == "report" else ()

    ran = command.bare(*words, *page, *WHERE)

    assert ran.code != 0
    assert shortened(LONG) in ran.err
    assert "x" * 100 not in ran.err


def test_a_name_that_can_be_is_never_cut() -> None:
    """Of 63 characters at most; a longer one loses what is in its middle."""
    assert shortened("x" * 63) == "x" * 63
    assert shortened("a" * 80) == "a" * 80
    assert shortened(f"{'a' * 40}{'b' * 40}c") == f"{'a' * 40}…{'b' * 38}c"
    assert len(shortened(LONG)) == 80
