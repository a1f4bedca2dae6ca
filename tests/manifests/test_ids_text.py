"""Ids as people write them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifests.data import Data
from reconciler.manifests.ids_text import IdLists, ReversedRange, bits_of, ids_text, why_not_an_id
from reconciler.manifests.schema import load_schema
from reconciler.model.ids import IdSet

ACCEPTED = re.compile(load_schema("Guest")["$defs"]["id"]["anyOf"][1]["pattern"])
IDS = st.integers(0, 255)
SPELLINGS = st.one_of(
    IDS.map(str), IDS.map(hex), IDS.map("0x{:02X}".format), IDS.map("0x{:04x}".format), st.sampled_from(["0", "255"])
)


@given(st.sets(IDS))
def test_ids_written_out_mean_the_same(ids: set[int]) -> None:
    """What we write as ids is accepted, and read back as the same set."""
    text = ids_text(IdSet(ids))

    assert all(ACCEPTED.search(entry) for entry in text)
    assert IdLists()[tuple(text)] == IdSet(ids)


@given(SPELLINGS, SPELLINGS)
def test_a_range_has_both_ends_and_all_between(first: str, last: str) -> None:
    """Each spelling of a number can be an end of a range."""
    low, high = int(first, 0), int(last, 0)

    assert ACCEPTED.search(f"{first}-{last}")
    if low <= high:
        assert IdSet.from_bits(bits_of(f"{first}-{last}")) == IdSet(range(low, high + 1))
    else:
        with pytest.raises(ReversedRange):
            bits_of(f"{first}-{last}")


@given(SPELLINGS)
def test_a_number_is_itself(text: str) -> None:
    """Decimal and hex mean what Python says they mean."""
    assert ACCEPTED.search(text)
    assert IdSet.from_bits(bits_of(text)) == IdSet([int(text, 0)])


@given(st.text("0123456789abcdefxobX-+_.: ", max_size=9))
def test_every_text_is_either_an_id_or_explained(text: str) -> None:
    """Whatever the schema refuses has an explanation with a sentence of help."""
    if ACCEPTED.search(text):
        assert text.replace("-", "").isalnum()
    else:
        why = why_not_an_id(text)
        assert why.reason
        assert why.help.endswith(".")


@pytest.mark.parametrize(
    ("value", "id", "help"),
    [
        ("010", "leading-zero", "Write 10 if decimal is meant, 0x10 if hex is meant."),
        ("00", "leading-zero", "Write 0 if decimal is meant, 0x0 if hex is meant."),
        ("0a", "bad-id", "Write 0x0a if hex is meant."),
        ("AB", "bad-id", "Write 0xab if hex is meant."),
        ("0x00047", "bad-id", "Write 0x47."),
        ("0x", "bad-id", None),
        ("0X47", "bad-id", None),
        ("05.0010", "bad-id", "List whole queues under spec.queues, numbers here."),
        ("5:30", "bad-id", "If a range is meant, write 5-30."),
        ("4..6", "bad-id", "If a range is meant, write 4-6."),
        ("4 - 6", "bad-id", "If a range is meant, write 4-6."),
        ("4-06", "leading-zero", "Write 6 if decimal is meant, 0x6 if hex is meant."),
        ("4-256", "id-out-of-range", None),
        ("4-0xfff", "id-out-of-range", None),
        ("4-00006", "leading-zero", None),
        ("0x00004-6", "bad-id", "Write 0x04."),
        ("4-6-8", "bad-id", None),
        ("-1", "id-out-of-range", None),
        ("+5", "bad-id", None),
        ("0o17", "bad-id", None),
        ("0b1", "bad-id", None),
        ("1e2", "bad-id", None),
        (".5", "bad-id", None),
        ("1_000", "bad-id", None),
        ("no", "bad-id", None),
        ("", "bad-id", None),
        ("5\n", "bad-id", None),
        ("٣", "bad-id", None),
        ("9" * 5000, "id-out-of-range", None),
        ("0" * 5000, "bad-id", None),
        (256, "id-out-of-range", None),
        (True, "bad-id", None),
        (None, "bad-id", "Write a number from 0 to 255, or remove the entry."),
        ([4], "bad-id", None),
        ({"a": 4}, "bad-id", None),
    ],
)
def test_traps_are_explained(value: Data, id: str, help: str | None) -> None:
    """Each classic slip is refused under its id, with what to write instead where that is clear."""
    why = why_not_an_id(value)

    assert why.id == id
    assert help in {None, why.help}
    assert not (isinstance(value, str) and ACCEPTED.search(value))
