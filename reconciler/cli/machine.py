"""Opens what a command works on: the real host, another sysfs root, or a simulated host with its kept state."""

import hashlib
import os
import pwd
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from reconciler.cli.options import DEFAULT_SYSFS, HostOptions
from reconciler.cli.output import tell
from reconciler.integrations.local_git import repository_above
from reconciler.integrations.timers import Timer
from reconciler.kernel.locks import Patience
from reconciler.kernel.sysfs import RealSysfs
from reconciler.manifests.files import find_files
from reconciler.model.commands import ENFORCED
from reconciler.model.observed import VmName
from reconciler.model.outcome import Actor, Origin
from reconciler.model.printable import shell_line
from reconciler.model.problems import errors_of
from reconciler.transaction.machine import Machine, no_vms
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.run_directory import RUN

if TYPE_CHECKING:
    from reconciler.operations.wanted import WantedSource

STATE: Final = Path("/var/lib/reconciler")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


MDEVCTL_ROOT: Final = "MDEVCTL_ENV_ROOT"
"""The environment variable in which newer versions of mdevctl take a prefix for all their paths."""


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
        state, boot_id = state_of(options)
        yield Machine(
            sysfs=simulation.sysfs,
            clock=time,
            state=state,
            boot_id=boot_id,
            name=simulation.name,
            timer=_Timer(options, state),
            load_vfio_ap=simulation.host.load_vfio_ap,
            root=Path(os.environ.get(MDEVCTL_ROOT) or state.path / "root"),
            here=options.here,
        )


def state_of(options: HostOptions) -> tuple[StateDirectory, str]:
    """Where the state of the machine that `options` name is kept, and which boot it is in."""
    if options.simulate is None:
        usual, boot_id = _state_of(Path(options.sysfs)), _BOOT_ID.read_text(encoding="ascii").strip()
    else:
        from reconciler.simulator.state_file import boot_id_of, state_directory

        usual, boot_id = state_directory(Path(options.simulate)), boot_id_of(Path(options.simulate))
    return StateDirectory(Path(options.state_dir) if options.state_dir else usual), boot_id


def run_directory_of(options: HostOptions) -> Path:
    """Where reports on the machine that `options` name are published."""
    if options.run_dir:
        return Path(options.run_dir).absolute()
    state = state_of(options)[0].path.absolute()
    return RUN if state == STATE else state.with_name(f"{state.name}.run")


def origin_of(commit: str = "", actor: Actor = Actor.PERSON) -> Origin:
    """Who ran which command, with manifests of `commit`."""
    return Origin(os.environ.get("SUDO_USER") or user_name(), command_line(), time.time(), commit, actor)


def manifests_commit(options: HostOptions, say: Callable[[str], object] = tell) -> str:
    """The git commit of the manifests; empty where there is none, or where it is not shown, which `say` is told why."""
    given = [os.path.abspath(path) for path in options.manifests]
    real = os.path.realpath(given[0])
    if not os.path.exists(real) or repository_above(real) is None:
        return ""
    from reconciler.integrations.local_git import (  # what starts other programs costs each apply a while
        Manifests,
        commit_of,
    )

    files, problems = find_files(given)
    found = commit_of(Manifests(given, files, not errors_of(problems)), os.environ)
    if found.refused:
        say(f"warning: {found.refused}")
    return found.id


def wanted_source(options: HostOptions, *, with_commit: bool = True) -> "WantedSource":
    """Where what is wanted is read: the manifests that `options` name, or a record of the loop."""
    from reconciler.operations.wanted import Enforced, Manifests, Refused

    if options.recorded:
        return Enforced(options.host) if options.recorded == ENFORCED else Refused(options.host)
    return Manifests(options.manifests, options.host, manifests_commit(options) if with_commit else "")


def refuse_to_replace(option: str, file: str, options: HostOptions, *, manifests: bool) -> None:
    """Return if nothing that this run reads is lost where `file`, which `option` names, is written.

    Args:
        option: such as ``--out``.
        file: what it names. Other spellings of a name, and links, are seen through.
        options: where the manifests and the simulated host are.
        manifests: whether this run reads manifests.

    Raises:
        click.UsageError: `file` is one of the manifests, or belongs to the simulated host.
    """
    try:
        found = os.stat(file)
    except OSError:
        return  # there is nothing to lose, or the writing says why it cannot be done
    if not stat.S_ISREG(found.st_mode):
        return
    names = ("the description of the simulated host", "the state of the simulated host")
    read = [(str(path), name) for path, name in zip(simulation_files(options), names, strict=False)]
    if manifests:
        read += [(one.path, "one of the manifests") for one in find_files(options.manifests)[0]]
    for path, what in read:
        if _is_same(path, found):
            raise click.UsageError(f"{option} {file}: this is {what}; name another file")


def simulation_files(options: HostOptions) -> tuple[Path, ...]:
    """What the simulated host is kept in: its description and its state; empty for a real host."""
    if options.simulate is None:
        return ()
    from reconciler.simulator.state_file import state_path

    return Path(options.simulate), state_path(Path(options.simulate))


def _is_same(path: str, found: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), found)
    except OSError:
        return False


def command_line() -> str:
    """The command as it was typed."""
    return shell_line(["reconcile", *sys.argv[1:]])


def user_name() -> str:
    """Who runs this process."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def _real(options: HostOptions) -> Machine:
    root = Path(options.sysfs)
    state, boot_id = state_of(options)
    return Machine(
        sysfs=RealSysfs(root),
        clock=time,
        state=state,
        boot_id=boot_id,
        name=os.uname().nodename,
        tools_lock=_tools_lock(root),
        timer=_Timer(options, state),
        vms=_vms(root),
        load_vfio_ap=_load_vfio_ap if os.path.realpath(root) == DEFAULT_SYSFS else None,
        root=_root_of_tools(root),
        here=options.here,
    )


def _load_vfio_ap() -> None:
    from reconciler.integrations.kernel_module import load_vfio_ap

    load_vfio_ap()


def _root_of_tools(root: Path) -> Path | None:
    # This machine's definitions say nothing of another host whose sysfs is looked at.
    given = os.environ.get(MDEVCTL_ROOT) or ("/" if os.path.realpath(root) == DEFAULT_SYSFS else None)
    return Path(given) if given else None


class _Timer:
    """The timer of this machine, chosen when it is needed: what starts other programs costs each apply a while."""

    def __init__(self, options: HostOptions, state: StateDirectory) -> None:
        self._options = options
        self._state = state

    def arm(self, generation: int, seconds: float) -> None:
        """See `reconciler.integrations.timers.Timer`."""
        _timer(self._options, self._state).arm(generation, seconds)


def _timer(options: HostOptions, state: StateDirectory) -> Timer:
    from reconciler.integrations.timers import DetachedTimer, SystemdTimer, systemd_is_there

    # The one that waits has / as its directory.
    name, place = ("--simulate", options.simulate) if options.simulate else ("--sysfs", options.sysfs)
    where = [name, os.path.abspath(place)]
    command = [sys.executable, "-m", "reconciler.cli", "expire", *where, "--state-dir", os.path.abspath(state.path)]
    if os.geteuid() == 0 and systemd_is_there():
        return SystemdTimer(command)
    return DetachedTimer(command, state.path / "expire.log")


def _tools_lock(root: Path) -> Path | None:
    # The tools work on /sys only, and where the directory of their lock is missing none of them can run.
    lock = Path("/run/lock/s390apconfig.lock")
    return lock if os.path.realpath(root) == DEFAULT_SYSFS and lock.parent.is_dir() else None


def _vms(root: Path) -> Callable[[], Mapping[str, VmName]]:
    # What libvirt's files say is true of this machine, not of another one whose sysfs is looked at.
    if os.path.realpath(root) != DEFAULT_SYSFS:
        return no_vms
    from reconciler.integrations.libvirt import vm_names

    return vm_names


def _state_of(root: Path) -> Path:
    # What is remembered of one host must not be taken for another's: each other root has a place of its own.
    resolved = os.path.realpath(root)
    if resolved == DEFAULT_SYSFS:
        return STATE
    return STATE / "roots" / hashlib.sha256(resolved.encode()).hexdigest()[:16]
