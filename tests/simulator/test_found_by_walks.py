"""Rules that random walks on real kernels have shown (docs/random-walks.md), one test for each."""

from errno import EINVAL

import pytest

from reconciler.kernel import paths
from reconciler.kernel.text_forms import mask_text
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.simulator.hardware import Restore, SetCard, SetDomains, Unplug
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.simulator.numbers import bounded_number
from reconciler.simulator.state_file import host_from, snapshot_of

QUEUE = "05.0004"
DEVICE = f"bus/ap/devices/{QUEUE}"


def driver_of(host: SimulatedHost) -> str | None:
    """The driver of the queue that the tests are about."""
    return host.link(f"{DEVICE}/driver").rsplit("/", 1)[-1] if "driver" in host.list(DEVICE) else None


def is_refused(host: SimulatedHost, mask: str) -> bool:
    """Whether `host` takes `mask` for none."""
    with pytest.raises(OSError, match=paths.APMASK) as caught:
        host.write(paths.APMASK, mask)
    return caught.value.errno == EINVAL


def test_a_mask_write_binds_a_queue_without_driver_if_it_is_the_hosts() -> None:
    """The kernel takes "no driver" for "another driver than the host's"; 7.2 does not."""
    host = SimulatedHost()
    host.write("bus/ap/drivers/cex4queue/unbind", QUEUE)
    host.write(paths.AQMASK, "-5")

    assert driver_of(host) == "cex4queue"


def test_a_mask_write_does_not_bind_a_queue_without_driver_that_it_frees() -> None:
    """It stays without one until it is probed."""
    host = SimulatedHost()
    host.write("bus/ap/drivers/cex4queue/unbind", QUEUE)
    host.write(paths.AQMASK, "-4")

    assert driver_of(host) is None
    host.write("bus/ap/drivers_probe", QUEUE)
    assert driver_of(host) == "vfio_ap"


def test_in_newer_kernels_a_mask_write_binds_a_queue_without_driver_if_it_frees_it() -> None:
    """There "no driver" counts as the host's, so that it does not get the queue back."""
    host = SimulatedHost(profile=PROFILES["7.2"])
    host.write("bus/ap/drivers/cex4queue/unbind", QUEUE)
    host.write(paths.AQMASK, "-5")

    assert driver_of(host) is None
    host.write(paths.AQMASK, "-4")
    assert driver_of(host) == "vfio_ap"


def test_without_usage_domains_the_cards_have_no_devices() -> None:
    """The bus asks the queues of an adapter what it is, and there is none to answer; it comes back with them."""
    host = SimulatedHost()
    before = host.list("devices/ap")
    host.change_hardware(SetDomains(usage=NO_IDS))

    assert host.list("devices/ap") == ["uevent"]
    assert host.read("bus/ap/ap_adapter_mask") != f"{mask_text(NO_IDS)}\n"
    assert host_from(snapshot_of(host)).list("devices/ap") == ["uevent"]
    host.change_hardware(Restore())
    assert before == host.list("devices/ap")


def test_after_a_queue_went_away_with_an_override_no_mask_can_be_written_any_more() -> None:
    """The kernel counts overrides, and forgets to take back those of queues that are gone; only a boot helps."""
    host = SimulatedHost(profile=PROFILES["7.2"])
    host.write(f"{DEVICE}/driver_override", "vfio_ap")
    host.change_hardware(Unplug(5))
    host.change_hardware(Restore())

    assert host.read(f"{DEVICE}/driver_override") == "\n"
    assert is_refused(host, "-6")
    assert is_refused(host_from(snapshot_of(host)), "-6")


def test_a_number_of_a_relative_mask_wraps_around_at_64_bits() -> None:
    """2**64 + 5 is 5; 2**32 + 5 is just too large."""
    host = SimulatedHost()
    host.write(paths.APMASK, "-18446744073709551621")

    assert host.read(paths.APMASK) == f"{mask_text(ALL_IDS - IdSet([5]))}\n"
    assert is_refused(host, "-4294967301")


def test_newer_kernels_refuse_a_number_above_64_bits() -> None:
    """It is just too large there."""
    assert is_refused(SimulatedHost(profile=PROFILES["7.2"]), "-18446744073709551621")


@pytest.mark.parametrize(
    ("text", "domain"), [("0x5", 5), ("010", 8), (" 5 and more", 5), ("-0", 0), ("4294967301", 5), ("08", 0)]
)
def test_the_default_domain_is_a_number_in_base_0(text: str, domain: int) -> None:
    """Unlike the switches; what does not fit into an int wraps around."""
    assert domain == bounded_number(text, 0, 84, wraps=True)


@pytest.mark.parametrize("text", ["", "x", "+5", "-5", "- 5", "85", "18446744073709551616"])
def test_other_texts_are_no_default_domain(text: str) -> None:
    """A minus is read, a plus is not."""
    with pytest.raises(OSError, match="Invalid argument"):
        bounded_number(text, 0, 84, wraps=False)


def test_a_deconfigured_card_is_not_seen_as_check_stopped() -> None:
    """Its queues tell one reason for not working; the other one shows when the first has gone."""
    host = SimulatedHost()
    host.change_hardware(SetCard(5, configured=False, checkstopped=True))

    assert host.read(f"{DEVICE}/config") == host.read(f"{DEVICE}/chkstop") == "0\n"
    host.change_hardware(SetCard(5, configured=True))
    assert host.read(f"{DEVICE}/chkstop") == "1\n"


def test_one_scan_takes_one_change_of_a_queue() -> None:
    """Where check-stop and configuration have changed, it shows the first; the card shows both."""
    host = SimulatedHost()
    host.change_hardware(SetCard(5, checkstopped=True))
    host.change_hardware(SetCard(5, configured=False))

    assert host.read(f"{DEVICE}/chkstop") == "0\n"
    assert host.read(f"{DEVICE}/config") == "1\n"
    assert host.read("bus/ap/devices/card05/config") == "0\n"
    host.scan()
    assert host.read(f"{DEVICE}/config") == "0\n"
