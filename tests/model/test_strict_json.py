"""JSON that was damaged is refused, with the field named; what is whole comes back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.codec import DEEPEST, BadRecord, read_json
from reconciler.model.printable import quoted

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


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


def test_the_field_and_the_file_are_named() -> None:
    """From the file down to the value; names that nobody can read are quoted."""
    error = BadRecord("it is odd").within(1).within("a b\x1b").within(2).within("top")

    assert str(error) == "top[2].'a b\\x1b'[1]: it is odd"
    assert str(error.of_file("/x.json")) == f"/x.json: {error}"


def test_a_value_in_a_message_is_short_and_can_be_seen() -> None:
    """Whatever a file has in it."""
    assert quoted("a\x1b") == r"'a\x1b'"
    assert len(quoted("x" * 1000)) < 100
    assert (quoted([1]), quoted({})) == ("a list", "an object")
