"""How things stand: per guest what is wanted, authorised and effective, in which state it is, and why.

The host is compared with a plan (`status_of`), or shown as it is where nothing says what is wanted (`host_status`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from reconciler.model.desired import Activation, DesiredGuest, Ignored
from reconciler.model.ids import IdSet
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig, Matrix, Queue
from reconciler.model.observed import Lpar, Observed, ObservedCard, ObservedMdev, Process, VmName
from reconciler.planning.effect import Bindings, Hidden, bindings_now, control_lacking, hidden_because
from reconciler.planning.plan import Cause, GuestPlan, Plan, cause_text

if TYPE_CHECKING:
    from reconciler.model.suspending import SuspendedNow

WITHHELD: Final = "its device is not as its manifest says; the next apply after a resume changes it"
"""How the device of a suspended guest differs from what is wanted."""

_IGNORE_DRIFT: Final = "spec.ignoreDrift"

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Those of a guest, ascending by key."""


class GuestState(StrEnum):
    """How one guest stands, in a word; in the order in which a person should look."""

    DRIFT = "drift"  # another program has changed its device
    CHANGES = "changes"  # the manifest asks for something that is not done yet
    MISSING = "missing"  # its device does not exist
    LEAVING = "leaving"  # no manifest names it any more
    SUSPENDED_OUT_OF_SYNC = "suspended-out-of-sync"  # suspended, and not as its manifest says
    FAILING = "failing"  # a card that it has is check-stopped or in standby
    HIDDEN = "hidden"  # it does not see all that it has, although the hardware is there
    PENDING = "pending"  # it waits for hardware, or for what the LPAR is given
    SUSPENDED = "suspended"  # suspended, and as its manifest says
    IN_SYNC = "in-sync"
    ON_DEMAND = "on-demand"  # its device is made when its VM starts
    INACTIVE = "inactive"  # written down, not claimed
    FOREIGN = "foreign"  # a device that is not ours
    UNKNOWN = "unknown"  # a device of which nothing says what it should be

    @property
    def is_good(self) -> bool:
        """Whether nothing is to be done about it."""
        return self in _GOOD


_GOOD: Final = (GuestState.IN_SYNC, GuestState.ON_DEMAND, GuestState.INACTIVE, GuestState.FOREIGN, GuestState.UNKNOWN)
_RANK: Final = {state: rank for rank, state in enumerate(GuestState)}


class Source(StrEnum):
    """What a host is compared with."""

    MANIFESTS = "manifests"
    APPLIED = "applied"
    ENFORCED = "enforced"
    REFUSED = "refused"
    REPORT = "report"
    HOST = "host"


class ComparedWith(NamedTuple):
    """What a host is compared with, and where that comes from.

    Attributes:
        source: of which kind.
        text: the same for people.
        generation: the one that was applied last, where that is it; 0 otherwise.
        commit: its git commit; empty where there is none.
        because: why nothing nearer was taken, a sentence each.
        is_invalid_here: whether one of these is that there are manifests which cannot be used.
    """

    source: Source = Source.MANIFESTS
    text: str = "the manifests"
    generation: int = 0
    commit: str = ""
    because: tuple[str, ...] = ()
    is_invalid_here: bool = False


THE_MANIFESTS: Final = ComparedWith()


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
        state: all of that in a word.
        wanted: how many queues it is to have; None where that is not known, and where no manifest names it.
        suspended: by whom, until when and why it is suspended, as in `why`; empty where it is not.
        reported_labels: those that a report has, where its manifest is not known; None where neither is.
        needs_no_device: whether it has none and needs none now: it is inactive, or on-demand and its VM does not run.
        suspension: what `suspended` says, as a value; None where it is not suspended, or only the words are known.
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
    state: GuestState = GuestState.UNKNOWN
    wanted: int | None = None
    suspended: str = ""
    reported_labels: Labels | None = None
    needs_no_device: bool = False
    suspension: "SuspendedNow | None" = None

    @property
    def labels(self) -> Labels | None:
        """Its labels; None where they are not known."""
        return self.guest.labels if self.guest else self.reported_labels

    @property
    def waiting(self) -> ApConfig:
        """What its device holds and keeps where it is not known what it is to hold: it waits for all of that."""
        is_known = self.guest is not None or self.state is GuestState.LEAVING
        return EMPTY_CONFIG if is_known or self.authorised is None else self.authorised

    @property
    def configs(self) -> tuple[ApConfig, ...]:
        """What its device holds, and what it is to hold, as far as there is either."""
        return tuple(filter(None, (self.authorised, self.guest and self.guest.config)))

    def has(self, queue: Queue) -> bool:
        """Whether it has `queue`, or is to have it."""
        return any(one.matrix.has(queue) for one in self.configs)

    def has_card(self, adapter: int) -> bool:
        """Whether it has the card `adapter`, or is to have it."""
        return any(adapter in one.adapters for one in self.configs)


class Status(NamedTuple):
    """How one host stands.

    Attributes:
        host: its name.
        observed: the host as it was found.
        plan: what would be done about it; None where nothing says what is wanted.
        guests: ascending by name.
        pending: by adapter (0 to 255), the names of guests that wait for it.
        unheld: present queues that neither the host nor a mediated device has, ascending: free and claimed ones.
        foreign: devices that are not ours.
        compared: what it is compared with.
        suspended: why the whole host is suspended, by whom, and until when; empty where it is not.
        suspension: what `suspended` says, as a value; None where it is not, or only the words are known.
    """

    host: str
    observed: Observed
    plan: Plan | None
    guests: tuple[GuestStatus, ...]
    pending: tuple[tuple[int, tuple[str, ...]], ...]
    unheld: tuple[Queue, ...]
    foreign: tuple[ObservedMdev, ...]
    compared: ComparedWith = THE_MANIFESTS
    suspended: str = ""
    suspension: "SuspendedNow | None" = None

    def claims(self) -> dict[Queue, tuple[str, ...]]:
        """The queues among `unheld` that guests claim, each with the names of these guests."""
        by_adapter: dict[int, list[tuple[int, str]]] = {}
        for one in self.guests:
            if one.guest and one.guest.activation is not Activation.INACTIVE:
                for adapter in one.guest.config.adapters:
                    by_adapter.setdefault(adapter, []).append((one.guest.config.domains.bits, one.name))
        found = {
            queue: tuple(name for bits, name in by_adapter.get(queue.adapter, ()) if bits >> queue.domain & 1)
            for queue in self.unheld
        }
        return {queue: names for queue, names in found.items() if names}

    @property
    def host_suspended(self) -> str:
        """By whom the whole host is suspended, until when, how long that is from now, and why, behind a label."""
        text = self.suspension.with_left if self.suspension else self.suspended
        return f"the whole host {text.removeprefix('suspended ')}"

    @property
    def suspended_uuids(self) -> frozenset[str]:
        """The devices of guests that the next apply leaves as they are: they, or the whole host, are suspended."""
        return frozenset(one.uuid for one in self.guests if one.suspended or self.suspended)

    @property
    def free(self) -> tuple[Queue, ...]:
        """The queues among `unheld` that no guest claims, ascending."""
        claims = self.claims()
        return tuple(queue for queue in self.unheld if queue not in claims)

    @property
    def rows(self) -> tuple[GuestStatus, ...]:
        """All guests, and all devices that are not ours: those that a person should look at first, then by name."""
        every = (*self.guests, *(_foreign(one, self.observed) for one in self.foreign))
        return tuple(sorted(every, key=lambda one: (_RANK[one.state], one.name)))


class SuspendedBy(NamedTuple):
    """Why the whole host, and guests by name, are suspended, by whom, and until when; empty where one is not.

    `values` has the same by the name of the guest, and by an empty name that of the host.
    """

    host: str = ""
    guests: Mapping[str, str] = {}
    values: Mapping[str, "SuspendedNow"] = {}


NOTHING_SUSPENDED: Final = SuspendedBy()


def status_of(plan: Plan, compared: ComparedWith = THE_MANIFESTS, suspended: SuspendedBy = NOTHING_SUSPENDED) -> Status:
    """The status that goes with `plan`, made of what the host is `compared` with, and with what is `suspended` now."""
    about = _About(plan, bindings_now(plan.observed), frozenset(plan.suspended_names), suspended)
    return Status(
        host=plan.desired.host.name,
        observed=plan.observed,
        plan=plan,
        guests=tuple(_guest_status(guest, about) for guest in plan.guests),
        pending=_pending(plan),
        unheld=_unheld(plan.observed),
        foreign=plan.foreign,
        compared=compared,
        suspended=suspended.host,
        suspension=suspended.values.get(""),
    )


class Known(NamedTuple):
    """What a report says of one guest, where its manifest is not known: its device, how many queues, and its state.

    `why` begins with `suspended` where it is; `labels` are None where they are not known. For `needs_no_device` see
    `GuestStatus`.
    """

    name: str
    uuid: str
    wanted: int | None
    state: GuestState
    why: tuple[str, ...] = ()
    suspended: str = ""
    labels: Labels | None = None
    needs_no_device: bool = False
    suspension: "SuspendedNow | None" = None


def host_status(host: str, observed: Observed, compared: ComparedWith, known: Sequence[Known] = ()) -> Status:
    """The status of a host of which it is not known what is wanted.

    Args:
        host: its name.
        observed: the host as it was found.
        compared: why nothing is known.
        known: what a report says of guests; their devices are shown as they are now.
    """
    found = {one.uuid: one for one in observed.mdevs}
    now = bindings_now(observed)
    reported = [_reported(one, found.pop(one.uuid, None), observed, now) for one in known]
    left = tuple(found.values())
    foreign = left if compared.source is Source.REPORT else ()  # what no report names is not ours
    others = [] if foreign else [_unknown(one, observed, now) for one in left]
    guests = tuple(sorted((*reported, *others), key=lambda one: one.name))
    return Status(
        host=host,
        observed=observed,
        plan=None,
        guests=guests,
        pending=_by_adapter((one.name, one.waiting, observed.lpar) for one in guests),
        unheld=_unheld(observed),
        foreign=foreign,
        compared=compared,
    )


class _About(NamedTuple):
    """What the status of each guest is made of: the plan, the bindings, who differs and is suspended, and why."""

    plan: Plan
    now: Bindings
    withheld: frozenset[str]
    suspended: SuspendedBy


def _guest_status(guest: GuestPlan, about: _About) -> GuestStatus:
    hidden = _hidden(guest, about)
    lacking = control_lacking(guest.before, about.now.lpar) if guest.before else []
    trouble = _trouble(guest.before, about.plan.observed.cards)
    suspended = about.suspended.guests.get(guest.name, "")
    return GuestStatus(
        name=guest.name,
        uuid=guest.uuid,
        guest=guest.guest,
        authorised=guest.before,
        effective=guest.sees_before,
        in_use=guest.in_use,
        why=(
            *filter(None, [suspended]),
            *([WITHHELD] if guest.name in about.withheld else []),
            *_difference(guest, about),
            *(one.text for one in hidden),
            *lacking,
            *trouble,
        ),
        opened_by=guest.opened_by,
        vm=guest.vm,
        state=_state(guest, about, hidden, waits=bool(lacking), fails=bool(trouble)),
        wanted=guest.guest.config.matrix.size if guest.guest else None,
        suspended=suspended,
        needs_no_device=_needs_no_device(guest, about),
        suspension=about.suspended.values.get(guest.name),
    )


def _needs_no_device(plan: GuestPlan, about: _About) -> bool:
    is_always_there = plan.guest is None or plan.guest.activation is Activation.ACTIVE
    return plan.before is None and plan.after is None and not is_always_there and plan.name not in about.withheld


def _state(plan: GuestPlan, about: _About, hidden: Sequence[Hidden], *, waits: bool, fails: bool) -> GuestState:
    if plan.name in about.withheld:
        return GuestState.SUSPENDED_OUT_OF_SYNC
    if plan.guest is None:
        return GuestState.LEAVING
    if plan.before != plan.after:
        if plan.before is None:
            return GuestState.MISSING
        return GuestState.DRIFT if plan.cause is Cause.HOST else GuestState.CHANGES
    if plan.uuid in about.plan.suspended or plan.name in about.suspended.guests:
        return GuestState.SUSPENDED
    if plan.before is None:
        return _without_device(plan.guest.activation)
    return _seen_state(hidden, waits=waits, fails=fails) or GuestState.IN_SYNC


def _without_device(activation: Activation) -> GuestState:
    """That of a guest without a device, which is not made now."""
    if activation is Activation.ACTIVE:
        return GuestState.MISSING
    return GuestState.ON_DEMAND if activation is Activation.ON_DEMAND else GuestState.INACTIVE


def _difference(plan: GuestPlan, about: _About) -> Iterator[str]:
    """How its device differs from what is wanted; nothing where it does not."""
    # Otherwise no apply does anything, or only with consent.
    valid = about.plan.is_valid and not about.suspended.host and plan.name not in about.suspended.guests
    if plan.cause is Cause.UNDONE:
        yield cause_text(plan.cause, about.plan.rolled_back)
    if plan.before is None:
        if plan.after is not None:
            yield f"its device does not exist{'; apply makes it' if valid else ''}"
        elif plan.guest and plan.guest.activation is Activation.ACTIVE:
            yield f"another program has removed its device, which may be so ({_IGNORE_DRIFT})"
    elif plan.guest is None:
        yield f"no manifest names it any more{'; apply removes it' if valid else ''}"
    elif plan.before == plan.after and plan.before != plan.guest.config and plan.guest.ignored:
        yield f"another program has changed it; {listed(plan.guest.ignored)} may differ ({_IGNORE_DRIFT})"
    elif plan.before != plan.after and plan.name not in about.withheld:  # of which that is said
        yield f"its device differs{'; apply changes it' if valid else ''}"


def _hidden(plan: GuestPlan, about: _About) -> list[Hidden]:
    """Why the guest does not see all that its device holds, or before 6.0 all that it is to hold."""
    now, guest = about.now, plan.guest
    if guest and plan.before == plan.after and not about.plan.abilities.over_provision:
        return hidden_because(guest.config.matrix, now) if plan.before and not guest.ignored else []
    if plan.before is None or plan.sees_before is None:
        return []
    stays = plan.before.matrix  # what is to leave the device is not waited for
    if plan.after is not None:
        stays = stays.meet(plan.after.matrix)
    return [] if plan.sees_before.covers(stays) else hidden_because(stays, now)


def _trouble(held: ApConfig | None, cards: Sequence[ObservedCard]) -> list[str]:
    """What is wrong with cards that a guest has."""
    if held is None:
        return []
    return [
        f"adapter {IdSet([card.adapter])} {card.trouble}: every request on it fails"
        for card in cards
        if card.trouble and card.adapter in held.adapters
    ]


def listed(parts: Collection[Ignored]) -> str:
    """The parts of a device for people, in a fixed order."""
    return ", ".join(one.value for one in Ignored if one in parts)


def _foreign(mdev: ObservedMdev, observed: Observed, state: GuestState = GuestState.FOREIGN) -> GuestStatus:
    """A device that no manifest names, called by its uuid."""
    return GuestStatus(
        name=mdev.uuid,
        uuid=mdev.uuid,
        guest=None,
        authorised=mdev.config,
        effective=mdev.effective,
        in_use=mdev.in_use,
        why=(),
        opened_by=mdev.opened_by,
        vm=observed.vms.get(mdev.uuid),
        state=state,
    )


def _unknown(mdev: ObservedMdev, observed: Observed, now: Bindings) -> GuestStatus:
    return _with_reasons(_foreign(mdev, observed, GuestState.UNKNOWN), observed, now)


def _with_reasons(one: GuestStatus, observed: Observed, now: Bindings) -> GuestStatus:
    """`one`, which has a device, with why its guest does not see or cannot use all of that."""
    assert one.authorised is not None
    matrix, sees = one.authorised.matrix, one.effective
    hidden = [] if sees is None or sees.covers(matrix) else hidden_because(matrix, now)
    lacking = control_lacking(one.authorised, now.lpar)
    trouble = _trouble(one.authorised, observed.cards)
    why = dict.fromkeys((*one.why, *(each.text for each in hidden), *lacking, *trouble))
    state = one.state
    if state in (GuestState.UNKNOWN, GuestState.IN_SYNC):  # any other says more than that
        state = _seen_state(hidden, waits=bool(lacking), fails=bool(trouble)) or state
    return one._replace(why=tuple(why), state=state)


def _seen_state(hidden: Sequence[Hidden], *, waits: bool, fails: bool) -> GuestState | None:
    """That of a guest which does not see or cannot use all that its device holds; None where it does."""
    if fails:
        return GuestState.FAILING
    if any(not one.is_pending for one in hidden):
        return GuestState.HIDDEN
    return GuestState.PENDING if hidden or waits else None


def _reported(known: Known, mdev: ObservedMdev | None, observed: Observed, now: Bindings) -> GuestStatus:
    if mdev is None:
        without = GuestStatus(known.name, known.uuid, None, None, None, in_use=False, why=known.why)
        found = without._replace(state=known.state, needs_no_device=known.needs_no_device)
    else:
        found = _with_reasons(
            _foreign(mdev, observed, known.state)._replace(name=known.name, why=known.why), observed, now
        )
    return found._replace(
        wanted=known.wanted,
        suspended=known.suspended,
        reported_labels=known.labels,
        suspension=known.suspension,
    )


def _pending(plan: Plan) -> tuple[tuple[int, tuple[str, ...]], ...]:
    claiming = (one for one in plan.guests if one.guest and one.guest.activation is not Activation.INACTIVE)
    return _by_adapter((one.name, one.guest.config, plan.observed.lpar) for one in claiming if one.guest)


def _by_adapter(claims: Iterable[tuple[str, ApConfig, Lpar]]) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """By adapter that the LPAR lacks, the names of those who have or claim it."""
    waiting: dict[int, list[str]] = {}
    for name, config, lpar in claims:
        for adapter in config.adapters - lpar.adapters:
            waiting.setdefault(adapter, []).append(name)
    return tuple((adapter, tuple(waiting[adapter])) for adapter in sorted(waiting))


def _unheld(observed: Observed) -> tuple[Queue, ...]:
    held: dict[int, int] = {}
    for mdev in observed.mdevs:
        for adapter in mdev.config.adapters:
            held[adapter] = held.get(adapter, 0) | mdev.config.domains.bits
    return tuple(
        one.queue
        for one in observed.queues
        if not observed.pool.has(one.queue) and not held.get(one.queue.adapter, 0) >> one.queue.domain & 1
    )
