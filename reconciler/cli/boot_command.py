"""``reconcile boot``: what the boot unit runs.

No person watches it, so that each outcome is one line for the journal; and nothing may keep a host from booting, so
that everything is bounded.
"""

import sys
import time
from pathlib import Path
from typing import Final

import click

from reconciler import NotApplicable
from reconciler.cli.apply_progress import TerminalProgress
from reconciler.cli.command_lines import again
from reconciler.cli.exit_codes import EXIT_OF, Exit
from reconciler.cli.failures import outcome_reason, reason_of
from reconciler.cli.open_host import opened, origin_of, state_of
from reconciler.cli.options import Duration, HostOptions, host_options
from reconciler.cli.output import say
from reconciler.cli.publishing import publish_unattended
from reconciler.cli.time_limit import TimeIsUp, ends_within
from reconciler.cli.tree import command
from reconciler.integrations.kernel_module import CannotLoad
from reconciler.integrations.units import BOOT_SECONDS, boot_unit
from reconciler.kernel.locks import patience
from reconciler.model.commands import DOCTOR
from reconciler.model.outcome import Actor, Result
from reconciler.operations.boot import Booted, NotByService, boot

_LOCK_SECONDS: Final = 60.0


@command("boot")
@click.option(
    "--wait",
    type=Duration(least=0, most=600),
    default="1m",
    show_default=True,
    metavar="DURATION",
    help="How long to wait until the AP bus has bound its queues.",
)
@click.option("--masks-only", is_flag=True, hidden=True, help="End where vfio_ap has to be loaded.")
@host_options
def boot_command(wait: float, masks_only: bool, host: HostOptions) -> Exit:
    """Apply at boot what was applied last, where the manifests say 'persistence: service'.

    This is what the boot unit runs ('reconcile service install boot'). It waits for the AP bus, sets the masks, loads
    vfio_ap, and applies the last generation of the history, whatever the manifests say by now.
    """
    if host.paths or host.host:
        raise click.UsageError("boot applies what was applied last, whatever the manifests say now: no -f, no --host")
    if missing := _missing_state(host):
        say(f"boot: nothing was done: {missing} does not exist, so that it is not known what was applied last")
        say("boot: its file system may not be mounted")
        say(f"  next: {again()}    # once it is there")
        return Exit.FAILURE
    try:
        with ends_within(wait + BOOT_SECONDS):
            booted = _boot(host, wait, masks_only=masks_only)
    except TimeIsUp:
        say(f"boot: it took more than {wait + BOOT_SECONDS:.0f} s; the next run recovers from what was begun")
    except CannotLoad as error:
        say(f"boot: {error}")
    except NotByService as error:
        say(f"boot: nothing was done: {error}")
        return Exit.REFUSED
    except NotApplicable as error:
        say(f"boot: not applied: {' '.join(reason_of(error, host.here).split())}")
        return Exit.REFUSED
    else:
        if booted is None:
            say("boot: nothing has been applied yet, so there is nothing to do")
            return Exit.DONE
        code = _reported(booted, host, masks_only=masks_only)
        if booted.applied and not masks_only:
            publish_unattended(host, booted.applied[-1].outcome)
        return code
    return Exit.FAILURE


def _missing_state(host: HostOptions) -> str:
    """The state directory where it is missing and should be there; empty where it is there, or need not be."""
    state = state_of(host)[0].path
    is_expected = host.state_dir or (not host.simulate and boot_unit(Path("/")).installed)
    return str(state) if is_expected and not state.exists() else ""


class _Progress(TerminalProgress):
    def queues_unbound(self, bound: str, seconds: float) -> None:
        say(f"boot: after {seconds:g} s the AP bus has bound {bound} queues to drivers; going on nevertheless")


def _boot(host: HostOptions, wait: float, *, masks_only: bool) -> Booted | None:
    progress = _Progress(host)
    origin = origin_of(actor=Actor.BOOT)
    with opened(host, changes=True, wait=patience(time, _LOCK_SECONDS, progress.waiting)) as machine:
        booted = boot(machine, progress, origin, wait, masks_only=masks_only)
    sys.stdout.flush()
    return booted


def _reported(booted: Booted, host: HostOptions, *, masks_only: bool) -> Exit:
    number = booted.generation.number
    last = booted.applied[-1].outcome if booted.applied else None
    if last and last.result not in (Result.APPLIED, Result.NOTHING):
        say(f"boot: generation {number} was not applied: {outcome_reason(last, host.here)}")
        _show_unrecorded(booted, host)
        return EXIT_OF[last.result]
    writes = sum(one.outcome.writes for one in booted.applied)
    what = "the masks are" if masks_only else "the host is"
    took = f"{writes} kernel write{'' if writes == 1 else 's'}"
    say(
        "boot: vfio_ap is loaded already; the masks are left to what follows"
        if last is None
        else f"boot: {what} as generation {number} wants: {took}"
    )
    for note in last.notes if last else ():
        say(f"boot: {note}")
    _show_unrecorded(booted, host)
    # The unit goes on after the masks: what fails is the last of its commands.
    return Exit.FAILURE if booted.unrecorded and not masks_only else Exit.DONE


def _show_unrecorded(booted: Booted, host: HostOptions) -> None:
    if booted.unrecorded:
        say(f"boot: that could not be recorded, and no apply begins before it can be: {booted.unrecorded}")
        say(f"  next: {host.line(DOCTOR)}    # says what to do about the disk")
