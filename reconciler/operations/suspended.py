"""What a plan and a status say of suspensions: who has suspended what, what differs, and who has to consent."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from reconciler.model.codec import BadRecord
from reconciler.model.commands import STATUS, resume
from reconciler.model.desired import Desired
from reconciler.model.errors import StateError
from reconciler.model.problems import Problem, Severity, several
from reconciler.planning.plan import ALLOW_SUSPENDED, Consent, Plan
from reconciler.planning.planner import Applied as Inventory
from reconciler.planning.scope import VmEvent
from reconciler.planning.status import NOTHING_SUSPENDED, SuspendedBy
from reconciler.transaction.loop_records import Suspension, Suspensions, read_suspensions, suspended_devices
from reconciler.transaction.open_host import OpenHost

if TYPE_CHECKING:
    from reconciler.operations.plan import PlannedHost


def but_suspended(event: VmEvent, desired: Desired, applied: Inventory, host: "PlannedHost") -> VmEvent:
    """`event`, which leaves suspended guests what they have; no damaged record keeps a VM from its start."""
    try:
        found = host.suspensions_now()
    except BadRecord:
        return event
    return event._replace(suspended=suspended_devices(desired, applied.guests, found))


def with_suspensions(made: Plan, applied: Inventory, host: "PlannedHost") -> Plan:
    """`made`, with what is suspended: the loop leaves it as it is, and whoever applies this plan has to consent."""
    try:
        found = host.suspensions_now()
    except BadRecord as error:
        unknown = Problem("suspended", Severity.WARNING, f"who is suspended is not known: {error}")
        return made._replace(problems=(*made.problems, unknown))
    made = made._replace(suspended=suspended_devices(made.desired, applied.guests, found))
    consents = (*made.consents, *_suspended_changes(made, found))
    return made._replace(problems=(*made.problems, *_suspended(found, made)), consents=consents)


def _suspended_changes(made: Plan, found: Suspensions) -> Iterator[Consent]:
    """A consent for each guest that `made` changes although it is suspended, or one for the host where all of it is."""
    if found.host:
        if made.changes:
            yield Consent("host", f"everything is {_words(found.host)}", ALLOW_SUSPENDED)
        return
    differing = frozenset(made.suspended_names)
    for guest in made.guests:
        if guest.name in differing and (one := found.guests.get(guest.name)):
            yield Consent(guest.name, _words(one), ALLOW_SUSPENDED, guest.uuid)


def suspensions_now(machine: OpenHost, reported: Suspensions | None) -> Suspensions:
    """What is suspended now; as `reported`, where that is given and this user may not read the record."""
    try:
        found = read_suspensions(machine.state)
    except PermissionError:
        if reported is None:
            raise
        found = reported
    return found.at(machine.clock.time())


def suspended_by(machine: OpenHost, reported: Suspensions | None = None) -> SuspendedBy:
    """Who has suspended the host and guests, as far as that can be read, and else as it is `reported`."""
    try:
        found = suspensions_now(machine, reported)
    except (StateError, OSError):  # which the problems of a plan name
        return NOTHING_SUSPENDED
    now = machine.clock.time()
    values = {name: one.seen(now) for name, one in found.guests.items()}
    return SuspendedBy(
        _words(found.host) if found.host else "",
        {name: _words(one) for name, one in found.guests.items()},
        {**values, **({"": found.host.seen(now)} if found.host else {})},
    )


def _words(one: Suspension) -> str:
    return one.seen(0.0).text


_MOST_ALIKE: Final = 5
"""How many guests that are suspended alike a warning names in its first line, and its command resumes."""


def _suspended(found: Suspensions, made: Plan) -> Iterator[Problem]:
    # A rollback changes a guest that may well be as its manifest says.
    differs_text, differ_text = (
        ("; this rollback changes it", "; this rollback changes them")
        if made.rolls_back
        else ("; it is not as its manifest says", "; they are not as their manifests say")
    )
    differing = made.suspended_names
    if found.host:
        yield _suspension("the whole host", found.host, ())
    alike: dict[tuple[Suspension, bool], list[str]] = {}
    for name, one in sorted(found.guests.items()):
        alike.setdefault((one, name in differing), []).append(name)
    for (one, differs), names in alike.items():
        if len(names) > _MOST_ALIKE:
            problem = _suspension(f"{len(names):,} guests", one, (), differ_text if differs else "", many=True)
            yield problem._replace(details=(several(names, _MOST_ALIKE),), advice=STATUS)
        elif len(names) > 1:
            quoted = ", ".join(f"'{name}'" for name in names)
            yield _suspension(f"guests {quoted}", one, tuple(names), differ_text if differs else "", many=True)
        else:
            yield _suspension(f"guest '{names[0]}'", one, tuple(names), differs_text if differs else "")


def _suspension(
    whose: str, one: Suspension, names: tuple[str, ...], difference: str = "", *, many: bool = False
) -> Problem:
    are, left, them = ("are", "them as they are", "them") if many else ("is", "it as it is", "it")
    return Problem(
        "suspended",
        Severity.WARNING,
        f"{whose} {are} suspended by {one.by} {one.until_text}: {one.reason}{difference}",
        help=f"The loop leaves {left}; an apply changes {them} only with --allow-suspended. "
        "Once the reason is gone, end the suspension.",
        advice=resume(names),
    )
