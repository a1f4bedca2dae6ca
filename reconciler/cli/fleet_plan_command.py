"""``reconcile fleet plan``: what a commit to several hosts would do on each of them."""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import click

from reconciler import InvalidManifests, Site, read_site
from reconciler.api import caller
from reconciler.cli.command_lines import absolute, again, changed_words
from reconciler.cli.exit_codes import Exit
from reconciler.cli.fleet_options import (
    FleetFailed,
    FleetOptions,
    chosen_hosts,
    hosts_options,
    playbooks,
    require_known,
    say_failed,
    say_unanswered,
)
from reconciler.cli.hmc_command import machines_at
from reconciler.cli.open_host import (
    manifests_commit,
    named_manifests,
    origin_of,
    refuse_standard_output,
    refuse_to_replace,
    with_words,
)
from reconciler.cli.options import Duration, WholeNumber, format_option
from reconciler.cli.output import page_for_stdout, result, say, show_problems
from reconciler.cli.tree import command
from reconciler.cli.validate_command import contradictions
from reconciler.fleet.answers import NotReached, Planned, Refused, read_plans
from reconciler.fleet.commit import Refusal
from reconciler.fleet.host_plan import ALLOW_DISRUPTION, ALLOWED_FOR_HOST, WHOLE_HOST, read_host_plan
from reconciler.fleet.plan_file import (
    MOST_HOSTS,
    MOST_SECONDS,
    Draft,
    DraftHost,
    FleetHost,
    FleetPlan,
    Settings,
    digest_of,
    draft_content,
    in_order,
    plan_content,
)
from reconciler.machines.hmc_changes import hmc_changes
from reconciler.manifests.archive import archive_of
from reconciler.model.codec import BadRecord
from reconciler.model.machines import DesiredMachine
from reconciler.model.outcome import FleetSource
from reconciler.model.printable import shell_line
from reconciler.model.problems import Severity, errors_of
from reconciler.render.fleet_text import (
    NO_ANSWER,
    PlannedFleet,
    consent_options,
    missing_consents,
    plan_json,
    plan_text,
)
from reconciler.render.hmc_text import ComparedMachines, hmc_json, hmc_text

_Function = TypeVar("_Function", bound=Callable[..., Any])
_LONGEST_SUBJECT: Final = 1000
_MOST_WHY: Final = 500
"""How many characters of what a host says against a plan are shown."""


def _for_hosts(flag: str, help: str, metavar: str = "HOST") -> Callable[[_Function], _Function]:
    return click.option(flag, multiple=True, metavar=metavar, help=f"{help} May be given again.")


@command("plan")
@click.option("--without", multiple=True, metavar="HOST", help="Leave this Host out; may be given again.")
@click.option("--canary", multiple=True, metavar="HOST", help="This Host goes first; may be given again.")
@_for_hosts(ALLOW_DISRUPTION, "Interrupt this guest, or all guests of this Host that the plan names.", "HOST[/GUEST]")
@_for_hosts("--allow-empty", "Remove all of our mediated devices on this Host.")
@_for_hosts("--allow-removals", "Remove more than half of them at once on this Host.")
@_for_hosts("--allow-suspended", "Change what is suspended on this Host.")
@click.option(
    "--confirm-within",
    type=Duration(least=120, most=int(MOST_SECONDS)),
    default="30m",
    show_default=True,
    metavar="DURATION",
    help="After how long a host rolls back by itself that hears nothing more; at least 2m.",
)
@click.option(
    "--soak",
    type=Duration(least=0, most=int(MOST_SECONDS)),
    default="0",
    show_default=True,
    metavar="DURATION",
    help="How long the others wait after the canaries.",
)
@click.option("--batch", type=WholeNumber(1, MOST_HOSTS), metavar="NUMBER", help="How many apply at one time.")
@click.option("--base", metavar="REF", help="Compare machines with this git commit, for the work on the HMC.")
@click.option("--out", type=click.Path(dir_okay=False), metavar="FILE", help="Save the plan for 'fleet apply FILE'.")
@click.option("--detailed-exitcode", "detailed", is_flag=True, help="Exit with 2 where there are changes.")
@format_option("text", "json")
@hosts_options
def fleet_plan_command(
    without: tuple[str, ...],
    canary: tuple[str, ...],
    confirm_within: float,
    soak: float,
    batch: int | None,
    base: str | None,
    out: str | None,
    detailed: bool,
    format: str,
    fleet: FleetOptions,
    **allowed: tuple[str, ...],
) -> Exit:
    """Ask every host what a commit would do there, and save that for 'fleet apply'.

    Each Host of the manifests is one of the inventory, by its name. Nothing is changed on any of them.
    """
    if out:
        refuse_standard_output(out)
        refuse_to_replace("--out", out, fleet.host, manifests=True)
    paths, given = named_manifests(fleet.host)
    site = read_site(paths, given=given)
    if not _is_proven(site):
        return Exit.REFUSED
    names = in_order(chosen_hosts(site, fleet, without), canary)
    for name in canary:
        require_known("--canary", name, names)
    consents = _Consents.of(allowed, names)
    commit = _source(fleet, None if given is None else "")
    settings = Settings(confirm_within, soak, batch)
    drafted = tuple(_drafted(site, name, is_canary=name in canary) for name in names)
    draft = Draft(commit, caller().user, settings, tuple(sorted(set(without))), drafted)
    planned = _planned(draft, consents, _hmc(site, names, base, fleet), fleet)
    result(plan_json(planned) if format == "json" else plan_text(planned, page_for_stdout()))
    return _ended(planned, out, fleet, detailed=detailed)


def _is_proven(site: Site) -> bool:
    """Whether all manifests are valid and nothing contradicts in them; what is wrong is shown.

    Raises:
        InvalidManifests: they are not valid.
    """
    if errors_of(site.problems):
        raise InvalidManifests(site.problems)
    found = contradictions(site)
    show_problems([*site.problems, *(one for one in found if one.severity is not Severity.NOTE)])
    if errors_of(found):
        say("no host was asked; fix the errors above, then run again")
        return False
    return True


class _Consents(NamedTuple):
    """What was allowed by options, for each host."""

    guests: Mapping[str, Any]
    flags: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, options: Mapping[str, Sequence[str]], names: Sequence[str]) -> "_Consents":
        """What the options say, of the hosts `names` only; raises click.UsageError where one is of another host."""
        guests: dict[str, Any] = {}
        for one in options[_name(ALLOW_DISRUPTION)]:
            host, slash, guest = one.partition("/")
            require_known(ALLOW_DISRUPTION, host, names)
            if slash and not guest:
                raise click.UsageError(f"{ALLOW_DISRUPTION} {one}: write HOST or HOST/GUEST")
            if not slash or guests.get(host) == WHOLE_HOST:
                guests[host] = WHOLE_HOST
            else:
                guests[host] = sorted({*guests.get(host, ()), guest})
        flags: dict[str, tuple[str, ...]] = {}
        for flag in ALLOWED_FOR_HOST:
            for host in options[_name(flag)]:
                require_known(flag, host, names)
                flags[host] = tuple(dict.fromkeys((*flags.get(host, ()), flag)))
        return cls(guests, flags)


def _name(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


def _source(fleet: FleetOptions, commit: str | None) -> FleetSource | None:
    """The commit of the manifests and its subject; `commit` is the empty text where they have none by their nature."""
    commit = manifests_commit(fleet.host) if commit is None else commit
    if not commit:
        return None
    return FleetSource(commit, with_words(origin_of(commit), fleet.host).subject[:_LONGEST_SUBJECT])


def _drafted(site: Site, name: str, *, is_canary: bool) -> DraftHost:
    manifests = archive_of(site, name)
    return DraftHost(name, is_canary, manifests, digest_of(manifests))


def _hmc(site: Site, names: Sequence[str], base: str | None, fleet: FleetOptions) -> Mapping[str, Any] | None:
    """What has to be changed on the HMC for the machines of the hosts `names`; None where there are none."""
    after = [one for one in site.machines if any(lpar.host in names for lpar in one.lpars)]
    if not after:
        return None
    known = {one.id for one in after}
    before: Sequence[DesiredMachine] = ()
    compared = ComparedMachines("nothing", "with nothing")
    if base is not None:
        before, compared = machines_at(fleet.host, base)
    found = hmc_changes([one for one in before if one.id in known], after)
    listed = sum(len(one.lpars) for one in after)
    return {"changes": json.loads(hmc_json(found, listed, compared)), "text": hmc_text(found, listed, compared)}


def _planned(draft: Draft, consents: _Consents, hmc: Mapping[str, Any] | None, fleet: FleetOptions) -> PlannedFleet:
    """The plans of all hosts, by which they were asked. Raises `FleetFailed` where Ansible has no result."""
    names = [one.name for one in draft.hosts]
    with playbooks(fleet) as found:
        file = found.folder / "draft.json"
        file.write_bytes(draft_content(draft))
        ran = found.run("fleet_plan", {"fleet_hosts": names, "fleet_draft": str(file)})
        if ran.result is None:
            say_failed(ran, names, found, fleet)
            raise FleetFailed("no host has reported a plan; nothing was changed; -v shows all that Ansible writes")
    try:
        answers = read_plans(ran.result).hosts
    except BadRecord as error:
        raise FleetFailed(f"what the collection has reported cannot be read: {error}") from error
    hosts: list[FleetHost] = []
    refused: dict[str, Refused | NotReached] = {}
    for one in draft.hosts:
        answer = _answer(one, answers.get(one.name, NotReached(NO_ANSWER)))
        if isinstance(answer, FleetHost):
            hosts.append(answer)
        else:
            refused[one.name] = answer
    say_unanswered([name for name in names if name not in answers], fleet)
    about = (draft.commit, draft.operator, draft.settings, draft.without, consents.guests, consents.flags)
    plan = FleetPlan(*about, hmc, tuple(hosts), _words(fleet))
    return PlannedFleet(plan, refused)


def _answer(host: DraftHost, answer: Planned | Refused | NotReached) -> FleetHost | Refused | NotReached:
    if not isinstance(answer, Planned):
        return answer
    try:
        read = read_host_plan(answer.plan)
        if read.summary.valid:
            return FleetHost.of_plan(host.name, host.manifests, answer.plan, is_canary=host.is_canary)
    except BadRecord as error:
        return Refused(Refusal.INVALID, f"its answer is no plan: {error}")
    return Refused(Refusal.INVALID, _errors(read.problems)[:_MOST_WHY])


def _errors(problems: Iterable[Any]) -> str:
    """What is wrong, by the problems of a plan."""
    found = (one for one in problems if isinstance(one, dict) and one.get("severity") == "error")
    return "; ".join(str(one.get("message", "")) for one in found)


def _ended(planned: PlannedFleet, out: str | None, fleet: FleetOptions, *, detailed: bool) -> Exit:
    """Save the plan where it is complete, say what to do next, and give the exit code."""
    plan = planned.plan
    if planned.refused:
        _say_refused(planned.refused)
        say("there is no plan for the whole fleet, and none is saved")
        again = _again(fleet, {"without": tuple(sorted(planned.refused))})
        say(f"  next: {again}    # leaves them out, until they catch up")
        return _code(planned.refused.values())
    missing = missing_consents(plan)
    if missing:
        given = {_name(flag): hosts for flag, hosts in consent_options(missing).items()}
        say("consent is needed, for each host or guest by itself" + (", so that no plan is saved" if out else ""))
        say(f"  next: {_again(fleet, given)}    # gives it")
        if out:
            return Exit.REFUSED
    elif out:
        from reconciler.integrations.files import is_kept, write_named

        write_named(out, plan_content(plan), mode=0o600)
        if is_kept(out):
            named = os.path.join(os.curdir, out) if out.startswith("-") else out
            line = fleet.line("apply", named, manifests=False)
            say(f"saved: {out}", f"  next: {line}    # does exactly this")
        else:
            say(f"written to {out}, from which it cannot be applied")
    return Exit.CHANGES if detailed and any(one.has_changes for one in plan.hosts) else Exit.DONE


def _again(fleet: FleetOptions, added: Mapping[str, tuple[str, ...]]) -> str:
    """The command that is being run, with more values for its options that may be given again, by their names."""
    given = click.get_current_context().params
    labels = (str(fleet.selector),) if fleet.selector.pairs else None
    return again(labels=labels, **{name: (*given[name], *values) for name, values in added.items()})


def _words(fleet: FleetOptions) -> tuple[str, ...]:
    """The options of this run, for a reader in any directory."""
    labels = (str(fleet.selector),) if fleet.selector.pairs else None
    paths = tuple(absolute(one) for one in fleet.host.manifests)
    found = tuple(os.path.abspath(one) if os.path.exists(one) else one for one in fleet.inventories)
    context = click.get_current_context()
    given: dict[str, object] = {"paths": None, "file": paths, "labels": labels, "inventories": found}
    if out := context.params["out"]:
        given["out"] = os.path.abspath(out)
    return tuple(changed_words(context, **given))


def _say_refused(refused: Mapping[str, Refused | NotReached]) -> None:
    from reconciler.model.commands import HELD_INSTALL

    for name, one in refused.items():
        if isinstance(one, Refused) and one.refusal == Refusal.FOLLOWING:
            line = shell_line(("reconcile", *HELD_INSTALL.words))
            say(f"host {name} follows manifests of its own; to have commits change it, run there:", f"  {line}")


_CODES: Final[Mapping[str, Exit]] = {
    Refusal.INVALID: Exit.REFUSED,
    Refusal.CONSENT: Exit.REFUSED,
    Refusal.STALE: Exit.STALE,
    Refusal.BUSY: Exit.BUSY,
    Refusal.FOLLOWING: Exit.BUSY,
}
"""The exit code by why a host cannot take part; 1 for every other reason."""


def _code(refused: Iterable[Refused | NotReached]) -> Exit:
    """The exit code where hosts have no plan: that of the reason which no wait removes, where there are several."""
    return min(_CODES.get(one.refusal, Exit.FAILURE) if isinstance(one, Refused) else Exit.FAILURE for one in refused)
