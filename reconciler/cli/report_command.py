"""``reconcile report``: who has which queue, as a page or a picture in one file."""

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from reconciler import plan
from reconciler.cli.apply_progress import readable, say_as_root, show_readable
from reconciler.cli.command_lines import changed_line
from reconciler.cli.exit_codes import Exit
from reconciler.cli.meant.queues import chosen
from reconciler.cli.open_host import (
    STDOUT,
    by_record,
    manifests_commit,
    named_manifests,
    opened,
    refuse_to_replace,
    require_host,
    say_unchosen_host,
    state_of,
    wanted_source,
)
from reconciler.cli.options import HostOptions, OneApply, host_options, label_option, recorded_options
from reconciler.cli.output import result, say, show_problems
from reconciler.cli.status_command import Seen
from reconciler.cli.tree import Refused, command, completes
from reconciler.kernel.paths import DEFAULT_SYSFS
from reconciler.manifests.files import STDIN
from reconciler.model.codec import BadRecord
from reconciler.model.desired import Selector
from reconciler.model.errors import InputError
from reconciler.model.problems import several
from reconciler.planning.grid import grid_as_found, grid_of
from reconciler.planning.plan import Plan
from reconciler.planning.status import ComparedWith, GuestState, Known, Source, Status, host_status, status_of

if TYPE_CHECKING:
    from reconciler import HostRecord
    from reconciler.render.redaction import Names
    from reconciler.render.reports import Report


@command("report")
@click.argument("planfile", type=click.Path(), required=False)
@click.option("--html", type=click.Path(dir_okay=False), metavar="FILE", help="Write a page to FILE; - is stdout.")
@click.option("--svg", type=click.Path(dir_okay=False), metavar="FILE", help="Write the picture to FILE; - is stdout.")
@click.option("--plan", "of_plan", is_flag=True, help="Show what an apply would do, before and after it.")
@click.option("--generation", type=OneApply(), metavar="ID", help="Show what this apply of the history did.")
@click.option(
    "--observed",
    type=click.Path(dir_okay=False, readable=False),
    metavar="FILE",
    help="Show the host that 'reconcile observe' has recorded in FILE, not this one; - is standard input.",
)
@click.option(
    "--machine",
    shell_complete=completes("machines"),
    multiple=True,
    metavar="NAME",
    help="Show the LPARs of this machine of the manifests, not a host; may be given again.",
)
@click.option("--machines", is_flag=True, help="Show the LPARs of all machines of the manifests, not a host.")
@label_option("Show guests with this label only; counts stay those of the host.")
@click.option("--redact", is_flag=True, help="Show tokens in place of names and uuids, and leave sentences out.")
@click.option(
    "--redact-key",
    type=click.Path(dir_okay=False, readable=False),
    metavar="FILE",
    help="What tokens are made with, so that no reader can find out their names.",
)
@host_options
@recorded_options
def report_command(
    planfile: str | None,
    html: str | None,
    svg: str | None,
    of_plan: bool,
    generation: int | str | None,
    observed: str | None,
    machine: tuple[str, ...],
    machines: bool,
    selector: Selector,
    redact: bool,
    redact_key: str | None,
    host: HostOptions,
) -> Exit:
    """Show who has which queue, as a page or a picture in one file.

    It is the host as it is, unless a plan, a generation, a record of a host or machines are named. PLANFILE was written
    by 'reconcile plan --out PLANFILE'.
    """
    _refuse_unclear(planfile, html, svg, of_plan=of_plan, generation=generation, observed=observed, host=host)
    read = [one for one in (planfile, observed, redact_key) if one]
    for option, file in (("--html", html), ("--svg", svg)):
        if file and file != STDOUT:
            _refuse_to_replace(option, file, host, read)
    asked = _Asked(host, selector, time.time(), redact or redact_key is not None, redact_key)
    more: list[Report] = []
    try:
        if machine or machines:
            _refuse_with_machines(planfile, of_plan=of_plan, generation=generation, observed=observed, asked=asked)
            code, (made, *more) = _machines(asked, machine)
        elif planfile is not None:
            code, made = Exit.DONE, _saved(asked, planfile)
        elif generation is not None:
            code, made = Exit.DONE, _generation(asked, generation)
        elif of_plan:
            code, made = _planned(asked, observed)
        else:
            code, made = Exit.DONE, _now(asked) if observed is None else _recorded(asked, observed)
    except BadRecord as error:
        raise InputError(str(error)) from error
    if html:
        from reconciler import __version__
        from reconciler.render.report_html import report_html

        _write(html, report_html(made, __version__, more))
    if svg:
        from reconciler.picture.sheet import Sheet, stacked
        from reconciler.render.report_html import ascii_text

        _write(svg, ascii_text(stacked([Sheet(one.pictures, one.notes) for one in (made, *more)])))
    return code


def _refuse_unclear(
    planfile: str | None,
    html: str | None,
    svg: str | None,
    *,
    of_plan: bool,
    generation: int | str | None,
    observed: str | None,
    host: HostOptions,
) -> None:
    if not html and not svg:
        context = click.get_current_context()
        raise Refused(
            "name a file for the page or the picture; - is stdout",
            f"{changed_line(context, html='report.html')}    # a page",
            f"{changed_line(context, svg='report.svg')}    # the picture alone",
        )
    if html and svg and os.path.realpath(html) == os.path.realpath(svg):
        raise click.UsageError(f"--html and --svg name the same file, {html}; choose one of them, or name another file")
    subjects = [
        *(["PLANFILE"] if planfile else []),
        *(["--generation"] if generation is not None else []),
        *(["--plan"] if of_plan else []),
    ]
    if len(subjects) > 1:
        raise click.UsageError(f"choose one of {', '.join(subjects)}: each is a report of its own")
    if observed is None:
        return
    others = [*subjects[:1], *host.here.machine[:1], *([host.recorded] if host.recorded else [])]
    others = [one for one in others if one != "--plan"]
    if others:
        raise click.UsageError(f"--observed names the host that is shown; leave {others[0]} out")
    if observed == STDIN and STDIN in host.paths:
        raise click.UsageError("--observed - and -f -: standard input is only one of them; name a file for the other")


def _refuse_with_machines(
    planfile: str | None, *, of_plan: bool, generation: int | str | None, observed: str | None, asked: "_Asked"
) -> None:
    """Refuse what says something of a host, where machines are shown."""
    given = (
        ("PLANFILE", planfile),
        ("--plan", of_plan),
        ("--generation", generation),
        ("--observed", observed),
        ("-l", asked.selector.pairs),
        (asked.host.recorded, asked.host.recorded),
        ("--host", asked.host.host),
        *((one, one) for one in asked.host.here.machine[:1]),
    )
    if others := [name for name, value in given if value]:
        raise click.UsageError(f"machines are shown as the manifests describe them; leave {others[0]} out")


def _refuse_to_replace(option: str, file: str, host: HostOptions, read: list[str]) -> None:
    refuse_to_replace(option, file, host, manifests=not host.recorded)
    for one in read:
        if os.path.exists(one) and os.path.exists(file) and os.path.samefile(one, file):
            raise click.UsageError(f"{option} {file}: this is what the report is made from; name another file")


def _write(file: str, text: str) -> None:
    if file == STDOUT:
        result(text)
        return
    from reconciler.integrations.files import write_named

    write_named(file, text.encode("ascii"))
    say(f"written to {file}")


class _Asked:
    """What every report is made of: which host, which guests, when, and how names are shown."""

    def __init__(self, host: HostOptions, selector: Selector, now: float, redact: bool, key: str | None) -> None:
        self.host = host
        self.selector = selector
        self._now = now
        self._redact = redact
        self._key = key

    @property
    def words(self) -> str:
        """The labels of the guests that are shown, to stand behind what the report is about; empty for all guests."""
        if not self.selector.pairs:
            return ""
        return "; some guests only" if self._redact else f"; guests with -l {self.selector} only"

    def names(self, host: str) -> "Names":
        """How names on `host` are shown."""
        from reconciler.render.redaction import AsTheyAre, Tokens

        if not self._redact:
            return AsTheyAre()
        if self._key is None:
            say("note: a reader who guesses a name can check it against its token; --redact-key FILE prevents that")
            return Tokens(host)
        return Tokens(host, _key(self._key))

    def shown(self, made: "Report", read_from: str, manifests: Sequence[str] = ()) -> "Report":
        """`made`, which says what is left out, when it was made, and what of: `read_from`, and these `manifests`."""
        from reconciler.render.history_text import local_iso_time
        from reconciler.render.reports import MADE, READ_FROM

        facts = [(MADE, local_iso_time(self._now))]
        if not self._redact:
            facts += [(READ_FROM, read_from), *([("Manifests", ", ".join(manifests))] if manifests else [])]
        return made._replace(about=f"{made.about}{self.words}", facts=(*facts, *made.facts))

    @property
    def read_from(self) -> str:
        """Which host is read, for readers who are elsewhere."""
        where = self.host.findable
        if where.simulate is not None:
            return f"the simulated host {where.simulate}"
        node = os.uname().nodename
        return node if where.sysfs == DEFAULT_SYSFS else f"{where.sysfs} on {node}"

    @property
    def manifests(self) -> list[str]:
        """Where the manifests are, for readers who are elsewhere."""
        if self.host.recorded:
            return []
        return ["standard input" if one == STDIN else os.path.abspath(one) for one in self.host.manifests]


_SHORTEST_KEY: Final = 16


def _key(file: str) -> bytes:
    with open(file, "rb") as stream:
        content = stream.read(65536)
    if len(content) < _SHORTEST_KEY:
        raise click.UsageError(
            f"--redact-key {file}: a key has {_SHORTEST_KEY} bytes or more; one is made by: head -c 32 /dev/urandom"
        )
    return content


def _now(asked: _Asked) -> "Report":
    seen = Seen(asked.host)
    with opened(asked.host) as machine:
        status = seen.status(machine)
    if status.plan:
        show_problems(status.plan.problems)
    made = _status(asked, status, seen.unseen, asked.read_from)
    seen.say_what_to_run()
    return made


def _status(asked: _Asked, status: Status, unseen: list[str], read_from: str) -> "Report":
    from reconciler.render.reports import status_report

    compared = status.compared
    if compared.source is Source.MANIFESTS:
        commit = compared.commit or ("" if STDIN in asked.host.paths else manifests_commit(asked.host))
        text = f"the manifests in {', '.join(asked.manifests)}"
        status = status._replace(compared=compared._replace(text=text, commit=commit))
    grid = grid_of(status.plan) if status.plan else grid_as_found(status.observed, _names(status))
    rows = chosen(status, (), asked.selector)
    return asked.shown(status_report(status, grid, asked.names(status.host), rows, unseen), read_from)


def _names(status: Status) -> dict[str, str]:
    return {one.uuid: one.name for one in status.guests}


def _planned(asked: _Asked, observed: str | None) -> "tuple[Exit, Report]":
    from reconciler.render.reports import plan_report

    host = asked.host
    if observed is None:
        read_from = asked.read_from
        with opened(host) as machine:
            denied = show_readable(host)
            wanted = wanted_source(host).read(machine)
            say_unchosen_host(host, wanted, machine.name)
            made = plan(wanted, readable(host, machine, denied))
    else:
        made, _, read_from = _by_record(asked, observed)
    show_problems(made.problems)
    if made.unread and observed is None:
        say_as_root()
    names = asked.names(made.desired.host.name)
    code = Exit.DONE if made.is_valid else Exit.REFUSED
    return code, asked.shown(plan_report(made, names, asked.selector), read_from, asked.manifests)


def _by_record(asked: _Asked, file: str) -> tuple[Plan, ComparedWith, str]:
    """The plan by the record in `file`, with what the host is compared, and which record it is."""
    recorded, wanted = by_record(asked.host, file)
    return plan(wanted, recorded), wanted.compared, _record_text(file, recorded.record)


def _record_text(file: str, record: "HostRecord") -> str:
    """Which record is in `file`, for readers who are elsewhere."""
    from reconciler.render.history_text import local_iso_time

    name = "standard input" if file == STDIN else os.path.abspath(file)
    return f"{name}, recorded {local_iso_time(record.recorded)}"


def _recorded(asked: _Asked, file: str) -> "Report":
    """The host that `file` records: compared with manifests where some are named, else as it was found."""
    from reconciler.cli.meant.files import read_record

    if asked.host.paths or asked.host.host:
        made, compared, read_from = _by_record(asked, file)
        show_problems(made.problems)
        return _status(asked, status_of(made, compared), [str(one) for one in made.unread], read_from)
    record = read_record(file)
    known = [Known(name, uuid, None, GuestState.UNKNOWN) for uuid, (name, _) in record.applied.guests.items()]
    compared = ComparedWith(Source.HOST, "nothing", because=("no manifests were named with -f",))
    status = host_status(record.host, record.observed, compared, known)
    return _status(asked, status, [str(one) for one in record.unread], _record_text(file, record))


def _saved(asked: _Asked, planfile: str) -> "Report":
    from reconciler.cli.meant.files import not_a_saved_plan
    from reconciler.render.reports import recorded_report
    from reconciler.render.saved_plan import BadPlanFile, load_plan

    if os.path.isdir(planfile):
        raise click.UsageError(f"{planfile} is no saved plan; manifests are named with -f")
    try:
        saved = load_plan(planfile)
    except BadPlanFile as error:
        if refused := not_a_saved_plan(planfile, asked.host.here):
            raise refused from error
        raise
    facts = [("Fingerprint", str(saved.record["fingerprint"])[:16])]
    names = asked.names(saved.host)
    made = recorded_report(saved.record, "before and after this saved plan", names, asked.selector, facts=facts)
    return asked.shown(made, os.path.abspath(planfile), saved.manifests)


def _generation(asked: _Asked, which: int | str) -> "Report":
    from reconciler.render.history_list import local_time
    from reconciler.render.reports import recorded_report
    from reconciler.transaction.apply_ids import number_of
    from reconciler.transaction.history import History, NoSuchGeneration

    require_host(asked.host)
    state, _ = state_of(asked.host)
    history, number = History(state), number_of(state, which)
    record = history.record(number)
    try:
        unchanged = history.desired(number).guests
    except NoSuchGeneration:  # it is about some guests only, and what became of the others is not known
        unchanged = ()
    found = history.get(number)
    names = asked.names(found.host)
    ended = found.outcome.result.value if found.outcome else "not finished"
    facts = [("Result", ended), ("Started", local_time(found.origin.started))]
    if names.are_shown:
        facts += [("By", found.origin.user), ("Command", found.origin.command)]
        words = (("Subject", found.origin.subject), ("Author", found.origin.author))
        facts += [(name, text) for name, text in words if text]
    about = f"before and after generation {number}"
    made = recorded_report(record["plan"], about, names, asked.selector, unchanged, facts)
    return asked.shown(made, f"the history in {state.path}")


def _machines(asked: _Asked, names: Sequence[str]) -> "tuple[Exit, list[Report]]":
    """The machines with these `names`, or all where there are none, as the manifests describe them."""
    from reconciler import InvalidManifests, read_site
    from reconciler.machines.proof import Proven, prove
    from reconciler.manifests.site import placed
    from reconciler.model.problems import Severity, errors_of
    from reconciler.render.machine_reports import machine_report
    from reconciler.render.reports import COMMIT

    paths, given = named_manifests(asked.host)
    site = read_site(paths, given=given)
    if errors_of(site.problems):
        raise InvalidManifests(site.problems)
    described = {one.name: one for one in site.machines}
    if missing := [one for one in names if one not in described]:
        known = f"there are: {several(sorted(described))}" if described else "none is described"
        raise click.UsageError(f"--machine {missing[0]}: the manifests describe no such Machine; {known}")
    if not described:
        raise InputError("the manifests describe no Machine; to see what it is: reconcile explain Machine")
    chosen = [described[one] for one in sorted(dict.fromkeys(names or described))]
    shown = asked.names("")
    commit = "" if given is not None else manifests_commit(asked.host)
    # All machines at once: a standby may be on another one than what it takes over from.
    problems = prove(Proven(site.machines, (), ())).problems
    made = []
    for one in chosen:
        own = [found for found in problems if any(place.position == one.position for place in found.places)]
        report = machine_report(one, placed(own, site.sources), shown)
        facts = (*report.facts, *([(COMMIT, commit)] if commit else []))
        made.append(asked.shown(report._replace(facts=facts), ", ".join(asked.manifests)))
    warnings = [one for one in site.problems if one.severity is not Severity.NOTE]
    show_problems([*warnings, *placed(problems, site.sources)])
    return Exit.REFUSED if errors_of(problems) else Exit.DONE, made
