"""The picture of a plan and of a status: rows, columns and cells as the grid has them."""

from typing import Final

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, DesiredGuest
from reconciler.model.matrix import FULL_MATRIX
from reconciler.model.steps import Holdings
from reconciler.picture.cells import NO_CARD, Picture, State
from reconciler.planning.grid import grid_of
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.planning.status import status_of
from reconciler.render.pictures import picture_of, pictures_of
from reconciler.simulator.host import SimulatedHost
from testing.holdings import EVERY_PROFILE, config, desired, guest, host_holding
from testing.plans import GIVES_UP, applied, host_with

GUESTS: Final = [guest("a", config([5, 200], [4]), 1), guest("b", config([6], [4, 0x47]), 2)]


def plan_of(host: SimulatedHost, ours: Applied, guests: list[DesiredGuest] = GUESTS) -> Plan:
    """The plan of `guests` on `host`, where `ours` was applied last."""
    return make_plan(desired(guests, GIVES_UP), observe(host), ours)


def now(plan: Plan) -> Picture:
    """The picture of the host as it is."""
    return picture_of(status_of(plan), grid_of(plan))


def states(picture: Picture) -> dict[str, list[str]]:
    """By adapter, the runs of `picture`: domains, state and holder, and whether the plan changes them."""
    return {
        f"{row.band.first}": [
            f"{picture.domains_of(run)} {run.shown.state}"
            f"{'' if run.shown.holder is None else f' {picture.holders[run.shown.holder].name}'}"
            f"{' changes' if run.shown.changes else ''}"
            for run in row.runs
        ]
        for row in picture.rows
    }


def test_the_picture_of_a_status_has_the_cells_of_its_grid() -> None:
    """Each with its state and its holder, what waits for hardware among them."""
    ours = {"m1": config([5, 200], [4]), "m2": config([6], [4])}
    made = now(plan_of(host_with("6.12", **ours), applied(**ours)))

    assert states(made) == {
        "5": ["0x04 (4) held a", "0x47 (71) free", "0xab (171), 0xff (255) host"],
        "6": ["0x04 (4) held b", "0x47 (71) planned b changes", "0xab (171), 0xff (255) host"],
        "7": ["0x04 (4), 0x47 (71) free", "0xab (171), 0xff (255) host"],
        "200": ["0x04 (4) pending a"],
    }
    assert [one.initials for one in made.holders] == ["a", "b"]
    assert made.rows[-1].card == NO_CARD
    assert made.rows[0].card.type == "CEX7"
    assert made.present == 12


def test_before_and_after_have_the_same_rows_and_columns() -> None:
    """So that each cell is beside itself; what the plan changes is marked on both sides."""
    host = host_holding(Holdings(FULL_MATRIX, {}), EVERY_PROFILE[-1])
    before, after = pictures_of(plan_of(host, applied()))

    assert before.columns == after.columns
    assert [one.band for one in before.rows] == [one.band for one in after.rows]
    assert before.holders == after.holders
    assert {run.shown.state for row in before.rows for run in row.runs} == {State.HOST}
    assert "0x04 (4), 0x47 (71) held b changes" in states(after)["6"]


def test_ids_without_a_holder_that_follow_each_other_are_folded() -> None:
    """Rows as well as columns, where they look alike; ids that are not there are never part of a row or column."""
    held = config([5], [4])
    made = now(plan_of(host_with(m1=held), applied(m1=held), [guest("a", held, 1)]))

    assert [str(one.band.first) for one in made.rows if not one.band.is_folded] == ["5"]
    assert [(one.band.first, one.band.last) for one in made.rows if one.band.is_folded] == [(6, 7)]
    assert [one.first for one in made.columns] == [4, 0x47, 0xAB, 0xFF]


def test_some_holders_can_be_chosen() -> None:
    """Initials and counts stay those of the host; the legend has only who is drawn."""
    ours = {"m1": config([5, 200], [4]), "m2": config([6], [4])}
    plan = plan_of(host_with("6.12", **ours), applied(**ours))
    _, whole = pictures_of(plan)
    _, chosen = pictures_of(plan, [plan.guests[1].uuid])

    assert list(states(chosen)) == ["6"]
    assert (chosen.holders, chosen.counts) == (whole.holders[1:], whole.counts)


def test_a_conflict_has_all_who_contend() -> None:
    """Guests by their places, and that the plan cannot be applied."""
    guests = [guest("a", config([5], [4]), 1), guest("b", config([5], [4]), 2)]
    _, after = pictures_of(plan_of(host_with(), applied(), guests))
    shown = next(row for row in after.rows if row.band.first == 5).runs[0].shown

    assert (shown.state, shown.holder, shown.others) == (State.CONFLICT, 0, (1,))
    assert after.about == "this plan has errors and cannot be applied"


def test_guests_that_claim_nothing_have_no_initials() -> None:
    """An inactive one is not in the picture."""
    made = now(plan_of(host_with(), applied(), [guest("a", config([5], [4]), 1, activation=Activation.INACTIVE)]))

    assert made.holders == ()
