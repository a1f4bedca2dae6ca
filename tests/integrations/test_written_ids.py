"""Numbers and masks in other tools' files mean what they mean to the kernel."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.integrations.boot_masks import NotWrittenRight, absolute_mask, number, relative_mask
from reconciler.kernel.text_forms import mask_text
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.printable import quoted
from reconciler.simulator.numbers import written_mask

IDS = st.integers(0, (1 << 256) - 1).map(IdSet.from_bits)
ITEMS = st.tuples(
    st.sampled_from("+-"), st.integers(0, 300), st.integers(0, 300), st.booleans(), st.sampled_from(["d", "#x", "03d"])
)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [("5", 5), ("0", 0), ("255", 255), ("0xab", 0xAB), ("0XAB", 0xAB), ("010", 8), ("+5", 5), ("5\n", 5), ("0x005", 5)],
)
def test_a_number_is_decimal_hex_or_octal(text: str, meaning: int) -> None:
    """As for the kernel's kstrtoul with base 0."""
    assert meaning == number(text)


@pytest.mark.parametrize(
    "text", ["", "256", "0x100", "08", "-1", "5,6", " 5", "5\n\n", "٣", "0x", "1e2", "9" * 5000, "0" * 5000 + "9"]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    """Also the comma lists that ap-check takes and the kernel does not, and numbers of any length."""
    with pytest.raises(NotWrittenRight):
        number(text)


@given(ids=IDS)
def test_a_full_mask_is_read_as_the_kernel_shows_it(ids: IdSet) -> None:
    """With and without the prefix."""
    text = mask_text(ids)
    assert ids == absolute_mask(text) == absolute_mask(text.removeprefix("0x").upper())


def test_short_masks_are_left_aligned() -> None:
    """``0x41`` is ids 1 and 7, as for the kernel."""
    assert IdSet([1, 7]) == absolute_mask("0x41")


@pytest.mark.parametrize("text", ["", "0x"])
def test_no_digit_is_the_empty_mask(text: str) -> None:
    """As for the kernel."""
    assert NO_IDS == absolute_mask(text)


@pytest.mark.parametrize("text", ["0X41", "g", "1" * 65, "41\n"])
def test_what_is_no_mask_is_refused(text: str) -> None:
    """In one line, for each reason."""
    with pytest.raises(NotWrittenRight):
        absolute_mask(text)


@given(items=st.lists(ITEMS, max_size=6), before=IDS, separator=st.sampled_from([",", "", ",,", "\n"]))
def test_relative_masks_are_read_as_the_kernel_reads_them(
    items: list[tuple[str, int, int, bool, str]], before: IdSet, separator: str
) -> None:
    """The simulated kernel gives the same, and refuses the same."""
    text = separator.join(
        f"{sign}{first:{form}}" + (f"-{last:{form}}" if ranged else "") for sign, first, last, ranged, form in items
    )
    try:
        expected = written_mask(text, before) if text else before
    except OSError:
        with pytest.raises(NotWrittenRight):
            relative_mask(text, before)
    else:
        assert expected == relative_mask(text, before)


@pytest.mark.parametrize("text", ["5", "+", "+5 -6", "+5x", "+0x", "-6-5", "+256"])
def test_what_is_no_relative_mask_is_refused(text: str) -> None:
    """Each with what is wrong."""
    with pytest.raises(NotWrittenRight):
        relative_mask(text, ALL_IDS)


def test_a_relative_mask_starts_from_nothing_if_nothing_is_said() -> None:
    """As on the kernel's command line."""
    assert IdSet(range(4)) == relative_mask("+0-3")
    assert NO_IDS == relative_mask("-5")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("é\x1b[31m", r"'\xe9\x1b[31m'"),
        ([[]], "a list"),
        ({"a": 1}, "an object"),
        (None, "None"),
        ("x" * 100, f"'{'x' * 59}…"),
    ],
)
def test_foreign_values_are_harmless_on_a_terminal(value: object, shown: str) -> None:
    """Escape sequences and lone surrogates are spelt out, long ones are cut."""
    assert shown == quoted(value)
