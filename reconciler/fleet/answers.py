"""What the playbooks report of the hosts: the plans, how a commit ended, and how the hosts stand.

Each is a file that Ansible has written on the controller, with what hosts have said. It is read strictly as far as it
is used, what else is in it is passed over, and no text in it is believed to be printable.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, NamedTuple

from reconciler.fleet.commit import Outcome
from reconciler.model.codec import LARGEST, VERSION, BadRecord, Codec, read_json
from reconciler.model.outcome import FleetCommit

_ANSWERS: Final = Codec(partial=True)


class Planned(NamedTuple):
    """The plan of a host, as ``reconcile plan -o json`` prints it."""

    plan: Mapping[str, Any]


class Refused(NamedTuple):
    """A host that cannot take part, and what it said.

    Attributes:
        refusal: a word for the kind of reason: one of `Refusal`, or another one that ``reconcile -o json`` has there.
        why: a sentence; it may be empty.
    """

    refusal: str
    why: str


class NotReached(NamedTuple):
    """A host that could not be reached, and why."""

    unreachable: str


class Plans(NamedTuple):
    """What each host said when it was asked for a plan; one that Ansible did not find is not among them."""

    hosts: Mapping[str, Planned | Refused | NotReached]


class EndedHost(NamedTuple):
    """How a host stands after a commit, in a word, and why; empty where there is nothing to say."""

    name: str
    state: str
    why: str


class Ended(NamedTuple):
    """How a commit ended."""

    id: str
    outcome: Outcome
    hosts: tuple[EndedHost, ...]


class Waiting(NamedTuple):
    """An apply that waits to be confirmed; it may be no part of a commit, and then has no id."""

    id: str | None
    seconds_left: float | None


class LastCommit(NamedTuple):
    """How the newest commit to several hosts stands on a host: what ``reconcile history state -o json`` prints there.

    Attributes:
        id: of its apply, which is another one than the commit's where it was applied again; None where there is none.
        state: ``pending``, ``confirmed`` and so on.
        seconds_left: until it is rolled back, where it waits to be confirmed.
        mode: ``following``, ``held`` or ``none``: what the loop of the host does.
        change_mode: the command that makes a following host a held one; None where it is none.
        pending: another apply that waits.
        fleet: the commit; None where the host has never been a part of one.
    """

    id: str | None
    state: str
    seconds_left: float | None
    mode: str
    change_mode: str | None
    pending: Waiting | None
    fleet: FleetCommit | None


def _check_ids(ids: frozenset[int]) -> None:
    if max(ids, default=0) > 255:
        raise ValueError("ids from 0 to 255 are expected")


_Ids = Annotated[frozenset[int], _check_ids]


class Queues(NamedTuple):
    """A rectangle of queues."""

    adapters: _Ids
    domains: _Ids


class HostGuest(NamedTuple):
    """How a guest stands.

    Attributes:
        name: of the guest.
        authorised: what it may have; None where it has no device.
        effective: what it sees; None likewise.
        in_use: whether a process has its device open.
    """

    name: str
    authorised: Queues | None
    effective: Queues | None
    in_use: bool

    @property
    def pending(self) -> tuple[tuple[int, int], ...]:
        """The queues that it may have and does not see, as adapter and domain, ascending."""
        may, sees = self.authorised, self.effective
        if may is None:
            return ()
        seen = (
            {(adapter, domain) for adapter in sees.adapters for domain in sees.domains} if sees is not None else set()
        )
        every = ((adapter, domain) for adapter in sorted(may.adapters) for domain in sorted(may.domains))
        return tuple(one for one in every if one not in seen)


class HostStatus(NamedTuple):
    """What ``reconcile status -o json`` prints on a host, as far as it is used."""

    in_sync: bool | None
    guests: tuple[HostGuest, ...]


class PastApply(NamedTuple):
    """An apply in the history of a host."""

    number: int
    id: str | None
    started: str
    result: str
    commit: str | None
    guests: tuple[str, ...]
    fleet: FleetCommit | None


class HostHistory(NamedTuple):
    """What ``reconcile history -o json`` prints on a host, as far as it is used; ascending."""

    generations: tuple[PastApply, ...]


class Stands(NamedTuple):
    """How a host stands."""

    status: HostStatus
    history: HostHistory
    state: LastCommit


class Standings(NamedTuple):
    """How each host stands; one that Ansible did not find is not among them."""

    hosts: Mapping[str, Stands | Refused | NotReached]


def _answer(kind: Any, content: bytes) -> Any:
    record = read_json(content, LARGEST)
    if not isinstance(record, dict) or record.get(VERSION) != 1:
        raise BadRecord("it is no answer of this version of the collection")
    return _ANSWERS.read(kind, record)


def read_plans(content: bytes) -> Plans:
    """The answer of the playbook ``fleet_plan``.

    Raises:
        BadRecord: it is none.
    """
    plans: Plans = _answer(Plans, content)
    return plans


def read_ended(content: bytes) -> Ended:
    """The answer of the playbook ``fleet_commit``. Raises as `read_plans`."""
    ended: Ended = _answer(Ended, content)
    return ended


def read_standings(content: bytes) -> Standings:
    """The answer of the playbook ``fleet_status``. Raises as `read_plans`."""
    standings: Standings = _answer(Standings, content)
    return standings
