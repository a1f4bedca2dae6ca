"""What is suspended: the loop does not change it for a while. The whole host, or some guests; in ``suspended.json``.

A suspension is a person's word to the loop. Whoever types ``reconcile apply`` is a person as well, and not held up.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from reconciler.model.desired import Desired
from reconciler.model.matrix import ApConfig
from reconciler.transaction.records import read_record, write_record
from reconciler.transaction.state_directory import StateDirectory

SUSPENDED: Final = "suspended.json"


class Suspension(NamedTuple):
    """Why something is suspended, by whom, and until when (seconds since 1970; None: until it is resumed)."""

    reason: str
    by: str
    until: float | None

    @property
    def until_text(self) -> str:
        """Until when, for people."""
        if self.until is None:
            return "until it is resumed"
        return f"until {datetime.fromtimestamp(self.until, UTC):%Y-%m-%d %H:%M:%S} UTC"

    def is_over(self, now: float) -> bool:
        """Whether its time is over."""
        return self.until is not None and self.until <= now


class Suspensions(NamedTuple):
    """Everything that is suspended: the host (None where it is not), and guests by name."""

    host: Suspension | None
    guests: Mapping[str, Suspension]

    def at(self, now: float) -> "Suspensions":
        """Those whose time is not over."""
        host = self.host if self.host and not self.host.is_over(now) else None
        return Suspensions(host, {name: one for name, one in self.guests.items() if not one.is_over(now)})

    @property
    def ends(self) -> tuple[float, ...]:
        """When one of them is over."""
        every = [*([self.host] if self.host else []), *self.guests.values()]
        return tuple(one.until for one in every if one.until is not None)


NONE: Final = Suspensions(None, {})


def read_suspensions(state: StateDirectory) -> Suspensions:
    """What is suspended, also what is over already.

    Raises:
        BadRecord: the file is not as we write it.
    """
    return read_record(state, SUSPENDED, Suspensions) or NONE


def write_suspensions(state: StateDirectory, suspensions: Suspensions) -> None:
    """Keep `suspensions`; a crash leaves the old ones or the new ones.

    Raises:
        OSError: they cannot be written.
    """
    if suspensions == NONE:
        state.remove(SUSPENDED)
        state.set_aside(SUSPENDED)
        return
    write_record(state, SUSPENDED, suspensions._replace(guests=dict(sorted(suspensions.guests.items()))))
    state.set_aside(SUSPENDED)  # resuming one of several must be possible on a full disk, too


def suspended_devices(
    desired: Desired, ours: Mapping[str, tuple[str, ApConfig]], suspensions: Suspensions
) -> frozenset[str]:
    """The uuids of suspended guests, by the names in the manifests, or those they had when they were applied last."""
    names = {uuid: name for uuid, (name, _) in ours.items()} | {one.uuid: one.name for one in desired.guests}
    return frozenset(uuid for uuid, name in names.items() if name in suspensions.guests)
