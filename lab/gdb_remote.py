"""A small client of the GDB remote serial protocol, for QEMU's gdbstub and an s390x guest.

Only what an emulator outside of the guest needs: software breakpoints, 64-bit registers, memory, continue, and the
next stop. Source: the GDB manual, appendix "Remote Protocol"; QEMU's gdb-xml/s390x-core64.xml for the registers.
"""

import socket
from typing import Final, NamedTuple

PSW_ADDRESS: Final = 1
"""Number of the register with the address of the next instruction."""

FIRST_GPR: Final = 2
"""Number of general register 0; register *n* follows at 2 + *n*."""

_REGISTERS: Final = 18  # PSW mask, PSW address, sixteen general registers
_DIGITS: Final = 16  # of a 64-bit register
_STOPPED: Final = (b"T", b"S")
_ENDED: Final = (b"W", b"X")


class GdbError(Exception):
    """The stub refused a request."""


class GuestEnded(Exception):
    """The virtual machine, and with it the connection, is gone."""


class Registers(NamedTuple):
    """What a stopped CPU has: the address of the next instruction and general registers 0 to 15."""

    address: int
    gprs: tuple[int, ...]


def framed(payload: bytes) -> bytes:
    """`payload` as a packet: ``$``, payload, ``#``, two hex digits of checksum."""
    return b"$" + payload + b"#%02x" % (sum(payload) & 0xFF)


def unframed(received: bytes) -> tuple[bytes, bytes] | None:
    """The payload of the first packet in `received` and what follows it; None where no packet is complete.

    What stands before the packet (acknowledgements) is dropped. Checksums are not looked at: the stub is at the other
    end of a local socket.
    """
    start = received.find(b"$")
    end = received.find(b"#", start + 1)
    if start < 0 or end < 0 or len(received) < end + 3:
        return None
    return received[start + 1 : end], received[end + 3 :]


class GdbRemote:
    """One connection to a gdbstub. The guest is stopped where it begins.

    Every method raises `GuestEnded` where the guest is gone, and `GdbError` where the stub refuses.
    """

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._received = b""
        self._stops: list[bytes] = []

    def fileno(self) -> int:
        """The descriptor to wait at for the next stop."""
        return self._stream.fileno()

    def insert_breakpoint(self, address: int) -> None:
        """Stop whenever the instruction at `address` is about to be executed."""
        self._ask(b"Z0,%x,2" % address)

    def remove_breakpoint(self, address: int) -> None:
        """Take back `insert_breakpoint`."""
        self._ask(b"z0,%x,2" % address)

    def registers(self) -> Registers:
        """What the stopped CPU has."""
        text = self._ask(b"g")
        values = [int(text[_DIGITS * number : _DIGITS * (number + 1)], 16) for number in range(_REGISTERS)]
        return Registers(values[PSW_ADDRESS], tuple(values[FIRST_GPR:]))

    def write_register(self, number: int, value: int) -> None:
        """Set a register to `value`, taken modulo 2**64."""
        self._ask(b"P%x=%016x" % (number, value & (1 << 64) - 1))

    def read_memory(self, address: int, length: int) -> bytes:
        """`length` bytes of memory, as the stopped CPU sees it."""
        return bytes.fromhex(self._ask(b"m%x,%x" % (address, length)).decode())

    def write_memory(self, address: int, content: bytes) -> None:
        """Change memory."""
        self._ask(b"M%x,%x:%s" % (address, len(content), content.hex().encode()))

    def resume(self) -> None:
        """Let the guest run on; `stopped` tells of the next stop."""
        self._send(framed(b"c"))

    def step(self) -> None:
        """Execute one instruction and wait for its end."""
        self._send(framed(b"s"))
        while not self._is_stop(self._stops.pop(0) if self._stops else self._receive()):
            pass

    def stopped(self, *, readable: bool) -> bool:
        """Whether the guest has stopped; reads first where the socket is `readable`.

        A readable socket need not mean a stop: the stub also acknowledges what it is sent.
        """
        if readable:
            self._fill()
        reply = self._stops.pop(0) if self._stops else self._take()
        return reply is not None and self._is_stop(reply)

    def _ask(self, payload: bytes) -> bytes:
        self._send(framed(payload))
        while (reply := self._receive())[:1] in _STOPPED + _ENDED:
            self._stops.append(reply)
        if reply[:1] == b"E":
            raise GdbError(f"{payload[:40]!r}: {reply.decode()}")
        return reply

    def _receive(self) -> bytes:
        while (payload := self._take()) is None:
            self._fill()
        return payload

    def _take(self) -> bytes | None:
        found = unframed(self._received)
        if found is None:
            return None
        payload, self._received = found
        self._send(b"+")
        return payload

    def _fill(self) -> None:
        try:
            data = self._stream.recv(65536)
        except ConnectionError as error:
            raise GuestEnded from error
        if not data:
            raise GuestEnded
        self._received += data

    def _send(self, data: bytes) -> None:
        try:
            self._stream.sendall(data)
        except OSError as error:
            raise GuestEnded from error

    @staticmethod
    def _is_stop(reply: bytes) -> bool:
        if reply[:1] in _ENDED:
            raise GuestEnded
        return reply[:1] in _STOPPED
