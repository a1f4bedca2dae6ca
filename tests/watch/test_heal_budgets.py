"""Healing: at once, then less and less often, then no more; and trying again what has failed: later and later."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.watch.decisions import BUDGET, WINDOW_SECONDS, HealBudgets, Healing
from reconciler.watch.schedule import FIRST_SECONDS, LONGEST_SECONDS, Backoff


def test_the_first_time_is_at_once_and_each_next_one_is_later() -> None:
    """After the last one."""
    healing, now, waits = Healing(), 100.0, []
    for _ in range(BUDGET):
        waits.append(healing.wait(now))
        now += waits[-1]
        healing = healing.asked(now).healed(now)

    assert waits[0] == 0.0
    assert waits == sorted(set(waits))
    assert healing.asked(now).stopped


def test_it_does_not_stop_where_there_is_much_time_in_between() -> None:
    """Once an hour is no fight."""
    healing, now = Healing(), 0.0
    for _ in range(3 * BUDGET):
        assert healing.wait(now) == 0.0
        healing = healing.asked(now).healed(now)
        now += WINDOW_SECONDS

    assert not healing.stopped
    assert len(healing.times) == 1


@given(gaps=st.lists(st.floats(0, 2 * WINDOW_SECONDS), max_size=60))
def test_within_a_window_it_heals_at_most_so_often(gaps: list[float]) -> None:
    """However others behave; and it remembers no more than that."""
    healing, now, times = Healing(), 0.0, []
    for gap in gaps:
        now += gap
        healing = healing.asked(now)
        if not healing.stopped and not healing.wait(now):
            healing = healing.healed(now)
            times.append(now)

    for one in times:
        assert sum(one <= other < one + WINDOW_SECONDS for other in times) <= BUDGET
    assert len(healing.times) <= BUDGET


def test_what_fails_is_tried_later_and_later_but_never_given_up() -> None:
    """Also after a year."""
    retry, now, waits = Backoff(), 0.0, []
    for _ in range(2000):
        retry = retry.failed(now)
        waits.append(retry.wait(now))
        now += waits[-1]

    assert waits[0] == FIRST_SECONDS
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_SECONDS
    assert retry.wait(now) == 0.0


def test_one_that_has_stopped_begins_again_when_its_last_time_has_left_the_window() -> None:
    """Not earlier, however often it is asked."""
    healing = Healing(tuple(map(float, range(BUDGET)))).asked(10.0)

    assert healing.stopped
    assert healing.until == BUDGET - 1 + WINDOW_SECONDS
    assert healing.asked(healing.until - 1.0).stopped
    assert not healing.asked(healing.until).stopped
    assert healing.asked(healing.until).wait(healing.until) == 0.0


@given(events=st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 300)), max_size=80))
def test_holders_have_budgets_of_their_own(events: list[tuple[str, float]]) -> None:
    """What becomes of one is as if there were no other, and what is long past is forgotten."""
    together, alone, now = HealBudgets(), {one: HealBudgets() for one in "abc"}, 0.0
    for holder, gap in events:
        now += gap
        together, alone[holder] = together.asked([holder], now), alone[holder].asked([holder], now)
        assert together.wait(holder, now) == alone[holder].wait(holder, now)
        assert (holder in together.paused(now)) is bool(together.wait(holder, now))
        if not together.wait(holder, now):
            together, alone[holder] = together.healed([holder], now), alone[holder].healed([holder], now)
        assert together.stopped(now).keys() == {name for name in "abc" if alone[name].stopped(now)}

    assert not together.asked([], now + WINDOW_SECONDS).of
