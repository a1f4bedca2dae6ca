"""What holds on a simulated host whatever is done to it."""

from contextlib import suppress
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel.sysfs import KernelBusy
from reconciler.model.steps import Write
from reconciler.simulator.hardware import HardwareError
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES, Profile
from reconciler.simulator.state import HOST_DRIVER, VFIO_AP
from reconciler.simulator.state_file import host_from, snapshot_of
from testing.host_actions import UUIDS, Action, act, driver_writes, surroundings, writes
from testing.recordings import visible_state

PROFILE = st.sampled_from(tuple(PROFILES.values()))
MASK_MODE = st.lists(st.one_of(writes(), surroundings()), max_size=30)
ANYTHING = st.lists(st.one_of(writes(), surroundings(), driver_writes()), max_size=30)


def prepared(profile: Profile) -> SimulatedHost:
    """A host with mediated devices and some queues free for them, so that short sequences get somewhere."""
    host = SimulatedHost(profile=profile)
    host.write("bus/ap/aqmask", "-4,-5,-80")
    for uuid in UUIDS[:2]:
        host.write("devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough/create", uuid)
    return host


def after(host: SimulatedHost, actions: list[Action]) -> SimulatedHost:
    """`host` after `actions`, some of which it may have refused."""
    for action in actions:
        with suppress(OSError, KernelBusy, HardwareError):
            act(host, action)
    return host


@given(PROFILE, MASK_MODE)
def test_no_queue_has_two_holders(profile: Profile, actions: list[Action]) -> None:
    """Mediated devices never overlap; from 6.0 on none overlaps with what both masks give to the host."""
    state = after(prepared(profile), actions).state
    matrices = [mdev.config.matrix for mdev in state.mdevs.values()]
    if profile.over_provision:
        matrices.append(state.pool)

    assert [pair for pair in combinations(matrices, 2) if pair[0].overlaps(pair[1])] == []


@given(PROFILE, MASK_MODE)
def test_masks_decide_who_has_a_queue(profile: Profile, actions: list[Action]) -> None:
    """Without overrides and without binding by hand, a queue is with the driver that the masks give it to."""
    state = after(prepared(profile), actions).state
    too_new = {adapter for adapter, device in state.cards.items() if device.card.hwtype > profile.newest_vfio_type}
    wrong = [
        queue
        for queue, device in state.queues.items()
        if device.driver != (HOST_DRIVER if state.pool.has(queue) else VFIO_AP) and queue.adapter not in too_new
    ]

    assert wrong == []


@given(PROFILE, ANYTHING)
def test_a_guest_gets_only_bound_queues_of_its_own(profile: Profile, actions: list[Action]) -> None:
    """What a guest effectively has is assigned to it, and every queue of it is there and bound to vfio_ap."""
    state = after(prepared(profile), actions).state

    for mdev in state.mdevs.values():
        assert mdev.config.matrix.covers(mdev.guest)
        assert {state.queues[queue].driver for queue in mdev.guest.queues()} <= {VFIO_AP}


@given(PROFILE, ANYTHING, st.one_of(writes(), driver_writes()))
def test_a_refused_write_changes_nothing(profile: Profile, actions: list[Action], write: Write) -> None:
    """After an error the host is exactly as it was."""
    host = after(prepared(profile), actions)
    before = snapshot_of(host)
    with suppress(KernelBusy):
        try:
            host.write(write.path, write.value)
        except OSError:
            assert before == snapshot_of(host)


@given(PROFILE, ANYTHING, ANYTHING)
def test_a_host_from_its_snapshot_goes_on_like_the_original(
    profile: Profile, actions: list[Action], later: list[Action]
) -> None:
    """A snapshot holds everything: both hosts look the same now and after whatever comes next."""
    host = after(prepared(profile), actions)
    copy = host_from(snapshot_of(host))

    assert visible_state(host) == visible_state(copy)
    assert snapshot_of(after(host, later)) == snapshot_of(after(copy, later))


@given(PROFILE, ANYTHING)
def test_what_is_kept_twice_agrees(profile: Profile, actions: list[Action]) -> None:
    """The counts and the index of bound queues are what a host that starts from the snapshot works out."""
    host = after(prepared(profile), actions)
    copy = host_from(snapshot_of(host))

    assert copy.state.bound == host.state.bound
    assert copy.state.driverless == host.state.driverless
    assert copy.state.overridden == host.state.overridden
    assert copy.state.take_group() == host.state.take_group()
