"""No guest gets another device only because the names changed that its uuid is derived from."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, Desired, DesiredGuest
from reconciler.planning.changed_uuids import changed_uuids, moved_uuids
from reconciler.planning.plan import Plan
from reconciler.planning.planner import NOTHING_APPLIED, Applied, inventory_words, make_plan
from reconciler.planning.scope import WHOLE, Targets, VmEvent, Whole
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction.journal import applied_by
from testing.holdings import EVERYTHING_HOST, config, desired, guest, host_holding, uuid

SINCE: Final = "then"
ACTIVE, ON_DEMAND, INACTIVE = Activation


def after(found: Plan, before: Applied = NOTHING_APPLIED) -> Applied:
    """What is known once it is applied."""
    return applied_by(found, 1, before)


def planned(wanted: Desired, before: Applied = NOTHING_APPLIED, scope: Whole | VmEvent | Targets = WHOLE) -> Plan:
    """The plan on a host without a device, where that was applied `before`."""
    return make_plan(wanted, observe(host_holding(EVERYTHING_HOST, PROFILES["6.12"])), before, scope)


def test_an_error_names_both_uuids_what_happens_and_the_line() -> None:
    """At the guest's spec."""
    (found,) = changed_uuids([guest("a", config([5], [4]), 2)], {uuid(1): "a"}, "in March")

    assert found.id == "uuid-would-change"
    assert f"guest 'a' would have the uuid {uuid(2)}" in found.message
    assert found.message.endswith(f"it had {uuid(1)} in March")
    assert f"{uuid(1)} would be removed, and {uuid(2)} made" in found.details[0]
    assert f"\n  uuid: {uuid(1)}\n" in found.help
    assert f"'uuid: {uuid(2)}'" in found.help
    assert [one.field for one in found.places] == [("spec",)]


def test_a_written_uuid_is_what_the_user_wants() -> None:
    """No error."""
    assert not list(changed_uuids([guest("a", config([5], [4]), 2, uuid_written=True)], {uuid(1): "a"}, SINCE))


def test_a_device_that_another_guest_has_now_is_not_lost() -> None:
    """Its guest was renamed, and a new one has the old name."""
    guests = [guest("a", config([5], [4]), 2), guest("b", config([6], [4]), 1, uuid_written=True)]

    assert not list(changed_uuids(guests, {uuid(1): "a"}, SINCE))


def test_of_several_old_devices_the_first_is_named() -> None:
    """One error, and a device that stays is no excuse for one that goes."""
    had = {uuid(3): "a", uuid(1): "a", uuid(2): "a"}
    (found,) = changed_uuids([guest("a", config([5], [4]), 2)], had, SINCE)

    assert uuid(3) in found.help


GUESTS: Final = st.lists(
    st.builds(
        lambda name, number, written: guest(name, config([5], [4]), number, uuid_written=written),
        st.sampled_from("abc"),
        st.integers(1, 5),
        st.booleans(),
    ),
    max_size=3,
    unique_by=(lambda one: one.name, lambda one: one.uuid),
)


@given(GUESTS, st.dictionaries(st.integers(1, 5).map(uuid), st.sampled_from("abc"), max_size=5), st.booleans())
def test_exactly_the_guests_are_named_whose_device_would_go(
    guests: list[DesiredGuest], had: dict[str, str], one_only: bool
) -> None:
    """Held against the rule, spelt out."""
    only = {one.uuid for one in guests[:1]} if one_only else None
    wanted = {one.uuid for one in guests}
    expected = [
        one.name
        for one in guests
        if not one.uuid_written
        and (only is None or one.uuid in only)
        and any(name == one.name and old not in wanted for old, name in had.items())
    ]

    assert [one.message.split("'")[1] for one in changed_uuids(guests, had, SINCE, only)] == expected


CARDS: Final = config([5], [4]), config([6], [4])
MOVES: Final = {
    "moved": ([("h1", 1, 0)], [("h2", 2, 0)], [2]),
    "written": ([("h1", 1, 0)], [("h2", -2, 0)], []),
    "kept": ([("h1", 1, 0)], [("h2", 1, 0)], []),
    "added": ([("h1", 1, 0)], [("h1", 1, 0), ("h2", 2, 0)], []),
    "moved beside another": ([("h1", 1, 0), ("h2", 2, 0)], [("h2", 2, 0), ("h3", 3, 0)], [3]),
    "changed and moved": ([("h1", 1, 0)], [("h2", 2, 1)], [2]),
    "both, by their queues": ([("h1", 1, 0), ("h2", 2, 1)], [("h3", 3, 1), ("h4", 4, 0)], [3, 4]),
    "one of two, by its queues": ([("h1", 1, 0), ("h2", 2, 1)], [("h3", 3, 0)], [3]),
    "both, alike": ([("h1", 1, 0), ("h2", 2, 0)], [("h3", 3, 0), ("h4", 4, 0)], []),
    "one that two may be": ([("h1", 1, 0)], [("h3", 3, 0), ("h4", 4, 0)], []),
    "new": ([], [("h1", 1, 0)], []),
}


@pytest.mark.parametrize("case", MOVES)
def test_a_guest_is_followed_to_another_host_where_it_is_surely_this_one(case: str) -> None:
    """By host, number (negative: written) and card; the numbers of those found."""
    had, now, expected = MOVES[case]

    def guests(rows: list[tuple[str, int, int]]) -> list[DesiredGuest]:
        return [guest("a", CARDS[card], abs(number), host=host, uuid_written=number < 0) for host, number, card in rows]

    found = [one.message.split()[8].rstrip(",") for one in moved_uuids(guests(now), guests(had), SINCE)]
    assert found == [uuid(number) for number in expected]


def of_kind(name: str, number: int, activation: Activation = ACTIVE, **more: object) -> DesiredGuest:
    """A guest with a card of its own."""
    return guest(name, config([number], [4]), number, activation=activation, **more)


def test_guests_without_a_device_are_known_too() -> None:
    """The VM of an on-demand guest names a uuid although there is no device; a guest that gets one is not listed."""
    first = after(planned(desired([of_kind("a", 5), of_kind("b", 6, ON_DEMAND), of_kind("c", 7, INACTIVE)])))
    assert first.unclaimed == {uuid(6): "b", uuid(7): "c"}
    assert first.names == {uuid(5): "a", uuid(6): "b", uuid(7): "c"}

    second = after(planned(desired([of_kind("b", 6), of_kind("d", 7, INACTIVE)]), first), first)
    assert second.unclaimed == {uuid(7): "d"}
    assert inventory_words(first) != inventory_words(first._replace(unclaimed={}))


VM_STARTS, VM_ENDS = VmEvent(starts=frozenset({uuid(6)})), VmEvent(ends=frozenset({uuid(6)}))


@pytest.mark.parametrize("scope", [VM_STARTS, Targets(frozenset({"b"}))])
def test_a_plan_for_chosen_guests_changes_what_is_known_of_these(scope: VmEvent | Targets) -> None:
    """The VM of one on-demand guest starts, or its manifest changes; of the others all stays as it was."""
    first = after(planned(desired([of_kind("b", 6, ON_DEMAND), of_kind("c", 7, INACTIVE)])))
    activation = ON_DEMAND if scope is VM_STARTS else ACTIVE

    made = planned(desired([of_kind("b", 6, activation), of_kind("c", 8, INACTIVE)]), first, scope)
    second = after(made, first)

    assert (second.unclaimed, set(second.guests)) == ({uuid(7): "c"}, {uuid(6)})


def test_the_guest_of_a_vm_that_has_ended_is_known_still() -> None:
    """Its device is gone until it starts again."""
    wanted = desired([of_kind("b", 6, ON_DEMAND), of_kind("c", 7, INACTIVE)])
    first = after(planned(wanted))
    second = after(planned(wanted, first, VM_STARTS), first)
    assert second.unclaimed == {uuid(7): "c"}

    assert after(planned(wanted, second, VM_ENDS), second).unclaimed == {uuid(6): "b", uuid(7): "c"}
