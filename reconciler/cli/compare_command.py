"""``reconcile compare``: whether guests can move from one host to another, and what a takeover would leave pending."""

import os
from collections.abc import Sequence

import click

from reconciler import NoSuchSide, Site, compare_hosts, read_host_record, read_site, standbys_of
from reconciler.cli.command_lines import changed_line
from reconciler.cli.exit_codes import Exit
from reconciler.cli.meant.files import denied_record
from reconciler.cli.open_host import named_manifests
from reconciler.cli.options import HOST_OPTIONS, HostOptions, Said, format_option
from reconciler.cli.output import page_for_stdout, result
from reconciler.cli.tree import command, completes
from reconciler.kernel.paths import DEFAULT_SYSFS
from reconciler.manifests.files import STDIN
from reconciler.model.commands import OBSERVE, Here
from reconciler.model.machines import LparName
from reconciler.operations.sides import NO_SITE, NamedSide, SameSide
from reconciler.render.comparison_text import comparison_json, comparison_text
from reconciler.render.text import MOST_LINES


@command("compare")
@click.argument("source", metavar="A", shell_complete=completes("sides"))
@click.argument("target", metavar="B", required=False, shell_complete=completes("sides"))
@click.option("--standby", is_flag=True, help="Compare A with its standby, in place of B.")
@format_option("text", "wide", "json")
@HOST_OPTIONS[0]
def compare_command(source: str, target: str | None, standby: bool, format: str, file: tuple[str, ...]) -> Exit:
    """Show whether guests can move from A to B, and what B lacks; exit with 2 where something is missing.

    A and B are Hosts of the manifests, LPARs as MACHINE/LPAR, or files that 'reconcile observe' has written. Of a Host
    or an LPAR is known what its Machine lists; of a file what was found. Where B is another place of the same host, as
    its standby: what would be pending after a takeover. Two files need no manifests: where there are none, the guests
    are the devices of A.
    """
    context = click.get_current_context()
    host = HostOptions(file, None, DEFAULT_SYSFS, None, None)
    context.ensure_object(Said).host = host
    if standby is (target is not None):
        raise click.UsageError("name two sides, A and B, or one side with --standby")
    words = [source] if target is None else [source, target]
    site = _site(host, words)
    try:
        sides = [_side(one, site) for one in words]
        if target is None:
            sides.append(_only_standby(sides[0], site))
        found = compare_hosts(sides[0], sides[1], site)
    except (NoSuchSide, SameSide) as error:
        raise click.UsageError(str(error)) from None
    if format == "json":
        result(comparison_json(found))
    else:
        most = None if format == "wide" else MOST_LINES
        listed = next((one.host for one in (found.source, found.target) if one.cards is None and one.host), "")
        record = Here().line(OBSERVE.with_flags("--out", f"{listed}.json")) if listed else ""
        whole = changed_line(context, format="wide")
        result(comparison_text(found, page_for_stdout(), most=most, whole=whole, record=record))
    return Exit.DONE if found.is_whole else Exit.CHANGES


def _site(host: HostOptions, words: Sequence[str]) -> Site:
    """The manifests; two recorded hosts need none."""
    if words.count(STDIN) + host.paths.count(STDIN) > 1:
        raise click.UsageError(f"{STDIN}: standard input is only one of them; name a file for the other")
    paths, given = named_manifests(host)
    site = read_site(paths, given=given)
    if host.paths or site.hosts or site.guests or site.machines:
        return site
    for word in words:
        if not _is_record(word) and not os.path.exists(word):
            raise click.UsageError(
                f"there is no file {word!r}, and no manifests in the current directory, where a Host or an LPAR could "
                "have this name; name the manifests with -f"
            )
    return NO_SITE


def _is_record(word: str) -> bool:
    """Whether `word` is a file, not a name."""
    return word == STDIN or os.path.isfile(word)


def _record(word: str) -> NamedSide:
    """The record in the file `word`, or on standard input."""
    try:
        return read_host_record(word)
    except PermissionError as error:
        raise denied_record(word, error) from error


def _side(word: str, site: Site) -> NamedSide:
    is_host = any(one.name == word for one in site.hosts)  # a file of that name is ./NAME
    if is_host:
        return word
    lpars = {LparName(one.name, lpar.name).folded for one in site.machines for lpar in one.lpars}
    if not _is_record(word) and os.path.exists(word) and LparName.parsed(word).folded not in lpars:
        what = "a directory" if os.path.isdir(word) else "no regular file"
        raise click.UsageError(f"{word} is {what}; name a file that '{OBSERVE} --out' has written")
    return _record(word) if _is_record(word) else word


def _only_standby(source: NamedSide, site: Site) -> str:
    """The standby of `source`."""
    if not isinstance(source, str):
        raise click.UsageError("a file is of one LPAR and has no standby; name the Host, or MACHINE/LPAR")
    found = standbys_of(source, site)
    if len(found) == 1:
        return str(found[0])
    context = click.get_current_context()
    if not found:
        raise click.UsageError(f"no Machine lists a standby of {source} (spec.lpars[].standbyOf)")
    lines = (changed_line(context, standby=None, target=str(one)) for one in found)
    raise click.UsageError(f"{source} has several standbys; choose: {'; '.join(lines)}")
