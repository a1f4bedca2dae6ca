"""In which mode a card works, as the kernel says it."""

import pytest

from reconciler.model.observed import CardMode, mode_of_type


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("CEX7C", CardMode.CCA),
        ("CEX8P", CardMode.EP11),
        ("CEX4A", CardMode.ACCELERATOR),
        ("CEX7", None),
        ("CEX7X", None),
        ("", None),
        ("C", None),
        ("PCICA", None),
    ],
)
def test_the_last_letter_of_the_type_says_it(name: str, mode: CardMode | None) -> None:
    """Of the types that the driver of such cards has; of others nothing is guessed."""
    assert mode_of_type(name) is mode
