"""A Debian 13 to build in: made once by mmdebstrap, kept in a cache, and never changed by a build.

A build sees it through an overlay in memory, in mount and process namespaces of its own: all that it installs or leaves
there is gone afterwards, and no process of it stays.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lab.packages import KEYRING, PackageError, host_mirror
from packages.source import BuildFailed, ended, run

SUITE: Final = "trixie"
_INCLUDED: Final = (
    "autopkgtest", "debhelper", "dh-python", "fakeroot", "lintian", "man-db", "mandoc", "pybuild-plugin-pyproject",
    "python3-all", "python3-click", "python3-hatchling", "python3-jinja2", "python3-jsonschema", "python3-pip",
    "python3-prometheus-client", "python3-starlette", "python3-structlog", "python3-uvicorn", "python3-venv",
    "python3-watchfiles", "python3-yaml", "rpm", "rpmlint", "systemd", "zsh",
)  # fmt: skip

# The overlay lies in memory, since a directory of an overlay cannot hold the changes of another one.
_ENTER: Final = """
set -e
root=$1 shared=$2
shift 2
mount -t tmpfs -o size=4G tmpfs "$root.mount"
mkdir "$root.mount/new" "$root.mount/work" "$root.mount/all"
all=$root.mount/all
mount -t overlay overlay -o "lowerdir=$root,upperdir=$root.mount/new,workdir=$root.mount/work" "$all"
mkdir -p "$all/build"
mount --bind "$shared" "$all/build"
mount -t proc proc "$all/proc"
cp -L /etc/resolv.conf "$all/etc/resolv.conf" || true
exec chroot "$all" /usr/bin/env -C /build "$@"
"""


class Chroot:
    """The system below `cache`."""

    def __init__(self, cache: Path) -> None:
        self._root = cache / SUITE
        self._stamp = cache / f"{SUITE}.packages"

    def prepare(self) -> None:
        """Make it, where it is missing or was made with other packages.

        Raises:
            BuildFailed: this machine cannot.
        """
        wanted = "\n".join(_INCLUDED)
        if self._stamp.exists() and self._stamp.read_text(encoding="utf-8") == wanted:
            return
        self._check_machine()
        begun = time.monotonic()
        print(f"Making a Debian 13 in {self._root} with mmdebstrap (once; two to six minutes) ...", flush=True)
        self._stamp.unlink(missing_ok=True)
        shutil.rmtree(self._root, ignore_errors=True)
        self._root.parent.mkdir(parents=True, exist_ok=True)
        try:
            mirror = host_mirror()
        except PackageError as error:
            raise BuildFailed(str(error)) from error
        run(
            ["mmdebstrap", "--variant=buildd", f"--include={','.join(_INCLUDED)}", SUITE, self._root, mirror],
            self._root.parent,
        )
        self._stamp.write_text(wanted, encoding="utf-8")
        print(f"Debian 13: made in {time.monotonic() - begun:.0f} s", flush=True)

    def _check_machine(self) -> None:
        if os.geteuid():
            raise BuildFailed("building in a Debian 13 needs root, for chroot and mounts")
        if shutil.which("mmdebstrap") is None or not KEYRING.exists():
            raise BuildFailed("please install: apt-get install mmdebstrap debian-archive-keyring")

    def run(self, shared: Path, *words: str, epoch: int = 0) -> str:
        """What a program said that ran there, with `shared` as its current directory ``/build``.

        Raises:
            BuildFailed: it did not succeed.
        """
        return run(self._command(shared, words, epoch), shared)

    def ended(self, shared: Path, *words: str, epoch: int = 0) -> subprocess.CompletedProcess[str]:
        """How a program ended that ran there; see `run`."""
        return ended(self._command(shared, words, epoch), shared)

    def _command(self, shared: Path, words: Sequence[str], epoch: int) -> list[str | Path]:
        self._root.with_name(f"{SUITE}.mount").mkdir(exist_ok=True)
        variables = [
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=/root",
            "LC_ALL=C.UTF-8",
            "DEBIAN_FRONTEND=noninteractive",
            f"SOURCE_DATE_EPOCH={epoch}",
        ]
        alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, "enter"]
        return [*alone, self._root, shared, "--ignore-environment", *variables, *words]
