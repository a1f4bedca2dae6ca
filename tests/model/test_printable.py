"""What people can see, and how the rest is shown."""

import ast
import errno
import os
import unicodedata
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.printable import (
    decodable,
    error_text,
    escaped,
    escaped_lines,
    escaped_values,
    first_unprintable,
    in_encoding,
    lines_text,
    one_line,
    shell_line,
)
from testing.hostile_text import HOSTILE, unsafe_characters


def test_of_all_characters_only_visible_ones_stay() -> None:
    """Every character that has no place in output is shown as an escape, and refused in what people write.

    Of the planes that have no characters, or only private ones, a part is enough.
    """
    for code in chain(
        range(0x32000), range(0x32000, 0xE0000, 101), range(0xE0000, 0xE1000), range(0xE1000, 0x110000, 101)
    ):
        character = chr(code)
        if unsafe_characters(character):
            assert escaped(character).isascii(), hex(code)
            assert first_unprintable(character), hex(code)
        elif unicodedata.category(character) == "Zs" and character != " ":
            assert escaped(character).isascii(), hex(code)
            assert not first_unprintable(character), hex(code)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä × 漢 😀", "plain ä × 漢 😀"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x7f\x9b", "\\x7f\\u009b"),
        ("\udcff\udc80", "\\xff\\x80"),
        ("\ud800", "\\ud800"),
        ("\u202egpj", "\\u202egpj"),
        ("a\U000e0041\U000e0100", "a\\U000e0041\\U000e0100"),
        ("\ufe0f\u3164", "\\ufe0f\\u3164"),
    ],
)
def test_how_characters_are_shown(text: str, shown: str) -> None:
    """As Python writes them, and a byte that is not UTF-8 as that byte."""
    assert escaped(text) == shown


@given(st.text(), HOSTILE)
def test_escaping_again_changes_nothing(text: str, hostile: str) -> None:
    """What is printable stays, so that two parts of the program may both see to it."""
    shown = escaped(text + hostile)

    assert escaped(shown) == shown
    assert not unsafe_characters(shown)
    assert not unsafe_characters(escaped_lines(text + hostile).replace("\n", "").replace("\t", ""))


@given(st.lists(HOSTILE, max_size=5))
def test_a_line_stays_a_line(lines: list[str]) -> None:
    """Whatever it is made of."""
    assert len(lines_text(lines).splitlines()) == len(lines)
    assert all(len(one_line(line).splitlines()) <= 1 for line in lines)


@pytest.mark.parametrize("command", ["::error::x", "  ::set-env name=x::y", "a ##[error]x", "##vso[task.setvariable]x"])
def test_no_line_is_a_command_to_a_ci_system(command: str) -> None:
    """GitHub's runner looks at the start of a line, after spaces; others look anywhere."""
    shown = escaped_lines(f"first\n{command}\n")

    assert not any(line.lstrip().startswith("::") for line in shown.splitlines())
    assert "##[" not in shown
    assert "##vso[" not in shown


def test_records_are_made_decodable_and_printable() -> None:
    """In keys, lists and tuples; everything else stays."""
    record = {"a\udcff": ["\udc80", ("\u202e", 1, None, True)]}

    assert decodable(record) == {"a\\xff": ["\\x80", ["\u202e", 1, None, True]]}
    assert escaped_values(record) == {"a\\xff": ["\\x80", ["\\u202e", 1, None, True]]}


def test_the_first_character_that_cannot_be_seen() -> None:
    """With its position, which counts from 1 for people."""
    assert str(first_unprintable("pay\u200bments\n")) == "\\u200b at position 4"
    assert first_unprintable("Zahlung, 支払い\u3000済") is None


def test_a_line_for_a_shell_is_printable() -> None:
    """A word that is not is written with escapes that the shell reads."""
    assert shell_line(["it's", "a b", "x\n'\\\u202e"]) == "'it'\"'\"'s' 'a b' $'x\\n\\'\\\\\\u202e'"


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", r"a... 1 x 2 . ? \u2192 \xe4 \u2013"),
        ("latin-1", "a... 1 × 2 · ? \\u2192 ä \\u2013"),
        ("cp1252", "a… 1 × 2 · ? \\u2192 ä –"),
        ("utf-8", "a… 1 × 2 · \ufffd → ä –"),
    ],
)
def test_signs_of_ours_have_a_form_in_every_encoding(encoding: str, shown: str) -> None:
    """What an encoding lacks is shown in ASCII if it is ours, and else as an escape, so that nothing is mistaken."""
    assert in_encoding("a… 1 × 2 · \ufffd → ä –", encoding) == shown


def test_a_byte_that_is_no_text_can_be_encoded() -> None:
    """As an escape, whatever the encoding."""
    assert in_encoding("a…\udcff", "utf-8") == "a…\\udcff"
    assert in_encoding("a…\udcff", "ascii") == "a...\\udcff"


def test_every_sign_that_is_printed_has_a_form_in_ascii() -> None:
    """None of the texts in our code has another one.

    Pictures are made for browsers, notices for chats, and patterns are not printed.
    """
    signs = {
        character
        for file in (Path(__file__).parents[2] / "reconciler").rglob("*.py")
        if file.parent.name != "picture"
        and file.name not in {"ids_text.py", "notices.py", "yaml_stream.py", "printable.py"}
        for text in _texts(ast.parse(file.read_text(encoding="utf-8")))
        for character in text
        if not character.isascii() and character.isprintable()
    }

    assert signs == {"…", "×", "·"}
    assert all(in_encoding(sign, "ascii").isascii() and "\\" not in in_encoding(sign, "ascii") for sign in signs)


def _texts(module: ast.Module) -> Iterator[str]:
    """All texts in `module` but docstrings."""
    docstrings = {node.value for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
            yield node.value


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.EIO, "Input/output error", "/etc/a"), "/etc/a: Input/output error"),
        (OSError(errno.EIO, "Input/output error", b"/etc/\xff"), "/etc/\udcff: Input/output error"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError(errno.ENOENT, os.strerror(errno.ENOENT), "/etc/a"), "there is no file /etc/a"),
        (OSError(errno.ENOENT, os.strerror(errno.ENOENT)), "No such file or directory"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/etc/a"),
            "/etc/a: No space left on device (free space there)",
        ),
        (OSError("not of the system"), "not of the system"),
        (ValueError("no number"), "no number"),
    ],
)
def test_an_error_of_the_system_names_its_file_and_no_number(error: Exception, text: str) -> None:
    """The file comes first; where space is missing, what helps is said too."""
    assert error_text(error) == text
