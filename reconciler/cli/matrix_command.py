"""``reconcile matrix``: who has which queue, in one grid, in every directory and for every user, as a status is."""

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.meant.queues import chosen, queues_asked_for, refuse_paths
from reconciler.cli.open_host import opened
from reconciler.cli.options import HostOptions, format_option, host_options, label_option, recorded_options
from reconciler.cli.output import page_for_stdout, result, show_problems
from reconciler.cli.status_command import Seen
from reconciler.cli.tree import command, completes
from reconciler.model.commands import MATRIX_WIDE
from reconciler.model.desired import Selector
from reconciler.model.printable import lines_text
from reconciler.planning.grid import Grid, grid_as_found, grid_of
from reconciler.planning.status import Status
from reconciler.render.text import MOST_LINES


@command("matrix")
@click.argument("guests", nargs=-1, metavar="[GUEST|QUEUE|CARD]...", shell_complete=completes("guests"))
@label_option("Show guests with this label only; counts stay those of the host.")
@format_option("text", "wide", "json")
@host_options
@recorded_options
def matrix_command(guests: tuple[str, ...], selector: Selector, format: str, host: HostOptions) -> Exit:
    """Show who has which queue, in one grid of adapters and domains.

    GUEST is the name of a guest or the uuid of its device; a QUEUE such as 05.0047 or a CARD such as card05 stands for
    the guests that have it, or are to have it.

    For a host that 'reconcile observe' has recorded use 'reconcile report --observed FILE --html PAGE'.
    """
    from reconciler.render.matrix_text import matrix_json, matrix_text

    refuse_paths(host, guests)
    seen = Seen(host)
    with opened(host) as machine:
        status = seen.status(machine)
    if status.plan:
        show_problems(status.plan.problems)
    rows = chosen(status, guests, selector)
    grid = _grid(status)
    shown = grid if rows is None else grid.only(one.uuid for one in rows)
    if format == "json":
        result(matrix_json(status, grid, shown, seen.unseen))
    else:
        labels = [word for pair in selector.pairs for word in ("-l", "=".join(pair))]
        if queues := queues_asked_for(status, guests):
            from reconciler.render.queues_text import queues_lines

            result(lines_text([*queues_lines(queues, page_for_stdout()), ""]))
        whole = host.line(MATRIX_WIDE.with_flags(*labels, *guests))
        most = None if format == "wide" else MOST_LINES
        result(matrix_text(status, grid, shown, page_for_stdout(), most=most, unseen=seen.unseen, whole=whole))
    seen.say_what_to_run()
    return Exit.DONE


def _grid(status: Status) -> Grid:
    if status.plan:
        return grid_of(status.plan)
    return grid_as_found(status.observed, {one.uuid: one.name for one in status.guests})
