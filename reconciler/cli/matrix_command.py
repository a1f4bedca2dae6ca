"""``reconcile matrix``: who has which queue, in one grid, in every directory and for every user, as a status is."""

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.meant.queues import asked_for, cards_asked_for, chosen, queues_asked_for, refuse_paths
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

    GUEST is the name of a guest or the uuid of its device. A QUEUE such as 05.0047 stands for itself and for the guests
    that have it, or are to have it; a CARD such as card05 stands for its queues, and with a label for its guests.

    For a host that 'reconcile observe' has recorded use 'reconcile report --observed FILE --html PAGE'.
    """
    from reconciler.render.matrix_record import matrix_json
    from reconciler.render.matrix_text import matrix_text

    refuse_paths(host, guests)
    seen = Seen(host)
    with opened(host) as machine:
        status = seen.status(machine)
    if status.plan:
        show_problems(status.plan.problems)
    # A card is a row of its own: the other rows of its guests were not asked for.
    rows = chosen(status, guests, selector, by_card=bool(selector.pairs))
    grid = _grid(status)
    asked = asked_for(status, guests)
    # With a label, guests alone are asked for.
    named = asked._replace(queues=(), cards=()) if selector.pairs else asked
    shown = grid if rows is None else grid.only((one.uuid for one in rows), named.queues, named.cards)
    if format == "json":
        result(matrix_json(status, grid, shown, seen.unseen))
    else:
        labels = [word for pair in selector.pairs for word in ("-l", "=".join(pair))]
        if asked.queues or asked.cards:
            from reconciler.render.queues_text import cards_shares_lines, queues_lines

            page = page_for_stdout()
            answers = queues_lines(queues_asked_for(status, guests), page)
            result(lines_text([*answers, *cards_shares_lines(cards_asked_for(status, guests), page), ""]))
        whole = host.line(MATRIX_WIDE.with_flags(*labels, *guests))
        most = None if format == "wide" else MOST_LINES
        nothing = "" if (named.queues or named.cards) and not named.names else None
        page = page_for_stdout()
        result(matrix_text(status, grid, shown, page, most=most, unseen=seen.unseen, whole=whole, nothing=nothing))
    seen.say_what_to_run()
    return Exit.DONE


def _grid(status: Status) -> Grid:
    if status.plan:
        return grid_of(status.plan)
    return grid_as_found(status.observed, {one.uuid: one.name for one in status.guests})
