"""``reconcile trigger``, ``suspend`` and ``resume``: what a person asks of the loop that watches."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import click
from click.core import ParameterSource

from reconciler.api import user_name
from reconciler.cli.command_lines import changed_line
from reconciler.cli.exit_codes import Exit
from reconciler.cli.meant.guests import host_meant, recorded, refuse_nouns, require_known
from reconciler.cli.meant.queues import refuse_paths
from reconciler.cli.meant.reasons import EXAMPLE_REASON, OWN_REASON
from reconciler.cli.open_host import (
    opened,
    require_ap_bus,
    require_host,
    require_simulated_host,
    state_of,
    wanted_source,
)
from reconciler.cli.options import Duration, HostOptions, host_options, label_option
from reconciler.cli.output import note, report, say, say_remedy
from reconciler.cli.publishing import publish
from reconciler.cli.tree import Refused, command, completes
from reconciler.kernel.locks import patience
from reconciler.model.codec import BadRecord
from reconciler.model.commands import (
    LOOP_STATUS,
    PLAN,
    STATUS,
    WATCH,
    ends_of,
    resume,
)
from reconciler.model.desired import Selector
from reconciler.model.errors import StateError
from reconciler.model.printable import error_text, first_unprintable, shortened
from reconciler.model.problems import several
from reconciler.model.similar import nearest
from reconciler.model.suspending import SuspensionChange, left_text
from reconciler.transaction.confirmation import Confirmations
from reconciler.transaction.history import History
from reconciler.transaction.lock import state_locked
from reconciler.transaction.loop_records import (
    Suspension,
    Suspensions,
    read_suspensions,
    write_suspensions,
)
from reconciler.transaction.state_directory import StateDirectory
from reconciler.transaction.suspension_log import changes_between, log_suspensions
from reconciler.watch.report import Condition
from reconciler.watch.requests import NoAnswer, TriggerRequest, ask

ANSWER_SECONDS: Final = 60.0
"""How long a loop may take to answer at all: while it applies, it answers no request."""

CYCLE_SECONDS: Final = 3600.0
"""How long a cycle may take that a command waits for."""

_CODES: Final = {
    Condition.CHANGES: Exit.CHANGES,
    Condition.DRIFT: Exit.CHANGES,
    Condition.SUSPENDED: Exit.CHANGES,
    Condition.SUSPENDED_OUT_OF_SYNC: Exit.CHANGES,
    Condition.NEEDS_PERSON: Exit.REFUSED,
    Condition.STOPPED: Exit.REFUSED,
    Condition.WAITING: Exit.BUSY,
    Condition.FAILED: Exit.ROLLED_BACK,
    Condition.DEGRADED: Exit.DEGRADED,
}


@command("trigger")
@click.option("--wait", is_flag=True, help="Wait until that cycle has ended; the exit code says how the host stands.")
@click.option("--allow-older", is_flag=True, help="This once, follow a git commit that is older than the enforced one.")
@host_options
def trigger_command(wait: bool, allow_older: bool, host: HostOptions) -> Exit:
    """Have the loop of 'reconcile watch' look at once."""
    require_host(host)
    state, _ = state_of(host)
    try:
        answer = ask(state.path, TriggerRequest(allow_older, wait), CYCLE_SECONDS if wait else ANSWER_SECONDS)
    except NoAnswer as error:
        say(f"error: {error}")
        return Exit.FAILURE
    if answer is None:
        say(f"error: no loop is watching with the state directory {state.path}")
        again = _starts_again(state)
        say(
            f"  next: {again}    # starts the loop again"
            if again
            else f"  next: {host.line(WATCH)}    # starts one; for another place: --state-dir, --sysfs or --simulate"
        )
        return Exit.FAILURE
    if not answer.get("accepted"):
        say(f"error: the loop refused: {answer.get('error')}")
        return Exit.FAILURE
    if not wait:
        report(f"cycle {answer['cycle']} begins soon")
        return Exit.DONE
    report(f"cycle {answer['cycle']}: {_condition(answer['condition'])}: {answer['summary']}")
    if unreachable := answer.get("unreachable"):
        say(f"warning: nothing newer is known: {unreachable}")
    if refused := answer.get("refused"):
        say("error: the newest configuration is refused")
        for reason in refused:
            say(f"  because: {reason}")
        say(f"  next: {host.line(LOOP_STATUS)}    # says more")
    if suspended := answer.get("suspended"):
        say(f"warning: suspended, and not as their manifests say: {', '.join(suspended)}")
    is_whole = answer["condition"] == Condition.SUSPENDED  # as long as it is, resuming a guest changes nothing
    if suspended or is_whole:
        say(f"  next: {host.line(resume(() if is_whole else suspended or ()))}    # when the reason is gone")
    code = _CODES.get(answer["condition"], Exit.DONE)
    return Exit.REFUSED if refused and code is Exit.DONE else code


def _condition(value: str) -> str:
    """The condition in words; one that a loop of another version answers with stays as it is."""
    return Condition(value).text if value in list(Condition) else value


def _starts_again(state: StateDirectory) -> str:
    """The command that starts the loop that was here last; empty where none was, or its record is damaged."""
    from reconciler.watch.status_file import read_kept

    try:
        kept = read_kept(state)
    except (StateError, OSError):
        return ""
    return kept.command if kept else ""


_SUSPENSIONS_SECONDS = 60.0
_MOST_NAMES = 20
_NO_REASON = "--reason has to say why, since others are shown it"


@command("suspend")
@click.argument("guests", nargs=-1, metavar="[GUEST]...", shell_complete=completes("guests"))
@click.option("--reason", default="", metavar="TEXT", help="The reason, which others are shown. It has to be given.")
@click.option("--for", "seconds", type=Duration(), metavar="DURATION", help="For this long; left out: until resumed.")
@label_option("Also the guests that have this label now; their names are recorded and printed.")
@click.option("--replace", "may_shorten", is_flag=True, help="Replace a suspension also by one that ends earlier.")
@host_options
def suspend_command(
    guests: tuple[str, ...],
    reason: str,
    seconds: float | None,
    selector: Selector,
    may_shorten: bool,
    host: HostOptions,
) -> Exit:
    """Keep the loop and every apply from changing guests; without a name, the whole host.

    Others are shown by which user, until when and why. 'reconcile resume' ends it before its time, and an apply
    with --allow-suspended changes them nevertheless.
    A later suspension of the same guest, or of the host, replaces the earlier one; one that ends before that needs
    --replace.
    """
    is_missing = not reason.strip()
    if is_missing:  # so that what is printed where something else is wrong, too, has one
        reason = _example_reason()
    for what, text in (("--reason", reason), *(("the name of a guest", name) for name in guests)):
        if odd := first_unprintable(text):
            raise click.UsageError(f"{what} has a character that cannot be seen: {odd}; leave it out")
    refuse_paths(host, guests)
    require_ap_bus(host)
    require_host(host)
    require_known(host, guests)
    labelled = _labelled(host, selector) if selector.pairs else ()
    if is_missing:
        raise _no_reason(named=bool(guests or selector.pairs))
    guests = tuple(dict.fromkeys((*guests, *labelled)))
    until = None if seconds is None else time.time() + seconds
    one = Suspension(reason, _user(), until)

    replaced: dict[Suspension, list[str]] = {}

    def add(now: Suspensions) -> Suspensions | None:
        there = {name: now.guests.get(name) for name in guests} if guests else {"": now.host}
        for name, old in there.items():
            if old:
                replaced.setdefault(old, []).append(name)
        if any(map(one.ends_before, replaced)) and not may_shorten:
            return None
        if not guests:
            return now._replace(host=one)
        return now._replace(guests={**now.guests, **dict.fromkeys(guests, one)})

    is_watched = _change(host, add)
    if is_watched is None:
        return _refuse_shorter(one, replaced, guests)
    for old, names in replaced.items():
        note(_replaced_text(old, names, is_whole=len(names) == max(len(guests), 1)), "replaces: ")
    report(f"{_who(guests)}: suspended {one.until_text}{left_text(one.until, time.time())}")
    loop = "the loop leaves" if is_watched else "no loop is watching with this state directory; one that starts leaves"
    them = "them" if len(guests) > 1 else "it"
    note(f"{loop} {them} alone, and an apply changes {them} only with --allow-suspended")
    say(f"  next: {host.here.line(resume(guests))}    # when the reason is gone")
    _warn_of_what_waits(host, guests)
    return Exit.DONE


def _example_reason() -> str:
    """Have the current command a reason, as an example; returned."""
    context = click.get_current_context()
    context.params["reason"] = EXAMPLE_REASON
    context.set_parameter_source("reason", ParameterSource.COMMANDLINE)
    return EXAMPLE_REASON


def _no_reason(*, named: bool) -> Refused:
    """That the reason is missing; where no guest is `named` either, one is probably meant, and not the whole host."""
    context = click.get_current_context()
    line = changed_line(context)
    if named:
        return Refused(_NO_REASON, f"{line}{OWN_REASON}")
    return Refused(
        f"{_NO_REASON}. Without a guest the whole host is suspended",
        f"{changed_line(context, guests=('GUEST',))}    # a guest, for example",
        f"{line}    # the whole host: no guest is changed",
    )


def _warn_of_what_waits(host: HostOptions, guests: Sequence[str]) -> None:
    """Say which apply waits that changes one of the `guests` if it is rolled back; any guest where none is named."""
    state, _ = state_of(host)
    pending = Confirmations(state).pending()
    if pending is None:
        return
    number = pending.generation
    touched = [name for name in History(state).look(number).guests if not guests or name in guests]
    if touched:
        ending = f"if it is rolled back, that changes {several(touched, _MOST_NAMES)} all the same"
        note(f"generation {number} waits to be confirmed; {ending}", "warning: ")
        say(*(f"  next: {host.here.line(command)}    # {what}" for command, what in ends_of(number)))


def _replaced_text(old: Suspension, names: Sequence[str], *, is_whole: bool) -> str:
    """The suspension that is replaced; with the `names` of the guests where it is not that of all that are named."""
    text = f"by {old.by} {old.until_text}: {old.reason}"
    return text if is_whole else f"{several(names, _MOST_NAMES)}: {text}"


def _refuse_shorter(new: Suspension, replaced: Mapping[Suspension, Sequence[str]], guests: tuple[str, ...]) -> Exit:
    """Refuse a suspension that ends earlier than one that it replaces, also of the same user: root is many people."""
    from reconciler.cli.command_lines import again

    longer = [name for old, names in replaced.items() if new.ends_before(old) for name in names]
    for old, names in replaced.items():
        if new.ends_before(old):
            who = several(names, _MOST_NAMES) if any(names) else "the whole host"
            note(f"{who}: {old.seen(time.time()).with_left}", "ask first: ")
    of_some = f"for {several(longer, _MOST_NAMES)} " if guests else ""
    note(f"nothing was suspended: {of_some}this would end it earlier ({new.until_text})")
    say(f"  next: {again('--replace')}    # does that nevertheless")
    if others := tuple(name for name in guests if name not in longer):
        line = changed_line(click.get_current_context(), guests=others, labels=None)
        say(f"  next: {line}    # suspends only the others")
    return Exit.REFUSED


def _labelled(host: HostOptions, selector: Selector) -> tuple[str, ...]:
    """The names of the guests with these labels: in the manifests that were named, otherwise in what the loop enforces.

    Where no loop enforces anything, in what was applied last.

    Raises:
        click.UsageError: there is none, so that nothing would be suspended.
    """
    from reconciler import AppliedLast, Enforced, NothingEnforced

    with opened(host) as machine:
        if host.paths:
            desired = wanted_source(host, with_commit=False).read(machine).desired
        else:
            try:
                desired = Enforced(host.host).read(machine).desired
            except NothingEnforced:
                desired = AppliedLast(host.host).read(machine).desired
    names = tuple(one.name for one in desired.guests if selector.takes(one.labels))
    if not names:
        line = host.here.line(STATUS.with_flags("-o", "wide"))
        raise click.UsageError(f"no guest has the label {selector}; nothing is suspended. Labels are shown by: {line}")
    return names


def _who(guests: Sequence[str]) -> str:
    """What is suspended or resumed: the `guests` with these names, or the whole host where none is named."""
    if not guests:
        return "the whole host"
    return f"{'guest' if len(guests) == 1 else 'guests'} {', '.join(guests)}"


@command("resume")
@click.argument("guests", nargs=-1, metavar="[GUEST]...", shell_complete=completes("suspended"))
@click.option("--all", "everything", is_flag=True, help="The host and every guest.")
@host_options
def resume_command(guests: tuple[str, ...], everything: bool, host: HostOptions) -> Exit:
    """Let the loop and every apply change guests again; without a name, the whole host.

    Guests that are suspended themselves stay so when the host is resumed, unless --all is given.
    """
    if guests and everything:
        raise click.UsageError("--all resumes the host and every guest; leave the names out")
    refuse_paths(host, guests)
    require_simulated_host(host)
    if not _is_any_suspended(host):
        require_ap_bus(host)
    require_host(host)
    now_suspended = read_suspensions(state_of(host)[0]).guests
    refuse_nouns(host, guests, {*now_suspended, *(one.name for one in recorded(host))})
    left = before = Suspensions(None, {})

    def take(now: Suspensions) -> Suspensions:
        nonlocal left, before
        before = now
        names = now.guests if everything else guests
        is_host = everything or not guests
        left = Suspensions(
            None if is_host else now.host, {name: one for name, one in now.guests.items() if name not in names}
        )
        return left

    is_looped = _change(host, take)
    over = {name: one for name, one in before.guests.items() if name not in left.guests}
    if before.host and not left.host:
        over = {"": before.host, **over}
    for name, one in over.items():
        note(f"{name or 'the whole host'}: by {one.by} {one.until_text}: {one.reason}", "ends: ")
    ended = [_who(())] if before.host and not left.host else []
    ended += [_who(found)] if (found := sorted(before.guests.keys() - left.guests.keys())) else []
    if ended:
        report(f"{' and '.join(ended)}: resumed")
        if not is_looped:
            say(f"  next: {host.here.line(PLAN)}    # shows what an apply would change now")
    if missing := [name for name in guests if name not in before.guests]:
        _show_missing(host, missing, left)
        return Exit.FAILURE
    if guests or not left.guests:
        if not ended:
            report("nothing is suspended, so there is nothing to resume")
        return Exit.DONE
    if not ended:
        say("error: the whole host is not suspended")
    _show_left(host, left, "still suspended" if ended else "suspended")
    return Exit.DONE if ended else Exit.FAILURE


def _is_any_suspended(host: HostOptions) -> bool:
    """Whether anything is suspended now."""
    found = read_suspensions(state_of(host)[0]).at(time.time())
    return bool(found.host or found.guests)


def _show_missing(host: HostOptions, missing: Sequence[str], left: Suspensions) -> None:
    """Say which guests are not suspended or not there at all, what was probably meant, and what is suspended."""
    from reconciler.model.similar import did_you_mean

    known = {one.name for one in recorded(host)}
    there = [name for name in missing if name in known or not known | left.guests.keys()]
    if there:
        names = several([f"'{shortened(name)}'" for name in there], _MOST_NAMES)
        say(f"error: {f'guest {names} is' if len(there) == 1 else f'guests {names} are'} not suspended")
    meant: list[str] = []
    for name in missing:
        if name not in there:
            if host_meant(host, name, {*known, *left.guests}):
                say(f"error: {name} is the host, not a guest; to resume the whole host, name no guest")
                continue
            guess = did_you_mean(name, sorted(left.guests)) or did_you_mean(name, sorted(known))
            none = f"there is no such guest here, and none called '{shortened(name)}' is suspended"
            say(f"error: {none}. {guess}".rstrip())
            meant += [one for one in [nearest(name, sorted(left.guests))] if one]
    _show_left(host, left, "suspended", meant)


def _show_left(host: HostOptions, left: Suspensions, lead: str, meant: Sequence[str] = ()) -> None:
    """Say after `lead` what is suspended, and how it is resumed: who was `meant`, the host, or the first guests."""
    names = sorted(left.guests)
    if not left.host and not names:
        note("nothing is suspended")
        return
    note(f"{lead}: {several([*(['the whole host'] if left.host else []), *names], _MOST_NAMES)}")
    line = host.here.line(resume(meant or (() if left.host else names[:_MOST_NAMES])))
    say(f"  next: {line}    # when the reason is gone")


def _change(host: HostOptions, change: Callable[[Suspensions], Suspensions | None]) -> bool | None:
    """Record what `change` makes of what is suspended, and wake the loop; whether there is one.

    Where `change` makes None of it, nothing is done, and None returned.
    """
    state, _ = state_of(host)
    state.prepare()
    wait = patience(time, _SUSPENSIONS_SECONDS, lambda holder: say(f"waiting for {holder}"))
    with state_locked(state, "reconcile suspend", wait):
        before = read_suspensions(state).at(time.time())
        changed = change(before)
        if changed is None:
            return None
        write_suspensions(state, changed)
        _log(state, changes_between(before, changed, _user(), time.time()))
    publish(host)
    return _wake(state)


def _log(state: StateDirectory, changes: Sequence[SuspensionChange]) -> None:
    """Keep `changes` for the history, as far as that is possible: what was asked for is done already."""
    try:
        log_suspensions(state, changes)
    except BadRecord as error:
        say(f"warning: the history will not show this: {error}")
        say_remedy(error)
    except OSError as error:
        say(f"warning: the history will not show this: {error_text(error)}")


def _user() -> str:
    """Who runs this command."""
    return os.environ.get("SUDO_USER") or user_name()


def _wake(state: StateDirectory) -> bool:
    try:
        answer = ask(state.path, TriggerRequest(allow_older=False, wait=False), 10.0)
    except NoAnswer:
        answer = {}
    return answer is not None
