"""What the guest gets beside its own system: the tool's wheel with all it depends on, and strace.

The wheel is built from this clone for every run. The others come from the package index, for s390x and the Python of
the guest's Debian suite, through pip; strace comes from Debian. Both are kept in the lab's cache, and so is everything
together with its byte code, which the guest compiles once: without it, imports take half a minute there.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from lab.cache import Cache
from lab.packages import GUEST_ARCHITECTURE, Suite, first_to_be_had, host_mirror, unpack

ROOT: Final = Path(__file__).parents[3]
"""The clone."""

_PYTHON: Final = re.compile(r"/python(3\.\d+)/")
_PLATFORMS: Final = ("manylinux2014_s390x", "manylinux_2_17_s390x", "manylinux_2_28_s390x")
_WITHOUT_WHEEL: Final = ("markupsafe",)
"""What has no wheel for s390x: built here without a compiler, as pip does it there, it is pure Python."""


class CannotInstall(Exception):
    """Something that the guest needs is not to be had here; the text says what."""


class Installation(NamedTuple):
    """What is copied into the guest.

    Attributes:
        site: archive of a ``dist-packages`` directory with the tool and what it imports.
        strace: archive of the program.
        compiled: where the same archive with byte code is kept, once a guest has made it.
    """

    site: Path
    strace: Path
    compiled: Path

    def files(self) -> dict[str, Path]:
        """By name below ``/job``; ``site.tar`` has byte code, ``sources.tar`` has none."""
        name = "site.tar" if self.site == self.compiled else "sources.tar"
        return {name: self.site, "strace.tar": self.strace, "prepare_guest.sh": _HERE / "prepare_guest.sh"}

    def keep_compiled(self, results: Path) -> None:
        """Keep what a guest has compiled, if it has, and nothing older."""
        made = results / "site.tar"
        if made.exists():
            for old in self.compiled.parent.glob("site-*.tar"):
                old.unlink()
            shutil.move(made, self.compiled)


_HERE: Final = Path(__file__).parent


def install(cache: Cache, suite: str, directory: Path) -> Installation:
    """What a guest of `suite` gets; archives are made in `directory`, downloads kept in `cache`.

    Raises:
        CannotInstall: something is not to be had.
    """
    kept = cache.root / "end-to-end" / suite
    python = python_of(cache.guest_system(suite))
    with _alone(kept):
        dependencies, strace = _dependencies(kept, python), _strace(kept, suite)
    wheels = [*sorted(dependencies.glob("*.whl")), built_wheel(directory / "wheel")]
    content = sha256(b"".join(sha256(wheel.read_bytes()).digest() for wheel in wheels)).hexdigest()
    compiled = kept / f"site-{content[:16]}.tar"
    if compiled.exists():
        return Installation(compiled, strace, compiled)
    tree = directory / "site"
    _pip("install", "--no-deps", "--no-compile", "--target", tree, *_for_guest(python), *wheels)
    return Installation(_archived(tree, directory / "sources.tar"), strace, compiled)


@contextmanager
def _alone(kept: Path) -> Iterator[None]:
    """Two boots may start at once: the second finds what the first has downloaded."""
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def python_of(image: Path) -> str:
    """The version of Python in the file system `image`, for example ``3.13``.

    Raises:
        CannotInstall: it cannot be told.
    """
    command = ["debugfs", "-R", "ls -p /usr/bin", str(image)]
    try:
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotInstall(f"the guest's Python cannot be told: {error}") from error
    found = _PYTHON.search(names)
    if not found:
        raise CannotInstall(f"there is no Python in {image}")
    return found[1]


def built_wheel(directory: Path) -> Path:
    """The wheel of this clone, built into `directory`.

    Raises:
        CannotInstall: it cannot be built.
    """
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", directory, ROOT)
    return next(directory.glob("*.whl"))


def requirements() -> list[str]:
    """What the tool depends on, as pyproject.toml says it, with what monitoring needs besides."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [str(one) for one in (*project["dependencies"], *project["optional-dependencies"]["web"])]


def locked_versions() -> str:
    """The versions that requirements/locked.txt names, without their hashes: one requirement in each line."""
    text = (ROOT / "requirements/locked.txt").read_text(encoding="utf-8")
    return "".join(f"{one}\n" for one in re.findall(r"^\S+==\S+(?: ;[^\\\n]*[^\\\s])?", text, re.MULTILINE))


def _dependencies(kept: Path, python: str) -> Path:
    """The directory with the wheels of everything that the tool depends on, in the locked versions."""
    wanted, versions = requirements(), locked_versions()
    wheels = kept / f"wheels-{python}-{sha256(repr((wanted, versions)).encode()).hexdigest()[:12]}"
    if not wheels.exists():
        unfinished = wheels.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        constraints = kept / "versions.txt"
        constraints.write_text(versions, encoding="utf-8")
        _pure_wheels(unfinished, constraints)
        found: list[str | Path] = ["--find-links", unfinished]
        _pip("download", "--dest", unfinished, "--constraint", constraints, *found, *_for_guest(python), *wanted)
        unfinished.rename(wheels)
    return wheels


def _pure_wheels(directory: Path, constraints: Path) -> None:
    sources = ["--no-deps", "--no-binary", ",".join(_WITHOUT_WHEEL), *_WITHOUT_WHEEL]
    _pip("wheel", *sources, "--constraint", constraints, "--wheel-dir", directory, CC="false")


def _for_guest(python: str) -> list[str]:
    platforms = [word for platform in _PLATFORMS for word in ("--platform", platform)]
    abi = f"cp{python.replace('.', '')}"
    abis = ["--implementation", "cp", "--abi", abi, "--abi", "abi3", "--abi", "none"]
    return ["--only-binary=:all:", *platforms, "--python-version", python, *abis]


def _strace(kept: Path, suite: str) -> Path:
    """The archive with strace, which needs no library but libc."""
    archive = kept / "strace.tar"
    if not archive.exists():
        work = kept / "strace"
        shutil.rmtree(work, ignore_errors=True)
        first_to_be_had(suite, lambda name: _unpack_strace(name, work))
        _archived(work / "root/usr/bin", archive)
        shutil.rmtree(work)
    return archive


def _unpack_strace(suite: str, work: Path) -> None:
    unpack(Suite(work / "apt" / suite, suite, host_mirror()).download(f"strace:{GUEST_ARCHITECTURE}"), work / "root")


def _archived(tree: Path, archive: Path) -> Path:
    unfinished = archive.with_suffix(".new")
    with tarfile.open(unfinished, "w") as stream:
        for path in sorted(tree.iterdir()):
            stream.add(path, path.name)
    return unfinished.rename(archive)


def _pip(action: str, *arguments: str | Path, **variables: str) -> None:
    words: Sequence[str | Path] = [sys.executable, "-m", "pip", action, "--quiet", *arguments]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise CannotInstall(f"pip {action} failed: {done.stderr.strip()[-2000:]}")
