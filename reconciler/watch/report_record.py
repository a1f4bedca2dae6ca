"""A `Report` as plain values for JSON, and back: the status file, ``status --watch --format json``, notifications."""

from collections.abc import Mapping
from typing import Any, Final

from reconciler.transaction.records import BadRecord
from reconciler.watch.report import Condition, Counters, GuestReport, Refused, Report, Source, Suspended

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
        and {"commit": refused.commit or None, "reasons": list(refused.reasons), "since": refused.since},
        "unreachable": source.unreachable or None,
        "paths": list(source.paths),
    }


def _suspended_record(suspended: Suspended | None) -> dict[str, Any] | None:
    return suspended and {"reason": suspended.reason, "by": suspended.by, "until": suspended.until}


def read_report(record: Any) -> Report:
    """The report that `report_record` made `record` of.

    Raises:
        BadRecord: it is no such record, or of a version that is not known here.
    """
    try:
        if record["formatVersion"] != FORMAT_VERSION:
            raise BadRecord(f"format version {record['formatVersion']!r} is not known here")
        counters = record["counters"]
        return Report(
            host=str(record["host"]),
            condition=Condition(record["condition"]),
            summary=str(record["summary"]),
            since=float(record["since"]),
            source=_read_source(record["source"]),
            generation=int(record["generation"]),
            guests=tuple(_read_guest(one) for one in record["guests"]),
            queues=_read_counts(record["queues"]),
            differences=_read_sentences(record["differences"]),
            suspended=_read_suspended(record["suspended"]),
            counters=Counters(
                turns=int(counters["turns"]),
                applies=_read_counts(counters["applies"]),
                triggers=_read_counts(counters["triggers"]),
                refused=int(counters["refused"]),
                healed=int(counters["healed"]),
            ),
            turned=float(record["turned"]),
            succeeded=_number(record["succeeded"]),
            apply_seconds=_number(record["applySeconds"]),
            plan_seconds=float(record["planSeconds"]),
            applies=bool(record["applies"]),
            due=_number(record["due"]),
            appeared=_read_sentences(record["appeared"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise BadRecord(f"not a report of the loop: {error!r}") from error


def _read_source(record: Mapping[str, Any]) -> Source:
    refused = record["refused"]
    return Source(
        str(record["location"]),
        str(record["commit"] or ""),
        refused and Refused(str(refused["commit"] or ""), _read_sentences(refused["reasons"]), float(refused["since"])),
        str(record["unreachable"] or ""),
        _read_sentences(record.get("paths", [])),
    )


def _read_guest(record: Mapping[str, Any]) -> GuestReport:
    authorised, effective = record["authorised"], record["effective"]
    return GuestReport(
        str(record["name"]),
        str(record["uuid"]),
        int(record["wanted"]),
        None if authorised is None else int(authorised),
        None if effective is None else int(effective),
        _read_sentences(record["why"]),
        bool(record["drifted"]),
        _read_suspended(record["suspended"]),
    )


def _read_suspended(record: Mapping[str, Any] | None) -> Suspended | None:
    if record is None:
        return None
    return Suspended(str(record["reason"]), str(record["by"]), _number(record["until"]))


def _read_sentences(record: list[Any]) -> tuple[str, ...]:
    if not isinstance(record, list):
        raise TypeError("a list is expected")
    return tuple(map(str, record))


def _read_counts(record: Mapping[str, Any]) -> dict[str, int]:
    return {str(name): int(count) for name, count in record.items()}


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
