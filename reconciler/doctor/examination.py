"""Examines a host in every way, and reports all that was found."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from reconciler.doctor.boot import autostart_findings, boot_findings, definition_findings, read_boot
from reconciler.doctor.finding import Finding, error, listed
from reconciler.doctor.host import (
    host_findings,
    interruption_findings,
    kernel_findings,
    left_findings,
    location_findings,
    lock_findings,
    obstacle_findings,
)
from reconciler.integrations.mdevctl import read_definitions
from reconciler.kernel.locks import tools_holder
from reconciler.kernel.observe import UnreadableHost, identity_of, observe
from reconciler.kernel.sysfs import Sysfs
from reconciler.machines.location import located
from reconciler.model.codec import BadRecord, NewerRecord
from reconciler.model.desired import Persistence
from reconciler.model.errors import StateError
from reconciler.model.identity import MachineIdentity
from reconciler.model.machines import HostPlace
from reconciler.model.matrix import EMPTY_MATRIX
from reconciler.model.printable import error_text
from reconciler.model.problems import Severity
from reconciler.transaction.apply_ids import ApplyIds, FleetApplies
from reconciler.transaction.history import History, NoSuchGeneration
from reconciler.transaction.journal import Journal
from reconciler.transaction.lock import LOCK
from reconciler.transaction.loop_records import read_commit_policy, read_suspensions
from reconciler.transaction.open_host import OpenHost, awaited
from reconciler.transaction.setup_record import read_setup
from reconciler.transaction.state_directory import UnsafeState
from reconciler.transaction.suspension_log import suspension_changes

_Found = TypeVar("_Found")
_NEEDS_ROOT: Final = "needs-root"


def examined(
    machine: OpenHost,
    root: Path | None,
    others: Sequence[Callable[[], object]] = (),
    places: Sequence[HostPlace] = (),
    *,
    is_simulated: bool = False,
) -> list[Finding]:
    """Everything that is wrong with `machine`, errors first.

    Args:
        machine: what is looked at.
        root: where its ``/etc``, ``/proc`` and ``/run`` are; None where it has none, as a simulated host.
        others: read what is kept in the state directory for higher floors; they raise BadRecord or UnsafeState.
        places: the LPARs that the host may run in, as the manifests say; none where no Machine names it.
        is_simulated: whether the host has the rules of its release, and no kernel that may have faults.
    """
    found: list[Finding] = []
    pool = None
    try:
        observed = observe(machine.sysfs)
    except UnreadableHost as refused:
        found.append(_unreadable(refused))
    else:
        pool = observed.pool
        found += host_findings(observed, _text_of(machine.sysfs, "bus/ap/bindings"))
        if not is_simulated:
            found += kernel_findings(observed.release, over_provision=observed.abilities.over_provision)
        found += location_findings(located(places, observed))
    if root is not None:
        found += boot_findings(read_boot(root, machine.sysfs.release, _persistence(machine), pool))
        definitions = read_definitions(root)
        found += definition_findings(definitions, pool or EMPTY_MATRIX)
        found += autostart_findings(definitions.found, root)
    if machine.tools_lock is not None:
        holder, lives = tools_holder(machine.tools_lock)
        found += lock_findings(holder, lives=lives)
    found += _kept_findings(machine, others)
    return sorted(_denials_together(found, machine.state.path), key=lambda one: one.severity is not Severity.ERROR)


def _denials_together(found: Sequence[Finding], directory: Path) -> list[Finding]:
    """`found` with one finding about everything that only root may read.

    Of the state `directory` no file is named: it may not be known which files there are.
    """
    denied = [one for one in found if one.id == _NEEDS_ROOT]
    if len(denied) < 2:
        return list(found)
    kept = f"{directory}{os.sep}"
    all_kept = f"{directory} (what earlier runs have kept): Permission denied"
    whats = list(dict.fromkeys(all_kept if one.what.startswith(kept) else one.what for one in denied))
    together = denied[0]._replace(what=f"not everything can be read: {listed(whats)}")
    return [together, *(one for one in found if one.id != _NEEDS_ROOT)]


def identified(machine: OpenHost) -> tuple[MachineIdentity | None, str]:
    """Where `machine` runs, and why that is not known; the latter is empty where it is."""
    return identity_of(machine.sysfs)


def _unreadable(refused: UnreadableHost) -> Finding:
    if _is_denied(refused):
        return _needs_root(refused, "nothing can be planned")
    return error("no-ap-bus", str(refused), "nothing can be planned", "see that this is an s390x host with AP cards")


def _kept_findings(machine: OpenHost, others: Sequence[Callable[[], object]]) -> list[Finding]:
    """What earlier runs have left, and every file of ours that cannot be used, each looked at on its own."""
    journal, state, history = Journal(machine.state, machine.boot_id), machine.state, History(machine.state)
    damages: list[Finding] = []

    def looked_at(look: Callable[[], _Found], otherwise: _Found) -> _Found:
        try:
            return look()
        except (StateError, OSError) as refused:
            damages.append(_damage(refused))
            return otherwise

    left = left_findings(
        unfinished=looked_at(journal.unfinished, None) is not None,
        awaited=looked_at(lambda: awaited(machine), None),
        differences=looked_at(journal.left_degraded, ()),
    )
    kept = (ApplyIds(state).check, FleetApplies(state).check, lambda: read_commit_policy(state))
    made = (lambda: read_suspensions(state), lambda: suspension_changes(state, 0.0), lambda: read_setup(state))
    for look in (journal.applied, lambda: state.read(LOCK), *made, *kept, *others):
        looked_at(look, None)
    numbers: list[int] = []
    for number in looked_at(history.numbers, numbers):
        looked_at(partial(history.get, number), None)
    obstacle = looked_at(lambda: state.obstacle() if state.path.is_dir() else "", "")
    newest = looked_at(history.newest, None)
    if newest and newest.outcome:
        left += interruption_findings(newest.number, newest.outcome.interrupted)
    # What is wrong with the directory itself is met with every file in it.
    return [*left, *obstacle_findings(obstacle), *dict.fromkeys(damages)]


def _is_denied(refused: BaseException) -> bool:
    return isinstance(refused, PermissionError) or isinstance(refused.__cause__, PermissionError)


def _needs_root(refused: Exception, why: str) -> Finding:
    return error("needs-root", error_text(refused), why, "look as root")


def _damage(refused: Exception) -> Finding:
    if _is_denied(refused):
        return _needs_root(refused, "the commands that need it refuse, or leave it out")
    if isinstance(refused, NewerRecord):
        return error(
            "newer-state",
            f"a file that we keep {refused.verdict}: {refused}",
            "the commands that need it refuse, or leave it out",
            "update reconcile on this host; the file is as it should be, so leave it where it is",
        )
    return error(
        "damaged-state",
        f"what we keep cannot be used: {error_text(refused)}",
        "the commands that need it refuse, or leave it out",
        (refused.remedy if isinstance(refused, BadRecord | UnsafeState) else "")
        or "see who changed it, and move it away",
    )


def _persistence(machine: OpenHost) -> Persistence | None:
    """What the Host that was applied last says of booting."""
    history = History(machine.state)
    try:
        last = history.last_target()
        return history.desired(last.number).host.persistence if last else None
    except (StateError, NoSuchGeneration, OSError):  # reported by other findings
        return None


def _text_of(sysfs: Sysfs, path: str) -> str:
    try:
        return sysfs.read(path)
    except OSError:
        return ""
