"""A fleet of real hosts: simulated kernels with the journals, timers, inventory and history that every host has.

Requests arrive as in `testing.fleet`, and here reach the same functions as the commands call: ``apply --fleet``,
``confirm``, ``cancel``, ``history state``. Each host has a clock of its own, which drifts; VMs open and close its
devices; its process may be killed between two writes to the kernel; its timer may be lost, so that the next command
rolls back.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from reconciler.fleet.commit import Answer, Commit, Outcome, Refusal, State, Verb
from reconciler.machines import hmc_changes as hmc
from reconciler.model.desired import Desired
from reconciler.model.errors import ReconcileError, StaleError
from reconciler.model.ids import IdSet
from reconciler.model.machines import DesiredLpar, DesiredMachine, MachineMode
from reconciler.model.matrix import FULL_MATRIX, ApConfig
from reconciler.model.outcome import FleetCommit, Origin
from reconciler.model.steps import Holdings
from reconciler.operations.apply import AppliedAlready, Terms, apply
from reconciler.operations.plan import plan
from reconciler.operations.wanted import Wanted
from reconciler.planning.basis import Basis
from reconciler.simulator.hardware import Card, Plug, Unplug
from reconciler.simulator.host import SimulatedHost
from reconciler.transaction.apply import NoProgress
from reconciler.transaction.apply_ids import ApplyState, Standing, newest_standing, number_of
from reconciler.transaction.cancellation import cancel
from reconciler.transaction.journal import Journal
from reconciler.transaction.open_host import OpenHost, is_changed_since, locked
from reconciler.transaction.recovery import confirm, is_left, recover
from reconciler.transaction.rollback import differences_of
from reconciler.transaction.state_directory import StateDirectory
from testing.clocks import NoTimer
from testing.fleet import HOSTS, Host, Run, World, commit_of, driven, finished
from testing.holdings import (
    EVERY_PROFILE,
    POSITION,
    abilities_of,
    config,
    desired_like,
    hardware,
    held,
    host_holding,
    uuid,
)
from testing.recording_sysfs import RecordingSysfs
from testing.transitions import FREE, TRANSITIONS, Transition

ID: Final = "saturday-0123456789abcdef0123456789abcdef"
CONSENTS: Final = frozenset({"--allow-disruption", "--allow-empty", "--allow-removals"})
PROFILE: Final = EVERY_PROFILE[-1]
BOOTED: Final = Holdings(FULL_MATRIX, {})
"""What a host has after a boot, where its manifests say ``persistence: none``."""

ROUND_TRIP: Final = 1.0

STATES: Final[Mapping[ApplyState, State]] = {
    ApplyState.UNKNOWN: State.UNKNOWN,
    ApplyState.UNFINISHED: State.UNKNOWN,  # and busy: killed, or still at work
    ApplyState.PENDING: State.PENDING,
    ApplyState.CONFIRMED: State.CONFIRMED,
    ApplyState.NOTHING: State.CONFIRMED,
    ApplyState.CANCELLED: State.CANCELLED,
    ApplyState.EXPIRED: State.EXPIRED,
    ApplyState.REBOOTED: State.ROLLED_BACK,
    ApplyState.ROLLED_BACK: State.ROLLED_BACK,
    ApplyState.DEGRADED: State.DEGRADED,
    ApplyState.FORGOTTEN: State.ROLLED_BACK,
}
"""What the answer of a host (``history state``) says of a commit."""


class Killed(BaseException):
    """The process on the host ends here."""


class Clock:
    """The clock of one host: it has begun at another moment than all others, and runs faster or slower."""

    def __init__(self, world: World, chance: Random) -> None:
        self._world = world
        self._offset = chance.uniform(0.0, 1e6)
        self._rate = chance.uniform(0.98, 1.02)
        self._slept = 0.0

    def monotonic(self) -> float:
        """See `reconciler.kernel.observe.Clock`."""
        return self._offset + self._rate * self._world.time + self._slept

    def time(self) -> float:
        """See `reconciler.kernel.observe.Clock`."""
        return 1_700_000_000.0 + self.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `reconciler.kernel.observe.Clock`."""
        self._slept += seconds


class Reviewed(NamedTuple):
    """What a controller has recorded of one host: what was reviewed, and what it rests on."""

    wanted: Desired
    basis: Basis
    fingerprint: str


GIVES: Final = Transition(
    Holdings(FREE, {uuid(1): config([5, 6], [4]), uuid(2): config([5, 6], [0x47])}),
    Holdings(FREE, {uuid(1): config([5], [4]), uuid(2): config([5], [0x47])}),
)
TAKES: Final = Transition(
    Holdings(FREE, {uuid(3): config([7], [4])}),
    Holdings(FREE, {uuid(3): config([6, 7], [4]), uuid(4): config([6], [0x47])}),
)
"""The two between which a card moves: one LPAR of a machine gives it up, the other one gets it after the commit."""

WAYS: Final = {"a": TAKES, "b": TRANSITIONS["swap"], "c": GIVES, "d": TRANSITIONS["create"]}
CARDS: Final = {"a": (7,), "b": (5, 6, 7), "c": (5, 6), "d": (5, 6, 7)}
BEFORE: Final = {"a": (7,), "c": (5, 6)}
AFTER: Final = {"a": (6, 7), "c": (5,)}
"""The cards of the LPARs of one machine, before and after; the other hosts run on machines of their own."""


class RealHost(Host):
    """A host with a kernel, a state directory and a timer; see `testing.fleet.Host` for what is asked of it."""

    def __init__(self, name: str, world: "RealWorld", folder: Path, chance: Random) -> None:
        super().__init__(name, lambda: world.time)
        self.world = world
        self.chance = chance
        self.way = WAYS[name]
        self.kernel: SimulatedHost = host_holding(self.way.start, PROFILE, hardware(CARDS[name]))
        self.machine = OpenHost(
            self.kernel, Clock(world, chance), StateDirectory(folder / name), "boot-0", name, timer=NoTimer()
        )
        self.machine.state.prepare()
        apply(Wanted(desired_like(self.way.start)), self.machine, NoProgress(), Origin("kim", "first", 0.0))
        wanted = desired_like(self.way.target)
        made = plan(Wanted(wanted), self.machine)
        self.reviewed = Reviewed(wanted, made.basis, made.fingerprint)
        self.fingerprint = made.fingerprint
        self.timer_is_lost = False
        self.kill_after = 0
        self._known: tuple[tuple[float, str], Standing] | None = None

    def now(self) -> None:
        """Let the timer ring, if it is time and it is not lost."""
        if not self.timer_is_lost and is_left(self.machine.state, self.machine.boot_id, self.machine.clock.monotonic()):
            self._locked(recover)

    def _locked(self, act: Callable[[OpenHost], object]) -> None:
        machine = self._mortal()
        try:
            with suppress(Killed), locked(machine, NoProgress(), "reconcile"):
                act(machine)
        finally:
            self._known = None

    def _mortal(self) -> OpenHost:
        """The host as a process sees it that ends after so many writes to the kernel as `kill_after` says; 0: never."""
        left = self.kill_after
        self.kill_after = 0

        def count(_write: object) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Killed

        return self.machine._replace(sysfs=RecordingSysfs(self.kernel, count))

    def state(self) -> State:
        """Of the newest apply that is a part of the commit."""
        return STATES[self._stands().state]

    def _stands(self) -> Standing:
        """What is recorded, which takes most of the time to read: once for each change and each moment."""
        machine = self.machine
        moment = (machine.clock.monotonic(), machine.boot_id)
        if self._known is None or self._known[0] != moment:
            self._known = moment, newest_standing(machine.state, ID, machine.boot_id, moment[0])
        return self._known[1]

    def boot(self) -> None:
        """Nothing is left but what is in the state directory; `vfio_ap` is loaded again."""
        self.boots += 1
        self.kernel.boot()
        self.kernel.load_vfio_ap()
        self.machine = self.machine._replace(boot_id=f"boot-{self.boots}")

    def answer(self, refusal: Refusal | None = None) -> Answer:
        """As ``history state`` does, and for an unknown commit as ``plan`` does."""
        machine = self.machine
        found = self._stands()
        if found.state is ApplyState.UNFINISHED:
            refusal = refusal or Refusal.BUSY
        fingerprint = found.fingerprint
        if found.state is ApplyState.UNKNOWN:
            fingerprint = plan(Wanted(self.reviewed.wanted), machine).fingerprint
        drifted = found.is_pending and is_changed_since(machine)
        return Answer(
            STATES[found.state], machine.boot_id, fingerprint, float(found.seconds_left), ROUND_TRIP, refusal, drifted
        )

    def _does(self, verb: Verb, attempt: int, seconds: float) -> Answer:
        refusal = None
        try:
            match verb:
                case Verb.APPLY | Verb.APPLY_AGAIN:
                    self._applies(attempt, seconds)
                case Verb.CONFIRM | Verb.EXTEND:
                    self._locked(lambda machine: self._confirms(machine, seconds if verb is Verb.EXTEND else None))
                case Verb.CANCEL:
                    self._locked(lambda machine: cancel(machine, self._newest_id()))
                case Verb.ASK:
                    pass
        except AppliedAlready:
            pass
        except StaleError:
            refusal = Refusal.STALE
        except ReconcileError:
            refusal = Refusal.BUSY if verb in {Verb.APPLY, Verb.APPLY_AGAIN} else None
        return self.answer(refusal)

    def _newest_id(self) -> str:
        return self._stands().id or ID

    def _confirms(self, machine: OpenHost, extend: float | None) -> None:
        recover(machine)
        confirm(machine, number_of(machine.state, self._newest_id()), extend)

    def _applies(self, attempt: int, seconds: float) -> None:
        machine = self._mortal()
        fleet = FleetCommit(ID, tuple(one.name for one in self.others), None, "kim", ())
        fleet = fleet._replace(hosts=("lpar7", *fleet.hosts))  # as every Host of the tests is called
        apply_id = f"{ID}-{attempt}" if attempt else ID
        origin = Origin("kim", "reconcile apply", machine.clock.time(), id=apply_id, fleet=fleet)
        agreed = None if attempt else self.reviewed.basis
        terms = Terms(CONSENTS, agreed, confirm_within=seconds, lock_seconds=1.0)
        try:
            with suppress(Killed):
                apply(Wanted(self.reviewed.wanted), machine, NoProgress(), origin, terms)
        finally:
            self._known = None

    def vm_changes(self) -> None:
        """A VM opens or closes one of the devices."""
        devices = sorted(held(self.kernel, abilities_of(PROFILE)).mdevs)
        if devices:
            device = self.chance.choice(devices)
            with suppress(OSError, ValueError):
                self.chance.choice([self.kernel.start_vm, self.kernel.stop_vm])(device)

    def ends(self) -> str:
        """Where it is after the last deadline: at its start, its target, as booted, or degraded with all named."""
        found = held(self.kernel, abilities_of(PROFILE))
        if found == self.way.target:
            return "target"
        if found == self.way.start:
            return "start"
        if self.boots and found == BOOTED:
            return "booted"
        left = Journal(self.machine.state, self.machine.boot_id).left_degraded()
        touched = {*self.way.start.mdevs, *self.way.target.mdevs}
        for wanted in (self.way.start, BOOTED):
            if left and set(differences_of(wanted, found, touched)) <= set(left):
                return "degraded"
        raise AssertionError(
            f"{self.name} has {found}, which is neither start nor target, and {left} is all that is named"
        )


class RealWorld(World):
    """Hosts with state directories in `folder`; `chance` draws what happens to them."""

    def __init__(self, names: Sequence[str], folder: Path, chance: Random) -> None:
        super().__init__([])
        self.real = {name: RealHost(name, self, folder, chance) for name in names}
        self.hosts.update(self.real)
        for host in self.real.values():
            host.others = list(self.real.values())

    def commit(self, chance: Random) -> Commit:
        """The commit that was reviewed on all hosts."""
        made = commit_of(tuple(self.real), batch=chance.choice([None, None, 1, 2]))
        return made._replace(
            hosts=tuple(one._replace(fingerprint=self.real[one.name].fingerprint) for one in made.hosts)
        )

    def happens(self, _world: World, chance: Random) -> None:
        """Something that no controller has asked for, or nothing."""
        host = chance.choice(list(self.real.values()))
        match chance.choices(*_EVENTS)[0]:
            case "late":
                self.deliver()
            case "minutes":
                self.pass_time(300.0)
            case "an hour":
                self.pass_time(3600.0)
            case "boot":
                host.boot()
            case "vm":
                host.vm_changes()
            case "kill":
                host.kill_after = chance.randint(1, 12)
            case "no timer":
                host.timer_is_lost = True

    def is_over(self) -> None:
        """All that was on the way has come, all times are over, and a command does what lost timers would have done."""
        self.deliver()
        for host in self.real.values():
            host.timer_is_lost, host.kill_after = False, 0
        self.pass_time(8000.0)


_EVENTS: Final = (
    ("nothing", "late", "minutes", "an hour", "boot", "vm", "kill", "no timer"),
    (30, 6, 2, 1, 1, 4, 3, 1),
)


def really_simulated(seed: int, folder: Path) -> str:
    """As `testing.fleet.simulated`, on real hosts with state directories below `folder`.

    After the last deadline each host is at its start, at its target, as booted, or degraded with all differences named.
    Where all have ended confirmed, the work list for the HMC can be done in any order that it allows.
    """
    chance = Random(seed)
    world = RealWorld(HOSTS[: chance.randint(1, 4)], folder, chance)
    last = driven(world, world.commit(chance), chance, world.happens)
    world.is_over()
    return ended(world, last, chance)


def without_faults(seed: int, folder: Path) -> str:
    """A commit to four hosts that one controller makes, to which nothing happens: everything ends at the target."""
    chance = Random(seed)
    world = RealWorld(HOSTS, folder, chance)
    run = Run(world, world.commit(chance))
    assert finished(run) is Outcome.ALL, run.end
    assert {host.ends() for host in world.real.values()} == {"target"}
    return ended(world, run, chance)


def ended(world: RealWorld, last: Run, chance: Random) -> str:
    """How it has ended, when `last`, which reaches all hosts, has ended as well."""
    hosts = world.real.values()
    before = [host.state() for host in hosts]
    assert State.PENDING not in before, before
    for host in hosts:
        found = host.ends()
        wanted = {"target", "booted"} if host.state() is State.CONFIRMED else {"start", "booted", "degraded"}
        assert found in wanted, f"{host.name} is {host.state()}, and as at its {found}"
    outcome = finished(last)
    if State.CONFIRMED in before:
        assert outcome in {Outcome.ALL, Outcome.DEGRADED, Outcome.MIXED}, (outcome, before)
        assert all(
            host.state() is State.CONFIRMED
            for host, state in zip(hosts, before, strict=True)
            if state is State.CONFIRMED
        )
    else:
        assert outcome in {Outcome.NONE, Outcome.DEGRADED}, (outcome, before)
        assert State.CONFIRMED not in {host.state() for host in hosts}
    if outcome is Outcome.ALL:
        assert {host.ends() for host in hosts} <= {"target", "booted"}
        if {"a", "c"} <= world.real.keys():
            Hmc(world, chance).works()
    confirmed = before.count(State.CONFIRMED)
    return "all" if confirmed == len(before) else "none" if not confirmed else f"mixed, then {outcome}"


class Hmc:
    """What a person does on the HMC after a commit, by the work list: a card goes from one LPAR to another one.

    It is done step by step, in any order that the list allows, whatever the hosts do meanwhile.
    """

    def __init__(self, world: "RealWorld", chance: Random) -> None:
        self.world = world
        self.chance = chance
        self.has = {name: _lpar_config(cards) for name, cards in BEFORE.items()}

    def works(self) -> None:
        """Do all steps of the list; the laws are watched at each."""
        found = hmc.hmc_changes([_machine(BEFORE)], [_machine(AFTER)])
        left, done = [step for one in found for step in one.steps], set[int]()
        while left:
            step = self.chance.choice([one for one in left if done.issuperset(one.after)])
            left.remove(step)
            done.add(step.number)
            self._does(step)

    def _does(self, step: hmc.HmcStep) -> None:
        before = self.has[step.lpar]
        kernel = self.world.real[step.lpar].kernel
        if step.action is hmc.Action.REMOVE:
            lost = before.adapters & step.config.adapters
            held_there = held(kernel, abilities_of(PROFILE)).mdevs.values()
            taken = [one for one in held_there if not one.adapters.isdisjoint(lost)]
            assert not taken, f"adapters {lost} are removed from {step.lpar}, which authorises them still: {taken}"
            self.has[step.lpar] = before._replace(adapters=before.adapters - lost)
            for adapter in lost:
                kernel.change_hardware(Unplug(adapter))
        if step.action is hmc.Action.ADD:
            after = before._replace(adapters=before.adapters | step.config.adapters)
            others = {name: one for name, one in self.has.items() if name != step.lpar}
            both = [name for name, one in others.items() if one.matrix.overlaps(after.matrix)]
            assert not both, f"{step.config.adapters} is added to {step.lpar} before it is removed from {both}"
            self.has[step.lpar] = after
            for adapter in step.config.adapters:
                kernel.change_hardware(Plug(adapter, Card()))


def _machine(cards: Mapping[str, tuple[int, ...]]) -> DesiredMachine:
    lpars = (DesiredLpar(name, name, _lpar_config(one), number=at) for at, (name, one) in enumerate(cards.items()))
    return DesiredMachine("cpc", "IBM-3931-00000000000829E7", MachineMode.CLASSIC, None, tuple(lpars), (), POSITION)


def _lpar_config(cards: tuple[int, ...]) -> ApConfig:
    return ApConfig(IdSet(cards), IdSet([4, 0x47]), IdSet([4, 0x47]))
