"""The RPMs: built by Debian's rpmbuild, and linted there.

`reconcile-private` has an environment of its own, for systems whose Python packages are too old. It is made of a
wheelhouse for the architecture and the Python of the Debian 13 that it is built in.
"""

import platform
import re
import shutil
import tarfile
from pathlib import Path
from typing import Final

from packages import wheelhouse
from packages.chroot import Chroot
from packages.record_formats import formats_text
from packages.source import Report, Source

RECIPES: Final = "packaging/rpm"
_TARGETS: Final = (("fc43", "3.14"), ("el10", "3.12"))
"""The distribution's part of the release, and the version of its Python: their packages differ in nothing else."""

_PRIVATE: Final = "reconcile-private"
_PRIVATE_PYTHON: Final = "3.13"
"""The Python of Debian 13. RHEL 9 and SLES 15 have 3.11: there, build the spec with ``python3_version`` 3.11."""


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
    wheels = folder / "wheelhouse"
    wheelhouse.make(wheels, platform.machine(), [_PRIVATE_PYTHON], _new(folder / "wheels"))
    with tarfile.open(work / "SOURCES/wheelhouse.tar", "w") as packed:
        packed.add(wheels, "wheelhouse")
    shutil.rmtree(wheels)
    shutil.rmtree(folder / "wheels")
    for name in ("reconcile", _PRIVATE):
        (work / f"SPECS/{name}.spec").write_text(spec_text(recipes / f"{name}.spec"), encoding="utf-8")
    targets = [*(("reconcile", *target) for target in _TARGETS), (_PRIVATE, "private", _PRIVATE_PYTHON)]
    for name, dist, python in targets:
        defined = {
            "_topdir": "/build/rpmbuild",
            "dist": f".{dist}",
            "python3_version": python,
            "_buildhost": "localhost",
            "use_source_date_epoch_as_buildtime": "1",
            "clamp_mtime_to_source_date_epoch": "1",
        }
        words = [word for one, value in defined.items() for word in ("--define", f"{one} {value}")]
        # Debian's own packages are what it is built with; rpm knows none of them.
        chroot.run(folder, "rpmbuild", "-ba", "--nodeps", *words, f"rpmbuild/SPECS/{name}.spec", epoch=source.epoch)
    built = [*work.glob("RPMS/*/*.rpm"), *work.glob("SRPMS/*.rpm"), *work.glob("SPECS/*.spec")]
    for one in built:
        shutil.move(one, folder / one.name)
    shutil.rmtree(work)
    return sorted(folder.glob("*.rpm"))


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def spec_text(file: Path) -> str:
    """The spec, with the words for the formats of records, which the scripts of the package compare.

    A spec that has no scripts has those of `reconcile.spec` beside it, run by its own interpreter.
    """
    text = file.read_text(encoding="utf-8")
    if "@SCRIPTS@" in text:
        first = file.with_name("reconcile.spec").read_text(encoding="utf-8")
        found = re.search(r"^%pre\n.*?(?=\n\n%files)", first, re.DOTALL | re.MULTILINE)
        assert found is not None
        scripts = found[0].replace("python3 -m compileall", "%{private}/bin/python -W ignore -m compileall")
        scripts = scripts.replace("%{python3_sitelib}/reconciler", "%{python3_sitelib}")
        text = text.replace("\n@SCRIPTS@\n", f"\n{scripts}\n")
    for line in formats_text().splitlines():
        name, _, word = line.partition(" ")
        text = text.replace(f"@{name.upper()}@", word)
    return text


def check(folder: Path, chroot: Chroot, report: Report) -> None:
    """Lint the spec and the packages in `folder`."""
    try:
        done = chroot.ended(folder, "sh", "-c", "rpmlint --config rpmlint.toml *.spec *.rpm")
    finally:
        (folder / "rpmlint.toml").unlink()
    report.add("rpmlint", done.stdout, ok=done.returncode == 0)
