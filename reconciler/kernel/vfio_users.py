"""Which process has a mediated device open, found out without opening anything.

A VM has a device open through the file of its VFIO group (``/dev/vfio/7``; drivers/vfio/group.c) or through the
device's own (``/dev/vfio/devices/vfio0``, from 6.6; drivers/vfio/device_cdev.c). Both show among the open files of the
process in ``/proc/PID/fd``. A container or libvirt has a ``/dev`` of its own, so not the path says which device it is
but the device number, for which ``/sys/dev/char/MAJOR:MINOR`` leads to the device.

Where not all processes can be seen, opening the group shows the rest: EBUSY, whichever of the two files the VM has. It
is the last resort, since a VM that starts in that moment gets EBUSY itself.
"""

import os
import stat
from collections.abc import Iterable, Mapping
from errno import EACCES, EBUSY, EPERM
from typing import Final, NamedTuple

from reconciler.kernel import paths
from reconciler.model.observed import Process
from reconciler.model.printable import escaped

_ALL_PROCESSES: Final = "pid:[4026531836]"
"""The first PID namespace (PROC_PID_INIT_INO in include/linux/proc_ns.h): in any other, processes are missing."""
_DEVICE_FILE: Final = "vfio-device"
"""What the link of an open device says that was had from its group: ``anon_inode:[vfio-device]``."""
_DEVICE_PATH: Final = "vfio-device-syspath:"
"""Before its path in ``/proc/PID/fdinfo/N``, from 6.18 (Documentation/filesystems/proc.rst)."""
_NONE: Final = ""
_UNKNOWN: Final = "?"
_MOST_COMMAND: Final = 40
_MOST_FDINFO: Final = 4096


class _Seen(NamedTuple):
    """Who has which group (by its number) or device (by its uuid) open, and whether that is everybody."""

    users: dict[str, Process]
    everybody: bool


class VfioUsers:
    """The processes of this machine that have VFIO devices open.

    Attributes:
        unknown: of the devices that were asked for last, those of which it is not known whether they are open.
    """

    def __init__(self, sysfs: str, proc: str = "/proc", nodes: str = "/dev/vfio") -> None:
        """Look in `proc` for processes and in `nodes` for groups; `sysfs` is where ``/sys`` is."""
        self._sysfs = sysfs
        self._proc = proc
        self._nodes = nodes
        self.unknown: tuple[str, ...] = ()

    def of(self, uuids: Iterable[str]) -> Mapping[str, Process | None]:
        """Those mediated devices of `uuids` that are open, and by whom; None where that is not known."""
        self.unknown = ()
        seen = self._seen()
        if seen.everybody and not seen.users:
            return {}
        found: dict[str, Process | None] = {}
        for uuid in uuids:
            group = self._group(uuid)
            user = seen.users.get(uuid) or seen.users.get(group)
            is_busy = user is None and not seen.everybody and self._is_busy(group)
            if user or is_busy:
                found[uuid] = user
            elif is_busy is None:
                self.unknown += (uuid,)
        return found

    def _seen(self) -> _Seen:
        try:
            processes = sorted(int(name) for name in os.listdir(self._proc) if name.isdigit())
            everybody = os.readlink(f"{self._proc}/self/ns/pid") == _ALL_PROCESSES and 1 in processes
        except OSError:
            return _Seen({}, everybody=False)
        users: dict[str, Process] = {}
        for process in processes:
            try:
                names, known = self._opened(f"{self._proc}/{process}")
            except OSError as error:
                # A process that has just ended has nothing open; one that may not be looked at perhaps has.
                everybody &= error.errno not in (EACCES, EPERM)
                continue
            everybody &= known
            for name in names:
                users.setdefault(name, Process(process, self._command(process)))
        return _Seen(users, everybody)

    def _opened(self, process: str) -> tuple[set[str], bool]:
        """The groups and devices that a process has open, and whether these are all."""
        names: set[str] = set()
        for descriptor in os.listdir(f"{process}/fd"):
            try:
                target = os.readlink(f"{process}/fd/{descriptor}")
                if "vfio" not in target:
                    continue
                if not target.startswith("anon_inode:"):
                    names.add(self._behind(f"{process}/fd/{descriptor}"))
                elif _DEVICE_FILE in target:
                    names.add(_device_of(f"{process}/fdinfo/{descriptor}"))
            except FileNotFoundError:
                continue  # closed meanwhile
        # Before 6.18 an open device does not say which it is; but QEMU keeps its group open as well, which does.
        known = names - {_UNKNOWN, _NONE}
        return known, bool(known) or _UNKNOWN not in names

    def _behind(self, file: str) -> str:
        """The group or device that an open file is a door to; `_NONE` where it is something else."""
        found = os.stat(file)
        return self._name(found.st_rdev) if stat.S_ISCHR(found.st_mode) else _NONE

    def _name(self, number: int) -> str:
        """The group or the uuid with this device number; `_NONE` where it belongs to neither."""
        try:
            link = os.readlink(f"{self._sysfs}/dev/char/{os.major(number)}:{os.minor(number)}")
        except OSError:
            return _NONE
        *_, device, kind, name = ["", "", *link.split("/")]
        return {"vfio": name, "vfio-dev": device}.get(kind, _NONE)

    def _group(self, uuid: str) -> str:
        try:
            return os.path.basename(os.readlink(f"{self._sysfs}/{paths.mdev(uuid)}/iommu_group"))
        except OSError:
            return ""

    def _is_busy(self, group: str) -> bool | None:
        """Whether the group cannot be opened because another process has it, or has its device; None: not known."""
        node = f"{self._nodes}/{group}"
        try:
            # Nothing is opened that is not this very group.
            if not group or self._name(os.stat(node).st_rdev) != group:
                return None
            os.close(os.open(node, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            return True if error.errno == EBUSY else None
        return False

    def _command(self, process: int) -> str:
        # Not `cmdline`, which is in the memory of the process: reading it can wait for one that hangs.
        try:
            name = os.path.basename(os.readlink(f"{self._proc}/{process}/exe")).removesuffix(" (deleted)")
        except OSError:
            return ""
        return escaped(name[:_MOST_COMMAND])


def _device_of(file: str) -> str:
    """The name of the device that an ``fdinfo`` names; `_UNKNOWN` where it names none."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        lines = os.read(descriptor, _MOST_FDINFO).decode("ascii", "replace").splitlines()
    finally:
        os.close(descriptor)
    return next((os.path.basename(line) for line in lines if line.startswith(_DEVICE_PATH)), _UNKNOWN)
