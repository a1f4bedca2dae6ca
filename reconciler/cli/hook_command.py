"""``reconcile hook``: what libvirt runs when a VM starts and when it has ended, and how it gets to know.

Whoever starts a VM waits for us and sees one line of ours at most: so everything is bounded, and what is wrong is told
in one line. libvirt must never be asked anything from here, since it waits for the answer to its own question.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.machine import opened, origin_of
from reconciler.cli.options import DEFAULT_SYSFS, HostOptions
from reconciler.cli.output import result, tell
from reconciler.cli.time_limit import TimeIsUp, ends_within
from reconciler.integrations.domain_checks import MODEL, domain_problems
from reconciler.integrations.domain_xml import LARGEST, Domain, read_domain
from reconciler.integrations.hook_file import Installed, NotOurs, hook_text, install, uninstall
from reconciler.kernel.lock_wait import AtWork, patience
from reconciler.manifests.site import read_site
from reconciler.model.desired import Desired
from reconciler.model.outcome import Outcome, Result
from reconciler.model.problems import Problem, errors_of
from reconciler.planning.plan import Plan, PlannedStep
from reconciler.planning.vm_event import VmEvent
from reconciler.reconcile import InvalidManifests, NotApplicable, Request, Terms, apply, plan
from reconciler.transaction.journal import Books

LOCK_SECONDS: Final = 10.0
"""How long others that are at work are waited for."""

STEP_SECONDS: Final = 20.0
"""When no further step is begun, and what was done is put back."""

TOTAL_SECONDS: Final = 30.0
"""When everything ends; what was begun is put in order by the next run."""

_TERMS: Final = Terms(lock_seconds=LOCK_SECONDS, seconds=STEP_SECONDS)


class _Refused(Exception):
    """The VM must not start; says why in one line."""


class _Quiet:
    """Nobody watches: libvirt shows one line, and that has to be the last."""

    def step(self, number: int, total: int, step: PlannedStep) -> None:
        """See `reconciler.transaction.apply.Progress`."""

    def going_back(self, reason: str) -> None:
        """See `reconciler.transaction.apply.Progress`."""

    def waiting(self, holder: AtWork) -> None:
        """See `reconciler.transaction.apply.Progress`."""


def run_qemu(host: HostOptions, words: Sequence[str]) -> Exit:
    """Do what a VM needs: `words` are its name, the operation, the sub-operation and one more, as libvirt gives them.

    Only a start can be refused. At every other operation but the end of a VM nothing is read and nothing is done.
    """
    match words:
        case (vm, "prepare", "begin", *_):
            return _bounded(lambda: _prepare(host), f"VM '{vm}' does not start")
        case (vm, "release", "end", *_):
            return _bounded(lambda: _release(host), f"VM '{vm}' has ended, but its crypto device stays")
        case _:
            return Exit.DONE


def run_install(host: HostOptions, directory: str) -> Exit:
    """Have libvirt run us, with the manifests and the host that `host` names."""
    if not host.paths:
        raise click.UsageError("say which manifests the hook is to read: -f PATH")
    missing = [path for path in host.paths if not os.path.exists(path)]
    if missing:
        raise click.UsageError(f"{missing[0]} does not exist")
    try:
        done = install(Path(directory), hook_text(sys.executable, _options(host)))
    except (NotOurs, FileNotFoundError) as error:
        advice = "" if isinstance(error, NotOurs) else "; is libvirt installed? --directory names another place"
        raise click.ClickException(f"{error}{advice}") from error
    match done:
        case Installed.SAME:
            result(f"{directory}/reconcile is there already and as it should be\n")
        case Installed.CHANGED:
            result(f"{directory}/reconcile is changed; libvirt uses it from the next VM on\n")
        case _:
            result(f"{directory}/reconcile is installed\n")
            tell(
                "if it is the first hook file on this host, restart the libvirt daemon, which looks for them only then:"
                "\n  systemctl restart virtqemud    (or libvirtd)"
            )
    return Exit.DONE


def run_uninstall(directory: str) -> Exit:
    """Have libvirt run us no more."""
    try:
        there = uninstall(Path(directory))
    except NotOurs as error:
        raise click.ClickException(str(error)) from error
    result(f"{directory}/reconcile is {'removed' if there else 'not there'}\n")
    return Exit.DONE


def _options(host: HostOptions) -> list[str]:
    words = [word for path in host.paths for word in ("-f", os.path.abspath(path))]
    words += ["--host", host.host] if host.host else []
    words += ["--simulate", os.path.abspath(host.simulate)] if host.simulate else []
    words += ["--sysfs", os.path.abspath(host.sysfs)] if host.sysfs != DEFAULT_SYSFS else []
    return words + (["--state-dir", os.path.abspath(host.state_dir)] if host.state_dir else [])


def _bounded(action: Callable[[], None], what: str) -> Exit:
    try:
        with ends_within(TOTAL_SECONDS):
            action()
    except TimeIsUp:
        reason = f"it took more than {TOTAL_SECONDS:.0f} s; the next run puts in order what was begun"
    except KeyboardInterrupt:
        reason = "it was interrupted"
    except Exception as error:  # noqa: BLE001 - whatever it is, libvirt's log gets one line
        reason = _reason(error)
    else:
        return Exit.DONE
    tell(" ".join(f"reconcile: {what}: {reason}".split()))
    return Exit.FAILURE


def _prepare(host: HostOptions) -> None:
    domain = _domain()
    if uuids := frozenset(one.uuid for one in domain.mdevs if one.model == MODEL):
        _carry_out(host, VmEvent(starts=uuids), domain)


def _release(host: HostOptions) -> None:
    domain = _domain()
    if uuids := frozenset(one.uuid for one in domain.mdevs if one.model == MODEL):
        _carry_out(host, VmEvent(ends=uuids), None)


def _domain() -> Domain:
    domain = read_domain(sys.stdin.buffer.read(LARGEST + 1), "the VM's XML")
    if isinstance(domain, Problem):
        raise _Refused(domain.message)
    return domain


def _carry_out(host: HostOptions, event: VmEvent, starting: Domain | None) -> None:
    if not host.paths:
        raise _Refused("the hook was not told which manifests to read (-f); type: reconcile hook install -f PATH")
    request = Request(host.paths, host.host, event=event)
    with opened(host) as machine:
        desired = read_site(host.paths).desired(host.host, machine.name)
        if not isinstance(desired, Desired):
            raise InvalidManifests(desired)
        if not any(guest.uuid in event.starts | event.ends for guest in desired.guests):
            return
        if starting:
            _refuse(domain_problems(starting, desired.guests))
        made = plan(request, machine)
        # Where there is nothing to do nobody is waited for; else all is looked at again when others have done theirs.
        if made.in_sync and Books(machine.state, machine.boot_id).unfinished() is None:
            _tell_kept(made, event)
            return
    progress = _Quiet()
    with opened(host, changes=True, wait=patience(time, LOCK_SECONDS, progress.waiting)) as machine:
        applied = apply(request, machine, progress, origin_of(host), _TERMS)
    if applied.outcome.result not in (Result.APPLIED, Result.NOTHING):
        raise _Refused(_outcome_reason(applied.outcome))
    _tell_kept(applied.plan, event)


def _refuse(problems: list[Problem]) -> None:
    # A device that no manifest names is not ours to judge.
    errors = [one for one in errors_of(problems) if one.id != "vm-unknown-device"]
    if errors:
        raise _Refused(_problem_line(errors))


def _tell_kept(made: Plan, event: VmEvent) -> None:
    for guest in made.guests:
        if guest.uuid in event.ends and guest.after is not None:
            who = guest.opened_by or guest.vm or "a process"
            tell(f"reconcile: guest '{guest.name}' keeps its mediated device {guest.uuid}: {who} has it open")


def _reason(error: Exception) -> str:
    match error:
        case InvalidManifests():
            first = errors_of(error.problems)[0]
            where = f" ({first.places[0].position})" if first.places else ""
            return f"the manifests are invalid: {first.message}{where}; 'reconcile validate' shows all of it"
        case NotApplicable() if not error.plan.is_valid:
            return _problem_line(errors_of(error.plan.problems))
        case NotApplicable():
            consent = error.plan.consents[0]
            flags = " ".join(error.plan.flags)
            return f"this needs consent: {consent.holder}: {consent.reason}; to give it: reconcile --apply {flags}"
        case PermissionError():
            return f"{error}; the hook must run as root"
        case _:
            return str(error) or type(error).__name__


def _problem_line(errors: list[Problem]) -> str:
    first, *others = errors
    details = f": {'; '.join(first.details)}" if first.details else ""
    more = f" And {len(others)} more: see 'reconcile --plan'." if others else ""
    return f"{first.message}{details}. {first.help}{more}"


def _outcome_reason(outcome: Outcome) -> str:
    if outcome.result is Result.DEGRADED:
        return f"{outcome.failure}; not everything could be put back, 'reconcile status' shows what is there"
    return f"{outcome.failure}; everything is as it was before"
