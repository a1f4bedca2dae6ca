"""Where the loop's configurations come from: files, a branch of a git repository, or what was confirmed last."""

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from reconciler.manifests.files import DiskFiles, Files
from reconciler.operations.wanted import Confirmed
from reconciler.watch.git_source import CommitRefused, GitPoller, NewestCommit, Unreachable
from reconciler.watch.report import Obstacle


class Offer(NamedTuple):
    """What a source has to offer.

    Attributes:
        files: the newest manifests; None where there are none that may be used.
        commit: their git commit; empty where there is none.
        refused: why the newest commit may not be used, a sentence each.
        unreachable: why the repository cannot be asked; empty where it can.
        obstacles: what is in the way of a newest commit that may not be used.
        reach: the command that asks the repository; empty where there is none.
        is_piecemeal: whether its files may come and go one by one, as in a copy.
        paths: where they are on disk, for a command to run; empty where they are not.
        confirmed: says what was applied and confirmed last, where that is enforced, and nothing newer; None elsewhere.
    """

    files: Files | None
    commit: str = ""
    refused: tuple[str, ...] = ()
    unreachable: str = ""
    obstacles: tuple[Obstacle, ...] = ()
    reach: str = ""
    is_piecemeal: bool = False
    paths: tuple[str, ...] = ()
    confirmed: Confirmed | None = None


class ManifestSource(Protocol):
    """Where manifests come from; `location` is that for people."""

    @property
    def location(self) -> str:
        """For people, without credentials."""

    def offer(self) -> Offer:
        """What there is now; without waiting."""

    def ask(self, *, allow_older: bool) -> None:
        """A person wants the newest now; with `allow_older` also one that does not come after the last."""

    @property
    def is_coming(self) -> bool:
        """Whether the newest is on its way still; when it has come, the source triggers a cycle."""

    def accepted(self, commit: str) -> None:
        """The manifests of `commit` are enforced from now on."""


class FilesSource:
    """Files and directories, each time as they are."""

    def __init__(self, paths: tuple[str, ...], commit: Callable[[], str], now: Callable[[], float] = time.time) -> None:
        """Take `paths`; `commit` finds the commit that is checked out there, `now` is the time (seconds since 1970)."""
        self._paths = paths
        self._files = DiskFiles(paths, now)
        self._commit = commit

    @property
    def location(self) -> str:
        """See `ManifestSource`."""
        return ", ".join(self._paths)

    def offer(self) -> Offer:
        """See `ManifestSource`."""
        return Offer(self._files, self._commit(), is_piecemeal=True, paths=self._paths)

    def ask(self, *, allow_older: bool) -> None:
        """See `ManifestSource`: files are looked at each time."""

    @property
    def is_coming(self) -> bool:
        """See `ManifestSource`."""
        return False

    def accepted(self, commit: str) -> None:
        """See `ManifestSource`."""


class HeldSource:
    """What was applied and confirmed last: no manifests are read, so that the loop never moves forward by itself."""

    location = "the history"

    def __init__(self, host: str | None) -> None:
        """Take what was applied to the Host `host`; None: to any."""
        self._confirmed = Confirmed(host)

    def offer(self) -> Offer:
        """See `ManifestSource`; the records are read in the cycle, after it is known that nothing waits."""
        return Offer(None, confirmed=self._confirmed)

    def ask(self, *, allow_older: bool) -> None:
        """See `ManifestSource`: the records are read each time."""

    @property
    def is_coming(self) -> bool:
        """See `ManifestSource`."""
        return False

    def accepted(self, commit: str) -> None:
        """See `ManifestSource`."""


class GitFiles:
    """The newest commit of a branch that a poller has found.

    Its files have the names that they have in the repository, whatever the commit, so that what has not changed
    between two commits is known again.
    """

    def __init__(self, poller: GitPoller, location: str, reach: str = "") -> None:
        """Take what `poller` finds; `reach` is the command with which a person asks the repository."""
        self._reach = reach
        self._poller = poller
        self._location = location

    @property
    def location(self) -> str:
        """See `ManifestSource`."""
        return self._location

    def offer(self) -> Offer:
        """See `ManifestSource`."""
        match self._poller.take():
            case NewestCommit(commit=commit, files=files):
                late = "the repository has been asked, and has not answered yet" if self.is_coming else ""
                return Offer(files, commit, unreachable=late)
            case CommitRefused(commit=commit, reasons=reasons, obstacles=obstacles):
                return Offer(None, commit, refused=reasons, obstacles=obstacles, reach=self._reach)
            case Unreachable(reason=reason):
                return Offer(None, unreachable=reason.removeprefix(f"{self._location}: "), reach=self._reach)
            case _:
                return Offer(None, unreachable="the repository has not answered yet")

    def ask(self, *, allow_older: bool) -> None:
        """See `ManifestSource`."""
        self._poller.ask(allow_older=allow_older)

    @property
    def is_coming(self) -> bool:
        """See `ManifestSource`."""
        return self._poller.is_coming

    def accepted(self, commit: str) -> None:
        """See `ManifestSource`."""
        self._poller.accept(commit)
