"""``reconcile observe``: the record of a host, from which a plan can be made without it."""

import os

import click

from reconciler import record_host, record_text, write_host_record
from reconciler.cli.command_lines import repeated
from reconciler.cli.exit_codes import Exit
from reconciler.cli.machine import opened, refuse_to_replace
from reconciler.cli.options import HostOptions, host_options
from reconciler.cli.output import result, say
from reconciler.cli.tree import command
from reconciler.model.commands import PLAN, Here


@command("observe")
@click.option("--out", type=click.Path(dir_okay=False), metavar="FILE", help="Write it to FILE (0640), as a whole.")
@host_options
def observe_command(out: str | None, host: HostOptions) -> Exit:
    """Print a record of the host, from which 'plan --observed' plans anywhere.

    It has everything that a plan rests on: masks, cards, queues and devices, which process has a device open, the names
    of VMs, what was applied last and is suspended, and the files that the host boots from. It has no command lines.
    What cannot be read is named in it.
    """
    if host.paths or host.host:
        option = "-f" if host.paths else "--host"
        raise click.UsageError(f"a record is of the host alone, without manifests; leave {option} out")
    if out is not None:
        refuse_to_replace("--out", out, host, manifests=False)
    with opened(host) as machine:
        record = record_host(machine)
    if out is None:
        result(record_text(record))
    else:
        write_host_record(record, out)
    if record.unread:
        say("warning: not everything could be read; a plan by this record says so, and cannot be saved")
        say(*(f"  {one}" for one in record.unread))
        if os.geteuid():
            say(f"  next: {repeated(click.get_current_context(), 'sudo')}")
    elif out is not None:
        say(f"recorded; to plan for this host elsewhere: {Here().line(PLAN.with_flags('--observed', out))}")
    return Exit.DONE
