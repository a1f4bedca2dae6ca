"""Which VM has which mediated device, as far as libvirt's own files tell.

libvirt keeps what VMs are to be in ``/etc/libvirt/qemu`` and what those that run have in ``/run/libvirt/qemu``, a file
each. They are read, never written, and libvirt itself is not asked: it need not be there, and it may be waiting for us
(a hook). What cannot be read, or not soon enough, is left out: names help people, and nothing is decided by them.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Final

from reconciler.integrations.domain_checks import MODEL
from reconciler.integrations.domain_xml import LARGEST, Domain, read_domain
from reconciler.model.observed import VmName

DEFINITIONS: Final = Path("/etc/libvirt/qemu")
RUNNING: Final = Path("/run/libvirt/qemu")

MOST_SECONDS: Final = 0.5
"""How long the files are read for, all together."""

MOST_BYTES: Final = 32 << 20
"""How much of them is read."""

_SHUT_OFF: Final = "shut off"


def vm_names(
    definitions: Path = DEFINITIONS, running: Path = RUNNING, now: Callable[[], float] = monotonic
) -> Mapping[str, VmName]:
    """The VM of each mediated device, by the device's uuid; of several VMs one that runs, else the first by file name.

    Args:
        definitions: where libvirt keeps what VMs are to be.
        running: where it keeps what VMs have that run.
        now: seconds since some fixed moment.
    """
    deadline = now() + MOST_SECONDS
    found: dict[str, VmName] = {}
    left = MOST_BYTES
    for file in (*_files(running), *_files(definitions)):
        if left < 0 or now() >= deadline:
            break
        content = _content(file)
        left -= len(content)
        # Most VMs have none, and looking for the word costs a hundredth of reading the XML.
        domain = read_domain(content, file) if MODEL.encode() in content else None
        if isinstance(domain, Domain):
            for mdev in domain.mdevs:
                found.setdefault(mdev.uuid, VmName(domain.name, domain.state or _SHUT_OFF))
    return found


def _files(directory: Path) -> Iterator[str]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    yield from (f"{directory}/{name}" for name in names if name.endswith(".xml"))


def _content(file: str) -> bytes:
    """The content of `file`; nothing where it cannot be read or is no file that libvirt would write."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            fits = stat.S_ISREG(status.st_mode) and status.st_size <= LARGEST
            return stream.read(LARGEST) if fits else b""
    except OSError:
        return b""
