"""The life of an installation on a machine that boots: install, services, reboot, update, purge.

The steps are in ``guest/story``, which runs in the machine, and are the same on every machine.
"""

import importlib.util
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from packages.chroot import Chroot
from packages.repository import Repository
from packages.source import ROOT, BuildFailed, Report, run
from packages.virtual_machine import GUEST, Boot

STAGES: Final = ("first", "second")
"""What one boot does; the machine is booted anew for each."""

_EXAMPLE: Final = ROOT / "examples/three-guests"
_MODULES: Final = "usr/lib/python3/dist-packages"


class Machine(Protocol):
    """A machine that keeps its disk from boot to boot."""

    def boot(self, command: str, files: Mapping[str, Path], seconds: float) -> Boot:
        """Boot, run `command` with `files` in ``/job``, power off; raises `BuildFailed` where it does not end so."""


def run_trial(machine: Machine, repository: Repository, work: Path, seconds: float, report: Report) -> None:
    """Run all stages, and report each step.

    Args:
        machine: where.
        repository: what is installed there.
        work: a new directory for the time being.
        seconds: how long each boot may take.
        report: gets the steps; a machine that does not end in time is one that failed.
    """
    files = {
        "repository": repository.folder,
        "manifests": _manifests(work / "manifests"),
        "guest": GUEST,
    }
    for stage in STAGES:
        words = f"{stage} '{repository.previous}' '{repository.new}'"
        try:
            boot = machine.boot(f"sh /job/guest/story {words}", files, seconds)
        except BuildFailed as error:
            report.add(f"{stage} boot", str(error), ok=False)
            return
        for name, said, is_ok in steps(boot.said):
            report.add(name, said, ok=is_ok)
        report.add(f"{stage} boot", f"exit status {boot.status} after {boot.seconds:.0f} s", ok=boot.status == 0)
        if boot.status:
            return


def steps(lines: list[str]) -> list[tuple[str, str, bool]]:
    """Name and text of each step among `lines`, and whether it went well; what it said goes before the text."""
    found, said = [], ""
    for line in lines:
        name, _, rest = line.partition("\t")
        result, tab, text = rest.partition("\t")
        if tab and result in ("ok", "FAILED"):
            found.append((name, f"{said}{text}", result == "ok"))
            said = ""
        else:
            said += f"{line}\n"
    return found


def simulator(repository: Repository, wheel: Path, chroot: Chroot, folder: Path) -> Path:
    """What serves a simulated host in a machine without cards, in the new directory `folder`.

    It has the modules of `wheel`, and what they import, apart from all that is installed there: so it outlives
    an update and a removal.

    Raises:
        BuildFailed: a module is not to be had.
    """
    unpacked = folder.with_suffix(".unpacked")
    for package in repository.packages:
        if package.name.startswith(("python3-", "libyaml-")):
            run(["dpkg-deb", "-x", package, unpacked], repository.folder)
    shutil.move(unpacked / _MODULES, folder)
    for library in unpacked.glob("usr/lib/*/libyaml*.so.*"):
        shutil.copy(library, folder)
    shutil.rmtree(unpacked)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    found = importlib.util.find_spec("mfusepy")
    if found is None or found.origin is None:
        raise BuildFailed("mounting the simulated host needs mfusepy: pip install '.[fuse]'")
    shutil.copy(found.origin, folder)
    # By the Python that the machine has: an emulated one would take minutes to read them.
    chroot.run(folder, "python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", ".")
    return folder


def _manifests(folder: Path) -> Path:
    """The example's, for a host that boots by our unit; and the simulated host of it."""
    folder.mkdir(parents=True)
    for name in ("guests.yaml", "host.yaml"):
        shutil.copy(_EXAMPLE / name, folder)
    with (folder / "host.yaml").open("a", encoding="utf-8") as host:
        host.write("  persistence: service\n")
    text = (_EXAMPLE / "simulated-host.yaml").read_text(encoding="utf-8")
    (folder / "simulated-host").write_text(f"{text}  vfioAp: false\n", encoding="utf-8")
    return folder
