"""What is said when a command ends early, with which exit code, and why a VM does not start, in one line."""

import os
import pwd
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Final

import click

from reconciler import NoApBus, NotApplicable, NotVerified
from reconciler.cli.command_lines import changed_line, repeated
from reconciler.cli.exit_codes import EXIT_CODES, Exit, exit_code_of, nearest
from reconciler.cli.open_host import say_whose_records
from reconciler.cli.options import Said
from reconciler.cli.output import result, say, show_problems
from reconciler.model.codec import BadRecord, NewerRecord
from reconciler.model.commands import (
    APPLY,
    DOCTOR,
    PLAN,
    RESET,
    ROLLBACK,
    STATUS,
    VALIDATE,
    Advised,
    Command,
    Here,
    ends_of,
    rollback_to,
)
from reconciler.model.errors import (
    BugError,
    BusyError,
    HostError,
    InputError,
    ReconcileError,
    StaleError,
    StateError,
)
from reconciler.model.outcome import Outcome, Result
from reconciler.model.printable import error_text, shell_line
from reconciler.model.problems import InvalidManifests, Problem, completed, errors_of
from reconciler.model.stopping import Abandoned
from reconciler.transaction.apply_ids import IdTaken
from reconciler.transaction.confirmation import AwaitsConfirmation, NotPending
from reconciler.transaction.history import NoSuchGeneration
from reconciler.transaction.state_directory import UnsafeState
from reconciler.watch.requests import FollowsManifests

if TYPE_CHECKING:
    from reconciler.planning.plan import Plan

_HEADINGS: Final[Mapping[type[ReconcileError], str]] = {
    ReconcileError: "error",
    Abandoned: "stopped",
    StaleError: "stale",
    BusyError: "busy",
    BadRecord: "error: a file that we keep is damaged, so nothing was done",
    NewerRecord: "error: a file that we keep was made by a newer reconcile, so nothing was done",
}
"""How the message begins."""


class Refusal(StrEnum):
    """Why ``apply -o json`` and others have done nothing, for programs (docs/gitops.md)."""

    INVALID = "invalid"  # the manifests, or their plan for this host
    CONSENT = "consent"
    STALE = "stale"
    BUSY = "busy"  # another process is at work, or another apply waits to be confirmed
    FOLLOWING = "following"  # the host's loop follows its own manifests
    SIGNATURE = "signature"  # this host requires signatures, and the manifests are of no commit that it takes
    ID = "id"  # it was used or cancelled before
    INPUT = "input"
    HOST = "host"
    STATE = "state"
    BUG = "bug"


REFUSALS: Final[Mapping[type[ReconcileError], Refusal]] = {
    InputError: Refusal.INPUT,
    InvalidManifests: Refusal.INVALID,
    IdTaken: Refusal.ID,
    FollowsManifests: Refusal.FOLLOWING,
    NotVerified: Refusal.SIGNATURE,
    StaleError: Refusal.STALE,
    BusyError: Refusal.BUSY,
    HostError: Refusal.HOST,
    StateError: Refusal.STATE,
    BugError: Refusal.BUG,
}
"""The kind of reason of each kind of error."""

_REFUSING: Final = frozenset({"apply", "plan", "rollback"})
"""The commands that say with ``-o json`` why they have done nothing."""


def code_of(error: Exception, said: Said) -> Exit:
    """Report `error` to the user and return the exit code.

    Args:
        error: what has ended the command; what is not foreseen here is a bug.
        said: the options of the command, for the one to run next.
    """
    if owner := _owner_of_simulation(error, said):
        can = "change" if _is_read(said) else "read and change"
        who_can = f"only {owner} can {can} what is kept of it"
        _show_own_simulation(f"belongs to {owner}, who used it first, and {who_can}", said)
        return exit_code_of(type(error)) if isinstance(error, ReconcileError) else Exit.FAILURE
    if _is_beside_simulation(error, said):
        _show_own_simulation(
            f"lies in a folder that user '{_user_name(os.geteuid())}' may not write, where its state is kept", said
        )
        return exit_code_of(type(error)) if isinstance(error, ReconcileError) else Exit.FAILURE
    match error:
        case BugError():
            return _bug(error)
        case ReconcileError():
            _show(error, said)
            _show_refusal(error, said)
            code = exit_code_of(type(error))
        case OSError():
            say(f"error: {_system_text(error)}")
            code = Exit.FAILURE
        case _:
            return _bug(error)
    _show_other_file(error, said)
    if _needs_root(error) and os.geteuid() and said.context:
        say(f"  next: {repeated(said.context, 'sudo')}")
    return code


def _show(error: ReconcileError, said: Said) -> None:
    if isinstance(error, InvalidManifests):
        show_problems(error.problems, said.context, at_the_end=True)
        return
    say(f"{nearest(type(error), _HEADINGS)}: {error}")
    if error.remedy:
        say(f"  next: {error.remedy}")
    if isinstance(error, AwaitsConfirmation):
        say(*(f"  next: {said.host.line(one)}    # {what}" for one, what in ends_of(error.generation)))
    elif isinstance(error, Advised) and error.advice:
        remark = "    # deletes its mediated devices and its history" if error.advice == RESET else ""
        say(f"  next: {said.host.line(error.advice)}{remark}")
    if isinstance(error, Advised) and error.anew:
        say(f"  next: {said.host.line(error.anew)}    # plans anew")
    is_not_waiting = isinstance(error, NotPending) and said.host.simulate is None
    if said.context and (isinstance(error, NoSuchGeneration) or is_not_waiting):
        say_whose_records(said.host, said.context)
    if isinstance(error, NoApBus) and said.host.simulate is None and said.context:
        # A setup writes no manifests of a simulated host to the directory of this machine's.
        is_setup = said.context.info_name == "setup" and not said.context.params["file"]
        directory = {"file": ("DIR",)} if is_setup and not said.context.params["undoes"] else {}
        beside = _simulated_host_beside(said.context)
        line = changed_line(said.context, sysfs=None, simulate_file=beside or "FILE", **directory)
        if "--simulate" in line:  # the others are about this machine
            gets = ", and DIR gets its manifests" if directory else ""
            which = "on the simulated host that lies here" if beside else "on a simulated host, which FILE describes"
            say(f"  next: {line}    # {which}{gets}")


def _simulated_host_beside(context: click.Context) -> str:
    """The only file that describes a simulated host, here or beside the manifests; empty where there are others."""
    from reconciler.cli.meant.names import simulated_hosts

    folders = ("", *(one for one in context.params.get("file") or () if os.path.isdir(one)))
    found = list(islice(simulated_hosts(folders), 2))
    return found[0] if len(found) == 1 else ""


def _show_other_file(error: Exception, said: Said) -> None:
    """Offer the command with the file that was probably meant by one that is not there."""
    missing = error if isinstance(error, FileNotFoundError) else error.__cause__
    if isinstance(missing, FileNotFoundError) and missing.filename and said.context:
        from reconciler.cli.meant.names import other_file

        if line := other_file(os.fsdecode(missing.filename), said.context):
            say(f"  next: {line}")


def _show_refusal(error: ReconcileError, said: Said) -> None:
    """Say to a program why nothing was done, where it has asked for JSON."""
    context = said.context
    if context is None or context.info_name not in _REFUSING or context.params.get("format") != "json":
        return
    problems = error.problems if isinstance(error, InvalidManifests) else ()
    result(refusal_json(nearest(type(error), REFUSALS), reason_of(error, said.host.here), problems=problems))


def refusal_json(refusal: Refusal, why: str, plan: "Plan | None" = None, problems: Sequence[Problem] = ()) -> str:
    """Why nothing was done as JSON text, ended by a newline.

    Args:
        refusal: the kind of reason.
        why: for people, with what to run.
        plan: what would be done otherwise; None where none was made.
        problems: what is wrong with the manifests, where no plan was made.
    """
    from reconciler.render.diagnostics import problem_record
    from reconciler.render.plan_json import json_text, plan_record

    record = {
        "formatVersion": 1,
        "refusal": refusal,
        "why": why,
        "problems": [problem_record(one) for one in (plan.problems if plan else problems)],
        "plan": plan and plan_record(plan),
    }
    return json_text(record)


def _owner_of_simulation(error: Exception, said: Said) -> str:
    """The user whose simulated host this one may not use; empty where it is not that."""
    simulated = said.host.simulate
    if simulated is None or said.host.state_dir or said.context is None:
        return ""
    if not (_is_denied_beside(error, simulated) or _is_foreign(error)):
        return ""
    for path in _kept_of(simulated):
        with suppress(OSError):
            owner = os.stat(path).st_uid
            return "" if owner == os.geteuid() else _user_name(owner)
    return ""


def _is_denied_beside(error: Exception, simulated: str) -> bool:
    """Whether `error` is about a file that is kept beside the description `simulated`, or about a new one for it."""
    denied = error if isinstance(error, PermissionError) else error.__cause__
    if not isinstance(denied, PermissionError) or not denied.filename:
        return False
    folder, name = os.path.split(os.path.abspath(os.fsdecode(denied.filename)))
    return os.path.join(folder, name.removeprefix(".")).startswith(f"{os.path.abspath(simulated)}.state")


def _is_foreign(error: Exception) -> bool:
    """Whether `error` is that what is kept belongs to another user; to root nothing is kept from being read."""
    return isinstance(error, UnsafeState) and bool(os.geteuid())


def _kept_of(simulated: str) -> tuple[str, str]:
    kept = f"{os.path.abspath(simulated)}.state"
    return kept, f"{kept}.json"


def _is_read(said: Said) -> bool:
    """Whether this user may read what is kept of the simulated host."""
    simulated = said.host.simulate
    return simulated is not None and all(os.access(one, os.R_OK) for one in _kept_of(simulated))


def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _is_beside_simulation(error: Exception, said: Said) -> bool:
    """Whether nothing could be kept of the simulated host, since this user may not write into its folder."""
    denied = error if isinstance(error, PermissionError) else error.__cause__
    simulated = said.host.simulate
    if simulated is None or said.context is None or not isinstance(denied, PermissionError) or not denied.filename:
        return False
    name = os.path.basename(os.fsdecode(denied.filename)).removeprefix(".")
    is_kept = name.startswith(f"{os.path.basename(simulated)}.state")
    return is_kept and not os.access(os.path.dirname(os.path.abspath(simulated)), os.W_OK)


def _own_folder() -> str:
    """Where this user can write: the home directory, or the one for temporary files."""
    home = os.path.expanduser("~")
    if os.access(home, os.W_OK | os.X_OK):
        return home
    import tempfile

    return tempfile.gettempdir()


def _show_own_simulation(why: str, said: Said) -> None:
    """Say why the simulated host cannot be used, and how to have one of one's own, which needs no rights of root."""
    simulated, context = said.host.simulate, said.context
    assert simulated is not None
    assert context is not None
    own = os.path.join(_own_folder(), f"my-{os.path.basename(simulated)}")
    say(
        f"error: the simulated host {simulated} {why} ({simulated}.state*)",
        f"  next: {shell_line(('cp', '--', simulated, own))}    # a simulated host of your own",
        f"  next: {changed_line(context, simulate_file=own)}",
    )


def _needs_root(error: Exception) -> bool:
    denied = isinstance(error, PermissionError) or isinstance(error.__cause__, PermissionError)
    return denied or (isinstance(error, ReconcileError) and error.needs_root)


def _system_text(error: OSError) -> str:
    if isinstance(error, PermissionError):
        file = error.filename or "a file"
        return f"{file}: permission denied; only root may read and change what is kept of a host"
    if isinstance(error, FileNotFoundError) and not error.filename and not _has_directory():
        return "the current directory has been removed; change to another one"
    return error_text(error)


def _has_directory() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _bug(error: Exception) -> Exit:
    if os.environ.get("RECONCILE_DEBUG"):
        raise error
    say(f"error: this is a bug in reconcile, please report it: {type(error).__name__}: {error}")
    say("RECONCILE_DEBUG=1 shows where it happened")
    return EXIT_CODES[BugError]


def _doing(plan: "Plan") -> Command:
    """The command that does what `plan` is for, without its consents."""
    back = plan.rolls_back
    if back is None:
        return APPLY
    return rollback_to(back.to) if back.to else ROLLBACK


def reason_of(error: Exception, here: Here) -> str:
    """What `error` says to whoever has started the VM, and what to run `here` about it."""
    match error:
        case InvalidManifests():
            first = errors_of(error.problems)[0]
            where = f" ({first.places[0]})" if first.places and not first.places[0].is_whole else ""
            # Without the options for a host: where a record of it is planned for, the same is said as on the host.
            line = here._replace(machine=()).line(VALIDATE)
            return f"the manifests are invalid: {first.message}{where}; to see all of it: {line}"
        case NotApplicable() if not error.plan.is_valid:
            return problem_line(errors_of(error.plan.problems), here)
        case NotApplicable():
            consent = error.plan.consents[0]
            line = here.line(_doing(error.plan).with_flags(*error.plan.flags))
            return f"this needs consent: {consent.holder}: {consent.reason}; to give it: {line}"
        case StateError():
            return f"{error}; run: {here.line(DOCTOR)}"
        case PermissionError():
            return f"{error}; the hook must run as root"
        case AwaitsConfirmation():
            keep, undo = (here.line(one) for one, _ in ends_of(error.generation))
            return f"{error}; to undo it: {undo}; to keep it: {keep}"
        case Advised() if error.advice:
            more = f"; to plan anew: {here.line(error.anew)}" if error.anew else ""
            return f"{error}; run: {here.line(error.advice)}{more}"
        case _:
            return str(error) or type(error).__name__


def problem_line(errors: list[Problem], here: Here) -> str:
    """The first of `errors` in one line, and how many there are; commands are to be run `here`."""
    first, *others = (completed(one, here) for one in errors)
    details = f": {'; '.join(first.details)}" if first.details else ""
    more = f" And {len(others)} more: {here.line(PLAN)}" if others else ""
    return f"{first.message}{details}. {first.help}{more}"


def outcome_reason(outcome: Outcome, here: Here) -> str:
    """What a transaction that failed has left, and what to run `here` to see it."""
    if outcome.result is Result.DEGRADED:
        return f"{outcome.failure}; not everything could be rolled back; to see what is there: {here.line(STATUS)}"
    return f"{outcome.failure}; everything is as it was before"
