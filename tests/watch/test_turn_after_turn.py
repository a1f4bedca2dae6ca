"""Turn after turn: what waits for what, who is told, and how it ends."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from reconciler.integrations.systemd_notify import SystemdNotify
from reconciler.watch.ears import Ears
from reconciler.watch.loop import Loop
from reconciler.watch.report import Condition, Report
from reconciler.watch.reporter import Reporter
from reconciler.watch.request_ear import RequestEar
from reconciler.watch.sinks import FanOut
from reconciler.watch.triggers import Trigger
from reconciler.watch.turns import Ending, Turn
from reconciler.watch.watching import Watch, watch
from testing.clocks import FakeClock


class Stage:
    """Everything that watching needs; what is heard and how turns end a test says."""

    stopping = False
    watchdog_seconds: float | None = None
    enforced = None
    unheard: Mapping[str, str] = MappingProxyType({})

    def __init__(self, waits: Iterable[float | None] = (), heard: Iterable[tuple[float, Trigger]] = ()) -> None:
        """Turns end with `waits`, then with none; triggers are heard at their times, and the end comes after 1000 s."""
        self.clock = FakeClock()
        self.done: list[str] = []
        self.turns: list[tuple[float, tuple[Trigger, ...]]] = []
        self.reports: list[Report] = []
        self._waits = list(waits)
        self._heard = list(heard)

    def run(self) -> None:
        """Watch until the end."""
        every: Any = self
        what = Watch(
            cast("Ears", every),
            cast("RequestEar", every),
            cast("Loop", every),
            Reporter("site", None, applies=True),
            cast("FanOut", every),
            cast("SystemdNotify", every),
            self.clock,
            300.0,
        )
        watch(what)

    # Ears

    def wait(self, seconds: float) -> tuple[Trigger, ...]:
        """See `Ears`."""
        assert seconds >= 0
        end = self.clock.now + seconds
        if self._heard and self._heard[0][0] <= end:
            at, trigger = self._heard.pop(0)
            self.clock.now = max(at, self.clock.now)
            return (trigger,)
        self.clock.now = min(end, 1000.0)
        self.stopping = self.clock.now >= 1000.0
        return ()

    # Loop

    def turn(self, triggers: Collection[Trigger]) -> Turn:
        """See `Loop`."""
        self.turns.append((self.clock.now, tuple(triggers)))
        wait = self._waits.pop(0) if self._waits else None
        return Turn(Ending(Condition.IN_SYNC, "well"), wait=wait)

    def ask(self, _triggers: Collection[Trigger]) -> bool:
        """See `Loop`."""
        return False

    def rest(self) -> None:
        """See `Loop`."""

    # RequestEar

    def begin(self, turn: int) -> None:
        """See `RequestEar`."""
        self.done.append(f"begin {turn}")

    def answer(self, turn: int, condition: str, *_: object) -> None:
        """See `RequestEar`."""
        self.done.append(f"answer {turn} {condition}")

    # Telling, systemd

    def publish(self, report: Report) -> None:
        """See `FanOut`."""
        self.reports.append(report)

    def watchdog(self) -> None:
        """See `SystemdNotify`."""
        self.done.append("watchdog")

    def reloading(self) -> None:
        """See `SystemdNotify`."""
        self.done.append("reloading")

    def ready(self) -> None:
        """See `SystemdNotify`."""
        self.done.append("ready")


def test_the_first_turn_is_at_once_and_then_only_hints_lead_to_one() -> None:
    """Nothing spins, and nothing is done at rest."""
    stage = Stage(heard=[(10.0, Trigger("files", "a")), (20.0, Trigger("kernel"))])

    stage.run()

    assert [at for at, _ in stage.turns] == [0.0, 10.0, 20.0]
    assert stage.turns[0][1] == (Trigger("start"),)
    assert stage.turns[1][1] == (Trigger("files", "a"),)


def test_a_turn_that_waits_is_followed_by_another_one() -> None:
    """That looks at the host, without a trigger; an earlier trigger comes first."""
    stage = Stage(waits=[5.0, 100.0], heard=[(50.0, Trigger("kernel"))])

    stage.run()

    assert [at for at, _ in stage.turns] == [0.0, 5.0, 50.0]
    assert stage.turns[1][1] == (Trigger("resync", "due"),)


def test_whoever_asked_is_answered_after_the_turn() -> None:
    """With its number."""
    stage = Stage(heard=[(1.0, Trigger("request", "trigger"))])

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

    assert len(stage.turns) == 1
    assert stage.done.count("watchdog") == 100


def test_a_reload_is_told_to_systemd() -> None:
    """From its begin to its end."""
    stage = Stage(heard=[(1.0, Trigger("signal", "SIGHUP"))])

    stage.run()

    assert [one for one in stage.done if "watchdog" not in one][2:] == [
        "reloading",
        "begin 2",
        "answer 2 in-sync",
        "ready",
    ]


def test_a_report_says_when_the_next_turn_is_due() -> None:
    """At the resync, or earlier where the turn asks for it: health is judged by that."""
    stage = Stage(waits=[5.0])

    stage.run()

    dues = [one.due - one.turned for one in stage.reports if one.due]
    assert dues == [5.0, 300.0]
    assert Path(stage.reports[0].source.location) == Path("site")
