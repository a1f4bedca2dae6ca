"""How an apply ended."""

from reconciler.model.outcome import (
    THE_HOST,
    Outcome,
    Result,
    SuspendedThen,
    interrupting,
    suspended_then,
)


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
