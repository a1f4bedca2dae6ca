"""``reconcile hmc-changes``: what has to be changed on the HMC for the manifests to become true."""

import os
import sys
from collections.abc import Iterator, Sequence

import click

from reconciler import InvalidManifests, Site, read_site
from reconciler.cli.exit_codes import Exit
from reconciler.cli.open_host import named_manifests
from reconciler.cli.options import HostOptions, format_option, manifest_arguments, unread_host_options
from reconciler.cli.output import page_for_stdout, result, say, show_problems
from reconciler.cli.tree import command
from reconciler.machines.hmc_changes import hmc_changes
from reconciler.machines.proof import Proven, prove
from reconciler.manifests.files import FILE_LIMIT, STDIN
from reconciler.manifests.site import placed
from reconciler.model.errors import InputError
from reconciler.model.machines import DesiredMachine
from reconciler.model.matrix import EMPTY_CONFIG
from reconciler.model.printable import shortened
from reconciler.model.problems import errors_of, several
from reconciler.model.similar import did_you_mean
from reconciler.render.hmc_text import ComparedMachines, hmc_json, hmc_text


@command("hmc-changes")
@manifest_arguments
@click.option("--base", metavar="REF", help="Compare with the manifests of this git commit, at the same paths.")
@click.option(
    "--from",
    "live",
    type=click.Path(readable=False),
    metavar="FILE",
    help="Compare with what is on the HMC: the manifests in FILE, or - (standard input), which 'reconcile import "
    "--from' has written.",
)
@format_option("text", "json")
@unread_host_options
def hmc_changes_command(base: str | None, live: str | None, format: str, host: HostOptions) -> Exit:
    """Show what has to be changed on the HMC for the manifests to become true; exit with 2 where there is anything.

    Without --base and --from nothing is known of the machines, and everything is listed. Nothing is changed.
    """
    if base is not None and live is not None:
        raise click.UsageError("choose one of --base and --from")
    if base is not None and STDIN in host.manifests:
        raise click.UsageError("--base compares files with a commit; name them with -f instead of standard input")
    if live == STDIN and STDIN in host.manifests:
        raise click.UsageError(f"{STDIN}: standard input is only one of them; name a file for the other")
    paths, given = named_manifests(host)
    site = _valid(read_site(paths, given=given))
    # Only what concerns LPARs: a guest outside of its LPAR may be what the list is about.
    if conflicts := placed(prove(Proven(site.machines, (), ()), host.host).problems, site.sources):
        show_problems(conflicts)
        say("no list is made: the HMC would refuse the second LPAR; fix the errors above, then run again")
        return Exit.REFUSED
    if base is not None:
        before, compared = machines_at(host, base)
    elif live is not None:
        before, compared = _live(site, live)
    else:
        before, compared = (), ComparedMachines("nothing", "with nothing")
    after = _of_host(site.machines, host.host)
    _require_known(
        host.host,
        [*(one.name for one in site.hosts), *(lpar.host for one in (*site.machines, *before) for lpar in one.lpars)],
    )
    concerned = {one.id for one in (*after, *_of_host(before, host.host))}  # what is live seldom names hosts
    before = [one for one in before if one.id in concerned]
    if not before and not after:
        where = f" with an LPAR of host {host.host}" if host.host else ""
        raise InputError(f"the manifests describe no Machine{where}; to see what it is: reconcile explain Machine")
    found = hmc_changes(before, after)
    listed = sum(len(one.lpars) for one in after)
    if format == "json":
        result(hmc_json(found, listed, compared))
    else:
        result(hmc_text(found, listed, compared, page_for_stdout()))
    return Exit.CHANGES if found else Exit.DONE


def _valid(site: Site) -> Site:
    """`site`, of which warnings are shown.

    Raises:
        InvalidManifests: it has errors.
    """
    if errors_of(site.problems):
        raise InvalidManifests(site.problems)
    show_problems(site.problems)
    return site


def _require_known(host: str | None, known: Sequence[str]) -> None:
    """Return if `host`, which ``--host`` names, is one of the `known` names; raises click.UsageError."""
    names = sorted({one for one in known if one})
    if host is None or host in names:
        return
    there = f"There are: {several(names)}" if names else "The manifests have none."
    raise click.UsageError(f"--host {shortened(host)}: there is no such Host. {did_you_mean(host, names)}{there}")


def _of_host(machines: Sequence[DesiredMachine], host: str | None) -> tuple[DesiredMachine, ...]:
    """The machines with an LPAR in which `host` may run; all of them where it is None."""
    return tuple(one for one in machines if host is None or any(lpar.host == host for lpar in one.lpars))


def machines_at(host: HostOptions, base: str) -> tuple[Sequence[DesiredMachine], ComparedMachines]:
    """The machines of the manifests of the git commit `base`, at the same paths, and what is compared with.

    Raises:
        InvalidManifests: the manifests of that commit have errors.
    """
    from reconciler.operations.at_commit import site_at

    found, commit = site_at(host.manifests, base, os.environ)
    if not (found.sources or found.unread):
        note = f"commit {base} has no manifests there; everything is listed"
        return (), ComparedMachines("commit", f"with commit {base}", commit, (note,))
    if errors_of(found.problems):
        say(f"error: the manifests of commit {base} are invalid, so that there is nothing to compare with")
        raise InvalidManifests(found.problems)
    return found.machines, ComparedMachines("commit", f"with commit {base}", commit)


def _live(site: Site, file: str) -> tuple[Sequence[DesiredMachine], ComparedMachines]:
    if file == STDIN:
        live, file = read_site((), given=sys.stdin.buffer.read(FILE_LIMIT + 1)), "standard input"
    else:
        live = read_site([file])
    if errors_of(live.problems):
        say(f"error: what is on the HMC cannot be read from {file}")
        raise InvalidManifests(live.problems)
    known = {one.id for one in live.machines}
    # What is imported may have no id, or one that is not that of /proc/sysinfo; then its name says which machine it is.
    by_name = {one.name: one.id for one in site.machines if one.id not in known}
    described = {one.id for one in site.machines}
    machines, notes = [], []
    for one in sorted(live.machines):
        if one.id not in described and one.name in by_name:
            notes.append(
                f"machine {one.name} has the id {one.id} in {file}; by its name it is {by_name[one.name]} here"
            )
            machines.append(one._replace(id=by_name[one.name]))
        elif one.id in described:
            machines.append(one)
        else:
            notes.append(
                f"machine {one.name} ({one.id}) of {file} is not described here, by its id or its name, and nothing is "
                "listed for it"
            )
    known = {one.id for one in machines}
    notes += [
        f"{file} says nothing of machine {one.name} ({one.id}); all that it is to have is listed"
        for one in sorted(site.machines)
        if one.id not in known
    ]
    notes += _undescribed(machines, site.machines, file)
    return machines, ComparedMachines("file", f"with {file}", file, tuple(notes))


def _undescribed(live: Sequence[DesiredMachine], machines: Sequence[DesiredMachine], file: str) -> Iterator[str]:
    """A note for each machine with LPARs that the manifests may only have forgotten."""
    described = {one.id: {lpar.name.casefold() for lpar in one.lpars} for one in machines}
    for one in sorted(live):
        names = [
            lpar.name
            for lpar in one.lpars
            if lpar.config != EMPTY_CONFIG and lpar.name.casefold() not in described[one.id]
        ]
        if names:
            yield (
                f"machine {one.name} has LPARs in {file} that are not described here, and the list takes everything "
                f"from them: {several(sorted(names))}; add them to its Machine if they are to keep what they have"
            )
