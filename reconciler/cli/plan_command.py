"""``reconcile --plan``."""

import os

from reconciler import plan
from reconciler.cli.exit_codes import Exit
from reconciler.cli.machine import opened, refuse_to_replace, wanted_source
from reconciler.cli.options import HostOptions
from reconciler.cli.output import paint_for_stdout, result, tell, tell_problems
from reconciler.cli.recovered import tell_unfinished
from reconciler.model.commands import APPLY
from reconciler.planning.plan import Plan


def run(host: HostOptions, *, format: str, out: str | None, detailed: bool) -> Exit:
    """Make the plan, show it, save it where asked."""
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
