"""One transaction at a time for one state directory, and signals that stop it before the next step.

Other processes wait for the lock, bounded, and report for what.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

from reconciler.kernel.locks import AtWork, Patience, wait_for
from reconciler.kernel.own_files import take_lock
from reconciler.model.codec import BadRecord
from reconciler.model.errors import BusyError
from reconciler.model.stopping import StopToken
from reconciler.transaction.records import RECORDS, read_record
from reconciler.transaction.state_directory import StateDirectory

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_INTERRUPTED: Final = "interrupted before the first write; nothing was changed"


@contextmanager
def stopped_by_signals() -> Iterator[StopToken]:
    """A token that the signals which end a process set while the block runs; at the end they mean what they did before.

    Only the main thread can handle signals: in another one no signal sets the token, and the caller has one of its own.
    """
    token = StopToken()
    if threading.current_thread() is not threading.main_thread():
        yield token
        return
    heeded = [number for number in SIGNALS if _ends_us(number)]
    before = {number: signal.signal(number, lambda *_: token.stop(_INTERRUPTED)) for number in heeded}
    try:
        yield token
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ends_us(number: int) -> bool:
    handler = signal.getsignal(number)
    if number == signal.SIGHUP:  # to the loop it says something else
        return handler in (signal.SIG_DFL, signal.default_int_handler)
    return handler is not signal.SIG_IGN  # nohup(1) ignores some


LOCK: Final = "lock"
_MOST_COMMAND: Final = 300


class Busy(BusyError):
    """Another process has held the lock for too long; the text says which."""


class _Holder(NamedTuple):
    """What the lock file says: the process that holds it, since when by the monotonic clock, and what it runs."""

    process: int
    since: float
    command: str


@contextmanager
def state_locked(state: StateDirectory, command: str, wait: Patience) -> Iterator[None]:
    """Hold the lock while the block runs.

    Args:
        state: whose lock.
        command: shown to whoever finds the lock held, with our process and since when we have it.
        wait: how long to wait for whoever holds it.

    Raises:
        Busy: another process held it all the time.
        OSError: the state directory cannot be written.
    """
    path = state.path / LOCK
    descriptor = wait_for(
        lambda: take_lock(path),
        lambda: holder(state, wait.clock.monotonic()),
        wait,
        lambda who: Busy(f"another reconcile is at work: {who}"),
    )
    try:
        # By the clock that counts from the start of the machine: setting the time of day must not change an age.
        # Where that cannot be written, the lock is ours all the same: it only says who has it.
        record = _Holder(os.getpid(), wait.clock.monotonic(), command[:_MOST_COMMAND])
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, RECORDS.content(record), 0)
        yield
    finally:
        # Who takes the lock next is nameless for a moment, and must not be taken for us.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
        os.close(descriptor)


def holder(state: StateDirectory, now: float) -> AtWork:
    """Who says in the lock file that the lock is theirs; `now` is the monotonic clock."""
    try:
        found = read_record(state, LOCK, _Holder)
    except (OSError, BadRecord):
        found = None
    if found is None:
        return AtWork(0)
    age = now - found.since
    return AtWork(found.process, found.command, age if age >= 0 else None)
