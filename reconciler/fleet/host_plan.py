"""What the plan of one host says, as ``reconcile plan -o json`` prints it there, as far as a commit depends on it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from reconciler.model.codec import BadRecord, Codec

ALLOW_DISRUPTION: Final = "--allow-disruption"
ALLOWED_FOR_HOST: Final = ("--allow-empty", "--allow-removals", "--allow-suspended")
"""The other flags of an apply that give consent, each for a whole host."""

WHOLE_HOST: Final = "all"
"""What stands in place of guests where consent was given for all that the plan of a host interrupts."""

Consents = Mapping[str, "tuple[str, ...] | str"]
"""By host, the names of the guests that may be interrupted, or `WHOLE_HOST`."""


class Ids(NamedTuple):
    """The ids that a guest is authorised for."""

    adapters: frozenset[int]
    domains: frozenset[int]
    control_domains: frozenset[int]


class Change(NamedTuple):
    """What a guest is authorised for; None where it has no device."""

    before: Ids | None
    after: Ids | None

    @property
    def gives_up(self) -> bool:
        """Whether it has something before that it has not afterwards."""
        return self.before is not None and not _within(self.before, self.after)

    @property
    def gets(self) -> bool:
        """Whether it has something afterwards that it has not before; a device without a queue counts as well."""
        return self.after is not None and not _within(self.after, self.before)


def _within(one: Ids, other: Ids | None) -> bool:
    return other is not None and all(ids <= others for ids, others in zip(one, other, strict=True))


class GuestChange(NamedTuple):
    """What becomes of one guest."""

    name: str
    authorised: Change


class NeededConsent(NamedTuple):
    """Something that is done to `holder`, a guest or ``host``, only where the flag `flag` of an apply allows it."""

    holder: str
    reason: str
    flag: str


class Summary(NamedTuple):
    """The plan in a few numbers, and in one sentence."""

    text: str
    valid: bool
    create: int
    change: int
    remove: int
    kernel_writes: int
    guests_interrupted: int


class HostPlan(NamedTuple):
    """The plan of one host.

    Attributes:
        host: the name of the Host.
        fingerprint: of everything that it rests on.
        summary: for people.
        consents: what it does only with consent.
        guests: what becomes of each.
        steps: what is done; only whether there is anything counts here.
        files: the files that change so that the host boots into it, likewise.
        problems: what is wrong or to be known; the texts are for people.
    """

    host: str
    fingerprint: str
    summary: Summary
    consents: tuple[NeededConsent, ...]
    guests: tuple[GuestChange, ...]
    steps: tuple[Any, ...]
    files: tuple[Any, ...]
    problems: tuple[Any, ...]

    @property
    def has_changes(self) -> bool:
        """Whether it does anything."""
        return bool(self.steps or self.files)

    @property
    def only_gives_up(self) -> bool:
        """Whether guests only lose by it, so that no host has to wait for another one that gets what they had.

        What its own drivers get is nothing that another host waits for.
        """
        changes = [one.authorised for one in self.guests]
        return any(one.gives_up for one in changes) and not any(one.gets for one in changes)

    def needed_flags(self) -> tuple[str, ...]:
        """The flags of an apply that give all consents which it needs, ascending."""
        return tuple(sorted({one.flag for one in self.consents}))

    def missing(self, guests: Sequence[str] | str, flags: Iterable[str]) -> tuple[NeededConsent, ...]:
        """The consents that are not given.

        Args:
            guests: which guests may be interrupted, or `WHOLE_HOST`.
            flags: what else is allowed for the whole host, of `ALLOWED_FOR_HOST`.
        """
        allowed = set(flags)
        return tuple(
            one
            for one in self.consents
            if not (
                one.flag in allowed or (one.flag == ALLOW_DISRUPTION and (guests == WHOLE_HOST or one.holder in guests))
            )
        )


_PLANS: Final = Codec(partial=True)


def read_host_plan(record: object) -> HostPlan:
    """What `record`, the JSON that ``reconcile plan -o json`` printed, says.

    Raises:
        BadRecord: it is no such plan.
    """
    plan = _PLANS.read(HostPlan, record)
    if any(one.flag != ALLOW_DISRUPTION and one.flag not in ALLOWED_FOR_HOST for one in plan.consents):
        raise BadRecord("it has a flag that is not known here", "consents")
    return plan
