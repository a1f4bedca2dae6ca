"""Triggers of what changes on the host, as far as the host reports it: uevents, or the files of a simulated one."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from reconciler.integrations.uevents import UeventSocket
from reconciler.watch.file_triggers import FileTriggers
from reconciler.watch.trigger_sources import DescriptorTriggers
from reconciler.watch.triggers import Noticed, TriggerSource

NAME: Final = Noticed.KERNEL
_OWN: Final = "/sys"


def host_triggers(sysfs: Path, files: Sequence[Path]) -> TriggerSource | None:
    """The source for a host; None where nothing reports what changes there, and only looking helps.

    Args:
        sysfs: the root of the host's sysfs.
        files: what a simulated host is kept in, which every command writes; empty for any other host.
    """
    if files:
        return FileTriggers([str(one) for one in files], name=NAME)
    if os.path.realpath(sysfs) == _OWN:
        return DescriptorTriggers(NAME, UeventSocket.listening)
    return None
