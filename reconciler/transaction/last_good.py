"""The last good configuration, in ``guarded.json``: what the loop goes on guarding while a newer one cannot be used.

It survives the loop, so that one that is started beside a broken commit guards the host as well.
"""

import json
from typing import Final, NamedTuple

from reconciler.model.desired import Desired
from reconciler.model.strict_json import field, members, text, version
from reconciler.transaction.desired_record import desired_record, read_desired
from reconciler.transaction.records import read_kept
from reconciler.transaction.state_directory import StateDirectory

GUARDED: Final = "guarded.json"
_VERSION: Final = 1


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
    return read_kept(state, GUARDED, _read)


def _read(record: object) -> Good:
    found = members(version(record, "formatVersion", _VERSION), ("formatVersion", "commit", "desired"))
    desired = field(found, "desired", lambda one: read_desired(one, "the last good configuration"))
    return Good(desired, field(found, "commit", text))


def write_last_good(state: StateDirectory, good: Good) -> None:
    """Keep `good`; a crash leaves the old one or the new one.

    Raises:
        OSError: it cannot be written.
    """
    record = {"formatVersion": _VERSION, "commit": good.commit, "desired": desired_record(good.desired)}
    state.replace(GUARDED, json.dumps(record).encode())
