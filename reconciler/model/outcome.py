"""How an apply ended, and the generation that it has added to the history."""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final, NamedTuple


class Result(StrEnum):
    """How an apply ended."""

    NOTHING = "nothing to do"
    APPLIED = "applied"
    ROLLED_BACK = "rolled back"
    DEGRADED = "degraded"


class Unconfirmed(StrEnum):
    """Why an apply that waited to be confirmed does not stand."""

    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REBOOTED = "rebooted"


class Outcome(NamedTuple):
    """What an apply did.

    Attributes:
        result: how it ended.
        writes: how many writes the kernel took on the way forward.
        rollback_writes: how many the rollback took.
        failure: why it was rolled back; empty otherwise.
        failed_step: the step that failed, counted from 1; 0 where none did.
        differences: what is neither start nor target (degraded only), a sentence each.
        refusals: why parts of the rollback were refused, a sentence each.
        notes: what the administrator should know although it was applied, a sentence each.
        files: how many files of other tools were changed.
        interrupted: the names of guests that ran and lost queues when it was rolled back.
        unconfirmed: why it does not stand although it was applied at first; None where it never waited to be confirmed.
    """

    result: Result
    writes: int = 0
    rollback_writes: int = 0
    failure: str = ""
    failed_step: int = 0
    differences: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    files: int = 0
    interrupted: tuple[str, ...] = ()
    unconfirmed: Unconfirmed | None = None


def interrupting(outcome: Outcome, names: Sequence[str]) -> Outcome:
    """`outcome` of a rollback that took queues from the running guests `names`."""
    if not names:
        return outcome
    guests = ", ".join(f"'{one}'" for one in names)
    note = f"rolling back took queues from running VMs, of {'guest' if len(names) == 1 else 'guests'} {guests}"
    return outcome._replace(interrupted=tuple(names), notes=(*outcome.notes, note))


DAMAGED: Final = "damaged"
"""The result of a generation whose file cannot be read."""


NEWER: Final = "newer"
"""The same where a newer reconcile made the file."""


class Actor(StrEnum):
    """Which part of ours makes an apply, and so who decided on it."""

    PERSON = "person"
    LOOP = "loop"
    HOOK = "hook"
    BOOT = "boot"


_MOST_HOSTS: Final = 1000
"""Of one commit; an LPAR is a host, and a machine has at most 85 of them."""

_LONGEST_NAME: Final = 253
_LONGEST_WORD: Final = 1000
_FLEET_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)


def _check_fleet_id(text: str) -> None:
    if not _FLEET_ID.fullmatch(text):
        raise ValueError("1 to 64 letters a to z, digits and dashes are expected, the first no dash")


def _check_names(names: Sequence[str]) -> None:
    if len(names) > _MOST_HOSTS or any(not 0 < len(one) <= _LONGEST_NAME for one in names):
        raise ValueError(f"at most {_MOST_HOSTS} names of 1 to {_LONGEST_NAME} characters are expected")
    if len(set(names)) < len(names):
        raise ValueError("a name occurs twice")


def _check_hosts(names: Sequence[str]) -> None:
    _check_names(names)
    if not names:
        raise ValueError("at least one name is expected")


def _check_word(text: str) -> None:
    if len(text) > _LONGEST_WORD:
        raise ValueError(f"at most {_LONGEST_WORD} characters are expected")


class FleetSource(NamedTuple):
    """The git commit of the manifests of several hosts, and the first line of what it says of itself."""

    id: Annotated[str, _check_word]
    subject: Annotated[str, _check_word]


class FleetCommit(NamedTuple):
    """The commit to several hosts that an apply is a part of, as its controller has sent it.

    Attributes:
        id: what the controller calls it.
        hosts: the names of all its Hosts, in its order; the first one decides.
        commit: the git commit of the manifests; None where they are of none.
        operator: who started it.
        without: the names of the Hosts that were left out.
    """

    id: Annotated[str, _check_fleet_id]
    hosts: Annotated[tuple[str, ...], _check_hosts]
    commit: FleetSource | None
    operator: Annotated[str, _check_word]
    without: Annotated[tuple[str, ...], _check_names]

    @property
    def record(self) -> dict[str, Any]:
        """The same as plain values for JSON."""
        lists = {"hosts": list(self.hosts), "without": list(self.without)}
        return {**self._asdict(), **lists, "commit": self.commit and self.commit._asdict()}


def fleet_text(record: Mapping[str, Any]) -> str:
    """What an apply is a part of, by the `record` of its `FleetCommit`, for people."""
    commit = record["commit"]
    source = f", of {commit['id'][:12]} {commit['subject']}".rstrip() if commit else ""
    without = f", without {', '.join(record['without'])}" if record["without"] else ""
    hosts = record["hosts"]
    count = f"{len(hosts)} host{'s' if len(hosts) > 1 else ''}"
    return f"{record['id']}, by {record['operator']}, to {count} ({', '.join(hosts)}){without}{source}"


_SHORT: Final = 12


def commit_words(commit: str, most: int = _SHORT) -> str:
    """The first `most` characters of `commit` for people; that manifests differ from it (``+``) is said in words."""
    changed = " with uncommitted changes" if commit.endswith("+") else ""
    return f"{commit.removesuffix('+')[:most]}{changed}"


class Origin(NamedTuple):
    """Who asked for an apply, and how.

    Attributes:
        user: the name of the person, also behind sudo.
        command: as it was typed.
        started: seconds since 1970, UTC.
        commit: the git commit of the manifests, followed by ``+`` where they differ from it; empty where there is none.
        actor: a person, or what works without one.
        id: what the caller calls this apply, once and never again; empty where it chose no id.
        subject: the first line of what the commit says of itself; empty where that is not known.
        author: the name of the commit's author; empty likewise.
        parents: the ids of the commit's first two parents; empty where it has none, or that is not known.
        again: the number of the generation whose wish is applied again, by a rollback or at boot; 0 where none is.
        undone: the number of the generation before which all was as is wanted now; 0 where that is not what is wanted.
        fleet: the commit to several hosts that it is a part of; None where it is of this host alone.
    """

    user: str
    command: str
    started: float
    commit: str = ""
    actor: Actor = Actor.PERSON
    id: str = ""
    subject: str = ""
    author: str = ""
    parents: tuple[str, ...] = ()
    again: int = 0
    undone: int = 0
    fleet: FleetCommit | None = None


class Extent(StrEnum):
    """How much of a host an apply was about."""

    WHOLE = "whole"
    PARTIAL = "partial"  # guests that a person has chosen
    CONFINED = "confined"  # the device of a VM that started or ended, or a stage of a boot


THE_HOST: Final = "the whole host"
"""Stands among the names of guests for a suspension of everything."""


class SuspendedThen(NamedTuple):
    """What was suspended when a plan was made, by name: what it `left` as it was, and what it changed nevertheless."""

    left: tuple[str, ...]
    overridden: tuple[str, ...]


def suspended_then(suspended: Iterable[str], changed: Container[str], consents: Container[str]) -> SuspendedThen:
    """What a plan did with what was suspended.

    Args:
        suspended: the names of the suspended guests that were not as their manifests said.
        changed: the names of the guests that the plan changes.
        consents: for whom the plan needed consent since it is suspended: names, or ``host``.
    """
    names = tuple(suspended)
    overridden = tuple(name for name in names if name in changed)
    left = tuple(name for name in names if name not in changed)
    return SuspendedThen(left, (*([THE_HOST] if "host" in consents else []), *overridden))


class Generation(NamedTuple):
    """One apply.

    Attributes:
        number: from 1.
        origin: who asked for it.
        host: the name of the Host.
        digest: of what the manifests asked for (SHA-256, hex).
        summary: what was planned, one sentence.
        outcome: how it ended; None where that is unknown.
        extent: how much of the host it was about; only one about all of it may be rolled back to.
        suspended: the names of suspended guests that were not as their manifests said, and stayed so.
        overridden: the names of those that were changed nevertheless, with consent; `THE_HOST` for a whole host.
        remark: what else there is to know of how it ended, a few words; mostly empty.
        is_damaged: whether its file cannot be read; then only its number is known.
        is_newer: whether that is because a newer reconcile made it.
        guests: the names of the guests that the plan changes, and the uuids of other devices, in the plan's order.
        pool_changes: whether it changes the host pool.
        files: the paths of the files of other tools that it changes.
    """

    number: int
    origin: Origin
    host: str
    digest: str
    summary: str
    outcome: Outcome | None
    extent: Extent = Extent.WHOLE
    suspended: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()
    remark: str = ""
    is_damaged: bool = False
    is_newer: bool = False
    guests: tuple[str, ...] = ()
    pool_changes: bool = False
    files: tuple[str, ...] = ()

    @property
    def ended_as(self) -> Result | None:
        """How it ended; None where that is unknown."""
        return self.outcome.result if self.outcome else None

    @property
    def result(self) -> str:
        """How it ended, in a few words, for people."""
        if self.is_damaged:
            return NEWER if self.is_newer else DAMAGED
        return self.outcome.result.value if self.outcome else "not finished"

    @property
    def is_rollback(self) -> bool:
        """Whether it made the host as it was before, instead of as manifests say; the boot of a host is none."""
        return bool(self.origin.undone or (self.origin.again and self.origin.actor is Actor.PERSON))

    @property
    def is_target(self) -> bool:
        """Whether the host was once seen as this generation wanted it, and left so."""
        return self.ended_as in (Result.APPLIED, Result.NOTHING) and self.extent is Extent.WHOLE
