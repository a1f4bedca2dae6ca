"""What a chat does with the text of a notification: it shows it, and acts on nothing that others have written."""

import io
import json
import re
from pathlib import Path
from queue import Queue

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.integrations.systemd_notify import SystemdNotify
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.events import Kind, events
from reconciler.watch.log import Log
from reconciler.watch.notices import Notices, for_chats, notice_record
from reconciler.watch.report import Condition, RefusedConfiguration, Report, SourceReport, Suspended
from reconciler.watch.sinks import FanOut, Sinks
from reconciler.watch.status_file import StatusFile
from testing.clocks import FakeClock
from testing.reports import NOW, guest, report

ACTED_ON = [
    "<!channel>",
    "@here",
    "@all",
    "<@U123>",
    "[pay](http://evil)",
    "![](http://evil)",
    "<http://evil|x>",
    "*x*",
    "`y`",
]
FOREIGN = st.lists(st.sampled_from(ACTED_ON) | st.text(max_size=9), min_size=1).map(" ".join)


def planted(text: str) -> Report:
    """A report with `text` in whatever others have written."""
    one = Suspended(text, text, None)
    source = SourceReport(
        "https://git.example/ap main", "def", RefusedConfiguration("bad", (text,), NOW),
        subject=text, author=text, refused_subject=text, refused_author=text,
    )  # fmt: skip
    return report(
        condition=Condition.FAILED,
        summary=f"it says {text}",
        source=source,
        suspended=one,
        appeared=(f"guest: {text}",),
        guests=(guest(suspended=one, why=(text,)),),
    )


def texts(before: Report | None, now: Report) -> list[str]:
    """What chats show."""
    return [notice_record(one, now)["text"] for one in for_chats(events(before, now), before, now)]


@given(FOREIGN)
def test_nothing_is_acted_on(text: str) -> None:
    """No mention and no link under another name; bold only where it is quoted, so that it is not."""
    for before in (None, report()):
        for shown in texts(before, planted(text)):
            assert not re.search("[@<>]", shown), shown
            assert shown.count("`") % 2 == 0
            outside = re.sub("`[^`]*`", "", shown)
            assert "](" not in outside
            assert "*" not in outside


def test_what_is_written_can_be_read() -> None:
    """In the words of the one who wrote it; the other fields have it as it is."""
    now = planted("Give *web* to <!channel> @here")

    shown = next(one for one in texts(report(), now) if "is refused" in one)
    (record,) = [notice_record(one, now) for one in events(report(), now) if one.kind is Kind.REFUSED]

    quoted = "`Give *web* to \u2039!channel\u203a \uff20here`"
    assert shown == f"lpar7: commit bad ({quoted}, by {quoted}) is refused; the last good configuration is enforced"
    assert record["subject"] == record["author"] == record["details"][0] == "Give *web* to <!channel> @here"


@pytest.mark.parametrize("before", [None, report()])
def test_all_else_is_said_of_an_event_as_it_was(before: Report | None) -> None:
    """Kinds, details and the next command; texts of ours are as in the log."""
    now = planted("x")

    found = events(before, now)
    said = for_chats(found, before, now)

    assert [one._replace(text="") for one in said] == [one._replace(text="") for one in found]
    assert [one.text.replace("`", "") for one in said] == [one.text for one in found]


class Chat:
    """A messenger that keeps what it gets."""

    name = "chat"

    def __init__(self) -> None:
        self.told: Queue[bytes] = Queue()

    def send(self, content: bytes) -> None:
        """See `reconciler.watch.notices.Messenger`."""
        self.told.put(content)

    def close(self) -> None:
        """See `reconciler.watch.notices.Messenger`."""


def test_the_loop_sends_it_so(tmp_path: Path) -> None:
    """After a restart, and in what follows."""
    chat = Chat()
    notices = Notices([chat], lambda _text: None)
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    systemd = SystemdNotify({}, 1, FakeClock().monotonic)
    log = Log(io.StringIO(), lambda: NOW)
    sinks = FanOut(Sinks(log, StatusFile(state, 1), systemd, notices=notices))
    sinks.publish(report())
    sinks.publish(planted("@here"))
    notices.close()

    shown = [json.loads(chat.told.get())["text"] for _ in range(chat.told.qsize())]
    assert any("`\uff20here`" in one for one in shown)
    assert not any("@" in one for one in shown)
