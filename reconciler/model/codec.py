"""Values as JSON and back, by their types: the fields of a NamedTuple are the format of a file.

Every file of the state directory and every saved plan is read with this, strictly, since it may have been damaged: it
is refused with the field named. So is what Python's own reader lets pass: deep nesting (which ends in RecursionError
somewhere), a key twice, ``NaN``, ``Infinity``, numbers that become infinite, a byte order mark, other encodings than
UTF-8.

A value is written with all of its fields, their names in camelCase. Reading refuses a field that is missing, one that
is not known, and a value of another type, and names the field (``steps[3].uuid: missing``). How a type is read and
written is found out from its type hints when the type is met for the first time: nothing is done at import.

    str, bool, StrEnum        as they are; a text without lone surrogates, but for bytes of file names
    int, float                0 to 2**63 - 1; seconds, 0 to the end of the year 9999
    X | None                  null, or X
    tuple[X, ...], frozenset  a list; tuple[X, Y] a list of exactly two
    Mapping[str, X]           an object with any keys; those of Mapping[int, X] are numbers
    NamedTuple                an object with exactly its fields
    NamedTuple | NamedTuple   an object with exactly the fields of one of them
    Any                       as it is, whatever it is
    Annotated[X, check]       X; ``check`` raises ValueError for a value that is not right
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import reduce
from itertools import accumulate
from operator import or_
from types import MappingProxyType, NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    NamedTuple,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

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

    verdict: ClassVar[str] = "is damaged"
    """What is to be said of the file."""

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
        return type(self)(self.problem, f"{where}{joined}", self.file, self.remedy)

    def of_file(self, file: str, remedy: str = "") -> "BadRecord":
        """The same error, with the file named, and `remedy`, what to run about it."""
        return type(self)(self.problem, self.field, file, remedy)

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.field, self.problem) if part)


class NewerRecord(BadRecord):
    """What we keep is of a newer format, as after a downgrade: it is whole, and a newer reconcile can read it."""

    verdict = "was made by a newer reconcile"

    def of_file(self, file: str, remedy: str = "") -> "BadRecord":  # noqa: ARG002 - it is not moved away
        """The same error, with the file named; there is nothing to run, since the file is as it should be."""
        return super().of_file(file)


def newer_version(found: int, known: int) -> NewerRecord:
    """That a file has format version `found`, which comes after the one that is `known`."""
    return NewerRecord(f"{found} is of a newer reconcile, and this one reads {known}: update this one", VERSION)


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


VERSION: Final = "formatVersion"
"""The member of every file that says which version of its format it has."""

_LATEST: Final = 253402300799.0  # the last second of the year 9999, the last one that a date can show
_MOST: Final = 2**63 - 1
_FOREIGN_BYTES: Final = "[\udc80-\udcff]"  # a file name that is not UTF-8, as Python keeps it
_WORD_START: Final = "_([a-z])"
_NONE: Final[Mapping[Any, Any]] = MappingProxyType({})

_Value = TypeVar("_Value")
_Record = TypeVar("_Record", bound=tuple[Any, ...])
_Change: TypeAlias = Callable[[Any], Any]


class Form(NamedTuple):
    """How values of a type become plain values and are read again.

    Attributes:
        write: the plain value.
        read: the value that is written so; raises ValueError or BadRecord for anything else.
    """

    write: _Change
    read: _Change


class Codec:
    """Reads and writes values by their types.

    Args:
        texts: the types, also unions of them, that are written as texts, and how.
        omitted: the types of fields that are not written, and what stands in their place when they are read.
        checks: what is asked of NamedTuples beyond the types of their fields; it raises BadRecord.
        partial: whether objects may have members that are not known, which are passed over.
    """

    def __init__(
        self,
        texts: Mapping[Any, Form] = _NONE,
        omitted: Mapping[Any, object] = _NONE,
        checks: Mapping[Any, _Change] = _NONE,
        *,
        partial: bool = False,
    ) -> None:
        self._omitted = omitted
        self._checks = checks
        self._partial = partial
        self._forms: dict[Any, Form] = {Any: _ANY, str: _TEXT, bool: _FLAG, int: _WHOLE, float: _SECONDS}
        self._forms.update((kind, Form(form.write, _of_text(form.read))) for kind, form in texts.items())

    def plain(self, record: tuple[Any, ...]) -> dict[str, Any]:
        """The NamedTuple `record` as plain values for JSON."""
        made: dict[str, Any] = self._form(type(record)).write(record)
        return made

    def read(self, kind: type[_Value], value: object) -> _Value:
        """The value of the type `kind` that is written as the plain `value`.

        Raises:
            BadRecord: it is none.
        """
        made: _Value = self._form(kind).read(value)
        return made

    def content(self, record: tuple[Any, ...], version: int = 1) -> bytes:
        """A file that holds the NamedTuple `record`: one line of JSON, which says the `version` of its format."""
        return content_of(self.plain(record), version)

    def read_content(self, kind: type[_Record], content: bytes, version: int = 1, largest: int = LARGEST) -> _Record:
        """The NamedTuple `kind` in the file that `content` made, which has at most `largest` bytes.

        Raises:
            BadRecord: it is no such file, or of another version, as after a downgrade.
        """
        members = dict(_object(read_json(content, largest)))
        if VERSION not in members:
            raise BadRecord("missing", VERSION)
        if type(found := members.pop(VERSION)) is not int:
            what = "the text " if isinstance(found, str) else ""
            raise BadRecord(f"{what}{quoted(found)} stands where the number {version} is expected", VERSION)
        if found > version:
            raise newer_version(found, version)
        if found != version:
            raise BadRecord(f"version {quoted(found)} is not known here, only {version}", VERSION)
        return self.read(kind, members)

    def _form(self, kind: Any) -> Form:
        if kind not in self._forms:
            self._forms[kind] = self._new_form(kind)
        return self._forms[kind]

    def _new_form(self, kind: Any) -> Form:
        arguments = get_args(kind)
        match get_origin(kind):
            case origin if origin is Annotated:
                return _checked(self._form(arguments[0]), arguments[1:])
            case origin if origin in (Union, UnionType):
                return _nullable(self._either([one for one in arguments if one is not NoneType]))
            case origin if origin is tuple and arguments[-1] is not Ellipsis:
                return _sequence([self._form(one) for one in arguments])
            case origin if origin is tuple:
                return _list(self._form(arguments[0]), tuple, list)
            case origin if origin is frozenset:
                return _list(self._form(arguments[0]), frozenset, sorted)
            case origin if origin is Mapping:
                key, one = map(self._form, arguments)
                return _mapping(_NUMBER_KEY if key is _WHOLE else key, one)
        return _choice(kind) if issubclass(kind, StrEnum) else self._record(kind)

    def _either(self, kinds: list[Any]) -> Form:
        if len(kinds) == 1 or reduce(or_, kinds) in self._forms:
            return self._form(reduce(or_, kinds))
        by_members = {frozenset(map(_member, one._fields)): self._form(one) for one in kinds}

        def read(value: object) -> Any:
            found = frozenset(_object(value))
            for names, form in by_members.items():
                if names == found or (self._partial and names < found):
                    return form.read(value)
            known = ", or ".join(", ".join(map(_member, one._fields)) for one in kinds)
            raise BadRecord(f"an object with exactly these members is expected: {known}")

        return Form(lambda value: self._form(type(value)).write(value), read)

    def _record(self, kind: Any) -> Form:
        hints = get_type_hints(kind, include_extras=True)
        omitted = {name: self._omitted[hint] for name, hint in hints.items() if hint in self._omitted}
        names = [name for name in hints if name not in omitted]
        forms = {_member(name): self._form(hints[name]) for name in names}
        columns = [
            (number, _member(name), _unless_plain(forms[_member(name)].write))
            for number, name in enumerate(hints)
            if name not in omitted
        ]
        check = self._checks.get(kind, _same)

        def read(value: object) -> Any:
            members = self._members(value, forms)
            made = _read_all((name, form, members[name]) for name, form in forms.items())
            record = kind(**dict(zip(names, made, strict=True)), **omitted)
            check(record)
            return record

        def write(value: tuple[Any, ...]) -> dict[str, Any]:
            return {name: change(value[number]) if change else value[number] for number, name, change in columns}

        return Form(write, read)

    def _members(self, value: object, names: Mapping[str, object]) -> Mapping[str, Any]:
        found = _object(value)
        if found.keys() != names.keys():
            for name in [one for one in names if one not in found]:
                raise BadRecord("missing", name)
            for name in [one for one in found if one not in names and not self._partial]:
                raise BadRecord("not known here").within(name)
        return found


def content_of(members: Mapping[str, Any], version: int = 1) -> bytes:
    """A file that holds `members`, plain values, as `Codec.content` writes it."""
    # In one line: indented, ten thousand guests would take a second to write instead of some hundredths.
    return (json.dumps({VERSION: version, **members}) + "\n").encode()


def _member(name: str) -> str:
    """The name in JSON of the field `name`."""
    return re.sub(_WORD_START, lambda found: found[1].upper(), name)


def _read_all(parts: Iterable[tuple[str | int, Form, object]]) -> list[Any]:
    """What is read of each value, by its form; what is wrong is said of the member or item that it is."""
    made = []
    for step, form, value in parts:
        try:
            made.append(form.read(value))
        except BadRecord as error:
            raise error.within(step) from None
    return made


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _not_a("object", value)
    return value


def _items(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise _not_a("list", value)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _not_a("text", value)
    if not value.isascii():
        try:
            re.sub(_FOREIGN_BYTES, "", value).encode()
        except UnicodeEncodeError:
            raise BadRecord("half a character (a lone surrogate)") from None
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _not_a("true or false", value)
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _not_a("whole number", value)
    if not 0 <= value <= _MOST:
        raise BadRecord("a number from 0 to 2**63 - 1 is expected")
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _not_a("number of seconds", value)
    if not 0 <= value <= _LATEST:
        raise BadRecord(f"a number of seconds from 0 to {_LATEST:.0f} is expected")
    return float(value)


def _unless_plain(write: _Change) -> _Change | None:
    return None if write is _same else write


def _same(value: Any) -> Any:
    return value


_ANY: Final = Form(_same, _same)
_TEXT: Final = Form(_same, _text)
_FLAG: Final = Form(_same, _flag)
_WHOLE: Final = Form(_same, _whole)
_SECONDS: Final = Form(_same, _seconds)


def _of_text(parse: _Change) -> _Change:
    def read(value: object) -> Any:
        try:
            return parse(_text(value))
        except ValueError as error:
            raise BadRecord(str(error)) from None

    return read


def _checked(form: Form, checks: Iterable[_Change]) -> Form:
    def read(value: object) -> Any:
        made = form.read(value)
        try:
            for check in checks:
                check(made)
        except ValueError as error:
            raise BadRecord(str(error)) from None
        return made

    return form._replace(read=read)


def _nullable(form: Form) -> Form:
    return Form(*((lambda value, change=change: None if value is None else change(value)) for change in form))


def _choice(choices: type[StrEnum]) -> Form:
    def read(value: object) -> Any:
        try:
            return choices(_text(value))
        except ValueError:
            raise BadRecord(f"{quoted(value)} is none of {', '.join(choices)}") from None

    return Form(str, read)


def _list(form: Form, kind: _Change, plain: _Change) -> Form:
    return Form(
        lambda value: plain(map(form.write, value)),
        lambda value: kind(_read_all((number, form, one) for number, one in enumerate(_items(value)))),
    )


def _sequence(forms: list[Form]) -> Form:
    def read(value: object) -> tuple[Any, ...]:
        if len(found := _items(value)) != len(forms):
            raise BadRecord(f"a list of {len(forms)} is expected, not of {len(found)}")
        return tuple(_read_all((number, form, found[number]) for number, form in enumerate(forms)))

    return Form(lambda value: [form.write(one) for form, one in zip(forms, value, strict=True)], read)


def _mapping(key: Form, form: Form) -> Form:
    def read(value: object) -> dict[Any, Any]:
        found = _object(value)
        values = _read_all((name, form, one) for name, one in found.items())
        return dict(zip((_key(name, key) for name in found), values, strict=True))

    return Form(lambda value: {key.write(name): form.write(one) for name, one in value.items()}, read)


def _number_key(name: object) -> int:
    text = _text(name)
    if not (text.isascii() and text.isdecimal()) or text != str(int(text)):
        raise BadRecord("it is no number")
    return _whole(int(text))


_NUMBER_KEY: Final = Form(str, _number_key)


def _key(name: str, key: Form) -> Any:
    try:
        return key.read(name)
    except BadRecord as error:
        raise BadRecord(f"its key {quoted(name)}: {error.problem}") from None


def _not_a(expected: str, value: object) -> BadRecord:
    found = {dict: "an object", list: "a list", str: "a text", bool: "true or false", NoneType: "null"}
    return BadRecord(f"{found.get(type(value), 'a number')} is here, where {expected} is expected")
