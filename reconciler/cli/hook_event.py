"""The transaction for a VM that starts or has ended; see `reconciler.cli.hook_command`."""

import time
from contextlib import AbstractContextManager
from typing import Final

from reconciler import Enforced, Manifests, NoProgress, NothingEnforced, Terms, WantedSource, apply, observe, plan
from reconciler.cli.failures import problem_line
from reconciler.cli.open_host import manifests_commit, opened, origin_of
from reconciler.cli.options import HostOptions
from reconciler.cli.output import say
from reconciler.integrations.domain_checks import domain_problems
from reconciler.integrations.domain_xml import Domain
from reconciler.kernel.locks import patience
from reconciler.model.commands import HOOK_INSTALL, WATCH_INSTALL, Here, confirm_of
from reconciler.model.durations import duration_text
from reconciler.model.errors import ConflictError
from reconciler.model.observed import Observed
from reconciler.model.outcome import Actor, Outcome, Result
from reconciler.model.problems import Problem, errors_of
from reconciler.planning.plan import Plan
from reconciler.planning.scope import VmEvent
from reconciler.transaction.confirmation import Confirmations
from reconciler.transaction.history import History
from reconciler.transaction.journal import Journal
from reconciler.transaction.open_host import OpenHost, locked
from reconciler.transaction.recovery import recover

LOCK_SECONDS: Final = 10.0
"""How long others that are at work are waited for."""

STEP_SECONDS: Final = 20.0
"""When no further step is begun, and what was done is rolled back."""

DONE: Final = (Result.APPLIED, Result.NOTHING)

_TERMS: Final = Terms(lock_seconds=LOCK_SECONDS, seconds=STEP_SECONDS)


class StartRefused(ConflictError):
    """The VM must not start; says why in one line."""


def execute(host: HostOptions, event: VmEvent, starting: Domain | None) -> Outcome | None:
    """Make or remove the devices of `event`; how the apply ended, None where none was needed.

    Args:
        host: which manifests, which host.
        event: what has become of the VM.
        starting: the VM, where it is about to start.

    Raises:
        StartRefused: it cannot be done, or the VM cannot be as it is described.
        and what `reconciler.apply` raises.
    """
    source: WantedSource = Manifests(host.paths, host.host) if host.paths else Enforced(host.host)
    with opened(host) as machine:
        is_late = _refuse_unconfirmed(machine, event)
    if is_late:  # its timer is at work, or is lost: the device is that of before the apply, or none, after this
        with opened(host, changes=True) as machine, _locked(machine):
            recover(machine)
    with opened(host) as machine:
        try:
            wanted = source.read(machine)
        except NothingEnforced as error:
            _refuse_missing(event, observe(machine), str(error), host.here)
            return None
        if not any(guest.uuid in event.starts | event.ends for guest in wanted.desired.guests):
            return None
        if starting:
            _refuse(domain_problems(starting, wanted.desired.guests), host)
        made = plan(wanted, machine, event)
        _refuse_in_use(event, made)
        # Where there is nothing to do no lock is waited for; else all is read again once the locks are held.
        if made.in_sync and Journal(machine.state, machine.boot_id).unfinished() is None:
            _show_kept(made, event)
            return None
    with opened(host, changes=True, wait=patience(time, LOCK_SECONDS, NoProgress().waiting)) as machine:
        commit = manifests_commit(host) if host.paths else wanted.commit
        applied = apply(source, machine, event, origin=origin_of(commit, Actor.HOOK), terms=_TERMS)
    if applied.outcome.result in DONE:
        _show_kept(applied.plan, event)
    return applied.outcome


def _refuse_unconfirmed(machine: OpenHost, event: VmEvent) -> bool:
    """Refuse a start with a device that was made or changed by an apply which waits to be confirmed.

    Where that is not confirmed in time, the device would be taken from under the VM. All others are the same before and
    after: their VMs start.

    Returns:
        Whether such an apply was not confirmed in time, and is not rolled back yet.
    """
    pending = Confirmations(machine.state).pending()
    if pending is None or pending.boot_id != machine.boot_id:
        return False
    changed = sorted(event.starts & {step.uuid for step in pending.journal.steps})
    if not changed:
        return False
    left = pending.seconds_left(machine.boot_id, machine.clock.monotonic())
    if not left:
        return True
    number = pending.generation
    name = History(machine.state).look(number).origin.id
    called = f"generation {number} ({name})" if name else f"generation {number}"
    raise StartRefused(
        f"its mediated device {changed[0]} was made, changed or removed by {called}, which waits to be confirmed for "
        f"another {duration_text(left)}; to keep that: {machine.here.line(confirm_of(name or number))}"
    )


def _locked(machine: OpenHost) -> AbstractContextManager[object]:
    return locked(machine, NoProgress(), origin_of("", Actor.HOOK).command, LOCK_SECONDS, recording=False)


def _refuse_missing(event: VmEvent, observed: Observed, reason: str, here: Here) -> None:
    """Refuse a start with a device that does not exist; one that exists is not ours to judge."""
    missing = sorted(event.starts - {mdev.uuid for mdev in observed.mdevs})
    if missing:
        install = here.reading(("PATH",)).line(HOOK_INSTALL)
        raise StartRefused(
            f"its mediated device {missing[0]} does not exist, and the hook, which makes what the loop enforces, "
            f"cannot make it: {reason}; start the loop ({WATCH_INSTALL}), or name manifests for the hook: {install}"
        )


def _refuse_in_use(event: VmEvent, made: Plan) -> None:
    """Refuse a start with a device that another VM has open: QEMU could not open it."""
    for guest in made.guests:
        if guest.uuid in event.starts and guest.in_use:
            who = guest.opened_by or "another process"
            raise StartRefused(
                f"its mediated device {guest.uuid} is in use: {who} has it open, and only one VM can have it"
            )


def _refuse(problems: list[Problem], host: HostOptions) -> None:
    # A device that no manifest names is not ours to judge.
    errors = [one for one in errors_of(problems) if one.id != "vm-unknown-device"]
    if errors:
        raise StartRefused(problem_line(errors, host.here))


def _show_kept(made: Plan, event: VmEvent) -> None:
    for guest in made.guests:
        if guest.uuid in event.ends and guest.after is not None:
            who = guest.opened_by or guest.vm or "a process"
            say(f"reconcile: guest '{guest.name}' keeps its mediated device {guest.uuid}: {who} has it open")
