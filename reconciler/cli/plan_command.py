"""``reconcile plan``."""

import os

import click

from reconciler import plan
from reconciler.cli.exit_codes import Exit
from reconciler.cli.machine import opened, refuse_to_replace, wanted_source
from reconciler.cli.options import HostOptions, format_option, host_options, manifest_arguments, recorded_options
from reconciler.cli.output import paint_for_stdout, result, tell, tell_problems
from reconciler.cli.recovered import tell_unfinished
from reconciler.cli.tree import command
from reconciler.model.commands import APPLY
from reconciler.planning.plan import Plan


@command("plan")
@manifest_arguments
@click.option("--out", type=click.Path(dir_okay=False), metavar="FILE", help="Save the plan for 'apply FILE'.")
@click.option("--detailed-exitcode", "detailed", is_flag=True, help="Exit with 2 where there are changes.")
@format_option("text", "json", "markdown")
@host_options
@recorded_options
def plan_command(out: str | None, detailed: bool, format: str, host: HostOptions) -> Exit:
    """Show what an apply would do."""
    if out:
        refuse_to_replace("--out", out, host, manifests=not host.recorded)
    with opened(host) as machine:
        tell_unfinished(host)
        made = plan(wanted_source(host).read(machine), machine)
    show(made, format)
    if not made.is_valid:
        return Exit.REFUSED
    if out:
        _save(made, host, out)
    return Exit.CHANGES if detailed and made.changes else Exit.DONE


def _save(made: Plan, host: HostOptions, file: str) -> None:
    from reconciler.integrations.named_file import is_kept, write_named
    from reconciler.render.plan_json import plan_file_text

    write_named(file, plan_file_text(made, () if host.recorded else host.manifests, host.recorded).encode("ascii"))
    if is_kept(file):
        named = os.path.join(os.curdir, file) if file.startswith("-") else file
        tell(f"saved; to do exactly this: {host.here.reading(()).line(APPLY.with_flags(named))}")
    else:
        tell(f"written to {file}, from which it cannot be applied")


def show(made: Plan, format: str) -> None:
    """Print the plan in `format`: text, json or markdown."""
    if format == "json":
        from reconciler.render.plan_json import plan_json

        result(plan_json(made))
    elif format == "markdown":
        from reconciler.render.plan_markdown import plan_markdown

        result(plan_markdown(made))
    else:
        from reconciler.render.plan_text import plan_text

        tell_problems(made.problems)
        result(plan_text(made, paint_for_stdout()))
