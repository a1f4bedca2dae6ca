"""Ids and queues that were typed in the other base than they are read in."""

import json
import shlex
from pathlib import Path

import pytest

from testing.commands import Command, change, example

NOTE = "domain 47 of guest 'guest2' is 0x2f, which this host does not have; it has 0x47: write 0x47 if that is meant"
DECIMAL = "domains: [47, 0xff]"
HEX = "domains: [0x47, 0xff]"


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` on a fresh copy of the three guests."""
    return example("three-guests", tmp_path, capsys)


def in_one_line(text: str) -> str:
    """`text` without its line breaks."""
    return " ".join(text.split())


@pytest.mark.parametrize("form", ["text", "wide", "diff", "markdown", "json"])
def test_a_plan_says_so_in_every_form(command: Command, form: str) -> None:
    """With one note."""
    change(command, HEX, DECIMAL)

    ran = command("plan", "-o", form)

    assert (ran.code, in_one_line(ran.out + ran.err).count(NOTE)) == (0, 1)


def test_it_is_said_of_hex_that_may_be_decimal(command: Command) -> None:
    """The other way round."""
    change(command, HEX, "domains: [0x71, 0xff]")

    said = in_one_line(command("plan").out)

    assert "domain 0x71 of guest 'guest2' is 113, which this host does not have; it has 71 (0x47): write 71 if" in said


def test_it_is_said_beside_errors(command: Command) -> None:
    """Of which it may be the cause."""
    change(command, HEX, f"{DECIMAL}\n  presence: required")

    ran = command("plan")

    assert (ran.code, "error[required-absent]" in ran.err, NOTE in in_one_line(ran.out)) == (4, True, True)


def test_a_status_says_it_of_the_host_and_of_that_guest(command: Command) -> None:
    """Not of another one."""
    change(command, HEX, DECIMAL)
    command("apply", "--yes")

    for words, count in (((), 1), (("guest2",), 1), (("guest1",), 0), (("guest1", "guest2"), 1), (("-o", "wide"), 1)):
        assert in_one_line(command("status", *words).out).count(NOTE) == count, words
    assert json.loads(command("status", "-o", "json").out)["notes"] == [NOTE]
    assert json.loads(command("status", "guest1", "-o", "json").out)["notes"] == []


@pytest.mark.parametrize("entry", ["0x2f", "0x47", "71", "4", "50", "4-50", "0x40-0x50"])
def test_it_is_not_said_of_hex_of_what_is_there_and_of_what_is_nowhere(command: Command, entry: str) -> None:
    """Nor of a range of which a part is there."""
    change(command, HEX, f"domains: [{entry}]")
    change(command, "domains: [0x47, 0xff]", "domains: [0xff]")

    notes = json.loads(command("plan", "-o", "json").out)["notes"]

    assert notes == []


def test_a_pool_is_looked_at_as_well(command: Command) -> None:
    """It names the Host."""
    host = command.directory / "host.yaml"
    host.write_text(host.read_text().replace("  keep:", "  pool: {domains: [47, 0xab, 0xff, 4]}\n  keep:"))

    assert "Note: domain 47 of host 'lpar7' is 0x2f, which" in in_one_line(command("plan").out)


@pytest.mark.parametrize("name", ["status", "matrix"])
def test_a_queue_in_decimal_gets_a_hint(command: Command, name: str) -> None:
    """Where there is no queue with these digits in hex, and one with these in decimal; one that is there gets none."""
    ran = in_one_line(command(name, "05.0071").out)
    assert "05.0071: there is no such queue on this host now (domain 0x71 (113) is not present)" in ran
    assert "Queues are in hex: if decimal is meant, write 05.0047" in ran

    for queue in ("05.0047", "05.0050", "09.0099"):
        assert "decimal is meant" not in in_one_line(command(name, queue).out)


def test_programs_get_the_queue_that_may_be_meant(command: Command) -> None:
    """Or null."""
    queues = json.loads(command("status", "05.0071", "05.0047", "-o", "json").out)["queues"]

    assert [(one["queue"], one["inDecimal"]) for one in queues] == [("05.0071", "05.0047"), ("05.0047", None)]


@pytest.mark.parametrize("name", ["status", "matrix"])
@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("05.71", ["05.0047    # adapter 0x05 (5), domain 0x47 (71): on this host", "05.0071    # adapter 0x05 (5), "]),
        ("5.47", ["05.0047    # adapter 0x05 (5), domain 0x47 (71): on this host", "05.002f    # adapter 0x05 (5), "]),
        ("5:0x47", ["05.0047    # adapter 0x05 (5), domain 0x47 (71): on this host"]),
        ("05.0171", ["05.00ab    # adapter 0x05 (5), domain 0xab (171): on this host"]),
        ("9.9", ["09.0009    # adapter 0x09 (9), domain 0x09 (9): not on this host now"]),
        ("200.0004", ["c8.0004    # adapter 0xc8 (200), domain 0x04 (4): not on this host now"]),
    ],
)
def test_a_queue_in_a_short_form_is_answered_with_what_it_may_mean(
    command: Command, name: str, typed: str, meant: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In hex and in decimal, what the host has first; each is a command that works."""
    monkeypatch.setenv("COLUMNS", "1000")

    ran = command(name, "guest1", typed)

    said, *lines = ran.err.splitlines()
    assert (ran.code, ran.out) == (64, "")
    assert said == f"Error: {typed} is no queue: write a queue as AA.DDDD, two ids in hex from 00 to ff"
    assert len(lines) == len(meant)
    for line, one in zip(lines, meant, strict=True):
        assert line.partition(" guest1 ")[2].startswith(one)
        words = shlex.split(line.removeprefix("  next: ").partition("    #")[0])
        assert command.bare(*words[1:]).code == 0


@pytest.mark.parametrize("typed", ["0047", ".0047", ".47", "*.47"])
def test_a_domain_alone_is_answered_with_its_queues(command: Command, typed: str) -> None:
    """A queue is a card and a domain; each card here has this one."""
    ran = command("status", typed)

    assert ran.code == 64
    assert f"{typed} is a domain alone; a queue is a card and a domain, AA.DDDD" in ran.err
    (line,) = [one.removeprefix("  next: ") for one in ran.err.splitlines() if one.startswith("  next: ")]
    shown = command.bare(*shlex.split(line.partition("    #")[0])[1:])
    assert shown.code == 0
    assert all(f"{card}.0047" in shown.out for card in ("04", "05", "06"))


def test_a_domain_that_no_card_has_is_said_to_be_nowhere(command: Command) -> None:
    """Without a command, as none would show anything."""
    ran = command("status", ".0010")

    assert "No queue of this domain is on this host now" in ran.err
    assert "next:" not in ran.err


@pytest.mark.parametrize("typed", ["05.0999", "05.0fab", "300.4"])
def test_a_queue_that_can_mean_none_is_answered_with_one_of_the_host(command: Command, typed: str) -> None:
    """As an example of how a queue is written."""
    ran = command("status", typed)

    said = f"Error: {typed} is no queue: write a queue as AA.DDDD, two ids in hex from 00 to ff, for example 04.0004"
    assert (ran.code, in_one_line(ran.err)) == (64, said)
