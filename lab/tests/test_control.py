import json

import pytest

from lab.ap_hardware import ApHardware
from lab.control import Control, parsed_request


@pytest.fixture
def hardware() -> ApHardware:
    """The default hardware."""
    return ApHardware()


@pytest.fixture
def control(hardware: ApHardware) -> Control:
    """Requests to it, at second 7."""
    return Control(hardware, lambda: 7.0, lambda _: None)


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        (b"show", {"op": "show"}),
        (b"unplug 9\n", {"op": "unplug", "adapter": "9"}),
        (b"plug 9 type=CEX8 mode=ep11", {"op": "plug", "adapter": "9", "type": "CEX8", "mode": "ep11"}),
        (b"set 9 configured=false", {"op": "set", "adapter": "9", "configured": False}),
        (b"domains usage=4,0x47 control=", {"op": "domains", "usage": ["4", "0x47"], "control": []}),
        (b'{"op": "unplug", "adapter": 9}', {"op": "unplug", "adapter": 9}),
    ],
)
def test_a_request_is_words_or_json(line: bytes, request_: dict[str, object]) -> None:
    """People write words, programs JSON."""
    assert parsed_request(line) == request_


def test_a_request_changes_the_hardware(hardware: ApHardware, control: Control) -> None:
    """The answer says that it did."""
    answer = control.answer(b"unplug 5")

    assert answer == b'{"ok": true}\n'
    assert 5 not in hardware.cards


@pytest.mark.parametrize("line", [b"", b"{", b"\xff", b"unplug 99", b"exit", b'{"op": "exit", "status": "x"}'])
def test_a_request_that_makes_no_sense_is_answered_with_an_error(control: Control, line: bytes) -> None:
    """The lab goes on."""
    assert "error" in json.loads(control.answer(line))
    assert control.exit_status is None


def test_the_guest_tells_how_far_it_is(control: Control) -> None:
    """Its scripts pass milestones and end with the command's status."""
    control.answer(b'{"op": "milestone", "name": "command"}')
    control.answer(b'{"op": "exit", "status": 3}')

    assert control.milestones == {"command": 7.0}
    assert control.exit_status == 3


def test_the_guest_asks_whether_its_results_are_here(hardware: ApHardware) -> None:
    """It waits for that before it powers off, since what is on its way then is lost."""
    received = [99]
    control = Control(hardware, lambda: 0.0, lambda _: None, received.pop)

    assert "error" in json.loads(Control(hardware, lambda: 0.0, lambda _: None).answer(b"received bytes=100"))
    assert control.answer(b"received bytes=99") == b'{"ok": true}\n'
