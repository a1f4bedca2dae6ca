"""Looks at a host in every way, and tells all that was found."""

from collections.abc import Callable
from pathlib import Path

from reconciler.doctor.autostart import autostart_findings
from reconciler.doctor.boot import boot_findings, read_boot
from reconciler.doctor.definitions import definition_findings
from reconciler.doctor.finding import Finding, error
from reconciler.doctor.host import host_findings
from reconciler.doctor.kernels import kernel_findings
from reconciler.doctor.state import left_findings, lock_findings
from reconciler.integrations.mdevctl_definitions import read_definitions
from reconciler.kernel.observe import UnreadableHost, observe
from reconciler.kernel.sysfs import Sysfs
from reconciler.kernel.tools_lock import tools_holder
from reconciler.machine import Machine
from reconciler.model.desired import Persistence
from reconciler.model.generation import Generation
from reconciler.model.matrix import EMPTY_MATRIX
from reconciler.model.problems import Severity
from reconciler.transaction.confirmation import Confirmations
from reconciler.transaction.history import DAMAGED, History, NoSuchGeneration
from reconciler.transaction.journal import Books
from reconciler.transaction.lock import LOCK
from reconciler.transaction.records import BadRecord
from reconciler.transaction.state_directory import UnsafeState


def examined(machine: Machine, root: Path | None) -> list[Finding]:
    """Everything that is wrong with `machine`, errors first.

    Args:
        machine: what is looked at.
        root: where its ``/etc``, ``/proc`` and ``/run`` are; None where it has none, as a simulated host.
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
        found += kernel_findings(observed.release, over_provision=observed.abilities.over_provision)
    if root is not None:
        found += boot_findings(read_boot(root, machine.sysfs.release, _persistence(machine), pool))
        definitions = read_definitions(root)
        found += definition_findings(definitions, pool or EMPTY_MATRIX)
        found += autostart_findings(definitions.found, root)
    if machine.tools_lock is not None:
        holder, lives = tools_holder(machine.tools_lock)
        found += lock_findings(holder, lives=lives)
    found += _left(machine)
    found += _damaged(machine)
    return sorted(found, key=lambda one: one.severity is not Severity.ERROR)


def _unreadable(refused: UnreadableHost) -> Finding:
    return error("no-ap-bus", str(refused), "nothing can be planned", "see that this is an s390x host with AP cards")


def _left(machine: Machine) -> list[Finding]:
    books = Books(machine.state, machine.boot_id)
    try:
        pending = Confirmations(machine.state).pending()
        return left_findings(
            unfinished=books.unfinished() is not None,
            pending=pending.generation if pending else 0,
            differences=books.left_degraded(),
        )
    except (BadRecord, UnsafeState, OSError) as refused:
        return [_damage(str(refused))]


def _damaged(machine: Machine) -> list[Finding]:
    """What is kept besides, and would stop a command that needs it."""
    books, history = Books(machine.state, machine.boot_id), History(machine.state)
    looks: tuple[Callable[[], object], ...] = (books.applied, lambda: machine.state.read(LOCK), history.generations)
    found = []
    for look in looks:
        try:
            look()
        except (BadRecord, UnsafeState, OSError) as refused:
            found.append(_damage(str(refused)))
    damaged = [one for one in _generations(history) if one.result == DAMAGED]
    return [*found, *(_damage(one.summary) for one in damaged)]


def _generations(history: History) -> list[Generation]:
    try:
        return history.generations()
    except (UnsafeState, OSError):  # told already
        return []


def _damage(what: str) -> Finding:
    return error(
        "damaged-state",
        f"what we keep cannot be used: {what}",
        "the commands that need it refuse, or leave it out",
        "move the file away; then reconcile --plan shows how the host differs from the manifests",
    )


def _persistence(machine: Machine) -> Persistence | None:
    """What the Host that was applied last says of booting."""
    history = History(machine.state)
    try:
        last = history.last_target()
        return history.desired(last.number).host.persistence if last else None
    except (BadRecord, NoSuchGeneration, UnsafeState, OSError):  # told by others
        return None


def _text_of(sysfs: Sysfs, path: str) -> str:
    try:
        return sysfs.read(path)
    except OSError:
        return ""
