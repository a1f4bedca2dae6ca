"""What can go wrong at one write: all that the kernel may answer, hardware that goes, and others who write."""

import errno
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from typing import Final, NamedTuple

from reconciler.kernel.paths import APMASK, AQMASK, CREATE, mdev
from reconciler.model.matrix import Queue
from reconciler.simulator.faults import BindingDelayed, Fault, ForeignWriter, WriteBlocked, WriteRefused
from reconciler.simulator.hardware import HardwareError, Request, SetCard, Unplug
from reconciler.simulator.host import SimulatedHost
from testing.holdings import uuid
from testing.transitions import errors_at

FOREIGN: Final = uuid(0xF)
"""The device that somebody else makes."""


class Kind(NamedTuple):
    """One thing that can go wrong.

    Attributes:
        name: for people, and to find it again.
        make: makes it happen to a host at the write of a number.
        foreign: whether somebody else writes.
        meddled: the holder that somebody else changes: ``host`` or a uuid; empty where there is none.
        hardware: whether hardware goes.
    """

    name: str
    make: Callable[[int, SimulatedHost], Fault]
    foreign: bool = False
    meddled: str = ""
    hardware: bool = False


def kinds_at(path: str) -> tuple[Kind, ...]:
    """All that can go wrong at a write to `path`."""
    return (*(_refused(code) for code in errors_at(path)), *_COMMON)


def _refused(code: int) -> Kind:
    return Kind(errno.errorcode[code], lambda nth, host: WriteRefused(nth, code))


def _blocked(name: str, takes_effect: bool) -> Kind:
    return Kind(name, lambda nth, host: WriteBlocked(nth, takes_effect))


def _bound(name: str, reads: int | None) -> Kind:
    return Kind(name, lambda nth, host: BindingDelayed(nth, reads))


def _hardware(name: str, request: Request) -> Kind:
    def make(nth: int, host: SimulatedHost) -> Fault:
        def act() -> None:
            with suppress(HardwareError):  # it is gone already
                host.change_hardware(request)

        return ForeignWriter(nth, act)

    return Kind(name, make, hardware=True)


def _others(name: str, holder: str, *writes: tuple[str, str]) -> tuple[Kind, Kind]:
    """Somebody else makes `writes` to `holder`, as far as the kernel lets them, before ours or after it."""

    def acting(host: SimulatedHost) -> Callable[[], None]:
        def act() -> None:
            with suppress(OSError):
                for path, value in writes:
                    host.write(path, value)

        return act

    return (
        Kind(f"{name}, before", lambda nth, host: ForeignWriter(nth, acting(host)), True, holder),
        Kind(f"{name}, after", lambda nth, host: ForeignWriter(nth, acting(host), after=True), True, holder),
    )


def _takes(queue: Queue) -> tuple[Kind, Kind]:
    device = mdev(FOREIGN)
    return _others(
        f"somebody takes {queue}",
        FOREIGN,
        (CREATE, FOREIGN),
        (f"{device}/assign_adapter", str(queue.adapter)),
        (f"{device}/assign_domain", str(queue.domain)),
    )


_QUEUES: Final = (Queue(5, 4), Queue(6, 4), Queue(7, 4), Queue(5, 0x47), Queue(6, 0x47), Queue(6, 0xAB))

_COMMON: Final = (
    _blocked("blocked, done", takes_effect=True),
    _blocked("blocked, not done", takes_effect=False),
    _bound("drivers come late", 40),
    _bound("drivers never come", None),
    *(_hardware(f"card {adapter} is lost", Unplug(adapter)) for adapter in (5, 6, 7)),
    _hardware("card 5 is check-stopped", SetCard(5, checkstopped=True)),
    *_others("somebody takes adapter 7 from the host", "host", (APMASK, "-7")),
    *_others("somebody gives the host adapters 5 and 6", "host", (APMASK, "+5,+6")),
    *_others("somebody takes domain 6 from the host", "host", (AQMASK, "-6")),
    *_others("somebody gives the host domain 0x47", "host", (AQMASK, "+0x47")),
    *_others("somebody makes a device", FOREIGN, (CREATE, FOREIGN)),
    *chain.from_iterable(map(_takes, _QUEUES)),
    *_others("somebody adds adapter 7 to a guest", uuid(1), (f"{mdev(uuid(1))}/assign_adapter", "7")),
    *_others("somebody adds domain 255 to a guest", uuid(2), (f"{mdev(uuid(2))}/assign_domain", "255")),
    *_others("somebody takes domain 4 from a guest", uuid(1), (f"{mdev(uuid(1))}/unassign_domain", "4")),
    *_others("somebody adds a control domain to a guest", uuid(1), (f"{mdev(uuid(1))}/assign_control_domain", "0xab")),
    *_others("somebody removes a guest's device", uuid(2), (f"{mdev(uuid(2))}/remove", "1")),
    *_others("somebody makes a guest's device", uuid(1), (CREATE, uuid(1))),
)
