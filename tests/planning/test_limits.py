"""How much one apply may remove without being told so."""

import pytest

from reconciler.kernel.observe import observe
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.steps import Holdings
from reconciler.planning.plan import ALLOW_EMPTY, ALLOW_REMOVALS, Plan, removal_limits
from reconciler.planning.planner import Applied, make_plan
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import config, desired, guest, host_holding, uuid

FREE = Matrix(ALL_IDS - IdSet(range(20)), ALL_IDS)


def plan(before: int, staying: int, new: int = 0) -> Plan:
    """A host with `before` devices of ours, of which `staying` stay, and `new` ones."""
    configs = {uuid(number): config([number], [4]) for number in range(1, before + 1)}
    host = host_holding(Holdings(FREE, configs), PROFILES["6.12"])
    ours = Applied(None, {one: (f"g{one[-2:]}", what) for one, what in configs.items()})
    wanted = [guest(f"g{number:02}", config([number], [4]), number) for number in range(1, staying + 1)]
    wanted += [guest(f"n{number:02}", config([10 + number], [4]), 100 + number) for number in range(new)]
    return make_plan(desired(wanted), observe(host), ours)


@pytest.mark.parametrize("before", [1, 2, 7])
def test_removing_all_needs_to_be_said(before: int) -> None:
    """An empty directory, or one that was moved, does not clear a host."""
    assert plan(before, 0).flags == (ALLOW_EMPTY,)


@pytest.mark.parametrize("before", [1, 2, 7])
def test_removing_all_for_other_guests_needs_to_be_said(before: int) -> None:
    """The manifests of another host do not clear this one either."""
    made = plan(before, 0, new=2)
    assert made.flags == (ALLOW_REMOVALS,)
    assert f"all of our mediated devices are removed ({before}), and other guests" in made.consents[0].reason


def test_a_guest_with_another_uuid_is_not_removed() -> None:
    """It has the same name, and the host does not end up with other guests."""
    configs = {uuid(number): config([number], [4]) for number in (1, 2)}
    host = host_holding(Holdings(FREE, configs), PROFILES["6.12"])
    ours = Applied(None, {one: (f"g{one[-2:]}", what) for one, what in configs.items()})
    wanted = [guest("g01", config([11], [4]), 101), guest("g02", config([12], [4]), 102)]
    assert make_plan(desired(wanted), observe(host), ours).flags == ()


@pytest.mark.parametrize(
    ("before", "staying", "flags"),
    [(4, 1, ()), (5, 3, ()), (5, 2, (ALLOW_REMOVALS,)), (6, 3, ()), (6, 2, (ALLOW_REMOVALS,))],
)
def test_removing_more_than_half_of_five_or_more_needs_to_be_said(
    before: int, staying: int, flags: tuple[str, ...]
) -> None:
    """Half of them, or some of a few, is daily work."""
    made = plan(before, staying)
    assert made.flags == flags
    assert made.is_valid


def test_the_reason_has_the_numbers() -> None:
    """So that whoever reads it sees at once that the wrong directory was named."""
    (consent,) = plan(6, 2).consents
    assert consent.reason == "4 of our 6 mediated devices are removed"


def test_nothing_to_remove_needs_no_word() -> None:
    """A new host, and one in sync."""
    assert plan(0, 0).flags == ()
    assert plan(3, 3).flags == ()


@pytest.mark.parametrize(
    ("before", "after", "flags"),
    [
        ("abcde", "ab", [ALLOW_REMOVALS]),
        ("abcde", "abc", []),
        ("abcd", "a", []),
        ("abcde", "axyz", [ALLOW_REMOVALS]),
        ("a", "", [ALLOW_EMPTY]),
        ("a", "x", [ALLOW_REMOVALS]),
        ("a", "A", []),
        ("ab", "Ax", []),
        ("ab", "xyz", [ALLOW_REMOVALS]),
        ("", "", []),
    ],
)
def test_manifests_are_held_to_the_same_limits(before: str, after: str, flags: list[str]) -> None:
    """Whatever of their devices is there at the moment: after a boot nothing is. `A` is guest `a` with another uuid."""

    def named(uuids: str) -> dict[str, str]:
        return {one: one.lower() for one in uuids}

    assert [one.flag for one in removal_limits(named(before), named(after))] == flags
