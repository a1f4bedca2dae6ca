"""Locks that another process may hold: a bounded wait that says who holds one, and the lock of the s390-tools.

ap-check and chzdev take that lock by the protocol of libutil/util_lockfile.c.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeVar

from reconciler.kernel.observe import Clock
from reconciler.model.errors import BusyError
from reconciler.model.printable import escaped
from reconciler.model.stopping import NEVER, StopToken

_RETRY_SECONDS: Final = 0.03
"""As often as the s390-tools ask for theirs (libap), so that neither side starves the other."""
_LOOK_SECONDS: Final = 1.0
_REPEAT_SECONDS: Final = 10.0
_MOST_COMMAND: Final = 200

_Lock = TypeVar("_Lock")


class AtWork(NamedTuple):
    """Who has a lock.

    Attributes:
        process: its PID; 0 where it is not known.
        command: what it runs; empty where it is not known.
        seconds: for how long it has had the lock; None where it is not known.
    """

    process: int
    command: str = ""
    seconds: float | None = None

    def __str__(self) -> str:
        """For people: ``process 4711, reconcile apply -f site, at work for 12 s``."""
        if not self.process:
            return "an unknown process"
        command = self.command
        if len(command) > _MOST_COMMAND:
            command = f"{command[:_MOST_COMMAND]}…"
        age = "" if self.seconds is None else f"at work for {_age(self.seconds)}"
        return escaped(", ".join(part for part in (f"process {self.process}", command, age) if part))


def _age(seconds: float) -> str:
    whole = max(0, int(seconds))
    return f"{whole} s" if whole < 120 else f"{whole // 60} min"


class Patience(NamedTuple):
    """How long to wait, for all locks together; made by `patience`.

    Attributes:
        clock: time.
        seconds: how long.
        deadline: when that is over, by the clock.
        on_wait: called with the process that is waited for: at first, when it is another one, and every ten seconds.
        stop: asked before each look at the lock after the first.
    """

    clock: Clock
    seconds: float
    deadline: float
    on_wait: Callable[[AtWork], None]
    stop: StopToken = NEVER


def patience(clock: Clock, seconds: float, on_wait: Callable[[AtWork], None], stop: StopToken = NEVER) -> Patience:
    """Patience for `seconds` from now on; 0: none at all."""
    return Patience(clock, seconds, clock.monotonic() + seconds, on_wait, stop)


def wait_for(
    take: Callable[[], _Lock | None],
    holder: Callable[[], AtWork],
    wait: Patience,
    refusal: Callable[[str], Exception],
) -> _Lock:
    """What `take` returns as soon as it is not None.

    Args:
        take: asks for the lock, without waiting.
        holder: who has it.
        wait: how long to wait.
        refusal: makes the exception for what is raised then; it gets a text that says who has the lock.

    Raises:
        Exception: that one, when patience has come to its end.
        Abandoned: `wait.stop` has ended the wait.
    """
    reports = _Reports(wait)
    while (lock := take()) is None:
        now = wait.clock.monotonic()
        if now >= wait.deadline:
            waited = f"; gave up waiting after {wait.seconds:g} s" if wait.seconds else ""
            raise refusal(f"{holder()}{waited}; try again when it is done, or end it if it hangs")
        reports.look(now, holder)
        wait.clock.sleep(_RETRY_SECONDS)
        wait.stop.check()
    return lock


class _Reports:
    """Decides when there is news about who is waited for."""

    def __init__(self, wait: Patience) -> None:
        self._on_wait = wait.on_wait
        # Who has only just taken a lock has not written down a name yet.
        self._nameless_until = wait.clock.monotonic() + _LOOK_SECONDS
        self._reported: AtWork | None = None
        self._next_look = self._repeat_at = 0.0

    def look(self, now: float, holder: Callable[[], AtWork]) -> None:
        if now < self._next_look:
            return
        found = holder()
        if not found.process and now < self._nameless_until:
            return
        self._next_look = now + _LOOK_SECONDS
        if self._reported is None or self._reported.process != found.process or now >= self._repeat_at:
            self._on_wait(found)
            self._reported, self._repeat_at = found, now + _REPEAT_SECONDS


_EMPTY_IS_STALE_SECONDS: Final = 120.0
_TRIES_AT_ONCE: Final = 3
_MOST_BYTES: Final = 40
_MOST_READ: Final = 4096


class ToolsBusy(BusyError):
    """Another tool has held the lock for too long; the text says which process."""


@contextmanager
def tools_locked(path: Path, wait: Patience) -> Iterator[None]:
    """Hold the lock at `path` while the block runs.

    Args:
        path: the lock, for the tools ``/run/lock/s390apconfig.lock``.
        wait: how long to wait for whoever holds it (the tools themselves: 90 to 99 seconds).

    Raises:
        ToolsBusy: it was not to be had in that time.
        OSError: the directory of the lock cannot be written.
    """
    wait_for(
        lambda: _taken(path),
        lambda: _at_work(path),
        wait,
        lambda who: ToolsBusy(f"the lock of ap-check and chzdev, {path}, is held by {who}"),
    )
    try:
        yield
    finally:
        if _holder(path) == os.getpid():
            path.unlink(missing_ok=True)


def tools_holder(path: Path) -> tuple[AtWork | None, bool]:
    """Who has the lock at `path`, None where it is free, and whether that process is there; changes nothing."""
    holder = _holder(path)
    if holder is None:
        return None, False
    return _at_work(path), holder == 0 or _lives(holder)


def _taken(path: Path) -> Literal[True] | None:
    for _ in range(_TRIES_AT_ONCE):
        if _link(path) and _holder(path) == os.getpid():
            return True
        if not _remove_stale(path):
            return None
    return None


def _link(path: Path) -> bool:
    own = path.with_name(f"{path.name}{os.getpid():05d}{int(time.time()) & 0xFF:02x}")
    try:
        descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return False  # left by one of our number that was killed; the name changes every second
    try:
        os.write(descriptor, f"{os.getpid()}\n".encode())
        os.link(own, path)
    except FileExistsError:
        return False
    finally:
        os.close(descriptor)
        own.unlink()
    return True


def _holder(path: Path) -> int | None:
    """The PID in the lock; 0 where it has none yet, None where there is no lock."""
    try:
        # Everybody may write to /run/lock: what is there need not be a file, and must not keep us waiting.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        return 0
    try:
        with suppress(ValueError, OSError):
            return max(0, int(os.read(descriptor, _MOST_BYTES)))
    finally:
        os.close(descriptor)
    return 0


def _remove_stale(path: Path) -> bool:
    """Remove a lock that no process holds any more; whether it is worth trying again at once."""
    holder = _holder(path)
    if holder is None:
        return True
    try:
        stale = not _lives(holder) if holder else _seconds(path) > _EMPTY_IS_STALE_SECONDS
        if stale and _holder(path) == holder:
            path.unlink()
    except FileNotFoundError:
        return True
    return stale


def _seconds(path: Path) -> float:
    # A file's time is the time of day, whatever it was set to since; nothing else says how old a foreign lock is.
    return max(0.0, time.time() - path.lstat().st_mtime)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _at_work(path: Path) -> AtWork:
    process = _holder(path) or 0
    try:
        return AtWork(process, _command(process), _seconds(path))
    except FileNotFoundError:
        return AtWork(process)


def _command(process: int) -> str:
    try:
        with open(f"/proc/{process}/cmdline", "rb") as stream:
            return stream.read(_MOST_READ).replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
