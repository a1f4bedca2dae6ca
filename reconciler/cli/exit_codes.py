"""What the exit codes mean (README, "Exit codes"), and with which one each kind of error ends a command."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, TypeVar

from reconciler.model.errors import (
    BugError,
    BusyError,
    ConflictError,
    HostError,
    InputError,
    ReconcileError,
    StaleError,
    StateError,
)
from reconciler.model.outcome import Result
from reconciler.model.problems import InvalidManifests

_Value = TypeVar("_Value")


class Exit(IntEnum):
    """The exit code of the command."""

    DONE = 0
    FAILURE = 1
    CHANGES = 2
    INVALID = 3
    REFUSED = 4
    STALE = 5
    ROLLED_BACK = 6
    DEGRADED = 7
    BUSY = 8
    MIXED = 9
    USAGE = 64


MEANINGS: Final[Mapping[Exit, str]] = {
    Exit.DONE: "Done; for plan, a valid plan (with --detailed-exitcode: nothing to do).",
    Exit.FAILURE: "It cannot be done or was stopped, and the message says why; the output cannot be written; a bug.",
    Exit.CHANGES: "There are changes (plan --detailed-exitcode, drift, hmc-changes), something to do (setup without a "
    "terminal), an error was found (doctor), or something is missing (compare, fleet status --wait).",
    Exit.INVALID: "The manifests are invalid.",
    Exit.REFUSED: "A conflict; consent is needed; the answer was no; or no terminal to ask at and no --yes.",
    Exit.STALE: "The saved plan is stale.",
    Exit.ROLLED_BACK: "The apply failed, and everything was rolled back.",
    Exit.DEGRADED: "The apply failed, and so did the rollback: degraded.",
    Exit.BUSY: "Busy: another process was at work for longer than --lock-timeout.",
    Exit.MIXED: "Of a commit to several hosts some have changed and others have not; running it again goes forward.",
    Exit.USAGE: "Wrong usage.",
}
"""What each exit code means, for people."""

EXIT_CODES: Final[Mapping[type[ReconcileError], Exit]] = {
    InputError: Exit.FAILURE,
    InvalidManifests: Exit.INVALID,
    ConflictError: Exit.REFUSED,
    StaleError: Exit.STALE,
    BusyError: Exit.BUSY,
    HostError: Exit.FAILURE,
    StateError: Exit.FAILURE,
    BugError: Exit.FAILURE,
}
"""The exit code of each kind of error; for a narrower class, a more precise code than the general 1."""


def exit_code_of(kind: type[ReconcileError]) -> Exit:
    """The exit code of a command that an error of class `kind` has ended."""
    return nearest(kind, EXIT_CODES)


def nearest(kind: type[ReconcileError], values: Mapping[type[ReconcileError], _Value]) -> _Value:
    """The value of `kind`, or of the nearest of its base classes that has one."""
    return next(values[one] for one in kind.__mro__ if one in values)


EXIT_OF: Final[Mapping[Result, Exit]] = {
    Result.NOTHING: Exit.DONE,
    Result.APPLIED: Exit.DONE,
    Result.ROLLED_BACK: Exit.ROLLED_BACK,
    Result.DEGRADED: Exit.DEGRADED,
}
