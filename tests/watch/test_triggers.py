"""Triggers that come close together."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.watch.triggers import LONGEST_SECONDS, MOST_OF_A_SOURCE, QUIET_SECONDS, Debounce, Trigger

TRIGGERS = st.builds(Trigger, st.sampled_from(["files", "kernel", "resync"]), st.sampled_from("abcdefgh"))
HEARD = st.lists(st.tuples(TRIGGERS, st.floats(0, 3)), min_size=1, max_size=40)
"""Triggers, and how long after the one before each of them was heard."""


def batches(heard: list[tuple[Trigger, float]]) -> list[tuple[float, float, tuple[Trigger, ...]]]:
    """What comes out: when the first one of a batch was heard, when it was due, and the batch."""
    debounce, found, now, first = Debounce(), [], 0.0, 0.0
    for trigger, pause in heard:
        due = debounce.due()
        if due is not None and due <= now + pause:
            taken, debounce = debounce.take()
            found.append((first, due, taken))
        now += pause
        first = now if debounce.due() is None else first
        debounce = debounce.add(trigger, now)
    due = debounce.due()
    assert due is not None
    return [*found, (first, due, debounce.take()[0])]


@given(HEARD)
def test_no_hint_is_lost_and_none_is_told_twice_at_once(heard: list[tuple[Trigger, float]]) -> None:
    """Where there is room for all."""
    found = [batch for _, _, batch in batches(heard)]
    assert {trigger for batch in found for trigger in batch} == {trigger for trigger, _ in heard}
    assert all(len(batch) == len(set(batch)) > 0 for batch in found)


@given(HEARD)
def test_no_hint_waits_longer_than_the_longest_wait(heard: list[tuple[Trigger, float]]) -> None:
    """And each at least for the quiet that may follow it."""
    assert all(QUIET_SECONDS - 1e-9 <= due - first <= LONGEST_SECONDS + 1e-9 for first, due, _ in batches(heard))


@given(
    st.lists(st.builds(Trigger, st.sampled_from(["files", "kernel"]), st.text("abc", max_size=5)), min_size=1),
    st.randoms(),
)
def test_what_is_told_does_not_depend_on_the_order(triggers: list[Trigger], chance: random.Random) -> None:
    """Also where there are more than fit."""
    shuffled = chance.sample(triggers, len(triggers))
    one, other = Debounce(most=3), Debounce(most=3)
    for this, that in zip(triggers, shuffled, strict=True):
        one, other = one.add(this, 0.0), other.add(that, 0.0)
    assert one.take()[0] == other.take()[0]


def test_quiet_puts_off_and_the_longest_wait_ends_that() -> None:
    """Triggers that never stop are told every two seconds."""
    debounce = Debounce().add(Trigger("files", "a"), 10.0)
    assert debounce.due() == pytest.approx(10.2)
    debounce = debounce.add(Trigger("files", "b"), 11.9)
    assert debounce.due() == pytest.approx(12.0)


def test_what_does_not_fit_is_counted_and_every_source_is_told() -> None:
    """One noisy source does not hide another."""
    debounce = Debounce()
    for number in range(1000):
        debounce = debounce.add(Trigger("kernel", f"{number:04}"), 0.0)
    taken, debounce = debounce.add(Trigger("files", "site.yaml"), 0.0).take()
    assert taken[0] == Trigger("files", "site.yaml")
    assert len(taken) == 1 + MOST_OF_A_SOURCE
    assert debounce.dropped == 1000 - MOST_OF_A_SOURCE


def test_what_was_taken_is_not_told_again() -> None:
    """The next batch starts from nothing."""
    taken, debounce = Debounce().add(Trigger("files"), 0.0).take()
    assert taken == (Trigger("files"),)
    assert debounce.due() is None
    assert debounce.take()[0] == ()
