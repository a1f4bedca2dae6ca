"""How things stand: per guest what is wanted, authorised and effective, and why they differ."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from reconciler.model.desired import Activation, DesiredGuest, Ignored
from reconciler.model.ids import IdSet
from reconciler.model.matrix import ApConfig, Matrix, Queue
from reconciler.model.observed import ObservedCard, ObservedMdev, Process, VmName
from reconciler.planning.effect import Bindings, bindings_now, control_lacking, hidden_because
from reconciler.planning.plan import GuestPlan, Plan

WITHHELD: Final = "suspended, and differs: its device is not as its manifest says, and changes when it is resumed"
"""Why the device of a suspended guest is not as wanted."""


class GuestStatus(NamedTuple):
    """One guest, or one device of ours that is to go.

    Attributes:
        name: of the guest.
        uuid: of its device.
        guest: what the manifest says; None where none names it any more.
        authorised: what its device holds; None where there is none.
        effective: what the guest sees; None likewise.
        in_use: whether a VM has the device open.
        why: why wanted, authorised and effective differ, a sentence each.
        opened_by: the process that has the device open, where it is known.
        vm: its VM, where libvirt's files name it.
    """

    name: str
    uuid: str
    guest: DesiredGuest | None
    authorised: ApConfig | None
    effective: Matrix | None
    in_use: bool
    why: tuple[str, ...]
    opened_by: Process | None = None
    vm: VmName | None = None


class Status(NamedTuple):
    """How one host stands.

    Attributes:
        plan: what would be done about it.
        guests: ascending by name.
        pending: by adapter (0 to 255), the names of guests that wait for it.
        idle: present queues that neither the host nor a mediated device has, ascending.
        foreign: devices that are not ours.
    """

    plan: Plan
    guests: tuple[GuestStatus, ...]
    pending: tuple[tuple[int, tuple[str, ...]], ...]
    idle: tuple[Queue, ...]
    foreign: tuple[ObservedMdev, ...]


def status_of(plan: Plan) -> Status:
    """The status that goes with `plan`."""
    now, suspended = bindings_now(plan.observed), frozenset(plan.suspended_names)
    return Status(
        plan=plan,
        guests=tuple(
            _guest_status(guest, now, plan.observed.cards, withheld=guest.name in suspended) for guest in plan.guests
        ),
        pending=_pending(plan),
        idle=_idle(plan),
        foreign=plan.foreign,
    )


def _guest_status(plan: GuestPlan, now: Bindings, cards: Sequence[ObservedCard], *, withheld: bool) -> GuestStatus:
    return GuestStatus(
        name=plan.name,
        uuid=plan.uuid,
        guest=plan.guest,
        authorised=plan.before,
        effective=plan.sees_before,
        in_use=plan.in_use,
        why=(*([WITHHELD] if withheld else []), *_why(plan, now, cards)),
        opened_by=plan.opened_by,
        vm=plan.vm,
    )


def _why(plan: GuestPlan, now: Bindings, cards: Sequence[ObservedCard]) -> list[str]:
    reasons = []
    wanted = plan.guest.config if plan.guest else None
    if plan.before is None:
        if plan.after is not None:
            reasons.append("its device does not exist; apply makes it")
        return reasons
    if wanted is None:
        reasons.append("no manifest names it any more; apply removes it")
    elif plan.before == plan.after and plan.before != wanted and plan.guest and plan.guest.ignored:
        reasons.append(f"another program has changed it; {listed(plan.guest.ignored)} may differ (spec.ignoreDrift)")
    elif plan.before != plan.after:
        reasons.append("its device holds something else than planned; apply changes it")
    seen = plan.sees_before
    if seen is not None and not seen.covers(plan.before.matrix):
        reasons += [one.text for one in hidden_because(plan.before.matrix, now)]
    reasons += control_lacking(plan.before, now.lpar)
    reasons += [
        f"adapter {IdSet([card.adapter])} {card.trouble}: every request on it fails"
        for card in cards
        if card.trouble and card.adapter in plan.before.adapters
    ]
    return reasons


def listed(parts: Collection[Ignored]) -> str:
    """The parts of a device for people, in a fixed order."""
    return ", ".join(one.value for one in Ignored if one in parts)


def _pending(plan: Plan) -> tuple[tuple[int, tuple[str, ...]], ...]:
    waiting: dict[int, list[str]] = {}
    for guest in plan.guests:
        if guest.guest and guest.guest.activation is not Activation.INACTIVE:
            for adapter in guest.guest.config.adapters - plan.observed.lpar.adapters:
                waiting.setdefault(adapter, []).append(guest.name)
    return tuple((adapter, tuple(waiting[adapter])) for adapter in sorted(waiting))


def _idle(plan: Plan) -> tuple[Queue, ...]:
    held: dict[int, int] = {}
    for mdev in plan.observed.mdevs:
        for adapter in mdev.config.adapters:
            held[adapter] = held.get(adapter, 0) | mdev.config.domains.bits
    return tuple(
        one.queue
        for one in plan.observed.queues
        if not plan.observed.pool.has(one.queue)
        and one.queue.domain not in IdSet.from_bits(held.get(one.queue.adapter, 0))
    )
