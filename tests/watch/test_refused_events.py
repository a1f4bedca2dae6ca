"""What is told of a refused commit: whose it is, which guests it concerns, and what it would have changed."""

import io
import json
from pathlib import Path

import pytest

from reconciler.watch.events import Event, Kind, events
from reconciler.watch.log import Format, Log
from reconciler.watch.notices import notice_record
from reconciler.watch.report import NO_REPORT, RefusedConfiguration, SourceReport
from reconciler.watch.reporter import Moment, Reporter
from reconciler.watch.triggers import Trigger
from testing.holdings import uuid
from testing.loops import Looped, guest_document
from testing.reports import NOW, report

ENFORCED = f"{1:040x}"
REFUSED = f"{2:040x}"


class Told:
    """A loop that enforces a commit with two guests, and what is told of the next one."""

    def __init__(self, folder: Path) -> None:
        self.looped = Looped(folder)
        self.reporter = Reporter("site", None, applies=True, words=lambda one: (f"Change {int(one, 16)}", "Ann"))
        self.report = NO_REPORT
        self.looped.commit(guest_document(1, [5], [4, 0x47]), guest_document(2, [6], [4]))
        self.turn()

    def turn(self) -> tuple[Event, ...]:
        """What is told of one cycle."""
        result = self.looped.turn()
        before, moment = self.report, Moment(self.looped.clock.time(), None)
        self.report = self.reporter.report(result, self.looped.loop.enforced, (Trigger("git"),), moment)
        return events(before, self.report)

    def refused(self, *documents: str) -> Event:
        """The event of a commit with `documents`, which is refused."""
        self.looped.commit(*documents)
        return next(one for one in self.turn() if one.kind is Kind.REFUSED)


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """The two guests are applied."""
    return Told(tmp_path)


def test_whose_queues_are_in_use_and_what_was_to_become_of_them(told: Told) -> None:
    """Where a running VM would lose a queue, with the other guest that the commit changes."""
    told.looped.host.start_vm(uuid(1))

    event = told.refused(guest_document(1, [5], [4]), guest_document(2, [6], [5]))

    assert event.guests == ("guest1", "guest2")
    changes = {one.name: one for one in event.changes}
    assert changes["guest1"].before == "adapter 0x05 (5), domains 0x04 (4), 0x47 (71)"
    assert changes["guest1"].after == "adapter 0x05 (5), domain 0x04 (4)"
    assert changes["guest2"].after == "adapter 0x06 (6), domain 0x05 (5)"


def test_guests_that_would_be_removed(told: Told) -> None:
    """Many at once need consent; there is no plan, since nothing was read of the host."""
    event = told.refused()

    assert event.guests == ("guest1", "guest2")


def invalid(number: int) -> str:
    """A guest whose manifest cannot be read."""
    return guest_document(number, [5], [4]).replace("[4]", "[04]")


@pytest.mark.parametrize(
    ("documents", "guests"),
    [
        ((guest_document(1, [5], [4]), guest_document(2, [5], [4])), {"guest1", "guest2"}),
        ((guest_document(2, [6], [4]), invalid(1), guest_document(3, [7], [4])), {"guest1"}),
        ((guest_document(1, [5], [4], nonsense="1"),), {"guest1"}),
        ((guest_document(1, [5], [4]).replace("name: guest1", "name: Guest_1"),), set()),
    ],
)
def test_guests_whose_manifests_are_wrong(told: Told, documents: tuple[str, ...], guests: set[str]) -> None:
    """The guests whose documents the problems point into; nothing is planned, so that there are no changes."""
    event = told.refused(*documents)

    assert set(event.guests) == guests
    assert event.changes == ()


def test_guests_whose_plan_has_errors(told: Told) -> None:
    """Here a suspended guest has the queue, which the manifests give to another one."""
    told.looped.suspend("guest2")

    event = told.refused(guest_document(1, [6], [4]))

    assert set(event.guests) == {"guest1", "guest2"}
    assert event.changes == ()


def test_the_refused_commit_is_the_one_that_the_notice_names(told: Told) -> None:
    """A program that pages the author pages the right person; what is enforced stands beside it."""
    event = told.refused(invalid(1))

    record = notice_record(event, told.report)

    assert (record["commit"], record["subject"], record["author"]) == (REFUSED, "Change 2", "Ann")
    assert record["enforced"] == {"commit": ENFORCED, "subject": "Change 1", "author": "Ann"}


def test_what_is_refused_without_a_commit_names_none() -> None:
    """Not the one that is enforced."""
    refused = SourceReport("x", "abc", RefusedConfiguration("", ("no branch",), NOW), subject="S", author="A")
    (event,) = events(report(source=SourceReport("x", "abc", subject="S", author="A")), report(source=refused))

    record = notice_record(event, report(source=refused))

    assert (record["commit"], record["subject"], record["author"]) == (None, None, None)
    assert record["enforced"] == {"commit": "abc", "subject": "S", "author": "A"}


def test_all_else_names_what_is_enforced() -> None:
    """Also while another commit is refused."""
    source = SourceReport("x", "abc", RefusedConfiguration("def", ("bad",), NOW), subject="S", author="A")

    record = notice_record(Event(Kind.DRIFT, events(None, report())[0].level, "x"), report(source=source))

    assert (record["commit"], record["subject"], record["author"]) == ("abc", "S", "A")
    assert record["enforced"] == {"commit": "abc", "subject": "S", "author": "A"}


def test_the_log_line_of_a_refusal_names_the_refused_commit(told: Told) -> None:
    """Lines before and after it name what is enforced."""
    before = told.report
    told.refused(invalid(1))
    stream = io.StringIO()

    Log(stream, lambda: NOW, format=Format.JSON).report(before, told.report)

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {one["kind"]: one["commit"] for one in lines}["refused"] == REFUSED[:12]
    assert {one["kind"]: one.get("guests") for one in lines}["refused"] == ["guest1"]
