"""A thread that asks the repository from time to time, and an ear by which the loop hears that there is news."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from reconciler.kernel.processes import Stopped
from reconciler.model.printable import error_text
from reconciler.watch.cadence import wait
from reconciler.watch.git_source import CommitRefused, Fetched, GitSource, Newest, Unreachable
from reconciler.watch.triggers import Trigger

INTERVAL: Final = 60.0
"""How often the repository is asked, in seconds, where nothing else is said."""

LONGEST: Final = 900.0
"""How long it is left alone at most while it cannot be reached."""

_END: Final = 10.0
"""How long the thread may take to end once its programs have been killed."""


class GitPoller:
    """Keeps the newest result of `GitSource.refresh`, for a loop that waits at a descriptor.

    The loop says what it has applied (`accept`) and takes the newest result (`take`).
    """

    def __init__(
        self,
        source: GitSource,
        accepted: str = "",
        *,
        interval: float = INTERVAL,
        longest: float = LONGEST,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        """Ask `source` at once, then about every `interval` seconds, after failures up to `longest` apart.

        `accepted` is the commit that was applied last. `sleep` waits for an event for some seconds.
        """
        self._source = source
        self._accepted = accepted
        self._interval = interval
        self._longest = longest
        self._chance = chance
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._asked = threading.Event()
        self._closed = False
        self._allow_older = False
        self._questions = self._answered = 0
        self._newest: Fetched | None = None
        self._news = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._work, name="git", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask(self, *, allow_older: bool = False) -> None:
        """Ask the repository now; `allow_older`: a person wants its newest commit even if it is older."""
        with self._lock:
            self._allow_older |= allow_older
            self._questions += 1
        self._asked.set()

    @property
    def is_coming(self) -> bool:
        """Whether a result is to come still: there is none yet, or the newest was begun before the last `ask`."""
        with self._lock:
            return self._newest is None or self._answered < self._questions

    def accept(self, commit: str) -> None:
        """Say that `commit` was applied: from now on the newest must come after it."""
        with self._lock:
            self._accepted = commit

    def take(self) -> Fetched | None:
        """The newest result; None before the first."""
        with self._lock:
            return self._newest

    def fileno(self) -> int:
        """Readable when there is news."""
        return self._news

    def hear(self) -> Iterator[Trigger]:
        """What is new, once: there is a result that differs from the one before, or that answers a question."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._news)
            yield Trigger("git", _told(self._newest))

    def close(self) -> None:
        """End the thread, also while a fetch hangs; the source is stopped, not closed."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._asked.set()
        self._source.stop()
        if self._thread.ident is not None:
            self._thread.join(_END)
        os.close(self._news)

    def _work(self) -> None:
        failures = 0
        while not self._closed:
            self._asked.clear()
            with self._lock:
                questions = self._questions
            try:
                found = self._refreshed()
            except Stopped:
                return
            self._publish(found, questions)
            failures = failures + 1 if isinstance(found, Unreachable) else 0
            self._sleep(self._asked, wait(self._interval, failures, self._longest, self._chance()))

    def _refreshed(self) -> Fetched:
        with self._lock:
            accepted = self._accepted
            allow_older, self._allow_older = self._allow_older, False
        try:
            return self._source.refresh(accepted, allow_older=allow_older)
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 a thread that has died would be an offline repository that nobody sees
            why = f"an unforeseen failure: {type(error).__name__}: {error_text(error)}"
            return Unreachable(f"{self._source.location}: {why}", self._clock())

    def _publish(self, found: Fetched, questions: int) -> None:
        """Have `found` as the newest result, which answers so many `questions`."""
        with self._lock:
            is_news = found != self._newest or questions > self._answered
            self._newest, self._answered = found, questions
            if is_news and not self._closed:
                os.eventfd_write(self._news, 1)


def _told(found: Fetched | None) -> str:
    match found:
        case Newest(commit=commit):
            return f"commit {commit}"
        case CommitRefused(commit=commit):
            return f"commit {commit} is refused" if commit else "the branch names no commit"
        case Unreachable():
            return "the repository cannot be reached"
        case None:
            return ""
