"""The host of the loop's trials: it fails now and then, and looks after every write whether the invariants hold.

Where an apply comes from and leads to, its journal says, which is there before the first write.
"""

import random
from collections.abc import Callable, Iterable, Mapping
from errno import EIO
from typing import Final, NamedTuple, cast

from reconciler.kernel.paths import AQMASK
from reconciler.kernel.sysfs import Sysfs
from reconciler.model.observed import Process
from reconciler.model.steps import Holdings
from reconciler.planning.order import order_steps
from reconciler.simulator.faults import FaultySysfs
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import InUseCheck, Profile
from reconciler.simulator.nodes import refusal
from reconciler.transaction.journal import Journal, Unfinished
from reconciler.transaction.state_directory import StateDirectory
from testing.holdings import abilities_of, held
from testing.invariants import violations
from trials.fault_kinds import kinds_at


class Killed(BaseException):
    """The process is gone in the midst of an apply."""


class Odds(NamedTuple):
    """How likely it is, 0 to 1, that an apply meets a fault, and that the loop is killed during it."""

    fault: float
    kill: float


QUIET: Final = Odds(0.0, 0.0)


class Guard:
    """A simulated host under watch; speaks `reconciler.kernel.sysfs.Sysfs`."""

    def __init__(self, host: SimulatedHost, profile: Profile, state: StateDirectory, chance: random.Random) -> None:
        """Watch `host`; the journal is in `state`."""
        self.host = host
        self.odds = QUIET
        self.unreadable = False
        self.allowed: Callable[[], bool] = lambda: True
        """Whether whoever writes now may write at all."""
        self.transaction: Unfinished | None = None
        """The newest that has written anything."""
        self.meddled: set[str] = set()
        """Whom somebody else has changed during that."""
        self.interrupted: frozenset[str] = frozenset()
        """Whom that, or its way back, keeps from having all the time what it has before and after."""
        self.found: list[str] = []
        self.faults = self.writes = self.kills = 0
        self._profile = profile
        self._state = state
        self._chance = chance
        self._fault_at = self._kill_at = 0
        self._nth = 0

    @property
    def release(self) -> str:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self.host.release

    def read(self, path: str) -> str:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        if self.unreadable and path == AQMASK:
            raise refusal(EIO, path)
        return self.host.read(path)

    def list(self, path: str) -> list[str]:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self.host.list(path)

    def link(self, path: str) -> str:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self.host.link(path)

    def opened(self, uuids: Iterable[str]) -> Mapping[str, Process | None]:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self.host.opened(uuids)

    def sysinfo(self) -> bytes:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self.host.sysinfo()

    def write(self, path: str, value: str) -> int:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        unfinished = self._begun()
        self._nth += 1
        self.writes += 1
        if not self.allowed():
            self.found.append(f"{path} was written, although nothing may be")
        if self._nth == self._kill_at:
            self.kills += 1
            if self._chance.random() < 0.5:
                self._watched(path, value, unfinished, self.host)
            raise Killed
        if self._nth != self._fault_at:
            return self._watched(path, value, unfinished, self.host)
        self.faults += 1
        kind = self._chance.choice(kinds_at(path))
        if kind.meddled:
            self.meddled.add(kind.meddled)
        watching = cast("SimulatedHost", _Watching(self, unfinished))
        return FaultySysfs(watching, [kind.make(1, self.host)]).write(path, value)

    def holdings(self) -> Holdings:
        """Who holds what."""
        return held(self.host, abilities_of(self._profile))

    def _begun(self) -> Unfinished:
        unfinished = Journal(self._state, "").unfinished()
        assert unfinished is not None, "a write without a journal"
        last = self.transaction
        if last is None or (last.generation, last.start, last.steps) != (
            unfinished.generation,
            unfinished.start,
            unfinished.steps,
        ):
            self.meddled = set()
            self._nth = 0
            self._fault_at = self._at(self.odds.fault, unfinished)
            self._kill_at = self._at(self.odds.kill, unfinished)
            self.interrupted = self._interrupted(unfinished)
        self.transaction = unfinished
        return unfinished

    def _at(self, odds: float, unfinished: Unfinished) -> int:
        """The write at which something happens; 0 where nothing does."""
        return self._chance.randint(1, len(unfinished.steps) or 1) if self._chance.random() < odds else 0

    def _interrupted(self, unfinished: Unfinished) -> frozenset[str]:
        """Only from 6.19 on, and only with consent."""
        if self._profile.in_use_check is not InUseCheck.EITHER:
            return frozenset()
        abilities = abilities_of(self._profile)
        fixed = frozenset(unfinished.start.mdevs) - unfinished.touched
        ways = (
            (unfinished.start, unfinished.target),
            (unfinished.target, unfinished.start),
            (self.holdings(), unfinished.start),
        )
        return frozenset(one.uuid for way in ways for one in order_steps(*way, abilities, fixed).outages)

    def watched(self, path: str, value: str, unfinished: Unfinished) -> int:
        """Make one write of ours, and look what it has done."""
        return self._watched(path, value, unfinished, self.host)

    def _watched(self, path: str, value: str, unfinished: Unfinished, host: Sysfs) -> int:
        before = self.holdings()
        try:
            return host.write(path, value)
        finally:
            self._judge(path, unfinished, before, self.holdings())

    def _judge(self, path: str, unfinished: Unfinished, before: Holdings, after: Holdings) -> None:
        was = _keyed(violations(before, unfinished.start, unfinished.target))
        new = _keyed(violations(after, unfinished.start, unfinished.target))
        self.found += [f"{path}: {text}" for key, text in new.items() if key not in was and not self._is_excused(key)]
        for uuid in {*before.mdevs, *after.mdevs} - unfinished.touched:
            if before.mdevs.get(uuid) != after.mdevs.get(uuid):
                self.found.append(f"I5: {path} changed {uuid}, which is not of this apply")

    def _is_excused(self, key: str) -> bool:
        # As in `trials.faults`: what somebody else did in the same moment nobody can keep out.
        rule, _, holders = key.partition(": ")
        checks = self._profile.in_use_check
        if rule != "I1":
            if rule == "I3" and holders in self.interrupted:
                return True
            return holders in self.meddled or (checks is InUseCheck.EITHER and "host" in self.meddled)
        return checks is InUseCheck.NONE and bool(self.meddled) and holders.endswith(" and host")


class _Watching:
    """The host as one that fails meets it: our write is looked at, what others do beside it is theirs."""

    def __init__(self, guard: Guard, unfinished: Unfinished) -> None:
        self._guard = guard
        self._unfinished = unfinished

    def write(self, path: str, value: str) -> int:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self._guard.watched(path, value, self._unfinished)

    def __getattr__(self, name: str) -> object:
        return getattr(self._guard.host, name)


def _keyed(found: list[str]) -> dict[str, str]:
    return {text.partition(" has ")[0].partition(" both ")[0]: text for text in found}
