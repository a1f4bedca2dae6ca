"""Tokens that end work early, and count what it gets done."""

import pytest

from reconciler.model.stopping import NEVER, Abandoned, Deadline, StopToken
from testing.clocks import FakeClock


class Late(Abandoned):
    """It took too long."""


def test_a_token_that_is_set_ends_the_work_and_stays_set() -> None:
    """With the first reason."""
    token = StopToken()
    token.check()
    states = [token.is_set]

    token.stop("the loop ends")
    token.stop("another reason")

    assert [*states, token.is_set] == [False, True]
    with pytest.raises(Abandoned, match="the loop ends"):
        token.check()


def test_a_deadline_sets_a_token_only_for_those_who_have_it() -> None:
    """A plan that has used up its time keeps no other work from going on."""
    token, clock = StopToken(), FakeClock()
    bounded = token.by(Deadline(clock.monotonic() + 5.0, "it took more than 5 s", Late), clock.monotonic)
    bounded.check()
    states = [(token.is_set, bounded.is_set)]

    clock.sleep(5.0)

    assert [*states, (token.is_set, bounded.is_set)] == [(False, False), (False, True)]
    with pytest.raises(Late, match="more than 5 s"):
        bounded.check()
    token.check()


def test_a_token_without_a_deadline_is_the_same() -> None:
    """Nothing is asked twice."""
    token = StopToken()
    assert token.by(None, FakeClock().monotonic) is token


def test_a_bounded_token_stops_and_counts_for_all() -> None:
    """Whoever has set one has set the other; so one number says how the work gets on."""
    token, clock = StopToken(), FakeClock()
    bounded = token.by(Deadline(clock.monotonic() + 5.0, "late"), clock.monotonic)
    token.advance()
    bounded.advance()
    assert (token.progress, bounded.progress) == (2, 2)

    bounded.stop("enough")

    assert (token.is_set, bounded.is_set) == (True, True)
    with pytest.raises(Abandoned, match="enough"):
        bounded.check()


def test_the_token_that_all_share_is_never_set() -> None:
    """And counts nothing."""
    NEVER.advance()
    NEVER.check()
    assert (NEVER.is_set, NEVER.progress) == (False, 0)
    with pytest.raises(TypeError):
        NEVER.stop("a mistake")
