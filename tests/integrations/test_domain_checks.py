"""What is wrong with the AP devices of a VM."""

import pytest

from domains import domain_xml, hostdev
from reconciler.integrations.domain_checks import domain_problems, shared_devices
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


def read(content: bytes) -> Domain:
    """The VM that `content` describes."""
    domain = read_domain(content, "vm.xml")
    assert isinstance(domain, Domain)
    return domain


@pytest.mark.parametrize(
    "arguments",
    [
        ["-device", "vfio-ap,sysfsdev=/sys/bus/mdev/devices/UUID"],
        ["--device", "vfio-ap,sysfsdev=/sys/bus/mdev/devices/UUID"],
        ["-device", "vfio-ap,id=ap0,sysfsdev=/sys/devices/vfio_ap/matrix/UUID"],
        ["-device", "driver=vfio-ap,sysfsdev=/sys/devices/vfio_ap/matrix/UUID/,id=a,,b"],
        ["-device", '{"driver": "vfio-ap", "sysfsdev": "/sys/bus/mdev/devices/UUID", "bootindex": 1}'],
        ["-m", "4G", "-device", "virtio-rng-ccw", "-device", "vfio-ap,sysfsdev=/sys/class/mdev_bus/matrix/UUID"],
        ["-device", "vfio-ap,id=ap0", "-set", "device.ap0.sysfsdev=/sys/bus/mdev/devices/UUID"],
    ],
)
@pytest.mark.parametrize("spelled", [uuid(9), uuid(9).upper()])
def test_a_device_on_the_command_line_is_seen(arguments: list[str], spelled: str) -> None:
    """However QEMU lets it be written, and beside one that libvirt knows."""
    domain = read(domain_xml(arguments=[one.replace("UUID", spelled) for one in arguments]))
    beside = read(domain_xml(hostdev(uuid(1)), arguments=[one.replace("UUID", spelled) for one in arguments]))

    assert [(uuid(9), "vfio-ap")] == [(one.uuid, one.model) for one in domain.mdevs]
    assert ["vm-unknown-device"] == [one.id for one in domain_problems(domain, GUESTS)]
    assert ["vm-unknown-device", "vm-two-devices"] == [one.id for one in domain_problems(beside, GUESTS)]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-device", f"vfio-ccw,sysfsdev=/sys/bus/mdev/devices/{uuid(9)}"],
        ["-device", "vfio-ap"],
        ["-device", "vfio-ap,sysfsdev=/dev/mine"],
        ["-device", "{"],
        ["-device", "[" * 100_000],
        ["-device"],
        ["-name", f"vfio-ap,sysfsdev=/sys/bus/mdev/devices/{uuid(9)}"],
    ],
)
def test_what_is_no_device_of_crypto_queues_is_left_alone(arguments: list[str]) -> None:
    """Another driver, no device that can be known, no option."""
    assert () == read(domain_xml(arguments=arguments)).mdevs


def test_another_prefix_for_qemu_is_as_good() -> None:
    """The namespace counts."""
    content = domain_xml(arguments=["-device", f"vfio-ap,sysfsdev=/sys/bus/mdev/devices/{uuid(9)}"])
    content = content.replace(b"xmlns:qemu", b"xmlns:q").replace(b"qemu:", b"q:")

    assert [uuid(9)] == [one.uuid for one in read(content).mdevs]


def test_an_override_of_qemu_replaces_the_device() -> None:
    """By the alias of the device that libvirt knows."""
    override = (
        "<qemu:override><qemu:device alias='hostdev0'><qemu:frontend><qemu:property name='sysfsdev' type='string' "
        f"value='/sys/bus/mdev/devices/{uuid(2)}'/></qemu:frontend></qemu:device></qemu:override>"
    )
    assert [uuid(2)] == [one.uuid for one in read(domain_xml(hostdev(uuid(1)), more=override)).mdevs]


@pytest.mark.parametrize(
    ("cpu", "arguments", "expected"),
    [
        ("", [], []),
        ("<cpu mode='host-passthrough'/>", [], []),
        ("<cpu mode='host-model' check='partial'/>", [], []),
        ("<cpu mode='host-model'><feature policy='optional' name='ap'/></cpu>", [], []),
        ("<cpu mode='host-model'><feature policy='disable' name='ap'/></cpu>", [], ["vm-cpu-without-ap"]),
        ("<cpu mode='host-passthrough'><feature policy='forbid' name='ap'/></cpu>", [], ["vm-cpu-without-ap"]),
        ("<cpu mode='custom'><model fallback='forbid'>z14</model></cpu>", [], ["vm-cpu-without-ap"]),
        (
            "<cpu mode='custom'><model>z14</model><feature policy='require' name='ap'/></cpu>",
            [],
            ["vm-cpu-lacks-ap-facilities"],
        ),
        (
            (
                "<cpu><model>z14</model><feature name='ap'/><feature name='apqci'/>"
                "<feature policy='force' name='apft'/></cpu>"
            ),
            [],
            [],
        ),
        ("<cpu mode='host-model'><feature policy='disable' name='apqci'/></cpu>", [], ["vm-cpu-lacks-ap-facilities"]),
        ("<cpu mode='host-model'><feature policy='disable' name='apft'/></cpu>", [], ["vm-cpu-lacks-ap-facilities"]),
        ("", ["-cpu", "host,ap=off"], ["vm-cpu-without-ap"]),
        ("", ["-cpu", "host,-ap"], ["vm-cpu-without-ap"]),
        ("", ["-cpu", "z14"], ["vm-cpu-without-ap"]),
        ("", ["-cpu", "z14,ap=on,apqci=on,+apft"], []),
        ("<cpu mode='host-model'><feature policy='disable' name='ap'/></cpu>", ["-cpu", "host"], []),
    ],
)
def test_a_cpu_that_cannot_have_the_device_is_told(cpu: str, arguments: list[str], expected: list[str]) -> None:
    """What vfio-ap needs, by the rules of QEMU; without such a device the CPU is not our business."""
    with_device = read(domain_xml(hostdev(uuid(1)), more=cpu, arguments=arguments))
    without = read(domain_xml(more=cpu, arguments=arguments))

    assert expected == [one.id for one in domain_problems(with_device, GUESTS)]
    assert [] == domain_problems(without, GUESTS)


def test_one_device_in_two_vms_is_told_once() -> None:
    """With both places; two devices in two VMs are fine, and so are devices of other kinds."""
    vms = [read(domain_xml(hostdev(uuid(1)), hostdev(uuid(9), "vfio-ccw"), name=name)) for name in ("one", "two")]

    (problem,) = shared_devices([*vms, read(domain_xml(hostdev(uuid(2)), name="three"))])

    assert ("vm-shared-device", 2) == (problem.id, len(problem.places))
    assert "VMs 'one', 'two' have the same mediated device" in problem.message
