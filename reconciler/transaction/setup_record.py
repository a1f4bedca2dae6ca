"""What ``reconcile setup`` has made on a host (``setup.json``), so that ``--undo`` takes back just that.

It is written before anything is made: a setup that was killed can be undone as well.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from reconciler.transaction.records import read_record, write_record
from reconciler.transaction.state_directory import StateDirectory

SETUP: Final = "setup.json"


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
    return read_record(state, SETUP, SetUp)


def write_setup(state: StateDirectory, made: SetUp | None) -> None:
    """Keep what setups have `made`; None: nothing. A crash leaves the old record or the new one.

    Raises:
        OSError: it cannot be written.
    """
    if made is None:
        state.remove(SETUP)
    else:
        write_record(state, SETUP, made)
