"""What is written down in files of other tools, to be made at boot or by hand."""

from typing import NamedTuple

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
        idle: likewise those of guests that claim nothing: one that is defined must not start by itself.
        ours: the uuids of all devices that are ours, also of those that are not to be defined any more. Whatever
            else is defined is left alone.
    """

    pool: Matrix | None
    definitions: tuple[Definition, ...]
    ours: frozenset[str]
    idle: tuple[Definition, ...] = ()
