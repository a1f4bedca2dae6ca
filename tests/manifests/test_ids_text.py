"""Ids as people write them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifests.data import Data
from reconciler.manifests.ids_text import IdLists, ReversedRange, bits_of, why_not_an_id, why_reversed
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
    text = IdSet(ids).in_hex()

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


BOUNDS = "Ids of adapters and domains are from 0 to 255, which is 0x00 to 0xff in hex."


@pytest.mark.parametrize(
    ("value", "id", "help"),
    [
        ("010", "leading-zero", "Write 10 if decimal is meant, 0x10 if hex is meant."),
        ("00", "leading-zero", "Write 0 if decimal is meant, 0x0 if hex is meant."),
        ("0a", "bad-id", "Write 0x0a if hex is meant."),
        ("AB", "bad-id", "Write 0xab if hex is meant."),
        ("0x00047", "bad-id", "Write 0x47."),
        ("0x", "bad-id", None),
        ("0X47", "bad-id", "Write 0x47."),
        ("0XAB", "bad-id", "Write 0xab."),
        ("47h", "bad-id", "Write 0x47."),
        ("0ABh", "bad-id", None),
        ("x47", "bad-id", "Write 0x47."),
        ("x'47'", "bad-id", "Write 0x47."),
        ("$47", "bad-id", "Write 0x47."),
        ("4-", "bad-id", "A range has both ends: write 4-255 for all from 4, or 4 alone."),
        ("0x04-", "bad-id", "A range has both ends: write 0x04-0xff for all from 0x04, or 0x04 alone."),
        ("5,6", "bad-id", "Write each number as an entry of its own, without quotes: [5, 6]."),
        ("5, 0x47 8-9", "bad-id", "Write each number as an entry of its own, without quotes: [5, 0x47, 8-9]."),
        ("[5, 6]", "bad-id", "Write each number as an entry of its own, without quotes: [5, 6]."),
        ("5, 300", "bad-id", None),
        ("0x147", "id-out-of-range", BOUNDS),
        ("0x" + "9" * 5000, "id-out-of-range", BOUNDS),
        (10**6, "id-out-of-range", BOUNDS),
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
        ("-1", "id-out-of-range", BOUNDS),
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


@pytest.mark.parametrize(
    ("text", "reason", "help"),
    [
        ("6-4", "6 is above 4", "Write 4-6."),
        ("0x47-0x04", "0x47 is above 0x04", "Write 0x04-0x47."),
        ("0x47-50", "0x47 (71) is above 50", "Write 0x47-0x50 if hex is meant, 47-50 if decimal is meant."),
        ("0x0a-5", "0x0a (10) is above 5", "Write 0x05-0x0a."),
        ("0xab-0x5", "0xab is above 0x5", "Write 0x5-0xab."),
        ("0x80-99", "0x80 (128) is above 99", "Write 0x80-0x99 if hex is meant, 80-99 if decimal is meant."),
        ("200-0x47", "200 is above 0x47 (71)", "Write 0x47-0xc8."),
        ("0xab-100", "0xab (171) is above 100", "Write 0x64-0xab."),
        ("0x10-10", "0x10 (16) is above 10", "Write 0x10-0x10 if hex is meant, 10-10 if decimal is meant."),
        ("0x07-5", "0x07 (7) is above 5", "Write 0x05-0x07."),
    ],
)
def test_a_range_that_runs_backwards_is_explained(text: str, reason: str, help: str) -> None:
    """By values that can be compared, and by a range of the same two ids, or of what may have been meant."""
    why = why_reversed(text)

    assert why
    assert (why.reason, why.help) == (f"runs backwards: {reason}", help)


@given(SPELLINGS, SPELLINGS)
def test_what_is_advised_is_a_range_in_one_base(first: str, last: str) -> None:
    """Whichever two numbers are written, and never what a program reads differently."""
    why = why_reversed(f"{first}-{last}")

    assert bool(why) == (int(first, 0) > int(last, 0))
    for advised in re.findall(r"(?:0x)?[0-9a-fA-F]+-(?:0x)?[0-9a-fA-F]+", why.help if why else ""):
        assert ACCEPTED.search(advised)
        assert bits_of(advised)
        assert len({end.startswith("0x") for end in advised.split("-")}) == 1


@pytest.mark.parametrize("text", ["6", "4-6", "5-5", "300-4", "4_0-3", "6-4-2", "6 - 4", "", "-"])
def test_nothing_else_runs_backwards(text: str) -> None:
    """What is no range of two ids has another problem, or none."""
    assert why_reversed(text) is None
