"""Hold a mediated device as a virtual machine monitor does, without a virtual machine that runs.

Sources: include/uapi/linux/kvm.h and vfio.h; Documentation/virt/kvm/devices/vfio.rst.
"""

import ctypes
import errno
import fcntl
import os
import struct
import subprocess
import sys
from typing import Final

from .state import text_of

_KVM_CREATE_VM: Final = 0xAE01
_KVM_CREATE_DEVICE: Final = 0xC00CAEE0
_KVM_SET_DEVICE_ATTR: Final = 0x4018AEE1
_KVM_DEV_TYPE_VFIO: Final = 4
_KVM_DEV_VFIO_GROUP: Final = 1
_KVM_DEV_VFIO_GROUP_ADD: Final = 1
_VFIO_SET_IOMMU: Final = 0x3B66
_VFIO_GROUP_SET_CONTAINER: Final = 0x3B68
_VFIO_GROUP_GET_DEVICE_FD: Final = 0x3B6A
_VFIO_TYPE1_IOMMU: Final = 1

_ALLOCATE_PGSTE: Final = "/proc/sys/vm/allocate_pgste"


def allow_virtual_machines() -> None:
    """Start this program again with page tables of the form that KVM wants, where the kernel is old enough to ask."""
    if text_of(_ALLOCATE_PGSTE) == "0\n":
        with open(_ALLOCATE_PGSTE, "w", encoding="ascii") as stream:
            stream.write("1\n")
        os.execv(sys.executable, sys.orig_argv)


class Holder:
    """A virtual machine that has the device `uuid` at `path`, as far as the kernel can tell."""

    def __init__(self, path: str, uuid: str) -> None:
        self._path = path
        self._uuid = uuid
        self._descriptors: list[int] = []

    def open(self) -> str:
        """Create a virtual machine and open the device for it; returns ``ok`` or raises OSError."""
        group_number = os.path.basename(os.readlink(f"{self._path}/iommu_group"))
        machine = self._keep(fcntl.ioctl(self._open("/dev/kvm"), _KVM_CREATE_VM, 0))
        request = bytearray(struct.pack("=III", _KVM_DEV_TYPE_VFIO, 0, 0))
        fcntl.ioctl(machine, _KVM_CREATE_DEVICE, request)
        device = self._keep(struct.unpack("=III", request)[1])
        container = self._open("/dev/vfio/vfio")
        group = self._open(f"/dev/vfio/{group_number}")
        fcntl.ioctl(group, _VFIO_GROUP_SET_CONTAINER, struct.pack("=i", container))
        fcntl.ioctl(container, _VFIO_SET_IOMMU, _VFIO_TYPE1_IOMMU)
        number = ctypes.c_int(group)
        attribute = (0, _KVM_DEV_VFIO_GROUP, _KVM_DEV_VFIO_GROUP_ADD, ctypes.addressof(number))
        fcntl.ioctl(device, _KVM_SET_DEVICE_ATTR, struct.pack("=IIQQ", *attribute))
        # A bytearray, so that ioctl() returns the descriptor and not the buffer.
        self._keep(fcntl.ioctl(group, _VFIO_GROUP_GET_DEVICE_FD, bytearray(self._uuid.encode() + b"\0")))
        return "ok"

    def close(self) -> str:
        """Give everything back, the device first; returns ``ok``."""
        while self._descriptors:
            os.close(self._descriptors.pop())
        return "ok"

    def _open(self, path: str) -> int:
        return self._keep(os.open(path, os.O_RDWR))

    def _keep(self, descriptor: int) -> int:
        self._descriptors.append(descriptor)
        return descriptor


class Removal:
    """The removal of a device, written to `path` by a process of its own, as it may block."""

    _SCRIPT: Final = (
        "import os, sys\n"
        "descriptor = os.open(sys.argv[1], os.O_WRONLY)\n"
        "try:\n os.write(descriptor, b'1')\n"
        "except OSError as error:\n sys.exit(error.errno)\n"
    )

    def __init__(self, path: str) -> None:
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None

    def attempt(self) -> str:
        """Start, wait for at most three seconds, and return ``ok``, the error's name or ``still blocked``."""
        self._process = subprocess.Popen([sys.executable, "-c", self._SCRIPT, self._path])
        return self._result(self._process, 3)

    def outcome(self) -> str:
        """Wait for at most fifteen seconds more and return the same."""
        return self._result(self._process, 15) if self._process else "not attempted"

    @staticmethod
    def _result(process: subprocess.Popen[bytes], seconds: float) -> str:
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return "still blocked"
        return errno.errorcode.get(status, str(status)) if status else "ok"
