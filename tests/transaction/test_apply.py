"""The transaction on hosts that do not behave: what is waited for, what fails, and how the rollback ends."""

import errno

import pytest

from reconciler.kernel.observe import observe
from reconciler.kernel.paths import APMASK, mdev
from reconciler.model.desired import GivenUp
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.outcome import Result
from reconciler.model.steps import Holdings
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.simulator.faults import CandidateShown, FaultySysfs, ForeignWriter, ReadRefused, WriteRefused
from reconciler.simulator.hardware import Card
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction.apply import NoProgress, apply_plan
from testing.clocks import FakeClock
from testing.holdings import config, desired, desired_like, guest, hardware, held, host_holding, uuid
from testing.journals import FakeJournal
from testing.simulated_hosts import VmProcesses
from testing.stop_tokens import SetAt
from testing.swaps import FREE, ONE, SWAP, run, swap, write
from testing.transitions import TRANSITIONS

# What is waited for --------------------------------------------------------------------------------------------------


def test_masks_can_be_set_before_the_driver_is_loaded() -> None:
    """At boot the masks come first: without vfio_ap the freed queues have no driver, and nobody waits for one."""
    host = SimulatedHost(hardware(), vfio_ap=False)
    plan = make_plan(desired([], GivenUp(NO_IDS, IdSet([4]))), observe(host))

    assert run(plan, host).result is Result.APPLIED
    assert held(host, plan.abilities).pool == Matrix(ALL_IDS, ~IdSet([4]))


def test_a_card_that_is_too_new_for_the_driver_disturbs_nobody() -> None:
    """Its queues lose their driver with the domain and get no other, which matters to no guest."""
    machine = hardware([5])._replace(cards={5: Card(13), 9: Card(14)})
    host = SimulatedHost(machine, PROFILES["5.15"])
    plan = make_plan(desired([guest("a", ONE, 1)]), observe(host))

    assert run(plan, host).result is Result.APPLIED


# What fails ----------------------------------------------------------------------------------------------------------


def test_an_answer_in_an_unknown_form_puts_the_start_back() -> None:
    """A text that nobody can read is a failure like any other, not a crash half way."""
    host, plan = swap()

    class Garbled(FaultySysfs):
        def read(self, path: str) -> str:
            return "??" if path.endswith("ap_config") and self.write_count == 1 else super().read(path)

    outcome = apply_plan(plan, Garbled(host, ()), FakeClock(), FakeJournal(), NoProgress()).outcome

    assert outcome.result is not Result.APPLIED
    assert "unknown form" in outcome.failure


def test_a_device_that_never_keeps_still_puts_the_start_back() -> None:
    """Somebody who changes a device all the time is found, and what was done before is put back."""
    host, plan = swap()
    path = f"{mdev(uuid(2))}/ap_config"
    restless = [CandidateShown(path, nth, config([nth], [4])) for nth in range(1, 8)]

    outcome = run(plan, host, *restless)

    assert outcome.result is Result.ROLLED_BACK
    assert "kept changing" in outcome.failure
    assert held(host, plan.abilities) == SWAP[0]


def test_a_watcher_that_fails_does_not_stop_the_way_back() -> None:
    """A terminal that has gone away must not leave the host half way."""
    host, plan = swap()

    class Gone(NoProgress):
        def rolling_back(self, reason: str) -> None:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    outcome = run(plan, host, WriteRefused(2, errno.EADDRINUSE), progress=Gone())

    assert outcome.result is Result.ROLLED_BACK
    assert held(host, plan.abilities) == SWAP[0]


def test_an_interruption_puts_the_start_back() -> None:
    """Ctrl-C is heeded before the next step, as a failure like any other."""
    host, plan = swap()

    outcome = apply_plan(plan, host, FakeClock(), FakeJournal(), NoProgress(), SetAt(2)).outcome

    assert (outcome.result, outcome.failure) == (Result.ROLLED_BACK, "interrupted before step 2 of 3")
    assert (outcome.writes, outcome.rollback_writes) == (1, 1)
    assert held(host, plan.abilities) == SWAP[0]


@pytest.mark.parametrize("nth", range(1, 4))
def test_an_interruption_without_a_way_back_is_finished(nth: int) -> None:
    """From 6.19 on the host cannot have an adapter back while an untouched guest has a queue of it."""
    start, target = TRANSITIONS["shared"]
    host = host_holding(start, PROFILES["7.2"])
    ours = Applied(start.pool, {one: (one, what) for one, what in start.mdevs.items()})
    plan = make_plan(desired_like(target), observe(host), ours)
    assert [one.id for one in plan.problems] == ["no-way-back"]
    journal = FakeJournal()

    outcome = apply_plan(plan, host, FakeClock(), journal, NoProgress(), SetAt(nth)).outcome

    if nth == 1:
        assert outcome.result is Result.ROLLED_BACK
        assert held(host, plan.abilities) == start
    else:
        assert outcome.result is Result.APPLIED
        assert outcome.notes[0].startswith("it was interrupted, but finished, since this kernel refuses the mask")
        assert held(host, plan.abilities) == target
        assert journal.entries[-1] == "commit"


@pytest.mark.parametrize("failing", ["begin", "step", "verified", "commit"])
def test_a_journal_that_cannot_be_kept_puts_the_start_back(failing: str) -> None:
    """A full disk is no reason to leave the host in a state that nobody has recorded."""
    host, plan = swap()

    outcome = run(plan, host, journal=FullDisk(failing))

    assert outcome.result is Result.ROLLED_BACK
    assert "No space left" in outcome.failure
    assert held(host, plan.abilities) == SWAP[0]
    assert outcome.writes == {"begin": 0, "step": 0, "verified": 3, "commit": 3}[failing]


def test_a_journal_that_cannot_be_closed_is_told() -> None:
    """The host is as it was; that the journal is still there is a note."""
    host, plan = swap()

    outcome = run(plan, host, WriteRefused(1, errno.EINVAL), journal=FullDisk("rolled_back"))

    assert outcome.result is Result.ROLLED_BACK
    assert outcome.notes == ("the journal could not be closed: No space left on device (free space there)",)


class FullDisk(FakeJournal):
    """Journal on a disk that is full when one of them is to be written."""

    def __init__(self, failing: str) -> None:
        super().__init__()
        self._failing = failing

    def begin(self, plan: Plan, start: Holdings) -> None:
        self._maybe("begin")

    def step(self, number: int) -> None:
        self._maybe("step")

    def verified(self) -> None:
        self._maybe("verified")

    def commit(self, plan: Plan) -> None:
        self._maybe("commit")

    def rolled_back(self) -> None:
        self._maybe("rolled_back")

    def _maybe(self, what: str) -> None:
        if what == self._failing:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_result_that_cannot_be_read_is_not_believed() -> None:
    """Verification needs the host's answer; without it everything goes back."""
    host, plan = swap()
    reads = _reads_of(APMASK, plan)

    outcome = run(plan, host, ReadRefused(APMASK, reads, errno.EIO))

    assert outcome.result is Result.ROLLED_BACK
    assert outcome.failure.startswith("the result cannot be verified")
    assert held(host, plan.abilities) == SWAP[0]


def _reads_of(path: str, plan: Plan) -> int:
    """The number of the read of `path` with which the verification of `plan` looks at it."""
    host = host_holding(SWAP[0], PROFILES["6.12"])
    seen: list[str] = []

    class Counting(FaultySysfs):
        def read(self, where: str) -> str:
            seen.append(where)
            return super().read(where)

    apply_plan(plan, Counting(host, ()), FakeClock(), FakeJournal(), NoProgress())
    return seen.count(path)


def test_what_changes_behind_the_last_write_is_found_by_verification() -> None:
    """The whole is looked at once more when all is written."""
    host, plan = swap()

    outcome = run(plan, host, ForeignWriter(3, lambda: write(host, f"{mdev(uuid(2))}/assign_adapter", "7"), after=True))

    assert outcome.result is Result.ROLLED_BACK
    assert uuid(2) in outcome.failure
    assert held(host, plan.abilities) == SWAP[0]


def test_a_vm_that_opened_a_device_meanwhile_stops_its_removal() -> None:
    """The kernel would block on it, so it is asked first."""
    host = host_holding(SWAP[0], PROFILES["6.12"])
    ours = Applied(FREE, {uuid(1): ("a", ONE), uuid(2): ("b", config([6], [4]))})
    plan = make_plan(desired([], GivenUp(NO_IDS, IdSet([4, 0x47]))), observe(host), ours)

    outcome = run(plan, host, ForeignWriter(1, lambda: host.start_vm(uuid(2)), after=True))

    assert outcome.result is Result.ROLLED_BACK
    assert outcome.failure.endswith(f"mediated device {uuid(2)} was opened by a VM meanwhile; stop the VM first")
    assert held(host, plan.abilities) == SWAP[0]


def test_the_process_that_opened_a_device_meanwhile_is_named() -> None:
    """So that the administrator knows what to stop; asked once before each removal."""
    host = host_holding(SWAP[0], PROFILES["6.12"])
    ours = Applied(FREE, {uuid(1): ("a", ONE), uuid(2): ("b", config([6], [4]))})
    plan = make_plan(desired([], GivenUp(NO_IDS, IdSet([4, 0x47]))), observe(host), ours)
    host.start_vm(uuid(2))
    sysfs = VmProcesses(host)

    outcome = apply_plan(plan, sysfs, FakeClock(), FakeJournal(), NoProgress()).outcome

    assert outcome.result is Result.ROLLED_BACK
    assert outcome.failure.endswith("was opened by qemu-system-s390x, process 4711 meanwhile; stop the VM first")
    assert sysfs.asked[:2] == [[uuid(1)], [uuid(2)]]
    assert held(host, plan.abilities) == SWAP[0]


def test_a_write_that_the_kernel_cuts_is_a_failure() -> None:
    """A store that took fewer bytes than given did something else than planned."""
    host, plan = swap()

    class Cutting(FaultySysfs):
        def write(self, path: str, value: str) -> int:
            return super().write(path, value) - 1

    outcome = apply_plan(plan, Cutting(host, ()), FakeClock(), FakeJournal(), NoProgress()).outcome

    assert "the kernel took 199 of 200 bytes" in outcome.failure


def test_a_busy_lock_in_the_kernel_is_tried_again() -> None:
    """EAGAIN is worth another try, with a pause, and only so often."""
    host, plan = swap()
    clock = FakeClock()
    once = FaultySysfs(host, [WriteRefused(1, errno.EAGAIN)])

    assert apply_plan(plan, once, clock, FakeJournal(), NoProgress()).outcome.result is Result.APPLIED
    assert clock.now > 0
    host, plan = swap()
    for_ever = [WriteRefused(nth, errno.EAGAIN) for nth in range(1, 50)]
    assert run(plan, host, *for_ever).result is Result.ROLLED_BACK


def test_what_a_guest_sees_otherwise_than_predicted_is_a_note() -> None:
    """The authorisation is as planned; that a queue lost its driver meanwhile is told."""
    host = host_holding(Holdings(FREE, {}), PROFILES["6.12"])
    plan = make_plan(desired([guest("a", ONE, 1)], GivenUp(NO_IDS, IdSet([4, 0x47]))), observe(host))
    unbind = ForeignWriter(1, lambda: write(host, "bus/ap/drivers/vfio_ap/unbind", "05.0004"))

    outcome = run(plan, host, unbind)

    assert outcome.result is Result.APPLIED
    assert outcome.notes == ("guest 'a' sees 0 queues, but 1 were predicted",)
