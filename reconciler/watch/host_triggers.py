"""Triggers of changes on the host: uevents of the kernel, or the files that a simulated host is kept in."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from reconciler.integrations.uevents import UeventSocket
from reconciler.watch.file_triggers import FileTriggers
from reconciler.watch.trigger_inbox import DescriptorTriggers
from reconciler.watch.triggers import Noticed, TriggerSource

HOST: Final = Noticed.KERNEL


_OWN_SYSFS: Final = "/sys"


def host_triggers(sysfs: Path, files: Sequence[Path]) -> TriggerSource | None:
    """The source for a host; None where nothing reports what changes there, and only looking helps.

    Args:
        sysfs: the root of the host's sysfs.
        files: what a simulated host is kept in, which every command writes; empty for any other host.
    """
    if files:
        return FileTriggers([str(one) for one in files], name=HOST)
    if os.path.realpath(sysfs) == _OWN_SYSFS:
        return DescriptorTriggers(HOST, UeventSocket.listening)
    return None
