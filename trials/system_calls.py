"""A look at every system call of this process that changes the state directory or the host, before it is made.

The functions of `os` are wrapped while a block runs, and whoever opens a file for writing by other means gets one that
writes through them. That none escapes is proved against strace (trials/tests/test_strace.py).

The tree of the host may be one that is not there: then its files are those of a `Sysfs`, met through the same calls.
"""

import builtins
import errno
import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from reconciler.kernel.sysfs import Sysfs


class Call(NamedTuple):
    """One system call that changes something.

    Attributes:
        name: ``open`` (that makes or empties a file), ``write``, ``sync``, ``truncate``, ``rename``, ``remove``,
            ``make directory`` or ``link``.
        path: of the file, relative to the place that it is in; empty for the state directory itself.
        on_host: whether the file is the host's, not of the state directory.
        detail: what is written, at which offset or to what length, the new name, or the flags.
    """

    name: str
    path: str
    on_host: bool = False
    detail: Any = None

    def __str__(self) -> str:
        return f"{self.name} {'host' if self.on_host else 'state'}:{self.path or '.'}"


class Places(NamedTuple):
    """What is watched: the state directory, the root of the host's tree, and the host where the tree is not there."""

    state: Path
    root: Path
    host: Sysfs | None = None


Watcher = Callable[[Call], None]


@contextmanager
def watched(places: Places, before: Watcher) -> Iterator[None]:
    """Call `before` ahead of every change in `places` while the block runs."""
    watch = _Watch(places, before)
    originals = {(where, name): getattr(where, name) for where, name in watch.wrappers}
    for (where, name), wrapper in watch.wrappers.items():
        setattr(where, name, wrapper)
    try:
        yield
    finally:
        for (where, name), original in originals.items():
            setattr(where, name, original)


_CHANGING: Final = os.O_CREAT | os.O_TRUNC
_WRITES: Final = os.O_WRONLY | os.O_RDWR


class _Watch:
    """The wrappers, and what they know of open descriptors."""

    def __init__(self, places: Places, before: Watcher) -> None:
        self._state, self._root = str(places.state), str(places.root)
        self._host = places.host
        self._before = before
        self._files: dict[int, tuple[str, bool]] = {}
        self._lock = threading.RLock()
        # The originals, under their names.
        self._os = {name: getattr(os, name) for name in dir(os) if callable(getattr(os, name))}
        self._open_file = io.open
        self.wrappers: dict[tuple[Any, str], Any] = {
            (os, "open"): self._open,
            (os, "close"): self._close,
            (os, "read"): self._read,
            (os, "pread"): self._pread,
            (os, "write"): self._write,
            (os, "pwrite"): self._pwrite,
            (os, "fsync"): self._sync("fsync"),
            (os, "fdatasync"): self._sync("fdatasync"),
            (os, "ftruncate"): self._truncate,
            (os, "truncate"): self._by_name("truncate", "truncate"),
            (os, "unlink"): self._by_name("unlink", "remove"),
            (os, "remove"): self._by_name("remove", "remove"),
            (os, "rmdir"): self._by_name("rmdir", "remove"),
            (os, "mkdir"): self._by_name("mkdir", "make directory"),
            (os, "replace"): self._to_name("replace", "rename"),
            (os, "rename"): self._to_name("rename", "rename"),
            (os, "link"): self._to_name("link", "link"),
            (os, "symlink"): self._to_name("symlink", "link"),
            (os, "fdopen"): self._fdopen,
            (os, "listdir"): self._listdir,
            (os, "readlink"): self._readlink,
            (io, "open"): self._open_stream,
            (builtins, "open"): self._open_stream,
        }

    def _place(self, path: Any, folder: int | None = None) -> tuple[str, bool] | None:
        """The path relative to its place and whether it is the host's; None for what is not watched."""
        if isinstance(path, int):
            return self._files.get(path)
        text = os.fsdecode(path)
        if folder is not None and folder in self._files and not text.startswith("/"):
            return f"{self._files[folder][0]}/{text}".lstrip("/"), self._files[folder][1]
        for place, on_host in ((self._state, False), (self._root, True)):
            if text == place or text.startswith(f"{place}/"):
                return text[len(place) + 1 :], on_host
        # A directory that holds the state directory, while that is being made.
        return None

    def _tell(self, name: str, place: tuple[str, bool], detail: Any = None) -> None:
        self._before(Call(name, *place, detail))

    def _is_virtual(self, place: tuple[str, bool] | None) -> bool:
        return place is not None and place[1] and self._host is not None

    # Descriptors

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        place = self._place(path, dir_fd)
        if place is None:
            return cast("int", self._os["open"](path, flags, mode, dir_fd=dir_fd))
        if flags & _CHANGING:
            self._tell("open", place, flags)
        with self._lock:
            if self._is_virtual(place):
                descriptor = self._os["open"](os.devnull, os.O_RDWR | os.O_CLOEXEC)
            else:
                descriptor = self._os["open"](path, flags, mode, dir_fd=dir_fd)
            self._files[descriptor] = place
        return cast("int", descriptor)

    def _close(self, descriptor: int) -> None:
        with self._lock:
            self._files.pop(descriptor, None)
            self._os["close"](descriptor)

    def _read(self, descriptor: int, size: int) -> bytes:
        place = self._files.get(descriptor)
        if place is None or not self._is_virtual(place):
            return cast("bytes", self._os["read"](descriptor, size))
        assert self._host
        return self._host.read(place[0]).encode()[:size]

    def _pread(self, descriptor: int, size: int, offset: int) -> bytes:
        if self._is_virtual(self._files.get(descriptor)):
            raise OSError(errno.ESPIPE, "the host's files are read from the start")
        return cast("bytes", self._os["pread"](descriptor, size, offset))

    def _write(self, descriptor: int, content: bytes) -> int:
        place = self._files.get(descriptor)
        if place is None:
            return cast("int", self._os["write"](descriptor, content))
        self._tell("write", place, (None, bytes(content)))
        if not self._is_virtual(place):
            return cast("int", self._os["write"](descriptor, content))
        assert self._host
        return self._host.write(place[0], bytes(content).decode())

    def _pwrite(self, descriptor: int, content: bytes, offset: int) -> int:
        if place := self._files.get(descriptor):
            self._tell("write", place, (offset, bytes(content)))
        return cast("int", self._os["pwrite"](descriptor, content, offset))

    def _sync(self, name: str) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            if place := self._files.get(descriptor):
                self._tell("sync", place)
            self._os[name](descriptor)

        return sync

    def _truncate(self, descriptor: int, length: int) -> None:
        if place := self._files.get(descriptor):
            self._tell("truncate", place, length)
        self._os["ftruncate"](descriptor, length)

    # Names

    def _by_name(self, name: str, what: str) -> Callable[..., Any]:
        def act(path: Any, *others: Any, **named: Any) -> Any:
            if place := self._place(path, named.get("dir_fd")):
                self._tell(what, place, others)
            return self._os[name](path, *others, **named)

        return act

    def _to_name(self, name: str, what: str) -> Callable[..., Any]:
        def act(source: Any, target: Any, **named: Any) -> Any:
            old = self._place(source, named.get("src_dir_fd"))
            if (new := self._place(target, named.get("dst_dir_fd"))) or old:
                self._tell(what, old or new or ("", False), new[0] if new else None)
            return self._os[name](source, target, **named)

        return act

    def _listdir(self, path: Any = ".") -> list[str]:
        place = self._place(path)
        if place is None or not self._is_virtual(place):
            return cast("list[str]", self._os["listdir"](path))
        assert self._host
        return self._host.list(place[0])

    def _readlink(self, path: Any, *, dir_fd: int | None = None) -> Any:
        place = self._place(path)
        if place is None or not self._is_virtual(place):
            return self._os["readlink"](path, dir_fd=dir_fd)
        assert self._host
        return self._host.link(place[0])

    # Streams

    def _fdopen(self, descriptor: int, mode: str = "r", *others: Any, **named: Any) -> Any:
        if descriptor in self._files and set(mode) & set("wax+"):
            return io.BufferedWriter(_Raw(descriptor))
        # The stream closes it without `os.close`, and the number is soon that of another file.
        self._files.pop(descriptor, None)
        return self._os["fdopen"](descriptor, mode, *others, **named)

    def _open_stream(self, path: Any, mode: str = "r", *others: Any, **named: Any) -> Any:
        if not isinstance(path, int) and set(mode) & set("wax+") and (place := self._place(path)):
            if "b" not in mode:
                raise AssertionError(f"{place[0]} is written as text, which nobody here can watch")
            flags = {"w": os.O_TRUNC | os.O_CREAT, "a": os.O_APPEND | os.O_CREAT, "x": os.O_EXCL | os.O_CREAT}
            return io.BufferedWriter(_Raw(os.open(path, os.O_WRONLY | flags[mode[0]])))
        return self._open_file(path, mode, *others, **named)


class _Raw(io.RawIOBase):
    """A file that writes through `os.write`, which is watched."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        return os.write(self._descriptor, bytes(content))

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._descriptor)
