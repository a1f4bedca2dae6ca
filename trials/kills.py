"""Kills: a command is hit by a signal at every system call that changes something, and the next command runs.

After SIGKILL the next command first puts the host back exactly to the start (or leaves it at the target, where all was
written), and then does its own work. SIGTERM, SIGINT and SIGHUP leave nothing to put in order. Where a kernel
bars the way back, it is the target.
"""

import random
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.cli.exit_codes import Exit
from reconciler.kernel.sysfs import Sysfs
from reconciler.model.outcome import Origin
from reconciler.operations.apply import Terms, apply
from reconciler.operations.plan import plan
from reconciler.operations.wanted import Manifests
from reconciler.simulator.faults import Fault, FaultySysfs, WriteRefused
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.simulator.state_file import snapshot_of
from reconciler.transaction.apply import NoProgress
from reconciler.transaction.confirmation import PENDING
from testing.clocks import FakeClock
from testing.transitions import TRANSITIONS, write_paths
from trials.children import Blow, Ended, reconcile
from trials.scenes import (
    DONE,
    Scene,
    applied,
    files_of,
    machine,
    put_files,
    recovered,
    scene,
    scratch,
    unfinished,
    unsettled,
)
from trials.tally import End, Tally

SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_LOOKS: Final = (["status"], ["plan"], ["status", "-o", "json"], ["drift"])
_LOOK_EVERY: Final = 4
_CLEAN_CODES: Final = (Exit.DONE, Exit.FAILURE, Exit.ROLLED_BACK, *(128 + one for one in SIGNALS))
_REFUSED: Final = "mixed, refused"
_KILLED: Final = "mixed, killed"


class Trial(NamedTuple):
    """A command to be hit: it begins where `scene` does, and meets `faults`."""

    name: str
    scene: Scene
    faults: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} on {self.scene.profile}"


class Standing(NamedTuple):
    """A host and a state directory for one point."""

    host: SimulatedHost
    state: Path


def trials(folder: Path, profiles: Sequence[str] = tuple(PROFILES)) -> Iterator[Trial]:
    """Each transition on each kernel, one that has to go back, and one that begins where another was killed."""
    for profile in profiles:
        place = folder / profile
        place.mkdir()
        scenes = {name: scene(place, name, profile) for name in TRANSITIONS}
        yield from (Trial(name, one) for name, one in scenes.items())
        mixed = scenes["mixed"]
        yield Trial(_REFUSED, mixed, (WriteRefused(len(_paths(mixed, place)), 22),))
        yield Trial(_KILLED, _after_a_kill(mixed, place))


def _paths(one: Scene, folder: Path) -> list[str]:
    with_files = folder / "paths.state"
    put_files(with_files, one.files)
    where = machine(one.started(), with_files)
    found = write_paths(plan(Manifests((one.after,)).read(where), where))
    shutil.rmtree(with_files)
    return found


def _after_a_kill(one: Scene, folder: Path) -> Scene:
    standing = stand(one, folder / "killed.state")
    calls = hit(Trial("", one), standing, None).calls
    middle = [place for place, call in enumerate(calls, 1) if call.on_host][-2]
    standing = stand(one, standing.state)
    hit(Trial("", one), standing, Blow(signal.SIGKILL, middle))
    found = one._replace(host=snapshot_of(standing.host), files=files_of(standing.state))
    shutil.rmtree(standing.state)
    return found


def stand(one: Scene, state: Path) -> Standing:
    """The start of `one`, with its state directory at `state`."""
    shutil.rmtree(state, ignore_errors=True)
    put_files(state, one.files)
    return Standing(one.started(), state)


def hit(trial: Trial, standing: Standing, blow: Blow | None) -> Ended:
    """Apply, with every consent, and be hit."""
    host: Sysfs = FaultySysfs(standing.host, trial.faults) if trial.faults else standing.host
    words = ["apply", "--yes", "--allow-disruption", "-f", str(trial.scene.after)]
    return reconcile(words, host, standing.state, blow)


def tallies(
    chance: random.Random,
    most: int | None = None,
    profiles: Sequence[str] = tuple(PROFILES),
    signals: Sequence[signal.Signals] = SIGNALS,
) -> Iterator[Tally]:
    """Every trial with each of `signals` at every call; at most `most` of these points, by chance, of each trial."""
    with scratch() as folder:
        for trial in trials(folder, profiles):
            tally = Tally(str(trial))
            state = folder / "state"
            unhit = hit(trial, stand(trial.scene, state), None)
            assert trial.faults or unhit.status == Exit.DONE, f"{trial} is no apply: {unhit.said}"
            calls = unhit.calls
            points = [Blow(number, nth) for number in signals for nth in range(1, len(calls) + 1)]
            for blow in points if most is None else chance.sample(points, min(most, len(points))):
                try_point(trial, blow, tally, state)
            yield tally


CANCELLED: Final = "mixed, cancelled"
_ID: Final = "deploy-42"
_CONFIRM_SECONDS: Final = 3600.0


class _NoTimer:
    """Arms nothing: nobody is late here."""

    def arm(self, generation: int, seconds: float) -> None:
        """See `reconciler.integrations.timers.Timer`."""


def cancel_tallies(
    chance: random.Random,
    most: int | None = None,
    profiles: Sequence[str] = tuple(PROFILES),
    signals: Sequence[signal.Signals] = SIGNALS,
) -> Iterator[Tally]:
    """``cancel`` of an apply that waits, with each of `signals` at every call; see `tallies`."""
    with scratch() as folder:
        for profile in profiles:
            place = folder / profile
            place.mkdir()
            one, tally = scene(place, "mixed", profile), Tally(f"{CANCELLED} on {profile}")
            waiting = _waiting(one, place / "waiting.state")
            state = place / "state"
            calls = reconcile(["cancel", _ID], *stand(waiting, state)).calls
            points = [Blow(number, nth) for number in signals for nth in range(1, len(calls) + 1)]
            for blow in points if most is None else chance.sample(points, min(most, len(points))):
                _try_cancel(one, waiting, blow, tally, state)
            yield tally


def _waiting(one: Scene, state: Path) -> Scene:
    """`one` after its apply, which waits to be confirmed."""
    standing = stand(one, state)
    clock = FakeClock()
    clock.now = time.monotonic()  # a command in a process of its own looks at the clock of this machine
    where = machine(standing.host, state)._replace(clock=clock, timer=_NoTimer())
    terms = Terms(frozenset({"--allow-disruption"}), confirm_within=_CONFIRM_SECONDS)
    apply(Manifests((one.after,)), where, NoProgress(), Origin("root", "trial", 0.0, id=_ID), terms)
    found = one._replace(host=snapshot_of(standing.host), files=files_of(state))
    shutil.rmtree(state)
    return found


def _try_cancel(one: Scene, waiting: Scene, blow: Blow, tally: Tally, state: Path) -> None:
    standing = stand(waiting, state)
    ended = reconcile(["cancel", _ID], standing.host, standing.state, blow)
    wrong = [f"it said {ended.said[-400:]!r}"] if "Traceback" in ended.said or "bug in reconcile" in ended.said else []
    if blow.number == signal.SIGKILL and ended.status != -signal.SIGKILL:
        wrong.append(f"it ended with {ended.status}")
    again = reconcile(["cancel", _ID], standing.host, standing.state)
    if again.status != Exit.DONE:
        wrong.append(f"the next cancel ended with {again.status}: {again.said[-300:]!r}")
    if one.held(standing.host) != one.start:
        wrong.append(f"what was cancelled is not at the start: {one.held(standing.host)}")
    if unfinished(standing.state) or (standing.state / PENDING).exists():
        wrong.append("something is left of the apply")
    late = reconcile(["apply", "--yes", "--id", _ID, "-f", str(one.after)], standing.host, standing.state)
    if late.status != Exit.REFUSED:
        wrong.append(f"an apply that comes late ended with {late.status}")
    wrong += _applied_again(one, standing)
    where = f"{blow} ({ended.calls[-1] if ended.calls else 'none'})"
    tally.count(where, End.START if one.held(standing.host) == one.target else End.DEGRADED, wrong)


def try_point(trial: Trial, blow: Blow, tally: Tally, state: Path) -> None:
    """Hit one command at one point, and see what the next ones make of it."""
    standing = stand(trial.scene, state)
    ended = hit(trial, standing, blow)
    left = trial.scene.held(standing.host)
    wrong = list(_ended_badly(trial, blow, ended, standing))
    if blow.nth % _LOOK_EVERY == 0:
        wrong += _looked(trial.scene, standing, _LOOKS[blow.nth // _LOOK_EVERY % len(_LOOKS)])
    try:
        wrong += _put_in_order(trial.scene, standing)
        end = _end(trial.scene, standing)
        if end is End.TARGET and left != trial.scene.target and not trial.scene.is_one_way:
            wrong.append("the next command did more than put things in order")
        wrong += _applied_again(trial.scene, standing)
    except Exception as error:  # noqa: BLE001  # whatever it is, it must not be
        end = End.DEGRADED
        wrong.append(f"the next command failed: {error!r}")
    where = f"{blow} ({ended.calls[-1] if ended.calls else 'none'})"
    tally.count(where, end, wrong)


def _end(one: Scene, standing: Standing) -> End:
    held = one.held(standing.host)
    if held == one.target:
        return End.TARGET
    return End.START if held == one.start else End.DEGRADED


def _ended_badly(trial: Trial, blow: Blow, ended: Ended, standing: Standing) -> Iterator[str]:
    if "Traceback" in ended.said or "bug in reconcile" in ended.said:
        yield f"it said {ended.said[-400:]!r}"
    if blow.number == signal.SIGKILL:
        if ended.status != -signal.SIGKILL:
            yield f"it ended with {ended.status}"
        return
    held = trial.scene.held(standing.host)
    if not _is_untouched(trial.scene, standing):
        if not _is_somewhere(trial.scene, standing):
            yield f"it ended with {ended.status} and left the host in between"
        if unfinished(standing.state):
            yield f"it ended with {ended.status} and left a journal"
    if ended.status not in (*_CLEAN_CODES, -blow.number):
        yield f"it ended with {ended.status}"
    if ended.status == Exit.DONE and held != trial.scene.target:
        yield "it ended with 0, but the host is not at the target"
    if ended.status == Exit.ROLLED_BACK and held != trial.scene.start:
        yield "it said that all is as before, but the host is not at the start"


def _is_somewhere(one: Scene, standing: Standing) -> bool:
    return one.held(standing.host) in (one.start, one.target)


def _is_untouched(one: Scene, standing: Standing) -> bool:
    return (snapshot_of(standing.host), files_of(standing.state) or {}) == (one.host, one.files or {})


def _looked(one: Scene, standing: Standing, words: Sequence[str]) -> Iterator[str]:
    host, files = snapshot_of(standing.host), files_of(standing.state)
    ended = reconcile([*words, "-f", str(one.after)], standing.host, standing.state)
    if ended.status not in (Exit.DONE, Exit.CHANGES):
        yield f"{' '.join(words)} ended with {ended.status}: {ended.said[-300:]!r}"
    if (snapshot_of(standing.host), files_of(standing.state)) != (host, files) or ended.calls:
        yield f"{' '.join(words)} changed something"
    if unfinished(standing.state) and words == _LOOKS[0] and "not finished" not in ended.said:
        yield "status does not tell of the unfinished apply"


def _put_in_order(one: Scene, standing: Standing) -> Iterator[str]:
    recovered(one.after, standing.host, standing.state)
    if unfinished(standing.state):
        yield "the journal is still there"
    if not _is_somewhere(one, standing):
        yield f"what was put in order is neither start nor target: {one.held(standing.host)}"


def _applied_again(one: Scene, standing: Standing) -> Iterator[str]:
    outcome = applied(one.after, standing.host, standing.state).outcome
    if outcome.result not in DONE or one.held(standing.host) != one.target:
        yield f"the next apply does not reach the target: {outcome}"
    if unfinished(standing.state):
        yield "the next apply leaves a journal"
    yield from unsettled(standing.state)
    host, files = snapshot_of(standing.host), files_of(standing.state)
    again = applied(one.after, standing.host, standing.state).outcome
    if again.writes or (snapshot_of(standing.host), files_of(standing.state)) != (host, files):
        yield f"applying again changes something: {again}"
