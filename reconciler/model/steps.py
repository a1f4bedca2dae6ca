"""What a plan is made of, as values: steps and writes in the kernel, and changes of the files that a host boots into.

The files are those of other tools; a definition in them is a mediated device that is written down and need not exist.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

from reconciler.model.ids import IdSet, Uuid
from reconciler.model.matrix import ApConfig, Matrix


class Action(StrEnum):
    """What a step does."""

    APMASK = "apmask"
    AQMASK = "aqmask"
    CREATE = "create"
    CONFIGURE = "configure"
    REMOVE = "remove"


MASK_ACTIONS: Final = (Action.APMASK, Action.AQMASK)


class Holdings(NamedTuple):
    """Who holds what: the host pool, and every mediated device by uuid."""

    pool: Matrix
    mdevs: Mapping[Uuid, ApConfig]


class Step(NamedTuple):
    """One change of one holder, from a known state to another.

    Attributes:
        action: what is done.
        uuid: the mediated device; empty for the host's masks.
        before: what must be there for the step to be right: the mask, the configuration, or None where the device
            must not exist.
        after: what is there when the step is done, in the same form.
    """

    action: Action
    uuid: str
    before: IdSet | ApConfig | None
    after: IdSet | ApConfig | None


class Write(NamedTuple):
    """One write(2): `path` relative to the sysfs root, `value` exactly as written, never empty."""

    path: str
    value: str


def holdings_after(holdings: Holdings, steps: Iterable[Step]) -> Holdings:
    """What is held once `steps` have been made on `holdings`."""
    pool, mdevs = holdings.pool, dict(holdings.mdevs)
    for step in steps:
        match step.action, step.after:
            case Action.APMASK, IdSet() as mask:
                pool = pool._replace(adapters=mask)
            case Action.AQMASK, IdSet() as mask:
                pool = pool._replace(domains=mask)
            case _, ApConfig() as config:
                mdevs[step.uuid] = config
            case _:
                mdevs.pop(step.uuid, None)
    return Holdings(pool, mdevs)


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
