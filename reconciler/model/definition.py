"""What another tool has written down about a mediated device, to be made at boot or by hand."""

from typing import NamedTuple

from reconciler.model.matrix import ApConfig


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
