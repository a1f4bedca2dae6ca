"""A Debian for s390x on the kernel lab's machine: a real kernel with vfio_ap, emulated cards, installed packages.

No program for s390x runs on the machine that prepares it. So the packages are unpacked here, and configured by dpkg in
a first boot, on a disk that is kept.
"""

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from lab.ap_hardware import ApHardware
from lab.cache import CACHE_VARIABLE, DEFAULT_CACHE, KERNELS, Cache
from lab.foreign_root import ProgramFailed
from lab.guest_system import write_image
from lab.job_disk import make_disk
from lab.machine import GuestFailed, Job, Machine
from lab.packages import GUEST_ARCHITECTURE, PackageError, Suite, first_to_be_had, host_mirror
from packages.source import BuildFailed, run
from packages.unpacked_system import unpack_system
from packages.virtual_machine import MASKED, Boot, last_lines, mask_units

KERNEL: Final = "6.12"
"""The lab's kernel; the packages come from its Debian, where they can be had."""

_ESSENTIAL: Final = f"?narrow(?essential,?architecture({GUEST_ARCHITECTURE}))"
_INCLUDED: Final = (_ESSENTIAL, "apt", "kmod", "mawk", "mount", "python3", "systemd-sysv", "udev")
_CONFIGURE: Final = (
    "export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive; dpkg --force-unsafe-io --configure --pending && sync"
)
_CONFIGURE_SECONDS: Final = 3000
_DISK: Final = "2G"
_QUIET: Final = "quiet systemd.show_status=no"
"""Kernel parameters: systemd would draw on the console three times a second while the trial runs."""
_NO_CARDS: Final[Mapping[str, object]] = {
    "max_adapter": 255, "max_domain": 255, "adapters": {}, "usage_domains": [], "control_domains": [],
}  # fmt: skip
CARDS: Final[Mapping[str, object]] = {
    "max_adapter": 255,
    "max_domain": 255,
    "adapters": {
        "4": {"type": "CEX5", "mode": "cca"},
        "5": {"type": "CEX5", "mode": "cca"},
        "6": {"type": "CEX5", "mode": "accelerator"},
    },
    "usage_domains": [4, 5, 6, 0x47, 0xAB, 0xFF],
    "control_domains": [4, 5, 6, 0x47, 0xAB, 0xFF],
}
"""Those of examples/three-guests."""


class System(NamedTuple):
    """A Debian whose packages are installed.

    Attributes:
        root: what was unpacked.
        disk: what was changed in it since.
        suite: where its packages come from.
    """

    root: Path
    disk: Path
    suite: str


def lab_cache() -> Cache:
    """What the kernel lab has prepared.

    Raises:
        BuildFailed: the kernel is not there.
    """
    cache = Cache(Path(os.environ.get(CACHE_VARIABLE, DEFAULT_CACHE)).expanduser())
    if KERNEL not in cache.ready_kernels():
        raise BuildFailed(f"the kernel lab is not ready yet: ./run lab setup --kernel {KERNEL}")
    return cache


def prepared_system(lab: Cache, cache: Path) -> System:
    """The system below `cache`; made where it is missing or was made of something else.

    Raises:
        BuildFailed: it cannot be made here.
    """
    folder = cache / f"{KERNELS[KERNEL]}-{GUEST_ARCHITECTURE}"
    stamp, suite = folder / "made-of", folder / "suite"
    wanted = "\n".join([*_INCLUDED, *MASKED, _CONFIGURE, _DISK])
    system = System(folder / "root.ext4", folder / "disk", "")
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        begun = time.monotonic()
        print(f"Making a Debian for {GUEST_ARCHITECTURE} in {folder} (once; five to thirty minutes) ...", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            first_to_be_had(KERNELS[KERNEL], lambda name: _unpack(name, folder, system.root, suite), print)
        except (PackageError, ProgramFailed) as error:
            raise BuildFailed(str(error)) from error
        _configure(lab, system, folder / "boot")
        stamp.write_text(wanted, encoding="utf-8")
        print(f"Debian for {GUEST_ARCHITECTURE}: made in {time.monotonic() - begun:.0f} s", flush=True)
    return system._replace(suite=suite.read_text(encoding="utf-8"))


def _unpack(suite: str, folder: Path, image: Path, name: Path) -> None:
    """Write the file system `image` with the packages of `suite`, and note that in the file `name`."""
    work = folder / "root"
    shutil.rmtree(work, ignore_errors=True)
    unpack_system(Suite(folder / "apt" / suite, suite, host_mirror()).closure(GUEST_ARCHITECTURE, *_INCLUDED), work)
    mask_units(work)
    write_image(work, image, folder / "log")
    name.write_text(suite, encoding="utf-8")
    for one in (work, folder / "apt"):
        shutil.rmtree(one)


def _configure(lab: Cache, system: System, folder: Path) -> None:
    make_disk(system.disk, _DISK)
    job = Job(
        f"{{ {_CONFIGURE}; }} 2>&1",
        seconds=_CONFIGURE_SECONDS,
        load_modules=False,
        disk=system.disk,
        root=system.root,
    )
    # The kernel looks for cards again and again, and each instruction of that is emulated.
    boot = _boot(Machine(lab, KERNEL, ApHardware(_NO_CARDS), folder), job, folder)
    if boot.status:
        raise BuildFailed("\n".join(["the packages could not be configured:", *boot.said[-40:]]))
    shutil.rmtree(folder)


def _boot(machine: Machine, job: Job, folder: Path) -> Boot:
    folder.mkdir(parents=True, exist_ok=True)
    said = folder / "said.log"
    try:
        with said.open("wb", buffering=0) as stream:
            outcome = machine.run(job, stream, stream)
    except GuestFailed as error:
        raise BuildFailed(f"{error}{last_lines(said)}") from error
    return Boot(said.read_text(encoding="utf-8", errors="replace").splitlines(), outcome.status, outcome.seconds)


class LabMachine:
    """One machine with a disk of its own, which is booted again and again by its systemd."""

    def __init__(self, lab: Cache, system: System, folder: Path) -> None:
        """Make a machine.

        Args:
            lab: what the kernel lab has prepared.
            system: what its disk is a copy of.
            folder: for the files of the machine; made.
        """
        self._lab = lab
        self._folder = folder
        folder.mkdir(parents=True)
        self._system = system._replace(disk=folder / "disk")
        run(["cp", "--sparse=always", system.disk, self._system.disk], folder)
        print(
            f"the kernel lab's machine with {lab.kernel(KERNEL).facts().release}, user land of {system.suite}",
            flush=True,
        )

    def boot(self, command: str, files: Mapping[str, Path], seconds: float) -> Boot:
        """See `packages.trial.Machine`."""
        job = Job(
            f"{command} 2>&1",
            files,
            seconds=seconds,
            parameters=_QUIET,
            disk=self._system.disk,
            systemd=True,
            root=self._system.root,
        )
        return _boot(Machine(self._lab, KERNEL, ApHardware(CARDS), self._folder), job, self._folder)
