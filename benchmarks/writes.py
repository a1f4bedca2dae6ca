"""How many writes a plan makes, against the fewest that can do."""

from typing import NamedTuple


class Change(NamedTuple):
    """What a plan has to change, counted, on a kernel with ``ap_config``.

    Attributes:
        removed: guests whose device goes.
        new: guests whose device comes.
        changed: guests whose matrix or control domains change.
        waiting: the fewest changed guests that have to let go first so that nobody waits in a circle.
        masks: of apmask and aqmask, those that change: 0 to 2.
        split: of these, those that cannot change at once: 0 to 2.
    """

    removed: int
    new: int
    changed: int
    waiting: int
    masks: int
    split: int


def fewest(change: Change) -> int:
    """The lower bound of writes.

    One to remove; two for a new device, as creating and configuring are two attributes; one for a change, and one
    more where a guest has to let go before another can take; one for a mask, and one more where it is split.
    """
    return change.removed + 2 * change.new + change.changed + change.waiting + change.masks + change.split


def report() -> None:
    """Print planned writes beside the lower bound, for each kind of change."""
    print("writes: nothing is measured yet")
