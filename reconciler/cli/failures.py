"""What the user is told when a command ends early, and with which exit code."""

import os
from collections.abc import Mapping
from typing import Final

from reconciler.cli.command_lines import repeated
from reconciler.cli.exit_codes import EXIT_CODES, Exit, exit_code_of, nearest
from reconciler.cli.options import Said
from reconciler.cli.output import tell, tell_problems
from reconciler.model.commands import Advised
from reconciler.model.errors import (
    BugError,
    BusyError,
    ReconcileError,
    StaleError,
)
from reconciler.model.printable import error_text
from reconciler.model.problems import InvalidManifests
from reconciler.model.stopping import Abandoned
from reconciler.model.strict_json import BadRecord

_HEADINGS: Final[Mapping[type[ReconcileError], str]] = {
    ReconcileError: "error",
    Abandoned: "stopped",
    StaleError: "stale",
    BusyError: "busy",
    BadRecord: "error: a file that we keep is damaged, so nothing was done",
}
"""How the message begins."""


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
    tell(f"{nearest(type(error), _HEADINGS)}: {error}")
    if error.remedy:
        tell(f"  next: {error.remedy}")
    if isinstance(error, Advised) and error.advice:
        tell(f"  next: {said.host.line(error.advice)}")


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
