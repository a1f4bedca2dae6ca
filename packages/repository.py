"""A local repository of Debian packages: two builds of ours, one of which updates the other, and all that they need."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from lab.packages import PackageError, Suite, host_mirror
from packages import debian
from packages.chroot import Chroot
from packages.source import BuildFailed, Source, run

_PACKAGE: Final = "reconcile"
_OLDER: Final = "~previous"
"""What is older than the version without it, by the rules of Debian."""


class Repository(NamedTuple):
    """What apt finds there.

    Attributes:
        folder: where it is.
        previous: the version of our package that is installed first.
        new: the one that updates it.
    """

    folder: Path
    previous: str
    new: str

    @property
    def packages(self) -> Sequence[Path]:
        """All that are in it."""
        return sorted(self.folder.glob("*.deb"))


def make_repository(
    sdist: Path, source: Source, chroot: Chroot, folder: Path, architecture: str, suite: str
) -> Repository:
    """The repository in the new directory `folder`.

    Args:
        sdist: the project's own.
        source: what it was made of.
        chroot: where to build.
        folder: where the repository is.
        architecture: of the packages that ours depend on, by Debian's name.
        suite: where they come from.

    Raises:
        BuildFailed: something could not be built, or is not to be had.
    """
    work = folder.with_suffix(".work")
    folder.mkdir(parents=True)
    new = _build(sdist, source, chroot, work / "new", folder, "")
    previous = _build(sdist, source, chroot, work / "previous", folder, f"{new}{_OLDER}")
    wanted = _dependencies(folder / f"{_PACKAGE}_{new}_all.deb")
    try:
        for one in Suite(work / "apt", suite, host_mirror()).closure(architecture, *wanted):
            # apt escapes the colon of an epoch in the name of a file, and would escape it once more.
            shutil.copy(one, folder / one.name.replace("%3a", "."))
    except PackageError as error:
        raise BuildFailed(str(error)) from error
    chroot.run(folder, "sh", "-c", "dpkg-scanpackages --multiversion . > Packages")
    shutil.rmtree(work)
    return Repository(folder, previous, new)


def _build(sdist: Path, source: Source, chroot: Chroot, work: Path, folder: Path, version: str) -> str:
    (built,) = (
        one for one in debian.build(sdist, source, chroot, work, version) if one.name.startswith(f"{_PACKAGE}_")
    )
    shutil.copy(built, folder)
    return built.name.split("_")[1]


def _dependencies(package: Path) -> list[str]:
    """The names of what `package` depends on."""
    said = run(["dpkg-deb", "--field", package, "Depends"], package.parent)
    return [re.split(r"[ (:|]", one.strip())[0] for one in said.split(",") if one.strip()]
