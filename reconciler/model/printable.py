"""Which characters people can see, and how the others are shown.

Everything that comes from outside (file names, labels, commit subjects, names of VMs and processes, messages of the
system) is made printable where it leaves us: by `reconciler.cli.output` for standard output and standard error, and by
each sink of the loop. Inside, text stays as it was found. What people write in manifests and on the command line is
refused instead where it has such a character, with `first_unprintable`.
"""

import re
import shlex
from collections.abc import Callable, Iterable
from errno import EDQUOT, ENOSPC
from typing import Any, Final, NamedTuple

# All of these have a place in Unicode's property Default_Ignorable_Code_Point, or are blank letters, and yet count as
# printable in Python: joiners of graphemes, blank Hangul and Braille, vowels that are not drawn, variation selectors.
_IGNORED: Final = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff"
_IGNORABLE: Final = f"[{_IGNORED}]"
_SUSPICIOUS: Final = re.compile("[^ -~\xa1-\xac\xae-\u02ff]")
"""All that is not plainly printable; most text has none of it, and is not looked at further."""
_BREAKS: Final = "[\t-\r\x1c-\x1e\x85\u2028\u2029]"
_SURROGATE: Final = "[\ud800-\udfff]"
_NAMED: Final = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
# What CI systems take for a command: at the start of a line, after spaces, or anywhere in it.
_COMMAND_START: Final = r"(?m)^(\s*):(?=:)"
_COMMAND: Final = r"##(?=\w*\[)"


class Unprintable(NamedTuple):
    """A character that people cannot see.

    Attributes:
        offset: where it stands in its text, from 0.
        character: itself.
    """

    offset: int
    character: str

    def __str__(self) -> str:
        r"""For people, for example ``\u202e at position 4``, which counts from 1."""
        return f"{shown_character(self.character)} at position {self.offset + 1}"


def is_printable(character: str) -> bool:
    """Whether people can see `character`, or it is the space."""
    return character.isprintable() and not re.match(_IGNORABLE, character)


def escaped(text: str) -> str:
    """`text` on one line, with an escape for each character that people cannot see; the result is printable."""
    return _SUSPICIOUS.sub(_shown_match, text)


def escaped_lines(text: str) -> str:
    """As `escaped`, but line feeds and tabs stay: for text whose lines are ours (`lines_text`).

    No line is a command to a CI system: ``::`` at the start of one, and ``##[`` anywhere, are shown with an escape.
    """
    shown = _SUSPICIOUS.sub(_shown_in_lines, text)
    if "::" in shown:
        shown = re.sub(_COMMAND_START, r"\1\\x3a", shown)
    return re.sub(_COMMAND, r"#\\x23", shown) if "##" in shown else shown


def lines_text(lines: Iterable[str]) -> str:
    """`lines` as text, each ended by a line feed; what would divide a line further, or shift it, is shown escaped."""
    return "".join(f"{one_line(line)}\n" for line in lines)


def one_line(text: str) -> str:
    """`text` with an escape for each character that ends a line or shifts what follows; all others stay."""
    return re.sub(_BREAKS, _shown_match, text)


def decodable(record: Any) -> Any:
    """`record`, made of lists, tuples, dicts and text, with an escape in its texts for each byte that is not UTF-8.

    Python has lone surrogates in their place, which no other program can read in JSON.
    """
    return _mapped(lambda text: re.sub(_SURROGATE, _shown_match, text), record)


def escaped_values(record: Any) -> Any:
    """`record`, made of lists, tuples, dicts and text, with `escaped` texts: for programs that show them to people.

    Each text may become a line, and is no command to a CI system then.
    """
    return _mapped(lambda text: escaped_lines(escaped(text)), record)


def _mapped(change: Callable[[str], str], value: Any) -> Any:
    match value:
        case str():
            return change(value)
        case dict():
            return {_mapped(change, key): _mapped(change, one) for key, one in value.items()}
        case list() | tuple():
            return [_mapped(change, one) for one in value]
    return value


_OWN_SIGNS: Final = {"…": "...", "×": "x", "·": ".", "\ufffd": "?"}
"""The signs that our own texts have besides ASCII, and what they become where an encoding lacks them."""


def in_encoding(text: str, encoding: str) -> str:
    """`text` as far as `encoding` has it: our own signs in ASCII else, and each other character as an escape."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        lacking = {ord(sign): form for sign, form in _OWN_SIGNS.items() if not _is_in(encoding, sign)}
        return text.translate(lacking).encode(encoding, "backslashreplace").decode(encoding)
    return text


def _is_in(encoding: str, character: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def shown_character(character: str) -> str:
    r"""The escape of `character`: ``\n``, ``\x1b``, ``\u202e``, or ``\xff`` for a byte that is not UTF-8."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # os.fsdecode puts bytes there that are not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return _NAMED.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shell_line(words: Iterable[str]) -> str:
    r"""`words` as a line for a shell, which is printable and means these words when it is copied.

    A word with a character that people cannot see is written as bash, zsh and ksh read it: ``$'a\nb'``.
    """
    return " ".join(shlex.quote(word) if escaped(word) == word else _ansi_quoted(word) for word in words)


def _ansi_quoted(word: str) -> str:
    plain = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{escaped(plain)}'"


def first_unprintable(text: str) -> Unprintable | None:
    """The first character of `text` that people cannot see, so that it has no place in a name or value; else None.

    Blank characters of other widths than the space, such as U+3000, are no reason to refuse what a person wrote.
    """
    for found in _SUSPICIOUS.finditer(text):
        character = found[0]
        if not is_printable(character) and not (character.isspace() and _is_blank(character)):
            return Unprintable(found.start(), character)
    return None


def _is_blank(character: str) -> bool:
    # Unicode's category Zs: blank, and no end of a line.
    return ord(character) >= 0xA0 and not re.match(_BREAKS, character)


def _shown_match(found: re.Match[str]) -> str:
    return found[0] if is_printable(found[0]) else shown_character(found[0])


def _shown_in_lines(found: re.Match[str]) -> str:
    return found[0] if found[0] in "\n\t" else _shown_match(found)


def error_text(error: BaseException) -> str:
    """What `error` says as people say it: of an error of the system the file first, and no number.

    Where space is missing it says so, since that helps wherever it happens.
    """
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    name = error.filename or ""
    name = name.decode(errors="surrogateescape") if isinstance(name, bytes) else str(name)
    if name and isinstance(error, FileNotFoundError):
        return f"there is no file {name}"
    cure = " (free space there)" if error.errno in (ENOSPC, EDQUOT) else ""
    return f"{name}: {error.strerror}{cure}" if name else f"{error.strerror}{cure}"


def in_place(text: str) -> str:
    """`text` with U+FFFD in place of each character that people cannot see: what stands below one stays below it."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if is_printable(one) or one == "\t" else "\ufffd" for one in text)


def shortened(name: str, most: int = 80) -> str:
    """`name`, which a person has typed and may be anything, cut in its middle above `most` characters."""
    return name if len(name) <= most else f"{name[: most // 2]}…{name[-((most - 1) // 2) :]}"


def quoted(value: object, most: int = 60) -> str:
    """`value` of a file for people: in quotation marks, harmless on a terminal, cut after `most` characters."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    shown = ascii(value)
    return shown if len(shown) <= most else f"{shown[:most]}…"
