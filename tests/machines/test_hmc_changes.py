"""What has to be changed on the HMC: the list leads from the old state to the new one, and no step is refused."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Final, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.machines.hmc_changes import Action, ElsewhereStep, HmcStep, MachineChanges, Standing, hmc_changes
from reconciler.model.ids import IdSet
from reconciler.model.machines import DesiredLpar, DesiredMachine, LparName, MachineMode
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig
from reconciler.model.problems import Position

ID: Final = "IBM-3931-00000000000829E7"
OTHER_ID: Final = "IBM-3931-0000000000000001"


def lpar(
    name: str, adapters: Iterable[int] = (), domains: Iterable[int] = (), *, is_active: bool = True
) -> DesiredLpar:
    """An LPAR whose control domains are its usage domains."""
    used = IdSet(domains)
    return DesiredLpar(name, "", ApConfig(IdSet(adapters), used, used), is_active)


def machine(*lpars: DesiredLpar, name: str = "cpc-a", id: str = ID) -> DesiredMachine:
    """A machine with `lpars`."""
    return DesiredMachine(name, id, MachineMode.CLASSIC, None, lpars, (), Position("site.yaml", 1, 1))


def only_machine(before: Sequence[DesiredMachine], after: Sequence[DesiredMachine]) -> MachineChanges:
    """The changes of the one machine that has any."""
    (found,) = hmc_changes(before, after)
    return found


def said(changes: MachineChanges) -> list[str]:
    """The steps in a few words: what, where, and which adapters and usage domains."""
    return [
        f"{one.action} {one.lpar} {list(one.config.adapters)}x{list(one.config.domains)}".removesuffix(" []x[]")
        for one in changes.steps
    ]


# How an HMC would go through the list -------------------------------------------------------------------------------


class _Lpar(NamedTuple):
    """One LPAR on the HMC."""

    config: ApConfig
    is_active: bool


_Lpars = Mapping[str, _Lpar]


def state_of(machines: Iterable[DesiredMachine]) -> dict[str, _Lpars]:
    """What the HMC shows of each machine, by its id; an LPAR without crypto is not to be told from one that is not."""
    return {
        one.id: {lpar.name: _Lpar(lpar.config, lpar.is_active) for lpar in one.lpars if lpar.config != EMPTY_CONFIG}
        for one in machines
    }


def with_step(lpars: _Lpars, step: HmcStep) -> _Lpars:
    """The LPARs of a machine when `step` is done."""
    config, is_active = lpars.get(step.lpar, _Lpar(EMPTY_CONFIG, step.is_active))
    assert is_active == step.is_active
    pairs = list(zip(config, step.config, strict=True))
    match step.action:
        case Action.REMOVE:
            assert all(removed <= has for has, removed in pairs)
            config = ApConfig(*(has - removed for has, removed in pairs))
        case Action.ADD:
            assert all(has.isdisjoint(added) for has, added in pairs)
            config = ApConfig(*(has | added for has, added in pairs))
        case Action.ACTIVATE | Action.DEACTIVATE:
            assert is_active == (step.action is Action.DEACTIVATE)
            is_active = not is_active
    return {**lpars, step.lpar: _Lpar(config, is_active)}


def shared_queues(lpars: _Lpars) -> bool:
    """Whether two active LPARs have a queue."""
    active = [one.config.matrix for one in lpars.values() if one.is_active]
    return any(one.overlaps(other) for one, other in combinations(active, 2))


_IDS = st.sets(st.integers(0, 3), max_size=3).map(IdSet)


@st.composite
def _lpars(draw: st.DrawFn) -> DesiredLpar:
    used = draw(_IDS)
    config = ApConfig(draw(_IDS), used, used | draw(_IDS))
    return DesiredLpar(draw(st.sampled_from("abcd")), "", config, draw(st.booleans()))


_MACHINES = st.lists(_lpars(), max_size=4, unique_by=lambda one: one.name).map(lambda lpars: machine(*lpars))
_SITES = st.lists(st.tuples(_MACHINES, st.sampled_from([ID, OTHER_ID])), max_size=2, unique_by=lambda one: one[1]).map(
    lambda found: tuple(one._replace(id=identity) for one, identity in found)
)


@settings(max_examples=60)
@given(_SITES, _SITES, st.data())
def test_the_list_leads_from_the_old_state_to_the_new_one(
    before: tuple[DesiredMachine, ...], after: tuple[DesiredMachine, ...], data: st.DataObject
) -> None:
    """In any order that does what a step waits for first; on the way no queue gets two active LPARs."""
    lists = {one.id: one.steps for one in hmc_changes(before, after)}
    old, new = state_of(before), state_of(after)
    for identity in old.keys() | new.keys():
        lpars, wanted = old.get(identity, {}), new.get(identity, {})
        is_sound = not shared_queues(lpars) and not shared_queues(wanted)
        rest = list(lists.get(identity, ()))
        while rest:
            waiting = {one.number for one in rest}
            step = data.draw(st.sampled_from([one for one in rest if waiting.isdisjoint(one.after)]))
            lpars = with_step(lpars, step)
            rest.remove(step)
            assert not (is_sound and shared_queues(lpars)), step
        # An LPAR without crypto, and one that is gone, have nothing that could be compared.
        assert {name: one for name, one in lpars.items() if one.config != EMPTY_CONFIG} == wanted


@settings(max_examples=40)
@given(_SITES, _SITES)
def test_the_list_itself_is_such_an_order_and_does_not_depend_on_that_of_files(
    before: tuple[DesiredMachine, ...], after: tuple[DesiredMachine, ...]
) -> None:
    """A step waits for earlier ones only; removals stand before additions; from a state to itself there is no step."""
    found = hmc_changes(before, after)

    assert found == hmc_changes(before[::-1], after[::-1])
    assert hmc_changes(after, after) == ()
    order = list(Action)
    for one in found:
        assert [step.number for step in one.steps] == list(range(1, len(one.steps) + 1))
        assert all(earlier < step.number for step in one.steps for earlier in step.after)
        actions = [order.index(step.action) for step in one.steps]
        assert actions == sorted(actions)


def test_a_queue_is_removed_where_it_is_before_it_is_added_elsewhere() -> None:
    """The step that adds it names the one that it waits for."""
    before = machine(lpar("LPAR7", [5], [4, 71]), lpar("LPAR8", [5], [9]))
    after = machine(lpar("LPAR7", [5], [4]), lpar("LPAR8", [5], [9, 71]))

    changes = only_machine([before], [after])

    assert said(changes) == ["remove LPAR7 []x[71]", "add LPAR8 []x[71]"]
    assert [one.after for one in changes.steps] == [(), (1,)]


def test_a_takeover_deactivates_before_it_activates() -> None:
    """Lists stay as they are where the standby has them already."""
    original, standby = lpar("LPAR7", [5], [4]), lpar("LPAR7DR", [5], [4], is_active=False)
    after = machine(original._replace(is_active=False), standby._replace(is_active=True))

    changes = only_machine([machine(original, standby)], [after])

    assert said(changes) == ["deactivate LPAR7", "activate LPAR7DR"]
    assert changes.steps[1].after == (1,)


def test_a_standby_on_another_machine_waits_for_what_it_takes_over_from() -> None:
    """No hypervisor would refuse it, whatever the machines are called; so does one without a common queue."""
    named = LparName("cpc-b", "LPAR7")
    original = lpar("LPAR7", [5], [4])
    standby = lpar("DR7", [5], [4], is_active=False)._replace(standby_of=named)
    local = lpar("DR7B", [9], [9], is_active=False)._replace(standby_of=named)

    for taking in (standby, local):
        before = [machine(standby, id=OTHER_ID), machine(original, local, name="cpc-b")]
        listed = [[one._replace(is_active=one is taking) for one in site.lpars] for site in before]
        after = [one._replace(lpars=tuple(lpars)) for one, lpars in zip(before, listed, strict=True)]
        steps = [step for one in hmc_changes(before, after) for step in one.steps if step.action is Action.ACTIVATE]

        assert [(one.after, one.after_elsewhere) for one in steps] == (
            [((), (ElsewhereStep("cpc-b", 1),))] if taking is standby else [((1,), ())]
        )


def test_an_lpar_that_is_gone_gives_everything_up() -> None:
    """So does one with another name now; upper and lower case are the same."""
    before, after = (
        machine(lpar("LPAR7", [5], [4]), lpar("zos1", [5], [9])),
        machine(lpar("LPAR8", [5], [4]), lpar("ZOS1", [5], [9])),
    )

    changes = only_machine([before], [after])

    assert said(changes) == ["remove LPAR7 [5]x[4]", "add LPAR8 [5]x[4]"]
    assert [one.standing for one in changes.steps] == [Standing.GONE, Standing.NEW]


def test_machines_come_and_go() -> None:
    """A machine is known by its id, so that another name in the manifests changes nothing on the HMC."""
    before, after = machine(lpar("A", [1], [1])), machine(lpar("A", [1], [1]), name="cpc-b", id=OTHER_ID)

    assert hmc_changes([before], [before._replace(name="renamed")]) == ()
    assert [(one.name, one.standing, one.lpars, said(one)) for one in hmc_changes([before], [after])] == [
        ("cpc-a", Standing.GONE, 0, ["remove A [1]x[1]"]),
        ("cpc-b", Standing.NEW, 1, ["add A [1]x[1]"]),
    ]


def test_lists_of_an_inactive_lpar_are_changed_while_it_is_inactive() -> None:
    """One that is to be activated has its lists before, and one that is to be deactivated changes them afterwards."""
    before = machine(lpar("A", [1], [1]), lpar("B", [2], [2], is_active=False))
    after = machine(lpar("A", [2], [2], is_active=False), lpar("B", [1], [1]))

    changes = only_machine([before], [after])

    assert [(one.action, one.lpar, one.is_active) for one in changes.steps] == [
        (Action.DEACTIVATE, "A", True),
        (Action.REMOVE, "A", False),
        (Action.REMOVE, "B", False),
        (Action.ADD, "A", False),
        (Action.ADD, "B", False),
        (Action.ACTIVATE, "B", False),
    ]
