"""Who asks for a turn gets what the source has then: how the loop waits for it, with a clock of its own."""

from collections.abc import Collection
from typing import cast

from reconciler.integrations.systemd_notify import SystemdNotify
from reconciler.watch.ears import Ears
from reconciler.watch.loop import Loop
from reconciler.watch.reporter import Reporter
from reconciler.watch.request_ear import TRIGGER, TRIGGER_OLDER, RequestEar
from reconciler.watch.sinks import FanOut
from reconciler.watch.triggers import Trigger
from reconciler.watch.watching import ANSWER_SECONDS, START, Watch, with_newest
from testing.clocks import FakeClock

GIT, KERNEL = Trigger("git", "commit abc"), Trigger("kernel", "change")


class Source:
    """A loop whose source answers as soon as `answer` was heard; what it was asked."""

    def __init__(self, *answer: Trigger, first: bool = False) -> None:
        self.answer = set(answer)
        self.questions = 0
        self.is_coming = first

    def ask(self, triggers: Collection[Trigger]) -> bool:
        asked = sum(trigger.source in {"request", "signal"} for trigger in triggers)
        self.questions += asked
        self.is_coming = (self.is_coming and not self.answer & set(triggers)) or bool(asked)
        return self.is_coming


class Hearing:
    """Ears that hear what they are told, one batch at a time, each after a second; SIGTERM after the last."""

    def __init__(self, clock: FakeClock, *heard: tuple[Trigger, ...], stops: bool = False) -> None:
        self.clock = clock
        self.heard = list(heard)
        self.stops = stops
        self.stopping = False

    def wait(self, seconds: float) -> tuple[Trigger, ...]:
        if self.heard:
            self.clock.sleep(1.0)
            return self.heard.pop(0)
        self.stopping = self.stops
        self.clock.sleep(0.5 if self.stops else seconds)
        return ()


def newest(source: Source, hearing: Hearing, *triggers: Trigger) -> tuple[Trigger, ...]:
    """What leads to the turn that `triggers` begin."""
    systemd = SystemdNotify({}, 1, hearing.clock.monotonic)
    unused = (cast("Reporter", None), cast("FanOut", None))
    requests = cast("RequestEar", None)
    what = Watch(cast("Ears", hearing), requests, cast("Loop", source), *unused, systemd, hearing.clock, 300.0)
    return tuple(with_newest(what, triggers))


def test_who_asks_waits_until_the_source_has_answered() -> None:
    """What else is heard meanwhile leads to the same turn."""
    source, clock = Source(GIT), FakeClock()
    assert newest(source, Hearing(clock, (KERNEL,), (GIT,), (KERNEL,)), TRIGGER) == (GIT, KERNEL, TRIGGER)
    assert (clock.now, source.questions) == (2.0, 1)


def test_who_asks_meanwhile_is_answered_by_the_same_turn_and_no_earlier_answer() -> None:
    """Each question is asked."""
    source, clock = Source(GIT), FakeClock()
    assert newest(source, Hearing(clock, (TRIGGER_OLDER, GIT), (GIT,)), TRIGGER) == (GIT, TRIGGER, TRIGGER_OLDER)
    assert (clock.now, source.questions) == (2.0, 2)


def test_the_wait_is_bounded() -> None:
    """A repository that does not answer keeps nobody from looking at the host."""
    clock = FakeClock()
    assert newest(Source(GIT), Hearing(clock), TRIGGER) == (TRIGGER,)
    assert clock.now == ANSWER_SECONDS


def test_sigterm_ends_the_wait() -> None:
    """At once."""
    clock = FakeClock()
    newest(Source(GIT), Hearing(clock, stops=True), Trigger("signal", "SIGHUP"))
    assert clock.now == 0.5


def test_nobody_else_waits() -> None:
    """The kernel does not want to know of the repository; the start does."""
    for trigger, seconds in ((KERNEL, 0.0), (START, 1.0)):
        clock = FakeClock()
        newest(Source(GIT, first=True), Hearing(clock, (GIT,)), trigger)
        assert clock.now == seconds
