"""Prepare the lab: QEMU, then for each kernel its guest system, its image with the drivers, and its symbols."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lab.cache import KERNELS, Cache
from lab.guest_system import is_current, megabytes, prepare_guest_system
from lab.kernels import prepare_kernel
from lab.machine import probed_symbols
from lab.packages import KEYRING, Suite, first_to_be_had, host_architecture, host_mirror, unpack

_QEMU_SUITE: Final = "trixie"
_QEMU_PARTS: Final = ("usr/bin/qemu-system-s390x", "usr/share/qemu", "usr/lib", "usr/lib64", "lib64")
_PROGRAMS: Final = {"mke2fs": "e2fsprogs", "xz": "xz-utils", "setpriv": "util-linux", "dpkg-deb": "dpkg"}


class CannotPrepare(Exception):
    """This machine cannot prepare the lab; says what to do."""


class Preparation:
    """Fills a cache, step by step; what is there stays."""

    def __init__(self, cache: Cache, mirror: str | None, say: Callable[[str], None]) -> None:
        """Prepare `cache` from the Debian archive at `mirror` (None: the host's own), telling `say` about each step."""
        self._cache = cache
        self._mirror = mirror
        self._say = say
        self._suites: dict[str, Suite] = {}

    def prepare(self, kernels: Sequence[str], *, again: bool = False, keep: bool = False) -> None:
        """Prepare QEMU and `kernels`, names of `KERNELS`.

        Args:
            kernels: which.
            again: also what is there.
            keep: do not remove what was downloaded.

        Raises:
            CannotPrepare: something is missing here, or another preparation is under way.
            PackageError: a package is not to be had.
            ProgramFailed: a program failed; the message names its log.
            GuestFailed: the kernel did not boot.
        """
        check_machine()
        self._cache.root.mkdir(parents=True, exist_ok=True)
        with _alone(self._cache.root / "lock"):
            program = self._cache.qemu / _QEMU_PARTS[0]
            self._step("QEMU", self._qemu, ready=program.exists() and not again)
            for name in dict.fromkeys(kernels):
                self._prepare_kernel(name, again=again)
            if not keep:
                shutil.rmtree(self._cache.root / "apt", ignore_errors=True)
        self._say(f"{self._cache.root} takes {megabytes(self._cache.root)} MB")

    def _prepare_kernel(self, name: str, *, again: bool) -> None:
        cache, kernel, suite = self._cache, self._cache.kernel(name), KERNELS[name]

        def guest() -> None:
            image, busybox = cache.guest_system(suite), cache.busybox(suite)
            work = cache.root / "work-guest"
            first_to_be_had(
                suite,
                lambda name: prepare_guest_system(self._suite(name), image, busybox, work, cache.log),
                self._say,
            )

        def boot() -> None:
            work = cache.root / "work-kernel"
            prepare_kernel(self._suite(suite), cache.busybox(suite), kernel, work, cache.log, self._say)
            with tempfile.TemporaryDirectory(prefix="lab-probe-") as directory:
                kernel.keep_symbols(probed_symbols(cache, name, Path(directory)))

        self._step(f"guest system of {suite}", guest, ready=is_current(cache.guest_system(suite)) and not again)
        self._step(f"kernel {name}", boot, ready=kernel.ready and not again)

    def _step(self, title: str, make: Callable[[], None], *, ready: bool) -> None:
        if ready:
            self._say(f"{title}: there")
            return
        started = time.monotonic()
        self._say(f"{title}: preparing …")
        make()
        self._say(f"{title}: done in {time.monotonic() - started:.0f} s")

    def _suite(self, name: str) -> Suite:
        if name not in self._suites:
            self._mirror = self._mirror or host_mirror()
            self._suites[name] = Suite(self._cache.root / "apt" / name, name, self._mirror)
        return self._suites[name]

    def _qemu(self) -> None:
        unpacked = self._cache.root / "work-qemu"

        def take(suite: str) -> None:
            shutil.rmtree(unpacked, ignore_errors=True)
            unpack(self._suite(suite).closure(host_architecture(), "qemu-system-s390x"), unpacked)

        first_to_be_had(_QEMU_SUITE, take, self._say)
        shutil.rmtree(self._cache.qemu, ignore_errors=True)
        for part in _QEMU_PARTS:
            if os.path.lexists(unpacked / part):
                (self._cache.qemu / part).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(unpacked / part, self._cache.qemu / part)
        shutil.rmtree(unpacked)


def check_machine() -> None:
    """See whether this machine can prepare the lab.

    Raises:
        CannotPrepare: it cannot.
    """
    if os.geteuid():
        raise CannotPrepare("preparing needs root, for chroot and device nodes: sudo ./run lab setup")
    if missing := [package for program, package in _PROGRAMS.items() if not shutil.which(program)]:
        raise CannotPrepare(f"please install: apt-get install {' '.join(missing)}")
    if not KEYRING.exists():
        raise CannotPrepare("please install: apt-get install debian-archive-keyring")
    if host_architecture() != "amd64":
        raise CannotPrepare("preparing needs an amd64 machine: its compiler and its QEMU are Debian's for amd64")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotPrepare("another ./run lab setup is under way") from None
        yield
