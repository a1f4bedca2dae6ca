"""What counts as news."""

import pytest

from reconciler.watch.events import Kind, Level, events
from reconciler.watch.report import Condition, Counters, RefusedConfiguration, Report, SourceReport, Suspended
from testing.reports import NOW, guest, report

REFUSED = SourceReport("x", "abc", RefusedConfiguration("def", ("a.yaml:3: overlaps",), NOW))
AWAY = SourceReport("x", unreachable="timeout", unreachable_since=NOW, is_long_unreachable=True)
ANN = Suspended("maintenance", "ann", None)


def kinds(before: Report | None, now: Report) -> list[Kind]:
    """What is told."""
    return [one.kind for one in events(before, now)]


def test_nothing_is_told_where_only_time_has_passed() -> None:
    """A year of quiet is quiet."""
    before = report()
    now = report(
        cycle_ended=NOW + 300, succeeded=NOW + 300, plan_seconds=0.2, counters=before.counters._replace(cycles=99)
    )

    assert events(before, now) == ()


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ({}, {"condition": Condition.DRIFT}, [Kind.CONDITION]),
        ({"source": SourceReport("x", "abc")}, {"source": SourceReport("x", "abd")}, [Kind.COMMIT]),
        ({"source": SourceReport("x", "abc")}, {"source": REFUSED}, [Kind.REFUSED]),
        ({"source": REFUSED}, {"source": SourceReport("x", "abc")}, [Kind.ACCEPTED]),
        ({"source": SourceReport("x")}, {"source": AWAY}, [Kind.UNREACHABLE]),
        ({"source": AWAY}, {"source": SourceReport("x")}, [Kind.REACHABLE]),
        ({"source": SourceReport("x")}, {"source": AWAY._replace(is_long_unreachable=False)}, []),
        ({"source": AWAY._replace(is_long_unreachable=False)}, {"source": SourceReport("x")}, []),
        ({}, {"suspended": ANN}, [Kind.SUSPENDED]),
        ({"suspended": ANN}, {}, [Kind.RESUMED]),
        ({}, {"guests": (guest(suspended=ANN),)}, [Kind.SUSPENDED]),
        ({"guests": (guest(suspended=ANN),)}, {}, [Kind.RESUMED]),
        ({}, {"guests": (guest(drifted=True),)}, [Kind.DRIFT]),
        ({"guests": (guest(drifted=True),)}, {"guests": (guest(drifted=True, why=("more",)),)}, []),
        ({}, {"guests": (guest(effective=2),)}, [Kind.LOST]),
        ({}, {"guests": (guest(authorised=2, effective=2),)}, []),
        ({}, {"appeared": ("payments now has 05.0004",)}, [Kind.APPEARED]),
        ({}, {"counters": Counters(13, {"applied": 3})}, [Kind.APPLIED]),
        ({}, {"counters": Counters(13, {"applied": 2, "rolled back": 1})}, [Kind.ROLLED_BACK]),
        ({}, {"counters": Counters(13, {"applied": 2, "degraded": 1})}, [Kind.DEGRADED]),
        ({}, {"counters": Counters(13, {"applied": 2}, healed=1)}, [Kind.HEALED]),
        ({}, {"counters": Counters(13, {"applied": 2, "nothing to do": 1})}, []),
    ],
)
def test_each_change_is_told(before: dict[str, object], now: dict[str, object], told: list[Kind]) -> None:
    """One change, one event."""
    assert kinds(report(**before), report(**now)) == told


def test_a_refusal_is_told_once_and_again_when_its_reasons_change() -> None:
    """The time of it is no news."""
    refused = REFUSED.refused
    assert refused
    later = REFUSED._replace(refused=refused._replace(since=NOW + 9))
    other = REFUSED._replace(refused=refused._replace(reasons=("unsigned",)))

    assert kinds(report(source=REFUSED), report(source=later)) == []
    assert kinds(report(source=REFUSED), report(source=other)) == [Kind.REFUSED]


def test_the_first_report_tells_how_things_stand() -> None:
    """Whoever reads the log from its beginning knows the state."""
    first = report(condition=Condition.DRIFT, guests=(guest(drifted=True),), source=REFUSED)

    told = events(None, first)

    assert [one.kind for one in told] == [Kind.STARTED, Kind.REFUSED, Kind.APPLIED, Kind.DRIFT]
    assert told[0].level is Level.WARNING


def test_ten_thousand_guests_that_drift_are_one_event() -> None:
    """A storm is not multiplied."""
    guests = [guest(f"g{number}", uuid=str(number), why=("changed",)) for number in range(10_000)]
    drifted = [one._replace(drifted=True) for one in guests]

    (told,) = events(report(guests=tuple(guests)), report(guests=tuple(drifted)))

    assert told.text == "10,000 guests are no longer as applied"
    assert len(told.guests) == len(told.details) == 17
    assert told.details[-1] == "and 9,984 more"
