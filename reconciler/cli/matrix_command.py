"""``reconcile matrix``: who has which queue, in one grid."""

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.machine import opened, wanted_source
from reconciler.cli.options import HostOptions, format_option, host_options, recorded_options
from reconciler.cli.output import paint_for_stdout, result, show_problems
from reconciler.cli.recovered import show_unfinished
from reconciler.cli.tree import command
from reconciler.model.commands import MATRIX_WIDE
from reconciler.planning.grid import Grid, grid_as_found, grid_of

if TYPE_CHECKING:
    from reconciler import Machine, WantedSource
    from reconciler.render.matrix_text import Sheet


@command("matrix")
@click.argument("guests", nargs=-1, metavar="[GUEST]...")
@format_option("text", "wide", "json")
@host_options
@recorded_options
def matrix_command(guests: tuple[str, ...], format: str, host: HostOptions) -> Exit:
    """Show who has which queue, in one grid of adapters and domains.

    With GUEST only the queues that these guests have or claim.
    """
    from reconciler.render.matrix_text import matrix_json, matrix_text

    with opened(host) as machine:
        show_unfinished(host)
        found = _found(host, machine)
    shown = found.grid.only(_uuids(found.grid, guests)) if guests else found.grid
    if format == "json":
        result(matrix_json(found.host, {"source": found.source, "text": found.text}, found.grid, shown))
        return Exit.DONE
    heading = [f"Host {found.host}, compared with {found.text}" if found.source != "host" else f"Host {found.host}"]
    heading += [f"compared with nothing: {found.text}"] if found.source == "host" else []
    whole = host.line(MATRIX_WIDE.with_flags(*guests))
    result(matrix_text(heading, found.grid, shown, _sheet(wide=format == "wide"), whole))
    return Exit.DONE


class _Found(NamedTuple):
    """The grid of a host, and with what it is compared: the kind of it, and the same for people."""

    host: str
    grid: Grid
    source: str
    text: str


def _found(host: HostOptions, machine: "Machine") -> _Found:
    """Compared with what is named, otherwise with what is nearest; without all that the host alone."""
    if host.paths or host.recorded:
        return _planned(wanted_source(host, with_commit=False), machine, "manifests", "the manifests")
    from reconciler import OfGeneration, history, observe
    from reconciler.manifests.files import find_files

    if find_files(host.manifests)[0]:
        return _planned(wanted_source(host, with_commit=False), machine, "manifests", "the manifests")
    targets = [one.number for one in history(machine) if one.is_target]
    if targets:
        text = f"what was applied last: generation {targets[-1]}"
        return _planned(OfGeneration(targets[-1]), machine, "applied", text)
    why = "there are no manifests in this directory, and nothing was applied yet"
    return _Found(machine.name, grid_as_found(observe(machine)), "host", why)


def _planned(source: "WantedSource", machine: "Machine", kind: str, text: str) -> _Found:
    from reconciler import plan

    made = plan(source.read(machine), machine)
    show_problems(made.problems)
    return _Found(made.desired.host.name, grid_of(made), kind, text)


def _uuids(grid: Grid, names: tuple[str, ...]) -> list[str]:
    """The uuids of the holders with `names`.

    Raises:
        click.UsageError: there is none with such a name.
    """
    known = {key: one.uuid for one in grid.holders for key in (one.name, one.uuid)}
    for name in names:
        if name not in known:
            raise click.UsageError(f"there is no guest called {name}; there are: {_listed(grid)}")
    return [one.uuid for one in grid.holders if one.name in names or one.uuid in names]


_MOST_NAMES = 20


def _listed(grid: Grid) -> str:
    names = [one.name for one in grid.holders]
    more = f" and {len(names) - _MOST_NAMES} more" if names[_MOST_NAMES:] else ""
    return ", ".join(names[:_MOST_NAMES]) + more if names else "none"


def _sheet(*, wide: bool) -> "Sheet":
    """What stdout is: as wide as the terminal, or as COLUMNS says, and with the characters that its encoding has."""
    from reconciler.render.matrix_text import USUAL_WIDTH, Sheet

    width = os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else 0
    given = os.environ.get("COLUMNS", "")
    width = int(given) if given.isascii() and given.isdigit() else width
    sheet = Sheet(width or USUAL_WIDTH, paint=paint_for_stdout())
    sheet = sheet._replace(host=_encodable("·", "."), ellipsis=_encodable("…", "..."))
    return sheet._replace(most=None) if wide else sheet


def _encodable(text: str, otherwise: str) -> str:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return otherwise
    return text
