"""``reconcile setup``: the first command on a host. Nothing is done before a yes, and all of it can be undone.

What it makes is recorded before it is made. Where something fails, all of this setup is taken back, and what earlier
ones have made stays.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

import click

from reconciler import Manifests, NotApplicable, Terms, WantedSource, apply, plan
from reconciler.cli.apply_progress import TerminalProgress, show_unfinished
from reconciler.cli.asking import terminal
from reconciler.cli.command_lines import again_from_anywhere, changed_line, line_of
from reconciler.cli.confirm_command import agreed
from reconciler.cli.doctor_command import findings_on
from reconciler.cli.exit_codes import Exit
from reconciler.cli.import_command import ImportedHost, imported
from reconciler.cli.open_host import command_line, manifests_source, opened, origin_of, state_of
from reconciler.cli.options import HostOptions, format_option, host_options
from reconciler.cli.output import acts, page_for_stdout, report, result, say, show_problems
from reconciler.cli.service_command import SERVICES
from reconciler.cli.setup_json import setup_json, there_record, undo_json
from reconciler.cli.setup_services import (
    FILES,
    Left,
    Proposed,
    Wish,
    is_ours,
    is_there,
    is_this_machine,
    proposed,
    run,
    uninstalling,
)
from reconciler.cli.setup_text import There, manifests_text, services_text, there_text
from reconciler.cli.tree import Refused, command
from reconciler.integrations.libvirt import DIRECTORY as HOOKS
from reconciler.integrations.units import DIRECTORY as UNITS
from reconciler.manifests.files import find_files
from reconciler.model.commands import APPLY, MANIFESTS, SETUP_UNDO, STATUS
from reconciler.model.desired import Persistence
from reconciler.model.errors import ReconcileError
from reconciler.model.outcome import Result
from reconciler.model.printable import error_text, lines_text
from reconciler.operations.setup import (
    Adopted,
    Undoing,
    Written,
    boot_contents,
    forget,
    missing_folders,
    unchanged,
    undo,
    undoing,
)
from reconciler.planning.adoption import CannotAdopt
from reconciler.planning.plan import Plan
from reconciler.render.plan_text import plan_text
from reconciler.render.table import Page
from reconciler.transaction.journal import INVENTORY
from reconciler.transaction.setup_record import InstalledService, SetUp, read_setup, write_setup

_PLACE: Final = click.Path(file_okay=False)
_NOT_YET: Final = "boot-unit-not-enabled"
"""What a plan reports before the boot unit is there, which this proposes."""


@command("setup")
@click.option(
    "--apply", "applies", is_flag=True, help="Have the loop keep the host as the manifests say, not just look."
)
@click.option(
    "--without",
    multiple=True,
    type=click.Choice(SERVICES),
    metavar="SERVICE",
    help=f"Propose no such service ({', '.join(SERVICES)}); may be given again.",
)
@click.option("--undo", "undoes", is_flag=True, help="Take back what setups have made, before the package is removed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option("text", "json")
@click.option("--directory", type=_PLACE, metavar="DIR", help=f"Where systemd looks for units, if not in {UNITS}.")
@click.option("--hooks", type=_PLACE, metavar="DIR", help=f"Where libvirt looks for hooks, if not in {HOOKS}.")
@host_options
def setup_command(
    applies: bool,
    without: tuple[str, ...],
    undoes: bool,
    yes: bool,
    format: str,
    directory: str | None,
    hooks: str | None,
    host: HostOptions,
) -> Exit:
    """Set up this host: show what is there, and after a yes write its manifests and install the services.

    Manifests of the host as it is are written to /etc/reconciler, or the directory that -f names, if there are none;
    no device and no mask changes. Without a terminal to ask at, and without --yes, it shows what it would do, and exits
    with 2 if there is anything. So it does with -o json, which is for programs: what is there, what would be done, and
    the commands for it.
    """
    shows = format == "json"
    if shows and yes:
        raise click.UsageError("-o json shows what would be done, and does nothing: without --yes")
    if undoes:
        if applies or without or host.paths:
            raise click.UsageError("--undo takes back what is recorded: without --apply, --without and -f")
        return _undo_setup(host, yes=yes, shows=shows)
    host = host._replace(paths=(_directory(host),))
    read_setup(state_of(host)[0])  # where it cannot be used, that is said before a person is asked
    wish = Wish(directory or str(UNITS), hooks or str(HOOKS), frozenset(without), applies)
    try:
        proposal = _proposal(host, wish)
    except CannotAdopt as error:
        say(f"error: {error}")
        return Exit.REFUSED
    if shows:
        return _print(host, proposal)
    _show(*_proposal_texts(host, proposal))
    if not proposal.plan.is_valid:
        show_problems(proposal.plan.problems)
        say("nothing was set up: fix the errors above, then run again")
        return Exit.REFUSED
    if not proposal.is_needed:
        _show_next(host, proposal.plan, "nothing to do: this host is set up")
        return Exit.DONE
    if not yes and (refused := _refused("Set this up?")):
        return refused
    _set_up(host, proposal)
    _show_next(host, proposal.plan, f"set up; to take it back: {host.line(SETUP_UNDO)}")
    return Exit.DONE


def _directory(host: HostOptions) -> str:
    """The directory that has the manifests, or is to have them."""
    if len(host.paths) > 1 or "-" in host.paths:
        raise click.UsageError("a host is set up with one directory of manifests: name it with -f")
    if not host.paths and not is_this_machine(host):
        line = changed_line(click.get_current_context(), file=("DIR",))
        why = f"{MANIFESTS} is for the manifests of this machine: name another directory with -f"
        raise Refused(why, f"{line}    # DIR gets the manifests of that host")
    found = os.path.abspath((host.paths or (MANIFESTS,))[0])
    if os.path.lexists(found) and not os.path.isdir(found):
        raise click.UsageError(f"-f {found}: this is no directory")
    return found


class _Proposal(NamedTuple):
    """What a setup would do.

    Attributes:
        there: what is on the host.
        found: the host as manifests.
        files: how many files of manifests there are.
        written: the manifests that it writes; None where there are some.
        plan: of the manifests that there are then.
        services: those that it installs, and the others.
    """

    there: There
    found: ImportedHost
    files: int
    written: Written | None
    plan: Plan
    services: list[Proposed | Left]

    @property
    def installed(self) -> list[Proposed]:
        """The services that it installs."""
        return [one for one in self.services if isinstance(one, Proposed)]

    @property
    def adopts(self) -> bool:
        """Whether it records what is there, which changes nothing, as what was applied."""
        return self.plan.is_news and not self.plan.changes

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.written or self.installed or self.adopts)


def _proposal(host: HostOptions, wish: Wish) -> _Proposal:
    """What a setup of `host` would do.

    Raises:
        CannotAdopt: no manifests describe the host as it is.
        InvalidManifests: those that there are cannot be used.
    """
    directory = host.paths[0]
    files = find_files([directory])[0] if os.path.isdir(directory) else []
    boots = Persistence.SERVICE if is_this_machine(host) and "boot" not in wish.without else Persistence.NONE
    with opened(host) as machine:
        show_unfinished(host)
        found = imported(machine, host, host.here, boots)
        findings = findings_on(machine, host if files else host._replace(paths=()))
        written = None if files else _written(directory, found)
        source = manifests_source(host) if written is None else Manifests((), found.name, given=written.content)
        wanted = source.read(machine)
        made = plan(wanted, machine)
    services = proposed(host, wish, wanted.desired.host.persistence)
    # Before the boot unit is there, which this proposes.
    made = made._replace(problems=tuple(one for one in made.problems if one.id != _NOT_YET))
    there = There(found.name, found.observed, found.definitions, findings)
    return _Proposal(there, found, len(files), written, made, services)


def _proposal_texts(host: HostOptions, proposal: _Proposal) -> list[str]:
    """What a person is shown of it."""
    page = page_for_stdout()
    return [
        there_text(proposal.there, host.here, page),
        _manifests(proposal, host, page),
        _plan_shown(proposal.plan, page, is_new=proposal.written is not None),
        services_text(proposal.services, page),
    ]


def _print(host: HostOptions, proposal: _Proposal) -> Exit:
    """Print it for a program."""
    is_possible = proposal.plan.is_valid and proposal.is_needed
    there = there_record(proposal.there, host.here)
    command = again_from_anywhere("--yes", format=None) if is_possible else None
    result(setup_json(proposal.there.name, there, proposal.written, proposal.plan, proposal.services, command))
    if not proposal.plan.is_valid:
        return Exit.REFUSED
    return Exit.CHANGES if proposal.is_needed else Exit.DONE


def _written(directory: str, found: ImportedHost) -> Written:
    return Written(os.path.join(directory, f"{found.name}.yaml"), found.text, missing_folders(directory))


def _show(*texts: str) -> None:
    """Show `texts` to the person who is asked next, or on stdout."""
    with terminal() as person:
        (person.show if person else result)("\n".join(texts) + "\n")


def _manifests(proposal: _Proposal, host: HostOptions, page: Page) -> str:
    if proposal.written:
        return manifests_text(proposal.written, proposal.found, host.here, page)
    files = "1 file" if proposal.files == 1 else f"{proposal.files:,} files"
    text = f"Manifests: those in {host.paths[0]} stay as they are ({files}, valid)."
    return lines_text(page.wrapped("", text, 0))


def _plan_shown(made: Plan, page: Page, *, is_new: bool) -> str:
    if made.changes or not made.is_valid:
        return f"Plan, which is not applied by this:\n\n{plan_text(made, page)}"
    what = "these manifests" if is_new else "the manifests"
    news = ", and that will be recorded as what was applied" if made.is_news else ""
    return lines_text(page.wrapped("", f"Plan: nothing to do, since the host is as {what} say{news}.", 0))


def _show_next(host: HostOptions, made: Plan, what: str) -> None:
    say(what)
    if made.changes:
        say(f"  next: {host.line(APPLY)}    # makes the host as the manifests say")
    else:
        say(f"  next: {host.line(STATUS)}")


def _refused(question: str) -> Exit | None:
    """The exit code where no person agrees; None where one does."""
    with terminal() as person:
        is_asked = person is not None
    if agreed(question):
        return None
    return Exit.REFUSED if is_asked else Exit.CHANGES


def _set_up(host: HostOptions, proposal: _Proposal) -> None:
    """Do what was proposed, all of it or nothing."""
    acts()
    state = state_of(host)[0]
    state.prepare()
    earlier = read_setup(state)
    written = proposal.written
    with opened(host) as machine:
        boot_files = boot_contents(machine.root)
    services = tuple(one.service for one in proposal.installed)
    folders = dict.fromkeys([*(written.folders if written else ()), *_service_folders(services)])
    part = SetUp({written.file: written.digest} if written else {}, tuple(folders), services, boot_files)
    write_setup(state, earlier.followed_by(part) if earlier else part)
    adopted = Adopted(0, None)
    try:
        if written:
            written.write()
            report(f"{written.file} is written")
        if proposal.adopts:
            adopted = _adopt(host, proposal.plan)
        for one in proposal.installed:
            report(line_of(one.words))
            run(one.words)
    except BaseException:
        say("this failed, so all that this setup has made is taken back:")
        if _taken_back(host, part, Undoing(unchanged(part), (), ()), adopted):
            write_setup(state, earlier)
        else:
            say(f"  next: {host.line(SETUP_UNDO)}    # once the cause is gone")
        raise


def _service_folders(services: Sequence[InstalledService]) -> list[str]:
    return [folder for one in services for folder in missing_folders(one.directory)]


def _adopt(host: HostOptions, shown: Plan) -> Adopted:
    """Record what is there as what was applied, if the plan is still the one that was `shown`.

    Raises:
        click.ClickException: it could not be recorded.
        and what an apply raises.
    """
    source: WantedSource = manifests_source(host)
    terms = Terms(agreed=shown.basis)
    with opened(host, changes=True) as machine:
        before = machine.state.read(INVENTORY)
        try:
            done = apply(source, machine, progress=TerminalProgress(host), origin=origin_of(), terms=terms)
        except NotApplicable as error:
            show_problems(error.plan.problems)
            raise
    if done.outcome.result is not Result.NOTHING:
        raise click.ClickException(f"what is there could not be recorded: {done.outcome.failure}")
    report(f"generation {done.generation} records the host as it is")
    return Adopted(done.generation, before)


def _taken_back(host: HostOptions, made: SetUp, done: Undoing, adopted: Adopted = Adopted(0, None)) -> bool:  # noqa: B008 - a value
    """Take back the services of `made`, what `done` says, and that the host was `adopted`; whether all succeeded.

    What did not succeed is shown.
    """
    tried = [
        _tried(f"service {one.name}", partial(run, uninstalling(one)))
        for one in reversed(made.services)
        if is_ours(one)
    ]
    with opened(host, changes=True) as machine:
        place = (machine, TerminalProgress(host), command_line())
        tried.append(_tried("files", partial(undo, done, made, *place)))
        tried.append(_tried("history", partial(forget, adopted, *place)))
    return all(tried)


def _tried(what: str, do: Callable[[], object]) -> bool:
    try:
        do()
    except click.ClickException as error:
        say(f"  {what}: {error.format_message()}")
    except (ReconcileError, OSError) as error:
        say(f"  {what}: {error_text(error)}")
    else:
        return True
    return False


def _undo_setup(host: HostOptions, *, yes: bool, shows: bool) -> Exit:
    """Take back what setups have made, after asking unless `yes`; where it only `shows`, print it for a program."""
    state = state_of(host)[0]
    made = read_setup(state)
    if made is None:
        if shows:
            result(undo_json((), Undoing((), (), ()), (), None))
        say(f"nothing to undo: {state.path} has no record of a setup")
        return Exit.DONE
    with opened(host) as machine:
        done = undoing(made, machine)
    there = [one for one in reversed(made.services) if is_there(one)]
    strange = [
        (FILES[one.name].name, "'reconcile service install' has not made it") for one in there if not is_ours(one)
    ]
    kept, ours = [*done.kept, *strange], [one for one in there if is_ours(one)]
    if shows:
        result(undo_json(ours, done, kept, again_from_anywhere("--yes", format=None)))
        return Exit.CHANGES
    _show(_undo_text(ours, done, kept))
    if not yes and (refused := _refused("Take it back?")):
        return refused
    acts()
    if not _taken_back(host, made, done):
        say(f"not everything could be taken back; once the cause is gone: {host.line(SETUP_UNDO)}")
        return Exit.FAILURE
    write_setup(state, None)
    report("what setup has made is taken back" + (f"; {_kept_text(kept)}" if kept else ""))
    return Exit.DONE


def _kept_text(kept: Sequence[tuple[str, str]]) -> str:
    return f"these stay: {', '.join(file for file, _ in kept)}"


def _undo_text(services: Sequence[InstalledService], done: Undoing, kept: Sequence[tuple[str, str]]) -> str:
    page = page_for_stdout()
    texts = [
        *(f"{file} will be removed" for file in done.removed),
        *(f"/{one.path} will be {'removed' if one.after is None else 'as it was before'}" for one in done.changes),
    ]
    lines = [f"  {line_of(uninstalling(one))}" for one in services]
    lines += [line for text in texts for line in page.wrapped("  ", text)]
    stays = [line for file, why in kept for line in page.wrapped("  ", f"{file}: {why}")]
    return lines_text(
        [
            "To take back what 'reconcile setup' has made:",
            *(lines or ["  nothing is left of it but the record"]),
            *(["These stay:", *stays] if stays else []),
            "Devices, masks and the history stay as they are.",
        ]
    )
