"""Ids and queues as people write them: decimal, ``0x`` and hex digits, ranges, and queues one by one."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.manifests.data import Data, shown
from reconciler.model.errors import InputError
from reconciler.model.ids import ID_COUNT, IdSet
from reconciler.model.matrix import Matrix, Queue

_HEX: Final = re.compile(r"0x[0-9a-fA-F]+")
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]*")
_ONE_ID: Final = r"0x0{0,2}[0-9a-fA-F]{1,2}|25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9]"
_LIKE_A_RANGE: Final = r"\s*(\w+)\s*(?:-|\.\.+|:|–)\s*(\w+)\s*"
_LONGEST_NUMBER: Final = 18


class ReversedRange(InputError, ValueError):
    """A range whose first id is above its last; the text is in ``args[0]``."""


class NotAnId(NamedTuple):
    """Why a value is no id: the problem's id, the rest of the sentence after the value, and what to write instead."""

    id: str
    reason: str
    help: str


def bits_of(value: int | str) -> int:
    """The ids that `value`, of the form that the schemas accept, stands for; as the bits of an `IdSet`.

    Raises:
        ReversedRange: it is a range that runs backwards.
    """
    if isinstance(value, int):
        return 1 << value
    first, dash, last = value.partition("-")
    low = _number(first)
    high = _number(last) if dash else low
    if high < low:
        raise ReversedRange(value)
    return (1 << high + 1) - (1 << low)


def why_reversed(text: str) -> NotAnId | None:
    """What is wrong with `text`, a range that runs backwards; None where it is anything else.

    Of two numbers in different bases one may have been meant in the other one: ``0x47-50``.
    """
    found = re.fullmatch(rf"({_ONE_ID})-({_ONE_ID})", text)
    if not found or _is_range(*found.groups()):
        return None
    first, last = found.groups()
    reason = f"runs backwards: {_with_decimal(first, last)} is above {_with_decimal(last, first)}"
    return NotAnId("reversed-range", reason, f"Write {', '.join(_forwards(first, last))}.")


def _with_decimal(one: str, other: str) -> str:
    """`one`, in hex with its decimal value where `other` is in decimal, so that they can be compared."""
    return f"{one} ({_number(one)})" if one.startswith("0x") and not other.startswith("0x") else one


def _forwards(first: str, last: str) -> Iterator[str]:
    """What may be written in place of the reversed range, in one base."""
    in_hex, in_decimal = (_in_hex(first), _in_hex(last)), (_in_decimal(first), _in_decimal(last))
    is_mixed = (first, last) not in (in_hex, in_decimal)
    meant = [(ends, base) for ends, base in ((in_hex, "hex"), (in_decimal, "decimal")) if is_mixed and _is_range(*ends)]
    yield from (f"{'-'.join(ends)} if {base} is meant" for ends, base in meant)
    if not meant:
        yield f"0x{_number(last):02x}-0x{_number(first):02x}" if is_mixed else f"{last}-{first}"


def _in_hex(end: str) -> str:
    return end if end.startswith("0x") else f"0x{end}"


def _in_decimal(end: str) -> str:
    return end.removeprefix("0x")


def _is_range(first: str, last: str) -> bool:
    return all(re.fullmatch(_ONE_ID, end) for end in (first, last)) and _number(first) <= _number(last)


def why_not_an_id(value: Data) -> NotAnId:
    """What is wrong with `value`, which the schemas do not accept as an id."""
    match value:
        case None:
            return NotAnId("bad-id", "there is no number", "Write a number from 0 to 255, or remove the entry.")
        case bool() | dict() | list():
            return NotAnId("bad-id", "is not a number", _FORMS)
        case int():
            return _out_of_range()
    if found := re.fullmatch(_LIKE_A_RANGE, value):
        return _bad_range(value, found[1], found[2])
    return _bad_number(value)


def _number(text: str) -> int:
    return int(text, 16) if text.startswith("0x") else int(text)


_FORMS: Final = "Write a decimal number such as 71, hex with 0x such as 0x47, or a range such as 4-6 or 0xab-0xaf."

_BOUNDS: Final = (
    f"Ids of adapters and domains are from 0 to {ID_COUNT - 1}, which is 0x00 to 0x{ID_COUNT - 1:02x} in hex."
)
_ABOVE: Final = f"is above {ID_COUNT - 1}, the highest id there can be"

_ODD_FORMS: Final = (
    (
        r"[0-9a-fA-F]{2}\.[0-9a-fA-F]{4}",
        NotAnId("bad-id", "is a queue, not a number", "List whole queues under spec.queues, numbers here."),
    ),
    (r"-[0-9]+", NotAnId("id-out-of-range", "is below 0", _BOUNDS)),
    (r"[1-9][0-9]{18,}|0x[0-9a-fA-F]{17,}", NotAnId("id-out-of-range", _ABOVE, _BOUNDS)),
)


def _out_of_range() -> NotAnId:
    return NotAnId("id-out-of-range", _ABOVE, _BOUNDS)


def _bad_number(text: str) -> NotAnId:
    if len(text) <= _LONGEST_NUMBER and (_DECIMAL.fullmatch(text) or _HEX.fullmatch(text)):
        if _number(text) >= ID_COUNT:
            return _out_of_range()
        return NotAnId("bad-id", "has more zeros than an id needs", f"Write 0x{_number(text):02x}.")
    for form, why in _ODD_FORMS:
        if re.fullmatch(form, text):
            return why
    if re.fullmatch(r"0[0-9]{1,17}", text):
        return _leading_zero(text)
    if re.fullmatch(r"[0-9a-fA-F]{1,2}", text):
        return NotAnId("bad-id", "looks like hex without 0x", f"Write 0x{text.lower()} if hex is meant.")
    return NotAnId("bad-id", f"is not a number from 0 to {ID_COUNT - 1}", _corrected(text) or _FORMS)


_IN_HEX_ELSEWHERE: Final = r"(?:0[xX]|[xX$#]'?|16#)([0-9a-fA-F]{1,2})'?|([0-9a-fA-F]{1,2})[hH]"
"""Hex as in other languages: 0X47, 47h, $47, x'47'."""


def _corrected(text: str) -> str:
    """What to write for `text`, which is no id, where that is obvious; empty where it is not."""
    if found := re.fullmatch(_IN_HEX_ELSEWHERE, text.strip()):
        return f"Write 0x{(found[1] or found[2]).lower()}."
    if (found := re.fullmatch(r"\s*(\w+)\s*(?:-|\.\.+|:|–)\s*", text)) and re.fullmatch(_ONE_ID, found[1]):
        end = f"0x{ID_COUNT - 1:02x}" if found[1].startswith("0x") else ID_COUNT - 1
        return f"A range has both ends: write {found[1]}-{end} for all from {found[1]}, or {found[1]} alone."
    parts = re.split(r"[\s,;]+", text.strip(" \t,;[]"))
    if len(parts) > 1 and all(_is_one_or_range(part) for part in parts):
        return f"Write each number as an entry of its own, without quotes: [{', '.join(parts)}]."
    return ""


def _is_one_or_range(text: str) -> bool:
    first, dash, last = text.partition("-")
    return _is_range(first, last if dash else first)


def _leading_zero(text: str) -> NotAnId:
    digits = text.lstrip("0") or "0"
    meant = ((digits, "decimal"), (f"0x{digits}", "hex"))
    ways = ", ".join(f"{way} if {form} is meant" for way, form in meant if re.fullmatch(_ONE_ID, way))
    advice = f"Write {ways}." if ways else _FORMS
    return NotAnId("leading-zero", "has a leading zero, which programs read differently", advice)


def _bad_range(text: str, first: str, last: str) -> NotAnId:
    if "-" not in text or " " in text:
        advice = f"If a range is meant, write {first}-{last}." if _is_range(first, last) else _FORMS
        return NotAnId("bad-id", "is not a number from 0 to 255", advice)
    # At least one end is no id: the schemas accept every range of two ids.
    end = first if not re.fullmatch(_ONE_ID, first) else last
    why = _bad_number(end)
    return why._replace(reason=f"is not a range: {shown(end)} {why.reason}")


class IdLists(dict[tuple[int | str, ...], IdSet]):
    """The set that each list of ids, in the form that the schemas accept, stands for.

    `with_repetition` are the lists that have an entry twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self.with_repetition: set[tuple[int | str, ...]] = set()

    def __missing__(self, entries: tuple[int | str, ...]) -> IdSet:
        """The set of `entries` when it is met for the first time.

        Raises:
            ReversedRange: one of them is a range that runs backwards.
        """
        bits = 0
        for entry in entries:
            bits |= bits_of(entry)
        if any(True for _ in repetitions(entries)):
            self.with_repetition.add(entries)
        ids = self[entries] = IdSet.from_bits(bits)
        return ids


def repetitions(entries: Sequence[int | str]) -> Iterator[int]:
    """The index of each of `entries` that means the same as an earlier one; ranges may overlap otherwise."""
    seen = set()
    for index, entry in enumerate(entries):
        bits = bits_of(entry)
        if bits in seen:
            yield index
        seen.add(bits)


class QueueList(NamedTuple):
    """What a list of queues comes to.

    Attributes:
        matrix: the smallest rectangle that has them all.
        extra: the queues that are in `matrix` but not in the list, ascending; a guest would get them on top.
        repeated: indexes of entries that stand in the list already.
    """

    matrix: Matrix
    extra: tuple[Queue, ...]
    repeated: tuple[int, ...]


def queue_list(entries: list[str]) -> QueueList:
    """`entries`, in the form that the schema accepts (``05.0047``, hex)."""
    listed = [Queue(int(entry[:2], 16), int(entry[3:], 16)) for entry in entries]
    matrix = Matrix(IdSet(queue.adapter for queue in listed), IdSet(queue.domain for queue in listed))
    have = set(listed)
    extra = tuple(queue for queue in matrix.queues() if queue not in have) if matrix.size > len(have) else ()
    return QueueList(matrix, extra, _repeated(listed) if len(listed) > len(have) else ())


def _repeated(listed: list[Queue]) -> tuple[int, ...]:
    first: dict[Queue, int] = {}
    return tuple(index for index, queue in enumerate(listed) if first.setdefault(queue, index) != index)
