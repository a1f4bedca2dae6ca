"""The file system that a guest's root is: the tools of one Debian suite for s390x, unpacked into an image."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from lab.foreign_root import make_runnable, run_logged
from lab.packages import GUEST_ARCHITECTURE, Suite, unpack

_PACKAGES: Final = (
    "bash", "base-files", "busybox-static", "coreutils", "dash", "gawk", "grep", "kmod", "mdevctl", "mount",
    "procps", "python3", "s390-tools", "sed", "systemd", "udev", "util-linux",
)  # fmt: skip
_FIRST_PROCESS: Final = "/usr/lib/systemd/systemd"
_NOT_NEEDED: Final = (
    "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian", "usr/share/bug",
    "usr/share/perl*", "usr/lib/*/perl*", "usr/share/zoneinfo", "usr/lib/systemd/boot", "var/lib/dpkg",
)  # fmt: skip


def is_current(image: Path) -> bool:
    """Whether `image` is there and can be booted by its own systemd; older ones of Debian 12 had none."""
    if not image.exists():
        return False
    look = ["debugfs", "-R", f"stat {_FIRST_PROCESS}", str(image)]
    return "Inode:" in subprocess.run(look, capture_output=True, text=True, check=False).stdout


def prepare_guest_system(suite: Suite, image: Path, busybox: Path, work: Path, log: Path) -> None:
    """Make a guest system.

    Args:
        suite: where its packages come from.
        image: the ext4 image to write.
        busybox: where to copy its static busybox, which the initramfs runs.
        work: directory for the time being; made, and removed afterwards.
        log: where programs write.
    """
    shutil.rmtree(work, ignore_errors=True)
    unpack(suite.closure(GUEST_ARCHITECTURE, *_PACKAGES), work)
    make_runnable(work)
    for pattern in _NOT_NEEDED:
        for path in work.glob(pattern):
            if not path.is_symlink():
                shutil.rmtree(path)
    image.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(work / "usr/bin/busybox", busybox)
    write_image(work, image, log)
    shutil.rmtree(work)


def megabytes(directory: Path) -> int:
    """What a directory takes on disk, MB, rounded up."""
    return int(subprocess.run(["du", "-sm", directory], capture_output=True, text=True, check=True).stdout.split()[0])


def write_image(root: Path, image: Path, log: Path) -> None:
    """Write the tree `root` into the ext4 file `image`; programs write into `log`."""
    unfinished = image.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    size = f"{int(megabytes(root) * 1.25) + 32}M"
    run_logged(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-d", root, unfinished, size], log)
    unfinished.rename(image)
