"""What the loop obeys and keeps: what is suspended, the configuration that it enforces, and the one that it refuses.

A suspension (``suspended.json``) is a person's word to the loop, of the whole host or of some guests. Whoever types
``reconcile apply`` is a person as well, and not held up.

What is enforced (``enforced.json``) survives the loop, so that one that is started beside a broken commit enforces the
host as well. What is refused, in ``refused.json``, is for whoever asks why: it has the texts of the manifests, so that
they can be read once more.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from reconciler.model.codec import Codec
from reconciler.model.commands import Command
from reconciler.model.desired import Desired
from reconciler.model.matrix import ApConfig
from reconciler.model.problems import Problem
from reconciler.transaction.records import naming_file, placed, read_record, write_record
from reconciler.transaction.state_directory import StateDirectory

if TYPE_CHECKING:
    from reconciler.model.suspending import SuspendedNow

SUSPENDED: Final = "suspended.json"


class Suspension(NamedTuple):
    """Why something is suspended, by whom, and until when (seconds since 1970; None: until it is resumed)."""

    reason: str
    by: str
    until: float | None

    @property
    def until_text(self) -> str:
        """Until when, for people."""
        from reconciler.model.suspending import until_text

        return until_text(self.until)

    def seen(self, now: float) -> "SuspendedNow":
        """What is shown of it at the time `now`, in seconds since 1970."""
        from reconciler.model.suspending import SuspendedNow

        return SuspendedNow(self.by, self.until, self.reason, now)

    def is_over(self, now: float) -> bool:
        """Whether its time is over."""
        return self.until is not None and self.until <= now

    def ends_before(self, other: "Suspension") -> bool:
        """Whether it ends earlier than `other` does."""
        return self.until is not None and (other.until is None or self.until < other.until)


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


ENFORCED: Final = "enforced.json"
REFUSED: Final = "refused.json"


class LastGood(NamedTuple):
    """A configuration that could be used, and its git commit; empty where it has none."""

    desired: Desired
    commit: str

    def is_like(self, other: "LastGood | None") -> bool:
        """Whether both mean the same, in the same places, and come from the same commit."""
        if other is None or self.desired.places != other.desired.places:
            return False
        if (self.desired.digest, self.commit) != (other.desired.digest, other.commit):
            return False
        return self.desired is other.desired or _held(self.desired) == _held(other.desired)


def _held(desired: Desired) -> list[tuple[str, ApConfig]]:
    # A partial apply changes guests of a configuration, and not its digest.
    return [(one.uuid, one.config) for one in desired.guests]


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


COMMITS: Final = "commits.json"


class CommitPolicy(NamedTuple):
    """Which git commits a commit to several hosts may bring here; each field is named for an option of the loop."""

    git: str
    branch: str
    path: str
    require_signature: str
    revoked_keys: str


def read_commit_policy(state: StateDirectory) -> CommitPolicy | None:
    """Which git commits may be brought here; None where any manifests may.

    Raises:
        BadRecord: the file is not as we write it.
        UnsafeState: it cannot be trusted.
    """
    return read_record(state, COMMITS, CommitPolicy)


def write_commit_policy(state: StateDirectory, policy: CommitPolicy | None) -> None:
    """Keep `policy`, or none; a crash leaves the old one or the new one.

    Raises:
        OSError: it cannot be written.
    """
    if policy != read_commit_policy(state):
        state.remove(COMMITS) if policy is None else write_record(state, COMMITS, policy)
