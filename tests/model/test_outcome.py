"""How an apply ended, and what it was a part of."""

from typing import Any

import pytest

from reconciler.model.codec import BadRecord, Codec
from reconciler.model.outcome import (
    DAMAGED,
    THE_HOST,
    Actor,
    Extent,
    FleetCommit,
    FleetSource,
    Generation,
    Origin,
    Outcome,
    Result,
    SuspendedThen,
    commit_words,
    fleet_text,
    interrupting,
    suspended_then,
)

FLEET = FleetCommit("c-1", ("lpar7", "lpar8"), FleetSource("0123456789abcdef", "Add a guest"), "alice", ("lpar9",))
GENERATION = Generation(1, Origin("alice", "reconcile apply", 0.0), "lpar7", "", "Plan: 1 to create.", None)


def test_a_rollback_that_took_queues_from_running_vms_names_their_guests() -> None:
    """Behind what else there is to know; one that took none is as it was."""
    outcome = Outcome(Result.ROLLED_BACK, notes=("first",))

    one, two = interrupting(outcome, ["a"]), interrupting(outcome, ["a", "b"])

    assert interrupting(outcome, []) == outcome
    assert (one.interrupted, one.notes) == (
        ("a",),
        ("first", "rolling back took queues from running VMs, of guest 'a'"),
    )
    assert (two.interrupted, two.notes[1]) == (
        ("a", "b"),
        "rolling back took queues from running VMs, of guests 'a', 'b'",
    )


def test_suspended_guests_stay_as_they_are_or_are_changed_with_consent() -> None:
    """Consent of the host is about the suspension of everything."""
    assert suspended_then(["a", "b"], ["b", "c"], ["b"]) == SuspendedThen(("a",), ("b",))
    assert suspended_then(["a"], [], ["host"]) == SuspendedThen(("a",), (THE_HOST,))


@pytest.mark.parametrize(
    ("outcome", "result", "is_target"),
    [
        (None, "not finished", False),
        (Outcome(Result.APPLIED), "applied", True),
        (Outcome(Result.NOTHING), "nothing to do", True),
        (Outcome(Result.ROLLED_BACK), "rolled back", False),
        (Outcome(Result.DEGRADED), "degraded", False),
    ],
)
def test_a_generation_that_the_host_was_left_with_can_be_rolled_back_to(
    outcome: Outcome | None, result: str, is_target: bool
) -> None:
    """As long as it was about the whole host; of one whose file cannot be read nothing is known."""
    generation = GENERATION._replace(outcome=outcome)

    assert (generation.result, generation.is_target) == (result, is_target)
    assert not generation._replace(extent=Extent.PARTIAL).is_target
    assert generation._replace(is_damaged=True).result == DAMAGED


@pytest.mark.parametrize(
    ("origin", "is_rollback"),
    [
        ({}, False),
        ({"again": 3}, True),
        ({"undone": 1}, True),
        ({"again": 3, "actor": Actor.BOOT}, False),
    ],
)
def test_a_rollback_makes_the_host_as_it_was_before(origin: dict[str, Any], is_rollback: bool) -> None:
    """A boot does so, too, of a host that has forgotten everything."""
    assert GENERATION._replace(origin=GENERATION.origin._replace(**origin)).is_rollback is is_rollback


@pytest.mark.parametrize("sent", [FLEET, FLEET._replace(commit=None, without=())])
def test_a_commit_to_several_hosts_is_read_as_it_is_recorded(sent: FleetCommit) -> None:
    """Each host keeps it with its own apply."""
    assert Codec().read(FleetCommit, sent.record) == sent


@pytest.mark.parametrize(
    "changed",
    [
        {"id": ""},
        {"id": "-c"},
        {"id": "C\n"},
        {"id": "c" * 65},
        {"hosts": []},
        {"hosts": ["lpar7", "lpar7"]},
        {"hosts": [""]},
        {"without": ["x" * 254]},
        {"without": [f"h{number}" for number in range(1001)]},
        {"operator": "x" * 1001},
        {"commit": {"id": "x" * 1001, "subject": ""}},
    ],
)
def test_what_a_controller_sends_has_bounds(changed: dict[str, Any]) -> None:
    """It is kept in the history of each host, and its id is a part of names."""
    with pytest.raises(BadRecord):
        Codec().read(FleetCommit, {**FLEET.record, **changed})


def test_a_commit_to_several_hosts_in_one_line() -> None:
    """Who started it, to which hosts, which were left out, and the git commit where there is one."""
    alone = FLEET._replace(hosts=("lpar7",), commit=None, without=())

    assert fleet_text(FLEET.record) == (
        "c-1, by alice, to 2 hosts (lpar7, lpar8), without lpar9, of 0123456789ab Add a guest"
    )
    assert fleet_text(alone.record) == "c-1, by alice, to 1 host (lpar7)"


def test_a_commit_is_short_and_says_in_words_that_the_manifests_differ_from_it() -> None:
    """In a record that is a sign, for which no reader has a legend."""
    assert commit_words("0123456789abcdef") == "0123456789ab"
    assert commit_words("0123456789abcdef+", 7) == "0123456 with uncommitted changes"
