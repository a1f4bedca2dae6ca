"""A `Report` as plain values for JSON, and back: the status file, ``status --watch -o json``, notifications."""

from typing import Any, Final

from reconciler.model.strict_json import (
    chosen,
    field,
    flag,
    listed,
    mapped,
    members,
    nullable,
    seconds,
    text,
    version,
    whole,
)
from reconciler.watch.report import Condition, Counters, GuestReport, Obstacle, Refused, Report, Source, Suspended

FORMAT_VERSION: Final = "1"


def report_record(report: Report) -> dict[str, Any]:
    """`report` as plain values; times are seconds since 1970."""
    return {
        "formatVersion": FORMAT_VERSION,
        "host": report.host,
        "condition": report.condition.value,
        "summary": report.summary,
        "since": report.since,
        "source": _source_record(report.source),
        "generation": report.generation,
        "applies": report.applies,
        "queues": dict(report.queues),
        "differences": list(report.differences),
        "appeared": list(report.appeared),
        "stopped": dict(report.stopped),
        "rolledBack": report.rolled_back,
        "unheard": dict(report.unheard),
        "heals": report.heals,
        "enforces": report.enforces,
        "looked": report.looked,
        "suspended": _suspended_record(report.suspended),
        "turned": report.turned,
        "due": report.due,
        "succeeded": report.succeeded,
        "applySeconds": report.apply_seconds,
        "planSeconds": report.plan_seconds,
        "counters": {
            "turns": report.counters.turns,
            "applies": dict(report.counters.applies),
            "triggers": dict(report.counters.triggers),
            "refused": report.counters.refused,
            "healed": report.counters.healed,
        },
        "guests": [
            {
                "name": one.name,
                "uuid": one.uuid,
                "wanted": one.wanted,
                "authorised": one.authorised,
                "effective": one.effective,
                "why": list(one.why),
                "drifted": one.drifted,
                "suspended": _suspended_record(one.suspended),
            }
            for one in report.guests
        ],
    }


def _source_record(source: Source) -> dict[str, Any]:
    refused = source.refused
    return {
        "location": source.location,
        "commit": source.commit or None,
        "refused": refused
        and {
            "commit": refused.commit or None,
            "reasons": list(refused.reasons),
            "since": refused.since,
            "obstacles": [one.value for one in refused.obstacles],
            "command": refused.command or None,
        },
        "unreachable": source.unreachable or None,
        "paths": list(source.paths),
        "reach": source.reach or None,
    }


def _suspended_record(suspended: Suspended | None) -> dict[str, Any] | None:
    return suspended and {"reason": suspended.reason, "by": suspended.by, "until": suspended.until}


_REPORT: Final = (
    "formatVersion",
    "host",
    "condition",
    "summary",
    "since",
    "source",
    "generation",
    "applies",
    "queues",
    "differences",
    "appeared",
    "suspended",
    "turned",
    "due",
    "succeeded",
    "applySeconds",
    "planSeconds",
    "counters",
    "guests",
)


_LATER: Final = ("stopped", "rolledBack", "unheard", "heals", "enforces", "looked")
"""What versions of the loop before this one did not write."""


def read_report(record: object) -> Report:
    """The report that `report_record` made `record` of.

    Raises:
        BadRecord: it is no such record, or of a version that is not known here.
    """
    found = members(version(record, "formatVersion", FORMAT_VERSION), _REPORT, _LATER)
    return Report(
        host=field(found, "host", text),
        condition=field(found, "condition", chosen(Condition)),
        summary=field(found, "summary", text),
        since=field(found, "since", seconds),
        source=field(found, "source", _read_source),
        generation=field(found, "generation", whole),
        guests=field(found, "guests", listed(_read_guest)),
        queues=field(found, "queues", mapped(whole)),
        differences=field(found, "differences", listed(text)),
        suspended=field(found, "suspended", nullable(_read_suspended)),
        counters=field(found, "counters", _read_counters),
        turned=field(found, "turned", seconds),
        succeeded=field(found, "succeeded", nullable(seconds)),
        apply_seconds=field(found, "applySeconds", nullable(seconds)),
        plan_seconds=field(found, "planSeconds", seconds),
        applies=field(found, "applies", flag),
        due=field(found, "due", nullable(seconds)),
        appeared=field(found, "appeared", listed(text)),
        stopped=field(found, "stopped", mapped(seconds)) if "stopped" in found else {},
        rolled_back=field(found, "rolledBack", nullable(seconds)) if "rolledBack" in found else None,
        unheard=field(found, "unheard", mapped(text)) if "unheard" in found else {},
        heals="heals" in found and field(found, "heals", flag),
        enforces="enforces" not in found or field(found, "enforces", flag),
        looked=field(found, "looked", nullable(seconds)) if "looked" in found else None,
    )


def _read_counters(record: object) -> Counters:
    found = members(record, Counters._fields)
    return Counters(
        turns=field(found, "turns", whole),
        applies=field(found, "applies", mapped(whole)),
        triggers=field(found, "triggers", mapped(whole)),
        refused=field(found, "refused", whole),
        healed=field(found, "healed", whole),
    )


def _read_source(record: object) -> Source:
    found = members(record, ("location", "commit", "refused", "unreachable"), ("paths", "reach"))
    return Source(
        field(found, "location", text),
        field(found, "commit", nullable(text)) or "",
        field(found, "refused", nullable(_read_refused)),
        field(found, "unreachable", nullable(text)) or "",
        field(found, "paths", listed(text)) if "paths" in found else (),
        (field(found, "reach", nullable(text)) or "") if "reach" in found else "",
    )


def _read_refused(record: object) -> Refused:
    found = members(record, ("commit", "reasons", "since"), ("obstacles", "command"))
    commit = field(found, "commit", nullable(text)) or ""
    refused = Refused(commit, field(found, "reasons", listed(text)), field(found, "since", seconds))
    if "obstacles" in found:
        refused = refused._replace(obstacles=field(found, "obstacles", listed(chosen(Obstacle))))
    return refused._replace(command=field(found, "command", nullable(text)) or "") if "command" in found else refused


_GUEST: Final = ("name", "uuid", "wanted", "authorised", "effective", "why", "drifted", "suspended")


def _read_guest(record: object) -> GuestReport:
    found = members(record, _GUEST)
    return GuestReport(
        field(found, "name", text),
        field(found, "uuid", text),
        field(found, "wanted", whole),
        field(found, "authorised", nullable(whole)),
        field(found, "effective", nullable(whole)),
        field(found, "why", listed(text)),
        field(found, "drifted", flag),
        field(found, "suspended", nullable(_read_suspended)),
    )


def _read_suspended(record: object) -> Suspended:
    found = members(record, ("reason", "by", "until"))
    return Suspended(field(found, "reason", text), field(found, "by", text), field(found, "until", nullable(seconds)))
