"""Values come back from JSON as they were written; what is not as their types say is refused, with the field named."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.codec import BadRecord, Codec, Form, NewerRecord
from reconciler.model.ids import IdSet


class Colour(StrEnum):
    """Some choice."""

    RED = "red"
    BLUE = "blue"


def _short(text: str) -> None:
    if len(text) > 9:
        raise ValueError(f"{text!r} is too long")


Short = Annotated[str, _short]


class Place(NamedTuple):
    """What is not written."""

    line: int


class Part(NamedTuple):
    """One of several."""

    uuid: Short
    ids: IdSet | None
    place: Place


class Whole(NamedTuple):
    """One of everything."""

    name: str
    is_good: bool
    how_many: int
    until: float | None
    colours: frozenset[Colour]
    parts: tuple[Part, ...]
    pair: tuple[str, IdSet]
    by_name: Mapping[Short, Part]
    labels: Mapping[str, str]
    by_number: Mapping[int, bool]


def _parse_ids(text: str) -> IdSet:
    return IdSet(int(one) for one in text.split(",") if one)


def _honest(whole: Whole) -> None:
    if whole.name == "liar":
        raise BadRecord("it lies", "name")


IDS = {IdSet: Form(lambda ids: ",".join(map(str, ids)), _parse_ids)}
CODEC = Codec(IDS, {Place: Place(1)}, {Whole: _honest})

SHORT = st.text(max_size=9).filter(lambda text: text.isprintable())
SETS = st.builds(IdSet, st.sets(st.integers(0, 255), max_size=3))
PARTS = st.builds(Part, SHORT, st.none() | SETS, st.just(Place(1)))
WHOLES = st.builds(
    Whole,
    name=SHORT,
    is_good=st.booleans(),
    how_many=st.integers(0, 2**63 - 1),
    until=st.none() | st.floats(0, 1e10),
    colours=st.frozensets(st.sampled_from(Colour)),
    parts=st.lists(PARTS, max_size=2).map(tuple),
    pair=st.tuples(SHORT, SETS),
    by_name=st.dictionaries(SHORT, PARTS, max_size=2),
    labels=st.dictionaries(SHORT, SHORT, max_size=2),
    by_number=st.dictionaries(st.integers(0, 2**63 - 1), st.booleans(), max_size=2),
)
ONE = Whole(
    "one",
    True,
    7,
    None,
    frozenset(Colour),
    (Part("u", IdSet((1, 2)), Place(1)),),
    ("a", IdSet((3,))),
    {},
    {"k": "v"},
    {7: True},
)


@given(WHOLES)
def test_what_is_written_comes_back(value: Whole) -> None:
    """Every field, of the same type, through a file."""
    back = CODEC.read_content(Whole, CODEC.content(value))

    assert back == value
    assert list(map(type, back)) == list(map(type, value))


def test_what_is_written_is_for_people() -> None:
    """Names in camelCase, sets sorted, forms as texts, and nothing of what is omitted."""
    assert CODEC.plain(ONE) == {
        "name": "one",
        "isGood": True,
        "howMany": 7,
        "until": None,
        "colours": ["blue", "red"],
        "parts": [{"uuid": "u", "ids": "1,2"}],
        "pair": ["a", "3"],
        "byName": {},
        "labels": {"k": "v"},
        "byNumber": {"7": True},
    }
    assert CODEC.content(ONE).startswith(b'{"formatVersion": 1, "name": "one", ')
    assert CODEC.content(ONE).endswith(b"}\n")


NO_VALUES: list[tuple[tuple[Any, ...], Any, str]] = [
    (("name",), None, "name: null is here, where text is expected"),
    (("name",), "\ud800", "name: half a character"),
    (("name",), "\udc7f\udce9", "name: half a character"),
    (("name",), "liar", "name: it lies"),
    (("isGood",), 1, "isGood: a number is here, where true or false is expected"),
    (("howMany",), True, "howMany: true or false is here, where whole number is expected"),
    (("howMany",), 1.0, "howMany: a number is here, where whole number is expected"),
    (("howMany",), -1, "howMany: a number from 0 to"),
    (("howMany",), 2**63, "howMany: a number from 0 to"),
    (("until",), "1", "until: a text is here, where number of seconds is expected"),
    (("until",), False, "until: true or false is here"),
    (("until",), -0.5, "until: a number of seconds from 0 to"),
    (("until",), 253402300800, "until: a number of seconds from 0 to"),
    (("colours",), "red", "colours: a text is here, where list is expected"),
    (("colours", 1), "pink", "colours[1]: 'pink' is none of red, blue"),
    (("colours", 0), "x" * 1000, "colours[0]: 'xxx"),
    (("parts",), {}, "parts: an object is here, where list is expected"),
    (("parts", 0), [], "parts[0]: a list is here, where object is expected"),
    (("parts", 0, "uuid"), "0123456789", "parts[0].uuid: '0123456789' is too long"),
    (("parts", 0, "ids"), "256", "parts[0].ids: 256 is not an id"),
    (("parts", 0, "ids"), 7, "parts[0].ids: a number is here, where text is expected"),
    (("parts", 0, "place"), 1, "parts[0].place: not known here"),
    (("parts", 0, "a b\x1b"), 1, "parts[0].'a b\\x1b': not known here"),
    (("pair",), ["a"], "pair: a list of 2 is expected, not of 1"),
    (("pair", 1), "x", "pair[1]: invalid literal"),
    (("byName",), [], "byName: a list is here, where object is expected"),
    (("byName",), {"0123456789": {"uuid": "u", "ids": None}}, "byName: its key '0123456789': '0123456789' is too long"),
    (("byName",), {"a": {"uuid": "u"}}, "byName.a.ids: missing"),
    (("byName",), {"a": {"uuid": "u", "ids": "\x1b"}}, "byName.a.ids: invalid literal"),
    (("byNumber",), {"07": True}, "byNumber: its key '07': it is no number"),
    (("byNumber",), {"x": True}, "byNumber: its key 'x': it is no number"),
    (("byNumber",), {str(2**63): True}, f"byNumber: its key '{2**63}': a number from 0"),
    (("formatVersion",), 2, "formatVersion: 2 is of a newer reconcile, and this one reads 1: update this one"),
    (("formatVersion",), 0, "formatVersion: version 0 is not known here, only 1"),
    (("formatVersion",), "1", "formatVersion: the text '1' stands where the number 1 is expected"),
    (("formatVersion",), True, "formatVersion: True stands where the number 1 is expected"),
    (("formatVersion",), 1.0, "formatVersion: 1.0 stands where the number 1 is expected"),
    (("formatVersion",), "1" * 1000, "formatVersion: the text '111"),
]


@pytest.mark.parametrize(("place", "value", "problem"), NO_VALUES)
def test_what_is_not_as_its_type_says_is_refused(place: tuple[Any, ...], value: Any, problem: str) -> None:
    """With the field named from the top, and nothing turned into something else to fit."""
    record = json.loads(CODEC.content(ONE))
    holder = record
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value

    with pytest.raises(BadRecord) as refused:
        CODEC.read_content(Whole, json.dumps(record).encode())

    assert str(refused.value).startswith(problem)


@pytest.mark.parametrize("name", ["formatVersion", *CODEC.plain(ONE)])
def test_a_field_that_is_missing_is_named(name: str) -> None:
    """Each of them: none has a default when it is read."""
    record = json.loads(CODEC.content(ONE))
    del record[name]

    with pytest.raises(BadRecord) as refused:
        CODEC.read_content(Whole, json.dumps(record).encode())

    assert str(refused.value) == f"{name}: missing"


def test_a_field_that_is_missing_far_inside_is_named() -> None:
    """From the file down to the field."""
    with pytest.raises(BadRecord) as refused:
        CODEC.read(tuple[Part, ...], [{"uuid": "u", "ids": None}, {"ids": None}])

    assert str(refused.value.of_file("/pending.json")) == "/pending.json: [1].uuid: missing"


@pytest.mark.parametrize("content", [b"[]", b"7", b"null"])
def test_a_file_is_an_object(content: bytes) -> None:
    """Of another value it is said what it is."""
    with pytest.raises(BadRecord, match="is here, where object is expected"):
        CODEC.read_content(Whole, content)


def test_another_version_is_read_by_who_knows_it() -> None:
    """The version is that of the format of one file."""
    assert CODEC.read_content(Whole, CODEC.content(ONE, 2), 2) == ONE
    with pytest.raises(NewerRecord, match="formatVersion: 2 is of a newer reconcile, and this one reads 1") as refused:
        CODEC.read_content(Whole, CODEC.content(ONE, 2))
    named = refused.value.of_file("/state/x.json", "mv /state/x.json /elsewhere")
    assert isinstance(named, NewerRecord)
    assert str(named).startswith("/state/x.json: formatVersion: 2")
    assert "mv" not in str(named)


def test_what_is_not_looked_at_may_be_anything() -> None:
    """A partial codec passes over members that it does not know, but misses none that it does."""
    partial = Codec(IDS, {Place: Place(7)}, partial=True)

    assert partial.read(Part, {"uuid": "u", "ids": "3", "more": [None]}) == Part("u", IdSet((3,)), Place(7))
    with pytest.raises(BadRecord, match="ids: missing"):
        partial.read(Part, {"uuid": "u", "more": [None]})


def test_seconds_may_be_whole_numbers() -> None:
    """And are seconds all the same."""
    assert repr(CODEC.read(Whole, {**CODEC.plain(ONE), "until": 7}).until) == "7.0"


def test_bytes_of_file_names_come_back() -> None:
    """Also those that are not UTF-8."""
    named = ONE._replace(name="caf\udce9 ä")

    assert CODEC.read_content(Whole, CODEC.content(named)) == named


class Gap(NamedTuple):
    """One of two types."""

    width: int


class Seen(NamedTuple):
    """The other one."""

    colour: Colour
    until: float


def test_an_object_may_be_of_several_types() -> None:
    """Their members say which one it is; any other object is refused, and so is what is no object."""

    class Either(NamedTuple):
        """One of two types, or nothing."""

        value: Gap | Seen | None

    for value in (Gap(1), Seen(Colour.RED, 1.0), None):
        assert CODEC.read(Either, CODEC.plain(Either(value))) == Either(value)
    for bad in ({}, {"width": 1, "colour": "red"}, {"other": 1}):
        with pytest.raises(BadRecord, match=r"^value: an object .* is expected: width, or colour"):
            CODEC.read(Either, {"value": bad})
    with pytest.raises(BadRecord, match="a list is here, where object is expected"):
        CODEC.read(Either, {"value": []})
    partial = Codec(partial=True)
    assert partial.read(Either, {"value": {"width": 1, "more": 2}}) == Either(Gap(1))
    with pytest.raises(BadRecord, match=r"^value: an object .* is expected"):
        partial.read(Either, {"value": {"colour": "red", "more": 2}})


def test_a_text_may_be_of_several_types() -> None:
    """A union has one form for all of its types; null stays null."""

    class Either(NamedTuple):
        """One of two types, or nothing."""

        value: IdSet | Colour | None

    codec = Codec({IdSet | Colour: Form(str, lambda text: Colour(text) if text.isalpha() else _parse_ids(text))})
    for value in ("red", "1", None):
        assert codec.plain(codec.read(Either, {"value": value})) == {"value": value if value != "1" else "0x01 (1)"}
