"""Bytes to text: UTF-8, and no character that people cannot see or that programs take for different line breaks."""

import re
from itertools import islice
from typing import Final

from reconciler.manifests.places import LONGEST_EXCERPT, Source, error, printable
from reconciler.model.printable import first_unprintable, shown_character
from reconciler.model.problems import Place, Position, Problem

_HARMLESS: Final = bytes((0x09, 0x0A, 0x0D, *range(0x20, 0x7F), *range(0x80, 0x100)))
_ODD_LINE_BREAKS: Final = "\x85\u2028\u2029"
_PERHAPS_ODD: Final = re.compile("[^\t\n\r -~\xa0-\xac\xae-\u02ff]|\r(?!\n)")
_IN_WORDS_AND_EMOJI: Final = "\u200c\u200d\ufe0e\ufe0f"
"""Comments may have these, as some languages and all emoji do; names and labels may not."""
_BYTE_ORDER_MARKS_16_32: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


def decoded(content: bytes, file: str) -> str | Problem:
    """`content`, the whole of `file`, as text; or what is wrong with it."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as refused:
        return _not_utf8(content, file, refused.start)


def odd_characters(source: Source) -> list[Problem]:
    """A problem for the first character of `source` that does not belong into a manifest; empty where there is none."""
    text = source.text
    encoded = text.encode("utf-8", "surrogatepass")
    if not encoded.translate(None, _HARMLESS) and text.isascii() and "\r" not in text:
        return []
    odd = (found.start() for found in _PERHAPS_ODD.finditer(text) if _is_odd(found[0]))
    return [_odd_character(source, offset) for offset in islice(odd, 1)]


def _is_odd(character: str) -> bool:
    return character not in _IN_WORDS_AND_EMOJI and first_unprintable(character) is not None


def _not_utf8(content: bytes, file: str, offset: int) -> Problem:
    if content.startswith(_BYTE_ORDER_MARKS_16_32):
        message = f"{file} is not UTF-8: it begins with the byte order mark of UTF-16 or UTF-32"
    else:
        message = f"{file} is not UTF-8: byte 0x{content[offset]:02x} at offset {offset}"
    before = content[:offset]
    start = before.rfind(b"\n") + 1
    column = len(before[start:].decode("utf-8", "replace")) + 1
    end = content.find(b"\n", offset)
    line = content[start : end if end >= 0 else start + LONGEST_EXCERPT].decode("utf-8", "replace")
    excerpt = "" if "\0" in line or column > LONGEST_EXCERPT else printable(line[:LONGEST_EXCERPT])
    places = (Place(Position(file, before.count(b"\n") + 1, column), excerpt=excerpt),)
    return error("not-utf8", message, places, "Save the file as UTF-8 without a byte order mark.")


def _odd_character(source: Source, offset: int) -> Problem:
    character = source.text[offset]
    places = (source.place(offset),)
    if character == "\ufeff":
        message = "there is a byte order mark (U+FEFF)"
        return error("byte-order-mark", message, places, "Save the file as UTF-8 without a byte order mark.")
    if character in _ODD_LINE_BREAKS or character == "\r":
        message = f"there is a line break that programs disagree on (U+{ord(character):04X})"
        return error("odd-line-break", message, places, "End lines with a line feed, as editors on Linux do.")
    message = f"there is a character that cannot be seen: {shown_character(character)} (U+{ord(character):04X})"
    return error("control-character", message, places, "Remove it. If the file is not text, it does not belong here.")
