"""What a plan does, holder by holder: in words, which text and Markdown share."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from reconciler.kernel.writes import writes_of
from reconciler.model.desired import Activation
from reconciler.model.ids import IdSet
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig, Matrix
from reconciler.model.observed import in_brackets, its_vm
from reconciler.model.steps import FileChange
from reconciler.planning.effect import HARMLESS
from reconciler.planning.host_pool import PoolReason
from reconciler.planning.plan import (
    ALLOW_SUSPENDED,
    Cause,
    GuestPlan,
    Plan,
    RolledBack,
    cause_text,
    effect_text,
    reason_text,
    rollback_text,
)
from reconciler.render.text import counted


class Kind(StrEnum):
    """What becomes of a holder; the value is the style that it is painted in."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    KEPT = "faint"

    @property
    def symbol(self) -> str:
        """One character: ``+``, ``~``, ``-`` or a space."""
        return _SYMBOLS[self]


_MOST_NAMED: Final = 5
_SYMBOLS: Final = {Kind.ADDED: "+", Kind.CHANGED: "~", Kind.REMOVED: "-", Kind.KEPT: " "}


class Change(NamedTuple):
    """One holder: a heading and what is to be said below it."""

    kind: Kind
    heading: str
    lines: tuple[str, ...]


class Counts(NamedTuple):
    """The plan in numbers."""

    created: int
    changed: int
    removed: int
    writes: int
    interrupted: int
    interrupted_by_rollback: int


def counts_of(plan: Plan) -> Counts:
    """How many devices are created, changed and removed, how many kernel writes, how many guests are interrupted."""
    kinds = [kind_of(guest) for guest in plan.guests if guest.changes]
    return Counts(
        created=kinds.count(Kind.ADDED),
        changed=kinds.count(Kind.CHANGED),
        removed=kinds.count(Kind.REMOVED),
        writes=write_total(plan),
        interrupted=sum(guest.disrupted for guest in plan.guests),
        interrupted_by_rollback=sum(bool(guest.rollback_takes) for guest in plan.guests),
    )


def write_total(plan: Plan) -> int:
    """How many writes the kernel gets."""
    if plan.abilities.ap_config:
        return len(plan.steps)
    return sum(len(writes_of(planned.step, plan.abilities)) for planned in plan.steps)


class Summary(NamedTuple):
    """A sentence on what is to do, and how the host stands where that is nothing.

    Attributes:
        text: the sentence.
        still: how the host stands, as the beginning of a sentence; empty where there is something to do.
    """

    text: str
    still: str = ""


def summary_text(plan: Plan, where: str = " above") -> str:
    """The plan in one line; `where` its errors are shown, behind ``the errors``: empty where that is not known."""
    return summary_of(plan, where).text


def summary_of(plan: Plan, where: str = " above") -> Summary:
    """The same with how the host stands."""
    if not plan.is_valid:
        return Summary(f"No plan: fix the errors{where}, then run again.")
    return Summary(_changes_text(plan)) if plan.changes else _nothing(plan)


def _changes_text(plan: Plan) -> str:
    counts = counts_of(plan)
    pool = ["host pool changes"] if plan.pool != plan.observed.pool else []
    parts = [
        f"{count:,} to {verb}"
        for count, verb in ((counts.created, "create"), (counts.changed, "change"), (counts.removed, "remove"))
        if count
    ]
    suspended = _suspended_text(plan)
    if not plan.steps:
        but = f"; {suspended}" if suspended else "; the running host is as the manifests say"
        return f"Plan: {counted(len(plan.files), 'file')} for the next boot{but}{_consents_text(plan)}."
    files = f", {counted(len(plan.files), 'file')} for the next boot" if plan.files else ""
    rollback = f" ({counts.interrupted_by_rollback:,} by rolling back)" if counts.interrupted_by_rollback else ""
    return (
        f"Plan: {', '.join(parts + pool)}; {counted(counts.writes, 'kernel write')}, "
        f"{counted(counts.interrupted, 'guest')} interrupted{rollback}{files}"
        f"{f'; {suspended}' if suspended else ''}{_consents_text(plan)}."
    )


class Waiting(NamedTuple):
    """An apply that waits to be confirmed.

    Attributes:
        text: which one, for how long, and what happens then: a sentence without its end, which begins with no capital.
        steps: the commands that keep it and that roll it back, each with a remark.
    """

    text: str
    steps: tuple[str, ...]

    def beside(self, summary: Summary) -> str:
        """`summary` with what waits: then it is not true that nothing is to do."""
        if summary.still:
            return f"{summary.still}, but {self.text}."
        return f"{summary.text} {self.text[0].upper()}{self.text[1:]}."


def _consents_text(plan: Plan) -> str:
    """How many guests are changed with consent only, for the end of the totals; empty where nothing needs it.

    There is no number where something is about the host, such as the suspension of all of it.
    """
    if not plan.consents:
        return ""
    guests = len({one.uuid for one in plan.consents})
    if not all(one.uuid for one in plan.consents):
        return "; needs consent"
    return f"; {counted(guests, 'guest')} {'needs' if guests == 1 else 'need'} consent"


def _suspended_text(plan: Plan) -> str:
    """Which suspended guests differ and are left as they are, in a plan of the loop; empty where none is."""
    names = sorted(plan.withheld.values())
    if not names:
        return ""
    return f"suspended, and left as {'it is' if len(names) == 1 else 'they are'}: {few_text(names)}"


def few_text(names: Sequence[str]) -> str:
    """The first few of `names`, in one line."""
    return f"{', '.join(names[:_MOST_NAMED])}{', …' if len(names) > _MOST_NAMED else ''}"


def _nothing(plan: Plan) -> Summary:
    if plan.targets is not None:
        verb = "is as its manifest says" if len(plan.targets) == 1 else "are as their manifests say"
        still = f"{few_text(plan.targets)} {verb}"
        return Summary(f"Nothing to do: {still}.", still)
    withheld = sorted(plan.withheld.values())
    if not withheld:
        return nothing_where_the_host_is("as the manifests say")
    still = (
        f"Nothing to do but for {counted(len(withheld), 'suspended guest')}: {few_text(withheld)}; "
        "all else is as the manifests say"
    )
    return Summary(f"{still}.", still)


def nothing_where_the_host_is(as_it_is: str) -> Summary:
    """What to say of a host that is `as_it_is`: ``as the manifests say``."""
    return Summary(f"Nothing to do: the host is {as_it_is}.", f"The host is {as_it_is}")


def file_change(change: FileChange) -> Change:
    """What becomes of one file of another tool."""
    kind, verb = Kind.CHANGED, "is written anew"
    if change.before is None:
        kind, verb = Kind.ADDED, "is written"
    elif change.after is None:
        kind, verb = Kind.REMOVED, "is removed"
    return Change(kind, f"/{change.path}", (f"{change.holder}: {verb}",))


def kind_of(guest: GuestPlan) -> Kind:
    """What becomes of a guest's device."""
    if guest.before is None:
        return Kind.KEPT if guest.after is None else Kind.ADDED
    if guest.after is None:
        return Kind.REMOVED
    return Kind.CHANGED if guest.changes else Kind.KEPT


def pool_change(plan: Plan) -> Change | None:
    """What becomes of the host pool; None where nothing does."""
    heading, old, new = pool_heading(plan), plan.observed.pool, plan.pool
    if heading is None:
        return None
    lines = [
        line
        for noun, was, becomes in (("adapter", old.adapters, new.adapters), ("domain", old.domains, new.domains))
        for line in _mask_lines(noun, was, becomes)
    ]
    return Change(Kind.CHANGED, heading, (*lines, *pool_remarks(plan)))


def pool_heading(plan: Plan) -> str | None:
    """The host pool with the reason why it changes; None where it does not."""
    if plan.observed.pool == plan.pool:
        return None
    if plan.pool_cause is Cause.MANIFEST and plan.pool_reason not in (None, PoolReason.GIVEN):
        return "host pool (follows from the guests)"
    return f"host pool ({cause_text(plan.pool_cause, plan.rolled_back)})" if plan.pool_cause else "host pool"


def pool_remarks(plan: Plan) -> tuple[str, ...]:
    """Why the host pool is what it becomes, where that is known; and whether the host loses all that it has."""
    return (*_pool_reasons(plan), *((_KEEPS_NONE,) if _loses_all(plan) else ()))


_KEEPS_NONE: Final = "the host's own drivers keep no queue"


def _loses_all(plan: Plan) -> bool:
    queues = [one.queue for one in plan.observed.queues]
    return any(map(plan.observed.pool.has, queues)) and not any(map(plan.pool.has, queues))


def _pool_reasons(plan: Plan) -> tuple[str, ...]:
    if not plan.pool_reason:
        return ()
    is_given = plan.pool_reason is PoolReason.GIVEN
    if plan.only is not None and not is_given:
        return ("because all manifests together take the same: an apply of everything gives none of it back",)
    return (plan.pool_reason.value if is_given else f"because {plan.pool_reason.value}",)


def _mask_lines(noun: str, was: IdSet, becomes: IdSet) -> Iterator[str]:
    if lost := was - becomes:
        yield f"- gives up {plural(noun, lost)} {lost}"
    if gained := becomes - was:
        yield f"+ gets back {plural(noun, gained)} {gained}"


def plural(noun: str, ids: IdSet) -> str:
    """The noun that fits the count of `ids`."""
    return noun if len(ids) == 1 else f"{noun}s"


def guest_change(guest: GuestPlan, plan: Plan) -> Change:
    """What becomes of one guest of `plan`."""
    heading = guest_heading(guest, plan.rolled_back)
    return Change(kind_of(guest), heading, (*_gain_lines(guest), *remarks_of(guest, plan)))


def guest_heading(guest: GuestPlan, rolled_back: RolledBack | None = None) -> str:
    """A guest with its device, its VM and the reason why it changes; `rolled_back` is that of its plan."""
    why = reason_text(guest, rolled_back)
    cause = f" ({why})" if why else ""
    device = "" if guest.name == guest.uuid else f"  {guest.uuid}"
    noun = "guest" if guest.guest else "device"
    return f"{noun} {guest.name}{device}{in_brackets(guest.vm)}{cause}"


def _gain_lines(guest: GuestPlan) -> Iterator[str]:
    before, after = guest.before, guest.after
    if before is None and after is not None:
        yield f"+ {config_text(after)}"
    elif before is not None and after is None:
        yield f"- {config_text(before)}"
    elif before is not None and after is not None and before != after:
        yield from _axis_lines(before, after)


_SUSPENDED: Final = f"suspended: changed with {ALLOW_SUSPENDED} only"
"""Marks a guest that is changed although it is suspended; by whom and why is said once for all guests, elsewhere."""


def remarks_of(guest: GuestPlan, plan: Plan) -> Iterator[str]:
    """What there is to say of a guest of `plan` besides what it gets and loses."""
    yield from _guest_remarks(guest)
    if guest.changes and guest.uuid in plan.suspended:
        yield _SUSPENDED


def _guest_remarks(guest: GuestPlan) -> Iterator[str]:
    """What a guest sees, and what happens to its VM."""
    before, after = guest.before, guest.after
    if before and after == EMPTY_CONFIG and before != after:
        yield f"emptied now, removed by a later apply: {its_vm(guest.opened_by)} has the device open"
    if after is not None:
        yield _sees_line(guest)
        yield from guest.because
    elif guest.guest and guest.guest.activation is not Activation.ACTIVE:
        yield _activation_line(guest.guest.activation)
    if guest.in_use and (guest.effect not in HARMLESS or guest.interrupted):
        effect = "loses queues for a while" if guest.interrupted else effect_text(guest)
        yield f"{its_vm(guest.opened_by)} runs and {effect}"
    if guest.rollback_takes:
        yield rollback_text(guest)


def _activation_line(activation: Activation) -> str:
    if activation is Activation.ON_DEMAND:
        return "on-demand: its device is made when the VM starts"
    return "inactive: written down, not claimed"


def _axis_lines(before: ApConfig, after: ApConfig) -> Iterator[str]:
    nouns = ("adapter", "domain", *(("control domain",) if shows_control(before, after) else ()))
    for noun, was, becomes in zip(nouns, before, after, strict=False):
        if lost := was - becomes:
            yield f"- {plural(noun, lost)} {lost}"
        if gained := becomes - was:
            yield f"+ {plural(noun, gained)} {gained}"


def shows_control(before: ApConfig | None, after: ApConfig | None) -> bool:
    """Whether control domains are worth a line: where they were, or become, other than the usage domains."""
    return any(one is not None and one.control_domains != one.domains for one in (before, after))


def config_text(config: ApConfig) -> str:
    """A configuration in one line; control domains only where they differ from the usage domains."""
    text = f"{_named('adapter', config.adapters)}, {_named('domain', config.domains)}"
    if config.control_domains != config.domains:
        text += f", {plural('control domain', config.control_domains)} {config.control_domains}"
    return text


# Guests share adapters and domains: the same few phrases make up the lines of thousands of them.
@lru_cache(maxsize=4096)
def _named(noun: str, ids: IdSet) -> str:
    return f"{plural(noun, ids)} {ids}"


def _sees_line(guest: GuestPlan) -> str:
    after, before = guest.sees_after, guest.sees_before
    assert after is not None
    assert guest.after is not None
    total = guest.after.matrix.size
    if not total:
        return "sees nothing"
    if before is not None and before.size != after.size:
        seen = "1 queue" if after.size == total == 1 else _of_its(after.size, total)
        # Read before the apply and, in the history, long after it: no word of it depends on when.
        return f"sees {seen} instead of {before.size or 'none'}"
    return f"sees {_of_its(after.size, total)}"


def _of_its(seen: int, total: int) -> str:
    """How many of its `total` queues, at least one, a guest sees."""
    if seen == total:
        return f"all {total} queues" if total > 1 else "its queue"
    return f"{seen} of its {counted(total, 'queue')}" if seen else "none of its queues"


def sees_text(matrix: Matrix) -> str:
    """What a guest sees, in one line."""
    if matrix.is_empty:
        return "nothing"
    return (
        f"{plural('adapter', matrix.adapters)} {matrix.adapters} × {plural('domain', matrix.domains)} {matrix.domains}"
    )
