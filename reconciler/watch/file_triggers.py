"""Triggers of changed manifests: the kernel reports them; they are found by looking where it reports none.

`watchfiles.awatch` has no fallback of its own: where the kernel watches no more directories it raises an error, and
on a network file system it notices nothing, since of changes that other machines make the kernel reports none. There
files are looked at regularly, and the reports say so.

Never a whole tree is watched at once: hidden folders such as ``.git`` are left out, and a link that leads elsewhere
brings in nothing but what is read there. Every link on the way counts, so that the swap of ``..data`` in a mounted
ConfigMap is nothing special.
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import aclosing, suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from reconciler.integrations.files import way
from reconciler.manifests.files import find_files, survey
from reconciler.model.printable import error_text, escaped
from reconciler.watch.trigger_inbox import in_thread
from reconciler.watch.triggers import Listening, Noticed, Trigger

_ENDINGS: Final = (".yaml", ".yml")


class Watched(NamedTuple):
    """What is watched; all paths are real ones.

    Attributes:
        folders: those that manifests are searched in: whatever is not hidden in them matters if it is a manifest, a
            folder or a link.
        names: what else matters: directory and name.
    """

    folders: frozenset[str]
    names: frozenset[tuple[str, str]]

    @property
    def directories(self) -> list[str]:
        """The directories to be watched, each without those in it."""
        return sorted(self.folders | {directory for directory, _ in self.names})

    def matters(self, path: str) -> bool:
        """Whether a change of what `path` names may change what is read."""
        directory, name = os.path.split(path)
        if (directory, name) in self.names or path in self.folders:
            return True
        if directory not in self.folders or name.startswith("."):
            return False
        return name.endswith(_ENDINGS) or os.path.isdir(path) or os.path.islink(path)


def watched(paths: Iterable[str]) -> Watched:
    """What has to be watched as things are now. What cannot be read is left out: a cycle reports it, not a trigger."""
    given = list(paths)
    found = survey(given)
    # Each link on the way counts, and the link itself as well, where another takes its place.
    names = (name for path in (*given, *found.links) for name in way(path))
    return Watched(found.folders, frozenset(names))


def stamp_of(paths: Iterable[str]) -> str:
    """A digest of names, sizes and times of the manifests in `paths`: another one means that something has changed."""
    digest = sha256()
    files, problems = find_files(list(paths))
    for file in files:
        try:
            status = os.stat(file.path)
        except OSError as error:
            digest.update(f"{file}{error.errno}\n".encode("utf-8", "surrogateescape"))
            continue
        facts = (*file, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
        digest.update(f"{facts}\n".encode("utf-8", "surrogateescape"))
    for problem in problems:
        digest.update(f"{problem.message}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


MOUNTS: Final = Path("/proc/self/mountinfo")

# Names as in mountinfo. Of FUSE only the programs that are known to keep files here report what happens (fuseblk).
_SILENT: Final = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse", "gfs2", "glusterfs", "gpfs", "lustre", "nfs", "nfs4",
        "ocfs2", "smb3", "virtiofs",
    }
)  # fmt: skip


def silent_file_system(path: str, mounts: Path = MOUNTS) -> str:
    """The kind of file system where files below `path` may change without a word from inotify(7); else empty.

    A path that is missing is where it will be.

    Args:
        path: a file or directory.
        mounts: the table of mounts, as proc_pid_mountinfo(5) describes it; where it cannot be read, all is reported.
    """
    try:
        kinds = file_system_kinds(mounts.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    kind = kinds.get(_device_of(path), "")
    return kind if kind in _SILENT or kind.startswith("fuse.") else ""


def file_system_kinds(text: str) -> dict[str, str]:
    """The kind of file system of each device (``major:minor``) in a table of mounts; other lines are skipped."""
    kinds = {}
    for line in text.splitlines():
        mount, separator, source = line.partition(" - ")
        words = mount.split()
        if separator and len(words) >= 3:
            kinds[words[2]] = source.split(" ", 1)[0]
    return kinds


def _device_of(path: str) -> str:
    while True:
        try:
            device = os.stat(path).st_dev
        except OSError:
            above = os.path.dirname(os.path.abspath(path))
            if above == path:
                return ""
            path = above
        else:
            return f"{os.major(device)}:{os.minor(device)}"


STEP_SECONDS: Final = 0.03
"""How often watchfiles looks whether something has come, in a thread: some 40 µs each; a change takes one or two."""

LOOK_SECONDS: Final = 2.0
"""How often files are looked at where no change is reported; less often where that takes long."""

LONGEST_LOOK_SECONDS: Final = 60.0
"""How long it is to the next look at most: a server that hung once, or a busy machine, does not make us blind."""

_LOOK_SHARE: Final = 50
_MOST_NAMES: Final = 100
_MOST_REBUILDS: Final = 5

_LIMITS: Final = (
    ("fs.inotify.max_user_watches", "user.max_inotify_watches"),
    ("fs.inotify.max_user_instances", "user.max_inotify_instances"),
)
_USUAL_LIMIT: Final = 1024


class Watcher(Protocol):
    """What notices changes in directories: `Watchfiles`, or a test's."""

    async def changes(self) -> set[str]:
        """The paths of what changes next.

        Raises:
            OSError: nothing is noticed any more.
        """

    async def end(self) -> None:
        """Watch no longer."""


class Watchfiles:
    """The changes in some directories, each without those in it, as `watchfiles.awatch` notices them."""

    def __init__(self, directories: Sequence[str]) -> None:
        """Nothing is watched yet; see `watching`."""
        # Here, since a loop that looks at files, and a command, need not load it.
        from watchfiles import awatch

        self._stop = asyncio.Event()
        # No time limit: with one, watchfiles forgets what comes in the moment in which the time is up. No permissions
        # ignored: otherwise it says nothing of a directory that is not watched, whatever the reason.
        self._noticed = awatch(
            *directories,
            watch_filter=None,
            debounce=0,
            step=int(STEP_SECONDS * 1000),
            stop_event=self._stop,
            rust_timeout=0,
            debug=False,
            force_polling=False,
            recursive=False,
            ignore_permission_denied=False,
        )
        self._next = asyncio.ensure_future(anext(self._noticed))

    async def changes(self) -> set[str]:
        """See `Watcher`."""
        try:
            found = await self._next
        except ExceptionGroup as group:  # what goes wrong in the thread of watchfiles
            first = group.exceptions[0]
            raise OSError(f"{type(first).__name__}: {error_text(first)}") from group
        self._next = asyncio.ensure_future(anext(self._noticed))
        return {path for _, path in found}

    async def end(self) -> None:
        """See `Watcher`."""
        self._stop.set()
        with suppress(Exception, asyncio.CancelledError):  # what has failed is over, too
            await self._next
        await self._noticed.aclose()

    @property
    def begun(self) -> bool:
        """Whether it watches; what it has failed with is raised by `changes`."""
        return not self._next.done() or self._next.exception() is None


async def watching(directories: Sequence[str]) -> Watcher:
    """What watches `directories`: from now on every change in them is noticed.

    Raises:
        OSError, RuntimeError: the kernel watches no more directories, one of them may not be read, or has just gone.
        UnicodeError: the name of one is not UTF-8.
    """
    made = Watchfiles(directories)
    # `awatch` sets its watches before it waits for the first time, which is as far as its task gets in this moment.
    await asyncio.sleep(0)
    if not made.begun:
        await made.changes()
    return made


def raised_limits(settings: Path = Path("/proc/sys")) -> str:
    """The command that doubles how much the kernel watches for a user; `settings` is where it has its settings.

    A user namespace has a limit of its own for each, which counts where it is the lower one.
    """
    words = []
    for usual, own in _LIMITS:
        found = [(value, name) for name in (usual, own) if (value := _setting(settings, name)) is not None]
        value, name = min(found, key=lambda one: one[0], default=(0, usual))
        words.append(f"{name}={max(2 * value, _USUAL_LIMIT)}")
    return f"sysctl {' '.join(words)}"


def _setting(settings: Path, name: str) -> int | None:
    try:
        return int((settings / name.replace(".", "/")).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def pause_after(took: float, look_seconds: float) -> float:
    """How long to wait after a look that `took` so many seconds, where `look_seconds` is usual."""
    return max(look_seconds, min(_LOOK_SHARE * took, LONGEST_LOOK_SECONDS))


class FileTriggers:
    """Changes of the manifests in some paths, also where a path is missing as yet."""

    def __init__(
        self,
        paths: Sequence[str],
        *,
        name: str = Noticed.FILES,
        polling: bool | None = None,
        look_seconds: float = LOOK_SECONDS,
        watch: Callable[[Sequence[str]], Awaitable[Watcher]] = watching,
    ) -> None:
        """Nothing is noticed yet; see `listen`.

        Args:
            paths: files and directories.
            name: the source of the triggers.
            polling: whether to look at files instead of being notified; left out, on network file systems only.
            look_seconds: how often, then.
            watch: makes what notices changes.
        """
        # Relative paths mean what they mean now.
        self._paths = [os.path.join(os.getcwd(), path) for path in paths]
        self.name = name
        self._polling = polling
        self._look_seconds = look_seconds
        self._make_watcher = watch

    async def listen(self) -> AsyncGenerator[Listening | tuple[Trigger, ...], None]:
        """See `reconciler.watch.triggers.TriggerSource`."""
        reason = "" if self._polling is not None else await in_thread(self._silent)
        watch: _Watch | str = reason
        if not (self._polling or reason):
            watch = await self._watched()
        if isinstance(watch, _Watch):
            noticed = self._notified(watch)
            limit = ""
        else:
            noticed = self._looked(await in_thread(lambda: stamp_of(self._paths)))
            limit = f"{self.name}: {watch}; files are looked at every {self._look_seconds:g} s instead" if watch else ""
        async with aclosing(noticed):
            yield Listening(limit)
            async for paths in noticed:
                # Names are for people, and content decides: some are enough.
                yield tuple(Trigger(self.name, escaped(path)) for path in sorted(paths)[:_MOST_NAMES])

    def _silent(self) -> str:
        """Why no change of the files is reported; empty where each is."""
        found = next(filter(None, map(silent_file_system, self._paths)), "")
        return f"the file system ({found}) reports no changes that other machines make" if found else ""

    async def _looked(self, stamp: str) -> AsyncGenerator[Collection[str], None]:
        """Look again and again; what is found is the paths, since it is not known which file it was."""
        pause = self._look_seconds
        while True:
            await asyncio.sleep(pause)
            now, took = await in_thread(lambda: _timed(self._paths))
            pause = pause_after(took, self._look_seconds)
            if now != stamp:
                stamp = now
                yield self._paths

    async def _watched(self) -> "_Watch | str":
        """What watches; or why nothing can."""
        try:
            return await self._watch()
        except UnicodeError:
            return "the name of a directory is not UTF-8, which watchfiles cannot watch"
        except PermissionError as error:
            return f"a directory may not be read, so that it cannot be watched: {error_text(error)}"
        except (OSError, RuntimeError):
            # The library names every directory that it was given, and never the setting.
            return f"the kernel watches no more directories; to raise its limits: {raised_limits()}"

    async def _notified(self, watch: "_Watch") -> AsyncGenerator[Collection[str], None]:
        try:
            while True:
                paths = await watch.watcher.changes()
                changed = {path for path in paths if watch.state.matters(path)}
                gone = paths.intersection(watch.state.directories)
                if not changed and not gone:
                    continue
                if gone or await in_thread(lambda: watched(self._paths)) != watch.state:
                    # First the new watch, then the end of the old one, then the trigger: what neither has noticed is
                    # seen by the cycle that the trigger leads to.
                    before = watch.watcher
                    watch = await self._watch()
                    await before.end()
                yield changed or gone
        finally:
            await watch.watcher.end()

    async def _watch(self) -> "_Watch":
        """A watch of what has to be watched, so that nothing has been made in between that is not."""
        state = await in_thread(lambda: watched(self._paths))
        for _ in range(_MOST_REBUILDS):
            watcher = await self._watcher(state)
            now = await in_thread(lambda: watched(self._paths))
            if now == state:
                return _Watch(state, watcher)
            await watcher.end()
            state = now
        return _Watch(state, await self._watcher(state))

    async def _watcher(self, state: Watched) -> Watcher:
        directories = state.directories
        try:
            return await self._make_watcher(directories)
        except FileNotFoundError:
            # One of them has gone since; what is left reports when it comes back.
            left = await in_thread(lambda: [path for path in directories if os.path.isdir(path)])
            return await self._make_watcher(left)


class _Watch(NamedTuple):
    """What is watched, and what watches it."""

    state: Watched
    watcher: Watcher


def _timed(paths: Sequence[str]) -> tuple[str, float]:
    """The stamp of the files in `paths`, and how many seconds it took to make it."""
    began = time.monotonic()
    return stamp_of(paths), time.monotonic() - began
