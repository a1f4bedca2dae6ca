"""``reconcile suspend`` and ``reconcile resume``: what the loop is to leave alone."""

import os
import time
from collections.abc import Callable

import click

from reconciler.api import user_name
from reconciler.cli.exit_codes import Exit
from reconciler.cli.machine import state_of
from reconciler.cli.options import Duration, HostOptions, host_options
from reconciler.cli.output import report, tell
from reconciler.cli.publishing import publish
from reconciler.cli.tree import command
from reconciler.kernel.locks import patience
from reconciler.model.commands import STATUS
from reconciler.model.printable import first_unprintable
from reconciler.render.text import moment
from reconciler.transaction.journal import Journal
from reconciler.transaction.lock import state_locked
from reconciler.transaction.loop_records import read_last_good
from reconciler.transaction.state_directory import StateDirectory
from reconciler.transaction.suspensions import (
    Suspension,
    Suspensions,
    read_suspensions,
    write_suspensions,
)
from reconciler.watch.requests import NoAnswer, TriggerRequest, ask

_LOCK_SECONDS = 60.0
_MOST_NAMES = 20


@command("suspend")
@click.argument("guests", nargs=-1, metavar="[GUEST]...")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for whoever finds it suspended.")
@click.option("--for", "seconds", type=Duration(), metavar="DURATION", help="For so long; left out: until resumed.")
@host_options
def suspend_command(guests: tuple[str, ...], reason: str, seconds: float | None, host: HostOptions) -> Exit:
    """Keep the loop from changing guests, or anything on the host where none is named."""
    if not reason.strip():
        raise click.UsageError("--reason must say why, for whoever finds it suspended")
    for what, text in (("--reason", reason), *(("the name of a guest", name) for name in guests)):
        if odd := first_unprintable(text):
            raise click.UsageError(f"{what} has a character that cannot be seen: {odd}; leave it out")
    _refuse_paths(host, guests)
    until = None if seconds is None else time.time() + seconds
    one = Suspension(reason, os.environ.get("SUDO_USER") or user_name(), until)

    _require_known(host, guests)

    def add(now: Suspensions) -> Suspensions:
        if not guests:
            return now._replace(host=one)
        return now._replace(guests={**now.guests, **dict.fromkeys(guests, one)})

    _change(host, add)
    who = ", ".join(f"guest {name}" for name in guests) or "the whole host"
    report(f"{who}: left alone by the loop {f'until {moment(until)} UTC' if until else 'until it is resumed'}")
    return Exit.DONE


def _refuse_paths(host: HostOptions, guests: tuple[str, ...]) -> None:
    """A path is no name of a guest: a slash is in none."""
    for path in (name for name in guests if "/" in name or (name.endswith((".yaml", ".yml")) and os.path.exists(name))):
        line = host.here.reading((*host.paths, path)).line(STATUS)
        raise click.UsageError(f"'{path}' is no name of a guest; guests are listed by: {line}")


def _require_known(host: HostOptions, guests: tuple[str, ...]) -> None:
    """A mistyped name would suspend nobody, and nobody would know."""
    state, boot_id = state_of(host)
    good = read_last_good(state)
    known = {name for name, _ in Journal(state, boot_id).applied().guests.values()}
    known |= {guest.name for guest in good.desired.guests} if good else set()
    unknown = [name for name in guests if name not in known]
    if known and unknown:
        more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
        there = f"{', '.join(sorted(known)[:_MOST_NAMES])}{more}"
        raise click.UsageError(f"no guest called {unknown[0]} is known here; there are: {there}")


@command("resume")
@click.argument("guests", nargs=-1, metavar="[GUEST]...")
@host_options
def resume_command(guests: tuple[str, ...], host: HostOptions) -> Exit:
    """Let the loop change guests again, or everything where none is named."""
    _refuse_paths(host, guests)
    missing: list[str] = []

    def take(now: Suspensions) -> Suspensions:
        if not guests:
            return Suspensions(None, {})
        missing.extend(name for name in guests if name not in now.guests)
        return now._replace(guests={name: one for name, one in now.guests.items() if name not in guests})

    _change(host, take)
    if missing:
        tell(f"error: not suspended: {', '.join(missing)}")
        return Exit.FAILURE
    report("resumed")
    return Exit.DONE


def _change(host: HostOptions, change: Callable[[Suspensions], Suspensions]) -> None:
    state, _ = state_of(host)
    state.prepare()
    wait = patience(time, _LOCK_SECONDS, lambda holder: tell(f"waiting for {holder}"))
    with state_locked(state, "reconcile suspend", wait):
        now = read_suspensions(state).at(time.time())
        write_suspensions(state, change(now))
    publish(host)
    _wake(state)


def _wake(state: StateDirectory) -> None:
    try:
        answer = ask(state.path, TriggerRequest(allow_older=False, wait=False), 10.0)
    except NoAnswer:
        answer = {}
    if answer is None:
        tell("note: no loop is watching with this state directory; one that is started heeds it")
