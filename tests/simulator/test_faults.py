from errno import EADDRINUSE, EIO, ENODEV

import pytest

from reconciler.kernel import paths
from reconciler.kernel.sysfs import KernelBusy, Sysfs
from reconciler.kernel.text_forms import ap_config_text, mask_text
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import ApConfig
from reconciler.model.steps import Write
from reconciler.simulator.faults import (
    BindingDelayed,
    CandidateShown,
    Fault,
    FaultySysfs,
    ForeignWriter,
    ReadRefused,
    WriteBlocked,
    WriteRefused,
)
from reconciler.simulator.host import SimulatedHost
from testing.host_actions import UUIDS
from testing.recording_sysfs import RecordingSysfs

A = UUIDS[0]
FULL = f"{mask_text(ALL_IDS)}\n"
WITHOUT_5 = f"{mask_text(ALL_IDS - IdSet([5]))}\n"


def faulty(*faults: Fault) -> tuple[SimulatedHost, FaultySysfs]:
    """A host, and the same host as somebody sees it to whom `faults` happen."""
    host = SimulatedHost()
    return host, FaultySysfs(host, faults)


def test_without_faults_nothing_is_different() -> None:
    """Both wrappers pass on every question and every answer."""
    host, wrapped = faulty()
    views: list[Sysfs] = [host, wrapped, RecordingSysfs(wrapped)]

    assert len({view.read("bus/ap/bindings") for view in views}) == 1
    assert len({tuple(view.list("bus/ap/devices")) for view in views}) == 1
    assert len({view.link("bus/ap/devices/05.0004/driver") for view in views}) == 1
    assert len({view.release for view in views}) == 1
    assert not any(view.opened([A]) for view in views)


def test_one_write_fails() -> None:
    """The second write gets the errno and changes nothing; the third goes through."""
    host, sysfs = faulty(WriteRefused(2, EADDRINUSE))
    sysfs.write(paths.APMASK, "-6")
    with pytest.raises(OSError, match="already in use"):
        sysfs.write(paths.APMASK, "-5")

    assert sysfs.write(paths.APMASK, "+6") == 2
    assert host.read(paths.APMASK) == FULL


@pytest.mark.parametrize(("takes_effect", "mask"), [(True, WITHOUT_5), (False, FULL)])
def test_a_write_does_not_come_back(takes_effect: bool, mask: str) -> None:
    """Whoever made it cannot tell whether it took effect."""
    host, sysfs = faulty(WriteBlocked(1, takes_effect))
    with pytest.raises(KernelBusy):
        sysfs.write(paths.APMASK, "-5")

    assert mask == host.read(paths.APMASK)


@pytest.mark.parametrize(("after", "mask"), [(False, WITHOUT_5), (True, FULL)])
def test_somebody_else_writes_at_the_same_time(after: bool, mask: str) -> None:
    """Before or after the write, and not through the wrapper."""
    host = SimulatedHost()

    def act() -> None:
        host.write(paths.APMASK, "+5")

    sysfs = FaultySysfs(host, [ForeignWriter(1, act, after)])
    sysfs.write(paths.APMASK, "-5")

    assert mask == host.read(paths.APMASK)
    assert sysfs.write_count == 1


def test_queues_are_bound_late() -> None:
    """From the second write on a queue is without a driver until so many reads have been made."""
    _, sysfs = faulty(BindingDelayed(2, 2))
    sysfs.write(paths.AQMASK, "-5")
    first = sysfs.read("bus/ap/bindings")
    sysfs.write(paths.AQMASK, "-4")

    assert [first, *(sysfs.read("bus/ap/bindings") for _ in range(2))] == [
        "16/16 (complete)\n",
        "12/16\n",
        "16/16 (complete)\n",
    ]


def test_one_read_fails() -> None:
    """The second read of one file fails; other reads do not count."""
    _, sysfs = faulty(ReadRefused(paths.APMASK, 2, ENODEV), ReadRefused(paths.AQMASK, 9, EIO))
    sysfs.read(paths.APMASK)
    sysfs.read(paths.AQMASK)
    with pytest.raises(OSError, match="No such device"):
        sysfs.read(paths.APMASK)

    assert sysfs.read(paths.APMASK) == FULL


def test_a_candidate_is_seen_once() -> None:
    """A read in the middle of somebody's write shows what may be refused a moment later."""
    path = f"{paths.mdev(A)}/ap_config"
    candidate = ApConfig(IdSet([5]), IdSet([4]), IdSet())
    host, sysfs = faulty(CandidateShown(path, 1, candidate))
    host.write(paths.CREATE, A)

    assert sysfs.read(path) == f"{ap_config_text(candidate)}\n"
    assert sysfs.read(path) == host.read(path)


def test_every_write_is_recorded_and_followed_by_a_call() -> None:
    """Also a write that is refused."""
    host, seen = SimulatedHost(), []
    sysfs = RecordingSysfs(host, lambda write: seen.append((write, host.read(paths.APMASK))))
    sysfs.write(paths.APMASK, "-5")
    with pytest.raises(OSError, match="Invalid"):
        sysfs.write(paths.APMASK, "nonsense")
    RecordingSysfs(host).write(paths.APMASK, "+5")

    assert sysfs.writes == [Write(paths.APMASK, "-5"), Write(paths.APMASK, "nonsense")]
    assert seen == [(write, WITHOUT_5) for write in sysfs.writes]
