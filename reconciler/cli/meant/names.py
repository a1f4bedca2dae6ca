"""What was probably meant by a name that nothing has, and the whole command for it: guests, labels, Hosts and files."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from reconciler.cli.command_lines import changed_line
from reconciler.cli.meant.files import Given, given_in
from reconciler.cli.tree import Refused
from reconciler.manifests.files import STDIN
from reconciler.model.errors import ReconcileError
from reconciler.model.problems import PATH_MISSING, Problem
from reconciler.model.similar import nearest, no_guest_text
from reconciler.model.stopping import NEVER, Abandoned, Deadline

if TYPE_CHECKING:
    from reconciler import NoSuchGuest, Site

_MOST_CORRECTED: Final = 10
"""How many mistyped words of one command are corrected."""

_MOST_ENTRIES: Final = 10_000
"""How many entries of a directory are looked at."""

_ONE_FILE: Final[Mapping[str, Given]] = {
    "simulate_file": Given.SIMULATED,
    "observed": Given.RECORD,
    "planfile": Given.PLAN,
}
"""The parameters that name a file which has to be there, and what it is; others are directories, or may be written."""

_MOST_FOLDERS: Final = 1_000
"""How many directories below one are looked into for a file."""

_ENDINGS: Final = (".yaml", ".yml")
_MOST_LIKE: Final = 10
"""How many files with a name like the mistyped one are looked into."""

_READ_SECONDS: Final = 2.0
"""How long manifests are read for the names of Hosts: a message about a typo must not take longer than the command."""


def other_guests(unknown: Sequence[str], known: Iterable[str], parameter: str = "guests") -> Refused:
    """That no guest is called like the first word that is `unknown`, with the command for those probably meant.

    Args:
        unknown: the words that name no guest, at least one.
        known: the names that there are.
        parameter: the one of the current command that has the words.
    """
    names = sorted(known)
    meant = {word: near for word in unknown[:_MOST_CORRECTED] if (near := nearest(word, names))}
    text = no_guest_text(unknown[0], names)
    if unknown[0] not in meant:
        return Refused(text)
    context = click.get_current_context()
    words = (meant.get(word, word) for word in context.params[parameter])
    return Refused(text, changed_line(context, **{parameter: tuple(dict.fromkeys(words))}))


def other_targets(error: "NoSuchGuest") -> Refused:
    """`error`, with the command for the guests or the label that were probably meant."""
    if not error.meant:
        return Refused(str(error))
    context = click.get_current_context()
    meant = error.corrections
    if error.word in context.params["target"]:
        words = tuple(dict.fromkeys(meant.get(one, one) for one in context.params["target"]))
        return Refused(str(error), changed_line(context, target=words))
    labels = tuple(
        tuple(tuple(meant.get(label, label).partition("=")[::2]) for label in map("=".join, pairs))
        for pairs in context.params["labels"]
    )
    return Refused(str(error), changed_line(context, labels=labels))


class MeantHost(NamedTuple):
    """The Host called `name`, and the `text` that says that it was probably meant, to stand before a command."""

    name: str
    text: str


class MeantGuest(NamedTuple):
    """The guest called `name`, and the `text` that says that it was probably meant, to stand before a command."""

    name: str
    text: str


def meant_host(word: str, paths: Sequence[str]) -> MeantHost | None:
    """The Host that is called `word` or was probably meant by it; None where the manifests have none like it.

    `paths` are the manifests; those in the current directory where there are none.
    """
    names = _hosts(paths)
    if word in names:
        return MeantHost(word, f"{word} is the name of a Host:")
    near = nearest(word, names)
    return MeantHost(near, f"Did you mean the Host '{near}'?") if near else None


def meant_guest(word: str, paths: Sequence[str]) -> MeantGuest | None:
    """The guest that is called `word` or was probably meant by it; `paths` are the manifests, as for a Host."""
    site = _site(paths)
    names = sorted({one.name for one in site.guests}) if site else []
    if word in names:
        return MeantGuest(word, f"{word} is the name of a guest:")
    near = nearest(word, names)
    return MeantGuest(near, f"Did you mean the guest '{near}'?") if near else None


def _hosts(paths: Sequence[str]) -> list[str]:
    """The names of the Hosts, ascending; none where the manifests cannot be read in time."""
    site = _site(paths)
    return sorted({one.name for one in site.hosts}) if site else []


def _site(paths: Sequence[str]) -> "Site | None":
    from reconciler import read_site

    stop = NEVER.by(Deadline(time.monotonic() + _READ_SECONDS, "reading took too long"), time.monotonic)
    with suppress(Abandoned, OSError):
        return read_site([one for one in paths if one != "-"] or ["."], stop)  # standard input was read, or is awaited
    return None


def for_one_host(wanted: str, own: str) -> list[str]:
    """The current command, which compares the machine with another Host that is `wanted`, so that both are one host.

    The machine's `own` Host is offered, empty where there is none in these manifests, and a simulated host that is
    called as the other one; then the same command for whoever means it so.
    """
    context = click.get_current_context()
    lines = [f"{changed_line(context, host_name=own)}    # with the manifests of host {own}"] if own else []
    simulated = context.params.get("simulate_file")
    if simulated:
        folders = (os.path.dirname(simulated), *map(_folder, context.params.get("file") or (os.curdir,)))
        for file in simulated_hosts(folders):
            if _simulates(file, wanted):
                lines.append(f"{changed_line(context, simulate_file=file)}    # with the simulated host {wanted}")
                break
        lines.append(f"{changed_line(context, host_name=wanted)}    # if this is meant")
    return lines


def _folder(path: str) -> str:
    return path if os.path.isdir(path) else os.path.dirname(path)


def _simulates(file: str, name: str) -> bool:
    """Whether `file` describes the simulated host `name`."""
    from reconciler.hosts.simulated import described

    with suppress(ReconcileError, OSError):
        data = described(Path(file)).document.data
        metadata = data.get("metadata") if isinstance(data, dict) else None
        return isinstance(metadata, dict) and metadata.get("name") == name
    return False


def simulated_hosts(folders: Iterable[str]) -> Iterator[str]:
    """The files in `folders` that describe a simulated host, each folder's by their names."""
    for folder in dict.fromkeys(folders):
        with suppress(OSError), os.scandir(folder or os.curdir) as entries:
            names = sorted(one.name for one in islice(entries, _MOST_ENTRIES) if one.name.endswith(_ENDINGS))
            paths = (os.path.join(folder, name) for name in names)
            yield from (one for one in paths if given_in(one) is Given.SIMULATED)


def other_file(missing: str, context: click.Context) -> str:
    """The command of `context` with the file that was probably meant by `missing`, which it names; empty if none."""
    for name, kind in _ONE_FILE.items():
        given = context.params.get(name)
        if not given or os.path.normpath(given) != os.path.normpath(missing):
            continue
        if found := file_elsewhere(given, kind):
            return f"{changed_line(context, **{name: found})}    # where {os.path.basename(found)} lies"
        if near := near_file(given, kind):
            return f"{changed_line(context, **{name: near})}    # did you mean {os.path.basename(near)}?"
    return ""


def with_file_elsewhere(problems: Iterable[Problem], context: click.Context | None) -> list[Problem]:
    """`problems`, where those with a path that is not there have the command for the file of that name that lies near.

    `context` is that of the command that has found them; None where it runs still.
    """
    context = context or click.get_current_context(silent=True)
    return [_with_file(one, context) if context and one.id == PATH_MISSING else one for one in problems]


def _with_file(problem: Problem, context: click.Context) -> Problem:
    missing = problem.places[0].position.file if problem.places else ""
    if file_elsewhere(missing):
        line = _with_manifests(context, missing, file_elsewhere)
        advice = f"{os.path.basename(missing.rstrip('/'))} lies in another directory."
    else:
        near = near_file(missing)
        line = _with_manifests(context, missing, near_file) if near and problem.help.endswith(f"{near!r}?") else ""
        advice = problem.help
    return problem._replace(help=f"{advice} Run: {line}") if line else problem


def _with_manifests(context: click.Context, missing: str, found: Callable[[str], str]) -> str:
    """The command of `context` with what is `found` for each path that is not there; empty: none of it is `missing`."""
    for name in ("file", "paths"):
        given = context.params.get(name) or ()
        if missing in given:
            right = (one if one == STDIN or os.path.lexists(one) else found(one) or one for one in given)
            return changed_line(context, **{name: tuple(right)})
    return ""


def file_elsewhere(path: str, kind: Given | None = None) -> str:
    """What has the same name as `path`, which is not there, above it or in the only directory below; empty if nothing.

    Args:
        path: a file, or for no `kind` also a directory.
        kind: what the file is; None: anything but what is known to be no manifest.
    """
    directory, name = os.path.split(path.rstrip("/"))
    if name in ("", os.curdir, os.pardir):
        return ""
    above = [os.path.join(os.path.dirname(directory), name)] if directory else []
    above += [] if os.path.isabs(path) else [os.path.join(os.pardir, path)]
    if found := next((one for one in map(os.path.normpath, above) if _is_meant(one, kind)), ""):
        return found
    with suppress(OSError), os.scandir(directory or os.curdir) as entries:
        folders = sorted(one.name for one in islice(entries, _MOST_ENTRIES) if one.is_dir() and one.name[:1] != ".")
        below = (os.path.join(directory, one, name) for one in folders[:_MOST_FOLDERS])
        there = [*islice((one for one in below if _is_meant(one, kind)), 2)]
        return there[0] if len(there) == 1 else ""
    return ""


def _is_meant(path: str, kind: Given | None) -> bool:
    is_folder = kind is None and os.path.isdir(path)
    return is_folder or (os.path.isfile(path) and given_in(path) is kind)


def near_file(path: str, kind: Given | None = None) -> str:
    """The file in the same directory that is most like `path`, which is not there; empty where none is like it.

    Only a file of this `kind` is one, if there is any.
    """
    directory, name = os.path.split(path)
    with suppress(OSError), os.scandir(directory or os.curdir) as entries:
        names = sorted(one.name for one in islice(entries, _MOST_ENTRIES) if one.is_file())
        for _ in range(_MOST_LIKE):
            near = nearest(name, names)
            found = os.path.join(directory, near)
            if not near or kind is None or given_in(found) is kind:
                return found if near else ""
            names.remove(near)
    return ""
