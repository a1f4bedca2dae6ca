from collections.abc import Callable
from errno import EINVAL, ERANGE

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel.text_forms import ap_config_text, mask_text
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import ApConfig
from reconciler.simulator.numbers import absolute_mask, bounded_decimal, unsigned_long, written_ap_config, written_mask

ID_SETS = st.frozensets(st.integers(0, 255)).map(IdSet)


def errno_of(call: Callable[..., object], *given: object) -> int | None:
    """The errno that `call` raises with what is given."""
    with pytest.raises(OSError, match=r"Invalid argument|out of range") as caught:
        call(*given)
    return caught.value.errno


@given(ID_SETS, st.sampled_from(("", "\n")))
def test_what_the_kernel_shows_can_be_written_back(ids: IdSet, end: str) -> None:
    """The full form, with or without a newline, replaces whatever was there."""
    assert ids == written_mask(mask_text(ids) + end, ALL_IDS)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("5", {1, 3}),
        ("0x41", {1, 7}),
        ("0xF0f", {0, 1, 2, 3, 8, 9, 10, 11}),
        ("0x", set()),
        ("\n", set()),
        ("0" * 64, set()),
    ],
)
def test_short_masks_are_left_aligned(text: str, ids: set[int]) -> None:
    """Missing digits are those on the right, and no digit at all is the empty mask."""
    assert IdSet(ids) == absolute_mask(text)


@pytest.mark.parametrize("text", ["0X1", "0" * 65, "0x 1", " 1", "1 ", "1\n\n", "g", ",", "1,2"])
def test_other_absolute_texts_are_refused(text: str) -> None:
    """A mask is hex digits, and nothing else."""
    assert errno_of(absolute_mask, text) == EINVAL


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("+5", {1}, {1, 5}),
        ("-0x05", {1, 5}, {1}),
        ("+010", set(), {8}),
        ("+5-7,-6", set(), {5, 7}),
        ("-5,+5", {5}, {5}),
        ("-5,\n", {5}, set()),
    ],
)
def test_relative_items_apply_in_order(text: str, before: set[int], after: set[int]) -> None:
    """Every item has its sign; numbers are decimal, hex or octal."""
    assert IdSet(after) == written_mask(text, IdSet(before))


@pytest.mark.parametrize("text", ["+", "-5,6", "+256", "-7-5", "+-5", "-5-", "-5 ", "+08", "+a", "+4294967301"])
def test_other_relative_texts_are_refused(text: str) -> None:
    """One bad item makes the whole write fail."""
    assert errno_of(written_mask, text, NO_IDS) == EINVAL


@given(ID_SETS, ID_SETS, ID_SETS)
def test_ap_config_can_be_written_as_it_is_shown(adapters: IdSet, domains: IdSet, control: IdSet) -> None:
    """Three full masks are one configuration."""
    config = ApConfig(adapters, domains, control)

    assert config == written_ap_config(f"{ap_config_text(config)}\n")


@pytest.mark.parametrize("text", [",,", "0x0\n0x0\n", ",,,garbage", "0x,0x,0x"])
def test_empty_fields_of_ap_config_are_empty_masks(text: str) -> None:
    """Commas and newlines separate, and a fourth field does not count."""
    assert ApConfig(NO_IDS, NO_IDS, NO_IDS) == written_ap_config(text)


@pytest.mark.parametrize("text", ["\n", ",", "0x1,0x1", "+5,+5,+5", "0x1 0x1 0x1", "0x1,0x1,x"])
def test_ap_config_needs_three_absolute_masks(text: str) -> None:
    """Fewer fields, signs and spaces are refused."""
    assert errno_of(written_ap_config, text) == EINVAL


@pytest.mark.parametrize(("text", "number"), [("5", 5), ("+5\n", 5), ("0x1F", 31), ("010", 8), ("0", 0)])
def test_numbers_are_read_in_base_zero(text: str, number: int) -> None:
    """A leading 0x means hex, a leading 0 octal."""
    assert number == unsigned_long(text)


@pytest.mark.parametrize(
    ("text", "errno"),
    [("", EINVAL), ("-1", EINVAL), ("08", EINVAL), ("0x", EINVAL), ("5 ", EINVAL), (str(1 << 64), ERANGE)],
)
def test_other_numbers_are_refused(text: str, errno: int) -> None:
    """Numbers of more than 64 bits have an errno of their own."""
    assert errno == errno_of(unsigned_long, text)


def test_a_flag_is_the_number_at_the_start() -> None:
    """What follows a number in range does not count; without one the write is refused."""
    assert bounded_decimal(" 1 and more", 0, 1) == 1
    assert errno_of(bounded_decimal, "2", 0, 1) == EINVAL
    assert errno_of(bounded_decimal, "on", 0, 1) == EINVAL
