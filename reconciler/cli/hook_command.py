"""``reconcile hook qemu``: what libvirt runs when a VM starts and when it has ended.

Whoever starts a VM waits for us and sees one line of ours at most: so everything is bounded, and what is wrong is said
in one line. libvirt must never be asked anything from here, since it waits for the answer to its own question. Most VMs
have no crypto queues, so that only what reads their XML is imported at first.
"""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.options import HostOptions, host_options
from reconciler.cli.output import say
from reconciler.cli.time_limit import TimeIsUp, ends_within
from reconciler.cli.tree import Group
from reconciler.integrations.domain_checks import MODEL, unread_parts
from reconciler.integrations.domain_xml import LARGEST, Domain, read_domain
from reconciler.model.errors import InputError
from reconciler.model.printable import first_unprintable
from reconciler.model.problems import Problem

if TYPE_CHECKING:
    from reconciler.model.outcome import Outcome

TOTAL_SECONDS: Final = 30.0
"""When everything ends; the next run recovers what was begun."""


MOST_WARNINGS: Final = 5
"""How many parts of a VM's XML are named that cannot be looked into."""


@click.group("hook", cls=Group, no_args_is_help=False)
def hook_group() -> None:
    """Make the device of an on-demand guest when its VM starts, and remove it when the VM has ended."""


# Only a start can be refused. At every other operation but the end of a VM nothing is read and nothing is done.
@hook_group.command("qemu", context_settings={"allow_interspersed_args": False})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="VM OPERATION SUBOPERATION EXTRA")
@host_options
def qemu_command(words: Sequence[str], host: HostOptions) -> Exit:
    """Do what libvirt asks for, with the VM's XML on standard input; exit with 1 where the VM must not start.

    libvirt runs it as the hook that 'reconcile service install hook' has written.
    """
    match words:
        case (vm, "prepare", "begin", *_):
            return _bounded(host, lambda: _prepare(host, vm), f"VM '{vm}' does not start")
        case (vm, "release", "end", *_):
            return _bounded(host, lambda: _release(host), f"VM '{vm}' has ended, but its crypto device stays")
        case _:
            return Exit.DONE


def _bounded(host: HostOptions, action: Callable[[], "Outcome | None"], what: str) -> Exit:
    outcome, reason = None, ""
    try:
        with ends_within(TOTAL_SECONDS):
            outcome = action()
        reason = _failure(outcome, host) if outcome else ""
    except TimeIsUp:
        reason = f"it took more than {TOTAL_SECONDS:.0f} s; the next run recovers what was begun"
    except KeyboardInterrupt:
        reason = "it was interrupted"
    except Exception as error:  # noqa: BLE001 - whatever it is, libvirt's log gets one line
        from reconciler.cli.failures import reason_of

        reason = reason_of(error, host.here)
    if reason:
        say(" ".join(f"reconcile: {what}: {reason}".split()))
    if outcome:
        from reconciler.cli.publishing import publish_unattended

        publish_unattended(host, outcome)
    return Exit.FAILURE if reason else Exit.DONE


def _failure(outcome: "Outcome", host: HostOptions) -> str:
    """Why an apply did not do what it was to do; empty where it did."""
    from reconciler.cli.failures import outcome_reason
    from reconciler.cli.hook_event import DONE

    return "" if outcome.result in DONE else outcome_reason(outcome, host.here)


def _prepare(host: HostOptions, vm: str) -> "Outcome | None":
    domain = _domain()
    for problem in unread_parts(domain)[:MOST_WARNINGS]:
        say(f"reconcile: warning: {problem.message}")
    if uuids := _ap_devices(domain):
        if odd := first_unprintable(vm):
            raise InputError(f"its name has a character that cannot be seen: {odd}; to rename it: virsh domrename")
        from reconciler.cli.hook_event import execute
        from reconciler.planning.scope import VmEvent

        return execute(host, VmEvent(starts=uuids), domain)
    return None


def _release(host: HostOptions) -> "Outcome | None":
    if uuids := _ap_devices(_domain()):
        from reconciler.cli.hook_event import execute
        from reconciler.planning.scope import VmEvent

        return execute(host, VmEvent(ends=uuids), None)
    return None


def _ap_devices(domain: Domain) -> frozenset[str]:
    return frozenset(one.uuid for one in domain.mdevs if one.model == MODEL)


def _domain() -> Domain:
    domain = read_domain(sys.stdin.buffer.read(LARGEST + 1), "the VM's XML")
    if isinstance(domain, Problem):
        raise InputError(domain.message)
    return domain
