"""JSON that we wrote ourselves and that may have been damaged since: read strictly, or refused with the field named.

Every file of the state directory and every saved plan is read with this, and the values in it by
`reconciler.model.codec`. What Python's own reader lets pass is refused: deep nesting (which ends in RecursionError
somewhere), a key twice, ``NaN``, ``Infinity``, numbers that become infinite, a byte order mark, other encodings than
UTF-8.
"""

import json
import math
import re
from itertools import accumulate
from typing import Any, Final

from reconciler.model.errors import StateError
from reconciler.model.printable import quoted

LARGEST: Final = 256 * 1024 * 1024
"""The most bytes of a file that are read; a saved plan of 10,000 guests has about 30 MB."""

DEEPEST: Final = 32
"""The deepest nesting of arrays and objects; what we write has at most 9."""

_STRING: Final = rb'(?s)"(?:[^"\\]|\\.)*"'
_PLAIN: Final = r"(?a)[\w-]{1,60}"
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEP: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


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
        where = f"[{step}]" if isinstance(step, int) else step if re.fullmatch(_PLAIN, step) else quoted(step)
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
    if _depth(content) > DEEPEST and _depth(re.sub(_STRING, b"", content)) > DEEPEST:
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
