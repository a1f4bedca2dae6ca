"""How a rollback ends where the kernel, or another program, stands in its way."""

import errno
from collections.abc import Callable
from functools import partial

import pytest

from reconciler.kernel.observe import observe
from reconciler.kernel.paths import APMASK, AQMASK, CREATE, mdev
from reconciler.kernel.text_forms import ap_config_text
from reconciler.model.desired import GivenUp
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import EMPTY_CONFIG, FULL_MATRIX, ApConfig, Matrix
from reconciler.model.outcome import Result
from reconciler.model.steps import Action, Holdings
from reconciler.planning.planner import Applied, make_plan
from reconciler.simulator.faults import FaultySysfs, ForeignWriter, WriteBlocked, WriteRefused
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction.apply import NoProgress, apply_plan
from reconciler.transaction.rollback import roll_back
from reconciler.transaction.step import Host
from testing.clocks import FakeClock
from testing.holdings import config, desired, guest, held, host_holding, uuid
from testing.journals import FakeJournal
from testing.recording_sysfs import RecordingSysfs
from testing.swaps import FREE, ONE, SWAP, run, swap, write


def test_a_way_back_that_the_kernel_always_refuses_is_degraded() -> None:
    """Every difference is named, every refusal once, and nobody tries for ever."""
    host, plan = swap()
    refused = [WriteRefused(nth, errno.EADDRINUSE) for nth in range(2, 40)]

    outcome = run(plan, host, *refused)

    assert outcome.result is Result.DEGRADED
    assert len(outcome.differences) == 1
    assert len(outcome.refusals) == len(set(outcome.refusals)) == 1
    assert outcome.rollback_writes == 0


@pytest.mark.parametrize("meanwhile", [1, 2])
def test_a_host_that_cannot_be_read_on_the_way_back_is_degraded(meanwhile: int) -> None:
    """Nobody can tell what it holds, and that is what is told."""
    host, plan = swap()

    class Blind(FaultySysfs):
        def read(self, path: str) -> str:
            if self.write_count >= 2 and path == APMASK:
                raise OSError(errno.EIO, "Input/output error", path)
            return super().read(path)

    outcome = apply_plan(
        plan, Blind(host, [WriteRefused(2, errno.EINVAL)]), FakeClock(), FakeJournal(), NoProgress()
    ).outcome

    assert outcome.result is Result.DEGRADED
    assert outcome.differences == ("the host cannot be read, so that what it holds now is not known",)


def test_a_mask_that_a_foreign_device_keeps_from_coming_back_is_explained() -> None:
    """From 6.19 on a device with a queue of the adapter forbids the mask's way back; who it is is told."""
    start = Holdings(Matrix(ALL_IDS, ~IdSet([4])), {})
    host = host_holding(start, PROFILES["7.2"])
    plan = make_plan(desired([guest("a", ONE, 1)], GivenUp(IdSet([5, 6]), IdSet([4]))), observe(host))
    assert plan.steps[0].step.action is Action.APMASK

    def steal() -> None:
        write(host, CREATE, uuid(0xF))
        write(host, f"{mdev(uuid(0xF))}/ap_config", ap_config_text(config([6], [4])))

    outcome = run(plan, host, ForeignWriter(2, steal), WriteRefused(2, errno.EINVAL))

    assert outcome.result is Result.DEGRADED
    assert [one.startswith("apmask is") for one in outcome.differences] == [True]
    assert outcome.refusals == (f"this kernel refuses the mask: mediated device {uuid(0xF)} has adapter 0x06 (6)",)


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize("consents", [True, False])
def test_a_running_guest_keeps_its_queue_on_the_way_back_unless_that_was_consented_to(
    runs: bool, consents: bool
) -> None:
    """From 6.19 on a mask comes back only where the guest lets go of the queue: otherwise all but that bit does."""
    domains = ~IdSet([4, 9])
    start = Holdings(Matrix(~IdSet([5]), ALL_IDS), {uuid(1): ONE, uuid(2): config([5], [0x47])})
    host = host_holding(Holdings(start.pool._replace(domains=domains), {uuid(1): config([5], [4, 9])}), PROFILES["7.2"])
    if runs:
        host.start_vm(uuid(1))
    sysfs = RecordingSysfs(host, lambda _: kept.append(held(host, abilities).mdevs[uuid(1)]))
    abilities = observe(host).abilities
    kept: list[ApConfig] = []
    ready = Host(sysfs, FakeClock(), abilities, ())

    returned = roll_back(start, {uuid(1), uuid(2)}, ready, {uuid(1)} if consents else ())

    now = held(host, abilities)
    assert now.mdevs == start.mdevs
    if consents or not runs:
        assert returned.differences == ()
        assert now == start
    else:
        assert all(one.matrix.covers(ONE.matrix) for one in kept)
        assert now.pool.domains == ~IdSet([4])
        assert returned.barred
        assert len(returned.differences) == 1
        assert f"mediated device {uuid(1)} has domain 0x04 (4), and its VM runs" in returned.refusals[0]


def test_a_pool_that_a_foreign_device_has_cut_into_comes_back_as_far_as_it_can() -> None:
    """The queue that somebody else took in between is not fought for; everything else is put back."""
    start = Holdings(FULL_MATRIX, {})
    host = host_holding(start, PROFILES["6.12"])
    plan = make_plan(desired([guest("a", ONE, 1)], GivenUp(NO_IDS, IdSet([4]))), observe(host))

    def steal() -> None:
        write(host, CREATE, uuid(0xF))
        write(host, f"{mdev(uuid(0xF))}/ap_config", ap_config_text(config([6], [4])))

    outcome = run(plan, host, ForeignWriter(2, steal), WriteRefused(3, errno.EINVAL))

    assert outcome.result is Result.DEGRADED
    assert outcome.refusals == ("a mediated device that is not ours stands in the way",)
    assert held(host, plan.abilities).mdevs == {uuid(0xF): config([6], [4])}


def test_an_empty_device_that_was_removed_comes_back_empty() -> None:
    """The start had a device without queues, and so it has again."""
    start = Holdings(FREE, {uuid(1): EMPTY_CONFIG, uuid(2): ONE})
    host = host_holding(start, PROFILES["6.12"])
    ours = Applied(FREE, {one: (one, what) for one, what in start.mdevs.items()})
    plan = make_plan(desired([], GivenUp(NO_IDS, IdSet([4, 0x47]))), observe(host), ours)

    outcome = run(plan, host, WriteRefused(2, errno.EINVAL))

    assert (outcome.result, outcome.writes, outcome.rollback_writes) == (Result.ROLLED_BACK, 1, 1)
    assert held(host, plan.abilities) == start


def test_a_write_that_blocks_for_ever_is_told_as_such() -> None:
    """Both the failure and, where it happens again, the refusal say that the kernel is busy."""
    host, plan = swap()

    outcome = run(plan, host, *[WriteBlocked(nth, takes_effect=False) for nth in range(2, 20)])

    assert outcome.result is Result.DEGRADED
    assert "kernel busy" in outcome.failure
    assert all("kernel busy" in one for one in outcome.refusals)


def _ignoring(act: Callable[[SimulatedHost], object], host: SimulatedHost) -> None:
    act(host)


@pytest.mark.parametrize(
    ("act", "difference"),
    [
        (lambda host: host.write(AQMASK, "-171"), "aqmask"),
        (lambda host: host.write(APMASK, "-5"), "apmask"),
    ],
)
def test_somebody_elses_mask_write_after_ours_is_found(act: Callable[[SimulatedHost], object], difference: str) -> None:
    """A mask that somebody changes during the apply is put back with the rest."""
    host, plan = swap()

    outcome = run(plan, host, ForeignWriter(3, partial(_ignoring, act, host), after=True))

    assert outcome.result is Result.ROLLED_BACK
    assert difference in outcome.failure
    assert held(host, plan.abilities) == SWAP[0]
