"""What guests will see is predicted as the kernel decides it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.kernel import paths
from reconciler.kernel.observe import observe
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import EMPTY_MATRIX, ApConfig, Matrix, Queue
from reconciler.model.steps import Holdings, Step
from reconciler.planning.effect import (
    Effect,
    Hidden,
    bindings_after,
    bindings_now,
    effect_of,
    effective,
    hidden_because,
    rollback_effects,
)
from reconciler.planning.host_pool import Blocked
from reconciler.planning.order import order_steps
from reconciler.simulator.hardware import Plug, SetCard, Unplug
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES, Profile
from testing.holdings import (
    ADAPTERS,
    DOMAINS,
    NEW_PROFILES,
    abilities_of,
    config,
    hardware,
    holdings,
    host_holding,
    matrix,
    set_masks,
    uuid,
)
from testing.host_actions import UUIDS

PROFILE = st.sampled_from(NEW_PROFILES)


@settings(max_examples=60)
@given(PROFILE, st.sets(st.sampled_from(ADAPTERS)), st.sets(st.sampled_from(DOMAINS)), st.data())
def test_the_prediction_is_what_the_kernel_shows(
    profile: Profile, adapters: set[int], domains: set[int], data: st.DataObject
) -> None:
    """On random hardware, with queues unbound by hand, every guest's ``guest_matrix`` is as predicted."""
    host = host_holding(data.draw(holdings()), profile, hardware(adapters, domains))
    _unbind_some(host, data)

    seen = observe(host)
    now = bindings_now(seen)

    for mdev in seen.mdevs:
        predicted = effective(mdev.config.matrix, now)
        assert mdev.effective is not None
        assert set(predicted.queues()) == set(mdev.effective.queues())
        assert (hidden_because(mdev.config.matrix, now) == []) == (predicted.size == mdev.config.matrix.size)


@settings(max_examples=60)
@given(PROFILE, st.data())
def test_the_prediction_holds_after_the_masks_have_changed(profile: Profile, data: st.DataObject) -> None:
    """Which queues vfio_ap will have is known before the masks are written; of driverless ones none is promised."""
    start, pool = data.draw(holdings()).pool, data.draw(holdings()).pool
    host = host_holding(Holdings(start, {}), profile)
    _unbind_some(host, data)

    driverless = any(one.driver is None for one in observe(host).queues)
    predicted = bindings_after(observe(host), pool)
    set_masks(host, pool)
    after = bindings_now(observe(host))

    if not driverless:
        assert after == predicted
    assert all(not bits & ~after.vfio.get(adapter, 0) for adapter, bits in predicted.vfio.items())


def _unbind_some(host: SimulatedHost, data: st.DataObject) -> None:
    bound = [one for one in observe(host).queues if one.driver]
    for one in data.draw(st.lists(st.sampled_from(bound), max_size=3, unique=True)) if bound else []:
        host.write(f"bus/ap/drivers/{one.driver}/unbind", str(one.queue))


@given(st.data())
@settings(max_examples=50)
def test_a_card_that_comes_is_seen_by_the_guest_that_waits_for_it(data: st.DataObject) -> None:
    """Authorised in advance: the card's queues are bound to vfio_ap and in the guest at once (I8)."""
    what = data.draw(holdings())
    host = host_holding(what, NEW_PROFILES[0], hardware(ADAPTERS))
    full = {one.uuid: one.effective for one in observe(host).mdevs}
    card = host.hardware.cards[200]
    host.change_hardware(Unplug(200))
    for one in observe(host).mdevs:
        assert one.effective is not None
        assert 200 not in one.effective.adapters
    host.change_hardware(Plug(200, card))

    assert {one.uuid: one.effective for one in observe(host).mdevs} == full


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        (None, None, Effect.NONE),
        (None, matrix([5], [4]), Effect.GAINS),
        (None, EMPTY_MATRIX, Effect.NONE),
        (matrix([5], [4]), None, Effect.LOSES_DEVICE),
        (EMPTY_MATRIX, None, Effect.LOSES_DEVICE),
        (matrix([5], [4]), matrix([5], [4]), Effect.NONE),
        (matrix([], [4]), EMPTY_MATRIX, Effect.NONE),
        (matrix([5], [4]), matrix([5], [4, 5]), Effect.GAINS),
        (matrix([5], [4, 5]), matrix([5], [4]), Effect.LOSES),
        (matrix([5], [4]), matrix([5], [5]), Effect.LOSES),
        (matrix([5, 6], [4]), matrix([5], [4, 5]), Effect.LOSES_ADAPTER),
        (matrix([5], [4]), EMPTY_MATRIX, Effect.LOSES_ADAPTER),
    ],
)
def test_a_change_has_one_label(before: Matrix | None, after: Matrix | None, effect: Effect) -> None:
    """The worst of what happens to the guest."""
    assert effect_of(before, after) is effect


def test_what_a_guest_does_not_see_is_explained() -> None:
    """What is not there yet, and what hides a whole adapter, in hex and decimal."""
    host = SimulatedHost(hardware([5, 6, 7], [4, 5, 6, 7, 8, 9]))
    host.write("bus/ap/aqmask", "-4-9")
    for domain in range(4, 9):
        host.write("bus/ap/drivers/vfio_ap/unbind", str(Queue(5, domain)))
    host.write("bus/ap/drivers/vfio_ap/unbind", "06.0004")

    def because(adapters: list[int], domains: list[int]) -> list[str]:
        return [one.text for one in hidden_because(matrix(adapters, domains), bindings_now(observe(host)))]

    assert because([7], [4]) == []
    assert because([5, 6, 200], [4, 5, 6, 7, 8, 9, 0x47]) == [
        "pending: adapter 0xc8 (200) is not there yet",
        "pending: domain 0x47 (71) is not in the LPAR yet",
        "adapter 0x05 (5) is hidden as a whole: 05.0004, 05.0005, 05.0006, 05.0007 and 1 more are not bound to vfio_ap",
        "adapter 0x06 (6) is hidden as a whole: 06.0004 is not bound to vfio_ap",
    ]
    assert because([200, 201], [4, 70, 71]) == [
        "pending: adapters 0xc8-0xc9 (200-201) are not there yet",
        "pending: domains 0x46-0x47 (70-71) are not in the LPAR yet",
    ]


def test_a_queue_that_the_lpar_has_but_that_does_not_answer_is_absent() -> None:
    """A card may be in the LPAR's mask without its queue."""
    observed = observe(SimulatedHost(hardware([5, 6], [4, 5])))
    without = observed._replace(queues=tuple(one for one in observed.queues if one.queue != Queue(5, 4)))

    [found] = hidden_because(matrix([5], [4]), bindings_now(without))

    assert found == Hidden("adapter 0x05 (5) is hidden as a whole: 05.0004 is absent", is_pending=False)


def test_control_domains_are_no_queues() -> None:
    """A change of control domains alone is no effect on what the guest sees."""
    old, new = ApConfig(*matrix([5], [4]), matrix([], []).domains), ApConfig(*matrix([5], [4]), matrix([], [4]).domains)

    assert effect_of(old.matrix, new.matrix) is Effect.NONE


def _standby(profile: str) -> SimulatedHost:
    """Two guests with domain 4 free for both; adapter 5, which the first has, is in standby."""
    host = SimulatedHost(profile=PROFILES[profile])
    host.write(paths.AQMASK, "-4,-5")
    for name in UUIDS[:2]:
        host.write(paths.CREATE, name)
    for adapter in ("5", "6"):
        host.write(f"{paths.mdev(UUIDS[0])}/assign_adapter", adapter)
    host.write(f"{paths.mdev(UUIDS[0])}/assign_domain", "4")
    host.change_hardware(SetCard(5, configured=False))
    return host


@pytest.mark.parametrize("profile", ["6.1", "6.12", "7.2"])
def test_a_queue_that_cannot_be_reset_is_not_promised(profile: str) -> None:
    """A queue of a card in standby that changes hands hides the adapter on 6.1, and is said to, before and after."""
    host = _standby(profile)
    first, second = (f"{paths.mdev(one)}/" for one in UUIDS[:2])
    wanted = ApConfig(IdSet([5, 7]), IdSet([4]), NO_IDS)
    goal = {UUIDS[0]: ApConfig(IdSet([6]), IdSet([4]), NO_IDS), UUIDS[1]: wanted}
    predicted = effective(wanted.matrix, bindings_after(observe(host), observe(host).pool, goal))

    host.write(f"{first}unassign_adapter", "5")
    for adapter in ("5", "7"):
        host.write(f"{second}assign_adapter", adapter)
    host.write(f"{second}assign_domain", "4")

    seen = {one.uuid: one for one in observe(host).mdevs}[UUIDS[1]]
    assert seen.effective == predicted
    assert (predicted.adapters == IdSet([7])) == (profile == "6.1")
    now = bindings_now(observe(host))
    assert effective(wanted.matrix, now) == seen.effective
    assert any("cannot be reset" in one.text for one in hidden_because(wanted.matrix, now)) == (profile == "6.1")


@pytest.mark.parametrize("profile", ["6.1", "6.12"])
def test_what_a_mask_takes_from_vfio_ap_begins_anew(profile: str) -> None:
    """A queue that is bound again has not failed to be reset."""
    host = _standby(profile)
    host.write(f"{paths.mdev(UUIDS[0])}/unassign_domain", "4")
    host.write(f"{paths.mdev(UUIDS[0])}/assign_domain", "4")
    pool = observe(host).pool._replace(domains=ALL_IDS)

    after = bindings_after(observe(host), pool, {})

    assert (bindings_now(observe(host)).unreset == {5: 1 << 4}) == (profile == "6.1")
    assert 4 not in IdSet.from_bits(after.vfio.get(5, 0))


WITHOUT_5 = Holdings(Matrix(~IdSet([5]), ALL_IDS), {uuid(1): config([5], [4])})
GIVES_4 = Matrix(WITHOUT_5.pool.adapters, ~IdSet([4]))


def strict_steps(start: Holdings, target: Holdings, *fixed: str) -> tuple[Step, ...]:
    """The steps from `start` to `target` on a kernel with the 6.19 rule."""
    return order_steps(start, target, abilities_of(PROFILES["7.2"]), frozenset(fixed)).steps


def test_rolling_back_takes_queues_from_who_is_in_the_way_of_a_mask() -> None:
    """The host gives up domain 4; its bit cannot be set again while a device, which keeps its queue, has it."""
    grows = Holdings(GIVES_4, {uuid(1): config([5], [4, 0x47]), uuid(2): config([6], [4])})
    goes = Holdings(GIVES_4, {uuid(2): config([6], [4])})

    taken = rollback_effects(WITHOUT_5, strict_steps(WITHOUT_5, grows))

    assert taken.taken == {uuid(1): (matrix([5], [4]),)}
    assert taken.barring == ()
    assert rollback_effects(WITHOUT_5, strict_steps(WITHOUT_5, goes)).taken == {}


def test_what_the_plan_does_not_touch_bars_the_rollback_of_a_mask() -> None:
    """That mask bit stays as it is, so that no other device loses a queue for it either."""
    start = WITHOUT_5._replace(mdevs={**WITHOUT_5.mdevs, uuid(2): config([5], [0x47])})
    target = Holdings(GIVES_4, {**start.mdevs, uuid(2): config([5], [0x47, 0xAB])})

    found = rollback_effects(start, strict_steps(start, target, uuid(1)))

    assert found.barring == (Blocked(uuid(1), NO_IDS, IdSet([4])),)
    assert found.taken == {}


def test_where_no_bit_has_to_be_set_again_rolling_back_takes_nothing() -> None:
    """As where the masks stay, or where the host only gets queues back."""
    grows = WITHOUT_5._replace(mdevs={uuid(1): config([5], [4, 0x47])})
    back = Holdings(Matrix(ALL_IDS, ALL_IDS), {})

    for target in (grows, back):
        effects = rollback_effects(WITHOUT_5, strict_steps(WITHOUT_5, target))
        assert (effects.taken, effects.barring) == ({}, ())
