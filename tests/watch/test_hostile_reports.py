"""Whatever a report quotes from outside, no sink of the loop passes it on raw."""

import io
import json
import os
import socket
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from queue import Queue

import pytest
from hypothesis import given, settings
from prometheus_client.parser import text_string_to_metric_families as parse

from reconciler.cli.main import run
from reconciler.integrations.systemd_notify import SystemdNotify
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.events import events
from reconciler.watch.log import Format, Log
from reconciler.watch.metrics import Measured, metrics_text
from reconciler.watch.notices import Notices
from reconciler.watch.report import Changed, Condition, Counters, RefusedConfiguration, Report, SourceReport, Suspended
from reconciler.watch.status_file import StatusFile
from testing.clocks import FakeClock
from testing.hostile_text import HOSTILE, unsafe_characters, unsafe_output
from testing.publishing import Server, publishing
from testing.reports import NOW, guest, report

PLANTED = "\nPLANTED"
"""What a line begins with where a line feed was not escaped."""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Chat:
    name = "chat"

    def __init__(self) -> None:
        self.told: Queue[bytes] = Queue()

    def send(self, content: bytes) -> None:
        self.told.put(content)

    def close(self) -> None:
        pass


def hostile(text: str) -> Report:
    """A report with `text` in everything that comes from outside."""
    planted = f"x{text}{PLANTED}"
    suspended = Suspended(planted, planted, None)
    return report(
        host=planted,
        condition=Condition.FAILED,
        summary=planted,
        source=SourceReport(
            planted,
            planted,
            RefusedConfiguration(
                planted, (planted, planted), NOW, guests=(planted,), changes=(Changed(planted, planted, planted),)
            ),
            planted,
            subject=planted,
            author=planted,
            refused_subject=planted,
            refused_author=planted,
            is_long_unreachable=True,
        ),
        guests=(guest(planted, drifted=True, suspended=suspended, why=(planted,)),),
        differences=(planted,),
        suspended=suspended,
        counters=Counters(cycles=1, applies={planted: 1, "applied": 9}, triggers={planted: 1}),
        changed=(Changed(planted, planted, planted),),
        differing=(Changed(planted, planted, planted),),
        corrected={planted: 2},
        drifting=(planted,),
        fought=(Changed(planted, planted, planted),),
    )


def assert_lines(text: str) -> None:
    """What people read is harmless, and its lines are ours."""
    assert not unsafe_output(text), text
    assert PLANTED not in text


def assert_values(text: str) -> None:
    """JSON in ASCII without half characters."""
    assert text.isascii()
    assert not unsafe_output(text), text
    assert not any("\ud800" <= one <= "\udfff" for one in str(json.loads(text)))


@given(HOSTILE)
def test_the_log(text: str) -> None:
    """For people, with and without colours, and for programs, with and without the priority for the journal."""
    people, coloured, programs = io.StringIO(), Terminal(), io.StringIO()
    made = hostile(text)
    for stream, form in ((people, Format.CONSOLE), (coloured, Format.CONSOLE), (programs, Format.JSON)):
        log = Log(stream, lambda: NOW, format=form)
        log.report(None, made)
        log.report(report(), made)
        log.warning(made.host, reason=made.host, words=[text])

    assert_lines(people.getvalue())
    assert PLANTED not in coloured.getvalue()
    for line in programs.getvalue().splitlines():
        assert_values(line)


@given(HOSTILE)
def test_notifications(text: str) -> None:
    """Chats show what they get: it is printable once it is decoded, too."""
    chat, failures = Chat(), list[str]()
    notices = Notices([chat], failures.append)
    notices.send(events(report(), hostile(text)), hostile(text))
    notices.close()

    assert not chat.told.empty()
    while not chat.told.empty():
        content = chat.told.get()
        assert_values(content.decode())
        assert not unsafe_characters(_texts(json.loads(content)))
    assert not failures


def _texts(value: object) -> str:
    match value:
        case dict():
            return "".join(f"{key}{_texts(one)}" for key, one in value.items())
        case list():
            return "".join(map(_texts, value))
    return str(value)


@given(HOSTILE)
@settings(max_examples=20)
def test_what_systemd_is_told(text: str) -> None:
    """One line, which says nothing but the status."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"{folder}/notify")
        manager.settimeout(10)
        SystemdNotify({"NOTIFY_SOCKET": f"{folder}/notify"}, 42, FakeClock().monotonic).status(f"x{text}\nREADY=1")
        told = manager.recv(65536).decode()

    assert told.startswith("STATUS=x")
    assert not unsafe_characters(told)


@given(HOSTILE)
@settings(max_examples=20)
def test_metrics(text: str) -> None:
    """Every label."""
    content, _ = metrics_text(Measured(hostile(text)), "1.2")

    labels = [value for family in parse(content.decode()) for one in family.samples for value in one.labels.values()]
    assert any("PLANTED" in one for one in labels)
    assert not unsafe_characters("".join(labels))


@given(HOSTILE)
@settings(max_examples=10)
def test_health_pages(text: str) -> None:
    """Whatever is asked for."""
    with tempfile.TemporaryDirectory() as folder:
        clock, directory = FakeClock(), Path(folder) / "run"
        loop = publishing(directory, clock)
        loop.publish(hostile(text))
        server = Server(directory, clock)
        try:
            for path in ("/healthz", "/readyz", "/%1b%0a::error::x"):
                with server.connect() as caller:
                    caller.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                    answer = b"".join(iter(lambda: caller.recv(65536), b"")).decode()
                assert_lines(answer.replace("\r\n", "\n"))
            loop.close(1, hostile(text).summary)
            assert_lines(server.ask("/readyz")[1])
        finally:
            server.close()


@given(HOSTILE)
@settings(max_examples=20)
@pytest.mark.parametrize("form", ["table", "json"])
def test_the_status_that_is_kept(form: str, text: str) -> None:
    """`reconcile status --watch` shows what the file says."""
    with tempfile.TemporaryDirectory() as folder:
        state = StateDirectory(Path(folder) / "state")
        state.prepare()
        StatusFile(state, os.getpid()).write(hostile(text))
        with redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) as out:
            run(["status", "--watch", "-o", form, "--state-dir", str(state.path)])
            out.flush()
            shown = out.buffer.getvalue().decode()

    assert "PLANTED" in shown
    if form == "json":
        assert_values(shown)
    else:
        assert_lines(shown)
