"""What is recorded of a generation, and what that says: the apply, what it wanted, and what there was before."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from reconciler.kernel.text_forms import parse_mask
from reconciler.model.codec import VERSION, BadRecord, Codec
from reconciler.model.desired import Activation, Desired, DesiredGuest, GivenUp, Presence, Unmanaged
from reconciler.model.ids import IdSet, Uuid
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.outcome import Actor, Extent, FleetCommit, Generation, Origin, Outcome, suspended_then
from reconciler.planning.plan import ALLOW_SUSPENDED
from reconciler.transaction.records import RECORDS, placed


class Begun(NamedTuple):
    """What is recorded before the first write: the fields of `Origin`, what is wanted, and the plan that is shown."""

    number: int
    user: str
    command: str
    started: float
    commit: str
    actor: Actor
    id: str
    subject: str
    author: str
    parents: tuple[str, ...]
    again: int
    undone: int
    fleet: FleetCommit | None
    desired: Desired
    plan: Mapping[str, Any]


class Ended(NamedTuple):
    """How an apply ended, and when (seconds since 1970, UTC)."""

    outcome: Outcome
    ended: float


class _Write(NamedTuple):
    path: str
    value: str


class _Step(NamedTuple):
    holder: str
    action: str
    writes: tuple[_Write, ...]


class _Summary(NamedTuple):
    text: str


class _Guest(NamedTuple):
    name: str


class _Consent(NamedTuple):
    holder: str
    flag: str


class _Masks(NamedTuple):
    apmask: str
    aqmask: str


class _Pool(NamedTuple):
    before: _Masks
    after: _Masks


class _File(NamedTuple):
    path: str


class _Hunk(NamedTuple):
    heading: str
    lines: tuple[str, ...]
    remarks: tuple[str, ...]


class ShownPlan(NamedTuple):
    """What is needed of a plan that is shown; there is more in it."""

    summary: _Summary
    suspended: tuple[str, ...]
    consents: tuple[_Consent, ...]
    targets: tuple[str, ...] | None
    pool: _Pool
    guests: tuple[_Guest, ...]
    files: tuple[_File, ...]
    steps: tuple[_Step, ...]
    diff: tuple[_Hunk, ...]


class _Config(NamedTuple):
    adapters: tuple[int, ...]
    domains: tuple[int, ...]
    controlDomains: tuple[int, ...]  # noqa: N815 - as the plan has it


class _Authorised(NamedTuple):
    before: _Config | None


class _Changed(NamedTuple):
    name: str
    uuid: Uuid
    authorised: _Authorised


class ShownChanges(NamedTuple):
    """What a plan that is shown says of the state before it."""

    pool: _Pool
    guests: tuple[_Changed, ...]


SHOWN: Final = Codec(partial=True)
"""Reads a plan that was kept as it was shown, of which only some fields are wanted."""


def start_of(desired: Desired, changes: ShownChanges) -> Desired:
    """What there was before an apply of what is `desired`, by the `changes` that were planned; raises BadRecord."""
    had = {one.uuid: one for one in changes.guests}
    guests = [one for one in desired.guests if one.uuid not in had and one.activation is Activation.ACTIVE]
    named = {one.uuid: one for one in desired.guests}
    host = desired.host
    try:
        for one in changes.guests:
            if before := one.authorised.before:
                config = ApConfig(IdSet(before.adapters), IdSet(before.domains), IdSet(before.controlDomains))
                new = DesiredGuest(
                    one.name, host.name, one.uuid, config, Activation.ACTIVE, Presence.ANY, (), host.position
                )
                known = named.get(one.uuid, new)
                guests.append(known._replace(config=config, activation=Activation.ACTIVE, presence=Presence.ANY))
    except ValueError as error:
        raise BadRecord(str(error), "plan.guests") from None
    pool = matrix_of(changes.pool.before)
    given_up = GivenUp(~pool.adapters, ~pool.domains)
    host = host._replace(given_up=given_up, keep=(), unmanaged=Unmanaged.IGNORE)
    wanted = Desired(host, tuple(sorted(guests, key=lambda one: one.name)), "", desired.places)
    return wanted._replace(digest=sha256(RECORDS.content(wanted)).hexdigest())


class Whole(NamedTuple):
    """A generation, what it wanted, and everything that is known of it as plain values for JSON."""

    generation: Generation
    desired: Desired
    record: dict[str, Any]


def whole_of(begun: Begun, ended: Ended | None, number: int, extent: Extent) -> Whole:
    """Generation `number` of this `extent`, from its two records.

    Raises:
        BadRecord: they do not say what they should.
    """
    if begun.number != number:
        raise BadRecord(f"it is {begun.number}, and the file's name says {number}", "number")
    try:
        plan = SHOWN.read(ShownPlan, begun.plan)
    except BadRecord as error:
        raise error.within("plan") from None
    desired = placed(begun.desired, f"generation {number}")
    guests = tuple(one.name for one in plan.guests)
    consents = [one.holder for one in plan.consents if one.flag == ALLOW_SUSPENDED]
    then = suspended_then(plan.suspended, guests, consents)
    generation = Generation(
        number,
        _origin_of(begun),
        desired.host.name,
        desired.digest,
        plan.summary.text,
        ended and ended.outcome,
        extent,
        suspended=then.left,
        overridden=then.overridden,
        guests=guests,
        pool_changes=plan.pool.before != plan.pool.after,
        files=tuple(one.path for one in plan.files),
    )
    outcome = ended and {**RECORDS.plain(ended.outcome), "ended": ended.ended}
    return Whole(generation, desired, {VERSION: 1, **RECORDS.plain(begun), "outcome": outcome})


def matrix_of(masks: _Masks) -> Matrix:
    """The host pool that `masks` are; raises BadRecord."""
    try:
        return Matrix(parse_mask(masks.apmask), parse_mask(masks.aqmask))
    except ValueError as error:
        raise BadRecord(str(error), "plan.pool") from None


def _origin_of(begun: Begun) -> Origin:
    return Origin(
        begun.user,
        begun.command,
        begun.started,
        begun.commit,
        begun.actor,
        begun.id,
        begun.subject,
        begun.author,
        begun.parents,
        begun.again,
        begun.undone,
        begun.fleet,
    )
