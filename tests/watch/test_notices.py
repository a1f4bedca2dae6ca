"""Notifications."""

import json
from collections.abc import Callable
from queue import Queue
from threading import Event as Flag
from threading import active_count

import pytest

from reconciler.integrations.notifications import NotSent
from reconciler.watch.events import ALL, Event, Kind, Level, Wanted
from reconciler.watch.notices import Notices, notice_record
from testing.reports import NOW, report

REFUSED = Event(Kind.REFUSED, Level.ERROR, "commit def is refused", details=("unsigned",))


class Chat:
    """Somebody to tell; fails as often as is asked for."""

    name = "chat"

    def __init__(self, *failures: NotSent | Exception) -> None:
        self.told: Queue[dict[str, object]] = Queue()
        self.failures = list(failures)
        self.attempts = 0
        self.open = Flag()
        self.open.set()
        self.busy = Flag()
        self.closed = False

    def send(self, content: bytes) -> None:
        self.attempts += 1
        self.busy.set()
        assert self.open.wait(10)
        if self.failures:
            raise self.failures.pop(0)
        self.told.put(json.loads(content))

    def close(self) -> None:
        self.closed = True
        self.open.set()


def numbered(*numbers: int) -> list[Event]:
    """Events that can be told apart."""
    return [REFUSED._replace(text=str(number)) for number in numbers]


def drained(chat: Chat) -> list[object]:
    """The texts that were told."""
    return [chat.told.get_nowait()["text"] for _ in range(chat.told.qsize())]


def run(chat: Chat, *events: Event, pauses: tuple[float, ...] = (0.0, 0.0)) -> list[str]:
    """Tell `events`, to the end; what failed."""
    failed: list[str] = []
    notices = Notices([chat], failed.append, pauses=pauses)
    notices.send(events, report())
    _until(lambda: chat.told.qsize() + len(failed) >= len(events))
    notices.close()
    return failed


def _until(done: Callable[[], bool]) -> None:
    waiting = Flag()
    for _ in range(1000):
        if done():
            return
        waiting.wait(0.01)
    raise AssertionError("it has not come about")


def test_what_is_told() -> None:
    """All that somebody needs who is not at the host."""
    assert notice_record(REFUSED, report()) == {
        "formatVersion": 1,
        "text": "lpar7: commit def is refused",
        "kind": "refused",
        "level": "error",
        "guests": [],
        "details": ["unsigned"],
        "changes": [],
        "next": None,
        "host": "lpar7",
        "condition": "in-sync",
        "summary": "Nothing to do: the host is as the manifests say.",
        "source": "https://git.example/ap main",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "subject": None,
        "author": None,
        "enforced": {"commit": "0123456789abcdef0123456789abcdef01234567", "subject": None, "author": None},
        "generation": 7,
        "time": NOW,
    }


def test_each_event_is_told_once_in_order() -> None:
    """A new commit alone is not: what comes of it is."""
    chat = Chat()

    assert run(chat, *numbered(1, 2, 3)) == []
    assert drained(chat) == ["lpar7: 1", "lpar7: 2", "lpar7: 3"]

    notices = Notices([chat], lambda _text: None)
    notices.send([Event(Kind.COMMIT, Level.INFO, "now abc")], report())
    notices.close()
    assert chat.attempts == 3


ERRORS = Wanted(Level.ERROR)
DRIFT = Wanted(kinds=frozenset([Kind.DRIFT, Kind.COMMIT]))


@pytest.mark.parametrize(
    ("wanted", "kind", "level", "sent"),
    [
        (ALL, Kind.APPLIED, Level.INFO, True),
        (ALL, Kind.COMMIT, Level.INFO, False),
        (ERRORS, Kind.REFUSED, Level.ERROR, True),
        (ERRORS, Kind.DEGRADED, Level.CRITICAL, True),
        (ERRORS, Kind.DRIFT, Level.WARNING, False),
        (DRIFT, Kind.DRIFT, Level.WARNING, True),
        (DRIFT, Kind.COMMIT, Level.INFO, True),
        (DRIFT, Kind.DEGRADED, Level.CRITICAL, False),
        (DRIFT._replace(level=Level.ERROR), Kind.DRIFT, Level.WARNING, False),
    ],
)
def test_only_what_is_wanted_is_sent(wanted: Wanted, kind: Kind, level: Level, sent: bool) -> None:
    """By how much it matters, and by kind."""
    chat = Chat()
    notices = Notices([chat], lambda _text: None, wanted=wanted)
    notices.send([Event(kind, level, "x")], report())
    notices.close()

    assert chat.told.qsize() == sent


def test_what_may_pass_is_tried_again() -> None:
    """A few times; what will not pass, once."""
    soon = Chat(NotSent("answered 503", again=True), NotSent("answered 503", again=True))
    never = Chat(*(NotSent("answered 503", again=True) for _ in range(3)))
    wrong = Chat(NotSent("answered 404", again=False))

    assert run(soon, REFUSED) == []
    assert soon.attempts == 3
    assert run(never, REFUSED) == ["chat answered 503; the notice is lost"]
    assert run(wrong, REFUSED) == ["chat answered 404; the notice is lost"]
    assert wrong.attempts == 1


def test_an_unforeseen_failure_silences_nothing() -> None:
    """The next one is told; the text, which might have a secret in it, is not."""
    chat = Chat(RuntimeError("https://chat.example/secret"))

    failed = run(chat, *numbered(1, 2))

    assert failed == ["chat failed unforeseen (RuntimeError); the notice is lost"]
    assert drained(chat) == ["lpar7: 2"]


def test_the_newest_win() -> None:
    """Who is too slow for a storm learns how it ended, and that something is missing."""
    chat = Chat()
    chat.open.clear()
    failed: list[str] = []
    notices = Notices([chat], failed.append)
    notices.send(numbered(0), report())
    assert chat.busy.wait(10)
    notices.send(numbered(*range(1, 1000)), report())
    chat.open.set()
    notices.close()

    told = drained(chat)
    assert told == ["lpar7: 0", *(f"lpar7: {number}" for number in range(936, 1000))]
    assert failed == ["chat: 935 older notices dropped, since it is too slow"]


def test_one_that_hangs_does_not_silence_another() -> None:
    """And keeps neither the loop nor its end."""
    before = active_count()
    hangs, answers = Chat(), Chat()
    hangs.open.clear()
    notices = Notices([hangs, answers], lambda _text: None)
    notices.send(numbered(1), report())

    assert answers.told.get(timeout=10)["text"] == "lpar7: 1"
    notices.close(seconds=0.05)

    assert hangs.closed
    assert active_count() == before


def test_the_end_does_not_wait_for_another_attempt() -> None:
    """What waits is tried once."""
    chat = Chat(NotSent("answered 503", again=True))
    failed: list[str] = []
    notices = Notices([chat], failed.append, pauses=(3600.0,))
    notices.send(numbered(1, 2), report())
    assert chat.busy.wait(10)
    notices.close()

    assert failed == ["chat answered 503; the notice is lost"]
    assert drained(chat) == ["lpar7: 2"]
