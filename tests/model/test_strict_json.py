"""JSON that was damaged is refused, with the field named; what is whole comes back."""

import json
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.strict_json import (
    DEEPEST,
    BadRecord,
    chosen,
    field,
    flag,
    listed,
    mapped,
    members,
    nullable,
    parsed,
    read_json,
    seconds,
    some_members,
    text,
    version,
    whole,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


class Colour(StrEnum):
    """Some choice."""

    RED = "red"


@given(VALUES)
def test_what_is_whole_comes_back(value: Any) -> None:
    """Also texts with brackets, quotes and backslashes in them."""
    assert read_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b'"\xff"', "not UTF-8: byte 2"),
        (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' twice"),
        (b"NaN", "NaN"),
        (b"[-Infinity]", "-Infinity"),
        (b"1e999", "too large"),
        (b"-1e999", "too large"),
        (b"9" * 5000, "too long"),
        (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "nested more than"),
        (b"[" * 1_000_000, "nested more than"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "nested more than"),
    ],
)
def test_what_we_never_write_is_refused(content: bytes, problem: str) -> None:
    """Whatever Python's own reader makes of it."""
    with pytest.raises(BadRecord, match=problem):
        read_json(content)


def test_brackets_in_texts_are_no_nesting() -> None:
    """A sentence may have as many as it likes, also beside an escaped quotation mark."""
    value = ["[" * 1000, 'a"[\\', {"{{": ["]" * 100]}]

    assert read_json(json.dumps(value).encode()) == value


def test_what_is_too_large_is_refused() -> None:
    """Before it is read."""
    with pytest.raises(BadRecord, match="larger than 3 bytes"):
        read_json(b"[   ]", 3)


@pytest.mark.parametrize(
    ("read", "good", "made", "bad"),
    [
        (text, "a", "a", [None, 1, [], "\ud800", "\udfff"]),
        (text, "caf\udce9 ä", "caf\udce9 ä", ["\udc7f\udce9"]),
        (flag, True, True, [0, 1, None, "true"]),
        (whole, 7, 7, [True, 1.0, -1, 2**63, None, "1"]),
        (seconds, 7, 7.0, [True, -1, -0.5, 1e308, 253402300800, None, "1"]),
        (seconds, 0.5, 0.5, [[]]),
        (nullable(whole), None, None, ["", -1]),
        (nullable(whole), 3, 3, [2.5]),
        (listed(whole), [1, 2], (1, 2), [None, {}, "12", [None], [1, -1]]),
        (mapped(whole), {"a": 1}, {"a": 1}, [None, [], {"a": None}, {"\ud800": 1}]),
        (parsed(int), "12", 12, ["x", 12, None]),
        (chosen(Colour), "red", Colour.RED, ["blue", None, 7, "x" * 1000]),
    ],
)
def test_values_are_of_their_kind(read: Any, good: Any, made: Any, bad: list[Any]) -> None:
    """And nothing is turned into something else to fit."""
    assert (read(good), type(read(good))) == (made, type(made))
    for one in bad:
        with pytest.raises(BadRecord):
            read(one)


def test_members_are_those_that_are_known() -> None:
    """None is missing, none is new; where others are for somebody else, only the missing count."""
    assert members({"a": 1, "b": 2}, ("a",), ("b", "c")) == {"a": 1, "b": 2}
    assert some_members({"a": 1, "z": 2}, ("a",)) == {"a": 1, "z": 2}
    for read in (members, some_members):
        with pytest.raises(BadRecord, match="the key 'a' is missing"):
            read({"b": 1}, ("a",))
        with pytest.raises(BadRecord, match="a list is here, where object is expected"):
            read([], ("a",))
    with pytest.raises(BadRecord, match="the key 'z' is not known"):
        members({"a": 1, "z": 2}, ("a",))
    with pytest.raises(BadRecord, match="x: the key 'a' is missing"):
        field({"x": {}}, "x", lambda one: members(one, ("a",)))


@pytest.mark.parametrize("found", ["2", 1, True, None, "1" * 1000])
def test_another_version_is_told(found: Any) -> None:
    """Also one of another type, and one that is missing."""
    assert version({"v": "1", "x": 2}, "v", "1") == {"v": "1", "x": 2}
    with pytest.raises(BadRecord, match=r"v: version .* is not known here, only '1'"):
        version({"v": found}, "v", "1")
    with pytest.raises(BadRecord, match="missing"):
        version({}, "v", "1")


def test_the_field_and_the_file_are_named() -> None:
    """From the file down to the value; names that nobody can read are quoted."""
    read = listed(mapped(listed(whole)))

    with pytest.raises(BadRecord) as refused:
        field({"top": [{}, {"a b\x1b": [1, None]}]}, "top", read)

    assert str(refused.value) == "top[1].'a b\\x1b'[1]: null is here, where whole number is expected"
    assert str(refused.value.of_file("/x.json")) == f"/x.json: {refused.value}"
