"""Errors, by whose move is next. Every exception that leaves a module of ours is one of these five kinds.

The kind decides the exit code (`reconciler.cli.exit_codes`) and what a caller may do about it: ask for other input,
wait and try again, look at the host, look at the state directory, or report a bug. This module imports nothing of
ours, so that every floor can use it.
"""


class ReconcileError(Exception):
    """Base of all errors of ours; the text says what happened, and to what.

    Attributes:
        remedy: the next command, complete, for a shell; empty where there is none. An error whose next command depends
            on the options of this run is a `reconciler.model.commands.Advised`.
        needs_root: whether the same command succeeds for root.
    """

    remedy: str = ""
    needs_root: bool = False


class InputError(ReconcileError):
    """What the user wrote or asked for cannot be used, or the user has stopped it; only the user can change that."""


class BusyError(ReconcileError):
    """Another process is at work; the same command succeeds once it has ended."""


class HostError(ReconcileError):
    """The kernel, or a program or service that the host needs, refused or did not answer."""


class StateError(ReconcileError):
    """Our own records are damaged, or the directory that they are in cannot be used."""


class BugError(ReconcileError):
    """A bug of ours. Every exception that is no `ReconcileError` and no OSError counts as one, too."""


class ConflictError(InputError):
    """A valid wish that conflicts with the host as it is, or that needs consent which was not given."""


class StaleError(InputError):
    """What the user decided on has changed since it was shown or saved."""
