"""What is published, as JSON for programs: ``/api/status``, ``/api/plan`` and ``/api/history`` (schemas/api-*.json)."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.model.ids import IdSet
from reconciler.model.printable import decodable
from reconciler.picture.cells import Picture, Row
from reconciler.render.history_list import suspension_record
from reconciler.render.text import iso_time
from reconciler.serve.snapshot import Snapshot
from reconciler.watch.host_view import EventView, GenerationView, GuestView, PlanView
from reconciler.watch.published import LoopStatus
from reconciler.watch.report import GuestReport, Report, SourceReport, Suspended

VERSION = {"formatVersion": 1}


def status_record(snapshot: Snapshot) -> dict[str, Any]:
    """How loop and host are, and who has which queue, as plain values."""
    host, events = snapshot.host, snapshot.events
    report = snapshot.published.report
    guests = host.guests if host else {}
    return {
        **VERSION,
        "id": snapshot.id,
        "loop": _loop(snapshot),
        "troubles": list(snapshot.troubles),
        "status": None if report is None else _report(report, guests),
        "matrix": None if host is None or host.picture is None else _matrix(host.picture),
        "events": [_event(one) for one in events.events] if events else [],
    }


def plan_answer(snapshot: Snapshot) -> dict[str, Any]:
    """What would have to be done, as plain values."""
    host = snapshot.host
    plan = host.plan if host else None
    return {
        **VERSION,
        "id": snapshot.id,
        "troubles": list(snapshot.troubles),
        "plan": None if plan is None else _plan(plan),
    }


def history_answer(snapshot: Snapshot) -> dict[str, Any]:
    """The last generations, as plain values."""
    history = snapshot.history
    return {
        **VERSION,
        "id": snapshot.id,
        "troubles": list(snapshot.troubles),
        "generations": [_generation(one) for one in history.generations] if history else [],
        "earlier": history.earlier if history else 0,
        "suspensions": [suspension_record(one) for one in reversed(history.suspensions)] if history else [],
    }


def json_text(record: object) -> str:
    r"""`record` as JSON in ASCII, in one line, that every program can read.

    A byte that is not UTF-8 is shown as an escape within its string, and CI systems find none of their commands in it.
    """
    text = json.dumps(record)
    if "\\ud" in text:  # half of a surrogate pair, or a whole one
        text = json.dumps(decodable(record))
    return text.replace("##", "#\\u0023")


def _loop(snapshot: Snapshot) -> dict[str, Any]:
    loop = snapshot.published.loop
    ended = loop.ended if loop else None
    return {
        "alive": snapshot.health.good,
        "text": snapshot.health.text,
        "locked": snapshot.published.is_locked,
        "process": loop.process if loop else None,
        "cycles": loop.cycles if loop else None,
        "secondsSinceCycle": snapshot.age if snapshot.age is None else round(snapshot.age, 1),
        "planning": _planning(loop),
        "ended": ended and {"time": iso_time(ended.moment), "exitCode": ended.exit_code, "reason": ended.reason},
    }


def _planning(loop: LoopStatus | None) -> bool:
    return loop is not None and loop.planning_since is not None


def _report(report: Report, guests: Mapping[str, GuestView]) -> dict[str, Any]:
    return {
        "host": report.host,
        "condition": report.condition.value,
        "summary": report.summary,
        "since": iso_time(report.since),
        "cycleEnded": iso_time(report.cycle_ended),
        "looked": _time(report.looked),
        "succeeded": _time(report.succeeded),
        "rolledBack": _time(report.rolled_back),
        "applies": report.applies,
        "heals": report.heals,
        "enforces": report.enforces,
        "mode": report.mode.value if report.mode else None,
        "changeMode": report.change_mode or None,
        "generation": report.generation or None,
        "source": _source(report.source),
        "suspended": _suspended(report.suspended),
        "queues": dict(report.queues),
        "differences": list(report.differences),
        "stopped": {name: iso_time(until) for name, until in report.stopped.items()},
        "guests": [_guest(one, guests.get(one.uuid)) for one in report.guests],
        "guestsLeftOut": report.guests_left_out,
    }


def _time(moment: float | None) -> str | None:
    return None if moment is None else iso_time(moment)


def _source(source: SourceReport) -> dict[str, Any]:
    refused = source.refused
    return {
        "location": source.location,
        "commit": source.commit or None,
        "subject": source.subject or None,
        "author": source.author or None,
        "unreachable": source.unreachable or None,
        "refused": refused
        and {
            "commit": refused.commit or None,
            "subject": source.refused_subject or None,
            "author": source.refused_author or None,
            "since": iso_time(refused.since),
            "reasons": list(refused.reasons),
        },
    }


def _suspended(one: Suspended | None) -> dict[str, Any] | None:
    return one and {"reason": one.reason, "by": one.by, "until": _time(one.until)}


def _guest(one: GuestReport, view: GuestView | None) -> dict[str, Any]:
    return {
        "name": one.name,
        "uuid": one.uuid,
        "labels": dict(view.labels) if view else {},
        "activation": (view.activation or None) if view else None,
        "wanted": one.wanted,
        "authorised": one.authorised,
        "effective": one.effective,
        "why": list(one.why),
        "drifted": one.drifted,
        "suspended": _suspended(one.suspended),
    }


def _matrix(picture: Picture) -> dict[str, Any]:
    return {
        "present": picture.present,
        "counts": dict(picture.counts),
        "holders": [
            {"name": one.name, "uuid": one.uuid, "initials": one.initials, "kind": one.kind} for one in picture.holders
        ],
        "rows": [_row(picture, row) for row in picture.rows],
    }


def _row(picture: Picture, row: Row) -> dict[str, Any]:
    return {
        "adapters": [row.band.first, row.band.last],
        "card": row.card._asdict() if row.card.type else None,
        "cells": [
            {
                "domains": _ranges(picture.domains_of(run)),
                "state": run.shown.state.value,
                "holder": None if run.shown.holder is None else picture.holders[run.shown.holder].name,
                "others": [picture.holders[one].name for one in run.shown.others],
                "ofHost": run.shown.of_host,
                "present": run.shown.is_there,
                "changes": run.shown.changes,
            }
            for run in row.runs
        ],
    }


def _ranges(domains: IdSet) -> list[list[int]]:
    return [[first, last] for first, last in domains.ranges()]


def _event(one: EventView) -> dict[str, Any]:
    return {
        "time": iso_time(one.moment),
        "kind": one.kind.value,
        "level": one.level.value,
        "text": one.text,
        "guests": list(one.guests),
        "details": list(one.details),
    }


def _plan(plan: PlanView) -> dict[str, Any]:
    return {
        "summary": plan.summary,
        "valid": plan.is_valid,
        "create": plan.created,
        "change": plan.changed,
        "remove": plan.removed,
        "kernelWrites": plan.writes,
        "guestsInterrupted": plan.interrupted,
        "consents": _dicts(plan.consents),
        "problems": _dicts(plan.problems),
        "suspended": list(plan.suspended),
        "diff": plan.diff,
        "cut": plan.is_cut,
    }


def _dicts(values: Iterable[Any]) -> list[dict[str, Any]]:
    return [one._asdict() for one in values]


def _generation(one: GenerationView) -> dict[str, Any]:
    return {
        "number": one.number,
        "id": one.id or None,
        "started": iso_time(one.started),
        "ended": _time(one.ended),
        "by": one.by,
        "what": one.what,
        "extent": one.extent,
        "commit": one.commit or None,
        "subject": one.subject or None,
        "author": one.author or None,
        "rollbackTo": one.again or None,
        "undone": one.undone or None,
        "result": one.result,
        "failure": one.failure or None,
        "summary": one.summary,
        "diff": one.diff,
        "cut": one.is_cut,
    }
