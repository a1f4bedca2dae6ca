"""`reconcile simulate` speaks of guests and cards by their names."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from testing.commands import Command, Ran, example

UUID = "3783d4a7-df47-58ab-bed9-cee63c6e6f5e"
"""The device of guest1."""

OTHER = "00000000-0000-4000-8000-00000000000a"


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` on a fresh copy of the three guests."""
    return example("three-guests", tmp_path, capsys)


def simulate(command: Command, *words: str) -> tuple[int, str]:
    """The exit code, and what is shown or refused."""
    ran = command("simulate", *words)
    return ran.code, ran.out or " ".join(ran.err.partition("Error: ")[2].partition("\n  next: ")[0].split())


@pytest.mark.parametrize("written", ["guest1", UUID, UUID.upper()])
@pytest.mark.parametrize(
    ("before", "verb", "why"),
    [
        ((), "stop", "guest1: no VM has its device open"),
        (("start",), "start", "guest1: a VM has its device open already"),
        (("unload",), "start", "guest1: it has no device on the simulated host"),
    ],
)
def test_a_vm_that_cannot_start_or_stop_is_named_by_its_guest(
    command: Command, before: Sequence[str], verb: str, why: str, written: str
) -> None:
    """However it was written."""
    command("apply", "--yes")
    for one in before:
        assert simulate(command, one, *(["guest1"] if one == "start" else []))[0] == 0

    assert simulate(command, verb, written) == (64, why)


def test_a_device_that_is_no_guests_keeps_its_uuid(command: Command) -> None:
    """There is no other name for it."""
    assert simulate(command, "start", OTHER) == (64, f"{OTHER}: it has no device on the simulated host")


@pytest.mark.parametrize("request_words", [(), ("start", "guest1")])
def test_a_simulated_host_that_is_given_as_a_word_gets_the_command(
    command: Command, request_words: tuple[str, ...]
) -> None:
    """It is named by an option, as everywhere."""
    ran = command.bare("simulate", str(command.simulated_host), *request_words)

    assert ran.code == 64
    line = ran.err.rpartition("  next: ")[2]
    assert command.bare(*shlex.split(line)[1:]).code in (0, 64)
    assert shlex.split(line)[1:] == ["simulate", "--simulate", str(command.simulated_host), *request_words]


def test_guests_and_cards_are_shown_by_name(command: Command) -> None:
    """A card with its type and mode, in the words of a request; a guest before its uuid."""
    command("apply", "--yes")
    code, shown = simulate(command, "start", "guest1")

    assert code == 0
    assert f"  guest guest1  {UUID} (a VM has it open)\n" in shown
    assert "  card05     CEX5 in mode cca\n" in shown
    assert "hwtype" not in shown


def test_a_card_is_not_replaced_by_mistake(command: Command) -> None:
    """It is refused with what is there; asked for by name it is done."""
    code, why = simulate(command, "plug", "5", "type=CEX8")
    assert code == 64
    assert "there is a card 5 already, a CEX5 in mode cca" in why

    assert simulate(command, "plug", "5", "type=CEX8", "replace=true")[0] == 0
    assert "card05     CEX8 in mode cca" in simulate(command)[1]


@pytest.mark.parametrize("words", [(), ("reset",), ("unplug", "5")])
def test_damaged_records_keep_nobody_from_the_simulated_host(command: Command, words: tuple[str, ...]) -> None:
    """It is shown with uuids then; `reset` is the way out of it."""
    command("apply", "--yes")
    record = command.simulated_host.with_name("simulated-host.yaml.state") / "inventory.json"
    record.write_text("damaged", encoding="utf-8")

    assert simulate(command, *words)[0] == 0


def next_of(ran: Ran) -> tuple[str, str]:
    """What is said of a request that was refused, and the one command that is offered next."""
    said, line = ran.err.splitlines()
    assert (ran.code, ran.out) == (64, "")
    return said.removeprefix("Error: "), line.removeprefix("  next: ")


@pytest.mark.parametrize(
    ("before", "refused", "instead"),
    [
        (["start guest1"], "start guest1", "stop guest1"),
        ([], "stop guest1", "start guest1"),
        (["unload"], "start guest1", "load"),
        (["start guest1"], "unload", "stop guest1"),
        ([], "plug 5 type=CEX8", "plug 5 type=CEX8 replace=true"),
        ([], "unplgu 5", "unplug 5"),
        ([], "Boot", "boot"),
    ],
)
def test_a_refused_request_is_answered_with_the_one_that_helps(
    command: Command, before: list[str], refused: str, instead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one sentence and one command, which works; how the command is called is not shown."""
    monkeypatch.setenv("COLUMNS", "1000")
    command("apply", "--yes")
    for request in before:
        assert command("simulate", *request.split()).code == 0

    _, line = next_of(command("simulate", *refused.split()))

    assert line.endswith(f" {instead}")
    assert command.bare(*shlex.split(line)[1:]).code == 0


@pytest.mark.parametrize("refused", ["unplug 9", "set 9 configured=true", f"start {OTHER}", f"stop {OTHER}"])
def test_a_request_that_the_host_cannot_meet_is_answered_with_the_host(
    command: Command, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which shows what is there."""
    monkeypatch.setenv("COLUMNS", "1000")
    _, line = next_of(command("simulate", *refused.split()))

    assert line.endswith("    # shows the host")
    assert command.bare(*shlex.split(line.partition("    #")[0])[1:]).out == command("simulate").out


@pytest.mark.parametrize(
    "refused", ["plug", "plug 300", "plug 7 mode=foo", "set 5", "restore now", "xyzzy", "domains use=4", "unplgu"]
)
def test_a_request_that_is_not_understood_is_answered_with_the_list(
    command: Command, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all requests."""
    monkeypatch.setenv("COLUMNS", "1000")
    said, line = next_of(command("simulate", *refused.split()))

    assert said
    assert line == "reconcile simulate --help    # lists the requests"
