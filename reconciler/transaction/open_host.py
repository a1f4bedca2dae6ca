"""What we work on, and how to have it for ourselves."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from reconciler.kernel.observe import Clock, observe
from reconciler.kernel.sysfs import Sysfs
from reconciler.model.commands import NOWHERE, Here
from reconciler.model.errors import HostError
from reconciler.model.observed import NO_VMS, Unread, VmName
from reconciler.model.steps import Holdings
from reconciler.model.stopping import StopToken
from reconciler.planning.planner import holdings_of
from reconciler.transaction.confirmation import Awaited, Confirmations, is_changed
from reconciler.transaction.state_directory import StateDirectory

if TYPE_CHECKING:
    from reconciler.integrations.timers import Timer
    from reconciler.kernel.locks import Patience
    from reconciler.transaction.apply import Progress

LOCK_SECONDS: Final = 60.0
"""How long to wait for others that are at work, where nothing else is said."""


def no_vms() -> Mapping[str, VmName]:
    """The VMs where nothing is known of any."""
    return NO_VMS


def all_seen(uuids: Collection[str]) -> Sequence[Unread]:  # noqa: ARG001 - for whoever asks about real processes
    """What cannot be seen where everything is."""
    return ()


class OpenHost(NamedTuple):
    """What we work on.

    Attributes:
        sysfs: the host.
        clock: time.
        state: where we keep what must not be forgotten.
        boot_id: names the present boot of the host.
        name: the machine's host name, which picks the Host among several.
        tools_lock: the lock of ap-check and chzdev, or None where no such tool can reach the host.
        timer: rolls back what is not confirmed in time; None where there is no such thing.
        vms: gives the VM of each mediated device, by the device's uuid, where anything is known of VMs.
        unseen: says what of the users of devices, given by uuid, and of the names of VMs could not be seen when the
            host was observed last.
        load_vfio_ap: loads the kernel module (raises `CannotLoad`), or None where that cannot be done from here.
        root: precedes the paths of the files of other tools that this host boots from; None where it is not known.
        here: the options that lead another command to this machine and its manifests.
        stop: ends waiting for a lock, and a transaction before its next step; its owner handles the signals. None: a
            command, whose transactions are stopped by the signals that end a process.
    """

    sysfs: Sysfs
    clock: Clock
    state: StateDirectory
    boot_id: str
    name: str
    tools_lock: Path | None = None
    timer: "Timer | None" = None
    vms: Callable[[], Mapping[str, VmName]] = no_vms
    unseen: Callable[[Collection[str]], Sequence[Unread]] = all_seen
    load_vfio_ap: Callable[[], None] | None = None
    root: Path | None = None
    here: Here = NOWHERE
    stop: StopToken | None = None


def awaited(machine: OpenHost) -> Awaited | None:
    """How the apply that waits to be confirmed stands, if one does.

    Raises:
        BadRecord: a file that we keep is not as we write it.
    """
    return Confirmations(machine.state).awaited(
        machine.boot_id, machine.clock.monotonic(), lambda: holdings_now(machine), machine.root
    )


def is_changed_since(machine: OpenHost) -> bool:
    """Whether what waits to be confirmed is not on the host any more as it was applied; True where that is not known.

    Raises:
        BadRecord: a file that we keep is not as we write it.
    """
    confirmations = Confirmations(machine.state)
    pending = confirmations.pending()
    if pending is None:
        return True
    return is_changed(confirmations.begun_by(pending, machine.boot_id), holdings_now(machine), machine.root)


def holdings_now(machine: OpenHost) -> Holdings | None:
    """What the host holds; None where it cannot be read."""
    try:
        return holdings_of(observe(machine.sysfs))
    except (HostError, OSError):
        return None


@contextmanager
def locked(
    machine: OpenHost,
    progress: "Progress",
    command: str,
    lock_seconds: float = LOCK_SECONDS,
    *,
    recording: bool = True,
) -> Iterator[StopToken]:
    """Hold both locks; gives the token that ends what is done under them.

    Args:
        machine: what we work on.
        progress: called with the process that is waited for.
        command: shown to whoever finds the lock held.
        lock_seconds: how long to wait for another run and for other tools, together.
        recording: whether there is no point in going on where the state directory cannot be written.

    Raises:
        Busy, ToolsBusy: another run, or another tool, held its lock all that time.
        Abandoned: the token has ended the wait.
    """
    from reconciler.kernel.locks import patience
    from reconciler.transaction.lock import state_locked, stopped_by_signals

    machine.state.prepare(writable=recording)
    with stopped_by_signals() if machine.stop is None else nullcontext(machine.stop) as stop:
        wait = patience(machine.clock, lock_seconds, progress.waiting, stop)
        with state_locked(machine.state, command, wait), _tools_locked(machine, wait):
            yield stop


def _tools_locked(machine: OpenHost, wait: "Patience") -> AbstractContextManager[None]:
    if machine.tools_lock is None:
        return nullcontext()
    from reconciler.kernel.locks import tools_locked

    return tools_locked(machine.tools_lock, wait)
