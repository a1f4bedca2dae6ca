"""The plan: everything that will be done, why, what it does to whom, and what needs a person's consent."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from typing import Final, NamedTuple

from reconciler.model.desired import Desired, DesiredGuest
from reconciler.model.ids import Uuid
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig, Matrix
from reconciler.model.observed import Abilities, Observed, ObservedMdev, Process, Unread, VmName
from reconciler.model.outcome import Unconfirmed
from reconciler.model.problems import Position, Problem, errors_of
from reconciler.model.steps import FileChange, Step
from reconciler.planning.basis import Basis
from reconciler.planning.effect import HARMLESS, Bindings, Effect, control_lacking, hidden_because
from reconciler.planning.host_pool import PoolReason


class Cause(StrEnum):
    """Why something changes, against what was applied last."""

    MANIFEST = "manifest-changed"
    NEW = "new-in-manifests"
    UNNAMED = "in-no-manifest"  # a device that was never ours, and is to go
    UNDONE = "undone-by-rollback"  # the manifests want again what a rollback has undone
    HOST = "host-changed"
    ARRIVED = "hardware-came"  # only before 6.0: later kernels have taken it for its guest in advance
    VM_STARTS = "vm-starts"  # an on-demand guest gets its device
    VM_ENDED = "vm-ended"  # and this is removed
    EARLIER = "rolled-back"  # this plan rolls back: an earlier generation wants it

    @property
    def is_of_manifests(self) -> bool:
        """Whether the manifests ask for something that was not applied last."""
        return self in (Cause.MANIFEST, Cause.NEW, Cause.UNNAMED, Cause.UNDONE)


_CAUSES: Final = {
    Cause.MANIFEST: "the manifest changed",
    Cause.NEW: "new in the manifests",
    Cause.UNNAMED: "no manifest names it",
    Cause.UNDONE: "rolled back",
    Cause.HOST: "changed on the host since",
    Cause.ARRIVED: "its hardware came",
    Cause.VM_STARTS: "its VM starts",
    Cause.VM_ENDED: "its VM has ended",
    Cause.EARLIER: "rolled back",
}


class RollsBack(NamedTuple):
    """Where a plan of a rollback leads: to what generation `to` wanted, or to before `undone`; the other one is 0."""

    to: int
    undone: int


class RolledBack(NamedTuple):
    """What the last rollback of a host has undone, as long as no other manifests were applied as a whole since.

    An apply that was not confirmed is rolled back without a generation of its own: then its own number is `generation`
    and `before`.

    Attributes:
        generation: its own number in the history.
        to: the generation that it rolled back to; 0 where it was to what there was before one.
        before: the number of that one; 0 likewise.
        pool: the host pool as the manifests wanted it before the rollback; None where they set none.
        guests: by uuid, what each device that it has changed was to have before; None where there was to be none.
        unconfirmed: why the apply was not confirmed; None where a person has rolled back.
    """

    generation: int
    to: int
    before: int
    pool: Matrix | None
    guests: Mapping[Uuid, ApConfig | None]
    unconfirmed: Unconfirmed | None = None

    @property
    def text(self) -> str:
        """What has happened, and how the manifests stand to it, in one sentence."""
        if self.unconfirmed:
            why = _UNCONFIRMED[self.unconfirmed]
            return f"generation {self.generation} was rolled back since {why}, and the manifests say otherwise"
        where = f"to generation {self.to}" if self.to else f"to before generation {self.before}"
        return f"generation {self.generation} rolled the host back {where}, and the manifests say otherwise"


_UNCONFIRMED: Final = {
    Unconfirmed.CANCELLED: "it was cancelled",
    Unconfirmed.EXPIRED: "it was not confirmed in time",
    Unconfirmed.REBOOTED: "the host was booted before it was confirmed",
}


def cause_text(cause: Cause, rolled_back: RolledBack | None) -> str:
    """`cause` for people, e.g. ``the manifest changed``; `rolled_back` is that of the plan."""
    if cause is Cause.UNDONE and rolled_back:
        if rolled_back.unconfirmed:
            what = "cancelled" if rolled_back.unconfirmed is Unconfirmed.CANCELLED else "not confirmed"
            return f"generation {rolled_back.generation} was {what}"
        return f"rolled back by generation {rolled_back.generation}"
    return _CAUSES[cause]


def reason_text(guest: "GuestPlan", rolled_back: RolledBack | None) -> str:
    """Why `guest` changes, for people: both, where the manifest and the host have changed; empty where nothing does."""
    if guest.cause is None:
        return ""
    left = guest.guest is None and guest.cause is Cause.MANIFEST
    text = "no manifest names it any more" if left else cause_text(guest.cause, rolled_back)
    return ", and ".join([text, *(_CAUSES[one] for one in guest.causes[1:])])


class GuestPlan(NamedTuple):
    """What becomes of one mediated device.

    Attributes:
        name: of the guest, or the uuid where no manifest names the device.
        uuid: of the device.
        guest: what the manifest says; None where none names the device (it is to go).
        before: authorised now; None where the device does not exist.
        after: authorised when the plan is done; None likewise.
        sees_before: effective now; None where the device does not exist.
        sees_after: predicted effective; None likewise.
        effect: what the change does to the guest.
        in_use: whether a VM has the device open.
        interrupted: whether the guest loses queues for a while although it has them before and after.
        bindings: of the hardware when the plan is done.
        cause: why it changes; None where nothing does.
        goes: whether the device is to go; one that a VM has open is emptied first.
        opened_by: the process that has the device open, where it is known.
        vm: its VM, where libvirt's files name it.
        rollback_takes: the queues that it would lose for a while if the plan is rolled back, at whichever step.
        drifted: whether its device was changed on the host since the last apply, whatever else the cause is.
    """

    name: str
    uuid: str
    guest: DesiredGuest | None
    before: ApConfig | None
    after: ApConfig | None
    sees_before: Matrix | None
    sees_after: Matrix | None
    effect: Effect
    in_use: bool
    interrupted: bool
    bindings: Bindings
    cause: Cause | None
    goes: bool = False
    opened_by: Process | None = None
    vm: VmName | None = None
    rollback_takes: tuple[Matrix, ...] = ()
    drifted: bool = False

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Why it changes: its `cause`, and that the host has changed as well where that is so; empty where none is."""
        if self.cause is None:
            return ()
        is_both = self.drifted and (self.cause.is_of_manifests or self.cause is Cause.EARLIER)
        return (self.cause, Cause.HOST) if is_both else (self.cause,)

    @property
    def changes(self) -> bool:
        """Whether any write is made for it."""
        return self.before != self.after or self.interrupted

    @property
    def because(self) -> tuple[str, ...]:
        """Why the guest does not get all it is wanted to have, a sentence each; found out when it is asked for."""
        if self.after is None:
            return ()
        wanted = self.guest.config if self.guest else self.after
        return (*self.hidden, *control_lacking(wanted, self.bindings.lpar))

    @property
    def hidden(self) -> tuple[str, ...]:
        """Why the guest does not see all queues that it is wanted to have, a sentence each."""
        if self.after is None or self.sees_after is None:
            return ()
        wanted = self.guest.config.matrix if self.guest else self.after.matrix
        return () if self.sees_after == wanted else tuple(one.text for one in hidden_because(wanted, self.bindings))

    @property
    def disrupted(self) -> bool:
        """Whether a VM that has the device open loses something, for a while or for good."""
        return self.in_use and (self.interrupted or self.effect not in HARMLESS)

    @property
    def needs_consent(self) -> bool:
        """Whether the plan, or rolling it back, takes something from a guest that has to agree to that.

        A queue that is taken in between counts also while no VM has the device open: one may open it meanwhile.
        """
        return self.disrupted or self.interrupted or bool(self.rollback_takes)


_MOST_LOST: Final = 3
_MOST_QUEUES: Final = 4
_MOST_TARGETS: Final = 5


def rollback_text(guest: GuestPlan) -> str:
    """What rolling back would take from `guest`, e.g. "rolling back would take 05.0004 from it for a while"."""
    parts = (islice(part.queues(), _MOST_QUEUES + 1) for part in guest.rollback_takes)
    queues = sorted({queue for part in parts for queue in part})
    names = ", ".join(map(str, queues[:_MOST_QUEUES])) + (" …" if len(queues) > _MOST_QUEUES else "")
    return f"rolling back would take {names} from it for a while"


def effect_text(guest: GuestPlan) -> str:
    """What the change does to `guest`, e.g. ``loses 05.0047``: few queues by name, of more how many there are."""
    before, after = guest.sees_before, guest.sees_after
    if guest.effect is not Effect.LOSES or before is None or after is None:
        return guest.effect.value
    lost = Matrix(before.adapters, before.domains - after.domains)  # no adapter is lost as a whole
    return f"loses {', '.join(map(str, lost.queues())) if lost.size <= _MOST_LOST else f'{lost.size:,} queues'}"


def unconfirmed_text(guests: Iterable[GuestPlan]) -> str:
    """What `guests` lose if the plan is not confirmed in time; empty where none gets anything."""
    names = [
        f"'{one.name}'"
        for one in guests
        if one.after is not None and (one.before is None or not one.before.matrix.covers(one.after.matrix))
    ]
    if not names:
        return ""
    return (
        "if this is not confirmed in time, it is rolled back, and VMs that run then, also those that start meanwhile, "
        f"lose what their guest gets here: {', '.join(names)}"
    )


def partial_text(names: Sequence[str]) -> str:
    """What a plan that is only for the guests with `names` says of itself."""
    shown = ", ".join(f"'{one}'" for one in names[:_MOST_TARGETS])
    more = f" and {len(names) - _MOST_TARGETS:,} more" if len(names) > _MOST_TARGETS else ""
    return (
        f"partial: this is only about {shown}{more}; all else stays as it is. At boot the host still gets what was "
        "last applied as a whole, and a rollback can undo this, but never return to it later"
    )


class PlannedStep(NamedTuple):
    """One step with its reason: whose it is, where that is written, and what it does."""

    step: Step
    holder: str
    position: Position
    effect: str


class Misread(NamedTuple):
    """Ids of some manifests that may have been meant in the other base, decimal or hex.

    Attributes:
        guests: the names of the guests whose manifests have them; none where it is the Host.
        text: which ids these are, and what to write instead, a sentence.
    """

    guests: tuple[str, ...]
    text: str


ALLOW_DISRUPTION: Final = "--allow-disruption"
ALLOW_EMPTY: Final = "--allow-empty"
ALLOW_REMOVALS: Final = "--allow-removals"
ALLOW_SUSPENDED: Final = "--allow-suspended"


class Consent(NamedTuple):
    """Something that is done only with the administrator's consent.

    Attributes:
        holder: to whom it is done: the name of a guest, or ``host``.
        reason: what it does.
        flag: what gives the consent for one run.
        uuid: of the guest's device; empty for the host.
    """

    holder: str
    reason: str
    flag: str = ALLOW_DISRUPTION
    uuid: str = ""


class Plan(NamedTuple):
    """One atomic change of one host.

    Attributes:
        desired: what the manifests ask for.
        observed: the host as it was found.
        basis: what the plan rests on.
        fingerprint: SHA-256 (hex) over the basis, the host's name and `texts`.
        problems: what is wrong or worth knowing; where one is an error there are no steps.
        consents: what needs consent.
        pool: the host pool when the plan is done.
        pool_reason: why; None where there is none.
        pool_cause: why it changes; None where it does not.
        guests: of every guest and of every device that is to go, in the order of their names.
        foreign: devices that are not ours; counted in all checks, never touched.
        steps: in the order in which they are made.
        only: the uuids of the devices that the plan is confined to; None where it is for the whole host.
        files: the files of other tools that change after the steps, in this order.
        untouched: the uuids of devices that were to be left as they are.
        withheld: the names of those among them, by uuid, that would change otherwise, and are suspended.
        suspended: the uuids of devices that are suspended, in a plan by a person, which changes them nevertheless.
        spared: the holders whose drift is not corrected: uuids, ``host`` for the masks, and ``files``.
        wanted_pool: the host pool that the manifests ask for; None where it is `pool`.
        is_news: whether the manifests say something else than what was applied last.
        commit: the git commit of the manifests; empty where there is none.
        notes: what is worth knowing about the plan itself, a sentence each.
        misread: ids that may have been meant in the other base; their sentences are among the notes.
        texts: digest of the text of the manifests, comments included; empty where none were read.
        targets: the names of the guests that were chosen, ascending; None where the plan is not partial.
        unread: what it should rest on and could not be read; where there is anything, it cannot be saved.
        rolls_back: where it leads, in a plan of a rollback; None in any other.
        rolled_back: the last rollback, where it stands between the host and what the manifests say; None otherwise.
    """

    desired: Desired
    observed: Observed
    basis: Basis
    fingerprint: str
    problems: tuple[Problem, ...]
    consents: tuple[Consent, ...]
    pool: Matrix
    pool_reason: PoolReason | None
    pool_cause: Cause | None
    guests: tuple[GuestPlan, ...]
    foreign: tuple[ObservedMdev, ...]
    steps: tuple[PlannedStep, ...]
    only: frozenset[str] | None = None
    files: tuple[FileChange, ...] = ()
    untouched: frozenset[str] = frozenset()
    withheld: Mapping[str, str] = {}
    suspended: frozenset[str] = frozenset()
    spared: frozenset[str] = frozenset()
    wanted_pool: Matrix | None = None
    is_news: bool = False
    commit: str = ""
    notes: tuple[str, ...] = ()
    misread: tuple[Misread, ...] = ()
    texts: str = ""
    targets: tuple[str, ...] | None = None
    unread: tuple[Unread, ...] = ()
    rolls_back: RollsBack | None = None
    rolled_back: RolledBack | None = None

    @property
    def suspended_names(self) -> tuple[str, ...]:
        """The names of the suspended guests that are not as their manifests say, ascending."""
        changing = {one.name for one in self.guests if one.changes and one.uuid in self.suspended}
        return tuple(sorted(changing.union(self.withheld.values())))

    @property
    def abilities(self) -> Abilities:
        """What the kernel can do; decides which writes a step takes."""
        return self.observed.abilities

    @property
    def is_valid(self) -> bool:
        """Whether nothing forbids the plan."""
        return not errors_of(self.problems)

    @property
    def interruptible(self) -> frozenset[str]:
        """The uuids of devices that may lose queues for a while, once all consents of the plan have been given.

        These are the devices that it names for consent, and those whose manifest allows it always.
        """
        return frozenset(
            one.uuid for one in self.guests if one.needs_consent or (one.guest and one.guest.disruption_allowed)
        )

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags that give all consents, ascending."""
        return tuple(sorted({one.flag for one in self.consents}))

    @property
    def changes(self) -> bool:
        """Whether anything is done: to the host, or to what it boots into."""
        return bool(self.steps or self.files)

    @property
    def causes(self) -> frozenset[Cause]:
        """Why anything of it changes."""
        found = {guest.cause for guest in self.guests if guest.changes} | {self.pool_cause}
        if self.files:
            found.add(Cause.MANIFEST if self.is_news else Cause.HOST)
        return frozenset(one for one in found if one)

    @property
    def in_sync(self) -> bool:
        """Whether the host is as the manifests say, and boots into it where that is wanted."""
        return self.is_valid and not self.changes and not self.withheld


MANY: Final = 5
"""From so many of our devices on, removing more than half of them at once needs to be said."""


def removal_consents(guests: Sequence[GuestPlan], others: int = 0) -> list[Consent]:
    """What has to be said explicitly because of how much is removed.

    Args:
        guests: what becomes of each of our devices, and of each that is to go.
        others: how many devices of ours there are besides, which stay.
    """
    there = [one for one in guests if one.before is not None]
    # One that holds nothing was emptied by an earlier apply, which had the consent.
    going = [one.name for one in there if one.goes and one.before != EMPTY_CONFIG]
    kept = others + sum(not one.goes for one in there)
    after = {one.name for one in guests if one.after is not None and not one.goes}
    return _limits(len(there) + others, going, kept, after)


def removal_limits(before: Mapping[str, str], after: Mapping[str, str]) -> list[Consent]:
    """The same for manifests, whatever of them is there at the moment: after a boot nothing is.

    Args:
        before: the names of the guests whose devices were to be there, by the uuids of these.
        after: of those that are to be there.
    """
    going = [name for uuid, name in before.items() if uuid not in after]
    return _limits(len(before), going, len(before.keys() & after.keys()), set(after.values()))


def _limits(there: int, going: Sequence[str], kept: int, after: set[str]) -> list[Consent]:
    """What has to be said of `there` devices, of which `kept` stay.

    Args:
        there: how many there are.
        going: the guests that lose theirs, by name.
        kept: how many stay.
        after: the guests that have one in the end, by name.
    """
    if going and not kept:
        if not after:
            return [Consent("host", f"all of our mediated devices are removed ({len(going)})", ALLOW_EMPTY)]
        if after.isdisjoint(going):  # else a guest has another uuid now
            reason = f"all of our mediated devices are removed ({len(going)}), and other guests get new ones"
            return [Consent("host", reason, ALLOW_REMOVALS)]
    if there >= MANY and 2 * len(going) > there:
        return [Consent("host", f"{len(going)} of our {there} mediated devices are removed", ALLOW_REMOVALS)]
    return []


def rolling_back(plan: Plan, where: RollsBack) -> Plan:
    """`plan` of what an earlier generation wanted, so that no manifest is the reason of what changes."""

    def cause(found: Cause | None) -> Cause | None:
        return Cause.EARLIER if found and found.is_of_manifests else found

    guests = tuple(one._replace(cause=cause(one.cause)) for one in plan.guests)
    return plan._replace(guests=guests, pool_cause=cause(plan.pool_cause), rolls_back=where, rolled_back=None)


def replanned(plan: Plan, found: Iterable[ObservedMdev]) -> Plan:
    """What planning again gives after `plan`, which was applied: no steps.

    Args:
        plan: what was applied and verified.
        found: the devices that it has touched, as they were found afterwards.
    """
    now = {one.uuid: one for one in found}
    changed = {guest.uuid for guest in plan.guests if guest.changes}
    mdevs = [one for one in plan.observed.mdevs if one.uuid not in changed]
    mdevs += [one for uuid, one in now.items() if uuid in changed]
    return plan._replace(
        observed=plan.observed._replace(pool=plan.pool, mdevs=tuple(sorted(mdevs, key=lambda one: one.uuid))),
        guests=tuple(_guest(one, now) for one in plan.guests if one.guest or one.after is not None),
        pool_cause=None,
        consents=(),
        steps=(),
        files=(),
        is_news=False,
        rolled_back=None,
    )


def _guest(one: GuestPlan, found: Mapping[str, ObservedMdev]) -> GuestPlan:
    if not one.changes:
        return one
    mdev = found.get(one.uuid)
    seen = mdev.effective if mdev and mdev.effective is not None else one.sees_after
    return one._replace(
        before=one.after,
        sees_before=seen,
        effect=Effect.NONE,
        interrupted=False,
        cause=None,
        goes=False,
        rollback_takes=(),
    )
