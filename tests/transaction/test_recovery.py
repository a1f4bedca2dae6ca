"""What a run finds that an earlier one has left, and what it makes of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from reconciler.integrations.timers import CannotArm
from reconciler.kernel.observe import observe
from reconciler.model.codec import BadRecord
from reconciler.model.ids import IdSet
from reconciler.model.outcome import Origin, Outcome, Result, Unconfirmed
from reconciler.operations.apply import ApplyResult, Terms, apply
from reconciler.operations.wanted import Manifests
from reconciler.simulator.host import SimulatedHost
from reconciler.transaction.apply import NoProgress
from reconciler.transaction.confirmation import PENDING, AwaitsConfirmation, Confirmations, NotPending
from reconciler.transaction.history import History, NoSuchGeneration
from reconciler.transaction.journal import JOURNAL, Journal
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.recovery import Left, confirm, expire, recover, recover_unfinished, refuse_pending
from reconciler.transaction.state_directory import StateDirectory
from testing.clocks import FakeClock
from testing.holdings import hardware, held, uuid

MANIFESTS = """\
apiVersion: reconciler/v1
kind: Host
metadata: {{name: lpar7}}
spec: {{}}
---
apiVersion: reconciler/v1
kind: Guest
metadata: {{name: a}}
spec: {{host: lpar7, uuid: {uuid}, adapters: [{adapter}], domains: [4]}}
"""

ORIGIN = Origin("kim", "reconcile apply", 0.0)


class FakeTimer:
    """Remembers what was armed; refuses where it is told to."""

    def __init__(self, refuses: str = "") -> None:
        self.armed: list[tuple[int, float]] = []
        self.refuses = refuses

    def arm(self, generation: int, seconds: float) -> None:
        """See `reconciler.integrations.timers.Timer`."""
        if self.refuses:
            raise CannotArm(self.refuses)
        self.armed.append((generation, seconds))


class Bench(NamedTuple):
    """A host, its machine, and manifests that can be changed."""

    host: SimulatedHost
    machine: OpenHost
    clock: FakeClock
    timer: FakeTimer
    manifests: Path

    def wants(self, adapter: int) -> None:
        """Let the manifests give the guest `adapter`."""
        self.manifests.write_text(MANIFESTS.format(uuid=uuid(1), adapter=adapter), encoding="utf-8")

    def apply(self, confirm_within: float | None = None) -> ApplyResult:
        """Apply the manifests."""
        terms = Terms(confirm_within=confirm_within)
        return apply(Manifests((self.manifests,)), self.machine, NoProgress(), ORIGIN, terms)

    @property
    def adapters(self) -> list[int]:
        """The adapters that the guest has."""
        return list(held(self.host, observe(self.host).abilities).mdevs[uuid(1)].adapters)

    @property
    def results(self) -> list[str]:
        """How the generations ended."""
        return [one.result for one in History(self.machine.state).generations()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A host on which adapter 5 was applied."""
    host, clock, timer = SimulatedHost(hardware()), FakeClock(), FakeTimer()
    machine = OpenHost(host, clock, StateDirectory(tmp_path / "state"), "boot-one", "lpar7", timer=timer)
    made = Bench(host, machine, clock, timer, tmp_path / "site.yaml")
    made.wants(5)
    assert made.apply().outcome.result is Result.APPLIED
    yield made
    assert not (machine.state.path / JOURNAL).exists()


# Only the journal was not closed --------------------------------------------------------------------------------------


def test_a_verified_transaction_is_finished_not_undone(bench: Bench) -> None:
    """All that was missing was the bookkeeping, so that is what is done."""
    bench.wants(6)
    before = (bench.machine.state.path / "inventory.json").read_bytes()
    journal = _journal_of(bench)
    (bench.machine.state.path / "inventory.json").write_bytes(before)
    (bench.machine.state.path / JOURNAL).write_bytes(journal + b'{"step": 1}\n{"verified": true}\n')

    (found,) = recover(bench.machine)

    assert (found.left, found.returned) == (Left.UNFINISHED, None)
    assert bench.adapters == [6]
    assert bench.results == ["applied", "applied"]
    assert Journal(bench.machine.state, "boot-one").applied().guests[uuid(1)][1].adapters == IdSet([6])
    assert bench.apply().outcome.result is Result.NOTHING


def test_a_verified_transaction_that_somebody_changed_is_undone(bench: Bench) -> None:
    """What is there is not what was verified, so that the recorded start is what can be relied on."""
    bench.wants(6)
    journal = _journal_of(bench)
    (bench.machine.state.path / JOURNAL).write_bytes(journal + b'{"step": 1}\n{"verified": true}\n')
    bench.host.write(f"devices/vfio_ap/matrix/{uuid(1)}/assign_adapter", "7")

    (found,) = recover(bench.machine)

    assert found.returned is not None
    assert found.returned.differences == ()
    assert bench.adapters == [5]


def _journal_of(bench: Bench) -> bytes:
    """Apply, and return the first line of the journal that was kept meanwhile."""
    kept = []

    class Watching(NoProgress):
        def step(self, number: int, total: int, step: object) -> None:
            kept.append((bench.machine.state.path / JOURNAL).read_bytes().splitlines(keepends=True)[0])

    applied = apply(Manifests((bench.manifests,)), bench.machine, Watching(), ORIGIN)
    assert applied.outcome.result is Result.APPLIED
    return kept[0]


def test_the_journal_tells_each_step_with_what_is_there_before_and_after(bench: Bench) -> None:
    """A person can read from it what was to be done."""
    bench.wants(6)

    record = json.loads(_journal_of(bench))

    assert [(one["action"], one["uuid"]) for one in record["steps"]] == [("configure", uuid(1))]
    assert record["steps"][0]["before"] == record["start"]["mdevs"][uuid(1)]
    assert record["steps"][0]["after"] != record["steps"][0]["before"]
    assert (record["bootId"], record["generation"]) == ("boot-one", 2)


# Second thoughts -----------------------------------------------------------------------------------------------------


def test_a_timer_is_armed_before_the_first_write(bench: Bench) -> None:
    """Whatever happens to us after that, the host goes back by itself."""
    bench.wants(6)
    armed: list[int] = []
    write = bench.host.write

    def watched(path: str, value: str) -> int:
        armed.append(len(bench.timer.armed))
        return write(path, value)

    bench.host.write = watched  # type: ignore[method-assign]

    bench.apply(confirm_within=300)

    assert armed == [1]


def test_what_is_confirmed_stays(bench: Bench) -> None:
    """After the confirmation nothing waits any more."""
    bench.wants(6)
    assert bench.apply(confirm_within=300).generation == 2
    assert bench.timer.armed == [(2, 300)]

    confirm(bench.machine, 2)
    bench.clock.sleep(1000)

    assert recover(bench.machine) == ()
    assert bench.adapters == [6]
    assert bench.apply().outcome.result is Result.NOTHING


def test_what_nobody_confirms_is_put_back(bench: Bench) -> None:
    """Host, inventory and history all say so, and the next apply is free to go."""
    before = Journal(bench.machine.state, "boot-one").applied()
    bench.wants(6)
    bench.apply(confirm_within=300)
    bench.clock.sleep(299)
    assert recover(bench.machine) == ()

    bench.clock.sleep(1)
    (found,) = recover(bench.machine)

    assert found.left is Left.EXPIRED
    assert bench.adapters == [5]
    now = Journal(bench.machine.state, "boot-one").applied()
    assert now._replace(rolled_back=None) == before
    assert now.rolled_back
    assert now.rolled_back.unconfirmed is Unconfirmed.EXPIRED
    assert bench.results == ["applied", "rolled back"]
    assert bench.apply().outcome.result is Result.APPLIED


def test_the_next_apply_puts_back_what_nobody_confirmed(bench: Bench) -> None:
    """Also where the timer itself was lost."""
    bench.wants(6)
    bench.apply(confirm_within=300)
    bench.clock.sleep(301)
    bench.wants(7)

    applied = bench.apply()

    assert [one.left for one in applied.recovered] == [Left.EXPIRED]
    assert bench.adapters == [7]
    assert bench.results == ["applied", "rolled back", "applied"]


def test_while_one_waits_no_other_is_made(bench: Bench) -> None:
    """Going back from under a later change would take that away, too."""
    bench.wants(6)
    bench.apply(confirm_within=300)
    bench.wants(7)

    with pytest.raises(AwaitsConfirmation, match="generation 2 waits to be confirmed for another 5 minutes"):
        bench.apply()
    with pytest.raises(AwaitsConfirmation):
        refuse_pending(bench.machine)
    assert bench.adapters == [6]


def test_it_can_be_undone_at_once(bench: Bench) -> None:
    """Nobody has to wait for the clock."""
    bench.wants(6)
    bench.apply(confirm_within=300)

    found = expire(bench.machine, now=True)

    assert found is not None
    assert found.left is Left.CANCELLED
    assert bench.adapters == [5]
    assert expire(bench.machine, now=True) is None


def test_the_time_can_be_extended(bench: Bench) -> None:
    """From now on, and the timer is armed again."""
    bench.wants(6)
    bench.apply(confirm_within=300)
    bench.clock.sleep(299)

    confirm(bench.machine, 2, extend=100)
    bench.clock.sleep(99)

    assert bench.timer.armed == [(2, 300), (2, 100)]
    assert recover(bench.machine) == ()
    bench.clock.sleep(1)
    assert len(recover(bench.machine)) == 1


def test_only_what_waits_can_be_confirmed(bench: Bench) -> None:
    """A wrong number confirms nothing: that generation stands already, or there is none."""
    assert not confirm(bench.machine, 1)
    bench.wants(6)
    bench.apply(confirm_within=300)
    assert not confirm(bench.machine, 1)
    with pytest.raises(NotPending, match="generation 1 was applied, and waits for nothing"):
        confirm(bench.machine, 1, extend=60)
    with pytest.raises(NoSuchGeneration):
        confirm(bench.machine, 3)
    assert Confirmations(bench.machine.state).pending() is not None


def test_without_a_timer_nothing_is_begun(bench: Bench) -> None:
    """A promise that nobody can keep is not made."""
    bench.wants(6)
    bench.timer.refuses = "no systemd here"

    outcome = bench.apply(confirm_within=300).outcome

    assert outcome == Outcome(Result.ROLLED_BACK, failure="nothing was begun: no systemd here")
    assert bench.adapters == [5]
    assert Confirmations(bench.machine.state).pending() is None
    lonely = bench._replace(machine=bench.machine._replace(timer=None))
    assert "there is no timer" in lonely.apply(confirm_within=300).outcome.failure


def test_a_failed_apply_waits_for_nobody(bench: Bench) -> None:
    """It has been put back already."""
    bench.wants(6)
    blind = bench.machine._replace(sysfs=_Refusing(bench.host))

    outcome = bench._replace(machine=blind).apply(confirm_within=300).outcome

    assert outcome.result is Result.ROLLED_BACK
    assert Confirmations(bench.machine.state).pending() is None
    assert bench.apply().outcome.result is Result.APPLIED


class _Refusing(SimulatedHost):
    """The host of another object, whose devices cannot be written."""

    def __init__(self, host: SimulatedHost) -> None:
        self.__dict__.update(host.__dict__)

    def write(self, path: str, value: str) -> int:
        raise OSError(22, "Invalid argument")


def test_a_boot_ends_the_waiting(bench: Bench) -> None:
    """Sysfs has started afresh: nothing is left to be put back, and the inventory is that of before."""
    before = Journal(bench.machine.state, "boot-one").applied()
    bench.wants(6)
    bench.apply(confirm_within=300)
    booted = bench.machine._replace(boot_id="boot-two", sysfs=SimulatedHost(hardware()))

    (found,) = recover(booted)

    assert not found.unfinished.same_boot
    now = Journal(booted.state, "boot-two").applied()
    assert now._replace(rolled_back=None) == before
    assert now.rolled_back
    assert now.rolled_back.unconfirmed is Unconfirmed.REBOOTED
    assert Confirmations(booted.state).pending() is None


@pytest.mark.parametrize("written", [0, 1])
def test_a_process_killed_in_the_middle_leaves_nothing_waiting(bench: Bench, written: int) -> None:
    """Its journal leads back to the start, and what was to be confirmed is gone with it."""
    bench.wants(6)

    class Killed(BaseException):
        pass

    def die(path: str, value: str) -> int:
        if written:
            write(path, value)
        raise Killed

    write = bench.host.write
    bench.host.write = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        bench.apply(confirm_within=300)
    bench.host.write = write  # type: ignore[method-assign]

    (found,) = recover(bench.machine)

    assert found.left is Left.UNFINISHED
    assert bench.adapters == [5]
    assert Confirmations(bench.machine.state).pending() is None
    assert bench.results == ["applied", "rolled back"]


@pytest.mark.parametrize("written", [False, True])
def test_a_rollback_that_is_killed_is_begun_again(bench: Bench, written: bool) -> None:
    """What waits to be confirmed holds the start, and stays until all is recorded: no journal is needed for that."""
    bench.wants(6)
    bench.apply(confirm_within=300)
    bench.clock.sleep(300)

    class Killed(BaseException):
        pass

    def die(path: str, value: str) -> int:
        if written:
            write(path, value)
        raise Killed

    write = bench.host.write
    bench.host.write = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        recover(bench.machine)
    bench.host.write = write  # type: ignore[method-assign]

    assert (bench.machine.state.path / PENDING).exists()
    (found,) = recover(bench.machine)
    assert (found.left, found.unrecorded) == (Left.EXPIRED, "")
    assert bench.adapters == [5]
    assert Confirmations(bench.machine.state).pending() is None


@pytest.mark.parametrize("content", [b"", b"7", b"{}", b'{"generation": "x"}'])
def test_a_damaged_record_of_what_waits_is_refused(bench: Bench, content: bytes) -> None:
    """Nothing is guessed about what is to be put back."""
    (bench.machine.state.path / PENDING).write_bytes(content)

    with pytest.raises(BadRecord, match=r"pending\.json"):
        recover(bench.machine)
    with pytest.raises(BadRecord):
        bench.apply()


def test_nothing_is_recovered_where_nothing_was_left(bench: Bench) -> None:
    """The usual case."""
    assert recover_unfinished(bench.machine) is None
    assert recover(bench.machine) == ()


def test_a_vm_that_opened_a_new_device_loses_its_queues_but_keeps_the_device(bench: Bench) -> None:
    """Removing it would block until the VM ends; that is told as degraded, and the holder of before has its queues."""
    (bench.machine.state.path / "inventory.json").unlink()
    bench.host.write(f"devices/vfio_ap/matrix/{uuid(1)}/remove", "1")
    bench.apply(confirm_within=300)
    bench.host.start_vm(uuid(1))
    bench.clock.sleep(300)

    (found,) = recover(bench.machine)

    assert found.returned is not None
    assert len(found.returned.differences) == 1
    assert "emptied and not removed" in found.returned.refusals[0]
    assert bench.adapters == []
