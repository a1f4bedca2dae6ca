"""The status for programs: as JSON, and the same as YAML."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from reconciler.model.observed import Observed
from reconciler.planning.pending import pending_hardware
from reconciler.planning.queue_status import QueueStatus
from reconciler.planning.status import ComparedWith, GuestStatus, Labels, Source, Status
from reconciler.render.diagnostics import problem_record
from reconciler.render.drift import at_boot_record
from reconciler.render.plan_json import (
    config_record,
    json_text,
    matrix_record,
    process_record,
    rolled_back_record,
    vm_record,
)
from reconciler.render.queues_text import queue_text
from reconciler.render.status_text import card_trouble, card_type, manifest_of, misread_texts


def compared_record(compared: ComparedWith) -> dict[str, Any]:
    """What a host is compared with, as plain values."""
    return {
        "source": compared.source.value,
        "text": compared.text,
        "generation": compared.generation or None,
        "commit": compared.commit or None,
        "because": list(compared.because),
    }


class Selection(NamedTuple):
    """What a part of a status was asked for with: words for guests, queues and cards, labels, and the queues named."""

    words: tuple[str, ...]
    labels: Labels
    queues: Sequence[QueueStatus] = ()


def status_record(
    status: Status,
    rows: Sequence[GuestStatus] | None = None,
    loop: dict[str, Any] | None = None,
    unseen: Sequence[str] = (),
    selection: Selection | None = None,
) -> dict[str, Any]:
    """The whole status as plain values.

    Args:
        status: what is shown.
        rows: the guests and devices that were asked for; left out, all of them.
        loop: how the loop is, as plain values; None where none is known.
        unseen: what could not be seen, and why, a sentence each.
        selection: what was asked for; None where that is all of it.
    """
    queues = selection.queues if selection else ()
    wanted = None if rows is None else {one.uuid for one in rows}
    plan = status.plan
    return {
        "formatVersion": 1,
        "host": status.host,
        "comparedWith": compared_record(status.compared),
        # The answer comes before the numbers of the host, which may be hundreds of lines.
        **({"queues": [queue_record(one) for one in queues]} if queues else {}),
        "unseen": list(unseen),
        "loop": loop,
        "inSync": plan.in_sync if plan else None,
        "rolledBack": rolled_back_record(plan),
        "suspended": status.suspended or None,
        "pool": matrix_record(status.observed.pool),
        "selection": selection
        and {"words": list(selection.words), "labels": dict(selection.labels), "total": len(status.rows)},
        "guests": [
            _guest(one, status.compared.source) for one in status.guests if wanted is None or one.uuid in wanted
        ],
        "pending": [{"adapter": adapter, "guests": list(names)} for adapter, names in status.pending],
        "pendingHardware": [
            {
                "kind": kind,
                "ids": list(one.ids),
                "authorisedFor": list(one.authorised),
                "claimedBy": list(one.claimed),
            }
            for kind, found in pending_hardware(status).items()
            for one in found
        ],
        "cards": [
            {
                "adapter": card.adapter,
                "type": card_type(card),
                "mode": _mode(status.observed, card.adapter),
                "configured": card.configured,
                "checkstopped": card.checkstopped,
                "online": card.online,
            }
            for card in status.observed.cards
        ],
        "free": [str(queue) for queue in status.free],
        "claimed": [{"queue": str(queue), "claimedBy": list(names)} for queue, names in status.claims().items()],
        "foreign": [
            {
                "uuid": mdev.uuid,
                "authorised": config_record(mdev.config),
                "inUse": mdev.in_use,
                "openedBy": process_record(mdev.opened_by),
                **vm_record(status.observed.vms.get(mdev.uuid)),
            }
            for mdev in status.foreign
            if wanted is None or mdev.uuid in wanted
        ],
        "atBoot": at_boot_record(plan) if plan else None,
        "problems": [problem_record(problem) for problem in plan.problems] if plan else [],
        "notes": misread_texts(status, rows),
    }


def _guest(one: GuestStatus, source: Source) -> dict[str, Any]:
    return {
        "name": one.name,
        "uuid": one.uuid,
        "state": one.state.value,
        "labels": dict(one.labels or ()),
        "manifest": manifest_of(one, source) or None,
        "suspended": one.suspended or None,
        "activation": one.guest.activation.value if one.guest else None,
        "wanted": config_record(one.guest.config) if one.guest else None,
        "wantedQueues": one.wanted,
        "authorised": config_record(one.authorised),
        "effective": matrix_record(one.effective),
        "inUse": one.in_use,
        "openedBy": process_record(one.opened_by),
        **vm_record(one.vm),
        "why": list(one.why),
    }


def _mode(observed: Observed, adapter: int) -> str | None:
    mode = observed.mode_of(adapter)
    return mode.value if mode else None


def queue_record(one: QueueStatus) -> dict[str, Any]:
    """Who has a queue, as plain values."""
    return {
        "queue": str(one.queue),
        "present": not one.missing,
        "missing": one.missing or None,
        "heldBy": list(one.held),
        "claimedBy": list(one.claimed),
        "suspended": list(one.suspended),
        "inPool": one.in_pool,
        "inDecimal": str(one.in_decimal) if one.in_decimal else None,
        "text": queue_text(one),
    }


def free_record(status: Status, queues: Sequence[QueueStatus] = ()) -> dict[str, Any]:
    """All free queues, and all that are claimed and that nothing has, as plain values; of `queues` who has them."""
    cards, claims = {card.adapter: card for card in status.observed.cards}, status.claims()
    records = {
        queue: {
            "queue": str(queue),
            "adapter": queue.adapter,
            "domain": queue.domain,
            "trouble": (card_trouble(cards[queue.adapter]) if queue.adapter in cards else "") or None,
        }
        for queue in status.unheld
    }
    return {
        "formatVersion": 1,
        "host": status.host,
        "comparedWith": compared_record(status.compared),
        **({"queues": [queue_record(one) for one in queues]} if queues else {}),
        "free": [records[queue] for queue in status.free],
        "claimed": [{**records[queue], "claimedBy": list(names)} for queue, names in claims.items()],
    }


def yaml_text(record: dict[str, Any]) -> str:
    """`record` as YAML text in ASCII, ended by a newline."""
    import json

    import yaml

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        """Writes ids on one line."""

    def listed(dumper: Dumper, values: list[Any]) -> Any:
        are_ids = all(isinstance(one, int) for one in values)
        return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=are_ids)

    Dumper.add_representer(list, listed)
    # By way of JSON, so that both say the same.
    return str(yaml.dump(json.loads(json_text(record)), Dumper=Dumper, sort_keys=False, default_flow_style=False))
