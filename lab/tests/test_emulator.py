import struct

import pytest

from lab.ap_hardware import ApHardware
from lab.emulator import SYMBOLS, Emulator, StoreFacilities, facility_stores
from lab.gdb_remote import GdbError, Registers

ILLEGAL_OP, CONFIGURE, DECONFIGURE = 0x1000, 0x2000, 0x3000
FRAME, CODE, CALLER = 0x8000, 0x9000, 0x4444
PROBLEM_STATE = 1 << 48
PQAP = bytes.fromhex("b2af0000")
PLO = bytes.fromhex("ee0400001000")


class Guest:
    """A guest that stands still, with some memory."""

    def __init__(self) -> None:
        self.memory = bytearray(0x10000)
        self.breakpoints: set[int] = set()
        self.written: dict[int, int] = {}
        self.steps = 0
        self.now = Registers(0, (0,) * 16)

    def stop(self, address: int, **gprs: int) -> None:
        """Stand at `address`; `r2=5` sets a register."""
        self.now = Registers(address, tuple(gprs.get(f"r{number}", 0) for number in range(16)))

    def insert_breakpoint(self, address: int) -> None:
        self.breakpoints.add(address)

    def remove_breakpoint(self, address: int) -> None:
        self.breakpoints.remove(address)

    def registers(self) -> Registers:
        return self.now

    def write_register(self, number: int, value: int) -> None:
        self.written[number] = value

    def read_memory(self, address: int, length: int) -> bytes:
        if address + length > len(self.memory):
            raise GdbError("E14")
        return bytes(self.memory[address : address + length])

    def write_memory(self, address: int, content: bytes) -> None:
        self.memory[address : address + len(content)] = content

    def step(self) -> None:
        self.steps += 1


@pytest.fixture
def guest() -> Guest:
    """A guest."""
    return Guest()


@pytest.fixture
def hardware() -> ApHardware:
    """The default hardware."""
    return ApHardware()


@pytest.fixture
def emulator(guest: Guest, hardware: ApHardware) -> Emulator:
    """An emulator for both."""
    symbols = dict(zip(SYMBOLS, (ILLEGAL_OP, CONFIGURE, DECONFIGURE), strict=True))
    return Emulator(guest, hardware, symbols, lambda _: None)


def except_at(guest: Guest, code: bytes, gprs: list[int], mask: int = 0) -> None:
    """Let `guest` stand in its handler for an operation exception of the instruction `code`."""
    after = CODE + len(code)
    guest.write_memory(CODE, code)
    gprs += [0] * (16 - len(gprs))
    frame = struct.pack(">QQQ16QQHHI", 0, mask, after, *gprs, 0, len(code), 1, 0)
    guest.write_memory(FRAME, frame)
    guest.stop(ILLEGAL_OP, r2=FRAME, r14=CALLER)


def saved(guest: Guest) -> tuple[int, ...]:
    """Condition code and general registers 0 to 2 of the interrupted code."""
    mask, _, *gprs = struct.unpack_from(">QQ3Q", guest.memory, FRAME + 8)
    return (mask >> 44 & 3, *gprs)


def test_an_ap_instruction_of_the_kernel_has_worked_when_the_handler_returns(guest: Guest, emulator: Emulator) -> None:
    """TAPQ of 05.0004: condition code 0, the status in register 1, the facts in register 2."""
    except_at(guest, PQAP, [5 << 8 | 4, 0xBAD, 0xBAD])

    emulator.on_stop()

    condition, first, status, facts = saved(guest)
    assert (condition, first, status) == (0, 5 << 8 | 4, 1 << 31)
    assert facts >> 24 & 0xFF == 13
    assert guest.written == {1: CALLER}
    assert emulator.traps == {"pqap-0": 1}


def test_the_configuration_goes_where_register_2_points(guest: Guest, emulator: Emulator) -> None:
    """QCI stores 128 bytes."""
    except_at(guest, PQAP, [4 << 24, 0, 0x5000])

    emulator.on_stop()

    assert guest.read_memory(0x5000 + 4, 2) == bytes([255, 84])


def test_a_kernel_that_asks_for_plo_functions_is_told_there_are_none(guest: Guest, emulator: Emulator) -> None:
    """kvm.ko asks, and TCG has no PLO."""
    except_at(guest, PLO, [0x100])

    emulator.on_stop()

    assert saved(guest)[0] == 3
    assert emulator.traps == {"plo": 1}


@pytest.mark.parametrize(
    ("code", "mask"),
    [(PQAP, PROBLEM_STATE), (bytes.fromhex("b2fe0000"), 0), (bytes.fromhex("eb00b2af0000"), 0), (b"", 0)],
    ids=["program", "other instruction", "six bytes with an opcode inside", "unknown length"],
)
def test_a_foreign_exception_is_left_to_the_kernel(guest: Guest, emulator: Emulator, code: bytes, mask: int) -> None:
    """The handler goes on as if nobody had looked."""
    except_at(guest, code, [], mask)
    guest.breakpoints = {ILLEGAL_OP}
    before = bytes(guest.memory)

    emulator.on_stop()

    assert guest.memory == before
    assert not guest.written
    assert (guest.steps, guest.breakpoints) == (1, {ILLEGAL_OP})
    assert emulator.traps == {"foreign": 1}


@pytest.mark.parametrize(("function", "configured"), [(CONFIGURE, True), (DECONFIGURE, False)])
def test_sclp_configures_an_adapter(
    guest: Guest, hardware: ApHardware, emulator: Emulator, function: int, configured: bool
) -> None:
    """Chzcrypt --config-on and --config-off end up here."""
    guest.stop(function, r2=5, r14=CALLER)

    emulator.on_stop()

    assert hardware.cards[5].configured is configured
    assert guest.written == {1: CALLER, 4: 0}


def test_sclp_refuses_an_adapter_that_is_not_there(guest: Guest, emulator: Emulator) -> None:
    """The kernel's function returns -EIO."""
    guest.stop(CONFIGURE, r2=99, r14=CALLER)

    emulator.on_stop()

    assert guest.written == {1: CALLER, 4: -5}


def test_facilities_are_added_behind_each_stfle_of_the_boot_code(guest: Guest, emulator: Emulator) -> None:
    """Bits 12 and 15 of the list that the instruction has just stored; once."""
    image = bytes(0x10100) + bytes.fromhex("b2b01234") + bytes(0x100)
    emulator.arm(image)
    guest.memory[0x5234 + 1] = 0b11000000
    guest.stop(0x10104, r1=0x5000)

    emulator.on_stop()

    assert guest.memory[0x5234 + 1] == 0b11001001
    assert guest.breakpoints == {ILLEGAL_OP, CONFIGURE, DECONFIGURE}


def test_only_even_addresses_of_the_boot_code_hold_instructions() -> None:
    """What looks like STFLE elsewhere is data."""
    image = bytearray(0x110000)
    for position in (0x8000, 0x10001, 0x20000, 0x100000):
        image[position : position + 4] = bytes.fromhex("b2b0f0ff")

    assert facility_stores(bytes(image)) == [StoreFacilities(0x20000, 15, 0x0FF)]


def test_a_stop_that_nobody_asked_for_is_stepped_over(guest: Guest, emulator: Emulator) -> None:
    """The guest goes on."""
    guest.breakpoints = {0x7777}
    guest.stop(0x7777)

    emulator.on_stop()

    assert guest.steps == 1
