"""Cycle after cycle: what waits for what, who is answered, and how it ends."""

from pathlib import Path

from reconciler.watch.schedule import ANSWER_SECONDS, PROGRESS_SECONDS, START
from reconciler.watch.triggers import QUIET_SECONDS, TRIGGER, TRIGGER_OLDER, Trigger
from testing.stages import Stage

GIT, KERNEL = Trigger("git", "commit abc"), Trigger("kernel", "change")


def test_the_first_cycle_is_at_once_and_then_only_triggers_lead_to_one() -> None:
    """Nothing spins, and nothing is done at rest."""
    stage = Stage(noticed=[(10.0, Trigger("files", "a")), (20.0, Trigger("kernel"))])

    stage.run()

    assert [at for at, _ in stage.cycles] == [0.0, 10.0 + QUIET_SECONDS, 20.0 + QUIET_SECONDS]
    assert stage.cycles[0][1] == (Trigger("start"),)
    assert stage.cycles[1][1] == (Trigger("files", "a"),)


def test_a_cycle_that_waits_is_followed_by_another_one() -> None:
    """That looks at the host, without a trigger; an earlier trigger comes first."""
    stage = Stage(waits=[5.0, 100.0], noticed=[(50.0, Trigger("kernel"))])

    stage.run()

    assert [at for at, _ in stage.cycles] == [0.0, 5.0, 50.0 + QUIET_SECONDS]
    assert stage.cycles[1][1] == (Trigger("resync", "due"),)


def test_whoever_asked_is_answered_after_the_turn() -> None:
    """With its number."""
    stage = Stage(noticed=[(1.0, Trigger("request", "trigger"))])

    stage.run()

    assert [one for one in stage.done if "watchdog" not in one] == [
        "begin 1",
        "answer 1 in-sync",
        "begin 2",
        "answer 2 in-sync",
    ]


def test_the_watchdog_is_told_at_rest() -> None:
    """Twice in its time, without a turn."""
    stage = Stage()
    stage.watchdog_seconds = 20.0

    stage.run()

    assert len(stage.cycles) == 1
    assert stage.done.count("watchdog") in {100, 101}


def test_a_reload_is_told_to_systemd() -> None:
    """From its begin to its end."""
    stage = Stage(noticed=[(1.0, Trigger("signal", "SIGHUP"))])

    stage.run()

    assert [one for one in stage.done if "watchdog" not in one][2:] == [
        "reloading",
        "begin 2",
        "answer 2 in-sync",
        "ready",
    ]


def test_a_report_says_when_the_next_cycle_is_due() -> None:
    """At the resync, or earlier where the turn asks for it: health is judged by that."""
    stage = Stage(waits=[5.0])

    stage.run()

    dues = [one.due - one.cycle_ended for one in stage.reports if one.due]
    assert dues == [5.0, 300.0]
    assert Path(stage.reports[0].source.location) == Path("site")


def test_a_person_who_asks_waits_until_the_repository_has_answered() -> None:
    """What else is noticed meanwhile leads to the same cycle."""
    stage = Stage(noticed=[(10.0, TRIGGER), (12.0, KERNEL), (13.0, GIT)])
    stage.at(5.0, lambda: vars(stage).update(is_coming=True))
    stage.at(12.9, lambda: vars(stage).update(is_coming=False))

    stage.run()

    assert stage.cycles[1:] == [(13.0 + QUIET_SECONDS, (GIT, KERNEL, TRIGGER))]
    assert stage.questions == [10.0 + QUIET_SECONDS]


def test_a_person_who_asks_meanwhile_is_answered_by_the_same_cycle_and_no_earlier_answer() -> None:
    """Each question is asked."""
    stage = Stage(noticed=[(10.0, TRIGGER), (11.0, TRIGGER_OLDER), (12.0, GIT)])
    stage.at(5.0, lambda: vars(stage).update(is_coming=True))
    stage.at(11.9, lambda: vars(stage).update(is_coming=False))

    stage.run()

    assert stage.cycles[1:] == [(12.0 + QUIET_SECONDS, (GIT, TRIGGER, TRIGGER_OLDER))]
    assert len(stage.questions) == 2


def test_the_wait_for_the_repository_is_bounded() -> None:
    """One that does not answer keeps the loop from looking at the host for a while only."""
    stage = Stage(noticed=[(10.0, TRIGGER)])
    stage.is_coming = True

    stage.run()

    assert stage.cycles == [(ANSWER_SECONDS, (TRIGGER, START))]


def test_sigterm_ends_the_wait_for_the_repository() -> None:
    """At once, without a cycle."""
    stage = Stage(ends=5.0)
    stage.is_coming = True

    stage.run()

    assert (stage.clock.now, stage.cycles) == (5.0, [])


def test_the_kernel_does_not_wait_for_the_repository() -> None:
    """It does not want to know of it; the start does."""
    stage = Stage(noticed=[(10.0, KERNEL)])
    stage.at(5.0, lambda: vars(stage).update(is_coming=True))

    stage.run()

    assert stage.cycles[1:] == [(10.0 + QUIET_SECONDS, (KERNEL,))]


def test_a_cycle_that_gets_on_is_alive() -> None:
    """However long it takes: systemd hears from it while it makes progress."""
    stage = Stage(ends=900.0)
    stage.watchdog_seconds = 20.0
    stage.took = 800.0
    for second in range(0, 800, 60):
        stage.at(second, stage.stop.advance)

    stage.run()

    assert stage.done.count("watchdog") >= 79


def test_a_cycle_that_hangs_is_not_alive() -> None:
    """Systemd hears nothing of it after its time, and again when it has ended."""
    stage = Stage(ends=900.0)
    stage.watchdog_seconds = 20.0
    stage.took = 800.0
    beats: list[tuple[float, int]] = []
    for second in (PROGRESS_SECONDS + 5.0, 799.0, 899.0):
        stage.at(second, lambda second=second: beats.append((second, stage.done.count("watchdog"))))  # type: ignore[misc]

    stage.run()

    (_, early), (_, late), (_, after) = beats
    assert early == late == PROGRESS_SECONDS / 10 + 1
    assert after > late


def test_a_signal_in_a_cycle_waits_for_its_end() -> None:
    """The cycle is asked to end by the token, and no other one begins."""
    stage = Stage(noticed=[(10.0, KERNEL)], ends=50.0)
    stage.took = 100.0

    stage.run()

    assert (stage.clock.now, len(stage.cycles)) == (100.0, 1)
    assert stage.done == ["begin 1", "answer 1 in-sync"]
