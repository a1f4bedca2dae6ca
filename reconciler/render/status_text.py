"""Status and drift for people and, as JSON, for programs, and what the host boots into."""

from collections.abc import Iterator
from typing import Any, Final

from reconciler.model.commands import DRIFT, NOWHERE, Here
from reconciler.model.desired import Persistence
from reconciler.model.ids import IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.observed import ObservedCard, Process, in_brackets
from reconciler.model.printable import lines_text
from reconciler.planning.plan import Plan
from reconciler.planning.status import GuestStatus, Status
from reconciler.render.changes import config_text, few_text, guest_change, plural, pool_change, sees_text, summary_text
from reconciler.render.diagnostics import problem_record
from reconciler.render.plan_json import config_record, file_record, json_text, matrix_record, process_record, vm_record
from reconciler.render.plan_text import file_lines, heading_text
from reconciler.render.text import Paint, counted, plain

_KEPT: Final = {
    Persistence.NONE: "nothing of this is kept (spec.persistence: none)",
    Persistence.SERVICE: "the boot unit applies what was applied last (spec.persistence: service)",
    Persistence.MDEVCTL: "as applied, by 41-ap.rules and mdevctl's definitions (spec.persistence: mdevctl)",
}


def at_boot_text(plan: Plan, here: Here) -> str:
    """What the host boots into, in one line; `here` is where the command that says more is run."""
    if not plan.files:
        return _KEPT[plan.desired.host.persistence]
    verb = "is" if len(plan.files) == 1 else "are"
    return f"something else: {counted(len(plan.files), 'file')} {verb} not as planned: {here.line(DRIFT)}"


def at_boot_record(plan: Plan) -> dict[str, Any]:
    """The same as plain values for JSON."""
    return {
        "persistence": plan.desired.host.persistence.value,
        "inSync": not plan.files,
        "files": [file_record(one) for one in plan.files],
    }


_MOST_IDLE = 16


def status_text(status: Status, paint: Paint = plain, here: Here = NOWHERE) -> str:
    """The whole status as text; `here` is where the commands that it leads to are run."""
    lines = [paint("bold", heading_text(status.plan)), "", f"  host pool   {pool_text(status.plan.observed.pool)}"]
    lines += [f"  idle        {_idle_text(status)}"]
    lines += [f"  at boot     {at_boot_text(status.plan, here)}"]
    lines += [paint("warning", f"  card        {line}") for line in map(_card_text, status.plan.observed.cards) if line]
    lines += [""]
    for guest in status.guests:
        lines += [*_guest_lines(guest, paint), ""]
    for adapter, names in status.pending:
        lines.append(f"  pending     adapter {IdSet([adapter])}, authorised in advance for {', '.join(names)}")
    for mdev in status.foreign:
        use = f"; {_use_text(mdev.opened_by)}" if mdev.in_use else ""
        vm = in_brackets(status.plan.observed.vms.get(mdev.uuid))
        lines.append(f"  foreign     {mdev.uuid}{vm}: {config_text(mdev.config)}{use}")
    if status.pending or status.foreign:
        lines.append("")
    lines.append(paint("bold", summary_text(status.plan)))
    return lines_text(lines)


def pool_text(pool: Matrix) -> str:
    """The host pool in one line: what the masks leave out, which is the shorter thing to say."""
    if pool.is_empty:
        return "empty: the host's drivers have no queue"
    given = [
        f"{plural(noun, ids)} {ids}" for noun, ids in (("adapter", ~pool.adapters), ("domain", ~pool.domains)) if ids
    ]
    return f"everything but {' and '.join(given)}" if given else "everything"


def _idle_text(status: Status) -> str:
    if not status.idle:
        return "none"
    names = ", ".join(map(str, status.idle[:_MOST_IDLE]))
    more = f" and {len(status.idle) - _MOST_IDLE} more" if len(status.idle) > _MOST_IDLE else ""
    return f"{counted(len(status.idle), 'queue')} that no guest and no host driver can use: {names}{more}"


def _card_text(card: ObservedCard) -> str:
    """What is wrong with a card; empty where nothing is."""
    offline = "" if card.online else "is offline: the host's drivers do not use it"
    trouble = " and ".join(filter(None, [card.trouble, offline]))
    return f"adapter {IdSet([card.adapter])} {trouble}" if trouble else ""


def _use_text(process: Process | None) -> str:
    return f"in use by {process}" if process else "in use"


def _guest_lines(guest: GuestStatus, paint: Paint) -> Iterator[str]:
    words = [guest.guest.activation.value if guest.guest else "to be removed"]
    words += [str(guest.vm)] if guest.vm else []
    words += [_use_text(guest.opened_by)] if guest.in_use else []
    yield f"  {paint('bold', guest.name)}  {guest.uuid}  ({', '.join(words)})"
    yield f"    wanted      {config_text(guest.guest.config) if guest.guest else 'nothing'}"
    yield f"    authorised  {config_text(guest.authorised) if guest.authorised else 'no device'}"
    if guest.effective is not None:
        yield f"    effective   {sees_text(guest.effective)}"
    yield from (f"    why         {reason}" for reason in guest.why)


def status_json(status: Status) -> str:
    """The whole status as JSON text, ended by a newline."""
    record = {
        "formatVersion": "1",
        "host": status.plan.desired.host.name,
        "inSync": status.plan.in_sync,
        "pool": matrix_record(status.plan.observed.pool),
        "guests": [
            {
                "name": guest.name,
                "uuid": guest.uuid,
                "activation": guest.guest.activation.value if guest.guest else None,
                "wanted": config_record(guest.guest.config) if guest.guest else None,
                "authorised": config_record(guest.authorised),
                "effective": matrix_record(guest.effective),
                "inUse": guest.in_use,
                "openedBy": process_record(guest.opened_by),
                **vm_record(guest.vm),
                "why": list(guest.why),
            }
            for guest in status.guests
        ],
        "pending": [{"adapter": adapter, "guests": list(names)} for adapter, names in status.pending],
        "cards": [
            {
                "adapter": card.adapter,
                "configured": card.configured,
                "checkstopped": card.checkstopped,
                "online": card.online,
            }
            for card in status.plan.observed.cards
        ],
        "idle": [str(queue) for queue in status.idle],
        "foreign": [
            {
                "uuid": mdev.uuid,
                "authorised": config_record(mdev.config),
                "inUse": mdev.in_use,
                "openedBy": process_record(mdev.opened_by),
                **vm_record(status.plan.observed.vms.get(mdev.uuid)),
            }
            for mdev in status.foreign
        ],
        "atBoot": at_boot_record(status.plan),
        "problems": [problem_record(problem) for problem in status.plan.problems],
    }
    return json_text(record)


def drift_text(plan: Plan, paint: Paint = plain) -> str:
    """Every difference as text, the count last."""
    lines = [paint("bold", heading_text(plan)), ""]
    found = [pool_change(plan), *(guest_change(guest) for guest in plan.guests if guest.changes)]
    changes = [change for change in found if change]
    for change in changes:
        lines.append(f"  {paint(change.kind, change.kind.symbol)} {paint('bold', change.heading)}")
        lines += [*(f"      {line}" for line in change.lines), ""]
    if plan.is_valid and changes:
        verb = "differs" if len(changes) == 1 else "differ"
        lines += file_lines(plan, paint)
        names = plan.suspended_names
        suspended = f" Suspended: {few_text(names)}." if names else ""
        lines.append(paint("bold", f"Drift: {counted(len(changes), 'holder')} {verb} from the manifests.{suspended}"))
    elif plan.is_valid and plan.files:
        lines += file_lines(plan, paint)
        lines.append(paint("bold", "Drift: the host would boot into something else; the running host is in sync."))
    else:
        lines.append(paint("bold", summary_text(plan) if not plan.is_valid else "In sync."))
    return lines_text(lines)


def drift_json(plan: Plan) -> str:
    """Every difference as JSON text, ended by a newline."""
    record = {
        "formatVersion": "1",
        "host": plan.desired.host.name,
        "inSync": plan.in_sync,
        "pool": None
        if plan.pool == plan.observed.pool
        else {
            "live": matrix_record(plan.observed.pool),
            "wanted": matrix_record(plan.pool),
            "cause": plan.pool_cause.value if plan.pool_cause else None,
        },
        "guests": [
            {
                "name": guest.name,
                "uuid": guest.uuid,
                "live": config_record(guest.before),
                "wanted": config_record(guest.after),
                "cause": guest.cause.value if guest.cause else None,
                "suspended": guest.uuid in plan.suspended,
            }
            for guest in plan.guests
            if guest.changes
        ],
        "atBoot": at_boot_record(plan),
        "problems": [problem_record(problem) for problem in plan.problems],
    }
    return json_text(record)
