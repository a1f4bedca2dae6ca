"""The lines of the loop."""

import io
import json
import os
import tempfile
from collections.abc import Iterator
from errno import ENOSPC
from typing import Any, TextIO

import pytest

from reconciler.watch.log import Format, Log
from reconciler.watch.report import Condition, SourceReport
from testing.reports import NOW, report


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(ENOSPC, "No space left on device")


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """Every line as JSON."""
    return [json.loads(one) for one in stream.getvalue().splitlines()]


def test_json_for_programs_with_host_commit_and_generation() -> None:
    """In every line, also in those that the loop writes itself."""
    stream = io.StringIO()
    log = Log(stream, lambda: NOW)

    log.info("begins")
    log.report(None, report(condition=Condition.DRIFT, differences=("apmask differs",)))
    log.warning("a file cannot be written", file="status file")

    first, started, applied, last = lines(stream)
    assert first == {"timestamp": "2027-01-15T08:00:00.000+00:00", "level": "info", "event": "begins"}
    assert started["kind"] == "started"
    assert started["level"] == "warning"
    assert started["details"] == ["apmask differs"]
    assert applied["kind"] == "applied"
    assert last["file"] == "status file"
    for one in (started, applied, last):
        assert (one["host"], one["commit"], one["generation"]) == ("lpar7", "0123456789ab", 7)


def test_only_changes_are_logged() -> None:
    """A thousand quiet turns write nothing."""
    stream = io.StringIO()
    log = Log(stream, lambda: NOW)
    log.report(None, report())
    before = stream.getvalue()
    for number in range(1000):
        turns = report().counters._replace(cycles=number)
        log.report(report(), report(cycle_ended=NOW + number, counters=turns))

    assert stream.getvalue() == before


def test_a_configuration_without_commit_has_no_such_field() -> None:
    """Nor one of the report before."""
    stream = io.StringIO()
    log = Log(stream, lambda: NOW)
    log.report(report(), report(source=SourceReport("/etc/ap"), condition=Condition.CHANGES))

    assert "commit" not in lines(stream)[-1]


def test_for_people_at_a_terminal() -> None:
    """Colours unless NO_COLOR is set; nothing of others moves the cursor."""
    coloured, plain = Terminal(), Terminal()
    Log(coloured, lambda: NOW).info("begins")
    log = Log(plain, lambda: NOW, environment={"NO_COLOR": "1"})
    log.report(None, report(condition=Condition.DRIFT, summary="evil\x1b[2J", differences=("more\x1b[2J",)))

    assert "\x1b[" in coloured.getvalue()
    assert "\x1b" not in plain.getvalue()
    assert "host=lpar7 commit=0123456789ab generation=7 kind=started\n    more\\x1b[2J\n" in (plain.getvalue())


def test_the_format_can_be_chosen() -> None:
    """Whatever the stream is."""
    terminal, pipe = Terminal(), io.StringIO()
    Log(terminal, lambda: NOW, format=Format.JSON).info("x")
    Log(pipe, lambda: NOW, format=Format.CONSOLE).info("x")

    assert json.loads(terminal.getvalue())["event"] == "x"
    assert pipe.getvalue() == "2027-01-15T08:00:00.000+00:00 [info     ] x\n"


@pytest.fixture
def journal() -> Iterator[TextIO]:
    """A file that stands for the journal's stream."""
    with tempfile.TemporaryFile("w+") as stream:
        yield stream


def test_the_journal_is_told_the_priority(journal: TextIO) -> None:
    """And no one else, to whom it would be noise."""
    found = os.fstat(journal.fileno())
    Log(journal, lambda: NOW, environment={"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}).error("x")
    Log(journal, lambda: NOW, environment={"JOURNAL_STREAM": f"{found.st_dev}:1"}).error("y")
    journal.seek(0)

    first, second = journal.read().splitlines()
    assert first.startswith('<3>{"timestamp"')
    assert second.startswith('{"timestamp"')


def test_nobody_need_read_it() -> None:
    """A full disk or a closed pipe does not end the loop."""
    Log(Full(), lambda: NOW).info("x")
    closed = io.StringIO()
    log = Log(closed, lambda: NOW)
    closed.close()
    log.info("x")
