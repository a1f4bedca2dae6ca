"""What a sysfs tree consists of: files, links and directories whose content is asked for when it is needed.

And how the simulated kernel refuses: OSError with the errno that the real one gives.
"""

import os
import stat
from collections.abc import Callable, Mapping
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from reconciler.simulator.state import HostState


def refusal(code: int, path: str | None = None) -> OSError:
    """The error for errno `code`, as open(2), read(2) or write(2) of `path` would give it; to be raised."""
    return OSError(code, os.strerror(code), path) if path else OSError(code, os.strerror(code))


Key = TypeVar("Key")


class File(NamedTuple):
    """A file: its permission bits, how it is read and how it is written; None where it cannot be."""

    permissions: int
    show: Callable[[], str] | None = None
    store: Callable[[str], None] | None = None

    @property
    def mode(self) -> int:
        """What stat(2) says: type and permission bits."""
        return stat.S_IFREG | self.permissions


class Link(NamedTuple):
    """A symbolic link and its target, relative to the directory that it is in."""

    target: str

    @property
    def mode(self) -> int:
        """What stat(2) says: type and permission bits."""
        return stat.S_IFLNK | 0o777


class Directory(NamedTuple):
    """A directory: `names` gives the names in it in no particular order, `find` what has a name."""

    names: Callable[[], list[str]]
    find: Callable[[str], "Entry | None"]

    @property
    def mode(self) -> int:
        """What stat(2) says: type and permission bits."""
        return stat.S_IFDIR | 0o755


Entry = File | Link | Directory


class Attribute(NamedTuple, Generic[Key]):
    """A file that every device of a kind has; `Key` identifies the device (adapter, queue or uuid).

    The host makes the file of one device when it is asked for: there may be ten thousand devices.
    """

    permissions: int
    show: Callable[[HostState, Key], str] | None
    store: Callable[[HostState, Key, str], None] | None = None

    def file(self, state: HostState, key: Key) -> File:
        """The file of device `key` on the host with `state`."""
        show, store = self.show, self.store
        return File(
            self.permissions,
            partial(show, state, key) if show else None,
            partial(store, state, key) if store else None,
        )


def ignore(_state: HostState, _key: object, _text: str) -> None:
    """Accept a write that resets or triggers something that cannot be seen here."""


def constant(text: str, permissions: int = 0o444) -> File:
    """A file that always reads as `text` and cannot be written."""
    return File(permissions, lambda: text)


def trigger(permissions: int = 0o200) -> File:
    """A file that accepts any write and does nothing, such as ``uevent``."""
    return File(permissions, None, lambda _: None)


def uevent(text: Callable[[], str]) -> File:
    """A device's ``uevent``: it shows the device's keys; what is written to it only makes events."""
    return File(0o644, text, lambda _: None)


def fixed(entries: Mapping[str, Entry]) -> Directory:
    """A directory that always has `entries`."""
    return Directory(lambda: list(entries), entries.get)


def changing(entries: Callable[[], Mapping[str, Entry]]) -> Directory:
    """A small directory whose entries are made anew at every look."""
    return Directory(lambda: list(entries()), lambda name: entries().get(name))
