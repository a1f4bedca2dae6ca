"""The world of the loop's trials: a host, its manifests, and everybody who does something to them, by chance."""

import fcntl
import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from errno import ENOSPC
from itertools import product
from pathlib import Path
from typing import Final

from reconciler.kernel.observe import UnreadableHost
from reconciler.kernel.paths import APMASK, AQMASK, CREATE, mdev
from reconciler.kernel.sysfs import KernelBusy
from reconciler.manifests.files import DiskFiles
from reconciler.model.codec import BadRecord
from reconciler.model.ids import IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.outcome import Origin
from reconciler.model.problems import InvalidManifests
from reconciler.operations.apply import NotApplicable, Terms, apply
from reconciler.operations.wanted import Manifests
from reconciler.planning.plan import ALLOW_DISRUPTION, ALLOW_EMPTY, ALLOW_REMOVALS, ALLOW_SUSPENDED
from reconciler.simulator.hardware import Card, HardwareError, Plug, SetCard, Unplug
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction.apply import NoProgress
from reconciler.transaction.lock import LOCK, Busy
from reconciler.transaction.loop_records import SUSPENDED, Suspension, Suspensions, write_suspensions
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.manifest_sources import Offer
from reconciler.watch.triggers import Trigger
from testing.clocks import FakeClock
from testing.holdings import ADAPTERS, DOMAINS, PRESENT, hardware, matrix, uuid
from trials.fault_kinds import FOREIGN
from trials.loop_guard import Guard, Killed

BOOT_ID: Final = "11111111-2222-4333-8444-555555555555"
GUESTS: Final = 6
_STRANGER: Final = uuid(0xF0)
_EVERY_CONSENT: Final = frozenset({ALLOW_DISRUPTION, ALLOW_EMPTY, ALLOW_REMOVALS, ALLOW_SUSPENDED})


class FullDisk(StateDirectory):
    """A state directory on a disk that is full at times."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.full = False

    def replace(self, name: str, content: bytes) -> None:
        """See `StateDirectory`."""
        self._room()
        super().replace(name, content)

    def append(self, name: str, content: bytes) -> None:
        """See `StateDirectory`."""
        self._room()
        super().append(name, content)

    def _room(self) -> None:
        if self.full:
            raise OSError(ENOSPC, os.strerror(ENOSPC))


class World:
    """Everything around the loop. It does one thing at a time, and says what the loop may hear of it."""

    def __init__(self, folder: Path, profile: str, chance: random.Random, clock: FakeClock) -> None:
        """A host that has just been booted, with manifests of a first commit."""
        self.clock = clock
        self.chance = chance
        self.profile = PROFILES[profile]
        self.state = FullDisk(folder / "state")
        self.guard = Guard(SimulatedHost(hardware(), self.profile), self.profile, self.state, chance)
        self.manifests = folder / "manifests"
        self.manifests.mkdir()
        self.offered = Offer(None)
        self.good = True
        """Whether the newest commit can be used, as far as that does not depend on the host."""
        self.commits = self.bad_commits = 0
        self.commands = 0
        self._lock = -1
        self._texts: Mapping[str, str] = {}
        self.commit_good()
        drift = (self._masks, self._device, self._device, self._stranger)
        hardware_ = (self._plug, self._unplug, self._check_stop)
        people = (self._vm, self._vm, self._type_apply, self._suspend, self._resume, self._request)
        trouble = (self._fill_disk, self._hide, self._hold_lock, self._damage)
        self._doings: tuple[tuple[int, tuple[Callable[[], Iterator[Trigger]], ...]], ...] = (
            (10, (self._commit_good,)),
            (5, (self._broken, self._conflicting, self._consents, self._unsigned, self._unreachable)),
            (14, drift),
            (8, hardware_),
            (12, people),
            (3, trouble),
            (48, (self._noise,)),
        )

    @property
    def has_lock(self) -> bool:
        """Whether somebody keeps everybody else from applying."""
        return self._lock >= 0

    def machine(self) -> OpenHost:
        """What loop and commands work on."""
        return OpenHost(self.guard, self.clock, self.state, BOOT_ID, "lpar7")

    @contextmanager
    def opened(self, _changes: bool) -> Iterator[OpenHost]:
        """See `reconciler.watch.loop_context.EnforcedHost`."""
        yield self.machine()

    def something(self) -> list[Trigger]:
        """Let something happen, by chance; what may be heard of it."""
        weights = [weight for weight, _ in self._doings]
        doings = self.chance.choices(self._doings, weights)[0][1]
        return list(self.chance.choice(doings)())

    def mend(self) -> None:
        """Let all trouble be over: what is left is a host that somebody has changed, and a good commit."""
        self.calm()
        for device in self._running():
            self.guard.host.stop_vm(device)
        for adapter in PRESENT:
            self.guard.host.change_hardware(Plug(adapter, Card()))
        for device in (_STRANGER, FOREIGN):
            with suppress(OSError):
                self.guard.host.write(f"{mdev(device)}/remove", "1")
        self.guard.host.delay_binding(0)
        write_suspensions(self.state, Suspensions(None, {}))
        self.commit_good()

    def calm(self) -> None:
        """Let go of what keeps the loop from working."""
        self.state.full = self.guard.unreadable = False
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        if self.state.path.is_dir():
            with suppress(OSError):
                self._resume_all()

    # Commits

    def commit_good(self) -> None:
        """A commit that can be used where no VM loses anything."""
        guests: dict[str, str] = {}
        taken: list[Matrix] = []
        for number in range(1, GUESTS + 1):
            share = matrix(self._some(ADAPTERS, 2), self._some(DOMAINS, 2))
            if not any(share.overlaps(other) for other in taken):
                taken.append(share)
                guests[f"guest{number}.yaml"] = self._guest(number, share)
        self._commit(guests, good=True)

    def _commit_good(self) -> Iterator[Trigger]:
        self.commit_good()
        yield Trigger("git", self.offered.commit)

    def _broken(self) -> Iterator[Trigger]:
        yield from self._commit_bad({**self._texts, "guest1.yaml": "apiVersion: reconciler/v1\nkind: Guest\n  x: [1,"})

    def _conflicting(self) -> Iterator[Trigger]:
        share = matrix([5], [4])
        both = {f"guest{one}.yaml": self._guest(one, share, "active") for one in (1, 2)}
        yield from self._commit_bad({**self._texts, **both})

    def _consents(self) -> Iterator[Trigger]:
        # Whether that needs consent depends on what is there, so the loop may use it.
        self._commit({}, good=True)
        self.bad_commits += 1
        yield Trigger("git", self.offered.commit)

    def _unsigned(self) -> Iterator[Trigger]:
        self.bad_commits += 1
        self.good = False
        self.offered = Offer(None, self._next_commit(), refused=("it is not signed",))
        yield Trigger("git", self.offered.commit)

    def _unreachable(self) -> Iterator[Trigger]:
        self.offered = Offer(None, unreachable="no answer")
        yield Trigger("git")

    def _commit_bad(self, texts: Mapping[str, str]) -> Iterator[Trigger]:
        good = self._texts
        self._commit(texts, good=False)
        self._texts = good
        self.bad_commits += 1
        yield Trigger("git", self.offered.commit)

    def _commit(self, texts: Mapping[str, str], *, good: bool) -> None:
        self.good, self._texts = good, texts
        host = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\nspec: {unmanaged: ignore}\n"
        for name, text in {**texts, "host.yaml": host}.items():
            path = self.manifests / name
            if not path.exists() or path.read_text() != text:
                new = self.manifests / f".{name}"
                new.write_text(text)
                new.replace(path)
        for path in self.manifests.iterdir():
            if path.name not in texts and path.name != "host.yaml":
                path.unlink()
        paths = (str(self.manifests),)
        self.offered = Offer(DiskFiles(paths), self._next_commit(), paths=paths)

    def _next_commit(self) -> str:
        self.commits += 1
        return f"{self.commits:040x}"

    def _guest(self, number: int, share: Matrix, activation: str = "") -> str:
        ignores = "\n  ignoreDrift: [controlDomains]" if number == GUESTS else ""
        activation = activation or self.chance.choice(["active"] * 5 + ["on-demand"])
        return (
            f"apiVersion: reconciler/v1\nkind: Guest\nmetadata: {{name: guest{number}}}\nspec:\n"
            f"  uuid: {uuid(number)}\n  activation: {activation}\n"
            f"  adapters: {list(share.adapters)}\n  domains: {list(share.domains)}{ignores}\n"
        )

    def _some(self, ids: tuple[int, ...], most: int) -> IdSet:
        return IdSet(self.chance.sample(ids, self.chance.randint(1, most)))

    # Others who write

    def _masks(self) -> Iterator[Trigger]:
        path = self.chance.choice((APMASK, AQMASK))
        which = self.chance.choice(ADAPTERS if path == APMASK else DOMAINS)
        yield from self._by_hand((path, f"{self.chance.choice('+-')}{which}"))

    def _device(self) -> Iterator[Trigger]:
        device = mdev(uuid(self.chance.randint(1, GUESTS)))
        axis, ids = self.chance.choice((("adapter", ADAPTERS), ("domain", DOMAINS), ("control_domain", DOMAINS)))
        verb = self.chance.choice(("assign", "unassign"))
        removal = (f"{device}/remove", "1")
        change = (f"{device}/{verb}_{axis}", str(self.chance.choice(ids)))
        yield from self._by_hand(removal if self.chance.random() < 0.15 else change)

    def _stranger(self) -> Iterator[Trigger]:
        device = mdev(_STRANGER)
        if self.chance.random() < 0.6:
            yield from self._by_hand((f"{device}/remove", "1"))
            return
        adapter, domain = self.chance.choice(list(product(PRESENT, DOMAINS)))
        yield from self._by_hand(
            (CREATE, _STRANGER), (f"{device}/assign_adapter", str(adapter)), (f"{device}/assign_domain", str(domain))
        )

    def _by_hand(self, *writes: tuple[str, str]) -> Iterator[Trigger]:
        with suppress(OSError, KernelBusy):
            for path, value in writes:
                self.guard.host.write(path, value)
        if self.chance.random() < 0.9:  # sometimes nobody hears it
            yield Trigger("kernel", writes[0][0])

    # Hardware and VMs

    def _plug(self) -> Iterator[Trigger]:
        self.guard.host.change_hardware(Plug(self.chance.choice(ADAPTERS), Card()))
        yield Trigger("kernel", "a card")

    def _unplug(self) -> Iterator[Trigger]:
        with suppress(HardwareError):
            self.guard.host.change_hardware(Unplug(self.chance.choice(ADAPTERS)))
            yield Trigger("kernel", "no card")

    def _check_stop(self) -> Iterator[Trigger]:
        with suppress(HardwareError):
            stopped = self.chance.random() < 0.3
            self.guard.host.change_hardware(SetCard(self.chance.choice(ADAPTERS), checkstopped=stopped))
            yield Trigger("kernel", "a card changes")

    def _vm(self) -> Iterator[Trigger]:
        if (running := self._running()) and self.chance.random() < 0.6:
            self.guard.host.stop_vm(self.chance.choice(running))
        else:
            with suppress(OSError):
                self.guard.host.start_vm(uuid(self.chance.randint(1, GUESTS)))
        yield from ()

    def _running(self) -> list[str]:
        mdevs = self.guard.host.state.mdevs
        return [one for one in mdevs if mdevs[one].running]

    # People

    def type_apply(self) -> None:
        """A person runs ``reconcile apply`` with every consent."""
        self.commands += 1
        allowed, self.guard.allowed = self.guard.allowed, lambda: True
        source = Manifests((self.manifests,), commit=self.offered.commit)
        origin = Origin("root", "reconcile apply", self.clock.time(), self.offered.commit)
        with suppress(InvalidManifests, NotApplicable, UnreadableHost, BadRecord, Busy, OSError, KernelBusy, Killed):
            apply(source, self.machine(), NoProgress(), origin, Terms(_EVERY_CONSENT, lock_seconds=1.0))
        self.guard.allowed = allowed

    def _type_apply(self) -> Iterator[Trigger]:
        self.type_apply()
        yield Trigger("kernel", "masks")

    def _suspend(self) -> Iterator[Trigger]:
        one = Suspension("maintenance", "root", self.clock.time() + self.chance.choice((3.0, 60.0, 900.0)))
        whole = self.chance.random() < 0.3
        made = Suspensions(one, {}) if whole else Suspensions(None, {f"guest{self.chance.randint(1, GUESTS)}": one})
        with suppress(OSError):
            write_suspensions(self.state, made)
            yield Trigger("request", "trigger")

    def _resume(self) -> Iterator[Trigger]:
        with suppress(OSError):
            self._resume_all()
            yield Trigger("request", "trigger")

    def _resume_all(self) -> None:
        write_suspensions(self.state, Suspensions(None, {}))

    def _request(self) -> Iterator[Trigger]:
        yield Trigger(self.chance.choice(("request", "signal")), self.chance.choice(("trigger", "SIGHUP")))

    # Trouble

    def _fill_disk(self) -> Iterator[Trigger]:
        self.state.full = True
        yield Trigger("resync")

    def _hide(self) -> Iterator[Trigger]:
        self.guard.unreadable = True
        yield Trigger("kernel")

    def _hold_lock(self) -> Iterator[Trigger]:
        if self._lock < 0 and self.state.path.is_dir():
            self._lock = os.open(self.state.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield Trigger("kernel")

    def _damage(self) -> Iterator[Trigger]:
        if self.state.path.is_dir():
            (self.state.path / SUSPENDED).write_text("{")
            (self.state.path / SUSPENDED).chmod(0o600)
        yield Trigger("request")

    def _noise(self) -> Iterator[Trigger]:
        """Triggers with nothing behind them: a queue that was bound, a file that was touched, a time that has come."""
        for _ in range(self.chance.randint(1, 9)):
            source = self.chance.choice(("kernel", "kernel", "kernel", "files", "git", "resync"))
            yield Trigger(source, str(self.chance.randrange(100)))
