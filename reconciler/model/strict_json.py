"""JSON that we wrote ourselves and that may have been damaged since: read strictly, or refused with the field named.

Every file of the state directory and every saved plan is read with this. What Python's own reader lets pass is refused:
deep nesting (which ends in RecursionError somewhere), a key twice, ``NaN``, ``Infinity``, numbers that become infinite,
a byte order mark, other encodings than UTF-8. The readers of values compose: ``field(record, "notes", listed(text))``.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from itertools import accumulate
from typing import Any, Final, TypeVar

from reconciler.model.errors import StateError

LARGEST: Final = 256 * 1024 * 1024
"""The most bytes of a file that are read; a saved plan of 10,000 guests has about 30 MB."""

DEEPEST: Final = 32
"""The deepest nesting of arrays and objects; what we write has at most 9."""

_LATEST: Final = 253402300799.0  # the last second of the year 9999, the last one that a date can show
_MOST: Final = 2**63 - 1
_SHOWN: Final = 60
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_PLAIN: Final = re.compile(r"[\w-]{1,60}", re.ASCII)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEP: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_FOREIGN_BYTES: Final = re.compile("[\udc80-\udcff]")  # a file name that is not UTF-8, as Python keeps it

_Value = TypeVar("_Value")
_Choice = TypeVar("_Choice", bound=StrEnum)


class BadRecord(StateError):
    """What we keep has content that we did not write like this.

    Attributes:
        problem: what is wrong.
        field: where, for example ``guests[3].uuid``; empty for the whole.
        file: the path of the file; empty where it is not known yet.
        remedy: what to run so that commands that need the file work again; empty where the file is not known yet.
    """

    def __init__(self, problem: str, field: str = "", file: str = "", remedy: str = "") -> None:
        super().__init__(problem, field, file)
        self.problem = problem
        self.field = field
        self.file = file
        self.remedy = remedy

    def within(self, step: str | int) -> "BadRecord":
        """The same error, seen from the value that holds this one as member or item `step`."""
        where = f"[{step}]" if isinstance(step, int) else step if _PLAIN.fullmatch(step) else quoted(step)
        joined = self.field if not self.field or self.field.startswith("[") else f".{self.field}"
        return BadRecord(self.problem, f"{where}{joined}", self.file, self.remedy)

    def of_file(self, file: str, remedy: str = "") -> "BadRecord":
        """The same error, with the file named, and `remedy`, what to run about it."""
        return BadRecord(self.problem, self.field, file, remedy)

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.field, self.problem) if part)


def read_json(content: bytes, largest: int = LARGEST) -> Any:
    """The value that `content`, at most `largest` bytes, holds.

    Raises:
        BadRecord: it is no JSON, or has what we never write.
    """
    if len(content) > largest:
        raise BadRecord(f"it is larger than {largest:,} bytes")
    # Brackets within strings count as well at first: they are rarely unbalanced, and finding strings takes longer.
    if _depth(content) > DEEPEST and _depth(_STRING.sub(b"", content)) > DEEPEST:
        raise BadRecord(f"it is nested more than {DEEPEST} deep")
    try:
        return json.loads(
            content.decode(), object_pairs_hook=_members, parse_constant=_no_number, parse_float=_finite_number
        )
    except UnicodeDecodeError as error:
        raise BadRecord(f"it is not UTF-8: byte {error.start + 1}") from error
    except json.JSONDecodeError as error:
        raise BadRecord(f"it is not JSON: {error.msg}, line {error.lineno}, column {error.colno}") from error
    except ValueError as error:  # a number of some thousand digits
        raise BadRecord("it has a number that is too long") from error


def _depth(content: bytes) -> int:
    brackets = content.translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRecord(f"it has the key {quoted(twice)} twice")
    return made


def _no_number(word: str) -> float:
    raise BadRecord(f"it has {word}, which is no number")


def _finite_number(word: str) -> float:
    number = float(word)
    if math.isinf(number):
        raise BadRecord("it has a number that is too large")
    return number


def members(value: object, required: Sequence[str] = (), optional: Sequence[str] = ()) -> dict[str, Any]:
    """The members of the object `value`: all of `required`, and else none but some of `optional`.

    Raises:
        BadRecord: it is no object, lacks one, or has another one.
    """
    found = some_members(value, required)
    if len(found) > len(required):
        for name in found:
            if name not in required and name not in optional:
                raise BadRecord(f"the key {quoted(name)} is not known")
    return found


def some_members(value: object, required: Sequence[str] = ()) -> dict[str, Any]:
    """The members of the object `value`, which has all of `required`, and whatever else.

    Raises:
        BadRecord: it is no object, or lacks one.
    """
    if not isinstance(value, dict):
        raise _not_a("object", value)
    for name in required:
        if name not in value:
            raise BadRecord(f"the key {name!r} is missing")
    return value


def field(record: Mapping[str, Any], name: str, read: Callable[[Any], _Value]) -> _Value:
    """What `read` makes of member `name` of `record`, which is there.

    Raises:
        BadRecord: `read` refuses it.
    """
    try:
        return read(record[name])
    except BadRecord as error:
        raise error.within(name) from None


def version(record: object, name: str, known: object) -> dict[str, Any]:
    """The members of `record`, whose member `name` says that it is of the `known` version.

    Raises:
        BadRecord: it is of another one, as after a downgrade.
    """
    found = some_members(record, (name,))
    if type(found[name]) is not type(known) or found[name] != known:
        raise BadRecord(f"version {quoted(found[name])} is not known here, only {known!r}", name)
    return found


def text(value: object) -> str:
    """`value`, which is a text."""
    if not isinstance(value, str):
        raise _not_a("text", value)
    if not value.isascii():
        try:
            _FOREIGN_BYTES.sub("", value).encode()
        except UnicodeEncodeError:
            raise BadRecord("half a character (a lone surrogate)") from None
    return value


def flag(value: object) -> bool:
    """`value`, which is true or false."""
    if not isinstance(value, bool):
        raise _not_a("true or false", value)
    return value


def whole(value: object) -> int:
    """`value`, which is a whole number from 0 to 2**63 - 1."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise _not_a("whole number", value)
    if not 0 <= value <= _MOST:
        raise BadRecord("a number from 0 to 2**63 - 1 is expected")
    return value


def seconds(value: object) -> float:
    """`value`, which is a number of seconds from 0 on; no more than a date can show, if it counts from 1970."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _not_a("number of seconds", value)
    if not 0 <= value <= _LATEST:
        raise BadRecord(f"a number of seconds from 0 to {_LATEST:.0f} is expected")
    return float(value)


def nullable(read: Callable[[Any], _Value]) -> Callable[[Any], _Value | None]:
    """A reader of null, and of what `read` reads."""
    return lambda value: None if value is None else read(value)


def listed(read: Callable[[Any], _Value]) -> Callable[[Any], tuple[_Value, ...]]:
    """A reader of an array of what `read` reads."""

    def read_all(value: object) -> tuple[_Value, ...]:
        if not isinstance(value, list):
            raise _not_a("list", value)
        made: list[_Value] = []
        try:
            made.extend(map(read, value))
        except BadRecord as error:
            raise error.within(len(made)) from None
        return tuple(made)

    return read_all


def mapped(read: Callable[[Any], _Value], key: Callable[[Any], str] = text) -> Callable[[Any], dict[str, _Value]]:
    """A reader of an object with any members, whose names `key` reads and whose values `read` reads."""
    return lambda value: {_name(name, key): field(value, name, read) for name in some_members(value)}


def _name(name: str, key: Callable[[Any], str]) -> str:
    try:
        return key(name)
    except BadRecord as error:
        raise BadRecord(f"its key {quoted(name)}: {error.problem}") from None


def parsed(parse: Callable[[str], _Value]) -> Callable[[Any], _Value]:
    """A reader of a text that `parse` understands, which raises ValueError at any other."""

    def read(value: object) -> _Value:
        try:
            return parse(text(value))
        except ValueError as error:
            raise BadRecord(str(error)) from None

    return read


def chosen(choices: type[_Choice]) -> Callable[[Any], _Choice]:
    """A reader of one of `choices`."""

    def read(value: object) -> _Choice:
        try:
            return choices(text(value))
        except ValueError:
            raise BadRecord(f"{quoted(value)} is none of {', '.join(choices)}") from None

    return read


def _not_a(expected: str, value: object) -> BadRecord:
    found = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return BadRecord(f"{found.get(type(value), 'a number')} is here, where {expected} is expected")


def quoted(value: object) -> str:
    """`value` as a part of a message: in ASCII, and not long."""
    shown = ascii(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
