"""The RPMs: built by Debian's rpmbuild, and linted there."""

import shutil
from pathlib import Path
from typing import Final

from packages.chroot import Chroot
from packages.record_formats import formats_text
from packages.source import Report, Source

RECIPES: Final = "packaging/rpm"
_TARGETS: Final = (("fc43", "3.14"), ("el10", "3.12"))
"""The distribution's part of the release, and the version of its Python: their packages differ in nothing else."""


def build(sdist: Path, source: Source, recipes: Path, chroot: Chroot, folder: Path) -> list[Path]:
    """The packages that were built of `sdist` in the new directory `folder`, for each of the targets.

    Args:
        sdist: the project's own.
        source: what it was made of.
        recipes: the directory of the spec.
        chroot: where to build.
        folder: where the packages are.

    Raises:
        BuildFailed: it failed.
    """
    work = folder / "rpmbuild"
    for name in ("SOURCES", "SPECS"):
        (work / name).mkdir(parents=True)
    shutil.copy(sdist, work / "SOURCES")
    shutil.copy(recipes / "rpmlint.toml", folder)
    (work / "SPECS/reconcile.spec").write_text(spec_text(recipes / "reconcile.spec"), encoding="utf-8")
    for dist, python in _TARGETS:
        defined = {
            "_topdir": "/build/rpmbuild",
            "dist": f".{dist}",
            "python3_version": python,
            "_buildhost": "localhost",
        }
        defined |= {
            "_buildhost": "localhost",
            "use_source_date_epoch_as_buildtime": "1",
            "clamp_mtime_to_source_date_epoch": "1",
        }
        words = [word for name, value in defined.items() for word in ("--define", f"{name} {value}")]
        # Debian's own packages are what it is built with; rpm knows none of them.
        chroot.run(folder, "rpmbuild", "-ba", "--nodeps", *words, "rpmbuild/SPECS/reconcile.spec", epoch=source.epoch)
    built = [*work.glob("RPMS/*/*.rpm"), *work.glob("SRPMS/*.rpm"), work / "SPECS/reconcile.spec"]
    for one in built:
        shutil.move(one, folder / one.name)
    shutil.rmtree(work)
    return sorted(folder.glob("*.rpm"))


def spec_text(file: Path) -> str:
    """The spec, with the words for the formats of records, which the scripts of the package compare."""
    text = file.read_text(encoding="utf-8")
    for line in formats_text().splitlines():
        name, _, word = line.partition(" ")
        text = text.replace(f"@{name.upper()}@", word)
    return text


def check(folder: Path, chroot: Chroot, report: Report) -> None:
    """Lint the spec and the packages in `folder`."""
    try:
        done = chroot.ended(folder, "sh", "-c", "rpmlint --config rpmlint.toml reconcile.spec *.rpm")
    finally:
        (folder / "rpmlint.toml").unlink()
    report.add("rpmlint", done.stdout, ok=done.returncode == 0)
