"""Overlapping pairs, counted in comparisons, and what of them becomes a problem."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel.observe import observe
from reconciler.model import overlaps
from reconciler.model.desired import Activation, DesiredGuest, GivenUp, Keep, Presence
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.overlaps import MOST_PAIRS, Pairs, pairs_among, pairs_between
from reconciler.model.problems import MOST_SHOWN, Problem, ProblemList
from reconciler.planning.conflicts import MOST_BLAMED, conflicts
from reconciler.planning.planner import make_plan
from reconciler.planning.target import pool_of
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import config, desired, guest, hardware, matrix, rectangles

ONE = config([5], [4])
KINDS = {0: (0, 1), 1: (0,)}


@pytest.fixture
def comparisons(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one for each comparison of two rectangles."""
    made: list[int] = []
    real = Matrix.overlaps

    def noted(one: Matrix, other: Matrix) -> bool:
        made.append(1)
        return real(one, other)

    monkeypatch.setattr(Matrix, "overlaps", noted)
    return made


def itself(one: Matrix) -> Matrix:
    """The rectangle of a rectangle."""
    return one


@given(st.lists(st.tuples(rectangles(), st.sampled_from([0, 1])), max_size=8), st.lists(rectangles(), max_size=8))
def test_every_pair_is_found(marked: list[tuple[Matrix, int]], others: list[Matrix]) -> None:
    """As by comparing each with each, while they are few."""
    ones, kinds = [one for one, _ in marked], [kind for _, kind in marked]

    between = pairs_between(ones, itself, others, itself)
    among = pairs_among(ones, itself, kinds, KINDS)

    assert between == Pairs([(a, b) for a in ones for b in others if a.overlaps(b)], 0, is_cut=False)
    assert among.first == [
        (one, earlier)
        for place, one in enumerate(ones)
        for earlier, kind in zip(ones[:place], kinds, strict=False)
        if kind in KINDS[kinds[place]] and one.overlaps(earlier)
    ]


@pytest.mark.parametrize("number", [1_000, 2_000, 4_000])
def test_pairs_cost_no_more_comparisons_than_their_bound(
    monkeypatch: pytest.MonkeyPatch, comparisons: list[int], number: int
) -> None:
    """Millions of pairs are not compared one by one; each further guest counts as one pair at least."""
    monkeypatch.setattr(overlaps, "COMPARISONS", 20_000)
    ones = [matrix([5], [4])] * number

    found = pairs_among(ones, itself, [0] * number, KINDS)

    assert len(comparisons) < 20_000 + number
    assert found.is_cut
    assert found.more > number - MOST_PAIRS
    assert found.rest == f"at least {found.more:,} more"


@pytest.mark.parametrize("number", [500, 2_000])
def test_rectangles_without_a_common_queue_are_not_compared(comparisons: list[int], number: int) -> None:
    """However many there are on both sides."""
    ones = [matrix([one % 128], [one // 128]) for one in range(number)]
    others = [matrix([128 + one % 128], [one // 128]) for one in range(number)]

    assert pairs_between(ones, itself, others, itself).first == []
    assert pairs_among(ones, itself, [0] * number, KINDS).first == []
    assert not comparisons


def problems_of(guests: Sequence[DesiredGuest], **host: object) -> tuple[Problem, ...]:
    """The conflicts of `guests`, as a plan has them."""
    what = desired(guests, **host)  # type: ignore[arg-type]
    derived = pool_of(what, ())
    return ProblemList(conflicts(what, derived.pool if derived else None, (), ())).all


@pytest.mark.parametrize("number", [300, 900])
@pytest.mark.parametrize("kind", ["overlap", "keep", "given pool", "no pool", "given up"])
def test_many_conflicts_are_few_problems(comparisons: list[int], kind: str, number: int) -> None:
    """Three times as many cost three times the work at most, and are as many lines."""
    sharing = [guest(f"g{one}", ONE, one, activation=Activation.ON_DEMAND) for one in range(number)]
    kept = [Keep(matrix([5], [4]), one) for one in range(number)]
    if kind == "overlap":
        found = problems_of([guest(f"g{one}", ONE, one) for one in range(number)])
    elif kind == "keep":
        found = problems_of(sharing, keep=kept)
    elif kind == "given pool":
        found = problems_of(sharing, given_up=GivenUp(NO_IDS, IdSet([7])))
    elif kind == "given up":
        found = problems_of([], keep=kept, given_up=GivenUp(IdSet([5]), NO_IDS))
    else:
        corners = [Keep(matrix([5], [7]), 0), Keep(matrix([6], [4]), 1)]
        found = problems_of(sharing, keep=corners)

    assert len(found) <= MOST_SHOWN + 1
    assert all(len(one.places) + len(one.details) <= 4 * MOST_BLAMED for one in found)
    assert all(len(one.message) < 1000 for one in found)
    assert len(comparisons) <= overlaps.COMPARISONS + 4 * number
    if kind != "no pool":
        assert sum(one.stands_for for one in found) >= number - 1


@pytest.mark.parametrize("number", [300, 600])
def test_absent_hardware_is_explained_while_that_is_shown(number: int) -> None:
    """Of thousands of guests whose queues are absent, each with hundreds of reasons, the rest is counted."""
    absent = {"presence": Presence.REQUIRED, "activation": Activation.ON_DEMAND}
    wanted = [guest(f"g{one}", config(range(100, 256), [one % 256]), one, **absent) for one in range(number)]

    problems = make_plan(desired(wanted), observe(SimulatedHost(hardware(), PROFILES["6.12"]))).problems

    shown = [one for one in problems if one.id == "required-absent"]
    assert len(shown) == MOST_SHOWN
    assert sum(one.stands_for for one in problems) == number


def test_reasons_are_few() -> None:
    """Of hundreds of hidden adapters the first are shown."""
    wanted = guest("g", config(range(200), [4]), presence=Presence.REQUIRED)
    machine = hardware(range(256), [4, 5])

    problems = make_plan(
        desired([wanted], GivenUp(NO_IDS, IdSet([5]))), observe(SimulatedHost(machine, PROFILES["6.12"]))
    )

    (absent,) = (one for one in problems.problems if one.id == "required-absent")
    assert len(absent.details) == 9
    assert absent.details[-1] == "and 192 more reasons"
