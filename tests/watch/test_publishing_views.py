"""What is published for a page beside the report: matrix, plan, history and events."""

from pathlib import Path
from typing import Any, TypeVar

import pytest

from reconciler.transaction.history import History
from reconciler.watch.host_view import EVENTS, HISTORY, HOST, VIEWS, EventsView, GuestView, HistoryView, HostView
from reconciler.watch.published import REPORT, PublishedReader, publish_report, read_published
from reconciler.watch.publishing_views import Views
from reconciler.watch.report import Report
from reconciler.watch.reporter import Moment, Reporter
from reconciler.watch.run_directory import RunDirectory
from testing.holdings import uuid
from testing.loops import Looped, guest_document
from testing.reports import guest, report

_View = TypeVar("_View", bound=tuple[Any, ...])


class Publishing:
    """A loop, and what it publishes after each cycle."""

    def __init__(self, folder: Path, *, at_once: int = 100, **options: Any) -> None:
        self.looped = Looped(folder, **options)
        self.path = folder / "run"
        self.directory = RunDirectory(self.path, is_public=True)
        self.directory.prepare()
        self.views = Views(self.looped.state, at_once=at_once)
        self.reporter = Reporter("the branch", None, applies=True)

    def restart(self) -> None:
        """Start the loop anew."""
        self.views = Views(self.looped.state)
        self.reporter = Reporter("the branch", None, applies=True)

    def cycle(self) -> Report:
        """Run one cycle and publish."""
        result = self.looped.turn()
        made = self.reporter.report(result, self.looped.loop.enforced, (), Moment(self.looped.clock.time(), None))
        publish_report(self.directory, made)
        self.views.publish(self.directory, made, result.plan)
        return made

    @property
    def host(self) -> HostView:
        return self.read(HOST, HostView)

    @property
    def history(self) -> HistoryView:
        return self.read(HISTORY, HistoryView)

    @property
    def events(self) -> EventsView:
        return self.read(EVENTS, EventsView)

    def read(self, name: str, kind: type[_View]) -> _View:
        """The view in file `name`."""
        return VIEWS.read_content(kind, (self.path / name).read_bytes())

    def inodes(self) -> dict[str, int]:
        """Which file has which name: another one where it was replaced."""
        return {one.name: one.stat().st_ino for one in self.path.iterdir()}


def test_the_picture_is_published(tmp_path: Path) -> None:
    """With what the manifests say of the guests."""
    publishing = Publishing(tmp_path)
    publishing.looped.commit(
        guest_document(1, [5], [4, 8, 9]).replace("name: guest1", "name: guest1, labels: {tenant: a}")
    )
    publishing.cycle()

    view = publishing.host

    assert view.picture
    assert [one.name for one in view.picture.holders] == ["guest1"]
    assert view.picture.counts["held"] == 1
    assert view.guests == {uuid(1): GuestView({"tenant": "a"}, "active")}
    assert view.plan is None


def test_a_plan_that_is_not_done_is_published(tmp_path: Path) -> None:
    """With its diff, and its cells in the matrix."""
    publishing = Publishing(tmp_path, applies=False)
    publishing.looped.commit(guest_document(1, [5], [4]))
    publishing.cycle()

    view = publishing.host

    assert view.plan
    assert view.plan.created == 1
    assert "+mediated device" in view.plan.diff
    assert view.picture
    assert view.picture.counts["planned"] == 1


def test_a_cycle_without_change_replaces_only_the_report(tmp_path: Path) -> None:
    """Also after a restart of the loop the history is not read again."""
    publishing = Publishing(tmp_path)
    publishing.looped.commit(guest_document(1, [5], [4]))
    publishing.cycle()
    publishing.cycle()
    before = publishing.inodes()
    publishing.cycle()
    after = publishing.inodes()

    assert {name for name, one in before.items() if after[name] != one} == {REPORT}


def test_the_history_is_published_with_its_diffs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest first; only what is new is read."""
    publishing = Publishing(tmp_path)
    for domains in ([4], [4, 5], [5]):
        publishing.looped.commit(guest_document(1, [5], domains))
        publishing.cycle()
    read: list[int] = []
    record = History.record

    def reading(self: History, number: int) -> dict[str, Any]:
        read.append(number)
        return record(self, number)

    monkeypatch.setattr(History, "record", reading)
    publishing.looped.commit(guest_document(1, [5], [4]))
    publishing.cycle()

    newest, *others = publishing.history.generations

    assert (newest.number, [one.number for one in others]) == (4, [3, 2, 1])
    assert read == [4]
    assert "+domain 0x04 (4)" in newest.diff
    assert (newest.by, newest.result, newest.is_cut) == ("loop", "applied", False)
    assert newest.ended is not None
    assert publishing.history.earlier == 0


def test_a_command_reads_few_generations_at_once(tmp_path: Path) -> None:
    """The newest; the next one reads on."""
    publishing = Publishing(tmp_path, at_once=2)
    for domains in ([4], [4, 5], [5]):
        publishing.looped.commit(guest_document(1, [5], domains))
        publishing.looped.turn()
    publishing.cycle()
    assert [one.number for one in publishing.history.generations] == [3, 2]
    assert publishing.history.earlier == 1

    publishing.cycle()

    assert [one.number for one in publishing.history.generations] == [3, 2, 1]


def test_a_damaged_generation_hides_no_other(tmp_path: Path) -> None:
    """It is shown as what it is."""
    publishing = Publishing(tmp_path)
    for domains in ([4], [4, 5]):
        publishing.looped.commit(guest_document(1, [5], domains))
        publishing.looped.turn()
    (publishing.looped.state.path / "generations/000001.json").write_text("{")
    publishing.cycle()

    assert [one.result for one in publishing.history.generations] == ["applied", "damaged"]


def test_events_are_kept_across_a_restart(tmp_path: Path) -> None:
    """The newest first, without the command that a person runs next."""
    publishing = Publishing(tmp_path)
    publishing.looped.commit(guest_document(1, [5], [4]))
    publishing.cycle()
    publishing.restart()
    publishing.cycle()

    kinds = [one.kind.value for one in publishing.events.events]

    assert kinds.count("started") == 2
    assert kinds[0] == "started"
    assert "reconcile " not in (publishing.path / EVENTS).read_text()


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    """What cannot be read is made again."""
    publishing = Publishing(tmp_path)
    for name in (HOST, HISTORY, EVENTS):
        (publishing.path / name).write_text("{")
    publishing.looped.commit(guest_document(1, [5], [4]))
    publishing.cycle()

    assert publishing.host.picture
    assert publishing.history.generations
    assert publishing.events.events


def test_all_of_it_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long diffs are cut in whole lines; where there is no room the oldest go first."""
    publishing = Publishing(tmp_path)
    for domains in ([4], [4, 5], [5]):
        publishing.looped.commit(guest_document(1, [5], domains))
        publishing.looped.turn()
    monkeypatch.setattr("reconciler.watch.publishing_views.LARGEST_DIFF", 100)
    publishing.cycle()
    newest = publishing.history.generations[0]
    assert newest.is_cut
    assert 0 < len(newest.diff) <= 100
    assert newest.diff.endswith("\n")

    publishing.cycle()
    others = sum((publishing.path / name).stat().st_size for name in (REPORT, HOST, EVENTS))
    size = (publishing.path / HISTORY).stat().st_size
    monkeypatch.setattr("reconciler.watch.publishing_views.LARGEST_TOTAL", others + (64 << 10) + size - 1)
    publishing.cycle()

    diffs = [bool(one.diff) for one in publishing.history.generations]
    assert diffs == [True, True, False]
    assert publishing.history.generations[-1].is_cut


def test_a_view_too_large_loses_labels_then_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says so."""
    publishing = Publishing(tmp_path)
    publishing.looped.commit(
        guest_document(1, [5], [4]).replace("name: guest1", f"name: guest1, labels: {{a: {'x' * 60}}}")
    )
    publishing.cycle()
    size = len((publishing.path / HOST).read_bytes())
    for largest in (size - 1, size - 100):
        monkeypatch.setattr("reconciler.watch.publishing_views.LARGEST_HOST", largest)
        publishing.views = Views(publishing.looped.state)
        publishing.cycle()
        assert publishing.host.is_cut
        assert not any(one.labels for one in publishing.host.guests.values())

    assert publishing.host.picture is None


def test_a_report_on_very_many_guests_keeps_those_in_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are counted."""
    monkeypatch.setattr("reconciler.watch.published.LARGEST_REPORT", 8000)
    guests = tuple(guest(f"guest{number:03}", drifted=number == 77) for number in range(100))
    directory = RunDirectory(tmp_path / "run", is_public=True)
    directory.prepare()
    publish_report(directory, report(guests=guests))

    found = PublishedReader(tmp_path / "run").read().report

    assert found
    assert "guest077" in {one.name for one in found.guests}
    assert len(found.guests) + found.guests_left_out == 100
    assert directory.size(REPORT) < 8000


def test_what_another_user_could_have_written_is_not_read_again(tmp_path: Path) -> None:
    """A loop does not go on from it."""
    publishing = Publishing(tmp_path)
    publishing.looped.commit(guest_document(1, [5], [4]))
    publishing.cycle()
    (publishing.path / EVENTS).chmod(0o666)

    assert read_published(publishing.path, EVENTS, EventsView) is None
