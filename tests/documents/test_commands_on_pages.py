"""Every command of ours that a page shows in code is one that the tool accepts."""

import re
import shlex
from pathlib import Path
from typing import Final

import click
import pytest

from testing.commands import parsed

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
SPAN: Final = re.compile(r"`(reconcile [^`]+)`")
SYNOPSIS: Final = re.compile(r"\[|\.\.\.|…|\b[A-Z]+\b|<")
"""What stands for something that the reader fills in: such a line is a form, no command."""


def lines_of_code(text: str) -> set[str]:
    """The commands on lines of code in `text`, up to a pipe, a redirection or a remark."""
    code = [line.strip().removeprefix("$ ") for line in text.splitlines() if line.startswith(("    ", "$ "))]
    joined = " \n".join(code).replace("\\ \n", " ").splitlines()
    return {_command(line) for line in joined if line.startswith("reconcile ")}


def commands(text: str) -> set[str]:
    """The commands that `text` shows, in code spans and on lines of code."""
    return lines_of_code(text) | {_command(line) for line in SPAN.findall(text)}


def _command(line: str) -> str:
    return re.split(r"\s[|>&;#]|\s2>|&&|;", line)[0].strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_shown_are_accepted(page: Path) -> None:
    """Those without a part for the reader to fill in are parsed by the tool's own definition."""
    wrong = {}
    text = page.read_text(encoding="utf-8")
    lines = lines_of_code(text)
    for line in commands(text):
        if SYNOPSIS.search(line):
            continue
        try:
            parsed(line)
        except click.MissingParameter as error:
            if line in lines:  # a span may name a command, a line of code is one
                wrong[line] = str(error)
        except (click.UsageError, AssertionError, ValueError) as error:
            wrong[line] = str(error) or type(error).__name__

    assert wrong == {}


def test_the_pages_show_commands() -> None:
    """So that the test above tests something."""
    shown = [line for page in PAGES for line in commands(page.read_text(encoding="utf-8"))]

    assert len([line for line in shown if not SYNOPSIS.search(line)]) > 80
    assert all(shlex.split(line) for line in shown if not SYNOPSIS.search(line))
