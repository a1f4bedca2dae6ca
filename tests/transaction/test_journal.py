"""What is on disk before, during and after the writes: journal, inventory, and their records."""

import pytest
from hypothesis import given

from reconciler.kernel.observe import observe
from reconciler.model.codec import BadRecord
from reconciler.model.desired import Activation
from reconciler.model.steps import Holdings
from reconciler.planning.plan import Plan
from reconciler.planning.planner import NOTHING_APPLIED, Applied, make_plan
from reconciler.planning.scope import VmEvent
from reconciler.simulator.host import SimulatedHost
from reconciler.transaction.apply import NoProgress, apply_plan
from reconciler.transaction.journal import INVENTORY, JOURNAL, Journal
from reconciler.transaction.records import RECORDS
from reconciler.transaction.recovery import recover_unfinished
from reconciler.transaction.state_directory import StateDirectory
from testing.clocks import FakeClock
from testing.holdings import (
    config,
    desired,
    guest,
    hardware,
    holdings,
    make_devices,
    uuid,
)
from testing.journals import BOOT, FREE, GIVES_UP, ONE, machine, plan_for

# A VM that starts or has ended ---------------------------------------------------------------------------------------


def test_a_start_changes_nothing_else_in_the_inventory(state: StateDirectory) -> None:
    """What was applied before stays so: the other devices are ours, with what they were last given."""
    web = guest("web", config([6], [4]), 2)
    day = guest("day", config([5], [4]), 1, activation=Activation.ON_DEMAND)
    before = Applied(FREE, {uuid(2): ("web", web.config), uuid(3): ("gone", config([7], [4]))}, 1)
    before = before._replace(unclaimed={uuid(1): "day"})
    journal = Journal(state, BOOT, 2)
    journal.finish(before)
    changed = desired([day, web._replace(config=config([6], [4, 5]))])
    host = SimulatedHost(hardware(), pool=FREE)

    plan = make_plan(changed, observe(host), journal.applied(), VmEvent(starts=frozenset([uuid(1)])))
    journal.commit(plan)

    assert journal.applied() == Applied(FREE, {**before.guests, uuid(1): ("day", day.config)}, 2)
    make_devices(host, Holdings(FREE, {uuid(1): day.config}), observe(host).abilities)
    plan = make_plan(changed, observe(host), journal.applied(), VmEvent(ends=frozenset([uuid(1)])))
    Journal(state, BOOT, 3).commit(plan)
    assert journal.applied() == before._replace(generation=3)


# Records -------------------------------------------------------------------------------------------------------------


@given(holdings())
def test_holdings_come_back_from_their_record(what: Holdings) -> None:
    """Through JSON and back nothing is lost."""
    assert RECORDS.read_content(Holdings, RECORDS.content(what)) == what


@given(holdings())
def test_the_inventory_comes_back_from_its_file(what: Holdings) -> None:
    """Pool, names and configurations."""
    applied = Applied(what.pool, {one: (f"guest-{one}", config) for one, config in what.mdevs.items()})

    assert RECORDS.read_content(Applied, RECORDS.content(applied)) == applied
    assert RECORDS.read_content(Applied, RECORDS.content(NOTHING_APPLIED)) == NOTHING_APPLIED


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b'{"formatVersion": 2}',
        b'{"formatVersion": 1}',
        b'{"formatVersion": 1, "pool": null, "guests": []}',
        b'{"formatVersion": 1, "pool": {"adapters": "0x0", "domains": "0x0"}, "guests": {}}',
        b'{"formatVersion": 1, "pool": null, "guests": {"u": ["a", ",,"]}}',
    ],
)
def test_a_damaged_inventory_is_refused(content: bytes) -> None:
    """Nothing is guessed about what is ours."""
    with pytest.raises(BadRecord):
        RECORDS.read_content(Applied, content)


# The journal ---------------------------------------------------------------------------------------------------------


def begun(state: StateDirectory, steps: int = 1) -> tuple[SimulatedHost, Plan]:
    """A host in the middle of an apply of which `steps` steps were begun."""
    host = SimulatedHost(hardware())
    journal = Journal(state, BOOT)
    plan = plan_for(desired([guest("a", ONE, 1)], GIVES_UP), host, journal)
    journal.begin(plan, Holdings(plan.observed.pool, {}))
    for number in range(1, steps + 1):
        journal.step(number)
    return host, plan


def test_a_journal_tells_what_was_begun(state: StateDirectory) -> None:
    """The start, what may have been touched, and how far it got."""
    _, plan = begun(state, 2)

    unfinished = Journal(state, BOOT).unfinished()

    assert unfinished is not None
    assert unfinished.start == Holdings(plan.observed.pool, {})
    assert unfinished.touched == {uuid(1)}
    assert (unfinished.begun, unfinished.same_boot) == (2, True)


def test_a_torn_last_line_is_a_step_that_was_not_begun(state: StateDirectory) -> None:
    """A crash while the line was written came before the step's first write."""
    begun(state, 2)
    state.append(JOURNAL, b'{"st')

    unfinished = Journal(state, BOOT).unfinished()

    assert unfinished is not None
    assert unfinished.begun == 2


def test_a_journal_of_another_boot_is_history(state: StateDirectory) -> None:
    """The host has started afresh: nothing is put back, and the journal is closed."""
    host, _ = begun(state)
    host.write("bus/ap/aqmask", "-4")

    recovered = recover_unfinished(machine(host, state, "boot-two"))

    assert recovered is not None
    assert not recovered.unfinished.same_boot
    assert host.read("bus/ap/aqmask").startswith("0xf7")
    assert recover_unfinished(machine(host, state, "boot-two")) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"[]\n",
        b'{"formatVersion": 2}\n',
        b'{"formatVersion": 1}\n',
        b'{"formatVersion": 1, "start": 7}\n',
        b'{"formatVersion": 1, "start": {"pool": {"adapters": "?", "domains": "?"}, "mdevs": {}}}\n',
    ],
)
def test_a_damaged_journal_is_refused(state: StateDirectory, content: bytes) -> None:
    """Nothing is guessed about where the host was."""
    state.replace(JOURNAL, content)

    with pytest.raises(BadRecord):
        Journal(state, BOOT).unfinished()


@pytest.mark.parametrize(
    "lines", [b'{"step": 99}\n', b"\n", b'{"step": 1}\n{"step": 1}\n', b'{"verified": true}\n{"step": 1}\n']
)
def test_a_journal_of_steps_that_cannot_be_is_refused(state: StateDirectory, lines: bytes) -> None:
    """Somebody else wrote there, so that nothing it says is sure."""
    begun(state, 0)
    state.append(JOURNAL, lines)

    with pytest.raises(BadRecord, match="not its steps in their order"):
        Journal(state, BOOT).unfinished()


def test_a_plan_without_steps_leaves_no_trace(state: StateDirectory) -> None:
    """Nothing to do is nothing to record."""
    host, journal = SimulatedHost(hardware()), Journal(state, BOOT)
    plan = plan_for(desired([]), host, journal)
    apply_plan(plan, host, FakeClock(), journal, NoProgress())
    before = sorted(state.path.iterdir())
    apply_plan(plan_for(desired([]), host, journal), host, FakeClock(), journal, NoProgress())

    assert sorted(state.path.iterdir()) == before == [state.path / INVENTORY]
