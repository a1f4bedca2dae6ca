"""Triggers of new commits: the repository is asked from time to time, in a thread that the loop can end."""

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Final

from reconciler.kernel.processes import Stopped
from reconciler.model.printable import error_text
from reconciler.watch.backoff import spread_wait
from reconciler.watch.git_source import CommitRefused, Fetched, GitSource, NewestCommit, Unreachable
from reconciler.watch.trigger_sources import in_thread
from reconciler.watch.triggers import Listening, Noticed, Trigger

INTERVAL: Final = 60.0
"""How often the repository is asked, in seconds, where nothing else is said."""

LONGEST: Final = 900.0
"""How long it is not asked at most while it cannot be reached."""

_END: Final = 10.0
"""How long the thread may take to end once its programs have been killed."""


class GitPoller:
    """Keeps the newest result of `GitSource.refresh`, and is a source of triggers.

    The loop says what it has applied (`accept`) and takes the newest result (`take`), in whatever thread.
    """

    name: str = Noticed.GIT

    def __init__(
        self,
        source: GitSource,
        accepted: str = "",
        *,
        interval: float = INTERVAL,
        longest: float = LONGEST,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Ask `source` at once, then about every `interval` seconds, after failures up to `longest` apart.

        `accepted` is the commit that was applied last.
        """
        self._source = source
        self._accepted = accepted
        self._interval = interval
        self._longest = longest
        self._chance = chance
        self._clock = clock
        self._asked = asyncio.Event()
        self._allow_older = False
        self._questions = self._answered = 0
        self._newest: Fetched | None = None

    def ask(self, *, allow_older: bool = False) -> None:
        """Ask the repository now; `allow_older`: a person wants its newest commit even if it is older."""
        self._allow_older |= allow_older
        self._questions += 1
        self._asked.set()

    @property
    def is_coming(self) -> bool:
        """Whether a result is to come still: there is none yet, or the newest was begun before the last `ask`."""
        return self._newest is None or self._answered < self._questions

    def accept(self, commit: str) -> None:
        """Say that `commit` was applied: from now on the newest must come after it."""
        self._accepted = commit

    def take(self) -> Fetched | None:
        """The newest result; None before the first."""
        return self._newest

    async def listen(self) -> AsyncGenerator[Listening | tuple[Trigger, ...], None]:
        """See `reconciler.watch.triggers.TriggerSource`: a result that differs from the last, or answers a question.

        When it is closed, a fetch that hangs is ended; the source is stopped, not closed.
        """
        yield Listening()
        failures, asking = 0, None
        try:
            while True:
                self._asked.clear()
                questions = self._questions
                asking = asyncio.ensure_future(in_thread(self._refreshed))
                found = await asyncio.shield(asking)
                if self._is_news(found, questions):
                    yield (Trigger(self.name, _news_text(found)),)
                failures = failures + 1 if isinstance(found, Unreachable) else 0
                await self._pause(spread_wait(self._interval, failures, self._longest, self._chance()))
        except Stopped:
            await asyncio.sleep(math.inf)  # the loop ends
        finally:
            self._source.stop()
            if asking:
                await asyncio.wait({asking}, timeout=_END)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), seconds)

    def _refreshed(self) -> Fetched:
        """What the repository has, asked in a thread of its own."""
        allow_older, self._allow_older = self._allow_older, False
        try:
            return self._source.refresh(self._accepted, allow_older=allow_older)
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 a thread that has died would look like a repository without news
            why = f"an unforeseen failure: {type(error).__name__}: {error_text(error)}"
            return Unreachable(f"{self._source.location}: {why}", self._clock())

    def _is_news(self, found: Fetched, questions: int) -> bool:
        """Have `found` as the newest result, which answers so many `questions`; whether it is news."""
        is_news = found != self._newest or questions > self._answered
        self._newest, self._answered = found, questions
        return is_news


def _news_text(found: Fetched | None) -> str:
    match found:
        case NewestCommit(commit=commit):
            return f"commit {commit}"
        case CommitRefused(commit=commit):
            return f"commit {commit} is refused" if commit else "the branch names no commit"
        case Unreachable():
            return "the repository cannot be reached"
        case None:
            return ""
