"""What is published in the run directory, for readers who are not root, above all `reconcile serve`.

``report.json`` is the newest `Report`: the loop replaces it after each cycle, and so does every command that changes
the host or what is suspended. ``loop.json`` is how the loop itself is (`LoopStatus`), and ``loop.lock`` is locked while
its process lives. Each file is replaced as a whole. None has a secret, a password in a URL or a command line.

Whoever may read the lock file can lock it once the loop has ended. So the loop never waits for this lock (another one,
in the state directory, keeps a second loop out), and a reader believes it only until the loop's next cycle is overdue.
"""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import accumulate, takewhile
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, TypeVar

from reconciler.integrations.git_address import without_secrets
from reconciler.kernel.own_files import is_locked
from reconciler.model.codec import BadRecord, Codec, content_of
from reconciler.model.errors import StateError
from reconciler.model.printable import error_text
from reconciler.watch.host_view import LARGEST_REPORT, LARGEST_TOTAL, VIEWS
from reconciler.watch.report import Report
from reconciler.watch.run_directory import (
    GROUP,
    LARGEST,
    RunDirectory,
    UnsafeRunDirectory,
    read_file,
    refuse_foreign,
)

REPORT: Final = "report.json"
LOOP: Final = "loop.json"
LOCK: Final = "loop.lock"

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_CODEC: Final = Codec()


_LONGEST: Final = 500
"""In characters, of a sentence in a report that is too large."""

_View = TypeVar("_View", bound=tuple[Any, ...])


Version: TypeAlias = tuple[int, int, int]
"""Of a file: its inode, when it was written, and its size."""


class Usage(NamedTuple):
    """What the loop's process uses.

    Attributes:
        started: when it was started (seconds since 1970).
        cpu_seconds: how much time it has spent on processors.
        resident_bytes: how much of its memory is in RAM.
        virtual_bytes: how much memory it has reserved.
        open_files: how many descriptors are open.
        most_open_files: how many may be.
    """

    started: float
    cpu_seconds: float
    resident_bytes: int
    virtual_bytes: int
    open_files: int
    most_open_files: int


class LoopEnd(NamedTuple):
    """How a loop has ended: when (seconds since 1970), with which exit code, and why."""

    moment: float
    exit_code: int
    reason: str


class LoopStatus(NamedTuple):
    """How a loop is, in its own words. All times but those that say otherwise are on the monotonic clock of `boot_id`.

    Attributes:
        process: its process id.
        boot_id: of the boot that it runs in.
        cycles: how many cycles have ended and are reported.
        since: when the last one ended; before the first, when the loop was started.
        next_cycle_by: when the next cycle has ended, or the one that goes on has shown progress, at the latest.
        planning_since: since when it has been reading and planning; None where it does not.
        usage: what its process uses; None where that is not known.
        ended: how it has ended; None while it runs, and where it was killed.
    """

    process: int
    boot_id: str
    cycles: int
    since: float
    next_cycle_by: float
    planning_since: float | None
    usage: Usage | None
    ended: LoopEnd | None


class Published(NamedTuple):
    """What readers find.

    Attributes:
        loop: how the loop is in its own words; None where none has ever run.
        is_locked: whether a process holds the loop's lock.
        report: the newest; None where there is none.
    """

    loop: LoopStatus | None
    is_locked: bool
    report: Report | None


class NotPublished(StateError):
    """What is published cannot be read or trusted; the text says why."""


class Clock(Protocol):
    """Time: `time` of the standard library, or a test's."""

    def time(self) -> float:
        """Seconds since 1970."""

    def monotonic(self) -> float:
        """Seconds of the monotonic clock."""


def nothing_more(_directory: RunDirectory) -> None:
    """Publish nothing more."""


class LoopPublisher:
    """Publishes reports of a loop, and how it is, until it ends."""

    def __init__(self, directory: RunDirectory, clock: Clock, late_seconds: float, planning_seconds: float) -> None:
        """Take the lock and publish that a loop runs.

        Args:
            directory: where.
            clock: time.
            late_seconds: how long a cycle may take beyond the time at which it was due (`Report.due`), and an apply
                without progress.
            planning_seconds: how long a cycle may read and plan.

        Raises:
            UnsafeRunDirectory: it cannot be trusted.
            OSError: it cannot be written.
        """
        directory.prepare()
        self._directory, self._clock = directory, clock
        self._late_seconds, self._planning_seconds = late_seconds, planning_seconds
        self._lock = directory.lock(LOCK)
        now = clock.monotonic()
        self._state = LoopStatus(os.getpid(), boot_id(), 0, now, now + late_seconds, None, None, None)
        self._write()

    def begins(self) -> None:
        """A cycle begins: the loop reads and plans from now on.

        Raises:
            OSError: it cannot be written.
        """
        now = self._clock.monotonic()
        self._state = self._state._replace(next_cycle_by=now + self._planning_seconds, planning_since=now)
        self._write()

    def progresses(self) -> None:
        """An apply begins or shows progress, which may take its time.

        Raises:
            OSError: it cannot be written.
        """
        until = self._clock.monotonic() + self._late_seconds
        if self._state.planning_since is None and until - self._state.next_cycle_by < self._late_seconds / 4:
            return  # one of many steps
        self._state = self._state._replace(next_cycle_by=until, planning_since=None)
        self._write()

    def publish(self, report: Report, beside: Callable[[RunDirectory], object] = nothing_more) -> None:
        """Publish the report on a cycle that has just ended, and what `beside` publishes.

        Raises:
            UnsafeRunDirectory: the directory was replaced by one that cannot be trusted.
            OSError: it cannot be written.
        """
        self._renew()
        publish_report(self._directory, report)
        beside(self._directory)
        now = self._clock.monotonic()
        due = max(0.0, report.due - report.cycle_ended) if report.due is not None else 0.0
        self._state = self._state._replace(
            cycles=report.counters.cycles,
            since=now,
            next_cycle_by=now + due + self._late_seconds,
            planning_since=None,
        )
        self._write()

    def close(self, exit_code: int, reason: str) -> None:
        """Publish that the loop has ended, why, and with which exit code; give the lock back.

        Raises:
            OSError: it cannot be written; readers still see that the lock is free.
        """
        try:
            self._state = self._state._replace(ended=LoopEnd(self._clock.time(), exit_code, without_secrets(reason)))
            self._write()
        finally:
            os.close(self._lock)

    def _renew(self) -> None:
        """Make what another program has removed."""
        self._directory.prepare()
        with suppress(FileNotFoundError):
            if os.path.samestat((self._directory.path / LOCK).lstat(), os.fstat(self._lock)):
                return
        before, self._lock = self._lock, self._directory.lock(LOCK)
        os.close(before)

    def _write(self) -> None:
        self._state = self._state._replace(usage=usage())
        self._directory.replace(LOOP, _CODEC.content(self._state))


def publish_end(directory: RunDirectory, clock: Clock, exit_code: int, reason: str) -> None:
    """Publish in `directory`, where that is there, that a loop has ended that could not even begin.

    Raises:
        UnsafeRunDirectory: it cannot be trusted.
        OSError: it cannot be written.
    """
    if not directory.path.is_dir():
        return  # no loop has run, and who looks for one sees that
    directory.prepare()
    now, end = clock.monotonic(), LoopEnd(clock.time(), exit_code, without_secrets(reason))
    state = LoopStatus(os.getpid(), boot_id(), 0, now, now, None, None, end)
    directory.like(LOOP).replace(LOOP, _CODEC.content(state))


def publish_report(directory: RunDirectory, report: Report) -> None:
    """Publish `report` in `directory`, which is prepared.

    Raises:
        OSError: it cannot be written; the old one is still there.
    """
    report = public(report)
    content = content_without_secrets(_CODEC.plain(report))
    if len(content) > LARGEST_REPORT:  # so many guests, or so long names, that only counts are left
        content = content_without_secrets(_CODEC.plain(_smaller(report)))
    directory.replace(REPORT, content)


def _smaller(report: Report) -> Report:
    """`report` in about `LARGEST_REPORT` bytes: of the guests those that are not as they should be come first."""
    by_trouble = sorted(report.guests, key=lambda one: not (one.drifted or one.suspended or one.why))
    sizes = accumulate(len(_CODEC.content(one)) for one in by_trouble)
    shown = sum(1 for _ in takewhile(lambda size: size < LARGEST_REPORT * 3 // 4, sizes))
    return report._replace(
        guests=tuple(sorted(by_trouble[:shown], key=lambda one: one.name)),
        guests_left_out=report.guests_left_out + len(by_trouble) - shown,
        differences=tuple(f"{one[:_LONGEST]}…" if len(one) > _LONGEST else one for one in report.differences),
        differing=(),
        changed=(),
        fought=(),
    )


def content_without_secrets(members: Any) -> bytes:
    """The content of a file with the plain values `members`, and no user or password in a URL."""
    return content_of(_without_secrets(members))


def read_published(directory: Path, name: str, kind: type[_View]) -> _View | None:
    """What an earlier process of this user has published in file `name`; None where there is none, or a damaged one."""
    try:
        content = read_file(directory / name, os.geteuid())
        return None if content is None else VIEWS.read_content(kind, content, largest=LARGEST_TOTAL)
    except (BadRecord, UnsafeRunDirectory, OSError):
        return None


def public(report: Report) -> Report:
    """`report` without command lines: what a person may run next depends on who that is, and where."""
    refused = report.source.refused
    if refused is not None and refused.command:
        # The sentence that leads to the command ends with "; to do so: " and the command.
        reasons = tuple(
            one.partition(refused.command)[0].rpartition("; ")[0] if refused.command in one else one
            for one in refused.reasons
        )
        refused = refused._replace(reasons=reasons, command="")
    return report._replace(source=report.source._replace(refused=refused, paths=(), reach=""))


class PublishedReader:
    """Reads what is published, and parses again only what was replaced; for several threads."""

    def __init__(self, directory: Path) -> None:
        """Read in `directory`."""
        self.directory = directory
        self._lock = Lock()
        self._known: dict[str, tuple[Version, Any]] = {}

    def read(self) -> Published:
        """What is published now.

        Raises:
            NotPublished: it is not there, cannot be read, or is damaged, or another user than its owner could have
                written it.
        """
        with self._errors():
            owner = self._owner()
            with self._lock:
                loop: LoopStatus | None = self._value(LOOP, owner, _loop_state)
                report: Report | None = self._value(REPORT, owner, _report)
            return Published(loop, is_locked(self.directory / LOCK), report)

    def view(self, name: str, kind: type[_View]) -> _View | None:
        """What file `name` of a page shows (`reconciler.watch.host_view`); None where there is none.

        Raises:
            NotPublished: as `read` does.
        """

        def parse(content: bytes) -> _View:
            return VIEWS.read_content(kind, content, largest=LARGEST_TOTAL)

        with self._errors(), self._lock:
            found: _View | None = self._value(name, self._owner(), parse)
            return found

    def versions(self, *names: str) -> tuple[Version, ...]:
        """Of the files with these names: another one as soon as a file is replaced, zeros where there is none.

        Raises:
            NotPublished: the directory cannot be read.
        """
        with self._errors():
            return tuple(_version(self.directory / one) for one in names)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        directory = self.directory
        try:
            yield
        except FileNotFoundError as error:
            raise NotPublished(f"there is no run directory {directory}; the loop makes it") from error
        except PermissionError as error:
            raise NotPublished(
                f"{error.filename or directory} cannot be read by this user; run as a member of the group {GROUP}, "
                "or have the loop publish with --publish-public"
            ) from error
        except (OSError, UnsafeRunDirectory) as error:
            raise NotPublished(f"what is published cannot be read: {error_text(error)}") from error

    def _owner(self) -> int:
        found = self.directory.lstat()
        refuse_foreign(self.directory, found, found.st_uid)
        return found.st_uid

    def _value(self, name: str, owner: int, parse: Callable[[bytes], Any]) -> Any:
        """The value in file `name`, which belongs to `owner`; None where there is none."""
        path = self.directory / name
        version = _version(path)
        known = self._known.pop(name, None)
        if known is None or known[0] != version:
            content = read_file(path, owner)
            if content is None:
                return None
            try:
                known = version, parse(content)
            except BadRecord as error:
                raise NotPublished(str(error.of_file(str(path)))) from error
        self._known[name] = known
        return known[1]


def usage(proc: Path = Path("/proc")) -> Usage | None:
    """What this process uses, as the kernel says in `proc`; None where it does not."""
    try:
        # The second field is the name of the program in brackets; what follows is numbered from 3 (proc(5)).
        fields = (proc / "self/stat").read_text(encoding="ascii", errors="replace").rpartition(") ")[2].split()
        booted = next(
            float(line.split()[1])
            for line in (proc / "stat").read_text(encoding="ascii").splitlines()
            if line.startswith("btime ")
        )
        ticks = os.sysconf("SC_CLK_TCK")
        return Usage(
            started=booted + int(fields[22 - 3]) / ticks,
            cpu_seconds=(int(fields[14 - 3]) + int(fields[15 - 3])) / ticks,
            resident_bytes=int(fields[24 - 3]) * os.sysconf("SC_PAGE_SIZE"),
            virtual_bytes=int(fields[23 - 3]),
            open_files=len(os.listdir(proc / "self/fd")),
            most_open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        )
    except (OSError, ValueError, LookupError, StopIteration):
        return None


def boot_id() -> str:
    """Which boot of this machine this is."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


def _loop_state(content: bytes) -> LoopStatus:
    return _CODEC.read_content(LoopStatus, content)


def _report(content: bytes) -> Report:
    return _CODEC.read_content(Report, content, largest=LARGEST)


def _version(path: Path) -> Version:
    """What changes when the file at `path` is replaced; zeros where there is none."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size


def _without_secrets(value: Any) -> Any:
    if isinstance(value, str):
        return without_secrets(value) if "://" in value else value
    if isinstance(value, dict):
        return {name: _without_secrets(one) for name, one in value.items()}
    return [_without_secrets(one) for one in value] if isinstance(value, list) else value
