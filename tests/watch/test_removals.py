"""Removals from files settle: a pure function of what was seen, what is seen, and the time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.watch.configurations import Look, Removals, look_after, removals_after
from reconciler.watch.triggers import Trigger

GONE = ("payments",)


def seen(*looks: tuple[float, str, bool]) -> Removals | None:
    """What is known after `looks`: the time, the content, and whether files have changed."""
    known = None
    for now, content, stirred in looks:
        known = removals_after(known, GONE, content, Look(now, stirred), quiet=5.0, longest=60.0)
    return known


def is_over(*looks: tuple[float, str, bool]) -> bool:
    """Whether nothing is waited for after `looks`."""
    known = seen(*looks)
    assert known is not None
    return known.is_over


def test_where_no_guest_is_gone_nothing_is_waited_for() -> None:
    """Also after one was gone for a moment."""
    assert removals_after(None, (), "a", Look(0.0)) is None
    assert removals_after(seen((0.0, "a", True)), (), "b", Look(1.0)) is None


@pytest.mark.parametrize(("last", "expected"), [(4.9, False), (5.0, True), (9.0, True)])
def test_files_have_to_be_quiet_for_a_while(last: float, expected: bool) -> None:
    """From the first look on, however often they are looked at meanwhile."""
    assert is_over((0.0, "a", True), (2.0, "a", False), (last, "a", False)) is expected


@pytest.mark.parametrize("change", [("b", False), ("a", True)])
def test_what_changes_begins_the_wait_anew(change: tuple[str, bool]) -> None:
    """Another content that no trigger has told of, and a trigger without another content."""
    changes = ((0.0, "a", True), (4.0, *change))

    assert not is_over(*changes, (8.9, change[0], False))
    assert is_over(*changes, (9.0, change[0], False))


@pytest.mark.parametrize("content", ["{}", "always the same"])
def test_files_that_are_touched_for_ever_do_not_put_it_off_for_ever(content: str) -> None:
    """Whether or not they mean something else each time."""
    looks = [(float(now), content.format(now), True) for now in range(61)]

    assert not is_over(*looks[:60])
    assert is_over(*looks)


def test_a_content_that_was_waited_for_is_not_waited_for_again() -> None:
    """As one that is refused for want of consent; another one is."""
    judged = ((0.0, "a", True), (5.0, "a", False))

    assert is_over(*judged, (6.0, "a", True))
    assert not is_over(*judged, (3600.0, "b", True))
    assert is_over(*judged, (3600.0, "b", True), (3605.0, "b", False))


@pytest.mark.parametrize("source", ["request", "signal"])
def test_who_asks_does_not_wait(source: str) -> None:
    """Whatever else has led to the same cycle."""
    look = look_after([Trigger("files", "x"), Trigger(source)], 1.0)
    known = removals_after(seen((0.0, "a", True)), GONE, "b", look)

    assert known
    assert known.is_over


@pytest.mark.parametrize("source", ["start", "kernel", "resync", "git"])
def test_other_triggers_neither_end_nor_prolong_it(source: str) -> None:
    """Only files and people do."""
    assert look_after([Trigger(source)], 3.0) == Look(3.0)


@given(st.lists(st.tuples(st.floats(0.01, 10.0), st.sampled_from("abc"), st.booleans()), min_size=1, max_size=60))
def test_it_is_always_judged_within_the_longest_wait(steps: list[tuple[float, str, bool]]) -> None:
    """Whatever happens: no look 60 s after a first one waits still, and one before 5 s of quiet does."""
    known, now, first, quiet_since, content = None, 0.0, 0.0, 0.0, ""
    for step, content_now, stirred in steps:
        now += step
        if known is None or (known.is_over and content_now != content):
            first = quiet_since = now
        elif stirred or content_now != content:
            quiet_since = now
        was_over = known is not None and known.is_over and content_now == content
        content = content_now
        known = removals_after(known, GONE, content, Look(now, stirred))
        assert known
        assert known.is_over is (was_over or now >= min(quiet_since + 5.0, first + 60.0))
