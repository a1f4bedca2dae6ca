"""What was probably meant by a name that nothing has, and the whole command for it: guests, labels, Hosts and files."""

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from reconciler.cli.command_lines import changed_line
from reconciler.cli.tree import Refused
from reconciler.model.similar import nearest, no_guest_text
from reconciler.model.stopping import NEVER, Abandoned, Deadline

if TYPE_CHECKING:
    from reconciler import NoSuchGuest

_MOST_CORRECTED: Final = 10
"""How many mistyped words of one command are corrected."""

_MOST_ENTRIES: Final = 10_000
"""How many entries of a directory are looked at."""

_ONE_FILE: Final = ("simulate_file", "observed", "planfile")
"""The parameters that name a file which has to be there; the others are directories, or may be written."""

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
    if error.word in context.params["target"]:
        return Refused(str(error), _with("target", error.word, error.meant))
    pair = error.meant.partition("=")[::2]
    labels = tuple(
        tuple(pair if "=".join(one) == error.word else one for one in pairs) for pairs in context.params["labels"]
    )
    return Refused(str(error), changed_line(context, labels=labels))


def _with(parameter: str, word: str, meant: str) -> str:
    """The current command with `meant` in place of `word` among the words of `parameter`."""
    context = click.get_current_context()
    words = tuple(meant if one == word else one for one in context.params[parameter])
    return changed_line(context, **{parameter: words})


class MeantHost(NamedTuple):
    """The Host called `name`, and the `text` that says that it was probably meant, to stand before a command."""

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


def _hosts(paths: Sequence[str]) -> list[str]:
    """The names of the Hosts, ascending; none where the manifests cannot be read in time."""
    from reconciler import read_site

    stop = NEVER.by(Deadline(time.monotonic() + _READ_SECONDS, "reading took too long"), time.monotonic)
    with suppress(Abandoned, OSError):
        site = read_site([one for one in paths if one != "-"] or ["."], stop)  # standard input was read, or is awaited
        return sorted({one.name for one in site.hosts})
    return []


def other_file(missing: str, context: click.Context) -> str:
    """The command of `context` with the file that was probably meant by `missing`, which it names; empty if none."""
    for name in _ONE_FILE:
        given = context.params.get(name)
        if given and os.path.normpath(given) == os.path.normpath(missing) and (near := near_file(given)):
            return f"{changed_line(context, **{name: near})}    # did you mean {os.path.basename(near)}?"
    return ""


def near_file(path: str) -> str:
    """The file in the same directory that is most like `path`, which is not there; empty where none is like it."""
    directory, name = os.path.split(path)
    with suppress(OSError), os.scandir(directory or os.curdir) as entries:
        names = sorted(one.name for one in islice(entries, _MOST_ENTRIES) if one.is_file())
        near = nearest(name, names)
        return os.path.join(directory, near) if near else ""
    return ""
