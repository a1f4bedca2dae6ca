"""What a file is that was given where another kind was expected: a record of a host, a saved plan, a simulated host."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import click

from reconciler.cli.command_lines import changed_line
from reconciler.cli.tree import Refused
from reconciler.manifests.skipped import is_ours, is_simulated_host
from reconciler.model.commands import APPLY, OBSERVE, PLAN, Command, Here
from reconciler.model.errors import InputError
from reconciler.model.printable import shell_line

if TYPE_CHECKING:
    from reconciler import HostRecord

_MOST: Final = 64 << 20
"""In bytes: of a larger file it is not known what it is."""


class Given(StrEnum):
    """What there is in a file."""

    RECORD = "the record of a host, which 'reconcile observe' has made"
    PLAN = "a saved plan"
    SIMULATED = "the description of a simulated host"


def given_in(file: str) -> Given | None:
    """What `file` is; None where that is not known, or it cannot be read."""
    with suppress(OSError, ValueError, RecursionError):
        if not os.path.isfile(file) or os.path.getsize(file) > _MOST:
            return None
        if is_ours(file):
            return Given.SIMULATED if is_simulated_host(file) else None
        with open(file, "rb") as stream:
            found = json.loads(stream.read(_MOST))
        if isinstance(found, dict) and found.keys() >= {"formatVersion", "basis", "contentDigest"}:
            if found.keys() >= {"observed", "left"}:
                return Given.RECORD
            return Given.PLAN if found.keys() >= {"fingerprint", "steps"} else None
    return None


def may_be_record(file: str) -> bool:
    """Whether a record of a host may be written to `file`: it is one, or nothing is there."""
    return not os.path.lexists(file) or given_in(file) is Given.RECORD


def refuse_as_manifests(context: click.Context, named: Sequence[str]) -> None:
    """Return if one of the files and directories that were `named` may be a manifest.

    Raises:
        Refused: each is something else of ours; it says what the first one is, and the command for it.
    """
    kinds = [given_in(one) for one in named]
    if named and all(one in {Given.RECORD, Given.SIMULATED} for one in kinds):
        raise of_another_kind(context, named[0], "a manifest")


def of_another_kind(context: click.Context, file: str, expected: str) -> Refused:
    """That `file` is of a known kind, but not what was `expected`, with the commands for its kind.

    `context` is that of the command; it names `file` with -f or as a word.
    """
    found = given_in(file)
    words = {name: _without(context, name, file) for name in ("file", "paths", "guests") if name in context.params}
    names = {one.name for one in context.command.params}
    if found is Given.SIMULATED and context.info_name == "validate":
        shown = Command(("simulate", "--simulate", file))
        lines = [changed_line(context, **words), f"{shown}    # shows that host"]
    elif found is Given.SIMULATED:
        given = context.params["simulate_file"] or file
        more = ""
        if context.info_name == "setup" and not words["file"]:  # those of this machine have a place of their own
            words["file"], more = ("DIR",), ", and DIR gets its manifests"
        lines = [f"{changed_line(context, **words, simulate_file=given)}    # on that host{more}"]
    elif "observed" in names:
        lines = [f"{changed_line(context, **words, simulate_file=None, observed=file)}    # for that host"]
    else:
        lines = [f"{PLAN.with_flags('--observed', file)}    # plans for that host"]
        if context.info_name in {"status", "matrix"}:
            lines.append(f"{Command(('report', '--observed', file, '--html', 'report.html'))}    # shows that host")
    return Refused(f"{file} is {found}, not {expected}", *lines)


def _without(context: click.Context, name: str, file: str) -> tuple[str, ...] | None:
    """The words of the parameter `name` but `file`; None where there is no other."""
    return tuple(one for one in context.params[name] if one != file) or None


def not_a_saved_plan(file: str, here: Here) -> Refused | None:
    """How to go on where `file`, given as a saved plan, is something else of ours; None where it is not.

    `here` has the manifests that were named.
    """
    found, context = given_in(file), click.get_current_context()
    if found is Given.RECORD and context.info_name == "report":
        next_ = f"{changed_line(context, planfile=None, observed=file)}    # shows that host"
    elif found is Given.RECORD:
        next_ = f"{here._replace(machine=()).line(PLAN.with_flags('--observed', file))}    # plans for that host"
    elif found is Given.SIMULATED:
        next_ = f"{changed_line(context, planfile=None, simulate_file=file)}    # on that host"
    else:
        return None
    return Refused(f"{file} is {found}, not a saved plan", next_)


def read_record(file: str) -> "HostRecord":
    """The record of a host in `file`; ``-`` stands for standard input.

    Raises:
        Refused: it is something else of ours.
        BadHostRecord: it is none; names file and field.
        InputError: this user may not read it.
        OSError: it cannot be read.
    """
    from reconciler import BadHostRecord, read_host_record

    try:
        return read_host_record(file)
    except PermissionError as error:
        raise denied_record(file, error) from error
    except BadHostRecord as error:
        if refused := _not_a_record(file):
            raise refused from error
        raise


def denied_record(file: str, error: PermissionError) -> InputError:
    """That this user may not read the record in `file`: nothing is kept of a host there, so that no root is needed."""
    reader = shell_line(("chgrp", "GROUP", file))
    return InputError(f"{file} cannot be read: {error.strerror}; who has written it may let a group read it: {reader}")


def _not_a_record(file: str) -> Refused | None:
    found, context = given_in(file), click.get_current_context()
    if found is Given.SIMULATED:
        recorded = Here(("--simulate", file)).line(OBSERVE.with_flags("--out", f"{os.path.splitext(file)[0]}.json"))
        return Refused(
            f"{file} is {found}, not the record of one",
            f"{changed_line(context, observed=None, simulate_file=file)}    # for that host",
            f"{recorded}    # records it",
        )
    if found is Given.PLAN:
        is_report = context.info_name == "report"
        line = changed_line(context, observed=None, planfile=file) if is_report else str(APPLY.with_flags(file))
        return Refused(
            f"{file} is {found}, not the record of a host", f"{line}    # {'shows' if is_report else 'applies'} it"
        )
    return None
