"""``reconcile rollback``: what it undoes is said first, and at the end what would bring that back."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from reconciler import BeforeGeneration, OfGeneration, Terms, WantedSource, rollback_target
from reconciler.cli.apply_command import run_wanted
from reconciler.cli.apply_progress import TerminalProgress, exit_of, show_recovered, show_unfinished
from reconciler.cli.command_lines import again
from reconciler.cli.confirm_command import RECOVERED_ONLY, UNCHANGED, refused_recovery, roll_back_pending
from reconciler.cli.exit_codes import Exit
from reconciler.cli.in_git import in_repository, reverting
from reconciler.cli.open_host import command_line, opened, require_host, state_of, wanted_here
from reconciler.cli.options import HostOptions, OneApply, consent_options, format_option, host_options, lock_option
from reconciler.cli.output import note, say
from reconciler.cli.publishing import publish_applied
from reconciler.cli.rollback_beside_loop import Rollback, brought_back, say_who_follows
from reconciler.cli.tree import command, completes
from reconciler.model.commands import PLAN, ROLLBACK
from reconciler.model.outcome import Actor, Extent, Generation, Origin, Result
from reconciler.model.printable import shell_line
from reconciler.planning.scope import WHOLE, Scope
from reconciler.transaction.apply_ids import number_of
from reconciler.transaction.history import History, NoSuchGeneration
from reconciler.transaction.journal import Journal
from reconciler.transaction.open_host import locked
from reconciler.transaction.recovery import recover

_SHORT: Final = 12
"""How many digits of a commit are shown."""
_MOST_NAMED: Final = 3
"""How many generations that a rollback undoes are named."""


@command("rollback")
@click.argument("number", type=OneApply(), required=False, metavar="[ID]", shell_complete=completes("applies"))
@click.option("--yes", is_flag=True, help="Do not ask.")
@consent_options
@lock_option
@format_option("text", "json")
@host_options
def rollback_command(
    number: int | str | None, yes: bool, consents: frozenset[str], lock_timeout: float, format: str, host: HostOptions
) -> Exit:
    """Undo the newest apply, or roll back to what the apply ID wanted.

    ID is the number of its generation, or the id that 'apply --id' gave it; left out, the newest apply is undone,
    once, however often that is asked for.
    It is a plan like any other, shown first. An apply that waits to be confirmed is undone instead.
    """
    require_host(host)
    if number is not None:
        number = number_of(state_of(host)[0], number)
    return _roll_back(host, number, format=format, yes=yes, terms=Terms(consents, lock_seconds=lock_timeout))


def _roll_back(host: HostOptions, number: int | None, *, format: str, yes: bool, terms: Terms) -> Exit:
    if number is None and (undone := roll_back_pending(host, yes=yes)):
        if isinstance(undone, Exit):
            return undone
        show_recovered([undone], host)
        publish_applied(host)
        if exit_of([undone]) is not Exit.ROLLED_BACK:
            return Exit.DEGRADED
        show_still_wanted(host, before=undone.unfinished.generation)
        return Exit.DONE
    state, boot_id = state_of(host)
    # Which generation is the present one depends on what becomes of an apply that was not finished.
    recovery = None if yes else refused_recovery(host, terms.lock_seconds)
    if recovery is Exit.REFUSED:
        return recovery
    history = History(state)
    if yes and (Journal(state, boot_id).unfinished() or history.lacks_outcome()):
        with opened(host, changes=True) as machine, locked(machine, TerminalProgress(host), command_line()):
            show_recovered(recover(machine), host)
    show_unfinished(host)
    scope: Scope = WHOLE
    if number is not None:
        history.desired(number)  # one that is not there is reported before anything else
        _say_of_generation(history, number, "undoes" if yes else "would undo")
        source: WantedSource = OfGeneration(number)
        where, end = f"generation {number}", number + 1
    else:
        with opened(host) as machine:
            target = rollback_target(machine)
        newest = target.newest
        if target.undid is not None:
            say(f"nothing was done: generation {newest.number} is itself a rollback, and asking twice undoes once")
            _show_ways_from_a_rollback(host, history, newest, target.undid)
            return Exit.DONE
        if target.number is None:
            say(f"nothing was done: generation {newest.number} was rolled back already{_because(newest)}")
            _show_how_to_go_further(history, newest)
            return Exit.DONE
        from reconciler.render.history_text import by_text, what_text

        undoes = "undoes" if yes else "would undo"
        chosen = ", for chosen guests only" if newest.extent is Extent.PARTIAL else ""
        what = what_text(newest, says_partial=False)
        note(f"this {undoes} generation {newest.number}, by {by_text(newest)}{chosen}: {what}", lead="")
        is_first = not target.number
        source = BeforeGeneration(newest.number) if is_first else OfGeneration(target.number)
        scope = target.scope
        where = f"what there was before generation {newest.number}" if is_first else f"generation {target.number}"
        end = newest.number if is_first else target.number + 1
    rolls = "rolling" if yes else "it would roll"
    beginning = f"{rolls} back to {where}; the manifests stay as they are, and"
    before = say_who_follows(host, Rollback(source, number, terms, scope, yes), beginning)
    unchanged = UNCHANGED if recovery is None else RECOVERED_ONLY
    code = run_wanted(
        host, source, format=format, yes=yes, terms=terms, scope=scope, unchanged=unchanged, before=before
    )
    if code is Exit.DONE:
        newest_now = history.newest()
        if newest_now and newest_now.number == number and newest_now.is_target and not newest_now.is_rollback:
            say(f"  next: {host.line(ROLLBACK)}    # undoes generation {number}")
        show_still_wanted(host, before=end)
    return code


def _say_of_generation(history: History, number: int, undoes: str) -> None:
    """Say what a person should know who named generation `number` to roll back to."""
    _say_what_did_not_stand(history, number)
    _say_what_is_undone(history, number, undoes)


def _say_what_did_not_stand(history: History, number: int) -> None:
    """Say that the host was not left as generation `number` wanted it, where that is so, and what it was left as."""
    meant = history.look(number)
    if meant.is_target:
        return
    why = f" ({meant.remark})" if meant.remark else _because(meant)
    note(f"generation {number} did not stand: it ended as {meant.result}{why}")
    with suppress(NoSuchGeneration):
        say(f"  next: to roll back to what stood before it: {again(number=history.newest_target(before=number))}")


def _say_what_is_undone(history: History, number: int, undoes: str) -> None:
    """Say which generations after `number` changed the host, the newest first: a rollback to it undoes them all."""
    from reconciler.render.history_text import by_text, what_text

    later = [one for one in (history.look(one) for one in reversed(history.numbers()) if one > number) if _stands(one)]
    named = [f"generation {one.number}, by {by_text(one)}: {what_text(one)}" for one in later[:_MOST_NAMED]]
    if more := len(later) - len(named):
        older = f"{more:,} older ones, the oldest " if more > 1 else ""
        named.append(f"and {older}generation {later[-1].number}")
    if named:
        note(f"this {undoes} {'; '.join(named)}", lead="")


def _stands(one: Generation) -> bool:
    return not one.is_damaged and one.ended_as in (Result.APPLIED, Result.DEGRADED)


def _because(newest: Generation) -> str:
    return f" ({newest.outcome.failure})" if newest.outcome and newest.outcome.failure else ""


def _show_how_to_go_further(history: History, newest: Generation) -> None:
    with suppress(NoSuchGeneration):
        present = history.newest_target(before=newest.number)
        say(f"the host is as generation {present} wants")
        if further := _further_back(history, present, present):
            say(f"  next: {again(number=further)}    # rolls back to generation {further}")


def _show_ways_from_a_rollback(host: HostOptions, history: History, newest: Generation, undid: int) -> None:
    """What brings generation `undid` back, which the rollback `newest` undid, and what leads further back."""
    if undid:
        say(f"  next: {again(number=undid)}    # brings generation {undid} back")
    else:
        say(f"  next: {host.line(PLAN)}    # shows what the manifests bring back")
    present = _followed(history, newest.number)
    if present and (further := _further_back(history, present.number, present.number, undid)):
        say(f"  next: {again(number=further)}    # rolls back to generation {further}")


def _further_back(history: History, before: int, *others: int) -> int:
    """The newest generation before number `before` that was applied and wants what none of the `others` wants; or 0."""
    known = {history.look(one).digest for one in others if one}
    with suppress(NoSuchGeneration):
        while before := history.newest_target(before=before):
            if history.look(before).digest not in known:
                return before
    return 0


def show_still_wanted(host: HostOptions, before: int) -> None:
    """Show that the manifests want what was rolled back, as far as the history knows, and what to run against that.

    Args:
        host: which was rolled back.
        before: the host is as the newest generation before this number wanted.
    """
    history = History(state_of(host)[0])
    present = _followed(history, before - 1)
    later = _of_manifests(history, present.number if present else 0)
    if not later or (present and later[0].digest == present.digest and later[0].extent is Extent.WHOLE):
        return
    here = wanted_here(host)
    digest_here = here.desired.digest if here else ""
    if present and digest_here == present.digest:
        return  # the commit was reverted already, and an apply that had nothing to do is not in the history
    end = brought_back(host, time.time())
    # Manifests that cannot be read from here are named by no place.
    where = f" in {', '.join(map(str, host.paths or (Path.cwd(),)))}" if digest_here else ""
    newest, base = later[0].origin, present.origin.commit.removesuffix("+") if present else ""
    of_commits = {one.origin.commit.removesuffix("+"): one.origin for one in later[::-1]}
    undone = [of_commits[one] for one in list(of_commits)[::-1] if one not in ("", base)]
    words = f" ({newest.subject}, by {newest.author})" if newest.subject else ""
    named = f"the manifests{where} still say otherwise: commit {newest.commit[:_SHORT]}{words}"
    if digest_here and later[0].extent is Extent.WHOLE and digest_here != later[0].digest:
        text = f"the manifests{where} say otherwise, and something else than generation {later[0].number} wanted"
    elif not newest.commit or newest.commit.endswith("+") or not undone:
        changes = ", by changes that were not committed" if newest.commit else ""
        text = f"the manifests{where} still say otherwise{changes}"
    elif staying := _staying(history, before, base):
        kept = ", ".join(f"generation {one.number} ({', '.join(one.guests)})" for one in staying)
        stays = "stays" if len(staying) == 1 else "stay"
        text = f"{named}; of what it says, {kept} {stays}, so do not revert it as a whole: take back the rest in them"
        note(f"{text}, else {end}", lead="")
        say(f"  next: {host.line(PLAN)}    # shows what would come back")
        return
    elif line := _taken_back(undone, base, host if digest_here else None):
        note(named, lead="")
        say(f"  next: {line}; else {end}")
        return
    else:
        text = named
    note(f"{text}: change them, else {end}", lead="")
    say(f"  next: {host.line(PLAN)}    # shows what would come back")


def _followed(history: History, number: int) -> Generation | None:
    """The newest generation of manifests up to `number` that wanted what the host has after it; None where none did."""
    for other in reversed(history.numbers()):
        if other <= number and (one := history.look(other)).is_target:
            if one.origin.again in range(1, other):
                return _followed(history, one.origin.again)
            return _followed(history, one.origin.undone - 1) if one.origin.undone in range(1, other) else one
    return None


def _of_manifests(history: History, after: int) -> list[Generation]:
    """The generations after `after` that were made of manifests, however they ended; the newest first."""
    later = (history.look(number) for number in reversed(history.numbers()) if number > after)
    return [
        one
        for one in later
        if not one.is_damaged
        and one.extent is not Extent.CONFINED
        and one.origin.actor in (Actor.PERSON, Actor.LOOP)
        and not (one.origin.again or one.origin.undone)
    ]


def _staying(history: History, before: int, base: str) -> list[Generation]:
    """The partial applies before number `before` that stay on the host, of other commits than `base`; ascending."""
    numbers = history.numbers()
    undone = {history.look(one).origin.undone for one in numbers}
    found: list[Generation] = []
    for number in (one for one in reversed(numbers) if one < before and one not in undone):
        one = history.look(number)
        if one.is_target:
            break
        is_kept = one.extent is Extent.PARTIAL and one.ended_as is Result.APPLIED and not one.origin.undone
        if is_kept and one.origin.commit.removesuffix("+") not in ("", base):
            found.insert(0, one)
    return found


def _taken_back(undone: Sequence[Origin], base: str, host: HostOptions | None) -> str:
    """The command of git that takes the commits `undone`, the newest first, back, with a remark; empty where none does.

    One commit is reverted. Where there are several, or others between it and `base`, some of them may have been
    reverted since, or be about other files: so the manifests are made what they were in `base`.

    Args:
        undone: the commits that were applied and undone.
        base: the commit of which the host is now; empty where it is not known.
        host: names where the manifests are; None where they are somewhere else.
    """
    newest = undone[0]
    at, files = in_repository(host) if host else ((), (".",))
    beside = "" if at else "in the repository of the manifests"
    if len(undone) == 1 and (not base or not newest.parents or base in newest.parents):
        return f"{reverting(newest, at)}    # {beside or 'takes it back'}"
    if not base:
        return ""
    words = ("git", *at, "restore", "--source", base[:_SHORT], "--", *files)
    return f"{shell_line(words)}    # {beside or 'as they were'}, then commit"
