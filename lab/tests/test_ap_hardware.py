import json
from pathlib import Path

import pytest

from lab.ap_hardware import ApHardware, Card, HardwareError


def test_the_default_hardware_is_what_the_transcripts_were_recorded_with() -> None:
    """Four adapters of three modes, four usage domains, one more control domain."""
    hardware = ApHardware()

    assert sorted(hardware.cards) == [5, 6, 7, 10]
    assert {card.mode for card in hardware.cards.values()} == {"cca", "ep11", "accelerator"}
    assert hardware.usage == {4, 5, 6, 0x47}
    assert hardware.control == {4, 5, 6, 0x47, 0x48}


def test_a_description_builds_the_same_hardware_again() -> None:
    """What is shown can be kept in a file and used."""
    hardware = ApHardware()
    hardware.change({"op": "set", "adapter": 5, "configured": False})

    again = ApHardware(json.loads(json.dumps(hardware.description())))

    assert again.description() == hardware.description()


def test_numbers_may_be_written_as_text() -> None:
    """People think of domains in hex."""
    hardware = ApHardware({"adapters": {"0x0a": {"type": "0x0e"}}, "usage_domains": ["0x47"]})

    assert hardware.cards == {10: Card(type=14)}
    assert hardware.usage == {71}


def test_a_card_is_plugged_changed_and_unplugged() -> None:
    """Details that are not named keep what they are, or their default."""
    hardware = ApHardware({})

    hardware.change({"op": "plug", "adapter": "9", "type": "CEX8", "mode": "ep11"})
    hardware.change({"op": "set", "adapter": 9, "checkstopped": True})

    assert hardware.cards[9] == Card(14, "ep11", checkstopped=True)

    hardware.change({"op": "unplug", "adapter": 9})

    assert not hardware.cards


def test_restore_brings_back_the_start() -> None:
    """Scenarios begin with what the description says."""
    hardware = ApHardware()
    before = hardware.description()
    hardware.change({"op": "unplug", "adapter": 5})
    hardware.change({"op": "domains", "usage": [4], "control": []})

    hardware.change({"op": "restore"})

    assert hardware.description() == before == hardware.change({"op": "show"})


def test_domains_that_are_not_named_stay() -> None:
    """Usage and control domains change apart from each other."""
    hardware = ApHardware()

    hardware.change({"op": "domains", "control": [1]})

    assert hardware.usage == {4, 5, 6, 0x47}
    assert hardware.control == {1}


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"op": "explode"},
        {"op": "plug"},
        {"op": "plug", "adapter": 256},
        {"op": "plug", "adapter": True},
        {"op": "plug", "adapter": "five"},
        {"op": "plug", "adapter": 9, "mode": "tea"},
        {"op": "plug", "adapter": 9, "colour": "red"},
        {"op": "plug", "adapter": 9, "configured": "false"},
        {"op": "unplug", "adapter": 9},
        {"op": "set", "adapter": 9, "configured": True},
        {"op": "domains", "usage": 4},
        {"op": "domains", "usage": [85]},
        {"op": "domains", "usage": [4], "control": [85]},
        {"op": "domains", "other": []},
    ],
)
def test_a_request_that_makes_no_sense_changes_nothing(request_: dict[str, object]) -> None:
    """All of it is checked before any of it is done."""
    hardware = ApHardware()
    before = hardware.description()

    with pytest.raises(HardwareError):
        hardware.change(request_)

    assert hardware.description() == before


@pytest.mark.parametrize(
    "description", [{"adaptors": {}}, {"adapters": []}, {"adapters": {"5": 5}}, {"max_domain": 256}]
)
def test_a_strange_description_is_refused(description: dict[str, object]) -> None:
    """A typing error would otherwise be hardware that is missing."""
    with pytest.raises(HardwareError):
        ApHardware(description)


@pytest.mark.parametrize(("name", "text"), [("hw.json", '{"max_domain": 15}'), ("hw.yaml", "max_domain: 15\n")])
def test_descriptions_are_read_from_json_or_yaml(tmp_path: Path, name: str, text: str) -> None:
    """The file's name says which."""
    (tmp_path / name).write_text(text, encoding="utf-8")

    assert ApHardware.from_file(tmp_path / name).max_domain == 15


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    """The message names the file."""
    path = tmp_path / "hw.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(HardwareError, match=r"hw\.json"):
        ApHardware.from_file(path)
