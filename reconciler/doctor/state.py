"""What earlier runs and other tools have left lying about."""

from collections.abc import Sequence

from reconciler.doctor.finding import Finding, error, warning
from reconciler.kernel.locks import AtWork
from reconciler.model.commands import APPLY, PLAN, ROLLBACK, confirm_of, history_of
from reconciler.transaction.confirmation import Awaited


def lock_findings(holder: AtWork | None, *, lives: bool) -> list[Finding]:
    """What to say of the lock of ap-check and chzdev.

    Args:
        holder: who has it; None where nobody has.
        lives: whether that process is there.
    """
    if holder is None:
        return []
    if not holder.process:
        return [
            warning(
                "foreign-tools-lock",
                "the lock of ap-check and chzdev is there, but names no process",
                "a tool has only just made it, or somebody else has: whoever needs it waits, two minutes at most where "
                "it is an empty file",
                "look again in two minutes; if it is still there, see who made it: ls -l /run/lock/s390apconfig.lock",
            )
        ]
    if not lives:
        return [
            warning(
                "stale-tools-lock",
                f"the lock of ap-check and chzdev was left behind by process {holder.process}, which has ended",
                "the next tool that needs it takes it over; nothing waits for it",
                "nothing: the next apply clears it away",
            )
        ]
    return [
        warning(
            "held-tools-lock",
            f"the lock of ap-check and chzdev is held: {holder}",
            "applies, mdevctl and chzdev wait for it",
            f"wait until it is done; if it hangs, end it: kill {holder.process}",
        )
    ]


def obstacle_findings(obstacle: str) -> list[Finding]:
    """What to say where nothing can be recorded; `obstacle` says why, and is empty otherwise."""
    if not obstacle:
        return []
    return [
        error(
            "state-not-writable",
            f"nothing can be recorded: {obstacle}",
            "no apply begins, and the end of one that was begun is not recorded",
            "free space, or make the file system writable again; then whatever waits for it is recorded",
        )
    ]


def interruption_findings(number: int, names: Sequence[str]) -> list[Finding]:
    """What to say where rolling generation `number` back took queues from the running guests `names`."""
    if not names:
        return []
    return [
        warning(
            "interrupted-guests",
            f"rolling generation {number} back took queues from running VMs, of: {', '.join(names)}",
            "requests to the crypto queues that are gone fail in these VMs",
            "look in each VM whether its AP queues are there (lszcrypt), and restart what used those that are gone",
            history_of(number),
        )
    ]


def _awaited_finding(awaited: Awaited) -> Finding:
    if awaited.rolled_back:
        return error(
            "unrecorded-rollback",
            str(awaited),
            "no other apply begins before it is recorded; the host is as it was before that generation",
            "the timer and the next apply try to record it again; to do it now",
            ROLLBACK,
        )
    if not awaited.seconds_left:
        return error(
            "not-rolled-back",
            f"{awaited}, and is not rolled back yet",
            "the host has what no person confirmed, and no other apply begins before it is rolled back",
            "the timer tries again; to do it now",
            ROLLBACK,
        )
    return warning(
        "awaits-confirmation",
        str(awaited),
        "it is rolled back when its time is over, and no other apply begins before",
        "keep it, or undo it",
        confirm_of(awaited.generation),
        ROLLBACK,
    )


def left_findings(*, unfinished: bool, awaited: Awaited | None, differences: Sequence[str]) -> list[Finding]:
    """What to say of what earlier applies have left.

    Args:
        unfinished: whether a journal was not closed.
        awaited: the apply that waits to be confirmed; None where none does.
        differences: what an apply that failed could not put back.
    """
    found = []
    if unfinished:
        found.append(
            error(
                "unfinished-apply",
                "an apply was killed before it was done",
                "the host may be between what was there before and what was wanted",
                "the next apply first rolls it back, or closes it",
                APPLY,
            )
        )
    if awaited:
        found.append(_awaited_finding(awaited))
    if differences:
        found.append(
            error(
                "degraded",
                f"an apply failed and could not put everything back: {'; '.join(differences)}",
                "what is there is neither what was there before nor what was wanted",
                "the plan shows what an apply would do about it",
                PLAN,
                APPLY,
            )
        )
    return found
