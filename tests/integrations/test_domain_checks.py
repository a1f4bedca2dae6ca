"""What is wrong with the AP devices of a VM."""

import pytest

from domains import domain_xml, hostdev
from reconciler.integrations.domain_checks import domain_problems
from reconciler.integrations.domain_xml import Domain, read_domain
from worlds import config, guest, uuid

GUESTS = [guest("db", config([5], [4]), 1), guest("web", config([6], [4]), 2)]


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        ([], []),
        ([hostdev(uuid(1))], []),
        ([hostdev(uuid(1)), hostdev(uuid(9), "vfio-ccw")], []),
        ([hostdev(uuid(9), "vfio-pci", "yes")], []),
        ([hostdev(uuid(9))], ["vm-unknown-device"]),
        ([hostdev(uuid(1), "vfio-pci")], ["vm-wrong-model"]),
        ([hostdev(uuid(1), managed="yes")], ["vm-managed-device"]),
        ([hostdev(uuid(1)), hostdev(uuid(2))], ["vm-two-devices"]),
        (
            [hostdev(uuid(1), "vfio-pci", "yes"), hostdev(uuid(9))],
            ["vm-wrong-model", "vm-managed-device", "vm-unknown-device", "vm-two-devices"],
        ),
    ],
)
def test_each_device_is_held_against_the_manifests(devices: list[str], expected: list[str]) -> None:
    """Devices of other kinds are left alone, unless a manifest has their uuid."""
    domain = read_domain(domain_xml(*devices), "vm.xml")
    assert isinstance(domain, Domain)

    assert [one.id for one in domain_problems(domain, GUESTS)] == expected
