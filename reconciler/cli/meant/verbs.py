"""What other programs call a command of ours, or have where we have none: the whole command to run instead."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Final

import click

from reconciler.cli.command_lines import line_of, names_of
from reconciler.cli.meant.elsewhere import ENDS, with_duration
from reconciler.cli.meant.fitting import (
    command_called,
    fitted_line,
    fitting,
    fitting_of,
    known_words,
    machine_only,
    values_of,
    without_text,
)
from reconciler.cli.meant.names import meant_guest
from reconciler.cli.meant.nouns import GUESTS, NEWEST
from reconciler.cli.meant.reasons import OWN_REASON, with_reason
from reconciler.cli.tree import Refused
from reconciler.render.text import local

_ELSEWHERE: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("diff", "dry-run", "preview", "noop"), ("plan",)),
    **dict.fromkeys(("create", "replace", "patch", "deploy", "sync"), ("apply",)),
    **dict.fromkeys(("get", "describe", "list", "ls", "ps", "state"), ("status",)),
    **dict.fromkeys(("show", "view", "inspect", "who", "whose", "owner", "blame"), ("status",)),
    **dict.fromkeys(("lint", "check"), ("validate",)),
    **dict.fromkeys(("undo", "revert"), ("rollback",)),
    **dict.fromkeys(("unsuspend", "unpause", "continue", "uncordon", "unlock", "unfreeze", "release"), ("resume",)),
    **dict.fromkeys(("record", "snapshot", "dump"), ("observe",)),
    **dict.fromkeys(("free", "idle"), ("status", "--free")),
    **dict.fromkeys(("grid", "queues"), ("matrix",)),
    "log": ("history",),
    "logs": ("status", "--watch"),
    "export": ("import",),
    "version": ("--version",),
}
"""What other programs call a command of ours."""

_BEGINNINGS: Final = ("init", "new", "create")
"""What other programs call the command with which one begins."""

_EDITING: Final = ("edit", "modify", "set", "vi", "vim", "nano")
"""What other programs call changing what is wanted."""

_EXPLAINED: Final = line_of(("explain", "guest.spec"))

_REMOVALS: Final = ("delete", "destroy", "remove", "rm", "uninstall")

_UNDOING: Final = ("undo", "revert")
"""What other programs call taking one change back, where a rollback to a generation keeps that one."""

_SHOWING: Final = ("log", "show", "describe", "get", "view", "inspect")
"""What other programs call showing one thing, which may be a generation."""

_SUSPENDING: Final = ("pause", "hold", "lock", "cordon", "freeze")
"""What other programs call a suspension."""

_ONLY: Final = ("--only", "--just", "--single")
"""What one calls an option that takes one generation back and keeps the later ones."""

_GENERATIONS: Final = ("generation", "generations", "gen", "apply", "change")


def called_elsewhere(context: click.Context, name: str, rest: Sequence[str]) -> str:
    """What was meant by a command that other programs have; empty where it is none of theirs.

    Args:
        context: that of the whole program.
        name: of the command, which we do not have.
        rest: the words behind it.

    Raises:
        Refused: there is more than one line to say.
    """
    if name in _REMOVALS:
        shown = line_of(("plan", *fitting_of(context, "plan", rest)))
        return f"A guest is removed by removing its manifest; this shows what that does: {shown}"
    if name in _BEGINNINGS and not {"-f", "--file"}.intersection(fitting_of(context, "apply", rest)):
        raise _beginning(context, name, rest)
    if name in _EDITING:
        raise _editing(context, name, rest)
    if found := _about_generations(context, name, rest):
        return found
    if name in _SUSPENDING:
        return _suspending(context, name, rest)
    if name in _ELSEWHERE:
        words = _ELSEWHERE[name]
        if words[0].startswith("-"):
            return f"Did you mean: {line_of(words)}"
        command = command_called(context, words[0])
        known = [part for word in rest for part in known_words(command, word)] if command else rest
        if command and any(one.name == "target" for one in command.params):
            named = {*_others(context, known)}
            known = [part for one in known for part in (_targeted(one) if one in named else (one,))]
        return f"Did you mean: {fitted_line(context, words, known)}"
    return ""


def _about_generations(context: click.Context, name: str, rest: Sequence[str]) -> str:
    """What shows, or takes back, the generation that `rest` names; empty where it is not about one."""
    words = [one for one in _others(context, rest) if one.lower() not in _GENERATIONS]
    machine = _machine(context, "history", rest)
    is_one = len(words) == 1 and words[0].isdecimal() and not words[0].startswith("0")
    if name == "state" and is_one:
        return f"Did you mean: {line_of(('history', 'state', *words, *machine))}"
    if name == "diff" and len(words) == 2 and all(map(str.isdecimal, words)):
        return f"Did you mean: {line_of(('history', 'diff', *words, *machine))}"
    if name in _SHOWING and is_one:
        return f"Did you mean: {line_of(('history', 'show', *words, *machine))}"
    if name in _UNDOING and is_one:
        shown = line_of(("history", "show", *words, *machine))
        return f"Did you mean: {shown}    # says how to take it back"
    if name in _UNDOING and words:
        if words[0].lower() in NEWEST:
            return f"Did you mean: {line_of(('rollback', *machine))}"
        return f"Did you mean: {line_of(('history', *machine))}    # lists what can be taken back"
    return ""


def _targeted(word: str) -> tuple[str, ...]:
    """`word`, behind ``--target`` where it is a guest: the command without it would be about all of them."""
    guest = None if os.path.exists(word) or word.lower() in GUESTS else meant_guest(word, ())
    return ("--target", word) if guest and guest.name == word else (word,)


def only_one(error: click.NoSuchOption, context: click.Context, said: Sequence[str]) -> Refused | None:
    """What says how one generation is taken back, where `said` asks a rollback for that; None where it does not."""
    if names_of(context) != ("rollback",) or error.option_name not in _ONLY:
        return None
    root = context.find_root()
    words = [part for one in said for part in one.removeprefix(f"{error.option_name}=").split(" ") if part]
    numbers = [one for one in _others(root, words) if one.isdecimal()]
    shown = line_of(("history", *(("show", numbers[0]) if numbers else ()), *_machine(root, "history", words)))
    what = "a rollback to a generation undoes all later ones"
    remark = "says how to take it back alone" if numbers else "lists what can be taken back"
    return Refused(f"No such option '{error.option_name}': {what}", f"{shown}    # {remark}")


def _others(context: click.Context, words: Sequence[str]) -> list[str]:
    """Those of `words` that are neither an option nor the value of one that says which host is meant."""
    command = command_called(context, "history")
    found = values_of(context, machine_only(command), words) if command else None
    return [one for one in (found[1] if found else words) if not one.startswith("-")]


def _suspending(context: click.Context, name: str, rest: Sequence[str]) -> str:
    """How the guests that `rest` names are suspended, with a reason.

    Raises:
        Refused: it names none, so that the whole host would be suspended.
    """
    command = command_called(context, "suspend")
    known = [part for word in rest for part in known_words(command, word)] if command else []
    end = next((name for word in known if (name := word.partition("=")[0]) in ENDS), "")
    if command and end:
        inner = click.Context(command, parent=context, info_name="suspend")
        if found := with_duration(click.NoSuchOption(end), inner, known, local(time.time())):
            return found.message
    fitting = fitting_of(context, "suspend", known)
    words = with_reason(fitting)
    remark = "" if words == fitting else OWN_REASON
    values = values_of(context, command, fitting) if command else None
    given = [values[0].get(one) for one in ("guests", "labels")] if values else []
    if values and not any(isinstance(one, list | tuple) and one for one in given):  # click has its own mark for none
        if without_text(known, fitting):  # which may be a guest
            return f"It is called suspend: {line_of(('suspend', '--help'))}"
        raise Refused(
            f"No such command '{name}': it is called suspend. Without a guest the whole host is suspended",
            f"{line_of(('suspend', 'GUEST', *words))}    # a guest, for example",
            f"{line_of(('suspend', *words))}    # the whole host: no guest is changed",
        )
    return f"Did you mean: {line_of(('suspend', *words))}{remark}"


def _machine(context: click.Context, name: str, words: Sequence[str]) -> tuple[str, ...]:
    """Those of `words` that say to the command `name` which host is meant."""
    command = command_called(context, name)
    return fitting(context, machine_only(command), words) if command else ()


def _beginning(context: click.Context, name: str, rest: Sequence[str]) -> Refused:
    """How manifests come about; `rest` says on which host."""
    made = line_of(("import", *_machine(context, "import", rest)))
    return Refused(
        f"No such command '{name}'. Guests are described in manifests, which are YAML files that you write",
        f"{_EXPLAINED}    # says how to write one",
        f"{made}    # writes those of the host as it is",
    )


def _editing(context: click.Context, name: str, rest: Sequence[str]) -> Refused:
    """That manifests are edited as files are, and which one is that of the guest that `rest` names, if it is known."""
    machine = _machine(context, "plan", rest)
    guests = [one for one in _others(context, rest) if one.lower() not in GUESTS and not os.path.exists(one)]
    meant = meant_guest(guests[0], ()) if guests else None
    named = (meant.name if meant else guests[0],) if guests else ()
    shown = line_of(("status", *machine, *named))
    return Refused(
        f"No such command '{name}'. Manifests are YAML files: change them with an editor, then look at the plan",
        f"{shown}    # {'names its manifest' if named else 'lists the guests'}",
        f"{_EXPLAINED}    # says what can be written in it",
        f"{line_of(('plan', *machine))}    # shows what your change would do",
    )
