"""Everything that the page, the API and the stream of events show, as it is published at one moment.

Each file is believed only after it was read strictly. One that cannot be used is named, and hides none of the others.
"""

from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeVar

from reconciler.serve.answers import Health, Now, alive
from reconciler.watch.host_view import EVENTS, HISTORY, HOST, EventsView, HistoryView, HostView
from reconciler.watch.published import REPORT, NotPublished, Published, PublishedReader

_View = TypeVar("_View", bound=tuple[Any, ...])

_NOTHING: Final = Published(None, is_locked=False, report=None)


class Snapshot(NamedTuple):
    """What is published, and how the loop is.

    Attributes:
        id: of this state: another one as soon as anything of it has changed, the same after a restart of ours.
        health: whether the loop lives.
        published: its own words and the report.
        host: picture, labels and plan; None where there are none.
        history: the last generations; None where there are none.
        events: the last events; None where there are none.
        age: how many seconds ago the last cycle ended; None where that is not known.
        troubles: what cannot be read, a sentence each.
    """

    id: str
    health: Health
    published: Published
    host: HostView | None
    history: HistoryView | None
    events: EventsView | None
    age: float | None
    troubles: tuple[str, ...]


class Beat(NamedTuple):
    """The part of a snapshot that can be had at little cost: its id, whether the loop lives, and the loop's words."""

    id: str
    health: Health
    published: Published
    trouble: str


class Snapshots:
    """Takes snapshots of what is published; for several threads."""

    def __init__(self, reader: PublishedReader) -> None:
        """Read with `reader`."""
        self._reader = reader

    def beat(self, now: Now) -> Beat:
        """How it is `now`."""
        try:
            # Before what they are of: where a file is replaced between the two, the id is an old one, and the next
            # beat has another. The other way round the old content would be kept under the new id.
            versions: tuple[object, ...] = self._reader.versions(REPORT, HOST, HISTORY, EVENTS)
            published = self._reader.read()
            health, trouble = alive(published, now), ""
        except NotPublished as error:
            published, versions, trouble = _NOTHING, (), str(error)
            health = Health(False, trouble)
        loop, report = published.loop, published.report
        ended = loop.ended if loop else None
        parts = (versions, health.good, published.is_locked, ended, loop and loop.boot_id, trouble)
        moment = int(report.cycle_ended * 1000) if report else 0
        return Beat(f"{moment}-{sha256(repr(parts).encode()).hexdigest()[:12]}", health, published, trouble)

    def take(self, now: Now) -> Snapshot:
        """Everything, `now`."""
        beat = self.beat(now)
        troubles = [beat.trouble] if beat.trouble else []

        def view(name: str, kind: type[_View]) -> _View | None:
            if beat.trouble:
                return None
            try:
                return self._reader.view(name, kind)
            except NotPublished as error:
                troubles.append(str(error))
                return None

        loop = beat.published.loop
        known = loop is not None and loop.boot_id == now.boot_id and loop.cycles > 0
        return Snapshot(
            beat.id,
            beat.health,
            beat.published,
            view(HOST, HostView),
            view(HISTORY, HistoryView),
            view(EVENTS, EventsView),
            max(0.0, now.monotonic - loop.since) if loop and known else None,
            tuple(troubles),
        )
