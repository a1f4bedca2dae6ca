"""The command line: ``python -m packages [KIND]...``; without KIND everything is built."""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from packages import debian, python_files, rpm
from packages.chroot import Chroot
from packages.source import ROOT, BuildFailed, Report, cache_directory, source
from reconciler import __version__

KINDS: Final = ("wheel", "python", "debian", "rpm")
"""`wheel`: sdist and wheel alone, which are made in any case, without the programs that check them."""


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
            _build(given.kinds or KINDS, given.to.absolute(), Path(work), report)
    except BuildFailed as error:
        print(f"packages: {error}", file=sys.stderr)
        return 2
    print(f"\n{given.to} after {time.monotonic() - begun:.0f} s; {report.failed} checks failed")
    return 1 if report.failed else 0


def _build(kinds: list[str] | tuple[str, ...], to: Path, work: Path, report: Report) -> None:
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
    if {"debian", "rpm"} & set(kinds):
        chroot.prepare()
    if "rpm" in kinds:
        rpm.build(files[0], built, ROOT / rpm.RECIPES, chroot, to / "rpm")
        rpm.check(to / "rpm", chroot, report)
    if "debian" in kinds:
        debian.build(files[0], built, chroot, to / "debian")
        debian.check(to / "debian", chroot, report)
        debian.try_out(to / "debian", chroot, report)
    python_files.write_hashes(to)


if __name__ == "__main__":
    sys.exit(main())
