"""Give an emulated s390x guest AP instructions, from outside, through the debugger's port.

QEMU's TCG knows no AP instructions. Executing one raises an operation exception, and the guest's kernel calls its
handler ``illegal_op(regs)``. A breakpoint stands on that handler: where the instruction is an AP instruction of the
kernel, it is carried out here on the saved registers and the handler returned from at once. For the kernel the
instruction has worked. One breakpoint covers every place, also in modules.

Two more things have to be there before the kernel believes in AP hardware: the facilities 12 (QCI) and 15 (APFT), which
are added behind every STFLE of the boot code, and the SCLP commands that configure an adapter, which are answered by
breakpoints on their functions.

Sources: arch/s390/kernel/traps.c, arch/s390/include/asm/ptrace.h, drivers/s390/char/sclp_ap.c.
"""

import struct
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

from lab.ap_hardware import ApHardware, HardwareError
from lab.ap_instructions import Answer, ApInstructions
from lab.gdb_remote import FIRST_GPR, PSW_ADDRESS, GdbError, Registers

SYMBOLS: Final = ("illegal_op", "sclp_ap_configure", "sclp_ap_deconfigure")
"""Functions of the kernel whose addresses have to be known."""

_PROBLEM_STATE: Final = 1 << 48  # in the PSW's mask: not the kernel
_CONDITION_SHIFT: Final = 44
_FACILITY_BYTE: Final = 1
_FACILITIES: Final = 0x08 | 0x01  # bits 12 and 15 of the list

_STFLE: Final = b"\xb2\xb0"
_BOOT_CODE: Final = range(0x10000, 0x100000)  # of the kernel image, before it unpacks itself
_PQAP, _NQAP, _DQAP = 0xB2AF, 0xB2AD, 0xB2AE
_PLO, _PLO_TEST = 0xEE, 0x100  # kvm.ko asks which functions there are; TCG lacks the instruction
_NOT_AVAILABLE: Final = Answer(3, {})

_REGS_PSW, _REGS_GPRS, _REGS_CODE, _REGS_SIZE = 8, 24, 160, 164  # offsets in struct pt_regs
_LONGEST_INSTRUCTION: Final = 6
_EIO: Final = 5


class StoreFacilities(NamedTuple):
    """An STFLE instruction: where it is in the image, and the base register and displacement of its operand."""

    address: int
    base: int
    displacement: int


def facility_stores(image: bytes) -> list[StoreFacilities]:
    """The STFLE instructions in the boot code of a kernel image."""
    found = []
    position = image.find(_STFLE, _BOOT_CODE.start, _BOOT_CODE.stop)
    while position >= 0:
        if position % 2 == 0:
            operand = int.from_bytes(image[position + 2 : position + 4])
            found.append(StoreFacilities(position, operand >> 12, operand & 0xFFF))
        position = image.find(_STFLE, position + 1, _BOOT_CODE.stop)
    return found


class StoppedGuest(Protocol):
    """What is needed of `lab.gdb_remote.GdbRemote`."""

    def insert_breakpoint(self, address: int) -> None:
        """Stop whenever the instruction at `address` is about to be executed."""

    def remove_breakpoint(self, address: int) -> None:
        """Take back `insert_breakpoint`."""

    def registers(self) -> Registers:
        """What the CPU has."""

    def write_register(self, number: int, value: int) -> None:
        """Set a register."""

    def read_memory(self, address: int, length: int) -> bytes:
        """Memory, or GdbError where there is none."""

    def write_memory(self, address: int, content: bytes) -> None:
        """Change memory."""

    def step(self) -> None:
        """Execute one instruction."""


class Emulator:
    """Deals with the stops of one guest.

    Attributes:
        traps: how often each kind of stop was met.
    """

    def __init__(
        self, guest: StoppedGuest, hardware: ApHardware, symbols: Mapping[str, int], note: Callable[[str], None]
    ) -> None:
        """Emulate `hardware` for `guest`; `symbols` has `SYMBOLS`, `note` takes lines for a log."""
        self.traps: Counter[str] = Counter()
        self._guest = guest
        self._hardware = hardware
        self._instructions = ApInstructions(hardware)
        self._symbols = symbols
        self._note = note
        self._stores: dict[int, StoreFacilities] = {}

    def arm(self, image: bytes) -> None:
        """Set the breakpoints in a guest that is about to start the kernel `image`."""
        for store in facility_stores(image):
            behind = store.address + 4
            self._stores[behind] = store
            self._guest.insert_breakpoint(behind)
        for name in SYMBOLS:
            self._guest.insert_breakpoint(self._symbols[name])
        self._note(f"armed, {len(self._stores)} STFLE")

    def on_stop(self) -> None:
        """Deal with a guest that has stopped, so that it can be resumed."""
        registers = self._guest.registers()
        if registers.address == self._symbols["illegal_op"]:
            self._illegal_op(registers)
        elif registers.address == self._symbols["sclp_ap_configure"]:
            self._configure(registers, configured=True)
        elif registers.address == self._symbols["sclp_ap_deconfigure"]:
            self._configure(registers, configured=False)
        elif registers.address in self._stores:
            self._add_facilities(registers)
        else:
            self._note(f"unexpected stop at {registers.address:#x}")
            self._step_over(registers.address)

    def _step_over(self, address: int) -> None:
        self._guest.remove_breakpoint(address)
        self._guest.step()
        self._guest.insert_breakpoint(address)

    def _return(self, registers: Registers) -> None:
        self._guest.write_register(PSW_ADDRESS, registers.gprs[14])

    def _add_facilities(self, registers: Registers) -> None:
        store = self._stores[registers.address]
        target = store.displacement + (registers.gprs[store.base] if store.base else 0) + _FACILITY_BYTE
        before = self._guest.read_memory(target, 1)[0]
        self._guest.write_memory(target, bytes([before | _FACILITIES]))
        self._guest.remove_breakpoint(registers.address)
        self.traps["stfle"] += 1
        self._note(f"facilities at {target:#x}")

    def _configure(self, registers: Registers, *, configured: bool) -> None:
        adapter = registers.gprs[2] & 0xFF
        try:
            self._hardware.change({"op": "set", "adapter": adapter, "configured": configured})
            result = 0
        except HardwareError:
            result = -_EIO
        self.traps["sclp"] += 1
        self._note(f"SCLP: adapter {adapter} configured={configured}: {result}")
        self._guest.write_register(FIRST_GPR + 2, result)
        self._return(registers)

    def _illegal_op(self, registers: Registers) -> None:
        saved = registers.gprs[2]
        if self._emulate(saved, self._guest.read_memory(saved, _REGS_SIZE)):
            self._return(registers)
        else:
            self._step_over(registers.address)

    def _emulate(self, saved: int, frame: bytes) -> bool:
        """Carry out the instruction that caused the exception on the registers at `saved`; False for a foreign one."""
        mask, after = struct.unpack_from(">QQ", frame, _REGS_PSW)
        gprs = list(struct.unpack_from(">16Q", frame, _REGS_GPRS))
        code = b"" if mask & _PROBLEM_STATE else self._instruction(frame, after)
        answer = self._execute(code, gprs)
        if answer is None:
            self.traps["foreign"] += 1
            self._note(f"foreign operation exception before {after:#x}: {code.hex() or 'of a program'}")
            return False
        if answer.block:
            self._guest.write_memory(gprs[2], answer.block)
        for number, value in answer.registers.items():
            gprs[number] = value
        mask = mask & ~(3 << _CONDITION_SHIFT) | answer.condition << _CONDITION_SHIFT
        # Registers above 2 never change, so they need no write.
        self._guest.write_memory(saved + _REGS_PSW, struct.pack(">QQ3Q", mask, after, *gprs[:3]))
        return True

    def _instruction(self, frame: bytes, after: int) -> bytes:
        """The instruction that ends at `after`; empty where it cannot be read."""
        length = min(frame[_REGS_CODE + 1], _LONGEST_INSTRUCTION)
        try:
            return self._guest.read_memory(after - length, length) if length else b""
        except GdbError:
            return b""

    def _execute(self, code: bytes, gprs: list[int]) -> Answer | None:
        match int.from_bytes(code[:2]):
            case opcode if opcode == _PQAP:
                self.traps[f"pqap-{gprs[0] >> 24 & 0xFF}"] += 1
                return self._instructions.pqap(gprs[0], gprs[1])
            case opcode if opcode == _NQAP:
                self.traps["nqap"] += 1
                return self._instructions.nqap()
            case opcode if opcode == _DQAP:
                self.traps["dqap"] += 1
                return self._instructions.dqap()
            case opcode if opcode >> 8 == _PLO and gprs[0] & _PLO_TEST:
                self.traps["plo"] += 1
                return _NOT_AVAILABLE
        return None
