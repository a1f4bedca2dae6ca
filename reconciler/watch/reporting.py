"""What a plan says of a host, as the loop reports it."""

from collections.abc import Mapping
from typing import Final

from reconciler.planning.plan import Cause, Plan
from reconciler.planning.status import WITHHELD, status_of
from reconciler.render.changes import Change, file_change, guest_change, pool_change
from reconciler.transaction.suspensions import Suspension, Suspensions
from reconciler.watch.report import GuestReport, Suspended

MOST_DIFFERENCES: Final = 50


def guest_reports(plan: Plan, suspensions: Suspensions) -> tuple[GuestReport, ...]:
    """Suspended guests that no manifest names any more, then every guest of `plan`, in its order."""
    wanted = {guest.uuid: guest.config.matrix.size for guest in plan.desired.guests}
    statuses = {one.uuid: one.why for one in status_of(plan).guests}
    going = tuple(
        _unnamed(uuid, name, plan, suspensions) for uuid, name in plan.withheld.items() if uuid not in statuses
    )
    return going + tuple(
        GuestReport(
            name=one.name,
            uuid=one.uuid,
            wanted=wanted.get(one.uuid, 0),
            authorised=None if one.before is None else one.before.matrix.size,
            effective=None if one.sees_before is None else one.sees_before.size,
            why=statuses[one.uuid],
            drifted=one.changes and one.cause is Cause.CORRECTIVE,
            suspended=suspended(suspensions.guests.get(one.name)),
        )
        for one in plan.guests
    )


def _unnamed(uuid: str, name: str, plan: Plan, suspensions: Suspensions) -> GuestReport:
    """A suspended guest that no manifest names any more, and whose device is there still."""
    found = {one.uuid: one for one in plan.observed.mdevs}[uuid]
    return GuestReport(
        name=name,
        uuid=uuid,
        wanted=0,
        authorised=found.config.matrix.size,
        effective=None if found.effective is None else found.effective.size,
        why=(WITHHELD,),
        drifted=False,
        suspended=suspended(suspensions.guests.get(name)),
    )


def queue_counts(plan: Plan) -> Mapping[str, int]:
    """How many queues there are by state; see `reconciler.watch.report.Report`."""
    effective = sum(one.sees_before.size for one in plan.guests if one.sees_before)
    authorised = sum(one.before.matrix.size for one in plan.guests if one.before)
    return {
        "host": sum(plan.observed.pool.has(one.queue) for one in plan.observed.queues),
        "effective": effective,
        "pending": authorised - effective,
        "idle": len(status_of(plan).idle),
    }


def differences(plan: Plan) -> tuple[str, ...]:
    """What is not as it should be, a sentence each, at most some."""
    changing = [guest for guest in plan.guests if guest.changes]
    pool = pool_change(plan)
    told = [_sentence(pool)] if pool else []
    told += [_sentence(guest_change(one)) for one in changing[:MOST_DIFFERENCES]]
    told += [f"{change.heading}: {change.lines[0]}" for change in map(file_change, plan.files[:MOST_DIFFERENCES])]
    more = len(changing) + len(plan.files) - 2 * MOST_DIFFERENCES
    return (*told, f"and {more} more") if more > 0 else tuple(told)


def suspended(one: Suspension | None) -> Suspended | None:
    """A suspension as it is reported."""
    return Suspended(*one) if one else None


def _sentence(change: Change) -> str:
    return f"{change.heading}: {'; '.join(change.lines)}"
