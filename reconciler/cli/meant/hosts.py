"""Hosts that files beside the named manifests describe: where a Host is missing, the command that reads those, too."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final

import click

from reconciler.cli.command_lines import changed_line
from reconciler.cli.meant.names import simulated_hosts
from reconciler.manifests.files import STDIN
from reconciler.manifests.skipped import is_ours
from reconciler.model.problems import NO_HOST, NOT_SIMULATED, UNKNOWN_HOST, Problem, several
from reconciler.model.stopping import NEVER, Abandoned, Deadline, StopToken

_MOST_FILES: Final = 100
"""How many files beside the named ones are looked into."""

_READ_SECONDS: Final = 2.0
"""How long they are read: a message must not take longer than the command."""


def with_hosts_beside(problems: Sequence[Problem], context: click.Context | None = None) -> list[Problem]:
    """`problems`, where those about a Host or a simulated host name the file beside that describes it, and the command.

    `context` is that of the command that has found them; left out where it runs still.
    """
    context = context or click.get_current_context(silent=True)
    if context is None:
        return list(problems)
    problems = [_with_simulated(one, context) if one.id == NOT_SIMULATED else one for one in problems]
    named = [path for name in ("paths", "file") for path in context.params.get(name) or () if path != STDIN]
    files = [path for path in named if os.path.isfile(path)]
    stop = NEVER.by(Deadline(time.monotonic() + _READ_SECONDS, "reading took too long"), time.monotonic)
    with suppress(Abandoned, OSError):
        if files and (beside := [*islice(_beside(files), _MOST_FILES)]):
            found = _missing(named, beside, stop)
            return [_with_host(one, found, context) for one in problems]
    return list(problems)


def _with_simulated(problem: Problem, context: click.Context) -> Problem:
    """`problem` with a file that was named as a simulated host, with the command for the only one beside it."""
    given = context.params.get("simulate_file") or ""
    beside = [*islice(simulated_hosts([os.path.dirname(given)]), 2)]
    if len(beside) != 1 or not given:
        return problem
    line = changed_line(context, simulate_file=beside[0])
    what, _, _ = problem.help.partition(". ")
    return problem._replace(help=f"{what}. {beside[0]} does. Run: {line}")


def _beside(files: Sequence[str]) -> Iterator[str]:
    """The manifests in the directories of `files` that are none of these, each directory's by their names."""
    for directory in dict.fromkeys(map(os.path.dirname, files)):
        for name in sorted(os.listdir(directory or os.curdir)):
            path = os.path.join(directory, name)
            is_read = name.endswith((".yaml", ".yml")) and not name.startswith(".")
            if is_read and is_ours(path) and not any(os.path.samefile(path, one) for one in files):
                yield path


def _missing(named: Sequence[str], beside: Sequence[str], stop: StopToken) -> Mapping[str, str]:
    """The Hosts that guests in the files `named` need and only a file `beside` describes, and the file of each."""
    from reconciler import read_site

    where = {one.name: one.position.file for one in reversed(read_site(beside, stop).hosts)}
    given = read_site(named, stop)
    together = read_site([*named, *dict.fromkeys(where.values())], stop)
    known = {one.name for one in given.hosts}
    needed = {one.host for one in together.guests if one.position.file in given.sources}
    return {name: where[name] for name in sorted(needed - known) if name in where}


def _with_host(problem: Problem, found: Mapping[str, str], context: click.Context) -> Problem:
    """`problem`, with the command that reads the files that have the Hosts that were `found`, if it is about one."""
    if problem.id == UNKNOWN_HOST:
        names = [name for name in found if f" host {name!r}," in problem.message]
    else:
        names = [*found] if problem.id == NO_HOST else []
    if not names:
        return problem
    files = tuple(dict.fromkeys(found.values()))
    parameter = "paths" if context.params.get("paths") else "file"
    line = changed_line(context, **{parameter: (*context.params[parameter], *files)})
    what = f"Host {names[0]} is" if len(names) == 1 else f"Hosts {several(names)} are"
    where = dict.fromkeys(found[name] for name in names)
    return problem._replace(help=f"{what} described in {several(list(where))}, which was not named. Run: {line}")
