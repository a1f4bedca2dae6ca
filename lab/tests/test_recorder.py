from lab.recorder.__main__ import scenarios
from lab.recorder.state import changes
from lab.recorder.words import all_but, mask


def test_id_0_is_the_leftmost_bit_of_a_mask() -> None:
    """As the kernel counts."""
    assert mask(0) == "0x8" + "0" * 63
    assert mask(255) == "0x" + "0" * 63 + "1"
    assert all_but(0) == "0x7" + "f" * 63


def test_changes_are_what_is_new_other_or_gone() -> None:
    """In order of their names."""
    before: dict[str, str | None] = {"a": "1", "b": "1", "c": "1"}

    assert changes(before, {"a": "1", "c": "2", "d": "3"}) == {"b": None, "c": "2", "d": "3"}


def test_every_scenario_says_what_it_is_about() -> None:
    """It goes into the transcript."""
    assert len(scenarios()) == 19
    assert all(scenario.__doc__ for scenario in scenarios().values())
