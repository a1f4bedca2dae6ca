"""An option that only shows what a command would do or has done, where another command, or this one, shows that."""

from collections.abc import Sequence
from typing import Final

import click

from reconciler.cli.command_lines import line_of, names_of
from reconciler.cli.meant.fitting import fitting_of, known_and_working, values_of
from reconciler.cli.tree import Refused

PLANNING: Final = ("--dry-run", "--diff", "--check", "-n")
"""What other programs call a plan, as an option of what acts."""

_ROLLBACKS: Final = ("--rollback", "--undo", "--revert")
"""What a rollback is called as an option of a plan."""

LISTS: Final = ("list", "ls", "show", "status")
"""What other programs call a list of what is suspended, as a word or as an option."""

_REMARK: Final = "shows what it would do, and asks first"


def first_shown(error: click.NoSuchOption, context: click.Context, said: Sequence[str]) -> Refused | None:
    """What to run where `error` is about such an option among `said`, or about a rollback that is to be planned."""
    name, names, root = error.option_name, names_of(context), context.find_root()
    found: tuple[str, ...] | None = None
    if name in (*PLANNING, "--plan") and names and names != ("apply",) and _asks(context.command):
        others = [one for one in said if one.partition("=")[0] not in (*PLANNING, "--plan", "--yes", "-y")]
        found = known_and_working(root, (*names, *others)) or _as_said(context, others)
    elif names == ("plan",) and name in _ROLLBACKS:
        words = [part for one in said for part in ([one.partition("=")[2]] if one.startswith(f"{name}=") else [one])]
        others = [one for one in words if one != name]
        rollback = _command(root, "rollback")
        found = ("rollback", *others) if rollback and values_of(root, rollback, others) else None
    elif names in (("suspend",), ("resume",)) and name.removeprefix("--") in LISTS:
        shown = fitting_of(root, "status", [one for one in said if one != name])
        return Refused(f"No such option '{name}'", f"{line_of(('status', *shown))}    # shows what is suspended")
    if found is None:
        return None
    return Refused(f"No such option '{name}'", f"{line_of(found)}    # {_REMARK}")


def _command(root: click.Context, name: str) -> click.Command | None:
    return root.command.get_command(root, name) if isinstance(root.command, click.Group) else None


def _asks(command: click.Command) -> bool:
    """Whether `command` asks before it changes anything, unless --yes is given."""
    return any("--yes" in one.opts for one in command.params)


def _as_said(context: click.Context, words: Sequence[str]) -> tuple[str, ...] | None:
    """The command of `context` with `words`, which may be more than options; None where it does not take them."""
    return (*names_of(context), *words) if values_of(context, context.command, words) else None
