"""Mounts a file system that this process is to serve, with the helper program that FUSE has for it."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENODEV, ENOTCONN
from pathlib import Path
from typing import Final

from reconciler.simulator.fuse_messages import LONGEST_MESSAGE

_HELPER_SECONDS: Final = 1.0
_HELPER_TRIES: Final = 20
"""How long fusermount3 may take to notice that a process was killed, and how often to look."""


class MountError(Exception):
    """The host cannot be mounted; the text says why and what to do."""


@contextmanager
def mounted(place: Path) -> Iterator[int]:
    """A FUSE file system at `place`, as the descriptor of its device; unmounted when the block ends.

    fusermount3 (Debian package fuse3) makes it, so that not only root can; it also unmounts it should this process be
    killed. Everybody can use what root mounts; what another user mounts, that user only.

    Raises:
        MountError: it cannot be mounted.
    """
    _clear(place)
    helper, connection = _started_helper(place)
    # At the end of the connection the helper unmounts, if that has not been done, and ends.
    with helper, connection:
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 1, socket.MSG_CMSG_CLOEXEC)
        if not descriptors:
            raise MountError(f"cannot mount on {place}: {_last_words(helper)}")
        (device,) = descriptors
        os.set_blocking(device, False)
        try:
            yield device
        finally:
            is_there = _is_there(device)
            os.close(device)
            if is_there:
                _unmount(place)


def _clear(place: Path) -> None:
    # What a killed process has left. Its helper is about to unmount it; only where it cannot (in a bare chroot), we do.
    for _ in range(_HELPER_TRIES):
        if not _is_dead(place):
            return
        time.sleep(_HELPER_SECONDS / _HELPER_TRIES)
    _unmount(place)


def _is_dead(place: Path) -> bool:
    try:
        place.stat()
    except OSError as error:
        return error.errno == ENOTCONN
    return False


def _is_there(device: int) -> bool:
    try:
        os.read(device, LONGEST_MESSAGE)
    except OSError as error:
        return error.errno != ENODEV
    return True


def _unmount(place: Path) -> None:
    # Lazily: it shall be gone also where somebody has a file open or works in it.
    subprocess.run(  # noqa: S603 - no shell
        ["fusermount3", "-u", "-z", "-q", "--", str(place)],  # noqa: S607 - the administrator's PATH decides
        stdin=subprocess.DEVNULL,
        check=False,
    )


def _started_helper(place: Path) -> tuple[subprocess.Popen[str], socket.socket]:
    options = "rw,nosuid,nodev,noexec,default_permissions,auto_unmount,fsname=reconcile,subtype=simulated-sysfs"
    if os.getuid() == 0:
        options += ",allow_other"
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            helper = subprocess.Popen(  # noqa: S603 - no shell; the place is an argument after --
                ["fusermount3", "-o", options, "--", str(place)],  # noqa: S607 - the administrator's PATH decides
                env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                # Ctrl-C is for this process; the helper stays to unmount.
                start_new_session=True,
            )
        except FileNotFoundError:
            ours.close()
            raise MountError("mounting needs fusermount3; install it with: apt-get install fuse3") from None
    return helper, ours


def _last_words(helper: subprocess.Popen[str]) -> str:
    assert helper.stderr
    text = helper.stderr.read()
    return text.strip().removeprefix("fusermount3: ") or f"fusermount3 ended with status {helper.wait()}"
