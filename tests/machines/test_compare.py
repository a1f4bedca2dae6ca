"""Whether guests can move between two LPARs: what is missing is exactly what the other one does not have."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.machines.compare import (
    Comparison,
    Fit,
    Held,
    Holder,
    KnownCard,
    Moving,
    Older,
    OtherFunctions,
    OtherMode,
    Purpose,
    Rival,
    Side,
    Trouble,
    compare,
    facility_names,
    rectangles_of,
    size_of,
)
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.machines import LparName
from reconciler.model.matrix import ApConfig, Matrix, Queue
from reconciler.model.observed import CardMode, mode_of

CCA, EP11, ACCELERATOR = 0xF2000000, 0xE6000000, 0xEA000000
UUID = "00000000-0000-4000-8000-00000000000{}"

_IDS = st.sets(st.integers(0, 4), max_size=4).map(IdSet)
_CONFIGS = st.builds(ApConfig, _IDS, _IDS, _IDS)
_QUEUES = st.dictionaries(st.integers(0, 4), _IDS, max_size=5)
_CARDS = st.dictionaries(
    st.integers(0, 4),
    st.builds(KnownCard, st.integers(12, 14), st.sampled_from([None, CCA, EP11, ACCELERATOR, 0x92800000])),
)
_HOLDERS = st.lists(
    st.builds(Holder, st.just("x"), st.sampled_from([UUID.format(n) for n in range(4)]), st.builds(Matrix, _IDS, _IDS)),
    max_size=2,
).map(tuple)
_RIVALS = st.lists(st.builds(Rival, st.just(LparName("cpc", "ZOS")), st.builds(Matrix, _IDS, _IDS)), max_size=2).map(
    tuple
)
_GUESTS = st.lists(
    st.builds(
        Moving,
        st.sampled_from("abc"),
        st.sampled_from([UUID.format(n) for n in range(4)]),
        _CONFIGS,
        st.sampled_from([(), ("left",), ("left", "right"), ("right", "left", "third")]),
    ),
    max_size=3,
    unique_by=lambda one: one.uuid,
)
_FEW = settings(max_examples=40)
"""A case has dozens of choices, so that drawing it takes longer than what is tested."""


def sides(host: str, machine: str = "") -> st.SearchStrategy[Side]:
    """An LPAR of `host` on `machine`."""
    return st.builds(
        Side,
        name=st.just(host),
        host=st.just(host),
        machine_id=st.just(machine or host),
        lpar=st.none(),
        recorded=st.none(),
        has=_QUEUES,
        control=_IDS,
        cards=st.none() | _CARDS,
        holders=_HOLDERS,
        ungiven=_QUEUES,
        devices=st.none() | st.frozensets(st.sampled_from([UUID.format(n) for n in range(4)])),
        rivals=_RIVALS,
    )


def queues_of(found: tuple[tuple[int, IdSet], ...]) -> set[Queue]:
    """Queues one by one."""
    return {Queue(adapter, domain) for adapter, domains in found for domain in domains}


def side(host: str = "right", has: dict[int, list[int]] | None = None, machine: str = "", cards: object = None) -> Side:
    """An LPAR with adapters 5 and 6 and domains 4 and 5, unless it `has` others."""
    queues = {adapter: IdSet(domains) for adapter, domains in (has or {5: [4, 5], 6: [4, 5]}).items()}
    known = cards if isinstance(cards, dict) else None
    return Side(host, host, machine or host, None, None, queues, IdSet([4, 5]), known)


PAYMENTS = Moving("payments", UUID.format(1), ApConfig(IdSet([5, 6]), IdSet([4]), IdSet([4])), ("left", "right"))


def fit(target: Side, guest: Moving = PAYMENTS, source: Side | None = None) -> Fit:
    """How `guest` would be on `target`."""
    (found,) = compare(source or side("left"), target, [guest]).fits
    return found


@_FEW
@example(side("left"), side("right", {5: [4]}), [PAYMENTS])
@example(
    side("left"), side("right")._replace(rivals=(Rival(LparName("cpc", "ZOS"), PAYMENTS.config.matrix),)), [PAYMENTS]
)
@given(source=sides("left"), target=sides("right"), guests=_GUESTS)
def test_what_is_missing_is_what_the_other_side_does_not_have(source: Side, target: Side, guests: list[Moving]) -> None:
    """Queue by queue, and control domain by control domain; so is what others hold and what vfio_ap lacks."""
    for one in compare(source, target, guests).fits:
        wanted = set(one.guest.config.matrix.queues())
        there = queues_of(tuple(target.has.items()))

        assert queues_of(one.queues) == wanted - there
        assert queues_of(one.pending_here) == wanted - there - queues_of(tuple(source.has.items()))
        assert one.missing == size_of(one.queues) == len(wanted - there)
        assert set(one.control_domains) == set(one.guest.config.control_domains) - set(target.control)
        assert queues_of(one.ungiven) == wanted & queues_of(tuple(target.ungiven.items()))
        held = {(held.holder, queue) for held in one.held for queue in queues_of(held.queues)}
        others = [other for other in target.holders if other.uuid != one.guest.uuid]
        assert held == {(other, queue) for other in others for queue in set(other.matrix.queues()) & wanted}
        taken = {(one.lpar, queue) for one in one.taken for queue in queues_of(one.queues)}
        assert taken == {
            (rival.lpar, queue) for rival in target.rivals for queue in set(rival.matrix.queues()) & wanted & there
        }
        rectangles = [queue for matrix in rectangles_of(one.queues) for queue in matrix.queues()]
        assert sorted(rectangles) == sorted(wanted - there)


@_FEW
@example(
    side("left"), side("right")._replace(rivals=(Rival(LparName("cpc", "ZOS"), PAYMENTS.config.matrix),)), [PAYMENTS]
)
@given(source=sides("left"), target=sides("right"), guests=_GUESTS)
def test_every_guest_is_compared_once_and_in_order(source: Side, target: Side, guests: list[Moving]) -> None:
    """Those that name both hosts are apart; the order in which they are given changes nothing."""
    found = compare(source, target, guests)

    assert found == compare(source, target, guests[::-1])
    assert {one.guest.uuid for one in found.fits} == {one.uuid for one in guests}
    assert all({"left", "right"} <= {*one.guest.hosts} for one in found.partners)
    assert not any({"left", "right"} <= {*one.guest.hosts} for one in found.others)
    taken = [queue for rival in target.rivals for queue in rival.matrix.queues()]
    assert {queue for one in found.taken for queue in queues_of(one.queues)} == {
        queue for queue in taken if queue.domain in target.has.get(queue.adapter, IdSet())
    }
    assert found.is_whole is (not found.taken and all(one.is_whole for one in found.fits))


@_FEW
@given(source=sides("left"), guests=_GUESTS)
def test_an_equal_lpar_of_another_machine_lacks_nothing(source: Side, guests: list[Moving]) -> None:
    """Of guests that have what they want here, where vfio_ap has all and no other guest has any."""
    equal = source._replace(holders=(), rivals=(), ungiven={}, cards=source.cards, devices=None)
    target = equal._replace(name="right", host="right", machine_id="right")
    whole = [one for one in guests if not fit(equal._replace(name="x", host="x", machine_id="x"), one).queues]
    whole = [one for one in whole if one.config.control_domains <= source.control]

    assert compare(equal, target, whole).is_whole


@_FEW
@given(left=sides("left"), right=sides("right"), guests=_GUESTS)
def test_the_roles_are_symmetric(left: Side, right: Side, guests: list[Moving]) -> None:
    """The same guests are partners both ways, and a card differs there exactly where it differs here."""
    there, back = compare(left, right, guests), compare(right, left, guests)

    assert there.purpose is back.purpose is Purpose.MOVE
    assert [one.guest for one in there.partners] == [one.guest for one in back.partners]
    for one, other in zip(there.fits, back.fits, strict=True):
        if one.queues or other.queues:
            continue
        assert one.unknown_cards == other.unknown_cards
        assert one.same_machine is other.same_machine
        assert modes(one) == {(adapter, here, there) for adapter, there, here in modes(other)}
        assert functions(one) == {(adapter, lacks, has) for adapter, has, lacks in functions(other)}
        older, newer = ({card.adapter for card in each.cards if isinstance(card, Older)} for each in (one, other))
        assert older.isdisjoint(newer)


def modes(fit: Fit) -> set[tuple[int, CardMode, CardMode]]:
    """Where modes differ."""
    return {(one.adapter, one.here, one.there) for one in fit.cards if isinstance(one, OtherMode)}


def functions(fit: Fit) -> set[tuple[int, int, int]]:
    """Where functions differ."""
    return {(one.adapter, one.lacking, one.besides) for one in fit.cards if isinstance(one, OtherFunctions)}


def test_cards_differ_by_type_mode_functions_and_trouble() -> None:
    """A newer type is no difference; where a card is not known on one side nothing is said of it."""
    here = side("left", cards={5: KnownCard(14, CCA), 6: KnownCard(13, CCA)})
    there = {5: KnownCard(13, EP11, "is check-stopped"), 6: KnownCard(14, CCA & ~(1 << 29) | 1 << 23)}

    found = fit(side(cards=there), source=here)

    assert found.cards == (
        Trouble(5, "is check-stopped"),
        Older(5, 14, 13),
        OtherMode(5, CardMode.CCA, CardMode.EP11),
        OtherFunctions(6, 1 << 29, 1 << 23),
    )
    assert not found.is_whole
    assert (found.unknown_cards, fit(side(), source=here).unknown_cards) == (NO_IDS, IdSet([5, 6]))
    assert fit(side(), source=here).is_whole
    assert fit(side(cards={5: KnownCard(14, None), 6: KnownCard(13, CCA)}), source=here).unknown_cards == IdSet([5])


def test_a_takeover_is_of_one_host_and_of_all_its_guests() -> None:
    """A VM that starts anew may find more functions than it had; both places may be on one machine."""
    here = side("left", machine="m", cards={5: KnownCard(14, CCA), 6: KnownCard(14, CCA)})
    there = here._replace(name="dr", has={6: IdSet([4])}, cards={6: KnownCard(14, CCA | 1 << 23)})

    found = compare(here, there, [PAYMENTS])

    assert (found.purpose, found.partners) == (Purpose.TAKEOVER, ())
    assert [(one.queues, one.cards, one.same_machine) for one in found.others] == [(((5, IdSet([4])),), (), False)]


def test_two_lpars_of_one_machine_are_no_partners() -> None:
    """A queue belongs to one active LPAR of a machine, so that no guest can have the same ones in both."""
    found = compare(side("left", machine="m"), side("right", machine="m"), [PAYMENTS])

    assert [one.same_machine for one in found.fits] == [True]
    assert not found.is_whole


def test_a_device_that_has_to_be_there_already_is_missing() -> None:
    """Of a guest that names both hosts and is active; others get theirs when they are written down for that host."""
    there = side()._replace(devices=frozenset())

    assert fit(there).lacks_device
    assert not fit(there).is_whole
    assert not fit(there._replace(devices=frozenset({PAYMENTS.uuid}))).lacks_device
    assert not fit(there._replace(devices=None)).lacks_device
    assert not fit(there, PAYMENTS._replace(always=False)).lacks_device
    assert not fit(there, PAYMENTS._replace(hosts=("left",))).lacks_device


def test_what_others_hold_and_what_is_not_given_is_missing() -> None:
    """The guest's own device is not another holder."""
    other = Holder("other", UUID.format(2), Matrix(IdSet([5]), IdSet([4, 9])))
    own = Holder("payments", PAYMENTS.uuid, PAYMENTS.config.matrix)

    found = fit(side()._replace(holders=(own, other), ungiven={6: IdSet([4, 5])}))

    assert found.held == (Held(other, ((5, IdSet([4])),)),)
    assert found.ungiven == ((6, IdSet([4])),)
    assert not found.is_whole


def test_functions_have_names() -> None:
    """Those of the kernel's header; the mode is one of three bits."""
    assert [mode_of(one) for one in (CCA, EP11, ACCELERATOR, 0)] == [
        CardMode.CCA,
        CardMode.EP11,
        CardMode.ACCELERATOR,
        None,
    ]
    assert facility_names(0x80C00000) == ["APSC", "full function", "stateless function"]
    assert facility_names(1 << 16) == ["bit 15"]


def test_nothing_to_compare_is_whole() -> None:
    """A side without guests lacks nothing elsewhere."""
    assert compare(side("left"), side(), []) == Comparison(Purpose.MOVE, side("left"), side(), (), ())
    assert compare(side("left"), side(), []).is_whole
