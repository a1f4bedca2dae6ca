"""Sets of ids behave as Python's sets of numbers do."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet, require_uuid

NUMBERS = st.frozensets(st.integers(0, 255))
SETS = NUMBERS.map(IdSet)


@given(NUMBERS, NUMBERS)
def test_algebra_agrees_with_pythons_sets(one: frozenset[int], other: frozenset[int]) -> None:
    """Union, intersection, difference, order and membership."""
    left, right = IdSet(one), IdSet(other)

    assert set(left | right) == one | other
    assert set(left & right) == one & other
    assert set(left - right) == one - other
    assert (left <= right) == (one <= other)
    assert left.isdisjoint(right) == one.isdisjoint(other)
    assert (left == right) == (one == other)
    assert len(left) == len(one)
    assert bool(left) == bool(one)
    assert list(left) == sorted(one)
    assert [number in left for number in range(256)] == [number in one for number in range(256)]


@given(SETS, SETS)
def test_de_morgan(one: IdSet, other: IdSet) -> None:
    """What is in neither is what is outside both."""
    assert ~(one | other) == ~one & ~other
    assert ~(one & other) == ~one | ~other


@given(SETS)
def test_identities(one: IdSet) -> None:
    """The complement of the complement, and the two sets at the ends."""
    assert ~~one == one
    assert one | ~one == ALL_IDS
    assert one & ~one == NO_IDS
    assert one - one == NO_IDS
    assert one - NO_IDS == one == one & ALL_IDS
    assert NO_IDS <= one <= ALL_IDS


@given(SETS)
def test_ranges_come_back(one: IdSet) -> None:
    """Runs are ascending, apart from each other, and give the set again."""
    runs = one.ranges()

    assert IdSet(number for first, last in runs for number in range(first, last + 1)) == one
    assert all(first <= last for first, last in runs)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(runs))


@given(SETS)
def test_bits_come_back(one: IdSet) -> None:
    """Id n is the bit of value 1 << n, and equal sets have equal hashes."""
    again = IdSet.from_bits(one.bits)

    assert again == one
    assert hash(again) == hash(one)
    assert one.bits == sum(1 << number for number in one)


@pytest.mark.parametrize("number", [-1, 256, 1000])
def test_what_is_no_id_is_refused(number: int) -> None:
    """Ids are 0 to 255; asking for another one is no error."""
    with pytest.raises(ValueError, match=f"{number} is not an id"):
        IdSet([number])

    assert number not in ALL_IDS


def test_people_read_hex_and_decimal() -> None:
    """Mixing up the two is the classic mistake, so both are shown."""
    assert str(IdSet([4, 5, 6, 0x47])) == "0x04-0x06 (4-6), 0x47 (71)"
    assert str(NO_IDS) == "none"
    assert repr(IdSet([4, 5, 6, 0x47])) == "IdSet(4-6, 71)"


def test_a_set_is_no_number() -> None:
    """Equality is with sets of ids only."""
    assert IdSet([0]) != 1


@pytest.mark.parametrize(
    "text", ["", "../etc", "62177883-F1BB-47f0-914d-32a22e3a8804", "a" * 36, "x" * 1000, "\x1b[2J"]
)
def test_what_is_no_uuid_becomes_no_part_of_a_path(text: str) -> None:
    """As the kernel writes one: lower case, with dashes. What is refused is shown harmless and short."""
    require_uuid("62177883-f1bb-47f0-914d-32a22e3a8804")

    with pytest.raises(ValueError, match=" is no uuid") as refused:
        require_uuid(text)

    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 100
