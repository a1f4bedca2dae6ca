"""The status for people and, as JSON, for programs."""

from collections.abc import Iterator

from reconciler.model.commands import NOWHERE, Here
from reconciler.model.ids import IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.observed import ObservedCard, Process, in_brackets
from reconciler.model.printable import lines_text
from reconciler.planning.status import GuestStatus, Status
from reconciler.render.at_boot_text import at_boot_record, at_boot_text
from reconciler.render.changes import config_text, plural, sees_text, summary_text
from reconciler.render.diagnostics import counted, problem_record
from reconciler.render.paint import Paint, plain
from reconciler.render.plan_json import config_record, json_text, matrix_record, process_record, vm_record
from reconciler.render.plan_text import heading_text

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
    return f"{counted(len(status.idle), 'queue')} that nobody can use: {names}{more}"


def _card_text(card: ObservedCard) -> str:
    """What is wrong with a card; empty where nothing is."""
    offline = "" if card.online else "is offline: the host's drivers do not use it"
    told = " and ".join(filter(None, [card.trouble, offline]))
    return f"adapter {IdSet([card.adapter])} {told}" if told else ""


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
