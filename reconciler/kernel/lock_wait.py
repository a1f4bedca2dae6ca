"""Waits, bounded, for a lock that somebody else has, and tells who that is.

A lock is asked for again and again instead of being waited for in the kernel: so the wait has an end, and what is told
meanwhile stays true.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from reconciler.kernel.settle import Clock
from reconciler.model.printable import escaped
from reconciler.model.stopping import Check, unchecked

_RETRY_SECONDS: Final = 0.03
"""As often as the s390-tools ask for theirs (libap), so that neither side starves the other."""
_LOOK_SECONDS: Final = 1.0
_TELL_AGAIN_SECONDS: Final = 10.0
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
        """For people: ``process 4711, reconcile --apply -f site, at work for 12 s``."""
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
        on_wait: told who is waited for: at first, when it becomes somebody else, and every ten seconds.
        check: asked before each look at the lock after the first; may end the wait.
    """

    clock: Clock
    seconds: float
    deadline: float
    on_wait: Callable[[AtWork], None]
    check: Check = unchecked


def patience(clock: Clock, seconds: float, on_wait: Callable[[AtWork], None], check: Check = unchecked) -> Patience:
    """Patience for `seconds` from now on; 0: none at all."""
    return Patience(clock, seconds, clock.monotonic() + seconds, on_wait, check)


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
        Abandoned: `wait.check` has ended the wait.
    """
    telling = _Telling(wait)
    while (lock := take()) is None:
        now = wait.clock.monotonic()
        if now >= wait.deadline:
            waited = f"; gave up waiting after {wait.seconds:g} s" if wait.seconds else ""
            raise refusal(f"{holder()}{waited}; try again when it is done, or end it if it hangs")
        telling.look(now, holder)
        wait.clock.sleep(_RETRY_SECONDS)
        wait.check()
    return lock


class _Telling:
    """Decides when there is news about who is waited for."""

    def __init__(self, wait: Patience) -> None:
        self._on_wait = wait.on_wait
        # Who has only just taken a lock has not written down a name yet.
        self._nameless_until = wait.clock.monotonic() + _LOOK_SECONDS
        self._told: AtWork | None = None
        self._next_look = self._tell_again = 0.0

    def look(self, now: float, holder: Callable[[], AtWork]) -> None:
        if now < self._next_look:
            return
        found = holder()
        if not found.process and now < self._nameless_until:
            return
        self._next_look = now + _LOOK_SECONDS
        if self._told is None or self._told.process != found.process or now >= self._tell_again:
            self._on_wait(found)
            self._told, self._tell_again = found, now + _TELL_AGAIN_SECONDS
