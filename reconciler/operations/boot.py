"""What the boot unit does: the host becomes as it was applied last, masks first (docs/boot.md).

What was applied last is in the history: manifests that are just being edited have no part in it. Everything is done
by plans and transactions like any other, each under the locks; between them, while vfio_ap is loaded, nothing is
locked, since what its appearance starts (mdevctl, by udev) may wait for the lock of the s390-tools.
"""

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from reconciler.integrations.kernel_module import CannotLoad
from reconciler.kernel.observe import await_bindings, await_vfio_ap, has_vfio_ap, observe
from reconciler.model.commands import BOOT_UNINSTALL
from reconciler.model.desired import Persistence
from reconciler.model.errors import ConflictError
from reconciler.model.outcome import Result
from reconciler.operations.apply import ApplyResult, Recording, Terms, apply
from reconciler.operations.wanted import OfGeneration
from reconciler.planning.plan import ALLOW_DISRUPTION
from reconciler.planning.scope import BootStage
from reconciler.transaction.apply import Progress
from reconciler.transaction.history import History
from reconciler.transaction.open_host import OpenHost, locked
from reconciler.transaction.recovery import recover

if TYPE_CHECKING:
    from reconciler.model.outcome import Generation, Origin

STEP_SECONDS: Final = 90.0
"""After how long no further step of a transaction is begun, and it is rolled back."""

LOCK_SECONDS: Final = 60.0
"""How long other processes that hold a lock are waited for."""

_MODULE_SECONDS: Final = 30.0


class NotByService(ConflictError):
    """What was applied last wants the host to boot otherwise; the text says how, and what to do."""


class BootProgress(Progress, Protocol):
    """Shows how a boot gets on, while it does."""

    def queues_unbound(self, bound: str, seconds: float) -> None:
        """After `seconds` the AP bus has bound only `bound` queues (``3 of 8``) to drivers; the boot goes on."""


class Booted(NamedTuple):
    """What a boot did: the generation that it went by, and the transactions, of which only the last may have failed."""

    generation: "Generation"
    applied: tuple[ApplyResult, ...]

    @property
    def unrecorded(self) -> str:
        """Why something of it could not be recorded; empty where all was."""
        return next((one.unrecorded for one in self.applied if one.unrecorded), "")


def boot(
    machine: OpenHost, progress: BootProgress, origin: "Origin", wait_seconds: float, *, masks_only: bool = False
) -> Booted | None:
    """Make the host as it was applied last; None where nothing has been applied yet.

    Args:
        machine: what we work on.
        progress: is shown how it gets on; what could not be recorded is recovered, and shown, by each apply anew.
        origin: who asks; the commit is that of what was applied last.
        wait_seconds: how long to wait until the AP bus has bound its queues.
        masks_only: end where vfio_ap would have to be loaded; where it is loaded already, nothing is done.

    Raises:
        NotByService: what was applied last says that the host does not boot like this.
        CannotLoad: vfio_ap is not there, and cannot be loaded.
        BadRecord: what was applied last is not known.
        and what `reconciler.operations.apply.apply` raises.
    """
    history = History(machine.state)
    if history.next_number() == 1:
        return None
    # No disk keeps the host from what its VMs need: it is made so without a record where none can be written.
    with locked(machine, progress, origin.command, LOCK_SECONDS, recording=False):
        # What waited to be confirmed when the host went down was not confirmed.
        left = recover(machine)
    progress.recovered(left)
    last = history.last_target({one.unfinished.generation: one.applied for one in left if one.unrecorded})
    if last is None:
        return None
    _require_service(last, history)
    bound = await_bindings(machine.sysfs, machine.clock, wait_seconds)
    if bound and wait_seconds:
        progress.queues_unbound(bound, wait_seconds)
    origin = origin._replace(commit=last.origin.commit)
    wanted = OfGeneration(last.number)
    done: tuple[ApplyResult, ...] = ()
    if not has_vfio_ap(machine.sysfs):
        done = (_applied(wanted, BootStage.MASKS, machine, progress, origin),)
        if masks_only or not _succeeded(done[-1]):
            return Booted(last, done)
        _load_vfio_ap(machine)
    elif masks_only:
        return Booted(last, ())
    return Booted(last, (*done, _applied(wanted, BootStage.WHOLE, machine, progress, origin)))


def _require_service(last: "Generation", history: History) -> None:
    persistence = history.desired(last.number).host.persistence
    if persistence is not Persistence.SERVICE:
        raise NotByService(
            f"what was applied last (generation {last.number}) has 'persistence: {persistence}'; to boot into it like "
            f"this, write 'persistence: service' in the Host and apply it; otherwise run: {BOOT_UNINSTALL}"
        )


def _applied(
    wanted: OfGeneration, stage: BootStage, machine: OpenHost, progress: Progress, origin: "Origin"
) -> ApplyResult:
    terms = Terms(lock_seconds=LOCK_SECONDS, seconds=STEP_SECONDS)
    if not any(one.in_use for one in observe(machine.sysfs).mdevs):
        # Who applied it has consented to what it takes from the host's drivers, and a crash on the way takes nothing
        # from a guest. A VM that runs is another matter.
        terms = terms._replace(consents=frozenset({ALLOW_DISRUPTION}), recording=Recording.IF_POSSIBLE)
    return apply(wanted, machine, progress, origin, terms, stage)


def _succeeded(one: ApplyResult) -> bool:
    return one.outcome.result in (Result.APPLIED, Result.NOTHING)


def _load_vfio_ap(machine: OpenHost) -> None:
    if machine.load_vfio_ap is None:
        raise CannotLoad("vfio_ap is not loaded, and cannot be loaded on another machine")
    machine.load_vfio_ap()
    if not await_vfio_ap(machine.sysfs, machine.clock, _MODULE_SECONDS):
        raise CannotLoad(f"vfio_ap was loaded, but {_MODULE_SECONDS:g} s later it takes no mediated devices")
