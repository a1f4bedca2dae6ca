"""The loop: an hour's worth of events in fast time, with the real turns, and nobody who waits for the clock.

Commits, bad commits, drift, cards, VMs, commands typed beside it, suspensions, full disks, foreign locks, refused
writes, kills and restarts, by chance. After every write the invariants hold; with `--self-heal` and without; and when
it becomes quiet, the host is in sync after a bounded number of turns.
"""

import asyncio
import gc
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Final, NamedTuple, TypeVar, cast

from reconciler.integrations.systemd_notify import SystemdNotify
from reconciler.manifests.site import ChangedFiles
from reconciler.model.codec import BadRecord
from reconciler.model.outcome import Actor, Origin, Result
from reconciler.model.stopping import StopToken
from reconciler.simulator.kernel_profiles import PROFILES, InUseCheck
from reconciler.transaction.journal import Journal, Unfinished
from reconciler.transaction.loop_records import read_last_good
from reconciler.transaction.rollback import differences_of
from reconciler.watch.configurations import Configurations
from reconciler.watch.cycle import Cycles
from reconciler.watch.cycle_result import CycleResult
from reconciler.watch.decisions import Policy
from reconciler.watch.hot_plug import authorised_since
from reconciler.watch.log import Format, Log
from reconciler.watch.loop import Watch, watch
from reconciler.watch.loop_context import EnforcedHost, LoopContext
from reconciler.watch.manifest_sources import Offer
from reconciler.watch.report import Condition
from reconciler.watch.reporter import Reporter
from reconciler.watch.request_triggers import RequestTriggers
from reconciler.watch.sinks import FanOut, Sinks
from reconciler.watch.status_file import StatusFile, read_kept
from reconciler.watch.trigger_inbox import Inbox, TriggerSources
from reconciler.watch.triggers import QUIET_SECONDS, Debounce, Trigger
from testing.clocks import FakeClock
from testing.loops import Unobserved
from trials.loop_guard import QUIET, Killed, Odds
from trials.loop_world import World
from trials.memory import GROWTH, Memory
from trials.scenes import scratch

_Result = TypeVar("_Result")

ODDS: Final = Odds(fault=0.05, kill=0.01)
_RESYNC: Final = 300.0
_RESTART: Final = 0.004
_QUIET_TURNS: Final = 25
"""In so many turns a host is in sync after all trouble is over."""

_PERSON_COMES: Final = 6

_SAMPLES: Final = 40


class Stretch(NamedTuple):
    """A part of the trials: so many triggers on a kernel, with a loop that heals or does not."""

    profile: str
    heals: bool
    triggers: int


FULL: Final = (
    Stretch("6.12", True, 60_000),
    Stretch("6.12", False, 15_000),
    Stretch("5.15", True, 10_000),
    Stretch("5.15", False, 5_000),
    Stretch("7.2", True, 10_000),
)


class Found(NamedTuple):
    """What a stretch has found: how often what happened, what must not be, and how memory went."""

    stretch: Stretch
    counts: Counter[str]
    wrong: tuple[str, ...]
    memory: str
    seconds: float

    def __str__(self) -> str:
        one = self.stretch
        counts = ", ".join(f"{self.counts[name]:,} {name}" for name in sorted(self.counts))
        heals = "heals" if one.heals else "does not heal"
        return (
            f"{one.profile}, {heals}: {one.triggers:,} triggers in {self.seconds:.0f} s: {counts}; "
            f"{self.memory}; {len(self.wrong)} violations"
        )


def stretches(chance: random.Random, divisor: int = 1) -> Iterator[Found]:
    """Run every stretch, or with `divisor` that part of each."""
    for one in FULL:
        yield run(one._replace(triggers=one.triggers // divisor), random.Random(chance.random()))


def run(stretch: Stretch, chance: random.Random) -> Found:
    """Run one stretch."""
    began = time.monotonic()
    with scratch() as folder:
        trial = Trial(folder, stretch, chance)
        gc.freeze()  # the loop collects after each turn: what was there before is not its garbage
        try:
            trial.run()
        finally:
            gc.unfreeze()
        wrong = (*trial.wrong, *trial.world.guard.found)
        return Found(stretch, trial.counted(), wrong, trial.memory.told(), time.monotonic() - began)


class Trial:
    """One loop in its world, through all its restarts."""

    def __init__(self, folder: Path, stretch: Stretch, chance: random.Random) -> None:
        """A world in `folder`."""
        self.clock = FakeClock()
        self.world = World(folder, stretch.profile, chance, self.clock)
        self.stretch = stretch
        self.chance = chance
        self.memory = Memory()
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.triggers = 0
        self.quiet = False
        self.sampled = 0
        self.in_sync = False
        self.last = ""

    def counted(self) -> Counter[str]:
        """All that was counted."""
        world, guard = self.world, self.world.guard
        counts = {"commits": world.commits, "bad commits": world.bad_commits, "applies typed": world.commands}
        return self.counts + Counter({**counts, "faults": guard.faults, "writes": guard.writes, "kills": guard.kills})

    def run(self) -> None:
        """Let it run, then become quiet, and be in sync."""
        self.world.guard.odds = ODDS
        while self.triggers < self.stretch.triggers:
            self._one_run()
        self.world.guard.odds = QUIET
        self.world.mend()
        self.quiet = True
        if not self.stretch.heals or self.world.profile.in_use_check is InUseCheck.EITHER:
            self.world.type_apply()  # which heals, and where that needs consent gives it
        self._one_run()
        blocks, pages, descriptors = self.memory.growth()
        if max(blocks, pages) > GROWTH or descriptors > 0:
            self.wrong.append(f"it has grown: {self.memory.told()}")

    def _one_run(self) -> None:
        """From a start of the loop to its end, in whichever way."""
        with suppress(Killed):
            self._watch()
        self.counts["starts"] += 1

    def _watch(self) -> None:
        world, state = self.world, self.world.state
        world.calm()
        state.prepare()
        log = Log(cast("StringIO", _Nowhere()), self.clock.time, format=Format.JSON)
        try:
            kept = read_kept(state)
        except BadRecord as error:
            self.wrong.append(str(error))
            kept = None
        systemd = SystemdNotify({}, 1, self.clock.monotonic)
        sinks = Sinks(log, StatusFile(state, 1), systemd)
        telling = FanOut(sinks, kept and kept.report)
        host = EnforcedHost(
            opened=world.opened,
            origin=lambda commit: Origin("root", "reconcile watch", self.clock.time(), commit, Actor.LOOP),
            authorised_since=authorised_since(state),
        )
        context = LoopContext(
            host=host,
            source=_Branch(self),
            configurations=Configurations(ChangedFiles(), None, read_last_good(state)),
            policy=Policy(applies=True, self_heal=self.stretch.heals),
            clock=self.clock,
            observer=_Bugs(self.wrong),
        )
        loop = _Judged(self, Cycles(context))
        reporter = Reporter("the branch", kept and kept.report, applies=True)
        stop = StopToken()
        sources, requests = TriggerSources((), Inbox(self.clock.monotonic), str), cast("RequestTriggers", _Requests())
        inbox, cycles = cast("Inbox", _Inbox(self, stop)), cast("Cycles", loop)
        asyncio.run(
            watch(
                Watch(
                    sources, inbox, requests, cycles, reporter, telling, systemd, self.clock,
                    _RESYNC, lambda: _RESYNC, stop, _Inline(),
                )
            )
        )  # fmt: skip
        telling.close(self.clock.time())

    def judge(self, turn: CycleResult, loop: Cycles) -> None:
        """See whether `turn` may have ended so."""
        self.counts["turns"] += 1
        self.last = f"{turn.ending.condition}: {turn.ending.summary}"
        self.in_sync = turn.ending.condition is Condition.IN_SYNC and turn.refused is None
        self.counts[f"turns that ended {turn.ending.condition}"] += 1
        world, guard = self.world, self.world.guard
        if turn.outcome and turn.recorded:
            self.counts[f"applies that ended {turn.outcome.result}"] += 1
            self._judge_apply(turn)
        self.counts["times healed"] += turn.healed
        if turn.healed and not self.stretch.heals:
            self.wrong.append("it has healed, without having been told to")
        enforced = loop.enforced
        if turn.plan is not None and not world.good and world.offered.commit:
            if turn.refused is None or turn.refused.commit != world.offered.commit:
                self.wrong.append(f"commit {world.offered.commit} cannot be used, but {turn.refused} is refused")
            if enforced and enforced.commit == world.offered.commit:
                self.wrong.append(f"commit {world.offered.commit} cannot be used, but is enforced")
        if guard.found:
            self.counts["turns with violations"] += 1

    def _judge_apply(self, turn: CycleResult) -> None:
        transaction, outcome = self.world.guard.transaction, turn.outcome
        if transaction is None or outcome is None or transaction.generation != turn.recorded:
            return
        now = self.world.guard.holdings()
        wanted = {Result.APPLIED: transaction.target, Result.ROLLED_BACK: transaction.start}.get(outcome.result)
        if wanted and (told := differences_of(wanted, now, transaction.touched)):
            self.wrong.append(f"generation {turn.recorded} has ended {outcome.result}, but {told}")


class _Bugs(Unobserved):
    """Keeps bugs."""

    def __init__(self, wrong: list[str]) -> None:
        self._wrong = wrong

    def unforeseen(self, error: Exception) -> None:
        self._wrong.append(f"unforeseen: {error!r}")


class _Judged:
    """The loop, with a look at each turn."""

    def __init__(self, trial: Trial, loop: Cycles) -> None:
        self._trial = trial
        self._loop = loop

    @property
    def enforced(self) -> object:
        return self._loop.enforced

    def ask(self, triggers: Collection[Trigger]) -> bool:
        """See `Cycles`."""
        return self._loop.ask(triggers)

    def rest(self) -> None:
        """See `Cycles`."""
        self._loop.rest()

    def run_cycle(self, triggers: Collection[Trigger]) -> CycleResult:
        world = self._trial.world
        guard = world.guard
        suspended = self._suspended()
        left = Journal(world.state, "").unfinished()
        guard.allowed = lambda: not suspended and self._may_write(left)
        turn = self._loop.run_cycle(triggers)
        self._trial.judge(turn, self._loop)
        return turn

    def _may_write(self, left: Unfinished | None) -> bool:
        """Whether the loop may write: to put in order what was `left`, or since the manifests are not as applied."""
        stretch, now = self._trial.stretch, Journal(self._trial.world.state, "").unfinished()
        if stretch.heals or not PROFILES[stretch.profile].over_provision:  # hardware that comes is a reason there
            return True
        if now is None or now == left:
            return True
        # What was suspended when it became news is applied afterwards.
        return (now.before.digest, now.before.guests) != (now.after.digest, now.after.guests)

    def _suspended(self) -> bool:
        from reconciler.transaction.loop_records import read_suspensions

        try:
            return read_suspensions(self._trial.world.state).at(self._trial.clock.time()).host is not None
        except BadRecord:
            return True


class _Branch:
    """Where manifests come from: the world's newest commit."""

    location = "the branch"

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def offer(self) -> Offer:
        return self._trial.world.offered

    is_coming = False

    def ask(self, *, allow_older: bool) -> None:
        """See `reconciler.watch.manifest_sources.ManifestSource`."""

    def accepted(self, commit: str) -> None:
        """See `reconciler.watch.manifest_sources.ManifestSource`."""


class _Requests:
    """Nobody waits for an answer."""

    def begin(self, turn: int) -> None:
        """See `RequestTriggers`."""

    def answer(self, *_: object) -> None:
        """See `RequestTriggers`."""


class _Inline:
    """Runs a cycle at once, in the same thread."""

    async def run(self, work: Callable[[], _Result]) -> _Result:
        return work()


class _Inbox:
    """What the loop notices of the world; time passes only here."""

    def __init__(self, trial: Trial, stop: StopToken) -> None:
        self._trial = trial
        self._stop = stop
        self._came: list[tuple[Trigger, float]] = []
        self._waits = 0
        self._ended = asyncio.Event()

    def wake(self) -> None:
        """See `Inbox`: a cycle has ended."""
        self._ended.set()

    def take(self) -> list[tuple[Trigger, float]]:
        taken, self._came = self._came, []
        return taken

    async def wait(self, seconds: float) -> None:
        """See `Inbox`."""
        if math.isinf(seconds):  # a cycle has begun
            await self._ended.wait()
            self._ended.clear()
            return
        trial, clock = self._trial, self._trial.clock
        self._waits += 1
        if trial.quiet:
            self._quiet(seconds)
            return
        if trial.triggers >= trial.stretch.triggers or trial.chance.random() < _RESTART:
            self._stop.stop("it is started again")
            return
        self._sample()
        if trial.chance.random() < 0.4:  # long enough for something to be over
            trial.world.calm()
        if trial.chance.random() < 0.2:
            clock.now += seconds
            return
        noticed = Debounce()
        while (due := noticed.due()) is None or clock.now < due:
            for trigger in trial.world.something():
                trial.triggers += 1
                noticed = noticed.add(trigger, clock.now)
                self._came.append((trigger, clock.now))
                clock.now += trial.chance.random() * 0.02
            clock.now += trial.chance.random() * 0.3

    def _quiet(self, seconds: float) -> None:
        trial = self._trial
        if self._waits == 1:
            self._came.append((Trigger("request", "trigger"), trial.clock.now))
            trial.clock.now += QUIET_SECONDS
            return
        if self._waits == _PERSON_COMES:  # and gives what consent it needs
            trial.world.type_apply()
        if trial.in_sync:
            self._stop.stop("it is in sync")
        elif self._waits > _QUIET_TURNS:
            self._stop.stop("it does not become in sync")
            trial.wrong.append(f"after {self._waits} quiet cycles it is {trial.last}")
        trial.clock.now += seconds

    def _sample(self) -> None:
        trial = self._trial
        if trial.triggers >= trial.sampled and not trial.world.has_lock:
            trial.sampled += max(1, trial.stretch.triggers // _SAMPLES)
            trial.memory.sample()


class _Nowhere:
    """A stream that forgets."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """Nothing is left."""

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        raise OSError
