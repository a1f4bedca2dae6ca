"""The kernel's uevents about the AP bus and vfio_ap: what they look like, which ones matter, and the socket.

A uevent is a datagram ``ACTION@DEVPATH``, NUL, ``KEY=VALUE``, NUL, … (lib/kobject_uevent.c). Not every change has one,
and some are lost: they only trigger a look. docs/kernel-rules.md, "Uevents", says what real kernels send.
"""

import errno
import socket
import struct
from collections.abc import Mapping
from typing import Final, NamedTuple, Self

from reconciler.model.printable import escaped

_KOBJECT_UEVENT: Final = 15  # NETLINK_KOBJECT_UEVENT in linux/netlink.h
_KERNEL_GROUP: Final = 1  # group 2 is what udev passes on
_SCM_CREDENTIALS: Final = 2  # linux/socket.h; the module socket of Python 3.11 does not always have it
_SO_RCVBUFFORCE: Final = 33  # asm-generic/socket.h; as SO_RCVBUF, beyond the limit of those without privileges
_CREDENTIALS: Final = struct.Struct("3i")

LARGEST: Final = 16384
"""The longest datagram that is read; the kernel's have 2 KiB of keys and a path."""

BUFFER: Final = 4 << 20
"""How many bytes may wait, as the kernel counts them: a change of the masks sends two events for each queue."""

MOST_AT_ONCE: Final = 1000
"""After how many datagrams other sources are read."""

LOST: Final = "uevents were lost"
"""What is reported where the kernel had to drop some."""

_BUS: Final = "/devices/ap"
_MATRIX: Final = "/devices/vfio_ap/matrix"
_MODULE: Final = "/module/vfio_ap"
_MASKS: Final = {"APMASK": "apmask", "AQMASK": "aqmask"}
_DEVICES: Final = {"ap_card": "card", "ap_queue": "queue"}
_MOST_CHARACTERS: Final = 120


class Uevent(NamedTuple):
    """One event: what happened to which kernel object, and what the kernel says besides."""

    action: str
    path: str
    values: Mapping[str, str]


def parse(datagram: bytes) -> Uevent | None:
    """The event in `datagram`; None where it is none or was cut off."""
    header, _, rest = datagram.partition(b"\0")
    action, at, path = header.decode("utf-8", "replace").partition("@")
    if not (action.isalpha() and at and path.startswith("/") and rest.endswith(b"\0")):
        return None
    pairs = (part.decode("utf-8", "replace").partition("=") for part in rest[:-1].split(b"\0"))
    return Uevent(action, path, {key: value for key, _, value in pairs})


def concern(event: Uevent) -> str:
    """What `event` means for the AP bus and for vfio_ap, in a few printable words; empty where it means nothing."""
    text = _concern(event)
    return escaped(text)[:_MOST_CHARACTERS]


def _concern(event: Uevent) -> str:
    name = event.path.rpartition("/")[2]
    kind = _DEVICES.get(event.values.get("DEVTYPE", ""))
    match event.values.get("SUBSYSTEM"):
        case "ap" if event.path == _BUS:
            return _of_bus(event)
        case "ap" if kind and event.path.startswith(f"{_BUS}/"):
            return " ".join([kind, name.removeprefix("card"), event.action, *_more(event)])
        case "mdev" if event.path.startswith(f"{_MATRIX}/"):
            return f"device {name} {event.action}"
        case "module" if event.path == _MODULE:
            return f"module vfio_ap {event.action}"
    return f"vfio_ap {event.action}" if event.path == _MATRIX else ""


def _of_bus(event: Uevent) -> str:
    masks = [name for key, name in _MASKS.items() if key in event.values]
    if masks:
        return f"{' and '.join(masks)} changed"
    return "all queues have their drivers" if "BINDINGS" in event.values else f"AP bus {event.action}"


def _more(event: Uevent) -> list[str]:
    facts = [f"{key.lower()}={event.values[key]}" for key in ("CONFIG", "ONLINE") if key in event.values]
    return [event.values["DRIVER"]] if event.action == "bind" and "DRIVER" in event.values else facts


class UeventSocket:
    """The kernel's uevents, as they come. Every network namespace of the initial user namespace gets them."""

    def __init__(self, connection: socket.socket) -> None:
        """Use `connection`, which is closed by `close`; see `listening` for the kernel's."""
        self._connection = connection
        self._connection.setblocking(False)

    @classmethod
    def listening(cls) -> Self:
        """Listen to the kernel.

        Raises:
            OSError: the kernel, or what confines this process, does not allow it.
        """
        connection = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _KOBJECT_UEVENT)
        try:
            _enlarge(connection)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            connection.bind((0, _KERNEL_GROUP))
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    def fileno(self) -> int:
        """A descriptor that is readable while there are events."""
        return self._connection.fileno()

    def receive(self) -> list[str]:
        """What has happened since the last call, each of it once; empty where nothing did that matters. Never waits.

        Raises:
            OSError: the socket is of no use any more.
        """
        found: dict[str, None] = {}
        for _ in range(MOST_AT_ONCE):
            try:
                received = self._connection.recvmsg(LARGEST, socket.CMSG_SPACE(_CREDENTIALS.size))
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                found[LOST] = None
                continue
            if what := _reported(*received):
                found[what] = None
        return list(found)

    def close(self) -> None:
        """Listen no longer."""
        self._connection.close()


def _reported(datagram: bytes, ancillary: list[tuple[int, int, bytes]], flags: int, address: object) -> str:
    if not _from_kernel(ancillary, address):
        return ""
    event = None if flags & socket.MSG_TRUNC else parse(datagram)
    return LOST if event is None else concern(event)


def _from_kernel(ancillary: list[tuple[int, int, bytes]], address: object) -> bool:
    """Whether a datagram is the kernel's own: its address is 0, and so are the credentials of who sent it."""
    if not isinstance(address, tuple) or address[0] != 0:
        return False
    return any(
        (level, kind) == (socket.SOL_SOCKET, _SCM_CREDENTIALS)
        and len(data) == _CREDENTIALS.size
        and _CREDENTIALS.unpack(data)[:2] == (0, 0)
        for level, kind, data in ancillary
    )


def _enlarge(connection: socket.socket) -> None:
    try:
        connection.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER)
    except PermissionError:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
