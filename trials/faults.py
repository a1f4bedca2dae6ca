"""Faults: all that can go wrong, at every write of every plan on every kernel, and a second time on the way back.

However it goes, the host ends at the target, at the start, or *degraded* with every difference named; after every write
of ours the invariants hold as far as they were ours to keep; and the next apply puts things right.
"""

import random
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, cast

from reconciler.kernel.sysfs import KernelBusy
from reconciler.model.matrix import ApConfig
from reconciler.model.outcome import Outcome, Result
from reconciler.model.steps import Holdings
from reconciler.operations.apply import NotApplicable
from reconciler.operations.plan import plan
from reconciler.operations.wanted import Manifests
from reconciler.planning.plan import Plan
from reconciler.render.outcome_text import outcome_text
from reconciler.simulator.faults import FaultySysfs
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES, InUseCheck
from testing.invariants import violations
from testing.transitions import TRANSITIONS
from trials.fault_kinds import FOREIGN, Kind, kinds_at
from trials.scenes import DONE, Scene, applied, machine, put_files, scene, scratch, unfinished, unsettled
from trials.tally import End, Tally

_SECONDS: Final = 2
"""So many second faults, by chance, are tried on the way back from each first one."""

_NEXT: Final = ("reconcile status", "reconcile apply")


class Point(NamedTuple):
    """What goes wrong: at which write, from 1, what."""

    faults: tuple[tuple[int, Kind], ...]

    def __str__(self) -> str:
        return ", then ".join(f"write {nth}: {kind.name}" for nth, kind in self.faults)

    @property
    def foreign(self) -> bool:
        """Whether somebody else writes."""
        return any(kind.foreign for _, kind in self.faults)

    @property
    def hardware(self) -> bool:
        """Whether hardware goes."""
        return any(kind.hardware for _, kind in self.faults)


class Stage(NamedTuple):
    """A scene and what is known of its plan: its writes' paths, what it touches, and whom it interrupts."""

    scene: Scene
    paths: tuple[str, ...]
    touched: frozenset[str]
    interrupted: frozenset[str]


class Witness:
    """Stands between the faults and the host, and sees what each write of ours has done."""

    def __init__(self, host: SimulatedHost, stage: Stage, meddled: Collection[str] = ()) -> None:
        """Watch `host`; nobody can keep the holders in `meddled` from having what somebody else gave or took."""
        self._host = host
        self._meddled = meddled
        self._stage = stage
        self.paths: list[str] = []
        self.found: list[str] = []

    def write(self, path: str, value: str) -> int:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        before, foreign = self._broken(), self._foreign()
        try:
            return self._host.write(path, value)
        finally:
            self.paths.append(path)
            after = self._broken()
            self.found += [text for key, text in after.items() if key not in before]
            if self._foreign() != foreign:
                self.found.append(f"I5: {path} changed a device that is not ours")

    def __getattr__(self, name: str) -> object:
        return getattr(self._host, name)

    def _broken(self) -> Mapping[str, str]:
        one, interrupted = self._stage.scene, self._stage.interrupted
        found = violations(one.held(self._host), one.start, one.target, interrupted)
        keys = {text.partition(" has ")[0].partition(" both ")[0]: text for text in found}
        return {key: text for key, text in keys.items() if not self._is_excused(key)}

    def _is_excused(self, key: str) -> bool:
        rule, _, holders = key.partition(": ")
        checks = PROFILES[self._stage.scene.profile].in_use_check
        if rule != "I1":
            # Where a mask bit is refused for any use of its id, putting back what somebody took from the host makes a
            # guest let go of it for a while.
            return holders in self._meddled or (checks is InUseCheck.EITHER and "host" in self._meddled)
        # Where nothing is refused, the host is given what somebody has taken between our check and our write.
        return checks is InUseCheck.NONE and bool(self._meddled) and holders.endswith(" and host")

    def _foreign(self) -> ApConfig | None:
        return self._stage.scene.held(self._host).mdevs.get(FOREIGN)


def tallies(
    chance: random.Random, most: int | None = None, profiles: Sequence[str] = tuple(PROFILES)
) -> Iterator[Tally]:
    """Every plan with every fault, and with second ones; at most `most` of these, by chance, of each plan."""
    with scratch() as folder:
        for profile in profiles:
            place = folder / profile
            place.mkdir()
            for name in TRANSITIONS:
                stage = staged(scene(place, name, profile), place / "state")
                tally = Tally(str(stage.scene))
                singles = [Point(((nth, kind),)) for nth, path in enumerate(stage.paths, 1) for kind in kinds_at(path)]
                if most is not None:
                    singles = chance.sample(singles, min(most, len(singles)))
                for point in singles:
                    back = try_point(stage, point, tally, place / "state")
                    for second in _seconds(point, back, chance):
                        try_point(stage, second, tally, place / "state")
                yield tally


def staged(one: Scene, state: Path) -> Stage:
    """`one` with what its plan says."""
    shutil.rmtree(state, ignore_errors=True)
    put_files(state, one.files)
    host = one.started()
    where = machine(host, state)
    made = plan(Manifests((one.after,)).read(where), where)
    interrupted = frozenset(guest.uuid for guest in made.guests if guest.interrupted or guest.rollback_takes)
    touched = frozenset(planned.step.uuid for planned in made.steps if planned.step.uuid)
    stage = Stage(one, (), touched, interrupted)
    witness = Witness(host, stage)
    applied(one.after, cast("SimulatedHost", witness), state)
    return stage._replace(paths=tuple(witness.paths))


def _seconds(first: Point, back: Sequence[tuple[int, str]], chance: random.Random) -> Iterator[Point]:
    for nth, path in chance.sample(back, min(_SECONDS, len(back))):
        yield Point((*first.faults, (nth, chance.choice(kinds_at(path)))))


def try_point(stage: Stage, point: Point, tally: Tally, state: Path) -> list[tuple[int, str]]:
    """Apply with what goes wrong at `point`; the writes of the way back, each with its number and path."""
    one = stage.scene
    shutil.rmtree(state, ignore_errors=True)
    put_files(state, one.files)
    host = one.started()
    witness = Witness(host, stage, {kind.meddled for _, kind in point.faults if kind.meddled})
    faulty = FaultySysfs(cast("SimulatedHost", witness), [kind.make(nth, host) for nth, kind in point.faults])
    try:
        outcome = applied(one.after, faulty, state).outcome
        end, wrong = _judged(stage, outcome, one.held(host))
        wrong += witness.found
        if unfinished(state):
            wrong.append("the journal is still there")
        host.delay_binding(0)
        wrong += _next_apply(stage, point, host, state)
    except Exception as error:  # noqa: BLE001  # whatever it is, it must not be
        tally.count(point, End.DEGRADED, [f"it failed: {error!r}"])
        return []
    tally.count(point, end, wrong)
    if outcome.result is Result.APPLIED:
        return []
    return _way_back(stage, point, faulty.write_count)


def _way_back(stage: Stage, point: Point, count: int) -> list[tuple[int, str]]:
    # Which path a write of the way back has is not known beforehand where the writes before it were refused: an
    # attribute of a device stands for all of them.
    first = point.faults[0][0]
    other = next((path for path in stage.paths if path.endswith(("ap_config", "assign_adapter"))), stage.paths[-1])
    return [(nth, other) for nth in range(first + 1, count + 1)]


def _judged(stage: Stage, outcome: Outcome, now: Holdings) -> tuple[End, list[str]]:
    one = stage.scene
    match outcome.result:
        case Result.APPLIED:
            return End.TARGET, [f"said to be applied: {told}" for told in _differences(stage, one.target, now)]
        case Result.ROLLED_BACK:
            return End.START, [f"said to be as before: {told}" for told in _differences(stage, one.start, now)]
        case Result.DEGRADED:
            return End.DEGRADED, _mistold(stage, outcome, now)
        case _:
            return End.START, [f"it ended as {outcome.result}"]


def _differences(stage: Stage, wanted: Holdings, now: Holdings) -> list[str]:
    names = {"apmask": (wanted.pool.adapters, now.pool.adapters), "aqmask": (wanted.pool.domains, now.pool.domains)}
    devices = {uuid: (wanted.mdevs.get(uuid), now.mdevs.get(uuid)) for uuid in stage.touched}
    return [name for name, (was, is_now) in {**names, **devices}.items() if was != is_now]


def _mistold(stage: Stage, outcome: Outcome, now: Holdings) -> list[str]:
    real, told = _differences(stage, stage.scene.start, now), " ".join(outcome.differences)
    wrong = [f"degraded, but {name} is not named in {told!r}" for name in real if name not in told]
    if len(outcome.differences) != len(real):
        wrong.append(f"degraded, and {len(outcome.differences)} differences are told, but there are {len(real)}")
    if not any(command in outcome_text(outcome) for command in _NEXT):
        wrong.append("degraded, without a word on what to type next")
    return wrong


def _next_apply(stage: Stage, point: Point, host: SimulatedHost, state: Path) -> Iterator[str]:
    one = stage.scene
    try:
        outcome = applied(one.after, host, state).outcome
    except NotApplicable as error:
        if not point.foreign and not point.hardware:
            yield f"the next apply refuses: {_messages(error.plan)}"
        return
    except KernelBusy as error:
        yield f"the next apply waits: {error}"
        return
    yield from unsettled(state)
    if point.hardware and not PROFILES[one.profile].over_provision:
        return  # a queue that is not there cannot be assigned
    missed = _differences(stage, one.target, one.held(host))
    if outcome.result not in DONE or missed:
        yield f"the next apply does not reach the target, but for {missed}: {outcome}"


def _messages(made: Plan) -> list[str]:
    return [problem.message for problem in made.problems]
