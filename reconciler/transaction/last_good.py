"""The last good configuration, in ``enforced.json``: what the loop goes on enforcing while a newer one cannot be used.

It survives the loop, so that one that is started beside a broken commit enforces the host as well.
"""

from typing import Final, NamedTuple

from reconciler.model.desired import Desired
from reconciler.transaction.records import placed, read_record, write_record
from reconciler.transaction.state_directory import StateDirectory

ENFORCED: Final = "enforced.json"


class Good(NamedTuple):
    """A configuration that could be used, and its git commit; empty where it has none."""

    desired: Desired
    commit: str

    def is_like(self, other: "Good | None") -> bool:
        """Whether both mean the same, and come from the same commit."""
        return other is not None and (self.desired.digest, self.commit) == (other.desired.digest, other.commit)


def read_last_good(state: StateDirectory) -> Good | None:
    """The last good configuration; None where there is none yet.

    Raises:
        BadRecord: the file is not as we write it.
    """
    found = read_record(state, ENFORCED, Good)
    return found and found._replace(desired=placed(found.desired, "the last good configuration"))


def write_last_good(state: StateDirectory, good: Good) -> None:
    """Keep `good`; a crash leaves the old one or the new one.

    Raises:
        OSError: it cannot be written.
    """
    write_record(state, ENFORCED, good)
