"""What ``reconcile setup`` has made on a host (``setup.json``), so that ``--undo`` takes back just that.

It is written before anything is made: a setup that was killed can be undone as well.
"""

import os.path
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from reconciler.model.codec import BadRecord, Codec
from reconciler.transaction.records import TEXTS, naming_file, write_record
from reconciler.transaction.state_directory import StateDirectory

SETUP: Final = "setup.json"
SERVICES: Final = frozenset({"boot", "serve", "watch", "hook"})
"""What an `InstalledService` can be called."""


class InstalledService(NamedTuple):
    """A service, as ``reconcile service install`` calls it, and the directory that has its unit or hook."""

    name: str
    directory: str


class SetUp(NamedTuple):
    """What setups have made, and what there was before the first of them.

    Attributes:
        manifests: the manifests that were written: by absolute path the SHA-256 of the content, in hex.
        folders: the folders that were made for them, in this order.
        services: those that were installed, in this order.
        boot_files: what the host booted from before: masks and definitions, by path below the root of its files.
    """

    manifests: Mapping[str, str]
    folders: tuple[str, ...]
    services: tuple[InstalledService, ...]
    boot_files: Mapping[str, bytes]

    def followed_by(self, later: "SetUp") -> "SetUp":
        """What both have made."""
        return SetUp(
            {**self.manifests, **later.manifests},
            tuple(dict.fromkeys((*self.folders, *later.folders))),
            tuple(dict.fromkeys((*self.services, *later.services))),
            self.boot_files,
        )


def read_setup(state: StateDirectory) -> SetUp | None:
    """What setups have made; None where none was, or all was undone.

    Raises:
        BadRecord: the file is not as we write it.
        UnsafeState: it cannot be trusted.
    """
    content = state.read(SETUP)
    return None if content is None else naming_file(state, SETUP, lambda: _SETUPS.read_content(SetUp, content))


def _check_service(one: InstalledService) -> None:
    if one.name not in SERVICES:
        raise BadRecord(f"there is no service {one.name!r}: there are {', '.join(sorted(SERVICES))}", "name")
    _check_paths((one.directory,), "directory")


def _check_setup(made: SetUp) -> None:
    """Refuse what no setup writes: an undo removes what is named here."""
    _check_paths(made.manifests, "manifests")
    for file, digest in made.manifests.items():
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise BadRecord(f"{digest!r} is no SHA-256 of {file!r}", "manifests")
    _check_paths(made.folders, "folders")
    _check_paths((f"/root/{path}" for path in made.boot_files), "bootFiles")


def _check_paths(paths: Iterable[str], field: str) -> None:
    for path in paths:
        if not os.path.isabs(path) or os.path.normpath(path) != path or path.startswith("//") or "\0" in path:
            raise BadRecord(f"{path!r} is no path as a setup writes it", field)


_SETUPS: Final = Codec(texts=TEXTS, checks={InstalledService: _check_service, SetUp: _check_setup})


def write_setup(state: StateDirectory, made: SetUp | None) -> None:
    """Keep what setups have `made`; None: nothing. A crash leaves the old record or the new one.

    Raises:
        OSError: it cannot be written.
    """
    if made is None:
        state.remove(SETUP)
    else:
        write_record(state, SETUP, made)
