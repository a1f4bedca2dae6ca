"""Which suspensions there were, as the history has them."""

import json
from pathlib import Path

import pytest

from reconciler.model.codec import BadRecord
from reconciler.model.suspending import SuspensionChange, SuspensionEvent, with_ends
from reconciler.transaction.loop_records import NONE, Suspension, Suspensions, write_suspensions
from reconciler.transaction.state_directory import StateDirectory
from reconciler.transaction.suspension_log import (
    LOG,
    MOST_NAMES,
    RETAINED,
    changes_between,
    log_suspensions,
    newest_changes,
    suspension_changes,
)

KEYS = Suspension("key ceremony", "pat", 100.0)
AUDIT = Suspension("audit", "kim", None)


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    """A state directory in which nothing is recorded."""
    made = StateDirectory(tmp_path / "state")
    made.prepare()
    return made


def change(at: float | None, what: str, *guests: str, by: str = "pat", until: float | None = None) -> SuspensionChange:
    """What `by` did to the suspension of `guests`."""
    return SuspensionChange(at, SuspensionEvent(what), guests, 0, by, "key ceremony", until)


def test_guests_that_are_suspended_alike_are_one_change() -> None:
    """What is suspended otherwise, and the host, are others; who resumes need not be who suspended."""
    before = Suspensions(AUDIT, {"a": KEYS, "b": KEYS, "c": AUDIT, "d": KEYS})
    after = Suspensions(None, {"d": AUDIT, "e": AUDIT})

    found = changes_between(before, after, "sam", 7.0)

    assert [(one.what.value, one.guests, one.by, one.reason) for one in found] == [
        ("resumed", (), "sam", "audit"),
        ("resumed", ("a", "b"), "sam", "key ceremony"),
        ("resumed", ("c",), "sam", "audit"),
        ("suspended", ("d", "e"), "sam", "audit"),
    ]
    assert {one.at for one in found} == {7.0}
    assert changes_between(after, after, "sam", 8.0) == []


def test_a_suspension_whose_time_was_over_ended_then() -> None:
    """In its place in time; not one that was resumed, or replaced, before that, and not one that still goes on."""
    changes = [
        change(10, "suspended", "a", "b", "c", until=100),
        change(20, "resumed", "b", until=100),
        change(30, "suspended", "c", until=500),
        change(200, "suspended", "d"),
    ]

    found = with_ends(changes, 300)

    assert found == [*changes[:3], change(100, "ended", "a", by="", until=100), changes[3]]
    assert with_ends(changes[:3], 99) == changes[:3]
    assert with_ends(changes, 500)[-1] == change(500, "ended", "c", by="", until=500)
    host = change(10, "suspended", until=100)
    assert with_ends([host], 100) == [host, change(100, "ended", by="", until=100)]


def test_what_an_older_version_suspended_is_known_without_a_time(state: StateDirectory) -> None:
    """As long as it is suspended: that version recorded neither when that was, nor what ended."""
    write_suspensions(state, Suspensions(AUDIT, {"a": KEYS, "b": AUDIT}))

    assert suspension_changes(state, 99.0) == (
        SuspensionChange(None, SuspensionEvent.SUSPENDED, (), 0, "kim", "audit", None),
        SuspensionChange(None, SuspensionEvent.SUSPENDED, ("b",), 0, "kim", "audit", None),
        SuspensionChange(None, SuspensionEvent.SUSPENDED, ("a",), 0, "pat", "key ceremony", 100.0),
    )
    assert len(suspension_changes(state, 100.0)) == 2
    write_suspensions(state, NONE)
    assert suspension_changes(state, 99.0) == ()


def test_what_was_logged_is_not_repeated(state: StateDirectory) -> None:
    """While it is suspended still."""
    now = Suspensions(AUDIT, {"a": KEYS})
    write_suspensions(state, now)
    changes = changes_between(NONE, now, "pat", 7.0)
    log_suspensions(state, changes)

    assert suspension_changes(state, 8.0) == tuple(changes)


def test_the_newest_are_kept(state: StateDirectory) -> None:
    """A bounded number of changes with a bounded number of names, and the newest one whatever it has."""
    for at in range(RETAINED + 5):
        log_suspensions(state, [change(at, "suspended", "a")])
    kept = suspension_changes(state, 0.0)
    assert (len(kept), kept[0].at) == (RETAINED, 5)

    log_suspensions(state, [change(1000, "suspended", *(f"g{number}" for number in range(MOST_NAMES + 1)))])

    (large,) = suspension_changes(state, 0.0)
    assert len(large.guests) == MOST_NAMES + 1
    (published,) = newest_changes((large,), 10, 500)
    assert (len(published.guests), published.more) == (500, MOST_NAMES - 499)


@pytest.mark.parametrize("content", ["{", "[]", '{"formatVersion": 1}', '{"formatVersion": 0, "changes": []}'])
def test_a_damaged_log_is_named(content: str, state: StateDirectory) -> None:
    """With what moves it away."""
    state.replace(LOG, content.encode())

    with pytest.raises(BadRecord, match=LOG) as refused:
        suspension_changes(state, 0.0)
    assert "are then not in the history" in refused.value.remedy
    with pytest.raises(BadRecord, match=LOG):
        log_suspensions(state, [change(1, "suspended", "a")])


def test_nothing_is_written_where_nothing_changed(state: StateDirectory) -> None:
    """As when a guest is resumed that is not suspended; what is written can be read by people."""
    log_suspensions(state, [])
    assert not (state.path / LOG).exists()

    log_suspensions(state, [change(1, "suspended", "a")])
    (one,) = json.loads((state.path / LOG).read_text())["changes"]
    assert one == {
        "at": 1,
        "what": "suspended",
        "guests": ["a"],
        "more": 0,
        "by": "pat",
        "reason": "key ceremony",
        "until": None,
    }
