"""Files of other tools that decide what a host boots into, as values: definitions, and the changes a plan makes."""

from typing import Annotated, NamedTuple

from reconciler.model.matrix import ApConfig, Matrix


class Definition(NamedTuple):
    """A mediated device that is written down and need not exist.

    Attributes:
        uuid: lower case with dashes.
        config: what it will be authorised for.
        autostart: whether it is made as soon as its driver is there, at boot that is.
    """

    uuid: str
    config: ApConfig
    autostart: bool


class AtBoot(NamedTuple):
    """What the files of other tools are to say, so that a host boots into what was applied.

    Attributes:
        pool: the host pool, apmask times aqmask; None where the masks are not ours to set.
        definitions: the devices of our guests that are to be defined, ascending by uuid.
        inactive: likewise those of guests that claim nothing: one that is defined must not start by itself.
        ours: the uuids of all devices that are ours, also of those that are not to be defined any more. Whatever
            else is defined stays as it is.
    """

    pool: Matrix | None
    definitions: tuple[Definition, ...]
    ours: frozenset[str]
    inactive: tuple[Definition, ...] = ()


def require_relative(path: str) -> None:
    """Return if `path` is of something below a directory, whatever that is.

    Raises:
        ValueError: it leads elsewhere, or cannot be a path.
    """
    if "\0" in path or any(part in {"", ".", ".."} for part in path.split("/")):
        raise ValueError("a path below the root directory is expected")


class FileChange(NamedTuple):
    """One file that changes.

    Attributes:
        path: below the root directory, without a leading slash.
        before: its content; None where there is no file.
        after: likewise, when the change is made.
        holder: whose it is: the name of a guest, ``host``, or the uuid of a device that no manifest names any more.
    """

    path: Annotated[str, require_relative]
    before: bytes | None
    after: bytes | None
    holder: str = ""

    def reversed(self) -> "FileChange":
        """The change that takes this one back."""
        return self._replace(before=self.after, after=self.before)
