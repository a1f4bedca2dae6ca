"""``reconcile validate``: the manifests by themselves, of all hosts."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from reconciler import Site, read_site
from reconciler.cli.exit_codes import Exit
from reconciler.cli.open_host import named_manifests, require_simulated_host
from reconciler.cli.options import HostOptions, format_option, manifest_arguments, unread_host_options
from reconciler.cli.output import REVIEW_FORMATS, result, say, show_for_review, show_problems
from reconciler.cli.tree import command
from reconciler.kernel.paths import AP_BUS
from reconciler.machines.proof import Proof, Proven, prove
from reconciler.manifests.cross_checks import for_host
from reconciler.manifests.pinpoint import pinpoint
from reconciler.manifests.site import names_of_host, not_checked, placed
from reconciler.model.desired import Desired, DesiredGuest
from reconciler.model.printable import escaped, lines_text
from reconciler.model.problems import Place, Problem, ProblemList, Severity, errors_of, in_a_line, several
from reconciler.planning.conflicts import conflicts
from reconciler.planning.target import pool_of
from reconciler.render.diagnostics import counts_of, problem_record
from reconciler.render.plan_json import json_text
from reconciler.render.text import counted

if TYPE_CHECKING:
    from reconciler.integrations.domain_xml import Domain


@command("validate")
@manifest_arguments
@click.option(
    "--domain-xml",
    "domain_files",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    help="Check the AP devices of the VM that FILE describes (virsh dumpxml), too; may be given again.",
)
@click.option(
    "--base",
    metavar="REF",
    help="Compare with the manifests of the same paths at that git commit, too, such as origin/main.",
)
@click.option("--strict", is_flag=True, help="Take warnings and notes for errors, too.")
@format_option("text", "json", "github", "sarif")
@unread_host_options
def validate_command(
    domain_files: tuple[str, ...], base: str | None, strict: bool, format: str, host: HostOptions
) -> Exit:
    """Check the manifests, without a host.

    Where they describe machines, they are checked together: no queue belongs to two active LPARs, and guests ask for
    what their LPARs have. What is proved is proved for the LPARs that are listed.
    """
    require_simulated_host(host)  # a mistyped name would go unnoticed, as no host is read
    paths, given = named_manifests(host)
    site = read_site(paths, given=given)
    code = Exit.INVALID if errors_of(site.problems) else Exit.DONE
    problems = [for_host(one, _host_name(host)) for one in site.problems]
    proof = prove(Proven(site.machines, site.hosts, site.guests), host.host)
    earlier, said = _changed_since(base, paths, site, host.host) if base is not None else ([], [])
    found = placed((*_conflicts(site, host.host), *proof.problems, *earlier), site.sources)
    if code is Exit.DONE and errors_of(found):
        is_known = host.host is None or any(one.name == host.host for one in site.hosts)
        code = Exit.REFUSED if is_known else Exit.INVALID
    problems += found
    if code is Exit.INVALID:  # a guest may be missing that is there
        said += _not_checked(site, domain_files, base)
    else:
        found = _vm_problems(site, domain_files)
        code = Exit.INVALID if errors_of(found) else code
        problems += found
    if strict and code is Exit.DONE and problems:
        code = Exit.REFUSED
    problems = [one._replace(severity=Severity.ERROR) if strict else one for one in ProblemList(problems).all]
    problems += said  # notes also with --strict: new manifests are in no commit
    if format == "json":
        record = {
            "formatVersion": 1,
            "valid": code is Exit.DONE,
            "problems": [problem_record(one) for one in problems],
            "counts": {one.value: count for one, count in counts_of(problems).items()},
            "machines": {"count": proof.machines, "lpars": proof.lpars, "queuesOutside": proof.outside},
        }
        result(json_text(record))
    elif format in REVIEW_FORMATS:
        show_for_review(problems, "validate", format)
    else:
        notes = counts_of(problems)[Severity.NOTE] - len(said)
        shown = [one for one in problems if one.severity is not Severity.NOTE or one in said]
        show_problems(shown, at_the_end=code is not Exit.DONE and not notes)
        if code is Exit.DONE:
            result(f"valid: {counted(len(site.hosts), 'host')}, {counted(site.guest_count, 'guest')}\n")
            result(_proved(proof, notes))
        elif notes:
            say(f"and {counted(notes, 'note')} about what LPARs do not have: -o json lists them")
    return code


def _host_name(host: HostOptions) -> str:
    """The Host that is missing where there is none: the one asked for, or this machine, if it has an AP bus."""
    is_host = os.path.isdir(os.path.join(host.sysfs, AP_BUS))
    return host.host or (names_of_host(os.uname().nodename)[1] if is_host else "")


def _proved(proof: Proof, notes: int) -> str:
    """What is proved about machines, and how much is pending; empty where there are none."""
    if not proof.machines:
        return ""
    machines = counted(proof.machines, "machine")
    lines = [
        f"proved for the {counted(proof.lpars, 'LPAR')} listed of the {machines}: one that is not listed is invisible"
    ]
    if notes:
        queues = f", among them {counted(proof.outside, 'queue')} of guests" if proof.outside else ""
        lines.append(f"{counted(notes, 'note')} about what LPARs do not have{queues}: -o json lists them")
    return lines_text(lines)


def contradictions(site: Site) -> list[Problem]:
    """What the valid manifests of a `site` contradict each other in, on each host and on the machines."""
    proof = prove(Proven(site.machines, site.hosts, site.guests))
    return placed((*_conflicts(site, None), *proof.problems), site.sources)


def _conflicts(site: Site, only: str | None) -> Sequence[Problem]:
    """The conflicts among the guests and hosts that could be read; of those with the same name or uuid the first."""
    guests: dict[str, list[DesiredGuest]] = {}
    for guest in {(one.host, one.uuid): one for one in reversed(site.guests)}.values():
        guests.setdefault(guest.host, []).append(guest)
    names = [only] if only else sorted(host.name for host in site.hosts)
    hosts = {host.name: host for host in site.hosts}
    problems = ProblemList()
    for name in names:
        known = (hosts[name],) if name in hosts else site.hosts
        own = tuple(sorted(guests.get(name, ()), key=lambda one: one.name))
        desired = Desired(hosts[name], own, "") if name in hosts else Site(known, own, (), {}).desired(name, "")
        if isinstance(desired, Desired):
            derived = pool_of(desired, ())
            problems.extend(conflicts(desired, derived.pool if derived else None, (), ()))
        else:
            problems.extend(desired)
    return problems.all


def _changed_since(ref: str, paths: Sequence[str], site: Site, only: str | None) -> tuple[list[Problem], list[Problem]]:
    """What changed since the commit `ref` that manifests must not change without a word; a guest counts once.

    Behind it a note where that commit has no manifests at `paths`.
    """
    from reconciler.operations.at_commit import site_at
    from reconciler.planning.changed_uuids import changed_uuids, moved_uuids

    if not paths:
        raise click.UsageError("--base compares files with those of a commit; standard input is in none")
    earlier, commit = site_at(paths, ref, os.environ)
    if errors_of(site.problems):
        return [], []  # the guest may be one that could not be read
    since = f"in commit {commit[:12]}" if commit.startswith(ref) else f"at {escaped(ref)} (commit {commit[:12]})"
    if not (earlier.sources or earlier.unread):
        message = f"there are no manifests at these paths {since}, so that no uuid could be compared"
        advice = (
            "If they were elsewhere, name a directory with -f that both places are in. If they are new, all is well."
        )
        return [], [Problem("base-empty", Severity.NOTE, message, help=advice)]
    now, had = _by_host(site), _by_host(earlier)
    found: dict[tuple[Place, ...], Problem] = {}
    for name in sorted(now) if only is None else [only]:
        before = {guest.uuid: guest.name for guest in had.get(name, ())}
        for problem in changed_uuids(now.get(name, ()), before, since):
            found.setdefault(problem.places, problem)
    for problem in moved_uuids(site.guests, earlier.guests, since, only):
        found.setdefault(problem.places, problem)
    problems = list(found.values())
    if errors := errors_of(earlier.problems):
        found_there = in_a_line(errors[0])
        message = f"the manifests {since} have errors, so that not every guest could be compared: {found_there}"
        advice = "Compare with a commit whose manifests are valid, or look at the uuids yourself."
        problems.append(Problem("base-invalid", Severity.WARNING, message, help=advice))
    return problems, []


def _not_checked(site: Site, domain_files: Sequence[str], base: str | None) -> list[Problem]:
    left_out = [f"the VMs in {several(domain_files)} were not compared with the guests"] if domain_files else []
    if base is not None and errors_of(site.problems):
        left_out.append(f"uuids were not compared with those at {base}")
    return not_checked(site, left_out)


def _by_host(site: Site) -> dict[str, list[DesiredGuest]]:
    guests: dict[str, list[DesiredGuest]] = {}
    for guest in site.guests:
        guests.setdefault(guest.host, []).append(guest)
    return guests


def _vm_problems(site: Site, files: Sequence[str]) -> list[Problem]:
    if not files:
        return []
    from reconciler.integrations.domain_checks import domain_problems, shared_devices
    from reconciler.integrations.domain_xml import Domain, read_domain
    from reconciler.manifests.files import FoundFile, content_of

    problems: list[Problem] = []
    domains: list[Domain] = []
    sources = dict(site.sources)
    for file in files:
        content = content_of(FoundFile(file, file))
        domain = content if isinstance(content, Problem) else read_domain(content, file)
        if isinstance(content, bytes):
            sources[file] = content.decode("utf-8", "replace")
        if isinstance(domain, Problem):
            problems.append(domain)
        else:
            domains.append(domain)
            problems += domain_problems(domain, site.guests)
    return pinpoint([*problems, *shared_devices(_each_once(domains))], sources)


def _each_once(domains: "Sequence[Domain]") -> "list[Domain]":
    """`domains`, of those with one name and uuid the first: a file may be given twice."""
    return list({(one.name, one.uuid): one for one in reversed(domains)}.values())[::-1]
