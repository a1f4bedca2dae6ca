"""What the loop keeps of configurations: the one that it enforces (``enforced.json``), and the one that it refuses.

The first survives the loop, so that one that is started beside a broken commit enforces the host as well. The second,
in ``refused.json``, is for whoever asks why: it has the texts of the manifests, so that they can be read once more.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from reconciler.model.codec import Codec
from reconciler.model.commands import Command
from reconciler.model.desired import Desired
from reconciler.model.problems import Problem
from reconciler.transaction.records import naming_file, placed, read_record, write_record
from reconciler.transaction.state_directory import StateDirectory

ENFORCED: Final = "enforced.json"
REFUSED: Final = "refused.json"


class LastGood(NamedTuple):
    """A configuration that could be used, and its git commit; empty where it has none."""

    desired: Desired
    commit: str

    def is_like(self, other: "LastGood | None") -> bool:
        """Whether both mean the same, and come from the same commit."""
        return other is not None and (self.desired.digest, self.commit) == (other.desired.digest, other.commit)


class Refusal(NamedTuple):
    """A configuration that the loop refuses.

    Attributes:
        commit: its git commit; empty where it has none.
        reasons: why, a sentence each.
        host: the name of the Host that the loop was given; None where it was given none.
        is_read: whether its manifests were read at all: those of a commit without the signature it needs are not.
        texts: the manifests that were read, by name.
        unread: what was wrong with the others.
    """

    commit: str
    reasons: tuple[str, ...]
    host: str | None
    is_read: bool
    texts: Mapping[str, str]
    unread: tuple[Problem, ...]


# Problems that no text shows have a place in a file, but name no field, and no command.
_REFUSALS: Final = Codec(omitted={Command | None: None, tuple[str | int, ...]: ()})


def read_last_good(state: StateDirectory) -> LastGood | None:
    """The last good configuration; None where there is none yet.

    Raises:
        BadRecord: the file is not as we write it.
    """
    found = read_record(state, ENFORCED, LastGood)
    return found and found._replace(desired=placed(found.desired, "the last good configuration"))


def write_last_good(state: StateDirectory, good: LastGood) -> None:
    """Keep `good`; a crash leaves the old one or the new one.

    Raises:
        OSError: it cannot be written.
    """
    write_record(state, ENFORCED, good)


def read_refusal(state: StateDirectory) -> Refusal | None:
    """What the loop refuses; None where that is nothing.

    Raises:
        BadRecord: the file is not as we write it.
    """
    content = state.read(REFUSED)
    return None if content is None else naming_file(state, REFUSED, lambda: _REFUSALS.read_content(Refusal, content))


def write_refusal(state: StateDirectory, refusal: Refusal | None) -> None:
    """Keep `refusal`, or none; a crash leaves the old one or the new one.

    Raises:
        OSError: it cannot be written.
    """
    if refusal is None:
        state.remove(REFUSED)
    else:
        state.replace(REFUSED, _REFUSALS.content(refusal))
