"""What was probably meant by a word or an option that a command does not have: the whole command to run instead."""

import os
import time
from collections.abc import Sequence
from typing import Final

import click

from reconciler.cli.command_lines import again, changed_line, changed_words, line_of, names_of, words_of
from reconciler.cli.meant.elsewhere import LOOKING
from reconciler.cli.meant.files import Given, given_in, may_be_record, of_another_kind
from reconciler.cli.meant.first_shown import PLANNING, first_shown
from reconciler.cli.meant.fitting import (
    ENDINGS,
    command_called,
    fitted_line,
    fitting,
    fitting_of,
    is_saved_plan,
    known_and_working,
    known_words,
    machine_only,
    near_options,
    values_of,
    without_text,
)
from reconciler.cli.meant.names import MeantGuest, meant_guest, meant_host, near_file
from reconciler.cli.meant.nouns import GUESTS
from reconciler.cli.meant.verbs import called_elsewhere, only_one
from reconciler.manifests.files import STDIN
from reconciler.model.printable import shortened
from reconciler.model.similar import nearest

ACTIONS: Final = ("--plan", "--apply", "--watch")
"""What stands for a command in the first place, and nowhere else."""

_ALIKE: Final = ("plan", "apply", "watch", "status", "matrix", "drift", "validate")
"""The commands that read manifests: another one of them takes their words."""

_OF_ONE_HOST: Final = ("watch", "doctor", "trigger")
"""Where the name of a Host is likely to be given as a word, and no other word is."""

_MARKDOWN: Final = ("--markdown", "--md")
"""What only a plan can be printed as."""

_SERVICES: Final = ("watch", "boot", "serve", "hook")
_SERVICE_COMMANDS: Final = ("install", "uninstall")


def other_option(error: click.NoSuchOption, context: click.Context, said: Sequence[str]) -> click.UsageError:
    """`error`, about one of the words that were `said`, with the whole command where it is known what was meant."""
    if names_of(context) in _OF_PLANS and (saved := _saved_plan_behind(error, context.command, said)):
        return click.UsageError(_applying(context, *saved), context)
    if shown := first_shown(error, context, said) or only_one(error, context, said):
        return shown
    found = _without_group(context, said) if context.parent is None else _with_command(error, context, said)
    name = error.option_name
    near = " or ".join(f"'{one}'" for one in near_options(context.command, name))
    if found is None and not near:
        from reconciler.cli.meant.elsewhere import with_duration, with_option
        from reconciler.render.text import local

        if refused := with_duration(error, context, said, local(time.time())):
            return refused
        found = with_option(error, context, said)
    if found is None:
        meant = f" Did you mean {near}?" if near else ""
        return click.UsageError(f"No such option '{name}'.{meant}", context)
    what = f"'{name}' goes first, as a command" if name in ACTIONS else f"No such option '{name}'. Did you mean"
    left_out = without_text(_bare_words(context.command, said), found)
    return click.UsageError(f"{what}: {line_of(found)}{left_out}", context)


def _bare_words(command: click.Command, said: Sequence[str]) -> list[str]:
    """Those of the words that were `said` to `command` that are neither an option nor the value of one."""
    with_value = {
        name for one in command.params if isinstance(one, click.Option) and not one.is_flag for name in one.opts
    }
    before = ("", *said)
    return [word for word, last in zip(said, before, strict=False) if word[:1] != "-" and last not in with_value]


_OF_PLANS: Final = (("plan",), ("apply",))


def _saved_plan_behind(
    error: click.NoSuchOption, command: click.Command, said: Sequence[str]
) -> tuple[str, list[str]] | None:
    """The saved plan that is the value of the option that `command` lacks, and the other words; None if it is none."""
    at = next((at for at, word in enumerate(said) if word.startswith(error.option_name)), None)
    near = [one for one in command.params if {*one.opts} & {*near_options(command, error.option_name)}]
    if at is None or any(isinstance(one, click.Option) and one.is_flag for one in near):
        return None
    value, rest = said[at].partition("=")[2], [*said[:at], *said[at + 1 :]]
    if not value and said[at + 1 :]:
        value = rest.pop(at)
    file = value if os.path.exists(value) else near_file(value)
    return (file, rest) if is_saved_plan(file) else None


def _applying(context: click.Context, saved: str, words: Sequence[str]) -> str:
    """How the plan in the file `saved` is applied, with those of `words` that an apply takes."""
    return f"{saved} is a saved plan. To apply it: {fitted_line(context.find_root(), ('apply', saved), words)}"


def other_value(error: click.BadParameter, context: click.Context, said: Sequence[str]) -> click.UsageError:
    """`error`, with the command for the value that was meant, or that lists the generations where one is wrong."""
    from reconciler.cli.meant.durations import with_duration_in_words
    from reconciler.cli.meant.elsewhere import with_value

    if refused := with_value(error, context, said) or with_duration_in_words(error, context, said):
        return refused
    is_missing = isinstance(error, click.MissingParameter)
    if error.param is None or error.param.name != "number" or is_missing:
        return error
    listed = line_of(("history", *fitting(context, machine_only(context.command), said)))
    return click.UsageError(f"{error.format_message()} The generations are listed by: {listed}", context)


def without_place(context: click.Context) -> str:
    """What to run instead of a command that was given more words than it takes."""
    words, names = context.args, {one.name for one in context.command.params}
    service = context.command.name
    if words[0] in _SERVICE_COMMANDS and service in _SERVICES:
        return _of_service(words[0], service, (*words[1:], *words_of(context)))
    if context.parent and context.parent.command.name in _SERVICE_COMMANDS and words[0].startswith("-"):
        return f"Without '--': {line_of((*names_of(context), *words_of(context), *words))}"
    files = (*filter(None, (context.params.get("planfile"),)), *words)
    if "target" in names and files[0].lower() in GUESTS and (guest := meant_guest(files[-1], context.params["file"])):
        return _of_guest(context, guest)
    if saved := next(filter(is_saved_plan, files), ""):
        return _applying(context, saved, words_of(context, {"planfile"}))
    if context.command.name == "observe" and len(words) == 1 and not context.params["out"] and may_be_record(words[0]):
        return f"A record is written with --out: {changed_line(context, out=words[0])}"
    if context.command.name != "observe" and given_in(files[0]):
        raise of_another_kind(context, files[0], "a manifest")
    if "file" in names and context.command.name != "observe" and all(map(os.path.exists, files)):
        given = {"file": (*context.params["file"], *files), "planfile": None}
        return f"Manifests are named with -f: {changed_line(context, **given)}"
    if context.command.name in _OF_ONE_HOST and len(words) == 1 and not context.params["host_name"]:
        meant = meant_host(words[0], context.params["file"])
        if meant:
            return f"{meant.text} {changed_line(context, host_name=meant.name)}"
    return f"Without {'them' if len(words) > 1 else 'it'}: {changed_line(context)}"


def other_command(context: click.Context, name: str, rest: Sequence[str]) -> str:
    """What was meant by a command called `name` with the words `rest`; empty where that is not known."""
    if context.parent is not None:
        if context.command.name == "hook" and name in _SERVICE_COMMANDS:
            return _of_service(name, "hook", rest)
        if context.command.name == "service" and name in _SERVICES and rest and rest[0] in _SERVICE_COMMANDS:
            return _of_service(rest[0], name, rest[1:])
        return _similar(context, name, rest)
    if name in _SERVICE_COMMANDS and rest and rest[0] in _SERVICES:
        return _of_service(name, rest[0], rest[1:])
    if is_saved_plan(name):
        return f"To apply a saved plan: {fitted_line(context, ('apply', name), rest)}"
    action, others = _action_in(rest)
    if (found := given_in(name)) is Given.SIMULATED:
        return f"A simulated host is named with --simulate: {line_of((*action, '--simulate', name, *others))}"
    if found is Given.RECORD:
        shown = fitted_line(context, ("plan",), ("--observed", name, *rest))
        return f"A host that was recorded is named with --observed: {shown}"
    if os.path.exists(name):
        return f"Manifests are named with -f: {line_of((*action, '-f', name, *others))}"
    if name == "help":
        return f"To get help: {line_of(_help(context, rest))}"
    if found_elsewhere := called_elsewhere(context, name, rest):
        return found_elsewhere
    similar = _similar(context, name, rest)
    meant = None if similar else meant_host(name, _files_in(context, action[0], others))
    if meant:
        return f"{meant.text} {line_of((*action, '--host', meant.name, *others))}"
    return similar or "'reconcile --help' lists the commands."


def _files_in(context: click.Context, name: str, words: Sequence[str]) -> Sequence[str]:
    """The manifests that `words` name with ``-f``, as the command `name` reads them."""
    command = command_called(context, name)
    found = values_of(context, command, words) if command else None
    files = found[0].get("file") if found else None
    return list(map(str, files)) if isinstance(files, list | tuple) else []


def refuse_paths(context: click.Context, paths: Sequence[str]) -> None:
    """Return if `paths`, given as arguments, may be manifests.

    Raises:
        click.UsageError: one is a saved plan, or a bare name that is no file; it says what to run instead, if known.
    """
    named = [one for one in paths if one.lower() not in GUESTS or os.path.exists(one)]
    paths = named or paths  # without a word before the name of a guest
    for path in paths:
        others = tuple(one for one in paths if one != path) or None
        if is_saved_plan(path):
            raise click.UsageError(_applying(context, path, words_of(context, {"paths"})))
        if path != STDIN and not os.path.exists(path) and _is_bare_name(path):
            missing = f"there is no file or directory {shortened(path)}."
            raise click.UsageError(f"{missing} {_no_path(context, path, others)}".rstrip())


def refuse_saved_plans(context: click.Context, files: Sequence[str]) -> None:
    """Return if no one of `files`, given with ``-f``, is a saved plan.

    Raises:
        click.UsageError: one is; it says how it is applied.
    """
    for file in files:
        if is_saved_plan(file):
            others = tuple(one for one in files if one != file)
            raise click.UsageError(_applying(context, file, changed_words(context, file=others, planfile=None)))


def _is_bare_name(path: str) -> bool:
    """Whether `path` is rather a word than a path, such as the name of a Host or a command."""
    return not any(sign in path for sign in "/.")


def _no_path(context: click.Context, path: str, others: tuple[str, ...] | None) -> str:
    """What was meant by `path`, which is not there, beside the `others`; empty where that is not known."""
    paths = (*context.params["file"], *(others or ()))
    host = None if context.params["host_name"] else meant_host(path, paths)
    guest = None if host and host.name == path else meant_guest(path, paths)
    if guest and guest.name == path:
        return _of_guest(context, guest)
    if host:
        return f"{host.text} {changed_line(context, host_name=host.name, paths=others)}"
    if command_called(context.find_root(), path):
        return f"{path} is a command: {fitted_line(context.find_root(), (path,), words_of(context, {'paths'}))}"
    near = near_file(path)
    if near and not given_in(near):
        return f"Did you mean: {changed_line(context, paths=(*(others or ()), near))}"
    return _of_guest(context, guest) if guest else ""


def _of_guest(context: click.Context, guest: MeantGuest) -> str:
    """The command for the `guest` that stands in place of manifests: confined to it, or its status."""
    if "target" in context.params:
        given = {name: None for name in ("paths", "planfile") if name in context.params}
        return f"{guest.text} {changed_line(context, **given, target=(*context.params['target'], guest.name))}"
    words = fitting_of(context.find_root(), "status", words_of(context, {"paths", "format"}))
    return f"{guest.text} {line_of(('status', *words, guest.name))}"


def not_a_plan(planfile: str, paths: Sequence[str]) -> str:
    """What to run where `planfile`, given to ``apply``, is no saved plan; empty where that is not known.

    `paths` are the manifests that were named with ``-f``.
    """
    if os.path.exists(planfile) or planfile.lower().endswith(ENDINGS):
        near = planfile if os.path.exists(planfile) else near_file(planfile)
        file = planfile if not near or given_in(near) else near
        return f"Manifests are named with -f: {again(planfile=None, file=(*paths, file))}"
    guest = meant_guest(planfile, paths)
    if (meant := meant_host(planfile, paths)) and not (guest and guest.name == planfile):
        return f"{meant.text} {again(planfile=None, host_name=meant.name)}"
    return _of_guest(click.get_current_context(), guest) if guest else ""


def _without_group(context: click.Context, said: Sequence[str]) -> tuple[str, ...] | None:
    """The command that was meant where options, or what looks like one, stand before its name."""
    action, others = _action_in(said)
    if len(others) < len(said):
        return known_and_working(context, (*action, *others))
    names = context.command.list_commands(context) if isinstance(context.command, click.Group) else []
    for dashes in ("", "-"):  # the name of a command first, then an option that is called like one
        for at, word in enumerate(said):
            name = word.lstrip(dashes).lower()
            if name in names and (found := known_and_working(context, (name, *said[:at], *said[at + 1 :]))):
                return found
    if known_words(context.command, said[0]) == ("--version",) or tuple(said) == ("-v",):
        return ("--version",)
    return known_and_working(context, ("plan", *said))


def _with_command(error: click.NoSuchOption, context: click.Context, said: Sequence[str]) -> tuple[str, ...] | None:
    """The command that was meant where that of `context` lacks an option."""
    names, root = names_of(context), context.find_root()
    if len(names) == 1 and names[0] in _SERVICES and said[0] in _SERVICE_COMMANDS:
        words = (one for one in said[1:] if one != "--")
        return known_and_working(root, ("service", said[0], names[0], *words))
    number = next((at for at, word in enumerate(said) if word.startswith(error.option_name)), None)
    if number is None:
        return None
    word, around = said[number], (*said[:number], *said[number + 1 :])
    if names == ("history",):
        if word[1:].isdecimal():
            return known_and_working(root, (*names, "-n", word[1:], *around)) or (*names, "-n", word[1:], *around)
        if word[2:] in ("show", "diff", "state"):
            return (*names, word[2:], *around)
    if error.option_name in ACTIONS:
        action, others = _action_in((*(("--apply",) if names[0] == "apply" else ()), *said))
        meant = ((*action, *others),) if names[0] in _ALIKE else ()
        tried = (known_and_working(root, words) for words in (*meant, (*names, *around), action))
        return next(filter(None, tried), None)
    if error.option_name == "--observed" and names[0] in {"status", "matrix"}:
        # A report has what both show; only in a format of theirs it cannot be had.
        kept = tuple(one for one in said if one != "--free")  # these are on it as well
        page = ("--html", "report.html")
        shown = known_and_working(root, ("report", *kept, *page))
        if shown:  # of the whole host: guests and queues are not named
            shown = known_and_working(root, ("report", *fitting_of(root, "report", kept), *page))
        return shown or known_and_working(root, ("plan", *said))
    if found := known_and_working(root, (*names, *said)):
        return found
    if error.option_name in _MARKDOWN and names[0] in LOOKING:
        return ("plan", "-o", "markdown", *fitting_of(root, "plan", around))
    if word in PLANNING and names[0] in {"plan", "apply", "watch"}:
        return known_and_working(root, ("plan", *(one for one in around if one not in {"--yes", *ACTIONS})))
    return None


def _action_in(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The command that ``--plan``, ``--apply`` or ``--watch`` among `words` asks for, a plan otherwise; the others."""
    given = [word.partition("=")[0].lower() for word in words]
    files = [word.partition("=")[2] for word, name in zip(words, given, strict=True) if name == "--apply"]
    others = tuple(word for word, name in zip(words, given, strict=True) if name not in ACTIONS)
    if "--watch" in given:
        return ("watch", *(("--apply",) if files else ())), others
    if "--plan" in given or not files:
        return ("plan",), others
    return ("apply", *filter(None, files)), others


def _of_service(what: str, service: str, rest: Sequence[str]) -> str:
    words = (one for one in rest if one != "--")
    return f"Did you mean: {line_of(('service', what, service, *words))}"


def _help(context: click.Context, rest: Sequence[str]) -> tuple[str, ...]:
    return (*(word for word in rest[:1] if command_called(context, word)), "--help")


def _similar(context: click.Context, name: str, rest: Sequence[str]) -> str:
    names = context.command.list_commands(context) if isinstance(context.command, click.Group) else []
    near = nearest(name, names)
    if not near:
        return f"There are: {', '.join(names)}." if context.parent else ""
    return f"Did you mean '{near}'? {fitted_line(context, (near,), rest)}"
