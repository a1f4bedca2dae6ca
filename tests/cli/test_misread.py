"""Ids and queues that were typed in the other base than they are read in."""

import json
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


@pytest.mark.parametrize(
    ("typed", "example"),
    [
        ("05.0171", "05.00ab if decimal is meant"),
        ("5.255", "05.00ff if decimal is meant"),
        ("200.0004", "c8.0004 if decimal is meant"),
        ("05.0999", "05.0047"),
        ("05.0fab", "05.0047"),
        ("5.71", "05.0071"),
    ],
)
def test_an_id_above_ff_may_be_decimal(command: Command, typed: str, example: str) -> None:
    """Then it is written in hex for the user."""
    ran = command("status", typed)

    assert (ran.code, in_one_line(ran.err).endswith(f"two ids in hex from 00 to ff: {example}")) == (64, True), ran.err
