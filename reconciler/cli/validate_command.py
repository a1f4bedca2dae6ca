"""``reconcile validate``: the manifests by themselves, of all hosts."""

import json

from reconciler.cli.exit_codes import Exit
from reconciler.cli.options import HostOptions
from reconciler.cli.output import result, tell_problems
from reconciler.manifests.pinpoint import pinpoint
from reconciler.manifests.site import Site, read_site
from reconciler.model.desired import Desired
from reconciler.model.problems import Problem, errors_of
from reconciler.planning.conflicts import conflicts
from reconciler.planning.target import pool_of
from reconciler.render.diagnostics import counted, problem_record


def run(host: HostOptions, *, format: str) -> Exit:
    """Check the manifests and show every problem."""
    site = read_site(host.manifests)
    code = Exit.INVALID if errors_of(site.problems) else Exit.DONE
    problems = list(site.problems)
    if code is Exit.DONE:
        found = pinpoint(_conflicts(site, host.host), site.sources)
        code = Exit.REFUSED if errors_of(found) else Exit.DONE
        problems += found
    if format == "json":
        record = {
            "formatVersion": "1",
            "valid": code is Exit.DONE,
            "problems": [problem_record(one) for one in problems],
        }
        result(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    else:
        tell_problems(problems)
        if code is Exit.DONE:
            result(f"valid: {counted(len(site.hosts), 'host')}, {counted(len(site.guests), 'guest')}\n")
    return code


def _conflicts(site: Site, only: str | None) -> list[Problem]:
    problems: list[Problem] = []
    for name in [only] if only else sorted(host.name for host in site.hosts):
        desired = site.desired(name, "")
        if isinstance(desired, Desired):
            derived = pool_of(desired, ())
            problems += conflicts(desired, derived.pool if derived else None, (), ())
        else:
            problems += desired
    return problems
