"""The status file of the loop."""

import json
from pathlib import Path

import pytest

from reconciler.model.codec import BadRecord
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.report import Condition, Counters, RefusedConfiguration, Report, SourceReport, Suspended
from reconciler.watch.status_file import FILE, Kept, StatusFile, read_kept
from testing.reports import NOW, guest, report

FULL = report(
    condition=Condition.DRIFT,
    source=SourceReport("x", "abc", RefusedConfiguration("def", ("bad", "worse"), NOW), "timeout"),
    guests=(guest(authorised=None, effective=None, why=("no device",), suspended=Suspended("x", "ann", NOW)),),
    suspended=Suspended("y", "bob", None),
    differences=("apmask",),
    counters=Counters(3, {"applied": 1}, {"git": 2}, 4, 5),
    due=NOW + 300,
    appeared=("payments now has 05.0004",),
)


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    """A state directory."""
    made = StateDirectory(tmp_path / "state")
    made.prepare()
    return made


@pytest.mark.parametrize("made", [report(), FULL, report(succeeded=None, apply_seconds=None, guests=())])
def test_what_is_written_is_read_back(state: StateDirectory, made: Report) -> None:
    """Every field of it."""
    StatusFile(state, 42).write(made)
    kept = read_kept(state)

    assert kept == Kept(made, 42, None)


def test_a_quiet_turn_writes_nothing_and_is_still_seen(state: StateDirectory) -> None:
    """Its time is that of the file."""
    file = StatusFile(state, 42)
    file.write(report(due=NOW + 300))
    before = (state.path / FILE).stat()

    later = report(cycle_ended=NOW + 300, succeeded=NOW + 300, due=NOW + 600, plan_seconds=1.0, counters=Counters(13))
    file.write(later._replace(counters=report().counters._replace(cycles=13)))

    kept = read_kept(state)
    assert (state.path / FILE).stat().st_ino == before.st_ino
    assert kept
    assert (kept.report.cycle_ended, kept.report.succeeded, kept.report.due) == (NOW + 300, NOW + 300, NOW + 600)


def test_a_host_that_is_not_in_sync_gains_no_success_by_time(state: StateDirectory) -> None:
    """The last success stays where it was."""
    file = StatusFile(state, 42)
    file.write(report(condition=Condition.DRIFT, succeeded=NOW - 9))
    file.write(report(condition=Condition.DRIFT, succeeded=NOW - 9, cycle_ended=NOW + 300))

    kept = read_kept(state)
    assert kept
    assert (kept.report.cycle_ended, kept.report.succeeded) == (NOW + 300, NOW - 9)


@pytest.mark.parametrize(
    "news",
    [
        {"condition": Condition.FAILED},
        {"cycle_ended": NOW + 3601},
        {"cycle_ended": NOW - 10},
        {"counters": Counters(13, {"applied": 3})},
        {"queues": {"host": 7}},
        {"apply_seconds": 2.0},
    ],
)
def test_news_is_written(state: StateDirectory, news: dict[str, object]) -> None:
    """And at least once an hour all of it, for the counters."""
    file = StatusFile(state, 42)
    file.write(report())
    before = (state.path / FILE).stat().st_ino, (state.path / FILE).read_bytes()

    file.write(report(**news))

    assert ((state.path / FILE).stat().st_ino, (state.path / FILE).read_bytes()) != before


def test_a_file_that_somebody_removed_is_written_anew(state: StateDirectory) -> None:
    """Also where nothing has changed."""
    file = StatusFile(state, 42)
    file.write(report())
    state.remove(FILE)
    file.write(report())

    assert read_kept(state) is not None


def test_the_end_is_kept(state: StateDirectory) -> None:
    """Whoever asks later knows that nobody enforces the host."""
    file = StatusFile(state, 42)
    file.write(report())
    file.close(NOW + 60, "by a signal")

    kept = read_kept(state)
    assert kept
    assert (kept.ended, kept.how) == (NOW + 60, "by a signal")
    assert kept.report == report()


def test_no_loop_has_ever_run(state: StateDirectory) -> None:
    """And none that had nothing to report leaves a file."""
    StatusFile(state, 42).close(NOW)

    assert read_kept(state) is None
    assert read_kept(StateDirectory(state.path / "missing")) is None


@pytest.mark.parametrize(
    "change",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 100_000,
        {"formatVersion": 2},
        {"formatVersion": "1"},
        {"report": {}},
        {"condition": "splendid"},
        {"guests": [{}]},
        {"guests": None},
        {"cycle_ended": "soon"},
        {"source": []},
        {"differences": "one"},
        {"process": None},
        {"counters": {}},
    ],
)
def test_a_damaged_file_is_told_for_what_it_is(state: StateDirectory, change: bytes | dict[str, object]) -> None:
    """With what to do about it."""
    StatusFile(state, 42).write(FULL)
    record = json.loads((state.path / FILE).read_bytes())
    if isinstance(change, dict):
        for name, value in change.items():
            (record["report"] if name in record["report"] else record)[name] = value
    state.replace(FILE, change if isinstance(change, bytes) else json.dumps(record).encode())

    with pytest.raises(BadRecord, match=r"watch\.json: "):
        read_kept(state)
