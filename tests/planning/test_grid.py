"""Who has which queue, cell by cell: each state, and that the cells and the problems of a plan say the same."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, DesiredGuest, GivenUp, Keep, Unmanaged
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.matrix import FULL_MATRIX, Matrix, Queue
from reconciler.model.observed import Observed, ObservedQueue
from reconciler.model.problems import Severity
from reconciler.model.steps import Holdings
from reconciler.planning.grid import MOST_NAMED, Cell, CellState, Grid, changes_of, grid_as_found, grid_of, grids_of
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.simulator.host import SimulatedHost
from testing.holdings import (
    ADAPTERS,
    DOMAINS,
    EVERY_PROFILE,
    config,
    desired,
    guest,
    holdings,
    host_holding,
    rectangles,
    uuid,
)
from testing.plans import FREE, GIVES_UP, applied, host_with


def seen(grid: Grid, adapter: int, domain: int) -> tuple[CellState, str, list[str]]:
    """The state of a queue, its holder, and who else has or claims it."""
    one = grid.rows[adapter][domain]
    return one.state, one.holder.name if one.holder else "", [other.name for other in one.others]


def grid(guests: list[DesiredGuest], host: SimulatedHost, ours: Applied | None = None, **fields: object) -> Grid:
    """The grid of a host with `guests` in its manifests."""
    return grid_of(make_plan(desired(guests, GIVES_UP, **fields), observe(host), ours or applied()))


def test_what_is_applied_is_held_or_waits_for_hardware() -> None:
    """And what no guest has is the host's, or free; what is neither there nor claimed has no cell."""
    found = grid([guest("a", config([5, 200], [4]), 1)], host_with(m1=config([5, 200], [4])))

    assert seen(found, 5, 4) == (CellState.HELD, "a", [])
    assert seen(found, 200, 4) == (CellState.PENDING, "a", [])
    assert seen(found, 5, 0xAB) == (CellState.HOST, "", [])
    assert seen(found, 5, 0x47) == (CellState.FREE, "", [])
    assert 5 not in found.rows[200]
    assert list(found.rows) == [5, 6, 7, 200]
    assert found.present == 12
    assert {state: count for state, count in found.counts.items() if count} == {
        CellState.HELD: 1,
        CellState.PENDING: 1,
        CellState.HOST: 6,
        CellState.FREE: 5,
    }
    assert [one.is_there for one in found.rows[200].values()] == [False]


def test_what_the_next_apply_changes_is_marked() -> None:
    """Who gets a queue, who loses it, and who gets what another one loses."""
    guests = [guest("a", config([6], [4]), 1), guest("b", config([5], [4]), 2)]

    found = grid(guests, host_with(m1=config([5, 7], [4])), applied(m1=config([5, 7], [4])))

    assert seen(found, 6, 4) == (CellState.PLANNED, "a", [])
    assert seen(found, 7, 4) == (CellState.LEAVING, "a", [])
    assert seen(found, 5, 4) == (CellState.LEAVING, "a", ["b"])


def test_what_the_host_gives_up_is_planned() -> None:
    """The host has it until then."""
    found = grid([guest("a", config([5], [4]), 1)], host_holding(Holdings(FULL_MATRIX, {}), EVERY_PROFILE[-1]))

    assert seen(found, 5, 4) == (CellState.PLANNED, "a", [])
    assert found.rows[5][4].of_host
    assert seen(found, 5, 0x47) == (CellState.HOST, "", [])


def test_a_kernel_that_takes_only_what_is_there_lets_the_rest_wait() -> None:
    """Before 6.0 the device gets nothing in advance."""
    found = grid([guest("a", config([5, 200], [4]), 1)], host_with("5.15", m1=config([5], [4])))

    assert seen(found, 5, 4) == (CellState.HELD, "a", [])
    assert seen(found, 200, 4) == (CellState.PENDING, "a", [])


def test_on_demand_guests_share_a_claim_until_one_has_it() -> None:
    """Any number of them may claim a queue; an inactive guest claims none."""
    guests = [
        guest("a", config([5], [4]), 1, activation=Activation.ON_DEMAND),
        guest("b", config([5], [4, 0x47]), 2, activation=Activation.ON_DEMAND),
        guest("c", config([6], [4]), 3, activation=Activation.INACTIVE),
    ]

    waiting = grid(guests, host_with())
    running = grid(guests, host_with(m2=config([5], [4, 0x47])))

    assert seen(waiting, 5, 4) == (CellState.ON_DEMAND, "a", ["b"])
    assert seen(waiting, 5, 0x47) == (CellState.ON_DEMAND, "b", [])
    assert seen(waiting, 6, 4) == (CellState.FREE, "", [])
    assert seen(running, 5, 4) == (CellState.HELD, "b", ["a"])


def test_two_that_cannot_both_have_it_conflict() -> None:
    """Guests with each other, with devices of others, and with what the host keeps or does not give up."""
    guests = [
        guest("a", config([5], [4, 0x47]), 1),
        guest("b", config([5, 6], [4]), 2),
        guest("c", config([7], [4, 0xAB]), 3),
    ]
    keep = (Keep(Matrix(IdSet([7]), IdSet([4])), 0),)

    found = grid(guests, host_with(mf=config([6], [4])), keep=keep)

    assert seen(found, 5, 4) == (CellState.CONFLICT, "a", ["b"])
    assert seen(found, 5, 0x47) == (CellState.PLANNED, "a", [])
    assert seen(found, 6, 4) == (CellState.CONFLICT, uuid(0xF), ["b"])
    assert seen(found, 7, 4) == (CellState.CONFLICT, "c", [])
    assert found.rows[7][4].is_kept
    assert found.rows[7][4].contenders == ("c", "the host")
    assert found.rows[5][4].contenders == ("a", "b")
    assert seen(found, 7, 0xAB) == (CellState.CONFLICT, "c", [])
    assert found.counts[CellState.CONFLICT] == 4


def test_a_queue_that_a_device_and_the_host_both_have_is_a_conflict() -> None:
    """As on kernels before 6.0, whose mask writes look at no device."""
    held = observe(host_with(m1=config([5], [4])))

    found = grid_as_found(held._replace(pool=FULL_MATRIX))

    assert seen(found, 5, 4) == (CellState.CONFLICT, uuid(1), [])
    assert found.rows[5][4].contenders == (uuid(1), "the host")
    assert found.rows[5][0xAB].contenders == ()


def test_devices_without_a_manifest() -> None:
    """One that is not ours is held; one of ours, or that is not to be there, is to go."""
    host = host_with(m1=config([5], [4]), mf=config([6], [4]))

    ours = grid([], host, applied(m1=config([5], [4])))
    removed = grid([], host, unmanaged=Unmanaged.REMOVE)

    assert seen(ours, 5, 4) == (CellState.LEAVING, "m1", [])
    assert seen(ours, 6, 4) == (CellState.HELD, uuid(0xF), [])
    assert seen(removed, 6, 4) == (CellState.LEAVING, uuid(0xF), [])


def test_a_host_alone_is_shown_as_it_is() -> None:
    """With the names that are known."""
    observed = observe(host_with(m1=config([5], [4]), mf=config([6, 200], [4])))

    found = grid_as_found(observed, {uuid(1): "a"})

    assert seen(found, 5, 4) == (CellState.HELD, "a", [])
    assert seen(found, 200, 4) == (CellState.PENDING, uuid(0xF), [])
    assert [one.name for one in found.holders] == [uuid(0xF), "a"]


def test_two_holders_of_one_name_stay_apart() -> None:
    """A guest that was made anew with another uuid, beside its old device."""
    found = grid(
        [guest("a", config([6], [4]), 2)],
        host_with(m1=config([5], [4])),
        Applied(FREE, {uuid(1): ("a", config([5], [4]))}),
    )

    assert seen(found, 5, 4) == (CellState.LEAVING, "a", [])
    assert seen(found, 6, 4) == (CellState.PLANNED, "a", [])
    assert [(cell.queue.adapter, cell.holder.uuid) for cell in found.cells if cell.holder] == [
        (5, uuid(1)),
        (6, uuid(2)),
    ]


def test_an_adapter_without_domains_is_no_cell() -> None:
    """It gives no queue, so that there is nothing to draw."""
    found = grid([guest("a", config([5, 200], []), 1)], host_with(m1=config([5, 200], [])))

    assert 200 not in found.rows
    assert not [cell for cell in found.cells if cell.holder]


def test_some_holders_alone() -> None:
    """Their cells, and the counts of the whole host."""
    whole = grid([guest("a", config([5], [4]), 1), guest("b", config([6], [4]), 2)], host_with())

    found = whole.only([uuid(2)])

    assert [cell.queue for cell in found.cells] == [Queue(6, 4)]
    assert found.counts == whole.counts
    assert found.holders == whole.holders
    assert not list(whole.only([]).cells)


def test_very_many_claimants_are_not_all_named() -> None:
    """A thousand guests with one queue are no thousand names in its cell."""
    many = [guest(f"g{number:04}", config([5], [4]), number, activation=Activation.ON_DEMAND) for number in range(1000)]

    found = grid(many, host_with())

    state, holder, others = seen(found, 5, 4)
    assert (state, holder) == (CellState.ON_DEMAND, "g0000")
    assert len(others) == MOST_NAMED - 1


CONFLICTS = {
    "guest-overlap",
    "foreign-overlap",
    "kept-queue",
    "kept-by-foreign",
    "queue-left-to-host",
    "pool-takes-foreign",
}


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans with and without conflicts, on hosts of every kernel."""
    claims = draw(st.lists(st.tuples(rectangles(), st.sampled_from(list(Activation))), max_size=4))
    guests = [
        guest(f"g{number}", config(one.adapters, one.domains), number, activation=activation)
        for number, (one, activation) in enumerate(claims, 1)
    ]
    given_up = draw(st.none() | st.just(GivenUp(NO_IDS, IdSet(DOMAINS))) | st.just(GivenUp(IdSet([5, 6]), NO_IDS)))
    keep = draw(st.lists(rectangles(), max_size=1))
    wanted = desired(guests, given_up, keep=tuple(Keep(one, number) for number, one in enumerate(keep)))
    host = host_holding(draw(holdings()), draw(st.sampled_from([one for one in EVERY_PROFILE if one.over_provision])))
    return make_plan(wanted, observe(host))


@given(plans())
def test_cells_conflict_where_problems_say_so(plan: Plan) -> None:
    """There is a cell in conflict if, and only if, an error is about two holders of one queue."""
    errors = {one.id for one in plan.problems if one.severity is Severity.ERROR}

    found = grid_of(plan)

    assert bool(found.counts[CellState.CONFLICT]) == bool(errors & CONFLICTS), errors


@given(plans())
def test_every_queue_that_is_there_or_claimed_has_its_cell(plan: Plan) -> None:
    """As the masks, the devices and the manifests say, each asked by itself."""
    found = grid_of(plan)

    there = {one.queue for one in plan.observed.queues}
    claimed = {
        queue
        for one in plan.guests
        if one.guest and one.guest.activation is not Activation.INACTIVE
        for queue in one.guest.config.matrix.queues()
    }
    held = {queue for one in plan.observed.mdevs for queue in one.config.matrix.queues()}
    cells = {cell.queue: cell for cell in found.cells}
    assert cells.keys() == there | claimed | held
    assert list(cells) == sorted(cells)
    for queue, cell in cells.items():
        assert cell.is_there == (queue in there)
        assert (cell.holder is not None) == (queue in claimed | held)
        assert not cell.holder or cell.holder.held.has(queue) or queue not in held
        assert_state(cell, plan.observed)
    assert sum(found.counts.values()) == len(cells)


def assert_state(cell: Cell, observed: Observed) -> None:
    """The state is one that the cell can be in."""
    match cell.state:
        case CellState.HOST:
            assert observed.pool.has(cell.queue)
            assert cell.holder is None
        case CellState.FREE:
            assert not observed.pool.has(cell.queue)
            assert cell.holder is None
            assert cell.is_there
        case CellState.HELD:
            assert cell.is_there
        case CellState.PENDING:
            assert not cell.is_there
        case _:
            assert cell.holder


def test_a_full_machine_is_quick_to_lay_out() -> None:
    """256 adapters with 256 domains: each queue is looked at once."""
    queues = tuple(ObservedQueue(Queue(adapter, domain), None) for adapter in range(256) for domain in range(256))
    bare = observe(host_with())._replace(queues=queues)

    found = grid_as_found(bare)

    assert sum(found.counts.values()) == found.present == 65_536
    assert ADAPTERS[0] in found.rows
    assert found.counts[CellState.FREE] == 2 * 256


def test_before_and_after_a_plan() -> None:
    """Who has what until then and afterwards, and which queues change hands; a claim for later is there afterwards."""
    guests = [
        guest("a", config([5], [4]), 1),
        guest("b", config([6], [4]), 2, activation=Activation.ON_DEMAND),
    ]
    host = host_with(m1=config([5], [0x47]), mf=config([7], [4]))
    made = make_plan(desired(guests, GIVES_UP), observe(host), applied(m1=config([5], [0x47])))

    before, after = grids_of(made)

    assert seen(before, 5, 0x47) == (CellState.HELD, "a", [])
    assert seen(before, 5, 4) == (CellState.FREE, "", [])
    assert seen(before, 6, 4) == (CellState.FREE, "", [])
    assert seen(after, 5, 0x47) == (CellState.FREE, "", [])
    assert seen(after, 5, 4) == (CellState.HELD, "a", [])
    assert seen(after, 6, 4) == (CellState.ON_DEMAND, "b", [])
    assert seen(before, 7, 4) == seen(after, 7, 4) == (CellState.HELD, uuid(0xF), [])
    assert changes_of(made) == {5: 1 << 4 | 1 << 0x47}


def test_what_the_host_gives_up_changes_hands() -> None:
    """The queues of the masks count as those of a device."""
    host = host_holding(Holdings(FULL_MATRIX, {}), EVERY_PROFILE[-1])
    made = make_plan(desired([guest("a", config([5], [4]), 1)], GIVES_UP), observe(host), applied())

    before, after = grids_of(made)
    changes = changes_of(made)

    assert seen(before, 5, 4) == (CellState.HOST, "", [])
    assert seen(after, 5, 4) == (CellState.HELD, "a", [])
    assert changes[5] >> 4 & 1
    assert made.pool != made.observed.pool


def test_claims_that_contradict_each_other_are_in_conflict_afterwards() -> None:
    """Before, each device has what it has."""
    guests = [guest("a", config([5], [4]), 1), guest("b", config([5], [4]), 2)]
    made = make_plan(desired(guests, GIVES_UP), observe(host_with(m1=config([5], [4]))), applied())

    before, after = grids_of(made)

    assert seen(before, 5, 4) == (CellState.HELD, "a", [])
    assert seen(after, 5, 4) == (CellState.CONFLICT, "a", ["b"])
