"""What is noticed leads to cycles, and a source that fails is opened again; in a time that the tests own."""

import asyncio
import gc
import random
import threading
import tracemalloc
from itertools import pairwise

import pytest

from reconciler.watch.schedule import every
from reconciler.watch.trigger_inbox import LONGEST_RETRY_SECONDS, in_thread
from reconciler.watch.triggers import LONGEST_SECONDS, QUIET_SECONDS, Trigger
from testing.stages import FakeSource, Stage

START = (0.0, (Trigger("start"),))


def test_triggers_are_joined_until_it_is_quiet() -> None:
    """Those that come close together lead to one cycle."""
    source = FakeSource()
    stage = Stage(sources=[source])
    stage.at(5.0, lambda: source.say("a"))
    stage.at(5.1, lambda: source.say("b", "a"))
    stage.at(9.0, lambda: source.say("c"))

    stage.run()

    assert stage.cycles == [
        START,
        (pytest.approx(5.1 + QUIET_SECONDS), (Trigger("files", "a"), Trigger("files", "b"))),
        (pytest.approx(9.0 + QUIET_SECONDS), (Trigger("files", "c"),)),
    ]


def test_a_source_that_never_stops_leads_to_a_cycle_nevertheless() -> None:
    """After the longest wait."""
    source = FakeSource()
    stage = Stage(sources=[source])
    for tenth in range(10, 110):
        stage.at(tenth / 10, lambda: source.say("a"))

    stage.run()

    assert stage.cycles[1][0] == pytest.approx(1.0 + LONGEST_SECONDS)


def test_a_trigger_just_before_another_cycle_is_due_is_not_cut_off() -> None:
    """It waits for its quiet, and that cycle is no further one."""
    source = FakeSource()
    stage = Stage(waits=[1.0], sources=[source])
    stage.at(0.95, lambda: source.say("a"))

    stage.run()

    assert stage.cycles == [START, (pytest.approx(0.95 + QUIET_SECONDS), (Trigger("files", "a"),))]


def test_what_came_while_a_cycle_ran_leads_to_the_next_one() -> None:
    """An apply may take longer than any debounce."""
    source = FakeSource()
    stage = Stage(sources=[source])
    stage.took = 100.0
    stage.at(50.0, lambda: source.say("a"))

    stage.run()

    assert stage.cycles == [START, (100.0, (Trigger("files", "a"),))]


def test_the_end_is_at_once() -> None:
    """Whatever was noticed just before."""
    source = FakeSource()
    stage = Stage(sources=[source], ends=5.0)
    stage.at(4.9, lambda: source.say("a"))

    stage.run()

    assert (stage.clock.now, stage.cycles) == (5.0, [START])
    assert source.closed == 1


def test_a_source_that_fails_is_reported_closed_and_opened_again() -> None:
    """What happened meanwhile was not noticed, so that its return is a trigger."""
    source = FakeSource()
    stage = Stage(sources=[source])
    stage.at(5.0, source.fail)

    stage.run()

    assert stage.cycles == [START, (pytest.approx(6.2), (Trigger("files", "noticed again"),))]
    assert (source.opened, source.closed) == ([0.0, 6.0], 2)
    assert stage.told[0] == "files: changes are not noticed, only found at the next resync: it broke; trying again"
    assert stage.told[1:] == ["files: changes are noticed again"]
    assert stage.sources.deaf == {}


def test_a_source_that_cannot_be_opened_neither_ends_the_loop_nor_spins() -> None:
    """It is tried with growing distance, reported once, and known to be deaf."""
    source = FakeSource("kernel")
    source.refusal = PermissionError(1, "not for you")
    stage = Stage(sources=[source], ends=100_000.0)

    stage.run()

    assert stage.cycles == [START]
    gaps = [later - earlier for earlier, later in pairwise(source.opened)]
    assert gaps[:4] == [1, 2, 4, 8]
    assert max(gaps) == LONGEST_RETRY_SECONDS
    assert len(stage.told) == 1
    assert "not for you" in stage.sources.deaf["kernel"]


def test_a_source_whose_changes_are_found_later_is_known() -> None:
    """As long as it is open: the next time it may find that all is well again."""
    files, later = FakeSource(), FakeSource("later", "no watches are left")
    stage = Stage(sources=[files, later])
    seen: list[dict[str, str]] = []
    stage.at(1.0, lambda: seen.append(dict(stage.sources.unnoticed)))
    stage.at(5.0, files.fail)
    stage.at(5.5, lambda: seen.append(dict(stage.sources.unnoticed)))
    stage.at(7.0, lambda: seen.append(dict(stage.sources.unnoticed)))

    stage.run()

    limited = {"later": "no watches are left"}
    assert seen == [limited, {**limited, "files": "it broke"}, limited]
    assert stage.told[0] == "no watches are left"
    assert stage.reports[0].polled == limited


def test_a_source_that_opens_and_fails_at_once_does_not_spin() -> None:
    """Only what it notices proves that it works."""
    source = FakeSource()
    stage = Stage(sources=[source], ends=4_000.0)
    for second in range(4_000):
        stage.at(second, source.fail)

    stage.run()

    assert len(source.opened) < 40


def test_at_rest_only_the_resync_wakes() -> None:
    """Over a day: two wake-ups each, one for the time and one for its quiet."""
    source, chance = FakeSource(), random.Random(1)
    stage = Stage(sources=[source], ends=86_400.0)
    stage.following = every(300, chance)

    stage.run()

    cycles = stage.cycles[1:]
    assert {triggers for _, triggers in cycles} == {(Trigger("resync"),)}
    assert 0.9 * 288 <= len(cycles) <= 1.1 * 288
    assert stage.selector
    assert len([wait for wait in stage.selector.waits if wait]) <= 2 * len(cycles) + 3


def test_nothing_grows_over_twenty_thousand_triggers() -> None:
    """Memory is flat."""
    source = FakeSource("kernel")
    stage = Stage(sources=[source], ends=200.0)
    sizes: list[int] = []

    def a_thousand(start: int) -> None:
        source.say(*(f"queue {start + number}" for number in range(1000)))
        stage.done.clear()
        stage.reports.clear()
        del stage.cycles[:-1]
        assert stage.selector
        stage.selector.waits.clear()

    def measure() -> None:
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])

    for thousand in range(20):
        stage.at(5.0 * thousand + 10.0, lambda thousand=thousand: a_thousand(1000 * thousand))  # type: ignore[misc]
    stage.at(21.0, measure)
    stage.at(190.0, measure)
    tracemalloc.start()
    try:
        stage.run()
    finally:
        tracemalloc.stop()

    assert sizes[1] - sizes[0] < 20_000
    assert len(stage.cycles[-1][1]) == 20


def test_work_in_a_thread_ends_with_its_result_or_its_error() -> None:
    """And the event loop goes on meanwhile."""

    def fail() -> None:
        raise ValueError("odd")

    assert asyncio.run(in_thread(lambda: threading.current_thread().daemon))
    with pytest.raises(ValueError, match="odd"):
        asyncio.run(in_thread(fail))


def test_a_thread_that_hangs_keeps_no_event_loop_from_ending() -> None:
    """As one does in a dead network file system; what it finds in the end is dropped."""
    ends = threading.Event()

    async def leave() -> None:
        task = asyncio.create_task(in_thread(ends.wait))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    ends.set()
