"""What the on-call gets: guests, queues before and after, the intruder's values, the commit, and the next command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.kernel.paths import APMASK, mdev
from reconciler.model.commands import Here
from reconciler.simulator.hardware import Card, Plug, Unplug
from reconciler.watch.decisions import BUDGET
from reconciler.watch.events import Event, Kind, events
from reconciler.watch.report import Changed, Condition, Counters, RefusedConfiguration, Report, SourceReport
from reconciler.watch.report_text import with_next
from reconciler.watch.reporter import Moment, Reporter
from reconciler.watch.triggers import Trigger
from testing.commands import parsed
from testing.holdings import uuid
from testing.loops import Looped, guest_document
from testing.reports import NOW, guest, report

DEVICE = mdev(uuid(1))
OURS = "adapter 0x05 (5), domain 0x04 (4)"
FOREIGN = "adapters 0x05 (5), 0x07 (7), domain 0x04 (4)"
HERE = Here(("--state-dir", "/srv/state"))


def words(commit: str) -> tuple[str, str]:
    """What each commit says of itself."""
    return f"Change number {int(commit, 16)}", "Ann"


class Pager:
    """A loop, and what becomes of its cycles on a pager."""

    def __init__(self, folder: Path, *, self_heal: bool = True) -> None:
        self.looped = Looped(folder, self_heal=self_heal)
        self.reporter = Reporter("site", None, applies=True, heals=self_heal, words=words)
        self.last: Report | None = None

    def turn(self, after: float = 1.0) -> tuple[Event, ...]:
        """What is told of one cycle."""
        result = self.looped.turn(after=after)
        moment = Moment(self.looped.clock.time(), None)
        now = self.reporter.report(result, self.looped.loop.enforced, (Trigger("kernel"),), moment)
        told = with_next(events(self.last, now), now, HERE)
        self.last = now
        return told


@pytest.fixture
def pager(tmp_path: Path) -> Pager:
    """Two guests are enforced, and that was told."""
    made = Pager(tmp_path)
    made.looped.commit(guest_document(1, [5], [4]), guest_document(2, [6], [4]))
    made.turn()
    return made


def test_an_apply_names_guests_queues_and_the_commit(pager: Pager) -> None:
    """Before and after, in the text and as data."""
    pager.looped.commit(guest_document(1, [5], [4, 5]), guest_document(2, [6], [4]))

    told = {one.kind: one for one in pager.turn()}

    applied = told[Kind.APPLIED]
    assert applied.guests == ("guest1",)
    assert applied.details[1:] == (
        "guest1: had adapter 0x05 (5), domain 0x04 (4); has adapter 0x05 (5), domains 0x04-0x05 (4-5)",
    )
    assert [(one.name, one.before, one.after) for one in applied.changes[1:]] == [
        ("guest1", "adapter 0x05 (5), domain 0x04 (4)", "adapter 0x05 (5), domains 0x04-0x05 (4-5)")
    ]
    assert f"commit {2:040x} (Change number 2, by Ann)" in applied.text
    assert "(Change number 2, by Ann)" in told[Kind.COMMIT].text


def test_a_correction_names_what_the_other_program_had_set(pager: Pager) -> None:
    """One event, not an apply besides."""
    pager.looped.host.write(f"{DEVICE}/assign_adapter", "7")

    (healed,) = pager.turn()

    assert healed.kind is Kind.HEALED
    assert healed.text == "what another program had changed of guest1 was corrected"
    assert healed.details == (f"guest1: another program had set {FOREIGN}; it is again {OURS}",)
    assert healed.guests == ("guest1",)
    assert healed.next.startswith("reconcile doctor --state-dir /srv/state")


def test_a_mask_that_was_corrected_is_named_too(pager: Pager) -> None:
    """The host is one more holder."""
    pager.looped.host.write(APMASK, "-9")

    (healed,) = pager.turn()

    assert (healed.kind, healed.guests) == (Kind.HEALED, ())
    assert healed.text == "what another program had changed of the host's masks was corrected"
    assert healed.changes[0].before != healed.changes[0].after


def test_drift_that_is_only_reported_has_the_values(tmp_path: Path) -> None:
    """What is there, and what was wanted."""
    pager = Pager(tmp_path, self_heal=False)
    pager.looped.commit(guest_document(1, [5], [4]))
    pager.turn()
    pager.looped.host.write(f"{DEVICE}/assign_adapter", "7")

    told = {one.kind: one for one in pager.turn()}

    assert told[Kind.DRIFT].details[0] == f"guest1: another program set {FOREIGN}; wanted is {OURS}"
    assert told[Kind.DRIFT].next.startswith("reconcile drift ")


def fought(pager: Pager) -> Iterator[Event]:
    """What is told while another program changes guest1 each time, until the loop gives up, and of all that follows."""
    for _ in range(4 * BUDGET):
        pager.looped.host.write(f"{DEVICE}/assign_adapter", "7")
        yield from pager.turn()
        assert pager.last
        if pager.last.condition is Condition.STOPPED:
            break
        if pager.last.condition is Condition.DRIFT:
            yield from pager.turn(after=130.0)
    for _ in range(10):
        yield from pager.turn(after=10.0)


def test_a_fight_is_one_event_for_each_change_of_state(pager: Pager) -> None:
    """The first correction, that it goes on, and that the loop has stopped; no more, however often it was."""
    told = list(fought(pager))

    assert [one.kind for one in told] == [Kind.HEALED, Kind.FIGHT, Kind.CONDITION]
    fight, stopped = told[1:]
    assert fight.guests == ("guest1",)
    assert "another program changes guest1 again and again" in fight.text
    assert fight.details == (f"guest1: another program set {FOREIGN}; wanted is {OURS}",)
    assert stopped.text.startswith("stopped: ")
    assert pager.last
    assert pager.last.counters.healed == BUDGET


def test_after_an_hour_the_loop_corrects_it_again_and_says_so_once(pager: Pager) -> None:
    """The end of a fight is a change of state, too."""
    list(fought(pager))

    told = [*pager.turn(after=3700.0), *pager.turn(after=10.0)]

    assert [one.kind for one in told] == [Kind.CONDITION]
    assert told[0].text.startswith("in sync: ")


def test_a_fight_that_ends_by_itself_is_over(pager: Pager) -> None:
    """An hour after the last correction."""
    for wait in (1.0, 60.0):
        pager.looped.host.write(f"{DEVICE}/assign_adapter", "7")
        pager.turn(after=wait)

    assert pager.turn(after=60.0) == ()
    (over,) = pager.turn(after=3700.0)
    assert (over.kind, over.guests) == (Kind.FIGHT_OVER, ("guest1",))
    assert over.details == (f"guest1: another program set last {FOREIGN}; wanted was {OURS}",)
    assert over.changes == (Changed("guest1", FOREIGN, OURS),)


def test_the_end_of_a_fight_has_what_was_set_last(pager: Pager) -> None:
    """Of each holder that it names, the masks too; whatever else was corrected or changed meanwhile."""
    pager.looped.host.write(f"{mdev(uuid(2))}/assign_adapter", "8")
    pager.turn()
    for wait, adapter in ((1.0, "7"), (60.0, "9")):
        pager.looped.host.write(f"{DEVICE}/assign_adapter", adapter)
        pager.looped.host.write(APMASK, "-10")
        pager.turn(after=wait)
    pager.looped.commit(guest_document(1, [5], [4]), guest_document(2, [6], [4, 5]))
    pager.turn(after=60.0)

    (over,) = pager.turn(after=3700.0)

    assert over.guests == ("guest1",)
    assert [one.name for one in over.changes] == ["guest1", "the host's masks"]
    assert over.changes[0] == Changed("guest1", "adapters 0x05 (5), 0x09 (9), domain 0x04 (4)", OURS)
    assert len(over.details) == len(over.changes)


def test_the_end_of_a_fight_that_began_before_a_restart_has_the_values(pager: Pager) -> None:
    """They are published, as what was corrected is."""
    for wait in (1.0, 60.0):
        pager.looped.host.write(f"{DEVICE}/assign_adapter", "7")
        pager.turn(after=wait)
    assert pager.last
    pager.reporter = Reporter("site", pager.last, applies=True, heals=True, words=words)
    pager.last = pager.last._replace(counters=Counters())

    (over,) = pager.turn(after=3700.0)

    assert over.changes == (Changed("guest1", FOREIGN, OURS),)


def test_what_went_away_beneath_a_guest_and_what_came_back_is_named(pager: Pager) -> None:
    """Guests, and the queues that they saw before and see now, by name."""
    pager.looped.host.change_hardware(Unplug(5))
    lost = next(one for one in pager.turn() if one.kind is Kind.LOST)

    assert (lost.guests, lost.changes) == (("guest1",), (Changed("guest1", OURS, "no queue"),))
    assert lost.details[0] == f"guest1: sees 0 of 1 queues, 1 before ({OURS})"

    pager.looped.host.change_hardware(Plug(5, Card()))
    back = next(one for one in pager.turn() if one.kind is Kind.APPEARED)
    assert (back.guests, back.changes) == (("guest1",), (Changed("guest1", "no queue", OURS),))


def test_what_is_sent_of_every_kind_names_whom_it_concerns() -> None:
    """At most some guests and sentences, however many there are; with queues before and after where they changed."""
    many = tuple(guest(f"g{number}", uuid=str(number), sees="adapters 5, 6, domain 4") for number in range(99))
    fewer = tuple(one._replace(effective=2, sees="adapter 6, domain 4", why=("card 5 is gone",)) for one in many)
    changed = tuple(Changed(one.name, "adapter 5, domain 4", "adapter 6, domain 4") for one in many)
    applies = {"rolled back": {"rolled back": 1}, "degraded": {"degraded": 1}, "applied": {"applied": 3}}
    found = [
        *events(report(guests=many), report(guests=fewer)),
        *events(report(guests=fewer), report(guests=many, appeared=("g1 now has 05.0004",))),
    ]
    for how in applies.values():
        now = report(counters=Counters(13, {"applied": 2} | how), changed=changed)
        found += events(report(), now)

    assert {one.kind for one in found} == {
        Kind.LOST, Kind.APPEARED, Kind.ROLLED_BACK, Kind.DEGRADED, Kind.APPLIED,
    }  # fmt: skip
    for one in found:
        assert one.guests[:2] == ("g0", "g1"), one.kind
        assert one.changes[0].before != one.changes[0].after
        assert len(one.guests) < 20 > len(one.changes)
        assert len(one.details) < 40


def test_a_configuration_that_can_be_used_again_is_named() -> None:
    """The commit, with its subject and author."""
    refused = SourceReport("x", "abc", RefusedConfiguration("def", ("bad",), 1.0))
    (commit, again) = events(report(source=refused), report(source=SourceReport("x", "def", subject="S", author="A")))

    assert (commit.kind, again.kind) == (Kind.COMMIT, Kind.ACCEPTED)
    assert again.text == "the newest configuration, commit def (S, by A), can be used again"


def test_a_repository_that_is_away_for_a_moment_is_not_told(tmp_path: Path) -> None:
    """Only after the grace time; then once, and again when it is back."""
    looped = Looped(tmp_path)
    looped.commit(guest_document(1, [5], [4]))
    reporter = Reporter("site", None, applies=True, grace=300.0)
    previous: Report | None = None
    offered = looped.branch.offered
    told, waits = [], []
    for unreachable, now in (
        ("", 0.0),
        ("timeout", 10.0),
        ("", 20.0),
        ("refused", 30.0),
        ("refused", 329.0),
        ("refused", 330.0),
        ("refused", 400.0),
        ("", 500.0),
    ):
        looped.branch.offered = offered._replace(unreachable=unreachable)
        made = reporter.report(looped.turn(), looped.loop.enforced, (), Moment(now, None))
        told += [(now, one.kind) for one in events(previous, made) if "reachable" in one.kind.value]
        waits.append(reporter.seconds_to_news(now))
        previous = made

    assert told == [(330.0, Kind.UNREACHABLE), (500.0, Kind.REACHABLE)]
    assert waits[1] == waits[3] == 300.0
    assert waits[4] == 1.0
    assert waits[5] == waits[-1] == float("inf")


NEXT = {
    Condition.CHANGES: "reconcile plan",
    Condition.DRIFT: "reconcile drift",
    Condition.NEEDS_PERSON: "reconcile plan",
    Condition.SUSPENDED: "reconcile resume",
    Condition.FAILED: "reconcile doctor",
    Condition.DEGRADED: "reconcile doctor",
    Condition.STOPPED: "reconcile drift",
    Condition.IN_SYNC: "",
    Condition.WAITING: "",
}


@pytest.mark.parametrize(("condition", "command"), NEXT.items())
def test_the_next_command_is_that_of_the_cause(condition: Condition, command: str) -> None:
    """It is one that the tool accepts, with the options of the loop."""
    other = Condition.WAITING if condition is Condition.IN_SYNC else Condition.IN_SYNC
    now = report(condition=condition, cycle_ended=NOW + 1)

    (told,) = with_next(events(report(condition=other), now), now, HERE)

    assert told.next.startswith(command)
    assert bool(told.next) is bool(command)
    if command:
        assert "--state-dir /srv/state" in told.next
        parsed(told.next.partition("    #")[0])
