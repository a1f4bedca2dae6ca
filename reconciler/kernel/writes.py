"""The writes that carry a step out on a kernel of given abilities, and what the kernel means when it refuses one.

The meanings are those of the errno table in docs/kernel-rules.md.
"""

import errno
import os
from collections.abc import Mapping
from typing import Final

from reconciler.kernel import paths
from reconciler.kernel.text_forms import ap_config_text, mask_text
from reconciler.model.ids import IdSet
from reconciler.model.matrix import ApConfig
from reconciler.model.observed import Abilities
from reconciler.model.steps import Action, Step, Write

_AXES: Final = ("adapter", "domain", "control_domain")


def writes_of(step: Step, abilities: Abilities) -> tuple[Write, ...]:
    """The writes of `step`, in the order in which they are to be made."""
    match step.action:
        case Action.APMASK | Action.AQMASK:
            assert isinstance(step.after, IdSet)
            return (Write(paths.APMASK if step.action is Action.APMASK else paths.AQMASK, mask_text(step.after)),)
        case Action.CREATE:
            return (Write(paths.CREATE, step.uuid),)
        case Action.REMOVE:
            return (Write(f"{paths.mdev(step.uuid)}/remove", "1"),)
        case _:
            before, after = step.before, step.after
            assert isinstance(before, ApConfig)
            assert isinstance(after, ApConfig)
            if abilities.ap_config:
                return (Write(f"{paths.mdev(step.uuid)}/ap_config", ap_config_text(after)),)
            return _single_writes(step.uuid, before, after)


def _single_writes(uuid: str, before: ApConfig, after: ApConfig) -> tuple[Write, ...]:
    # Everything that goes is taken away before anything is added: in between, the product is within old and new and
    # never less than what they share, while any other order gives queues that no manifest chose.
    mdev = paths.mdev(uuid)
    return tuple(
        Write(f"{mdev}/{verb}_{axis}", f"0x{one:02x}")
        for verb, first, second in (("unassign", before, after), ("assign", after, before))
        for axis, ids, others in zip(_AXES, first, second, strict=True)
        for one in ids - others
    )


_CREATE: Final = {
    errno.EEXIST: "a mediated device of this uuid exists already",
    errno.EPERM: "the kernel has no instance left",
    errno.EUSERS: "the kernel has no instance left",
    errno.ENODEV: "the vfio_ap driver is going away",
}
_ASSIGN: Final = {
    errno.EADDRINUSE: "another mediated device has one of the queues",
    errno.ENODEV: "the device is gone, or an id is above what the machine can have",
    errno.EINVAL: "the kernel does not take this value",
}
_ASSIGN_OLD: Final = {
    **_ASSIGN,
    errno.EADDRNOTAVAIL: "one of the queues is not bound to vfio_ap",
    errno.EBUSY: "a VM uses the device, and this kernel then refuses any change",
}
_ASSIGN_NEW: Final = {**_ASSIGN, errno.EADDRNOTAVAIL: "the host has one of the queues"}
_MASK_OLD: Final = {errno.EINVAL: "the kernel does not take this mask"}
_MASK_PAIRS: Final = {**_MASK_OLD, errno.EBUSY: "a mediated device has a queue that the host would get"}
_MASK_STRICT: Final = {
    errno.EBUSY: "a mediated device has a queue with an id that the mask gives to the host; this kernel refuses that "
    "whatever the other mask says",
    errno.EINVAL: "the kernel does not take this mask; a queue may have a driver_override",
}
_ANY: Final = {
    errno.EACCES: "not permitted; reconcile must run as root to change a host",
    errno.EPERM: "not permitted; reconcile must run as root to change a host",
    errno.ENOENT: "it is not there; the device or the driver is gone",
    errno.EIO: "the hardware or the file system failed",
}


def refusal_text(write: Write, error: OSError, abilities: Abilities) -> str:
    """One line on why a kernel of these `abilities` refused `write`: ``EADDRINUSE: another mediated device has …``.

    An errno that this kernel is not known to give for such a write has the words of the system, and no guess.
    """
    number = error.errno or errno.EIO
    name = errno.errorcode.get(number, str(number))
    meaning = _table(write.path, abilities).get(number) or _ANY.get(number) or os.strerror(number)
    return f"{name}: {meaning}"


def _table(path: str, abilities: Abilities) -> Mapping[int, str]:
    if path == paths.CREATE:
        return _CREATE
    if path.endswith("/remove"):
        return {}
    if path not in (paths.APMASK, paths.AQMASK):
        return _ASSIGN_NEW if abilities.over_provision else _ASSIGN_OLD
    if abilities.strict_in_use:
        return _MASK_STRICT
    # Before 6.0 the kernel takes a queue from a device, and from its VM, without a check.
    return _MASK_PAIRS if abilities.over_provision else _MASK_OLD
