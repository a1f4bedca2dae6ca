"""A host is read into values, whatever it does meanwhile."""

import errno
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.kernel import paths
from reconciler.kernel.observe import (
    REBIND_SECONDS,
    NoApBus,
    UnreadableHost,
    look_again,
    mdev_uuids,
    observe,
    wait_for_rebinding,
)
from reconciler.kernel.sysfs import KernelBusy
from reconciler.kernel.sysinfo import sysinfo_text
from reconciler.model.identity import MachineIdentity
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import FULL_MATRIX, Matrix, Queue
from reconciler.model.observed import Abilities, Lpar, ObservedCard, ObservedQueue, Process
from reconciler.model.steps import Holdings
from reconciler.simulator.faults import CandidateShown, FaultySysfs, ReadRefused
from reconciler.simulator.hardware import Card, SetCard, Unplug
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from testing.clocks import FakeClock
from testing.holdings import EVERY_PROFILE, abilities_of, config, hardware, holdings, host_holding, matrix, uuid
from testing.simulated_hosts import QEMU, VmProcesses

FREE = Matrix(ALL_IDS, ~IdSet([4, 0x47]))
ONE = config([5], [4])


class Answering(FaultySysfs):
    """A host that answers some paths (by their end) with another text; None: it is not there."""

    def __init__(self, host: SimulatedHost, answers: dict[str, str | None]) -> None:
        super().__init__(host, ())
        self._answers = answers

    def read(self, path: str) -> str:
        for end, text in self._answers.items():
            if path.endswith(end):
                if text is None:
                    raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
                return text
        return super().read(path)


# What is seen --------------------------------------------------------------------------------------------------------


def test_a_host_is_seen_as_it_is() -> None:
    """Masks, LPAR, cards, queues, devices and who uses them."""
    host = host_holding(Holdings(FREE, {uuid(1): ONE, uuid(2): config([6], [4], [0xAB])}), PROFILES["6.12"])
    host.change_hardware(SetCard(6, configured=False))
    host.change_hardware(SetCard(7, checkstopped=True))
    host.write("bus/ap/drivers/cex4queue/unbind", "07.00ab")
    host.set_pending(Queue(5, 0xAB), 2)
    host.start_vm(uuid(1))

    seen = observe(host)

    assert seen.pool == FREE
    assert seen.lpar == Lpar(IdSet([5, 6, 7]), IdSet([4, 0x47, 0xAB, 255]), IdSet([4, 0x47, 0xAB, 255]), 255, 255)
    assert seen.cards == (
        ObservedCard(5, 13, configured=True, checkstopped=False),
        ObservedCard(6, 13, configured=False, checkstopped=False, online=False),
        ObservedCard(7, 13, configured=True, checkstopped=True, online=False),
    )
    assert seen.functions == dict.fromkeys((5, 6, 7), 0xF2000000)
    queues = {one.queue: one for one in seen.queues}
    assert queues[Queue(5, 4)] == ObservedQueue(Queue(5, 4), "vfio_ap")
    assert queues[Queue(5, 0xAB)] == ObservedQueue(Queue(5, 0xAB), "cex4queue", busy=True)
    assert queues[Queue(7, 0xAB)] == ObservedQueue(Queue(7, 0xAB), None)
    assert [(one.uuid, one.config, one.effective, one.in_use) for one in seen.mdevs] == [
        (uuid(1), ONE, matrix([5], [4]), True),
        (uuid(2), config([6], [4], [0xAB]), matrix([6], [4]), False),
    ]
    assert seen.vfio_ap


def test_queues_are_asked_for_requests_only_where_their_card_has_some() -> None:
    """Cards are few and count for all their queues; a large host has more than a thousand queues."""
    host = host_holding(Holdings(FULL_MATRIX, {}), PROFILES["6.12"])
    host.set_pending(Queue(5, 0xAB), 2)
    asked: list[str] = []

    class Listening(FaultySysfs):
        def read(self, path: str) -> str:
            asked.append(path)
            return super().read(path)

    seen = observe(Listening(host, ()))

    assert [one.queue for one in seen.queues if one.busy] == [Queue(5, 0xAB)]
    counted = {path.split("/")[-2] for path in asked if path.endswith("q_count")}
    assert counted == {"card05", "card06", "card07", *(str(one.queue) for one in seen.queues if one.queue.adapter == 5)}


@pytest.mark.parametrize("text", ["", "-", "0xF2", "0xF20000000", "F2000000"])
def test_functions_in_an_unknown_form_are_not_known(text: str) -> None:
    """They decide nothing on this host, so that it is read nevertheless."""

    class Odd(FaultySysfs):
        def read(self, path: str) -> str:
            return f"{text}\n" if path.endswith("card05/ap_functions") else super().read(path)

    seen = observe(Odd(host_holding(Holdings(FULL_MATRIX, {}), PROFILES["6.12"]), ()))

    assert seen.functions == dict.fromkeys((6, 7), 0xF2000000)


@pytest.mark.parametrize("profile", EVERY_PROFILE, ids=lambda one: one.name)
@given(data=st.data())
@settings(max_examples=30)
def test_every_kernel_shows_who_holds_what(profile: object, data: st.DataObject) -> None:
    """Whatever the text forms of a kernel are, pool and configurations are read as they are."""
    what = data.draw(holdings())
    chosen = PROFILES[profile.name]  # type: ignore[attr-defined]
    if not chosen.over_provision:
        present = IdSet([5, 6, 7])
        mdevs = {one: found for one, found in what.mdevs.items() if found.adapters <= present}
        what = what._replace(mdevs=mdevs)
    seen = observe(host_holding(what, chosen))

    assert Holdings(seen.pool, {one.uuid: one.config for one in seen.mdevs}) == what
    assert all((one.effective is None) is not chosen.over_provision for one in seen.mdevs)


def test_a_vm_is_seen_by_the_status_of_its_queues_too() -> None:
    """Where the VFIO group cannot be asked, the queues tell."""
    host = host_holding(Holdings(FREE, {uuid(1): ONE, uuid(2): config([6], [4])}), PROFILES["6.12"])
    host.start_vm(uuid(1))

    class Blind(FaultySysfs):
        def opened(self, uuids: Iterable[str]) -> Mapping[str, Process | None]:
            return {}

    assert [one.in_use for one in observe(Blind(host, ())).mdevs] == [True, False]


def test_the_process_that_has_a_device_open_is_known_where_the_host_tells_it() -> None:
    """One question for all devices."""
    host = host_holding(Holdings(FREE, {uuid(1): ONE, uuid(2): config([6], [4])}), PROFILES["6.12"])
    host.start_vm(uuid(1))
    telling = VmProcesses(host)

    assert [(one.in_use, one.opened_by) for one in observe(telling).mdevs] == [(True, QEMU), (False, None)]
    assert telling.asked == [[uuid(1), uuid(2)]]


def test_a_pinned_queue_is_seen() -> None:
    """From 6.19 on a queue can be pinned to a driver."""
    host = SimulatedHost(hardware([5], [4, 5]), PROFILES["7.2"])
    host.write("bus/ap/devices/05.0004/driver_override", "cex4queue")

    assert [one.overridden for one in observe(host).queues] == [True, False]


def test_a_host_without_the_module_has_no_devices() -> None:
    """No vfio_ap: no devices, and that is told."""
    seen = observe(SimulatedHost(vfio_ap=False))

    assert (seen.vfio_ap, seen.mdevs) == (False, ())


def test_only_uuids_are_devices() -> None:
    """The parent's directory has other entries, too."""
    host = host_holding(Holdings(FREE, {uuid(1): ONE}), PROFILES["6.12"])

    assert mdev_uuids(host) == [uuid(1)]
    assert "mdev_supported_types" in host.list(paths.MATRIX)


def test_a_machine_that_cannot_tell_its_masks_may_have_everything() -> None:
    """``not supported`` excludes nothing."""
    answers: dict[str, str | None] = dict.fromkeys(
        ("ap_adapter_mask", "ap_usage_domain_mask", "ap_control_domain_mask"), "not supported\n"
    )

    seen = observe(Answering(SimulatedHost(), answers))

    assert seen.lpar[:3] == (ALL_IDS, ALL_IDS, ALL_IDS)


def test_a_matrix_that_fills_a_page_is_known_to_be_cut() -> None:
    """Over 511 queues an old kernel may not show all: the device is marked, and nothing is made of its guest."""
    machine = hardware(range(8), range(64))
    pool = Matrix(ALL_IDS, ~IdSet(range(64)))
    whole, cut = config(range(7), range(64)), config(range(8), range(64))
    for profile in ("6.1", "6.12"):
        seen = observe(host_holding(Holdings(pool, {uuid(1): whole}), PROFILES[profile], machine)).mdevs[0]
        assert (seen.config, seen.effective, seen.complete) == (whole, whole.matrix, True)
    old = observe(host_holding(Holdings(pool, {uuid(1): cut}), PROFILES["6.1"], machine)).mdevs[0]
    assert (old.effective, old.complete) == (None, False)
    new = observe(host_holding(Holdings(pool, {uuid(1): cut}), PROFILES["6.12"], machine)).mdevs[0]
    assert (new.config, new.effective, new.complete) == (cut, None, True)


# What the kernel can do ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", EVERY_PROFILE, ids=lambda one: one.name)
@pytest.mark.parametrize("devices", [0, 1])
@pytest.mark.parametrize("cards", [(), (5,)])
def test_abilities_are_found_out_by_looking(profile: object, devices: int, cards: tuple[int, ...]) -> None:
    """With or without devices and cards; without both, the release decides what nothing else tells."""
    chosen = PROFILES[profile.name]  # type: ignore[attr-defined]
    mdevs = {uuid(1): config([], [])} if devices else {}

    seen = observe(host_holding(Holdings(FREE, mdevs), chosen, hardware(cards)))

    assert seen.abilities == abilities_of(chosen)


@pytest.mark.parametrize(
    ("release", "is_new"), [("5.19.0", False), ("6.0.0-rc1", True), ("10.2", True), ("zos", False)]
)
def test_a_release_is_the_last_resort(monkeypatch: pytest.MonkeyPatch, release: str, is_new: bool) -> None:
    """Nothing of vfio_ap tells 5.x from 6.x on an empty host; what cannot be read counts as old."""
    monkeypatch.setattr(SimulatedHost, "release", release)

    assert observe(SimulatedHost(hardware(()), PROFILES["6.1"])).abilities == Abilities(False, is_new, False)


# What goes wrong -----------------------------------------------------------------------------------------------------


def test_a_machine_without_ap_bus_is_told_what_to_do() -> None:
    """The likely reasons."""
    with pytest.raises(NoApBus, match=r"no AP bus here.*no s390x host.*--sysfs"):
        observe(Nowhere())


class Nowhere:
    """An empty sysfs."""

    release = "6.12.0"

    def read(self, path: str) -> str:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)

    def write(self, path: str, value: str) -> int:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)

    def list(self, path: str) -> list[str]:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)

    def link(self, path: str) -> str:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)

    def opened(self, uuids: Iterable[str]) -> Mapping[str, Process | None]:
        return {}

    def sysinfo(self) -> bytes:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "proc/sysinfo")


def test_a_device_that_vanishes_while_it_is_read_is_read_again() -> None:
    """Between listing and reading a card can go; the next look finds none of it."""
    host = SimulatedHost(hardware([5, 6]))

    class Unplugging(FaultySysfs):
        def read(self, path: str) -> str:
            if path.endswith("card06/hwtype") and 6 in host.hardware.cards:
                host.change_hardware(Unplug(6))
            return super().read(path)

    assert [one.adapter for one in observe(Unplugging(host, ())).cards] == [5]


def test_a_host_that_does_not_keep_still_is_given_up() -> None:
    """Not for ever."""
    with pytest.raises(UnreadableHost, match="kept appearing and vanishing"):
        observe(Answering(SimulatedHost(), {"card05/hwtype": None}))


@pytest.mark.parametrize(
    "answers",
    [
        {"apmask": "0xff\n"},
        {"ap_config": "??\n"},
        {"ap_max_domain_id": "many\n"},
        {"card05/hwtype": "\n"},
        {"guest_matrix": "05.0004\n06.0047\n"},
    ],
)
def test_a_text_of_unknown_form_is_told(answers: dict[str, str | None]) -> None:
    """Nothing is guessed, and nothing falls over."""
    host = host_holding(Holdings(FREE, {uuid(1): ONE}), PROFILES["6.12"])

    with pytest.raises(UnreadableHost, match="unknown form"):
        observe(Answering(host, answers))


@pytest.mark.parametrize("path", [paths.APMASK, f"{paths.mdev(uuid(1))}/ap_config"])
def test_an_io_error_is_told(path: str) -> None:
    """Only what is gone is looked for again."""
    host = host_holding(Holdings(FREE, {uuid(1): ONE}), PROFILES["6.12"])

    with pytest.raises(UnreadableHost, match="cannot read the host"):
        observe(FaultySysfs(host, [ReadRefused(path, 1, errno.EIO)]))


def test_a_link_that_cannot_be_read_is_told() -> None:
    """Whether a queue has a driver must be known."""

    class Unlinked(FaultySysfs):
        def link(self, path: str) -> str:
            raise OSError(errno.EIO, "Input/output error", path)

    with pytest.raises(UnreadableHost, match="cannot read the host"):
        observe(Unlinked(SimulatedHost(), ()))


def test_a_candidate_that_the_kernel_still_checks_is_not_believed() -> None:
    """``ap_config`` shows for a moment what may be refused, so a value counts when it was read twice alike."""
    host = host_holding(Holdings(FREE, {uuid(1): ONE}), PROFILES["6.12"])
    path = f"{paths.mdev(uuid(1))}/ap_config"

    seen = observe(FaultySysfs(host, [CandidateShown(path, 1, config([6], [4])), CandidateShown(path, 3, ONE)]))

    assert seen.mdevs[0].config == ONE


def test_a_device_that_changes_all_the_time_is_given_up() -> None:
    """Not for ever."""
    host = host_holding(Holdings(FREE, {uuid(1): ONE}), PROFILES["6.12"])
    path = f"{paths.mdev(uuid(1))}/ap_config"
    restless = [CandidateShown(path, nth, config([nth], [4])) for nth in range(1, 30)]

    with pytest.raises(UnreadableHost, match="kept changing"):
        observe(FaultySysfs(host, restless))


# Waiting for drivers -------------------------------------------------------------------------------------------------


def test_queues_are_waited_for_until_they_have_their_driver() -> None:
    """A queue in the pool needs a driver of the host, any other one vfio_ap."""
    host, clock = SimulatedHost(hardware([5], [4, 5])), FakeClock()
    host.delay_binding(20)
    host.write("bus/ap/aqmask", "-4")
    pool = FULL_MATRIX._replace(domains=~IdSet([4]))

    wait_for_rebinding(host, clock, pool, [Queue(5, 4), Queue(5, 5)])

    assert {one.driver for one in observe(host).queues} == {"vfio_ap", "cex4queue"}
    assert 0 < clock.now < REBIND_SECONDS


def test_a_queue_that_is_gone_is_not_waited_for() -> None:
    """A card that was unplugged meanwhile needs no driver."""
    clock = FakeClock()

    wait_for_rebinding(SimulatedHost(hardware([5], [4])), clock, Matrix(NO_IDS, NO_IDS), [Queue(6, 4)])

    assert clock.now == 0


def test_the_wait_ends() -> None:
    """After a while the first few queues are named."""
    host, clock = SimulatedHost(hardware(range(10), [4])), FakeClock()
    host.delay_binding(None)
    host.write("bus/ap/aqmask", "-4")

    with pytest.raises(KernelBusy, match=r"re-binding 00\.0004, .*07\.0004 … did not finish within 30 s"):
        wait_for_rebinding(host, clock, Matrix(ALL_IDS, ~IdSet([4])), [Queue(adapter, 4) for adapter in range(10)])

    assert clock.now == pytest.approx(REBIND_SECONDS, abs=0.1)


def test_a_card_of_any_type_is_seen() -> None:
    """The hardware type is a number of the machine's."""
    machine = hardware()._replace(cards={5: Card(10), 6: Card(14)})

    assert [one.hwtype for one in observe(SimulatedHost(machine)).cards] == [10, 14]


def test_looking_again_tells_an_unknown_answer() -> None:
    """As a whole look does."""
    host = SimulatedHost(hardware())
    with pytest.raises(UnreadableHost, match="unknown form"):
        look_again(Answering(host, {"apmask": "odd"}), (), observe(host).abilities)


def test_what_was_seen_before_is_read_once() -> None:
    """And twice where it is something else now."""
    reads: list[str] = []

    class Counting(FaultySysfs):
        def read(self, path: str) -> str:
            reads.append(path)
            return super().read(path)

    host = host_holding(Holdings(FREE, {uuid(1): ONE, uuid(2): config([6], [4])}), PROFILES["6.12"])
    counting = Counting(host, ())
    before = observe(counting)
    twice = len(reads)
    reads.clear()
    assert observe(counting, before) == before
    assert len(reads) == twice - 4
    host.write(f"{paths.mdev(uuid(1))}/assign_domain", "0x47")
    reads.clear()
    assert observe(counting, before) == observe(host)
    assert len(reads) == twice - 2


class Saying(FaultySysfs):
    """A host whose ``/proc/sysinfo`` is as it is given, or cannot be read for that reason."""

    def __init__(self, answer: bytes | OSError) -> None:
        super().__init__(SimulatedHost(), ())
        self._answer = answer

    def sysinfo(self) -> bytes:
        if isinstance(self._answer, OSError):
            raise self._answer
        return self._answer


def test_where_a_host_runs_is_observed_and_why_it_is_not_known() -> None:
    """Either is said, never both; nothing about it makes a host unreadable."""
    lpar7 = MachineIdentity("IBM-3931-00000000000829E7", "LPAR7")
    answers: list[tuple[bytes | OSError, tuple[MachineIdentity | None, str]]] = [
        (sysinfo_text(lpar7).encode(), (lpar7, "")),
        (b"", (None, "/proc/sysinfo has no Manufacturer")),
        (PermissionError(errno.EACCES, "Permission denied"), (None, "/proc/sysinfo cannot be read: Permission denied")),
        (FileNotFoundError(errno.ENOENT, "x"), (None, "there is no /proc/sysinfo")),
    ]
    for answer, expected in answers:
        seen = observe(Saying(answer))
        assert (seen.identity, seen.unidentified) == expected
