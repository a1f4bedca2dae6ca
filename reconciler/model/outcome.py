"""How an apply ended."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class Result(StrEnum):
    """How an apply ended."""

    NOTHING = "nothing to do"
    APPLIED = "applied"
    ROLLED_BACK = "rolled back"
    DEGRADED = "degraded"


class Outcome(NamedTuple):
    """What an apply did.

    Attributes:
        result: how it ended.
        writes: how many writes the kernel took on the way forward.
        writes_back: how many on the way back.
        failure: why it went back; empty otherwise.
        failed_step: the step that failed, counted from 1; 0 where none did.
        differences: what is neither start nor target (degraded only), a sentence each.
        refusals: why the way back was refused, a sentence each.
        notes: what the administrator should know although it was applied, a sentence each.
        files: how many files of other tools were changed.
        interrupted: the names of guests that ran and lost queues when it was rolled back.
    """

    result: Result
    writes: int = 0
    writes_back: int = 0
    failure: str = ""
    failed_step: int = 0
    differences: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    files: int = 0
    interrupted: tuple[str, ...] = ()


def interrupting(outcome: Outcome, names: Sequence[str]) -> Outcome:
    """`outcome` of a rollback that took queues from the running guests `names`."""
    if not names:
        return outcome
    guests = ", ".join(f"'{one}'" for one in names)
    note = f"rolling back took queues from running VMs, of {'guest' if len(names) == 1 else 'guests'} {guests}"
    return outcome._replace(interrupted=tuple(names), notes=(*outcome.notes, note))
