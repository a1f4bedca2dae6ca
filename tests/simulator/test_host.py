"""What the recordings cannot show: kernels before 6.0, other hardware, the module, the methods beside sysfs."""

import stat
from errno import (
    EACCES,
    EADDRINUSE,
    EADDRNOTAVAIL,
    EAGAIN,
    EBUSY,
    EINVAL,
    EISDIR,
    ENODEV,
    ENOENT,
    ENOTDIR,
    EPERM,
    EUSERS,
)

import pytest

from reconciler.kernel import paths
from reconciler.kernel.observe import observe
from reconciler.kernel.sysfs import PAGE, KernelBusy
from reconciler.kernel.text_forms import ap_config_text, mask_text
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix, Queue
from reconciler.simulator.hardware import (
    DEFAULT_HARDWARE,
    Card,
    HardwareError,
    Mode,
    Plug,
    Restore,
    SetCard,
    SetDomains,
    Unplug,
)
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.simulator.state import INSTANCES, Mdev
from reconciler.simulator.state_file import SNAPSHOTS, Snapshot, host_from, snapshot_of
from testing.host_actions import UUIDS

A, B, _ = UUIDS


def with_mdevs(profile: str = "6.12", given_up: str = "-4,-5") -> SimulatedHost:
    """A host that gives up domains `given_up` and has the mediated devices A and B."""
    host = SimulatedHost(profile=PROFILES[profile])
    host.write(paths.AQMASK, given_up)
    host.write(paths.CREATE, A)
    host.write(paths.CREATE, B)
    return host


def refused(host: SimulatedHost, path: str, value: str) -> int | None:
    """The errno with which `host` refuses the write."""
    with pytest.raises(OSError, match=path) as caught:
        host.write(path, value)
    return caught.value.errno


def assign(host: SimulatedHost, uuid: str, adapter: int, domain: int) -> None:
    """Assign one queue to device `uuid`."""
    host.write(f"{paths.mdev(uuid)}/assign_adapter", str(adapter))
    host.write(f"{paths.mdev(uuid)}/assign_domain", str(domain))


def driver_of(host: SimulatedHost, queue: str) -> str:
    """The driver of `queue`; ENOENT where it has none."""
    return host.link(f"bus/ap/devices/{queue}/driver").rsplit("/", 1)[-1]


class TestBefore60:
    def test_there_is_nothing_of_the_newer_interface(self) -> None:
        """No guest_matrix, no ap_config, no features, no check-stop state, no scan on demand."""
        host = with_mdevs("5.15")
        files = host.list(paths.mdev(A)) + host.list(paths.AP_BUS) + host.list("devices/ap/card05")

        assert {"guest_matrix", "ap_config", "features", "chkstop", "vfio-dev"}.isdisjoint(files)
        assert refused(host, "bus/ap/scans", "1") == EACCES

    def test_only_bound_queues_can_be_assigned(self) -> None:
        """Absent queues, and an adapter or domain that no bound queue has, are refused."""
        host = with_mdevs("5.15")

        assert refused(host, f"{paths.mdev(A)}/assign_adapter", "9") == EADDRNOTAVAIL
        assert refused(host, f"{paths.mdev(A)}/assign_domain", "6") == EADDRNOTAVAIL
        assign(host, A, 5, 4)
        assert refused(host, f"{paths.mdev(A)}/assign_domain", "6") == EADDRNOTAVAIL
        assert refused(host, f"{paths.mdev(A)}/assign_adapter", "9") == EADDRNOTAVAIL
        assert refused(host, f"{paths.mdev(B)}/unassign_adapter", "256") == ENODEV
        host.write(f"{paths.mdev(B)}/assign_domain", "4")
        assert refused(host, f"{paths.mdev(B)}/assign_adapter", "5") == EADDRINUSE

    def test_a_device_that_a_vm_has_cannot_change(self) -> None:
        """Neither assigning nor unassigning is possible while a VM runs."""
        host = with_mdevs("5.15")
        assign(host, A, 5, 4)
        host.start_vm(A)

        assert refused(host, f"{paths.mdev(A)}/assign_domain", "5") == EBUSY
        assert refused(host, f"{paths.mdev(A)}/unassign_control_domain", "5") == EBUSY
        assert host.read("devices/ap/card05/05.0004/status") == "in use\n"

    def test_masks_take_queues_from_devices(self) -> None:
        """Setting a mask bit is never refused, and the host gets a queue that a device still lists."""
        host = with_mdevs("5.15")
        assign(host, A, 5, 4)
        host.write(paths.AQMASK, "+4")

        assert driver_of(host, "05.0004") == "cex4queue"
        assert host.read(f"{paths.mdev(A)}/matrix") == "05.0004\n"

    def test_the_newest_cards_have_no_pass_through(self) -> None:
        """The driver of that time does not take a CEX8 card, so its queues are left without a driver."""
        host = with_mdevs("5.15")

        with pytest.raises(FileNotFoundError):
            driver_of(host, "07.0004")
        assert host.read("bus/ap/bindings") == "12/16\n"


@pytest.mark.parametrize(("profile", "errno"), [("5.15", EPERM), ("6.12", EUSERS)])
def test_there_can_be_so_many_devices_and_no_more(profile: str, errno: int) -> None:
    """With the last instance gone, create fails with an errno that depends on the kernel."""
    host = SimulatedHost(profile=PROFILES[profile])
    for number in range(INSTANCES):
        host.state.mdevs[str(number)] = Mdev(group=number)

    assert errno == refused(host, paths.CREATE, A)
    assert host.read(f"{paths.MDEV_TYPE}/available_instances") == "0\n"


class TestVirtualMachines:
    def test_a_device_that_a_vm_has_goes_when_the_vm_goes(self) -> None:
        """Its attributes are gone at once, its queues stay taken, and the uuid is free only at the end."""
        host = with_mdevs()
        assign(host, A, 5, 4)
        host.start_vm(A)
        with pytest.raises(KernelBusy):
            host.write(f"{paths.mdev(A)}/remove", "1")

        assert host.list(paths.mdev(A)) == ["iommu_group"]
        assert host.list("bus/mdev/devices") == [B]
        assert host.opened([A]) == {A: None}
        assert refused(host, f"{paths.mdev(A)}/remove", "1") == ENOENT
        assign(host, B, 6, 4)
        assert refused(host, f"{paths.mdev(B)}/assign_adapter", "5") == EADDRINUSE
        host.stop_vm(A)
        host.write(f"{paths.mdev(B)}/assign_adapter", "5")
        host.write(paths.CREATE, A)

    def test_a_vm_opens_and_closes_what_is_there(self) -> None:
        """A second VM is refused, and so is one for a device that does not exist."""
        host = with_mdevs()
        host.start_vm(A)

        assert host.opened([A, B]) == {A: None}
        with pytest.raises(OSError, match="busy"):
            host.start_vm(A)
        with pytest.raises(OSError, match="No such device"):
            host.start_vm(UUIDS[2])
        host.stop_vm(A)
        with pytest.raises(OSError, match="No such device"):
            host.stop_vm(A)


class TestModule:
    def test_without_the_module_nothing_of_it_is_there(self) -> None:
        """Neither devices nor buses nor drivers; queues that the masks free have no driver."""
        host = SimulatedHost(pool=Matrix(ALL_IDS - IdSet([5]), ALL_IDS), vfio_ap=False)

        assert "vfio_ap" not in host.list("devices") + host.list("bus/ap/drivers") + host.list("module")
        assert host.list("bus") == ["ap"]
        assert host.read("bus/ap/bindings") == "12/16\n"
        with pytest.raises(FileNotFoundError):
            host.write(paths.CREATE, A)

    def test_loading_binds_what_is_free(self) -> None:
        """Queues that nobody has and that the masks free go to the driver that comes; loading again is nothing."""
        host = SimulatedHost(pool=Matrix(ALL_IDS - IdSet([5]), ALL_IDS), vfio_ap=False)
        host.load_vfio_ap()
        host.load_vfio_ap()

        assert driver_of(host, "05.0004") == "vfio_ap"
        assert host.read("bus/ap/bindings") == "16/16 (complete)\n"

    def test_unloading_takes_devices_along_and_leaves_queues_without_a_driver(self) -> None:
        """Nobody but the host is left to take them: a mask write gives it those that are its own then."""
        host = with_mdevs()
        host.unload_vfio_ap()

        assert host.read("bus/ap/bindings") == "8/16\n"
        host.write("bus/ap/drivers_probe", "05.0004")
        assert host.read("bus/ap/bindings") == "8/16\n"
        host.write(paths.AQMASK, "+4")
        assert host.read("bus/ap/bindings") == "12/16\n"
        assert driver_of(host, "05.0004") == "cex4queue"

    def test_the_module_stays_while_a_vm_runs(self) -> None:
        """Unloading is refused."""
        host = with_mdevs()
        host.start_vm(A)

        with pytest.raises(OSError, match="temporarily") as caught:
            host.unload_vfio_ap()
        assert caught.value.errno == EAGAIN


class TestBoot:
    def test_everything_but_the_hardware_begins_anew(self) -> None:
        """No VM, no device, no module, and masks of all ones; what was plugged stays plugged."""
        host = with_mdevs()
        host.start_vm(A)
        host.write(paths.APMASK, "-6")
        host.change_hardware(Plug(9, Card()))

        host.boot()

        assert host.read(paths.APMASK) == f"0x{'f' * 64}\n"
        assert observe(host).mdevs == ()
        assert not observe(host).vfio_ap
        assert driver_of(host, "09.0004") == "cex4queue"
        assert 9 in host.hardware.cards
        host.load_vfio_ap()
        assert observe(host).vfio_ap


class TestHardware:
    def test_another_card_in_the_same_place_is_a_new_device(self) -> None:
        """It has its own type, and what was switched off is on."""
        host = SimulatedHost()
        host.write("devices/ap/card05/online", "0")
        host.change_hardware(Plug(5, Card(14, Mode.EP11)))

        assert host.read("devices/ap/card05/type") == "CEX8P\n"
        assert host.read("devices/ap/card05/online") == "1\n"

    def test_the_host_notices_at_its_scan(self) -> None:
        """A change without a scan shows nothing until somebody writes to scans."""
        host = SimulatedHost()
        host.change_hardware(Unplug(5), rescan=False)
        before = host.list("devices/ap")
        host.write("bus/ap/scans", "1")

        assert "card05" in before
        assert "card05" not in host.list("devices/ap")

    def test_everything_can_be_as_it_was(self) -> None:
        """Restore brings back cards and domains."""
        host = SimulatedHost()
        for request in (Unplug(5), SetDomains(control=IdSet([4])), SetCard(6, configured=False), Restore()):
            host.change_hardware(request)

        assert host.hardware == DEFAULT_HARDWARE

    @pytest.mark.parametrize(
        "request_",
        [Unplug(9), SetCard(9), SetDomains(usage=IdSet([85])), SetDomains(control=IdSet([85]))],
    )
    def test_what_cannot_be_is_refused(self, request_: Unplug | SetCard | SetDomains) -> None:
        """An absent adapter cannot change and no id is above the machine's limits."""
        host = SimulatedHost()

        with pytest.raises(HardwareError):
            host.change_hardware(request_)
        assert host.hardware == DEFAULT_HARDWARE

    def test_limits_are_ids(self) -> None:
        """A machine has no more than 256 adapters, and no card above its limit."""
        with pytest.raises(HardwareError):
            SimulatedHost(DEFAULT_HARDWARE._replace(max_adapter=256))
        with pytest.raises(HardwareError):
            SimulatedHost(DEFAULT_HARDWARE._replace(max_adapter=9))

    def test_a_card_that_is_out_of_order_cannot_be_switched_on(self) -> None:
        """Neither it nor its queues; and a queue of a card that is off cannot be on."""
        host = SimulatedHost()
        host.write("devices/ap/card06/online", "0")

        assert refused(host, "devices/ap/card06/06.0004/online", "1") == EINVAL
        assert refused(host, "devices/ap/card06/online", "2") == EINVAL
        host.change_hardware(SetCard(6, configured=False))
        assert refused(host, "devices/ap/card06/online", "1") == ENODEV
        assert refused(host, "devices/ap/card06/06.0004/online", "1") == ENODEV
        host.change_hardware(Unplug(6), rescan=False)
        assert refused(host, "devices/ap/card06/config", "1") == ENODEV


class TestTree:
    def test_errors_are_those_of_a_file_system(self) -> None:
        """A name that is not there, a file used as a directory, and the other way round."""
        host = SimulatedHost()
        cases = [("bus/ap/nothing", ENOENT), ("bus/ap/apmask/x", ENOTDIR), ("bus/ap/devices/card05", EISDIR)]

        for path, errno in cases:
            assert refused(host, path, "1") == errno
        with pytest.raises(OSError, match="Invalid"):
            host.link("bus/ap/apmask")
        with pytest.raises(OSError, match="denied"):
            host.read("bus/ap/drivers_probe")
        assert refused(host, "bus/ap/bindings", "1") == EACCES

    def test_every_link_leads_somewhere(self) -> None:
        """No link in the whole tree is dangling, and every file that can be read is read."""
        host = with_mdevs("7.2")
        assign(host, A, 5, 4)
        waiting, seen = ["bus", "class", "devices", "kernel", "module"], 0
        while waiting:
            path = waiting.pop()
            for name in host.list(path):
                entry = host.entry(f"{path}/{name}")
                if stat.S_ISDIR(entry.mode):
                    waiting.append(f"{path}/{name}")
                elif stat.S_ISLNK(entry.mode):
                    host.list(f"{path}/{name}")
                elif entry.mode & 0o444:
                    assert isinstance(host.read(f"{path}/{name}"), str)
                seen += 1

        assert seen > 500
        assert stat.S_ISDIR(host.entry("").mode)

    def test_a_read_gives_one_page(self) -> None:
        """A matrix of more than 512 queues is cut."""
        host = with_mdevs(given_up="0x0")
        config = ApConfig(ALL_IDS, IdSet(range(85)), IdSet())
        host.write(f"{paths.mdev(A)}/ap_config", ap_config_text(config))

        assert len(host.read(f"{paths.mdev(A)}/matrix")) == PAGE
        assert host.read(f"{paths.mdev(A)}/matrix").startswith("00.0000\n00.0001\n")

    def test_a_write_is_looked_at_up_to_a_nul(self) -> None:
        """What follows a NUL is counted as written."""
        host = SimulatedHost()

        assert host.write(paths.APMASK, "-5\0garbage") == 10
        assert host.read(paths.APMASK) == f"{mask_text(ALL_IDS - IdSet([5]))}\n"

    def test_settings_of_the_bus_are_kept(self) -> None:
        """config_time and the default domain have limits; ap_domain must be the host's."""
        host = SimulatedHost()
        host.write("bus/ap/config_time", "60")
        host.write("bus/ap/ap_domain", "5")
        host.write(paths.AQMASK, "-6")

        assert host.read("bus/ap/config_time") == "60\n"
        assert host.read("bus/ap/ap_domain") == "5\n"
        assert refused(host, "bus/ap/config_time", "4") == EINVAL
        assert refused(host, "bus/ap/ap_domain", "85") == EINVAL
        assert refused(host, "bus/ap/ap_domain", "6") == EINVAL


class TestBinding:
    def test_a_queue_that_has_a_driver_is_not_bound_again(self) -> None:
        """Binding it by hand is refused; so is what is no queue."""
        host = SimulatedHost()

        assert refused(host, "bus/ap/drivers/cex4queue/bind", "05.0004") == EBUSY
        assert refused(host, "bus/ap/drivers/cex4queue/bind", "05.0008") == ENODEV
        assert refused(host, "bus/ap/drivers/cex4queue/unbind", "card05") == ENODEV

    def test_an_override_to_nobody_leaves_a_queue_alone(self) -> None:
        """A queue that is pinned to an unknown driver gets none, and the host does not own it."""
        host = SimulatedHost(profile=PROFILES["7.2"])
        host.write("bus/ap/devices/05.0004/driver_override", "nobody\n")
        host.write("bus/ap/drivers/cex4queue/unbind", "05.0004")
        host.write("bus/ap/drivers_probe", "05.0004")

        with pytest.raises(FileNotFoundError):
            driver_of(host, "05.0004")
        host.write(paths.CREATE, A)
        assign(host, A, 5, 4)
        assert refused(host, f"{paths.mdev(A)}/assign_domain", "5") == EADDRNOTAVAIL

    def test_requests_in_flight_are_the_host_drivers(self) -> None:
        """They show at the queue and its card, and are gone with the driver."""
        host = SimulatedHost()
        host.set_pending(Queue(5, 4), 3)
        before = [host.read(f"devices/ap/card05/{name}") for name in ("pendingq_count", "05.0004/pendingq_count")]
        host.write(paths.AQMASK, "-4")

        assert before == ["3\n", "3\n"]
        assert host.read("devices/ap/card05/05.0004/pendingq_count") == "0\n"
        with pytest.raises(OSError, match="No such device"):
            host.set_pending(Queue(5, 4), 1)

    def test_binding_can_be_late(self) -> None:
        """A queue is without a driver for as many reads as asked for; then all is as if it had been at once."""
        host, prompt = SimulatedHost(), SimulatedHost()
        host.delay_binding(3)
        for one in (host, prompt):
            one.write(paths.AQMASK, "-4")

        assert host.read("bus/ap/bindings") == "12/16\n"
        assert host.read("bus/ap/bindings") == "12/16\n"
        assert host.read("bus/ap/bindings") == "16/16 (complete)\n"
        assert driver_of(host, "05.0004") == driver_of(prompt, "05.0004")

    def test_binding_can_fail_to_come(self) -> None:
        """It never comes by itself, but when the delay is lifted."""
        host = SimulatedHost()
        host.delay_binding(None)
        host.write(paths.AQMASK, "-4")

        assert {host.read("bus/ap/bindings") for _ in range(50)} == {"12/16\n"}
        host.delay_binding(0)
        assert host.read("bus/ap/bindings") == "16/16 (complete)\n"


def failed_reset(profile: str = "6.1") -> SimulatedHost:
    """Device A has 05.0004 and 06.0004, and lost the first for a moment while its card was in standby."""
    host = with_mdevs(profile)
    for adapter in ("5", "6"):
        host.write(f"{paths.mdev(A)}/assign_adapter", adapter)
    host.write(f"{paths.mdev(A)}/assign_domain", "4")
    host.change_hardware(SetCard(5, configured=False))
    host.write(f"{paths.mdev(A)}/unassign_domain", "4")
    host.write(f"{paths.mdev(A)}/assign_domain", "4")
    host.change_hardware(SetCard(5, configured=True))
    return host


def shown(host: SimulatedHost, uuid: str) -> str:
    """What the guest of device `uuid` gets."""
    return host.read(f"{paths.mdev(uuid)}/guest_matrix")


def test_a_failed_reset_is_remembered_with_the_queue() -> None:
    """Also for another device, and in the file that keeps the host's state; 6.12 lets such queues pass."""
    host = host_from(SNAPSHOTS.read_content(Snapshot, SNAPSHOTS.content(snapshot_of(failed_reset()))))
    assert shown(host, A) == "06.0004\n"
    assert shown(failed_reset("6.12"), A) == "05.0004\n06.0004\n"

    host.write(f"{paths.mdev(A)}/unassign_adapter", "5")
    host.write(f"{paths.mdev(B)}/assign_adapter", "5")
    host.write(f"{paths.mdev(B)}/assign_domain", "4")

    assert shown(host, B) == ".0004\n"


def test_a_queue_that_is_bound_again_is_shown_again() -> None:
    """As docs/kernel-rules.md says, with these two writes."""
    host = failed_reset()

    host.write("bus/ap/drivers/vfio_ap/unbind", "05.0004")
    host.write("bus/ap/drivers_probe", "05.0004")

    assert shown(host, A) == "05.0004\n06.0004\n"


@pytest.mark.parametrize("configured", [True, False])
def test_a_vm_that_ends_has_its_queues_reset(configured: bool) -> None:
    """With a usable card that heals, otherwise it hides the adapter; both show when the filter is worked out next."""
    host = failed_reset() if configured else with_mdevs("6.1")
    if not configured:
        host.write(f"{paths.mdev(A)}/assign_adapter", "5")
        host.write(f"{paths.mdev(A)}/assign_domain", "4")
        host.change_hardware(SetCard(5, checkstopped=True))
    host.start_vm(A)
    host.stop_vm(A)

    host.write(f"{paths.mdev(A)}/assign_domain", "5")

    assert ("05.0004" in shown(host, A)) == configured


def test_removing_a_device_resets_its_queues() -> None:
    """What fails then hides the adapter from the next device that gets it."""
    host = with_mdevs("6.1")
    host.write(f"{paths.mdev(A)}/assign_adapter", "5")
    host.write(f"{paths.mdev(A)}/assign_domain", "4")
    host.change_hardware(SetCard(5, checkstopped=True))
    host.write(f"{paths.mdev(A)}/remove", "1")

    host.write(f"{paths.mdev(B)}/assign_adapter", "5")
    host.write(f"{paths.mdev(B)}/assign_domain", "4")

    assert shown(host, B) == ".0004\n"
