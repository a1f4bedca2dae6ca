"""``reconcile man``: the manual pages of this version, on standard output or as files for man(1)."""

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.manual import Page, pages
from reconciler.cli.output import report, result
from reconciler.cli.tree import command, completes
from reconciler.model.printable import lines_text, shell_line
from reconciler.render.text import counted


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
    near = get_close_matches(words[:100], short, n=1)
    line = shell_line(["reconcile", "man", *near])
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
