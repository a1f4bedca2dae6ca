"""What manifests ask for, as values."""

from reconciler.model.desired import Selector

LABELS = (("area", "1"), ("tenant", "payments"))


def test_a_selector_takes_guests_that_have_all_its_labels() -> None:
    """Each with its value; one without labels takes every guest."""
    assert Selector((("tenant", "payments"),)).takes(LABELS)
    assert Selector(LABELS).takes(LABELS)
    assert Selector().takes(())
    assert not Selector((("tenant", "cards"),)).takes(LABELS)
    assert not Selector((*LABELS, ("tier", "gold"))).takes(LABELS)


def test_a_selector_is_shown_as_it_is_written() -> None:
    """Behind ``-l``."""
    assert str(Selector(LABELS)) == "area=1,tenant=payments"
