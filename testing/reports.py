"""Reports of the loop, for tests."""

from typing import Any

from reconciler.watch.report import Condition, Counters, GuestReport, Report, SourceReport

NOW = 1_800_000_000.0


def guest(name: str = "payments", **changes: Any) -> GuestReport:
    """A guest that has what it shall have."""
    made = GuestReport(name, "62177883-f1bb-47f0-914d-32a22e3a8804", wanted=4, authorised=4, effective=4)
    return made._replace(**changes)


def report(**changes: Any) -> Report:
    """A report of a host in sync that was looked at, with `changes`."""
    changes.setdefault("looked", changes.get("cycle_ended", NOW))
    made = Report(
        host="lpar7",
        condition=Condition.IN_SYNC,
        summary="Nothing to do: the host is as the manifests say.",
        since=NOW - 3600,
        source=SourceReport("https://git.example/ap main", "0123456789abcdef0123456789abcdef01234567"),
        generation=7,
        guests=(guest(), guest("web", uuid="0a1b9f1c-7f0e-5f8f-9d55-1d1f2a6d1c11")),
        queues={"host": 8, "effective": 8, "pending": 0, "free": 0},
        differences=(),
        suspended=None,
        counters=Counters(cycles=12, applies={"applied": 2}, triggers={"start": 1, "resync": 11}),
        cycle_ended=NOW,
        succeeded=NOW,
        apply_seconds=0.25,
        plan_seconds=0.01,
        applies=True,
    )
    return made._replace(**changes)
