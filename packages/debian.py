"""The Debian packages: built, linted and tried out in a Debian 13."""

import re
import shutil
from pathlib import Path
from typing import Final

from packages.chroot import Chroot
from packages.source import Report, Source, run

RECIPES: Final = "packaging/debian"
UNITS: Final = "usr/lib/systemd/system"


def build(sdist: Path, source: Source, chroot: Chroot, folder: Path, version: str = "") -> list[Path]:
    """The packages that were built of `sdist` in the new directory `folder`.

    Args:
        sdist: the project's own.
        source: what it was made of.
        chroot: where to build.
        folder: where the packages and all that belongs to them are.
        version: of the packages, where it is not that of the changelog: a build for a trial.

    Raises:
        BuildFailed: it failed.
    """
    folder.mkdir(parents=True)
    run(["tar", "--extract", "--no-same-owner", "--file", sdist], folder)
    (tree,) = folder.iterdir()
    # `debian/` is where the tools want it; it is kept where it is out of everybody's way.
    shutil.copytree(tree / RECIPES, tree / "debian")
    changelog = tree / "debian/changelog"
    if version:
        text = changelog.read_text(encoding="utf-8")
        changelog.write_text(re.sub(r"\(.*?\)", f"({version})", text, count=1), encoding="utf-8")
    upstream = _upstream(changelog)
    shutil.copy(sdist, folder / f"reconcile_{upstream}.orig.tar.gz")
    commands = "chown -R root:root . && exec dpkg-buildpackage --no-sign"
    chroot.run(folder, "sh", "-c", f"cd {tree.name} && {commands}", epoch=source.epoch)
    shutil.rmtree(tree)
    return sorted(folder.glob("*.deb"))


def _upstream(changelog: Path) -> str:
    found = re.match(r"reconcile \(([^)]+)-[^-)]+\)", changelog.read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def check(folder: Path, chroot: Chroot, report: Report) -> None:
    """Lint the packages in `folder`, what they bring, and run their tests."""
    lint = chroot.ended(folder, "sh", "-c", "lintian --allow-root --fail-on error *.deb *.dsc")
    report.add("lintian", lint.stdout, ok=lint.returncode == 0, empty="no errors, no warnings")
    # In a place of its own, so that the checks see these files as the packages have them.
    chroot.run(folder, "sh", "-c", 'for one in *.deb; do dpkg-deb -x "$one" unpacked; done')
    try:
        _check_unpacked(folder, chroot, report)
    finally:
        shutil.rmtree(folder / "unpacked")


def _check_unpacked(folder: Path, chroot: Chroot, report: Report) -> None:
    for name, line, empty in (
        ("systemd-analyze verify", f"systemd-analyze verify {UNITS}/*", "no complaint about any unit"),
        *(
            (
                f"systemd-analyze security {unit}",
                f"systemd-analyze security --offline=yes --threshold=30 {UNITS}/reconcile-{unit}.service",
                "",
            )
            for unit in ("boot", "watch", "serve")
        ),
        ("mandoc -Tlint", "gunzip -r usr/share/man && mandoc -Tlint -Wwarning usr/share/man/man*/*", "no warnings"),
        (
            "completion",
            "bash -n usr/share/bash-completion/completions/* && zsh -n usr/share/zsh/vendor-completions/*",
            "bash and zsh read it",
        ),
    ):
        done = chroot.ended(folder, "sh", "-c", f"cd unpacked && {line}")
        report.add(name, done.stdout, ok=done.returncode == 0, empty=empty)


def try_out(folder: Path, chroot: Chroot, report: Report) -> None:
    """Run the packages' own tests in a Debian 13 where they are installed."""
    line = "apt-get -q update >/dev/null && exec autopkgtest --quiet --no-built-binaries *.dsc *.deb -- null"
    tests = chroot.ended(folder, "sh", "-c", line)
    results = re.findall(r"^\S+ +(?:PASS|FAIL|SKIP).*", tests.stdout, re.MULTILINE)
    said = ", ".join(" ".join(one.split()) for one in results)
    is_ok = tests.returncode == 0
    report.add("autopkgtest", said if is_ok else f"{tests.stdout}\n{said}", ok=is_ok)
