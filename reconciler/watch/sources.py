"""Where the loop's manifests come from: files, or a branch of a git repository."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from reconciler.watch.git_poller import GitPoller
from reconciler.watch.git_source import CommitRefused, Newest, Unreachable
from reconciler.watch.report import Obstacle


class Offer(NamedTuple):
    """What a source has to offer.

    Attributes:
        paths: where the newest manifests are; empty where there is nothing that may be used.
        commit: their git commit; empty where there is none.
        refused: why the newest commit may not be used, a sentence each.
        unreachable: why the repository cannot be asked; empty where it can.
        root: the directory whose name means nothing to people, since its files come from a repository; may be empty.
        within: the directory of the repository that it is.
        settled: whether no file at `paths` ever changes in place, and those of the offer before are there still.
        obstacles: what is in the way of a newest commit that may not be used.
        reach: the command that asks the repository; empty where there is none.
        is_piecemeal: whether its files may come and go one by one, as in a copy.
    """

    paths: tuple[str, ...]
    commit: str = ""
    refused: tuple[str, ...] = ()
    unreachable: str = ""
    root: str = ""
    within: str = ""
    settled: bool = False
    obstacles: tuple[Obstacle, ...] = ()
    reach: str = ""
    is_piecemeal: bool = False

    def shown(self, sentence: str) -> str:
        """`sentence` with its files as they are named in the repository."""
        return sentence.replace(f"{self.root}/", f"{self.within}/" if self.within else "") if self.root else sentence


class Source(Protocol):
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
        """Whether the newest is on its way still; when it has come, the source's ear hears it."""

    def accepted(self, commit: str) -> None:
        """The manifests of `commit` are guarded from now on."""


class FilesSource:
    """Files and directories, each time as they are."""

    def __init__(self, paths: tuple[str, ...], commit: Callable[[], str]) -> None:
        """Take `paths`; `commit` finds the commit that is checked out there."""
        self._paths = paths
        self._commit = commit

    @property
    def location(self) -> str:
        """See `Source`."""
        return ", ".join(self._paths)

    def offer(self) -> Offer:
        """See `Source`."""
        return Offer(self._paths, self._commit(), is_piecemeal=True)

    def ask(self, *, allow_older: bool) -> None:
        """See `Source`: files are looked at each time."""

    @property
    def is_coming(self) -> bool:
        """See `Source`."""
        return False

    def accepted(self, commit: str) -> None:
        """See `Source`."""


class GitFiles:
    """The newest commit of a branch that a poller has found.

    Its files are offered through a link that bears the same name for each commit, so that messages name manifests and
    not commits, and what has not changed between two commits is known again.
    """

    def __init__(self, poller: GitPoller, location: str, link: Path, within: str = "", reach: str = "") -> None:
        """Take what `poller` finds below `within` in the repository; `link` is a path that is ours to make.

        `reach` is the command with which a person asks the repository.
        """
        self._reach = reach
        self._poller = poller
        self._within = within
        self._location = location
        self._link = link

    @property
    def location(self) -> str:
        """See `Source`."""
        return self._location

    def offer(self) -> Offer:
        """See `Source`."""
        match self._poller.take():
            case Newest(commit=commit, directory=directory):
                self._lead_to(directory)
                late = "the repository has been asked, and has not answered yet" if self.is_coming else ""
                link = str(self._link)
                return Offer((link,), commit, unreachable=late, root=link, within=self._within, settled=True)
            case CommitRefused(commit=commit, reasons=reasons, obstacles=obstacles):
                return Offer((), commit, refused=reasons, obstacles=obstacles, reach=self._reach)
            case Unreachable(reason=reason):
                return Offer((), unreachable=reason.removeprefix(f"{self._location}: "), reach=self._reach)
            case _:
                return Offer((), unreachable="the repository has not answered yet")

    def ask(self, *, allow_older: bool) -> None:
        """See `Source`."""
        self._poller.ask(allow_older=allow_older)

    @property
    def is_coming(self) -> bool:
        """See `Source`."""
        return self._poller.is_coming

    def accepted(self, commit: str) -> None:
        """See `Source`."""
        self._poller.accept(commit)

    def _lead_to(self, directory: Path) -> None:
        if os.path.realpath(self._link) == os.path.realpath(directory):
            return
        new = self._link.with_name(f".{self._link.name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(directory)
        new.replace(self._link)
