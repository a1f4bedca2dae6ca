"""Reports to systemd how a service is, after sd_notify(3) and sd_watchdog_enabled(3).

Ours, since what there is for Python is either bound to libsystemd or older than ``Type=notify-reload``. Nothing happens
where ``$NOTIFY_SOCKET`` is not set, and that systemd does not listen is never an error of the service.
"""

import os
import socket
from collections.abc import Callable, Mapping
from typing import Final

from reconciler.model.printable import escaped

_SECONDS: Final = 1.0
_LONGEST_STATUS: Final = 1024


class SystemdNotify:
    """The notification socket of systemd."""

    def __init__(
        self,
        environment: Mapping[str, str],
        process: int,
        monotonic: Callable[[], float],
        *,
        seconds: float = _SECONDS,
    ) -> None:
        """Find the socket.

        Args:
            environment: that of the process (``NOTIFY_SOCKET``, ``WATCHDOG_USEC``, ``WATCHDOG_PID``).
            process: our process id.
            monotonic: seconds on CLOCK_MONOTONIC.
            seconds: how long a full queue may keep us: after that the report is dropped.
        """
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._monotonic = monotonic
        self._seconds = seconds
        self.listens = address[:1] in {"/", "@"} and len(address) > 1
        self.watchdog_seconds = _watchdog_seconds(environment, process) if self.listens else None
        """Within how many seconds `watchdog` must be called again and again; None where systemd does not watch.

        Half of it is a good interval.
        """

    def ready(self) -> bool:
        """Starting, or reloading, is done."""
        return self._send("READY=1")

    def reloading(self) -> bool:
        """The configuration is being read again; `ready` says that it has been."""
        return self._send("RELOADING=1", f"MONOTONIC_USEC={int(self._monotonic() * 1_000_000)}")

    def stopping(self) -> bool:
        """The end has begun."""
        return self._send("STOPPING=1")

    def status(self, text: str) -> bool:
        """One line for ``systemctl status``."""
        return self._send(f"STATUS={escaped(' '.join(text.split()))[:_LONGEST_STATUS]}")

    def watchdog(self) -> bool:
        """We are alive."""
        return self.watchdog_seconds is not None and self._send("WATCHDOG=1")

    def extend(self, seconds: float) -> bool:
        """Starting, or ending, takes at most `seconds` more from now on; systemd waits for it."""
        return self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def _send(self, *lines: str) -> bool:
        """Send `lines`; whether systemd has got them."""
        if not self.listens:
            return False
        message = "\n".join(lines).encode("utf-8", "replace")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(self._seconds)
                return sender.sendto(message, os.fsencode(self._address)) == len(message)
        except OSError:
            return False


def _watchdog_seconds(environment: Mapping[str, str], process: int) -> float | None:
    if environment.get("WATCHDOG_PID", str(process)) != str(process):
        return None  # meant for another process, from which we have inherited it
    micro = environment.get("WATCHDOG_USEC", "")
    return int(micro) / 1_000_000 if micro.isascii() and micro.isdecimal() and int(micro) > 0 else None
