"""Opens what a command works on: the real host, another sysfs root, or a simulated host with its kept state."""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from reconciler.cli.options import DEFAULT_SYSFS, HostOptions
from reconciler.kernel.lock_wait import Patience
from reconciler.kernel.sysfs import RealSysfs
from reconciler.reconcile import Machine
from reconciler.transaction.state_directory import StateDirectory

STATE: Final = Path("/var/lib/reconciler")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@contextmanager
def opened(options: HostOptions, *, changes: bool = False, wait: Patience | None = None) -> Iterator[Machine]:
    """The machine that `options` name; where the block `changes` it, a simulated host is saved afterwards.

    Raises:
        Busy: another command was changing the simulated host until the patience of `wait` came to its end.
    """
    if options.simulate is None:
        yield _real(options)
        return
    from reconciler.cli.simulated import opened_simulation

    with opened_simulation(Path(options.simulate), changes=changes, wait=wait) as simulation:
        yield Machine(
            sysfs=simulation.sysfs,
            clock=time,
            state=StateDirectory(Path(options.state_dir) if options.state_dir else simulation.state_directory),
            boot_id="simulated",
            name=simulation.name,
        )


def _real(options: HostOptions) -> Machine:
    root = Path(options.sysfs)
    return Machine(
        sysfs=RealSysfs(root),
        clock=time,
        state=StateDirectory(Path(options.state_dir) if options.state_dir else _state_of(root)),
        boot_id=_BOOT_ID.read_text(encoding="ascii").strip(),
        name=os.uname().nodename,
        tools_lock=_tools_lock(root),
    )


def _tools_lock(root: Path) -> Path | None:
    # The tools work on /sys only, and where the directory of their lock is missing none of them can run.
    lock = Path("/run/lock/s390apconfig.lock")
    return lock if os.path.realpath(root) == DEFAULT_SYSFS and lock.parent.is_dir() else None


def _state_of(root: Path) -> Path:
    # What is remembered of one host must not be taken for another's: each other root has a place of its own.
    resolved = os.path.realpath(root)
    if resolved == DEFAULT_SYSFS:
        return STATE
    return STATE / "roots" / hashlib.sha256(resolved.encode()).hexdigest()[:16]
