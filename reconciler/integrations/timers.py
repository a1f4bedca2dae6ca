"""Timers that roll back an apply that no person confirms, also where the process that applied is gone.

A transient systemd timer, or a process of its own.
"""

import os
import shutil
import syslog
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from reconciler.kernel.processes import run_tool, start_detached
from reconciler.model.errors import HostError
from reconciler.model.printable import error_text


class CannotArm(HostError):
    """There is no timer to be had; the text says why."""


class Timer(Protocol):
    """Something that goes on when the process that armed it, its terminal and its connection are gone."""

    def arm(self, generation: int, seconds: float) -> None:
        """Have generation `generation` rolled back in `seconds` unless a person has confirmed it.

        Raises:
            CannotArm: it cannot be done; nothing was armed.
        """


SYSTEMD: Final = Path("/run/systemd/system")
"""This directory is there where systemd is the init system (sd_booted(3))."""

READY: Final = b"armed\n"
"""What ``reconcile expire`` prints when it waits."""

_ANSWER_SECONDS: Final = 60.0


class SystemdTimer:
    """A transient timer unit for each generation (systemd-run(1))."""

    def __init__(self, command: Sequence[str]) -> None:
        """`command` rolls back what was not confirmed; the generation's number is added to it."""
        self._command = command

    def arm(self, generation: int, seconds: float) -> None:
        """See `reconciler.integrations.timers.Timer`."""
        unit = f"reconcile-confirm-{generation}-{os.getpid()}"
        options = ["--quiet", "--collect", f"--unit={unit}", f"--on-active={seconds:.3f}s"]
        options += ["--timer-property=AccuracySec=1s", f"--description=Roll back generation {generation}"]
        try:
            done = run_tool(["systemd-run", *options, "--", *self._command, str(generation)], _ANSWER_SECONDS)
        except (OSError, HostError) as error:
            raise CannotArm(f"systemd-run does not answer: {error_text(error)}") from error
        if done.code:
            raise CannotArm(f"systemd-run refused: {done.said or f'status {done.code}'}")


class DetachedTimer:
    """A process in a session of its own, which no terminal and no connection takes with it."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        """`command` rolls back what was not confirmed, and says so in `log`; the generation's number is added to it."""
        self._command = command
        self._log = log

    def arm(self, generation: int, seconds: float) -> None:  # noqa: ARG002 - the process reads the deadline itself
        """See `reconciler.integrations.timers.Timer`."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            log = os.open(self._log, flags, 0o600)
        except OSError as error:
            raise CannotArm(f"{self._log} cannot be written: {error.strerror}") from error
        try:
            begun = start_detached([*self._command, str(generation)], log, READY, _ANSWER_SECONDS)
        except OSError as error:
            raise CannotArm(f"the process that waits cannot be started: {error_text(error)}") from error
        finally:
            os.close(log)
        if not begun:
            raise CannotArm(f"the process that waits did not start; {self._log} may say why")


def to_system_log(text: str) -> None:
    """Send each line of `text` to the system's log (syslog(3)); nothing happens where none runs."""
    syslog.openlog("reconcile", syslog.LOG_PID, syslog.LOG_DAEMON)
    for line in text.splitlines():
        syslog.syslog(syslog.LOG_WARNING, line)


def systemd_is_there(directory: Path = SYSTEMD) -> bool:
    """Whether systemd runs here and takes transient units."""
    return directory.is_dir() and shutil.which("systemd-run") is not None
