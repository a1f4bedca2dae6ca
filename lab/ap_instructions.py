"""What the AP instructions answer, as far as Linux' AP bus, zcrypt and vfio_ap use them.

Sources: arch/s390/include/asm/ap.h (registers, status word, configuration block), ap_bus.c, ap_queue.c. Nothing here
knows how an instruction gets here.
"""

from typing import Final, NamedTuple

from lab.ap_hardware import ApHardware

NORMAL: Final = 0x00
QUEUE_NOT_AVAILABLE: Final = 0x01
DECONFIGURED: Final = 0x03
CHECKSTOPPED: Final = 0x04
INVALID_FUNCTION: Final = 0x05
OTHERWISE_CHANGED: Final = 0x07
NO_PENDING_REPLY: Final = 0x10
FACILITY_NOT_INSTALLED: Final = 0x16

TEST_QUEUE: Final = 0
RESET: Final = 1
ZEROIZE: Final = 2
INTERRUPT_CONTROL: Final = 3
QUERY_CONFIGURATION: Final = 4

# Of the word that TEST_QUEUE gives: special command, messages of 4 KiB, extended addressing (256 adapters and domains).
_FACILITIES: Final = 0x80000000 | 0x40000000 | 0x20000000 | 0x02000000
_MODES: Final = {"cca": 0x10000000, "accelerator": 0x08000000, "ep11": 0x04000000}
# Of the status word.
_EMPTY: Final = 1 << 31
_INTERRUPTS_ENABLED: Final = 1 << 24


class Answer(NamedTuple):
    """What an instruction leaves behind.

    Attributes:
        condition: the condition code, 0 to 3.
        registers: general registers that change, by number.
        block: what is stored at the address in general register 2; empty for nothing.
    """

    condition: int
    registers: dict[int, int]
    block: bytes = b""


class ApInstructions:
    """PQAP, NQAP and DQAP of a partition with `hardware`. Arguments are general registers 0 and 1."""

    def __init__(self, hardware: ApHardware) -> None:
        self._hardware = hardware
        self._interrupting: set[tuple[int, int]] = set()

    def pqap(self, gr0: int, gr1: int) -> Answer:
        """Process adjunct processor queue: the functions above, anything else is refused."""
        function = gr0 >> 24 & 0xFF
        if function == QUERY_CONFIGURATION:
            return Answer(0, {}, self.configuration_block())
        queue = (gr0 >> 8 & 0xFF, gr0 & 0xFF)
        code = self._state_of(*queue)
        registers = {}
        if function == TEST_QUEUE:
            registers[2] = self._facts_of(*queue)
        elif function in {RESET, ZEROIZE}:
            self._interrupting.discard(queue)
        elif function == INTERRUPT_CONTROL:
            code = code or self._control_interrupts(queue, enable=bool(gr1 >> 47 & 1))
        else:
            code = INVALID_FUNCTION
        registers[1] = _EMPTY | code << 16 | (_INTERRUPTS_ENABLED if queue in self._interrupting else 0)
        return Answer(3 if code else 0, registers)

    def nqap(self) -> Answer:
        """Enqueue a request: refused, the adapter cannot do it."""
        return Answer(3, {1: _EMPTY | FACILITY_NOT_INSTALLED << 16})

    def dqap(self) -> Answer:
        """Dequeue a reply: there is never one."""
        return Answer(3, {1: _EMPTY | NO_PENDING_REPLY << 16})

    def configuration_block(self) -> bytes:
        """The 128 bytes of QUERY_CONFIGURATION: limits and the masks of adapters, usage and control domains."""
        block = bytearray(128)
        block[0] = 0xC0  # special command, extended addressing
        block[4] = self._hardware.max_adapter
        block[5] = self._hardware.max_domain
        for offset, ids in ((16, self._hardware.cards), (48, self._hardware.usage), (80, self._hardware.control)):
            for one in ids:
                block[offset + one // 8] |= 0x80 >> one % 8
        return bytes(block)

    def _state_of(self, adapter: int, domain: int) -> int:
        card = self._hardware.cards.get(adapter)
        if card is None or domain not in self._hardware.usage:
            return QUEUE_NOT_AVAILABLE
        if not card.configured:
            return DECONFIGURED
        return CHECKSTOPPED if card.checkstopped else NORMAL

    def _facts_of(self, adapter: int, domain: int) -> int:
        card = self._hardware.cards.get(adapter)
        if card is None or domain not in self._hardware.usage:
            return 0
        facilities = _FACILITIES | _MODES[card.mode]
        return facilities << 32 | card.type << 24 | self._hardware.max_domain << 16 | card.depth - 1

    def _control_interrupts(self, queue: tuple[int, int], *, enable: bool) -> int:
        if enable == (queue in self._interrupting):
            return OTHERWISE_CHANGED
        self._interrupting ^= {queue}
        return NORMAL
