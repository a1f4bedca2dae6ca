"""What the kernel means by an errno, in the words of the person who has to act (docs/kernel-rules.md, errno tables)."""

import errno
import os
from typing import Final

from reconciler.kernel import paths
from reconciler.model.steps import Write

_MASK: Final = {
    errno.EBUSY: "a mediated device has a queue that the host would get",
    errno.EINVAL: "the kernel does not take this mask; a queue may have a driver_override",
}
_CREATE: Final = {
    errno.EEXIST: "a mediated device of this uuid exists already",
    errno.EPERM: "the kernel has no instance left",
    errno.EUSERS: "the kernel has no instance left",
    errno.ENODEV: "the vfio_ap driver is going away",
}
_ASSIGN: Final = {
    errno.EADDRNOTAVAIL: "the host has one of the queues, or (before 6.0) one is not bound to vfio_ap",
    errno.EADDRINUSE: "another mediated device has one of the queues",
    errno.ENODEV: "the device is gone, or an id is above what the machine can have",
    errno.EBUSY: "a VM uses the device, and this kernel then refuses any change",
    errno.EINVAL: "the kernel does not take this value",
}
_ANY: Final = {
    errno.EACCES: "not permitted; reconcile must run as root to change a host",
    errno.EPERM: "not permitted; reconcile must run as root to change a host",
    errno.ENOENT: "it is not there; the device or the driver is gone",
    errno.EIO: "the hardware or the file system failed",
}


def refusal_text(write: Write, error: OSError) -> str:
    """One line on why `write` failed, with the errno's name: ``EADDRINUSE: another mediated device has …``."""
    number = error.errno or errno.EIO
    name = errno.errorcode.get(number, str(number))
    meaning = _table(write.path).get(number) or _ANY.get(number) or os.strerror(number)
    return f"{name}: {meaning}"


def _table(path: str) -> dict[int, str]:
    if path in (paths.APMASK, paths.AQMASK):
        return _MASK
    if path == paths.CREATE:
        return _CREATE
    return {} if path.endswith("/remove") else _ASSIGN
