"""The command line: ``python -m packages [KIND]...``; without KIND everything is built."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lab.packages import GUEST_ARCHITECTURE
from packages import debian, python_files, rpm
from packages.chroot import SUITE, Chroot
from packages.lab_machine import LabMachine, lab_cache, prepared_system
from packages.repository import make_repository
from packages.source import ROOT, BuildFailed, Report, Source, cache_directory, source
from packages.trial import run_trial, simulator
from packages.virtual_machine import VirtualMachine, prepared_image
from reconciler import __version__

KINDS: Final = ("wheel", "python", "debian", "rpm", "vm", "vm-s390x")
"""`wheel`: sdist and wheel alone, which are made in any case, without the programs that check them."""
USUAL: Final = KINDS[:4]
"""Those that are built where none is named."""

_BOOT_SECONDS: Final = 3600
"""Much more than an emulated machine takes that has a processor to itself."""


def main() -> int:
    """Build and check what is asked for; the exit status is 1 where a check failed, 2 where nothing could be built."""
    parser = argparse.ArgumentParser(prog="./run packages", description="Build what is installed, and check it.")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"only these: {', '.join(KINDS)}")
    parser.add_argument("--to", type=Path, default=ROOT / "build/packages", help="where the files go (build/packages)")
    given = parser.parse_args()
    if unknown := set(given.kinds) - set(KINDS):
        parser.error(f"there is no kind {min(unknown)}; there are {', '.join(KINDS)}")
    report = Report()
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="reconcile-packages-") as work:
            _build(given.kinds or USUAL, given.to.absolute(), Path(work), report)
    except BuildFailed as error:
        print(f"packages: {error}", file=sys.stderr)
        return 2
    print(f"\n{given.to} after {time.monotonic() - begun:.0f} s; {report.failed} checks failed")
    return 1 if report.failed else 0


def _build(kinds: Sequence[str], to: Path, work: Path, report: Report) -> None:
    built = source()
    if not built.is_committed:
        print("with changes that are not committed")
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    files = python_files.build(built, to, work / "python", report)
    if "python" in kinds:
        programs = python_files.tools(cache_directory())
        python_files.check(files, programs, report)
        python_files.describe(to, __version__, programs, report)
    chroot = Chroot(cache_directory())
    if {"debian", "rpm", "vm", "vm-s390x"} & set(kinds):
        chroot.prepare()
    if "rpm" in kinds:
        rpm.build(files[0], built, ROOT / rpm.RECIPES, chroot, to / "rpm")
        rpm.check(to / "rpm", chroot, report)
    if "debian" in kinds:
        debian.build(files[0], built, chroot, to / "debian")
        debian.check(to / "debian", chroot, report)
        debian.try_out(to / "debian", chroot, report)
    if "vm" in kinds:
        _try_on_amd64(files, built, chroot, work / "amd64", report)
    if "vm-s390x" in kinds:
        _try_on_s390x(files, built, chroot, work / "s390x", report)
    python_files.write_hashes(to)


def _try_on_amd64(files: tuple[Path, Path], built: Source, chroot: Chroot, work: Path, report: Report) -> None:
    """Install, reboot, update and purge in QEMU, from a repository made of `files`, with a simulated host's cards."""
    image = prepared_image(cache_directory())
    repository = make_repository(files[0], built, chroot, work / "repository", "amd64", SUITE)
    modules = simulator(repository, files[1], chroot, work / "simulator")
    machine = VirtualMachine(image, modules, work / "machine")
    run_trial(machine, repository, work / "trial", _BOOT_SECONDS, report)


def _try_on_s390x(files: tuple[Path, Path], built: Source, chroot: Chroot, work: Path, report: Report) -> None:
    """The same in the kernel lab, with the real vfio_ap and emulated cards."""
    lab = lab_cache()
    system = prepared_system(lab, cache_directory())
    repository = make_repository(files[0], built, chroot, work / "repository", GUEST_ARCHITECTURE, system.suite)
    run_trial(LabMachine(lab, system, work / "machine"), repository, work / "trial", _BOOT_SECONDS, report)


if __name__ == "__main__":
    sys.exit(main())
