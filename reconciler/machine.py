"""What we work on, and how to have it for ourselves."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.integrations.timer import Timer
from reconciler.kernel.settle import Clock
from reconciler.kernel.sysfs import Sysfs
from reconciler.transaction.state_directory import StateDirectory

if TYPE_CHECKING:
    from reconciler.transaction.apply import Progress


class Machine(NamedTuple):
    """What we work on.

    Attributes:
        sysfs: the host.
        clock: time.
        state: where we keep what must not be forgotten.
        boot_id: names the present boot of the host.
        name: the machine's host name, which picks the Host among several.
        tools_lock: the lock of ap-check and chzdev, or None where no such tool can reach the host.
        timer: puts back what nobody confirms in time, or None where there is no such thing.
    """

    sysfs: Sysfs
    clock: Clock
    state: StateDirectory
    boot_id: str
    name: str
    tools_lock: Path | None = None
    timer: Timer | None = None


@contextmanager
def alone(machine: Machine, progress: "Progress", command: str) -> Iterator[Callable[[], bool]]:
    """Hold both locks, and hold back the signals that would end the process; gives whether one of them came."""
    from reconciler.transaction.interruption import held_back
    from reconciler.transaction.lock import locked

    machine.state.prepare()
    with locked(machine.state, command), _tools_locked(machine, progress), held_back() as interrupted:
        yield interrupted


def _tools_locked(machine: Machine, progress: "Progress") -> AbstractContextManager[None]:
    if machine.tools_lock is None:
        return nullcontext()
    from reconciler.kernel.tools_lock import tools_locked

    return tools_locked(machine.tools_lock, machine.clock, progress.waiting_for_tools)
