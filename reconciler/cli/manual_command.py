"""``reconcile man``: the manual pages of this version, on standard output or as files for man(1).

There is a page for each command, from the tree of commands, and one for manifests, from the schemas. Pages are text for
man(7), in ASCII, at most 80 bytes a line. They are made by the program that they describe, so they cannot be of another
version.
"""

import inspect
import os
import re
import textwrap
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import click

from reconciler import __version__
from reconciler.cli.exit_codes import MEANINGS, Exit
from reconciler.cli.explain_command import field_facts, is_document, read_kinds, yaml_lines
from reconciler.cli.output import report, result
from reconciler.cli.tree import command, completes
from reconciler.manifests.fields import Field
from reconciler.model.printable import lines_text, shell_line
from reconciler.model.similar import nearest
from reconciler.render.text import counted

_COLUMNS: Final = 80
_ESCAPES: Final = {
    "\\": "\\(rs",
    "-": "\\-",
    "'": "\\(aq",
    "`": "\\(ga",
    "^": "\\(ha",
    "~": "\\(ti",
    '"': "\\(dq",
}
_MANIFESTS: Final = "reconcile-manifests"
_MANIFEST_KINDS: Final = ("host", "guest", "machine", "simulated-host")
_MANIFESTS_TEXT: Final = """\
A manifest is a document of YAML. It says of a KVM host on IBM Z, or of a guest of it, which queues of the machine's
crypto cards it is to have. A file may have several documents, with --- between them; a directory stands for all its
files that end with .yaml or .yml, and those below it. The order of files and documents means nothing.

Numbers of adapters and domains are decimal, or hex with 0x in front. A number with a leading zero is refused, since
programs disagree on what it means. What is misspelt is an error with its place.

'reconcile validate' checks manifests without a host. 'reconcile explain' shows what is written here field by field.
"""


class Page(NamedTuple):
    """One page of the manual.

    Attributes:
        name: such as ``reconcile-plan``.
        section: 1 for commands, 5 for forms of files.
        text: what man(1) shows, as it is in a file.
    """

    name: str
    section: int
    text: str

    @property
    def file(self) -> str:
        """Where it is below a directory of manual pages."""
        return f"man{self.section}/{self.name}.{self.section}"


def page_names(root: click.Command) -> Iterator[str]:
    """The names of all pages."""
    yield from map(_page_name, _commands(click.Context(root, info_name="reconcile")))
    yield _MANIFESTS


def pages(root: click.Command, date: str) -> Iterator[Page]:
    """All pages, that of the whole first, then those of the commands below `root`, then that of manifests.

    Args:
        root: the command that has all others.
        date: of the pages, as YYYY-MM-DD.
    """
    commands = list(_commands(click.Context(root, info_name="reconcile")))
    for context in commands:
        name = _page_name(context)
        yield Page(name, 1, _text(_command_page(context, name, date)))
    yield Page(_MANIFESTS, 5, _text(_manifests_page(date)))


def _commands(context: click.Context) -> Iterator[click.Context]:
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _commands(click.Context(inner, parent=context, info_name=name, **inner.context_settings))


def _page_name(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _command_page(context: click.Context, name: str, date: str) -> Iterator[str]:
    command = context.command
    first, *rest = _paragraphs(command.help or "")
    yield from _head(name, 1, first, date)
    yield ".SH SYNOPSIS"
    yield from _filled([_synopsis(context)], escape=False)
    yield ".SH DESCRIPTION"
    yield from _body([first, *rest])
    yield ".SH OPTIONS"  # each command has --help
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(context)):
            yield from _item(_option(record[0]), [record[1]])
    if isinstance(command, click.Group):
        yield from _commands_below(command, context, name)
    if context.parent is None:
        yield ".SH EXIT STATUS"
        for code, meaning in MEANINGS.items():
            yield from _item(f"\\fB{code.value}\\fR", [meaning])
    yield from _see_also(context)


def _commands_below(group: click.Group, context: click.Context, name: str) -> Iterator[str]:
    yield ".SH COMMANDS"
    for one in group.list_commands(context):
        inner = group.get_command(context, one)
        assert inner is not None
        yield from _item(f"\\fB{_escaped(f'{name}-{one}')}\\fR(1)", _paragraphs(inner.help or "")[:1])


def _see_also(context: click.Context) -> Iterator[str]:
    above = [] if context.parent is None else [_page_name(context.parent)]
    whole = [] if context.parent is None or context.parent.parent is None else ["reconcile"]
    yield from _see(*((one, 1) for one in (*above, *whole)), (_MANIFESTS, 5))
    if context.parent is not None:
        yield from _filled(["Exit codes are explained in reconcile(1)."], above=".PP")


def _see(*pages: tuple[str, int]) -> Iterator[str]:
    yield ".SH SEE ALSO"
    yield from _filled([", ".join(f"\\fB{_escaped(name)}\\fR({section})" for name, section in pages)], escape=False)


def _synopsis(context: click.Context) -> str:
    pieces = " ".join(context.command.collect_usage_pieces(context))
    return f"\\fB{_escaped(context.command_path)}\\fR {_escaped(pieces)}"


def _option(record: str) -> str:
    """``-f, --file PATH`` with its names in bold."""
    names, _, value = record.replace(", ", ",").partition(" ")
    bold = ", ".join(f"\\fB{_escaped(one)}\\fR" for one in names.split(","))
    return f"{bold} {_escaped(value)}".rstrip()


def _manifests_page(date: str) -> Iterator[str]:
    yield from _head(_MANIFESTS, 5, "What a host and its guests are to have", date)
    yield ".SH DESCRIPTION"
    yield from _body(_paragraphs(_MANIFESTS_TEXT))
    kinds = read_kinds(_MANIFEST_KINDS)
    for kind in kinds:
        yield f".SH {_quoted(_kind_name(kind).upper())}"
        yield from _body(list(kind.texts))
        for field in kind.every():
            if field is not kind:
                yield from _field_item(field)
    yield ".SH EXAMPLES"
    examples = [(_kind_name(kind), one) for kind in kinds for one in filter(is_document, kind.examples)]
    for number, (name, example) in enumerate(examples):
        yield from _filled([f"An example of a {name}:"], above=".PP" if number else "")
        yield from _verbatim(yaml_lines(example))
    yield from _see(("reconcile", 1), ("reconcile-explain", 1), ("reconcile-validate", 1))


def _kind_name(kind: Field) -> str:
    """What stands behind ``kind:`` in such a document."""
    named = next(one for one in kind.fields if one.path[-1] == "kind")
    return named.type.removeprefix("always ")


def _field_item(field: Field) -> Iterator[str]:
    name = ".".join(field.path[1:])
    nature = f"{field.type} ({field.presence})"
    yield from _item(f"\\fB{_escaped(name)}\\fR", [nature[0].upper() + nature[1:] + ".", *field.texts, *_facts(field)])


def _facts(field: Field) -> list[str]:
    return [f"{name}: {text}" for name, text in field_facts(field)]


# man(7) --------------------------------------------------------------------------------------------------------------


def _head(name: str, section: int, first: str, date: str) -> Iterator[str]:
    manual = {1: "User Commands", 5: "File Formats"}[section]
    yield f".TH {_quoted(name.upper())} {section} {date} {_quoted(f'reconcile {__version__}')} {_quoted(manual)}"
    yield ".SH NAME"
    yield from _filled([f"{_escaped(name)} \\- {_escaped(first.rstrip('.'))}"], escape=False)


def _paragraphs(help: str) -> list[str]:
    r"""The paragraphs of a help text, one of whole lines with its ``\b`` before it."""
    return [one.strip("\n") for one in inspect.cleandoc(help).split("\n\n") if one.strip()]


def _body(paragraphs: list[str]) -> Iterator[str]:
    for number, one in enumerate(paragraphs):
        above = ".PP" if number else ""
        if one.startswith("\b"):
            yield from _verbatim(one.splitlines()[1:], above)
        else:
            yield from _filled([one], above=above)


def _item(name: str, texts: Iterable[str]) -> Iterator[str]:
    yield ".TP"
    yield from _filled([name], escape=False)
    for number, text in enumerate(filter(None, texts)):
        yield from _filled([text], above=".IP" if number else "")


def _verbatim(lines: Iterable[str], above: str = ".PP") -> Iterator[str]:
    yield from ([above] if above else [])
    yield ".nf"
    for line in lines:
        yield _safe(_escaped(line))
    yield ".fi"


def _filled(texts: Iterable[str], *, escape: bool = True, above: str = "") -> Iterator[str]:
    yield from ([above] if above else [])
    for text in texts:
        words = " ".join((_escaped(text) if escape else text).split())
        for line in textwrap.wrap(words, _COLUMNS - 2, break_long_words=False, break_on_hyphens=False):
            yield _safe(line)


def _safe(line: str) -> str:
    """`line` where it is no request, whatever it begins with."""
    return f"\\&{line}" if line.startswith((".", "\\(aq", " ")) else line


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(one, one if one.isascii() else f"\\[u{ord(one):04X}]") for one in text)


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


@command("man")
@click.argument("page", required=False, shell_complete=completes("pages"))
@click.option(
    "--directory",
    type=click.Path(file_okay=False, readable=False),
    metavar="DIR",
    help="Write all pages as files below DIR, for example /usr/local/share/man.",
)
@click.pass_context
def man_command(context: click.Context, /, page: str | None, directory: str | None) -> Exit:
    """Print a page of the manual for man(1); without PAGE list the pages.

    PAGE is a command, for example plan or service-install-watch, or manifests.

    \b
    For example:
      reconcile man plan | man -l -
      reconcile man --directory /usr/local/share/man
    """  # noqa: D301 - click reads the character
    made = {one.name: one for one in pages(context.find_root().command, _date())}
    if directory is not None:
        if page is not None:
            raise click.UsageError("--directory writes all pages; leave PAGE out")
        _write(Path(directory), made.values())
        return Exit.DONE
    result(lines_text(f"{one.name}({one.section})" for one in made.values()) if page is None else _one(made, page).text)
    return Exit.DONE


def _one(made: dict[str, Page], name: str) -> Page:
    short = {one.removeprefix("reconcile-"): page for one, page in made.items()}
    words = name.replace(" ", "-").removeprefix("reconcile-")
    if found := short.get(words):
        return found
    near = nearest(words, short)
    line = shell_line(["reconcile", "man", *filter(None, [near])])
    raise click.UsageError(
        f"there is no page '{name}'. {'Did you mean' if near else 'The pages are listed by'}: {line}"
    )


def _write(folder: Path, made: Iterable[Page]) -> None:
    from reconciler.integrations.files import replace

    every = tuple(made)
    for one in every:
        replace(folder / one.file, one.text.encode())
    report(
        f"{counted(len(every), 'page')} written below {folder}",
        f"  next: {shell_line(['man', '-M', str(folder), 'reconcile'])}",
    )


def _date() -> str:
    """The day on which this version was installed; for builds that are repeated, that of SOURCE_DATE_EPOCH."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = int(seconds) if re.fullmatch("[0-9]{1,11}", seconds) else os.stat(__file__).st_mtime
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")
