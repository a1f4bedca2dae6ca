import pytest

from lab import ap_instructions as ap
from lab.ap_hardware import ApHardware

ENABLE = 1 << 47


def gr0(function: int, adapter: int = 5, domain: int = 4) -> int:
    """General register 0 for a function on a queue."""
    return function << 24 | adapter << 8 | domain


def code_of(answer: ap.Answer) -> int:
    """The response code in the status word."""
    return answer.registers[1] >> 16 & 0xFF


@pytest.fixture
def hardware() -> ApHardware:
    """The default hardware."""
    return ApHardware()


@pytest.fixture
def instructions(hardware: ApHardware) -> ap.ApInstructions:
    """The instructions of that."""
    return ap.ApInstructions(hardware)


def test_a_queue_that_is_there_tells_its_type_mode_and_depth(instructions: ap.ApInstructions) -> None:
    """TAPQ of a CCA coprocessor: empty, nothing wrong, type 13, eight requests."""
    answer = instructions.pqap(gr0(ap.TEST_QUEUE), 0)

    assert answer.condition == 0
    assert answer.registers[1] == 1 << 31
    facts = answer.registers[2]
    assert facts >> 32 & 0x10000000
    assert facts >> 24 & 0xFF == 13
    assert facts >> 16 & 0xFF == 84
    assert facts & 0xFF == 7


@pytest.mark.parametrize(("adapter", "domain"), [(99, 4), (5, 80)])
def test_a_queue_is_there_only_with_its_adapter_and_its_domain(
    instructions: ap.ApInstructions, adapter: int, domain: int
) -> None:
    """Either alone is nothing."""
    answer = instructions.pqap(gr0(ap.TEST_QUEUE, adapter, domain), 0)

    assert answer.condition == 3
    assert code_of(answer) == ap.QUEUE_NOT_AVAILABLE
    assert answer.registers[2] == 0


@pytest.mark.parametrize(
    ("change", "code"), [({"configured": False}, ap.DECONFIGURED), ({"checkstopped": True}, ap.CHECKSTOPPED)]
)
def test_a_card_in_another_state_still_tells_what_it_is(
    hardware: ApHardware, instructions: ap.ApInstructions, change: dict[str, bool], code: int
) -> None:
    """The AP bus keeps such cards and shows their state."""
    hardware.change({"op": "set", "adapter": 5, **change})

    answer = instructions.pqap(gr0(ap.TEST_QUEUE), 0)

    assert answer.condition == 3
    assert code_of(answer) == code
    assert answer.registers[2]


def test_the_configuration_block_has_limits_and_masks(instructions: ap.ApInstructions) -> None:
    """QCI: bit 0 of each mask is its leftmost."""
    answer = instructions.pqap(gr0(ap.QUERY_CONFIGURATION), 0)

    assert answer.condition == 0
    assert len(answer.block) == 128
    assert answer.block[4:6] == bytes([255, 84])
    assert answer.block[16:18] == bytes([0b00000111, 0b00100000])  # adapters 5, 6, 7 and 10
    assert answer.block[48] == 0b00001110  # usage domains 4, 5, 6
    assert answer.block[56] == 0b00000001  # and 71
    assert answer.block[80 + 9] == 0b10000000  # control domain 72


def test_interrupts_are_switched_once_and_a_reset_forgets_them(instructions: ap.ApInstructions) -> None:
    """Asking again for what is already so is told apart."""
    first = instructions.pqap(gr0(ap.INTERRUPT_CONTROL), ENABLE)
    second = instructions.pqap(gr0(ap.INTERRUPT_CONTROL), ENABLE)
    reset = instructions.pqap(gr0(ap.ZEROIZE), 0)
    after = instructions.pqap(gr0(ap.INTERRUPT_CONTROL), 0)

    assert (first.condition, first.registers[1] >> 24 & 1) == (0, 1)
    assert code_of(second) == ap.OTHERWISE_CHANGED
    assert (reset.condition, reset.registers[1] >> 24 & 1) == (0, 0)
    assert code_of(after) == ap.OTHERWISE_CHANGED


def test_a_function_that_is_not_there_is_refused(instructions: ap.ApInstructions) -> None:
    """Secure execution's bind and associate, for example."""
    assert code_of(instructions.pqap(gr0(6), 0)) == ap.INVALID_FUNCTION


def test_no_request_is_taken_and_no_reply_is_there(instructions: ap.ApInstructions) -> None:
    """The adapters are there to be given away, not to work."""
    assert code_of(instructions.nqap()) == ap.FACILITY_NOT_INSTALLED
    assert code_of(instructions.dqap()) == ap.NO_PENDING_REPLY
