"""Which of the words that were said to one command another one takes, and what it calls its options."""

import difflib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import click

from reconciler.cli.command_lines import line_of, names_of
from reconciler.cli.meant.files import given_in
from reconciler.cli.meant.nouns import NOUNS, without_options
from reconciler.model.printable import shell_line, shortened

_OPTIONS_ELSEWHERE: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("-auto-approve", "--auto-approve", "-y", "--assumeyes", "--assume-yes"), ("--yes",)),
    **dict.fromkeys(("--force", "-force"), ("--yes",)),
    **dict.fromkeys(("-v", "--verbose"), ()),
    "-V": ("--version",),
    **dict.fromkeys(("-m", "--message", "--comment", "--because"), ("--reason",)),
    **dict.fromkeys(("--record", "--recorded"), ("--observed",)),
    **dict.fromkeys(("--unused", "--idle", "--available", "--unassigned"), ("--free",)),
    **dict.fromkeys(("--markdown", "--md"), ("-o", "markdown")),
    "--to": (),  # a generation is a word of its own
    **dict.fromkeys(("--json", "-json"), ("-o", "json")),
    "--format": ("-o",),
    **dict.fromkeys(("-o", "--output"), ("--out",)),  # of observe, which has one format only
    "--filename": ("--file",),
    "-out": ("--out",),
    **dict.fromkeys(("--guest", "--guests"), ("--target",)),
    **dict.fromkeys(("--limit", "--last", "--lines", "--max"), ("-n",)),
}
"""What other programs call an option of ours; nothing where we need none, since all is shown."""

_YES: Final = ("--yes", "-y", "--assumeyes", "--assume-yes", "-auto-approve", "--auto-approve")
_OF_GUESTS: Final = ("--target", "--guest", "--guests")

_NEAR: Final = 0.75
"""How much of two words must be the same; below it `--yess` is like `--sysfs`, and `--fre` like `--file`."""

_OF_ALL_KINDS: Final = ("status", "matrix")
"""The commands that take guests, queues and cards, each as a word of its own."""

ENDINGS: Final = (".yaml", ".yml")

_READ: Final = 1 << 24


def is_saved_plan(file: str) -> bool:
    """Whether `file` was written by ``plan --out``, also where it is damaged."""
    if file.endswith(ENDINGS) or not os.path.isfile(file):
        return False
    try:
        with open(file, "rb") as stream:
            content = stream.read(_READ)
            return b'"formatVersion"' in content and b'"fingerprint"' in content
    except OSError:
        return False


def command_called(context: click.Context, name: str) -> click.Command | None:
    """The command `name` in the group of `context`; None where there is none."""
    return context.command.get_command(context, name) if isinstance(context.command, click.Group) else None


def fitting_of(context: click.Context, name: str, words: Sequence[str]) -> tuple[str, ...]:
    """Those of `words` that the command `name` in the group of `context` takes."""
    command = command_called(context, name)
    return fitting(context, command, words) if command else ()


def fitting(context: click.Context, command: click.Command, words: Sequence[str]) -> tuple[str, ...]:
    """Those of `words` that `command` takes, paths after ``-f`` and other words left out.

    Where one is wrong those that say which host and which manifests are taken alone.
    """
    if isinstance(command, click.Group):
        return tuple(words)
    names = {one.name for one in command.params}
    arguments = {"paths", "planfile", *(["guests"] if command.name == "status" else [])}
    bare = click.Command(
        command.name,
        params=[one for one in command.params if one.name not in arguments],
        context_settings=command.context_settings,
    )
    values = values_of(context, bare, words)
    if values is None:  # one is wrong: which host is meant stays known
        values = values_of(context, machine_only(command), words) or ({}, list(words))
        kept, left = list(words), values[1]
    else:
        kept, left = list(words), _other_words(command, values[1])
    for word in left:
        kept.remove(word)
    saved = [word for word in left if "planfile" in names and is_saved_plan(word)][:1]
    paths = [word for word in left if "file" in names and _may_be_manifests(word)]
    return (*saved, *kept, *(word for path in paths for word in ("-f", path)))


def fitted_line(context: click.Context, names: Sequence[str], words: Sequence[str]) -> str:
    """The command `names` in the group of `context` with those of `words` that it takes, and what is left out.

    Args:
        context: that of a group.
        names: of the command, and what else stands before the words.
        words: that were said to another command.
    """
    taken = fitting_of(context, names[0], words)
    return line_of((*names_of(context), *names, *taken)) + without_text(words, taken)


def without_text(words: Sequence[str], taken: Sequence[str]) -> str:
    """The remark behind a command that says which of `words` are not `taken` over into it; empty where all are.

    A word such as guest before a name is not missed.
    """
    kept = Counter(taken)
    left: list[str] = []
    for word in words:
        if kept[word] > 0:
            kept[word] -= 1
        elif word.lower() not in (*_KINDS, *NOUNS, "--"):
            left.append(word)
    return f"    # without {shortened(shell_line(left))}" if left else ""


def _may_be_manifests(path: str) -> bool:
    return os.path.exists(path) and not is_saved_plan(path) and given_in(path) is None


_KINDS: Final = ("guest", "guests", "host", "hosts")


def _other_words(command: click.Command, words: Sequence[str]) -> list[str]:
    """Those of `words` that are no arguments of `command`: of a status all but the names of guests."""
    if command.name != "status":
        return list(words)
    return [word for word in words if word in _KINDS or os.path.exists(word)]


def machine_only(command: click.Command) -> click.Command:
    """A command with those options of `command` that every command about a host has, for example `history`."""
    names = {"file", "host_name", "sysfs", "simulate_file", "state_dir"}
    ignoring = {"ignore_unknown_options": True}
    return click.Command(
        command.name, params=[one for one in command.params if one.name in names], context_settings=ignoring
    )


def values_of(
    context: click.Context, command: click.Command, words: Sequence[str]
) -> tuple[Mapping[str, object], list[str]] | None:
    """What the options among `words` say, and the other words; None where `command` does not take them."""
    bare = click.Context(command, parent=context, **command.context_settings)
    try:
        values, left, _ = command.make_parser(bare).parse_args(list(words))
    except click.UsageError:
        return None
    for one in command.params:
        if (
            isinstance(one.type, click.Choice)
            and values.get(one.name or "", one.type.choices[0]) not in one.type.choices
        ):
            return None
    return values, left


def known_and_working(root: click.Context, words: Sequence[str]) -> tuple[str, ...] | None:
    """The command `words` with its options as we call them; None where it would be refused, as far as can be seen."""
    names: tuple[str, ...] = ()
    context, rest = root, list(words)
    while isinstance(context.command, click.Group):
        inner = command_called(context, rest[0]) if rest else None
        if inner is None:
            return None
        names, rest = (*names, rest[0]), rest[1:]
        context = click.Context(inner, parent=context, info_name=names[-1], **inner.context_settings)
    if names[0] in _OF_ALL_KINDS:
        rest = [*without_options(rest)]
    known = once(context.command, [one for word in rest for one in known_words(context.command, word)])
    found = values_of(context, context.command, known)
    if found is None:
        return None
    takes_files = any(one.name == "file" for one in context.command.params)
    kept = list(known)
    for word in found[1]:
        if not takes_files or not os.path.exists(word):
            return None
        kept.remove(word)
    return (*names, *kept, *(one for path in found[1] for one in ("-f", path)))


def once(command: click.Command, words: Sequence[str]) -> tuple[str, ...]:
    """`words` with each option of `command` that may not be repeated only once, the one that counts: the last value.

    Two words that were said may mean the same option, as ``--force`` and ``--yes`` do.
    """
    named = {name: one for one in command.params if isinstance(one, click.Option) for name in one.opts}
    groups: list[tuple[click.Option | None, tuple[str, ...]]] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            groups.append((None, (word, *rest)))
            break
        option = named.get(word.partition("=")[0])
        has_value = option is not None and not option.is_flag and "=" not in word
        groups.append((option, (word, rest.pop(0)) if has_value and rest else (word,)))
    last = {option.name: group for option, group in groups if option is not None}
    kept: list[str] = []
    for option, group in groups:
        kept += last.pop(option.name, ()) if option is not None and not option.multiple else group
    return tuple(kept)


def known_words(command: click.Command, word: str) -> tuple[str, ...]:
    """The option of `command` that `word` stands for; `word` itself where none is known."""
    name, equals, value = word.partition("=")
    if any(name.lower() in one.opts for one in command.params):
        return (f"{name.lower()}{equals}{value}",) if equals else (name.lower(),)
    known = _OPTIONS_ELSEWHERE.get(name.lower() if name not in _OPTIONS_ELSEWHERE else name)
    if name in _OF_GUESTS and any(one.name == "guests" for one in command.params):
        known = ()  # a guest is a word of its own there
    if "--yes" in (known or (name,)) and not any("--yes" in one.opts for one in command.params) and name in _YES:
        return ()  # it asks nothing
    if known is not None:
        return (*known, value) if equals else known
    near = near_options(command, name)
    return (f"{near[0]}{equals}{value}",) if len(near) == 1 else (word,)


def near_options(command: click.Command, name: str) -> list[str]:
    """The long options of `command` that differ from `name` by a slip, or of which one begins like the other."""
    bare = name.lower().lstrip("-")
    if not name.startswith("-") or (len(bare) == 1 and not name.startswith("--")):
        return []
    shown = command.get_params(click.Context(command))
    options = [word for one in shown if not getattr(one, "hidden", False) for word in one.opts if word[:2] == "--"]
    return [one for one in options if _is_near(bare, one.lstrip("-"))]


def _is_near(word: str, other: str) -> bool:
    """Whether `word` may be a slip for `other`, or one of them is the beginning of the other."""
    if word.startswith(other) or other.startswith(word) or sorted(word) == sorted(other):
        return True
    return difflib.SequenceMatcher(None, word, other).ratio() >= _NEAR
