"""Manifests from a branch of a git repository: those of the newest commit, checked, in memory; its triggers.

The repository is asked from time to time, in a thread that the loop can end.
"""

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.integrations.files import PrivateDirectory
from reconciler.integrations.git_address import Address
from reconciler.integrations.git_command import CommitWords, Ended, Git, GitFailed, commit_words
from reconciler.integrations.git_repository import (
    FETCH_SECONDS,
    SIZE_LIMIT,
    Mirror,
    NoDirectory,
    NothingToTake,
    TreeRefused,
    Unusable,
    contents,
    is_commit,
    tree_of,
)
from reconciler.integrations.git_signatures import Bad, GoodSignature, Trust, Unchecked, Verdict, verify
from reconciler.kernel.processes import Processes, Stopped
from reconciler.manifests.committed import Committed, KeptFiles, files_of
from reconciler.model.commands import NOWHERE, TRIGGER, TRIGGER_OLDER, Here
from reconciler.model.printable import error_text
from reconciler.watch.report import Obstacle
from reconciler.watch.schedule import spread_wait
from reconciler.watch.trigger_inbox import in_thread
from reconciler.watch.triggers import Listening, Noticed, Trigger


class NewestCommit(NamedTuple):
    """The branch's newest commit may be used.

    Attributes:
        commit: its id.
        files: its manifests.
        signer: who signed it, where signatures are required.
    """

    commit: str
    files: KeptFiles
    signer: str = ""


class CommitRefused(NamedTuple):
    """The branch's newest commit is not used.

    Attributes:
        commit: its id; empty where the branch names none.
        reasons: why, a sentence each.
        since: when it was refused first, in a row (seconds since 1970).
        obstacles: what is in its way.
    """

    commit: str
    reasons: tuple[str, ...]
    since: float
    obstacles: tuple[Obstacle, ...] = (Obstacle.COMMIT,)


class Unreachable(NamedTuple):
    """The repository cannot be asked, or nothing that it sends can be used: `reason`, in one line, and since when."""

    reason: str
    since: float


Fetched = NewestCommit | CommitRefused | Unreachable


class GitSource:
    """A directory in a branch, kept below a directory of ours, which no other process uses meanwhile.

    Attributes:
        location: where the manifests come from, for people, without credentials.
    """

    def __init__(
        self,
        address: Address,
        directory: Path,
        environment: Mapping[str, str],
        *,
        trusted: Trust | None = None,
        here: Here = NOWHERE,
        clock: Callable[[], float] = time.time,
        seconds: float = FETCH_SECONDS,
        limit: int = SIZE_LIMIT,
    ) -> None:
        """Take `directory`, which is made where it is missing.

        `trusted` says whose signatures are required; `environment` is where keys and credentials are found; `here`
        leads the command to run next to this loop. A fetch may take `seconds` and bring `limit` bytes.

        Raises:
            NotOurs: others can write to the directory, or another process works in it.
            OSError: it cannot be made.
        """
        directory = directory.absolute()
        self.location = address.location
        self._private = PrivateDirectory(directory)
        self._processes = Processes(directory)  # an answer may be as long as all manifests, and /tmp may be memory
        outside = Git(directory, self._processes, environment, bare=False)
        self._mirror = Mirror(directory, outside, address, seconds=seconds, limit=limit)
        self._path = address.path
        self._read: tuple[str, KeptFiles] | None = None
        self._contents: Mapping[str, bytes] = {}
        self._trusted = trusted
        self._here = here
        self._clock = clock
        self._verdict: tuple[tuple[str, str], GoodSignature] | None = None
        self._allowed = ""
        self._last: Fetched | None = None

    def refresh(self, accepted: str = "", *, allow_older: bool = False) -> Fetched:
        """Ask the repository, and judge the newest commit.

        `accepted` is the commit that was applied last: the newest must be it or come after it, unless `allow_older`
        says that a person has asked for another; that is remembered for this one commit.

        Raises:
            Stopped: `stop` was called.
        """
        try:
            self._last = self._refreshed(accepted, allow_older)
        except Unusable as error:
            self._last = self._refused("", [str(error)], Obstacle.SOURCE)
        except NothingToTake as error:
            self._last = self._refused("", [str(error)], Obstacle.BRANCH)
        except GitFailed as error:
            self._last = self._unreachable(str(error))
        except OSError as error:
            self._last = self._unreachable(f"{error.filename or 'git'}: {error.strerror}")
        return self._last

    def stop(self) -> None:
        """End whatever is going on, in any thread, and everything after it."""
        self._processes.stop()

    def close(self) -> None:
        """Stop, and let another process have the directory."""
        self.stop()
        self._private.close()

    def _refreshed(self, accepted: str, allow_older: bool) -> Fetched:
        before = self._last
        commit = self._mirror.fetch()
        try:
            found = self._judged(commit, accepted, allow_older)
        except Ended:
            raise
        except GitFailed:
            # What was fetched is there, and yet it cannot be read: the mirror is broken.
            commit = self._mirror.fetch_anew()
            found = self._judged(commit, accepted, allow_older)
        if accepted:
            self._mirror.hold(accepted)
        if not isinstance(before, NewestCommit | CommitRefused) or before.commit != commit:
            self._mirror.tidy()
        return found

    def of_commit(self, commit: str, applied: str = "") -> Fetched:
        """Ask the repository, and judge the one `commit`, which must belong to the branch.

        Where the branch has the commit that was `applied` last, this one must not be older.

        Raises:
            Stopped: `stop` was called.
        """
        try:
            return self._of_commit(commit, applied)
        except NothingToTake as error:
            return self._refused(commit, [str(error)], Obstacle.SOURCE)
        except GitFailed as error:
            return self._unreachable(str(error))
        except OSError as error:
            return self._unreachable(f"{error.filename or 'git'}: {error.strerror}")

    def _of_commit(self, commit: str, applied: str) -> NewestCommit | CommitRefused:
        newest = self._mirror.fetch()
        if not is_commit(commit) or not self._mirror.comes_after(newest, commit):
            return self._refused(commit, [f"commit {commit} is not in {self.location}"], Obstacle.COMMIT)
        verdict = self._signature(commit)
        if isinstance(verdict, Bad | Unchecked):
            return self._refused(commit, [f"commit {commit}: {verdict.reason}"], Obstacle.SIGNATURE)
        if is_commit(applied) and self._mirror.has(applied) and not self._mirror.comes_after(commit, applied):
            older = f"commit {commit} does not come after {applied}, which was applied; to roll back, use git revert"
            return self._refused(commit, [older], Obstacle.OLDER)
        try:
            files = self._files(commit)
        except TreeRefused as error:
            return self._refused(commit, [f"commit {commit}: {error}"], Obstacle.COMMIT)
        return NewestCommit(commit, files, verdict.signer if isinstance(verdict, GoodSignature) else "")

    def words(self, commit: str) -> CommitWords:
        """What `commit` says of itself."""
        return commit_words(self._mirror.git, commit)

    def _judged(self, commit: str, accepted: str, allow_older: bool) -> NewestCommit | CommitRefused:
        verdict = self._signature(commit)
        reasons = [f"commit {commit}: {verdict.reason}"] if isinstance(verdict, Bad) else []
        obstacles = [Obstacle.SIGNATURE] if isinstance(verdict, Bad) else []
        if isinstance(verdict, Unchecked):
            obstacles.append(Obstacle.SOURCE)
            reasons.append(
                f"commit {commit}: its signature could not be checked, which says nothing about the commit: "
                f"{verdict.reason}; it is checked again at the next fetch, or now by `{self._here.line(TRIGGER)}`"
            )
        if commit != self._allowed:
            self._allowed = commit if allow_older else ""
        if accepted and not self._allowed and not self._mirror.comes_after(commit, accepted):
            reasons.append(
                f"commit {commit} does not come after {accepted}, which was applied; if that is meant, ask for it with "
                f"`{self._here.line(TRIGGER_OLDER)}`"
            )
            obstacles.append(Obstacle.OLDER)
        if reasons:
            return self._refused(commit, reasons, *obstacles)
        try:
            files = self._files(commit)
        except TreeRefused as error:
            obstacle = Obstacle.SOURCE if isinstance(error, NoDirectory) else Obstacle.COMMIT
            return self._refused(commit, [f"commit {commit}: {error}"], obstacle)
        return NewestCommit(commit, files, verdict.signer if isinstance(verdict, GoodSignature) else "")

    def _files(self, commit: str) -> KeptFiles:
        """The manifests of `commit`; contents that the commit before has as well are not read again."""
        if self._read and self._read[0] == commit:
            return self._read[1]
        git = self._mirror.git
        tree = tree_of(git, commit, self._path)

        def read(objects: Iterable[str], most: int) -> Mapping[str, bytes]:
            wanted = list(objects)
            found = contents(git, (one for one in wanted if one not in self._contents), most)
            return {one: found[one] if one in found else self._contents[one] for one in wanted}

        where = f"{self._path or 'the repository'} in commit {commit}"
        files = files_of(Committed(where, self._path, *tree), read)
        self._read = commit, files
        kept = files.kept.values()
        self._contents = {str(one.version): one.content for one in kept if isinstance(one.content, bytes)}
        return files

    def _signature(self, commit: str) -> Verdict | None:
        """The verdict on `commit`.

        Only that it is good is kept, for this commit and content of the files that name the keys, and only while no
        other user can write to them. A bad one is checked at each fetch: it may depend on the clock of this host.
        """
        if not self._trusted:
            return None
        if problem := self._trusted.problem():
            return Unchecked(problem)
        try:
            key = (commit, self._trusted.digest())
        except OSError as error:
            return Unchecked(f"{error.filename}: {error.strerror}")
        if self._verdict and self._verdict[0] == key:
            return self._verdict[1]
        verdict = verify(self._mirror.git, commit, self._trusted)
        if isinstance(verdict, GoodSignature):
            self._verdict = (key, verdict)
        return verdict

    def _refused(self, commit: str, reasons: list[str], *obstacles: Obstacle) -> CommitRefused:
        last = self._last
        since = last.since if isinstance(last, CommitRefused) and last.commit == commit else self._clock()
        return CommitRefused(commit, tuple(reasons), since, obstacles)

    def _unreachable(self, reason: str) -> Unreachable:
        since = self._last.since if isinstance(self._last, Unreachable) else self._clock()
        return Unreachable(f"{self.location}: {reason}", since)


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
