"""What pip installs: sdist and wheel, twice and the same bytes, with a bill of materials and hashes beside them."""

import hashlib
import os
import sys
import time
from pathlib import Path
from typing import Final

from packages.source import ROOT, Report, Source, ended, run

_LOCK: Final = "requirements/packages.txt"


def build(source: Source, folder: Path, work: Path, report: Report) -> tuple[Path, Path]:
    """The sdist and the wheel in `folder`.

    They are built twice, in directories, time zones and with masks that differ, and have to be the same.

    Raises:
        BuildFailed: they could not be built.
    """
    built = []
    for number, (zone, mask) in enumerate((("UTC", 0o022), ("Asia/Kolkata", 0o077))):
        tree = source.export(work / f"tree-{number}" / ("a" * (number + 1)))
        target = work / f"built-{number}"
        before = os.umask(mask)
        try:
            words = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(target)]
            run(words, tree, {**source.environment(), "TZ": zone})
        finally:
            os.umask(before)
        built.append({one.name: one.read_bytes() for one in sorted(target.iterdir())})
    first, second = built
    for name, content in first.items():
        (folder / name).write_bytes(content)
    hashes = ", ".join(f"{name} {digest(folder / name)[:12]}" for name in first)
    report.add("reproducible", f"the same bytes twice: {hashes}", ok=first == second)
    (sdist,) = (name for name in first if name.endswith(".tar.gz"))
    (wheel,) = (name for name in first if name.endswith(".whl"))
    return folder / sdist, folder / wheel


def tools(cache: Path) -> Path:
    """The directory of the programs that check and describe these files, in the versions of their lock.

    Raises:
        BuildFailed: they cannot be installed.
    """
    venv, lock = cache / "tools", (ROOT / _LOCK).read_text(encoding="utf-8")
    stamp = venv / "lock"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != lock:
        begun = time.monotonic()
        print(f"Installing twine and cyclonedx-py in {venv} (once) ...", flush=True)
        run([sys.executable, "-m", "venv", "--clear", venv], ROOT)
        run([venv / "bin/python", "-m", "pip", "install", "-q", "--require-hashes", "-r", _LOCK], ROOT)
        stamp.write_text(lock, encoding="utf-8")
        print(f"twine and cyclonedx-py: installed in {time.monotonic() - begun:.0f} s", flush=True)
    return venv / "bin"


def check(files: tuple[Path, Path], programs: Path, report: Report) -> None:
    """See that an index would take the files."""
    done = ended([programs / "twine", "check", "--strict", *files], ROOT, {**os.environ, "NO_COLOR": "1"})
    report.add("twine check", done.stdout, ok=done.returncode == 0)


def describe(folder: Path, version: str, programs: Path, report: Report) -> None:
    """Write the bill of materials (CycloneDX) of the locked run-time packages into `folder`."""
    target = folder / f"reconcile-{version}.cdx.json"
    words = ["requirements", "--pyproject", "pyproject.toml", "--output-reproducible", "--sv", "1.6", "-o", str(target)]
    done = ended([programs / "cyclonedx-py", *words, "requirements/run-time.txt"], ROOT)
    report.add("CycloneDX", "" if done.returncode == 0 else done.stdout, ok=done.returncode == 0, empty=target.name)


def write_hashes(folder: Path) -> Path:
    """``SHA256SUMS`` of all files in `folder`, for ``sha256sum --check``."""
    target = folder / "SHA256SUMS"
    files = sorted(one for one in folder.rglob("*") if one.is_file() and one != target)
    lines = [f"{digest(one)}  {one.relative_to(folder)}\n" for one in files]
    target.write_text("".join(lines), encoding="utf-8")
    return target


def digest(file: Path) -> str:
    """The SHA-256 of the file, as sha256sum writes it."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
