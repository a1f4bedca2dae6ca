"""Events sent to people elsewhere, by a thread of its own, so that a chat server that hangs keeps no apply waiting."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from threading import Condition as Signal
from threading import Thread
from time import monotonic
from typing import Any, Final, Protocol

from reconciler.integrations.notifications import NotSent
from reconciler.model.printable import escaped_values
from reconciler.render.text import counted
from reconciler.watch.events import ALL, Event, Wanted, commit_of, events
from reconciler.watch.report import CommitReport, Report

FORMAT_VERSION: Final = 1
_MOST_WAITING: Final = 64
_PAUSES: Final = (1.0, 4.0, 15.0, 60.0)
"""Seconds before each further attempt."""
_CLOSE_SECONDS: Final = 5.0


_INERT: Final = str.maketrans({"@": "\uff20", "<": "\u2039", ">": "\u203a", "`": "'"})
"""What begins a mention or a link in a chat, and ends a quotation, as characters that only look like it."""

_PLAIN: Final = {**_INERT, ord("*"): "\u2217"}


class Messenger(Protocol):
    """Where notices are sent."""

    @property
    def name(self) -> str:
        """For people, without secrets."""

    def send(self, content: bytes) -> None:
        """Send `content`, within a bound.

        Raises:
            NotSent: it did not arrive.
        """

    def close(self) -> None:
        """End what is under way, if that can be done."""


class Notices:
    """Sends events to messengers, each event once.

    At most some dozens wait; where more come than can be sent, the oldest are dropped, since the newest says how things
    are. Each messenger has its own thread and queue, so that one that hangs does not silence another.
    """

    def __init__(
        self,
        messengers: Iterable[Messenger],
        failed: Callable[[str], None],
        *,
        pauses: Sequence[float] = _PAUSES,
        wanted: Wanted = ALL,
    ) -> None:
        """Start.

        Args:
            messengers: where to send them.
            failed: is called, in another thread, with what did not arrive and why.
            pauses: seconds before each further attempt.
            wanted: which events are sent.
        """
        self._wanted = wanted
        self._desks = [_Desk(one, failed, pauses) for one in messengers]

    def send(self, found: Iterable[Event], report: Report) -> None:
        """Send the events `found`, which `report` has brought, without waiting for it."""
        if not self._desks:
            return
        for event in filter(self._wanted.has, found):
            content = json.dumps(escaped_values(notice_record(event, report))).encode()
            for desk in self._desks:
                desk.put(content)

    def close(self, seconds: float = _CLOSE_SECONDS) -> None:
        """Send what waits, one attempt each, for at most about `seconds`; then end."""
        for desk in self._desks:
            desk.end()
        until = monotonic() + seconds
        for desk in self._desks:
            desk.join(until)


def for_chats(found: Sequence[Event], previous: Report | None, report: Report) -> tuple[Event, ...]:
    """The events `found` between two reports, with texts in which a chat acts on nothing that others have written.

    What people have written, such as the subject of a commit, stands in backticks, without what would be a mention or
    a link there; so does a sentence that may quote some of it. All other fields have it as it is.
    """
    said = events(previous and _quoted(previous), _quoted(report))
    return tuple(one._replace(text=other.text) for one, other in zip(found, said, strict=True))


def _quoted(report: Report) -> Report:
    source, suspended = report.source, report.suspended
    return report._replace(
        summary=_plain(report.summary),
        appeared=tuple(map(_plain, report.appeared)),
        source=source._replace(
            subject=_code(source.subject),
            author=_code(source.author),
            refused_subject=_code(source.refused_subject),
            refused_author=_code(source.refused_author),
        ),
        suspended=suspended and suspended._replace(reason=_code(suspended.reason), by=_code(suspended.by)),
    )


def _code(text: str) -> str:
    """`text` as a chat shows a piece of code; nothing of nothing."""
    return f"`{text.translate(_INERT)}`" if text else ""


def _plain(text: str) -> str:
    """`text`, which is ours but for what it quotes, without what would be a mention, a link or bold there."""
    return text.translate(_PLAIN).replace("](", "] (")


def notice_record(event: Event, report: Report) -> dict[str, Any]:
    """What is sent of `event`, as plain values; ``text`` is where chat servers look for a message."""
    about, enforced = commit_of(event, report.source), report.source.enforced
    return {
        "formatVersion": FORMAT_VERSION,
        "text": f"{report.host}: {event.text}",
        "kind": event.kind.value,
        "level": event.level.value,
        "guests": list(event.guests),
        "details": list(event.details),
        "changes": [{"holder": one.name, "before": one.before, "after": one.after} for one in event.changes],
        "next": event.next or None,
        "host": report.host,
        "condition": report.condition.value,
        "summary": report.summary,
        "source": report.source.location,
        **_commit_record(about),
        "enforced": _commit_record(enforced) if enforced.id else None,
        "generation": report.generation or None,
        "time": report.cycle_ended,
    }


def _commit_record(commit: CommitReport) -> dict[str, str | None]:
    return {"commit": commit.id or None, "subject": commit.subject or None, "author": commit.author or None}


class _Desk:
    """One messenger, its queue and its thread."""

    def __init__(self, messenger: Messenger, failed: Callable[[str], None], pauses: Sequence[float]) -> None:
        self._messenger = messenger
        self._failed = failed
        self._pauses = pauses
        self._waiting: deque[bytes] = deque()
        self._lost = 0
        self._changed = Signal()
        self._ending = False
        self._thread = Thread(target=self._work, name=f"notices-{messenger.name}", daemon=True)
        self._thread.start()

    def put(self, content: bytes) -> None:
        with self._changed:
            if len(self._waiting) == _MOST_WAITING:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(content)
            self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify()

    def join(self, until: float) -> None:
        self._thread.join(max(0.0, until - monotonic()))
        if self._thread.is_alive():
            with self._changed:
                self._lost += len(self._waiting)
                self._waiting.clear()
            self._messenger.close()
            self._thread.join(1.0)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._ending:
                    self._changed.wait()
                lost, self._lost = self._lost, 0
                content = self._waiting.popleft() if self._waiting else None
            if lost:
                self._failed(f"{self._messenger.name}: {counted(lost, 'older notice')} dropped, since it is too slow")
            if content is None:
                return
            self._send(content)

    def _send(self, content: bytes) -> None:
        for pause in (*self._pauses, None):
            try:
                self._messenger.send(content)
            except NotSent as error:
                if error.again and pause is not None and self._wait(pause):
                    continue
                self._failed(f"{self._messenger.name} {error}; the notice is lost")
            except Exception as error:  # noqa: BLE001  # a fault here must not silence all that follows
                self._failed(f"{self._messenger.name} failed unforeseen ({type(error).__name__}); the notice is lost")
            return

    def _wait(self, seconds: float) -> bool:
        """Whether `seconds` have passed without that the end has come."""
        until = monotonic() + seconds
        with self._changed:
            while not self._ending and (left := until - monotonic()) > 0:
                self._changed.wait(left)
            return not self._ending
