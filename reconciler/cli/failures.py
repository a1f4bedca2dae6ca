"""What the user is told when a command ends early, and with which exit code."""

import os
from collections.abc import Mapping
from typing import Final, TypeVar

from reconciler.cli.command_lines import repeated
from reconciler.cli.exit_codes import Exit
from reconciler.cli.options import Said
from reconciler.cli.output import tell, tell_problems
from reconciler.model.commands import Advised
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
from reconciler.model.printable import error_text
from reconciler.model.problems import InvalidManifests
from reconciler.model.stopping import Abandoned
from reconciler.model.strict_json import BadRecord

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

_HEADINGS: Final[Mapping[type[ReconcileError], str]] = {
    ReconcileError: "error",
    Abandoned: "stopped",
    StaleError: "stale",
    BusyError: "busy",
    BadRecord: "error: a file that we keep is damaged, so nothing was done",
}
"""How the message begins."""

_Value = TypeVar("_Value")


def exit_code_of(kind: type[ReconcileError]) -> Exit:
    """The exit code of a command that an error of class `kind` has ended."""
    return _nearest(kind, EXIT_CODES)


def code_of(error: Exception, said: Said) -> Exit:
    """Tell the user about `error` and return the exit code.

    Args:
        error: what has ended the command; what is not foreseen here is a bug.
        said: the options of the command, for the one to run next.
    """
    match error:
        case BugError():
            return _bug(error)
        case ReconcileError():
            _tell(error, said)
            code = exit_code_of(type(error))
        case OSError():
            tell(f"error: {_system_text(error)}")
            code = Exit.FAILURE
        case _:
            return _bug(error)
    if _needs_root(error) and os.geteuid() and said.context:
        tell(f"  next: {repeated(said.context, 'sudo')}")
    return code


def _tell(error: ReconcileError, said: Said) -> None:
    if isinstance(error, InvalidManifests):
        tell_problems(error.problems)
        return
    tell(f"{_nearest(type(error), _HEADINGS)}: {error}")
    if error.remedy:
        tell(f"  next: {error.remedy}")
    if isinstance(error, Advised) and error.advice:
        tell(f"  next: {said.host.line(error.advice)}")


def _nearest(kind: type[ReconcileError], values: Mapping[type[ReconcileError], _Value]) -> _Value:
    """The value of `kind`, or of the nearest of its base classes that has one."""
    return next(values[one] for one in kind.__mro__ if one in values)


def _needs_root(error: Exception) -> bool:
    denied = isinstance(error, PermissionError) or isinstance(error.__cause__, PermissionError)
    return denied or (isinstance(error, ReconcileError) and error.needs_root)


def _system_text(error: OSError) -> str:
    if isinstance(error, PermissionError):
        file = error.filename or "a file"
        return f"{file}: permission denied; only root may read and change what is kept of a host"
    return error_text(error)


def _bug(error: Exception) -> Exit:
    if os.environ.get("RECONCILE_DEBUG"):
        raise error
    tell(f"error: this is a bug in reconcile, please report it: {type(error).__name__}: {error}")
    tell("RECONCILE_DEBUG=1 shows where it happened")
    return EXIT_CODES[BugError]
