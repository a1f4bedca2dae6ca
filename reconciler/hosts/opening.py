"""Opens the host that is worked on: this machine's, one behind another sysfs root, or a simulated one."""

import os
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.kernel.locks import Patience
from reconciler.kernel.paths import DEFAULT_SYSFS
from reconciler.kernel.sysfs import RealSysfs
from reconciler.kernel.vfio_users import VfioUsers
from reconciler.model.commands import NOWHERE, Here
from reconciler.model.observed import Unread, VmName
from reconciler.model.problems import several
from reconciler.transaction.open_host import OpenHost, all_seen, no_vms
from reconciler.transaction.state_directory import StateDirectory

if TYPE_CHECKING:
    from reconciler.integrations.timers import Timer

STATE: Final = Path("/var/lib/reconciler")
MDEVCTL_ROOT: Final = "MDEVCTL_ENV_ROOT"
"""The environment variable in which newer versions of mdevctl take a prefix for all their paths."""

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@contextmanager
def open_host(
    sysfs: str | os.PathLike[str] = DEFAULT_SYSFS,
    *,
    state_dir: str | os.PathLike[str] | None = None,
    here: Here = NOWHERE,
) -> Iterator[OpenHost]:
    """The host behind a sysfs root. Nothing is read or written yet.

    Args:
        sysfs: the root: ``/sys`` for this machine, or for example where a simulated host is mounted.
        state_dir: where we keep inventory, journal and history; left out, the usual directory of that root.
        here: the options that lead the commands in messages to this host.
    """
    root = Path(sysfs)
    state, boot_id = state_of_host(root, state_dir)
    is_this_machine = os.path.realpath(root) == DEFAULT_SYSFS
    users = VfioUsers(DEFAULT_SYSFS) if is_this_machine else None
    yield OpenHost(
        sysfs=RealSysfs(root, vfio_users=users),
        clock=time,
        state=state,
        boot_id=boot_id,
        name=os.uname().nodename,
        tools_lock=_tools_lock() if is_this_machine else None,
        timer=_Timer(("--sysfs", os.path.abspath(root)), state),
        # What this machine's files say is not true of another host whose sysfs is looked at.
        vms=_vms if is_this_machine else no_vms,
        unseen=partial(_unseen, users) if users else all_seen,
        load_vfio_ap=_load_vfio_ap if is_this_machine else None,
        root=_root_of_tools(is_this_machine=is_this_machine),
        here=here,
    )


@contextmanager
def open_simulated_host(
    description: str | os.PathLike[str],
    *,
    state_dir: str | os.PathLike[str] | None = None,
    here: Here = NOWHERE,
    changes: bool = True,
    wait: Patience | None = None,
) -> Iterator[OpenHost]:
    """The simulated host that the file `description` describes, in the state in which it was left the last time.

    Args:
        description: the file; the host's state is kept beside it.
        state_dir: where we keep inventory, journal and history; left out, beside the description.
        here: the options that lead the commands in messages to this host.
        changes: whether the state of the host is kept when the block ends. One process at a time does that.
        wait: how long to wait for another one; left out, as long as it takes.

    Raises:
        Busy: another process was changing the host all that time.
        InvalidManifests: the description cannot be used.
        UnreadableHost: the state cannot, or the host is mounted, so that another process has the state.
    """
    from reconciler.hosts.simulated import opened_simulation

    file = Path(description)
    with opened_simulation(file, changes=changes, wait=wait) as simulation:
        state, boot_id = state_of_simulated_host(file, state_dir)
        yield OpenHost(
            sysfs=simulation.sysfs,
            clock=time,
            state=state,
            boot_id=boot_id,
            name=simulation.name,
            timer=_Timer(("--simulate", os.path.abspath(file)), state),
            load_vfio_ap=simulation.host.load_vfio_ap,
            root=Path(os.environ.get(MDEVCTL_ROOT) or state.path / "root"),
            here=here,
        )


def state_of_host(root: Path, state_dir: str | os.PathLike[str] | None = None) -> tuple[StateDirectory, str]:
    """Where the state of the host behind the sysfs `root` is kept, and which boot it is in."""
    resolved = os.path.realpath(root)
    # What is remembered of one host must not be taken for another's: each other root has a place of its own.
    import hashlib

    own = STATE / "roots" / hashlib.sha256(resolved.encode()).hexdigest()[:16]
    usual = STATE if resolved == DEFAULT_SYSFS else own
    return StateDirectory(Path(state_dir) if state_dir else usual), _BOOT_ID.read_text(encoding="utf-8").strip()


def state_of_simulated_host(
    description: Path, state_dir: str | os.PathLike[str] | None = None
) -> tuple[StateDirectory, str]:
    """The same of a simulated host."""
    from reconciler.simulator.state_file import boot_id_of, state_directory

    return StateDirectory(Path(state_dir) if state_dir else state_directory(description)), boot_id_of(description)


def _load_vfio_ap() -> None:
    from reconciler.integrations.kernel_module import load_vfio_ap

    load_vfio_ap()


def _root_of_tools(*, is_this_machine: bool) -> Path | None:
    given = os.environ.get(MDEVCTL_ROOT) or ("/" if is_this_machine else None)
    return Path(given) if given else None


def _tools_lock() -> Path | None:
    # Where the directory of their lock is missing none of the tools can run.
    lock = Path("/run/lock/s390apconfig.lock")
    return lock if lock.parent.is_dir() else None


def _vms() -> Mapping[str, VmName]:
    from reconciler.integrations.libvirt import vm_names

    return vm_names()


def _unseen(users: VfioUsers, uuids: Collection[str]) -> tuple[Unread, ...]:
    from reconciler.integrations.libvirt import denied_file

    found = []
    if unknown := [one for one in users.unknown if one in uuids]:
        found.append(Unread("which VM has a device open", f"not all processes can be seen ({several(unknown)})"))
    if file := denied_file():
        found.append(Unread("the names of VMs", f"{file}: permission denied"))
    return tuple(found)


class _Timer:
    """The timer of this machine, chosen when it is needed: what starts other programs costs each apply a while."""

    def __init__(self, where: tuple[str, str], state: StateDirectory) -> None:
        """Roll back the host that the options `where` name."""
        self._where = where
        self._state = state

    def arm(self, generation: int, seconds: float) -> None:
        """See `reconciler.integrations.timers.Timer`."""
        timer_of(self._where, self._state).arm(generation, seconds)


def timer_of(where: tuple[str, str], state: StateDirectory) -> "Timer":
    """The timer of this machine that rolls back on the host which the options `where` name, whose `state` is there."""
    from reconciler.integrations.timers import DetachedTimer, SystemdTimer, systemd_is_there

    # The one that waits has / as its directory.
    command = [sys.executable, "-m", "reconciler.cli", "expire", *where, "--state-dir", os.path.abspath(state.path)]
    if os.geteuid() == 0 and systemd_is_there():
        return SystemdTimer(command)
    return DetachedTimer(command, state.path / "expire.log")
