"""The colours of pictures: whatever lies side by side can be told apart, in light, in dark and in grey."""

from itertools import product
from typing import Final

import pytest

from reconciler.picture.colours import DARK, LIGHT, SCHEMES, TINTS, Scheme, contrast, grey, in_grey, style_of, tint_of

EVERY_SCHEME: Final = pytest.mark.parametrize(
    "scheme", [LIGHT, DARK, in_grey(LIGHT), in_grey(DARK)], ids=["light", "dark", "light-in-grey", "dark-in-grey"]
)
PARTS_OF_A_GRAPHIC: Final = 3
SMALL_TEXT: Final = 4.5


def plain(scheme: Scheme) -> list[str]:
    """What a cell without a conflict is filled with."""
    return [scheme.page, scheme.host, *scheme.tints]


@EVERY_SCHEME
def test_cells_side_by_side_are_told_apart(scheme: Scheme) -> None:
    """By the line that parts them, which each of the two has a contrast of 3 with; a conflict by its fill alone."""
    for one, other in product(plain(scheme), repeat=2):
        assert min(contrast(scheme.line, one), contrast(scheme.line, other)) >= PARTS_OF_A_GRAPHIC
    assert min(contrast(scheme.conflict, one) for one in plain(scheme)) >= PARTS_OF_A_GRAPHIC


@EVERY_SCHEME
def test_initials_and_marks_can_be_read_upon_every_fill(scheme: Scheme) -> None:
    """Hatches, outlines, dots and text alike: they are what tells states apart, and are drawn in the colour of text."""
    assert min(contrast(scheme.ink, one) for one in plain(scheme)) >= SMALL_TEXT
    assert contrast(scheme.on_conflict, scheme.conflict) >= SMALL_TEXT
    assert contrast(scheme.faint, scheme.page) >= SMALL_TEXT


def test_the_contrast_is_that_of_wcag() -> None:
    """21 for black and white, 1 for a colour with itself, and values that other calculators give."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#336699", "#336699") == 1
    assert contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.01)
    assert grey("#ff0000") == "#363636"


def test_the_tints_go_round() -> None:
    """There are as many in each scheme, no two alike, and holders have them in turn."""
    assert {len(set(one.tints)) for one in SCHEMES} == {TINTS}
    assert [tint_of(one) for one in (0, 1, TINTS - 1, TINTS)] == [0, 1, TINTS - 1, 0]


def test_the_style_has_every_colour() -> None:
    """So that no part of a picture is left without."""
    for scheme in SCHEMES:
        rules = style_of(scheme)

        assert [one for one in (*scheme[:-1], *scheme.tints) if str(one) not in rules] == []
