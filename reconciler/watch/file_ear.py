"""Notices changed manifests: told by the kernel (watchfiles), or by looking where it cannot tell.

One thread does that, and wakes the main thread through a descriptor.
"""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from reconciler.model.printable import error_text, escaped
from reconciler.watch.file_systems import is_untold
from reconciler.watch.triggers import Trigger
from reconciler.watch.watched import Watched, stamp_of, watched

STEP_SECONDS: Final = 0.03
"""How often the thread asks watchfiles, which has no way to wait: some 40 µs each, and a change takes one or two."""

LOOK_SECONDS: Final = 2.0
"""How often files are looked at where nobody tells; less often where that takes long."""

LONGEST_LOOK_SECONDS: Final = 60.0
"""How long it is to the next look at most: a server that hung once, or a busy machine, does not make us blind."""

_LOOK_SHARE: Final = 50
_JOIN_SECONDS: Final = 2.0
_MOST_NAMES: Final = 100
_MOST_REBUILDS: Final = 5


_LIMITS: Final = (
    ("fs.inotify.max_user_watches", "user.max_inotify_watches"),
    ("fs.inotify.max_user_instances", "user.max_inotify_instances"),
)
_USUAL_LIMIT: Final = 1024


class Watcher(Protocol):
    """What notices changes in directories: `watchfiles._rust_notify.RustNotify`, or a test's."""

    def watch(
        self, debounce_ms: int, step_ms: int, timeout_ms: int, stop_event: threading.Event
    ) -> set[tuple[int, str]] | str:
        """Wait for changes; a text where there are none: ``stop``, ``timeout`` or ``signal``."""

    def close(self) -> None:
        """Watch no longer."""


def usual_watcher(directories: Sequence[str]) -> Watcher:
    """Watch `directories`, each without those in it.

    Raises:
        ModuleNotFoundError: watchfiles is not installed.
        OSError, RuntimeError: the kernel watches no more directories, one of them may not be read, or has just gone.
    """
    # Not watchfiles.watch: importing what that needs takes 100 ms, and it cannot be told what to watch anew.
    from watchfiles._rust_notify import RustNotify

    # The last one: with True, watchfiles keeps silent of every directory that is not watched, whatever the reason.
    return RustNotify(list(directories), False, False, 0, False, False)


def raised_limits(settings: Path = Path("/proc/sys")) -> str:
    """The command that doubles how much the kernel watches for a user; `settings` is where it tells its settings.

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


class FileEar:
    """Listens to changes of the manifests in some paths, also where a path is missing as yet."""

    def __init__(
        self,
        paths: Sequence[str],
        tell: Callable[[str], None],
        *,
        source: str = "files",
        polling: bool | None = None,
        look_seconds: float = LOOK_SECONDS,
        make_watcher: Callable[[Sequence[str]], Watcher] = usual_watcher,
    ) -> None:
        """Listen: what changes from now on is heard.

        Args:
            paths: files and directories.
            tell: told in a sentence why files have to be looked at although the kernel could tell.
            source: of the triggers.
            polling: whether to look at files instead of being told; left out, on network file systems only.
            look_seconds: how often, then.
            make_watcher: makes what tells.

        Raises:
            OSError: there are no descriptors or threads left.
        """
        # Relative paths mean what they mean now.
        self._paths = [os.path.join(os.getcwd(), path) for path in paths]
        self._source = source
        self._look_seconds = look_seconds
        self._make_watcher = make_watcher
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._changed: set[str] = set()
        self._error = ""
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        told = None if (any(map(is_untold, self._paths)) if polling is None else polling) else self._told(tell)
        listen = self._look(stamp_of(self._paths)) if told is None else told
        self._thread = threading.Thread(target=self._run, args=(listen,), name=f"ear: {source}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            os.close(self._descriptor)
            raise OSError(errno.EAGAIN, str(error)) from error

    def fileno(self) -> int:
        """See `reconciler.watch.triggers.Ear`."""
        return self._descriptor

    def hear(self) -> list[Trigger]:
        """See `reconciler.watch.triggers.Ear`."""
        with self._lock:
            try:
                os.eventfd_read(self._descriptor)
            except BlockingIOError:
                return []
            changed, self._changed = self._changed, set()
        if self._error:
            raise OSError(self._error)
        return [Trigger(self._source, escaped(path)) for path in sorted(changed)]

    def close(self) -> None:
        """See `reconciler.watch.triggers.Ear`."""
        self._stop.set()
        self._thread.join(_JOIN_SECONDS)
        # A thread that hangs in a dead network file system must not wake whoever gets the descriptor's number next.
        if not self._thread.is_alive():
            os.close(self._descriptor)

    def _run(self, listen: Iterator[set[str]]) -> None:
        try:
            for changed in listen:
                self._wake(changed)
        except Exception as error:  # noqa: BLE001 - whatever it is, the main thread must know that nobody listens
            self._error = f"{type(error).__name__}: {error_text(error)}"
            self._wake(set())

    def _wake(self, changed: set[str]) -> None:
        with self._lock:
            # Names are for people, and content decides: some are enough.
            room = max(0, _MOST_NAMES - len(self._changed))
            self._changed.update(sorted(changed)[:room])
            os.eventfd_write(self._descriptor, 1)

    def _look(self, stamp: str) -> Iterator[set[str]]:
        """Look again and again; what is given out is the paths, since nobody told which file it was."""
        pause = self._look_seconds
        while not self._stop.wait(pause):
            started = time.monotonic()
            now = stamp_of(self._paths)
            pause = pause_after(time.monotonic() - started, self._look_seconds)
            if now != stamp:
                stamp = now
                yield set(self._paths)

    def _told(self, tell: Callable[[str], None]) -> Iterator[set[str]] | None:
        try:
            state, watcher = self._watch()
        except ModuleNotFoundError:
            reason = "watchfiles is not installed (pip install 'vfio-ap-reconciler[watch]')"
        except UnicodeError:
            reason = "the name of a directory is not UTF-8, which watchfiles cannot watch"
        except PermissionError as error:
            reason = f"a directory may not be read, so that it cannot be watched: {error_text(error)}"
        except (OSError, RuntimeError):
            # The library names every directory that it was given, and never the setting.
            reason = f"the kernel watches no more directories; to raise its limits: {raised_limits()}"
        else:
            return self._listen(state, watcher)
        tell(f"{self._source}: {reason}; files are looked at every {self._look_seconds:g} s instead")
        return None

    def _listen(self, state: Watched, watcher: Watcher) -> Iterator[set[str]]:
        try:
            # No time limit: with one, watchfiles forgets what comes in the moment in which the time is up.
            while not isinstance(changes := watcher.watch(0, int(STEP_SECONDS * 1000), 0, self._stop), str):
                paths = {path for _, path in changes}
                changed = {path for path in paths if state.matters(path)}
                gone = paths.intersection(state.directories)
                if not changed and not gone:
                    continue
                if gone or watched(self._paths) != state:
                    # First the new one, then the end of the old one, then the trigger: what nobody was told in between
                    # is seen by the turn that the trigger leads to.
                    before = watcher
                    state, watcher = self._watch()
                    before.close()
                yield changed or gone
        finally:
            watcher.close()

    def _watch(self) -> tuple[Watched, Watcher]:
        """What is watched, and what watches it, so that nothing has been made in between that is not watched."""
        state = watched(self._paths)
        for _ in range(_MOST_REBUILDS):
            watcher = self._watcher(state)
            now = watched(self._paths)
            if now == state:
                return state, watcher
            watcher.close()
            state = now
        return state, self._watcher(state)

    def _watcher(self, state: Watched) -> Watcher:
        directories = state.directories
        try:
            return self._make_watcher(directories)
        except FileNotFoundError:
            # One of them has gone since; what is left tells when it comes back.
            return self._make_watcher([path for path in directories if os.path.isdir(path)])
