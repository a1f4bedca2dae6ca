"""``./run wheelhouse``: a directory from which pip installs `reconcile` where no registry can be reached.

It has a wheel of each package of ``requirements/run-time.txt`` for one kind of machine, by default s390x, with the
hashes of the lock. What has no wheel for it is built here, in pure Python and without a compiler, so that it
suits every machine.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from packages import python_files
from packages.source import ROOT, BuildFailed, Report, cache_directory, ended, run, source

_LOCK: Final = ROOT / "requirements/run-time.txt"
_PYTHONS: Final = ("3.11", "3.12", "3.13")
# Debian 12 and RHEL 9 have glibc 2.34 or later, SLES 15 has 2.38.
_GLIBCS: Final = ("manylinux_2_34", "manylinux_2_31", "manylinux_2_28", "manylinux2014", "manylinux_2_17")


class Locked(NamedTuple):
    """One entry of the lock.

    Attributes:
        name: of the package.
        version: the one that is locked.
        text: the entry, with hashes.
    """

    name: str
    version: str
    text: str


def locked() -> list[Locked]:
    """The entries of the lock of what runs."""
    text = _LOCK.read_text(encoding="utf-8").replace("\\\n", " ")
    found = [re.match(r"([a-z0-9-]+)==([^ ;]+)", line) for line in text.splitlines()]
    return [Locked(one[1], one[2], one.string) for one in found if one]


def main() -> int:
    """Make the directory; the exit status is 1 where it cannot be made."""
    parser = argparse.ArgumentParser(prog="./run wheelhouse", description="Collect wheels for hosts without a network.")
    parser.add_argument("--machine", default="s390x", help="as `uname -m` says it (s390x)")
    parser.add_argument("--python", action="append", metavar="X.Y", help=f"of the hosts ({', '.join(_PYTHONS)})")
    parser.add_argument("--to", type=Path, default=ROOT / "build/wheelhouse", help="where it goes (build/wheelhouse)")
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="reconcile-wheelhouse-") as work:
            make(given.to.absolute(), given.machine, given.python or _PYTHONS, Path(work))
    except BuildFailed as error:
        print(f"wheelhouse: {error}", file=sys.stderr)
        return 1
    return 0


def make(to: Path, machine: str, pythons: Sequence[str], work: Path) -> None:
    """Fill the directory `to` with wheels for `machine` and each of `pythons`, and a list of them with hashes.

    Raises:
        BuildFailed: something is not to be had.
    """
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    built = _download(locked(), to, machine, pythons, work)
    programs = python_files.tools(cache_directory())
    for one in built:
        _build_pure(one, to, work / one.name, programs)
    report = Report()
    wheels = work / "ours"
    wheels.mkdir()
    _, wheel = python_files.build(source(), wheels, work / "python", report)
    shutil.copy(wheel, to)
    (to / "requirements.txt").write_text("".join(_requirements(to)), encoding="utf-8")
    count, size = len(list(to.glob("*.whl"))), sum(one.stat().st_size for one in to.iterdir())
    print(f"{to}: {count} wheels for {machine}, Python {', '.join(pythons)}; {size / 1e6:.0f} MB")
    if built:
        print(f"built in pure Python: {', '.join(one.name for one in built)}")
    print(
        f"on the host: python3 -m venv /opt/reconcile && /opt/reconcile/bin/pip install --no-index "
        f"--find-links {to.name} --require-hashes --requirement {to.name}/requirements.txt"
    )


def _download(entries: Sequence[Locked], to: Path, machine: str, pythons: Sequence[str], work: Path) -> list[Locked]:
    """Download wheels of `entries` into `to`; those of them that have none for `machine`."""
    missing: set[str] = set()
    wanted = work / "wanted.txt"
    for python in pythons:
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        words += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
        words += [word for glibc in _GLIBCS for word in ("--platform", f"{glibc}_{machine}")]
        while True:
            wanted.write_text("".join(f"{one.text}\n" for one in entries if one.name not in missing), encoding="utf-8")
            done = ended([*words, "--dest", str(to), "--requirement", str(wanted)], ROOT)
            if done.returncode == 0:
                break
            found = re.search(r"No matching distribution found for ([a-z0-9-]+)==", done.stdout)
            if found is None or found[1] in missing:
                raise BuildFailed(f"the locked packages cannot be downloaded:\n{done.stdout}")
            missing.add(found[1])
    return [one for one in entries if one.name in missing]


def _build_pure(one: Locked, to: Path, work: Path, programs: Path) -> None:
    """Build a wheel of `one` that has no machine code, with the locked setuptools."""
    work.mkdir()
    entry = work / "entry.txt"
    entry.write_text(f"{one.text}\n", encoding="utf-8")
    pip: list[str | Path] = [programs / "python", "-m", "pip"]
    # A compiler that fails: what would be machine code is left out where it is optional.
    without_compiler = {**os.environ, "CC": "false", "CXX": "false", "SOURCE_DATE_EPOCH": str(source().epoch)}
    words = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-binary=:all:", "--require-hashes"]
    run([*pip, *words, "--wheel-dir", str(work), "--requirement", str(entry)], ROOT, without_compiler)
    (wheel,) = work.glob("*.whl")
    if native := [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".so")]:
        raise BuildFailed(f"{one.name} {one.version} has machine code: {native[0]}")
    run([programs / "wheel", "tags", "--python-tag=py3", "--abi-tag=none", "--platform-tag=any", wheel], work)
    shutil.copy(next(work.glob("*-py3-none-any.whl")), to)


def _requirements(folder: Path) -> Iterator[str]:
    """Each package once, with the hashes of all its wheels."""
    found: dict[str, list[Path]] = {}
    for wheel in sorted(folder.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        found.setdefault(f"{name.replace('_', '-')}=={version}", []).append(wheel)
    for name, wheels in found.items():
        yield name + "".join(f" \\\n    --hash=sha256:{python_files.digest(one)}" for one in wheels) + "\n"


if __name__ == "__main__":
    sys.exit(main())
