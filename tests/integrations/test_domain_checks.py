"""What is wrong with the AP devices of a VM."""

import pytest

from reconciler.integrations.domain_checks import domain_problems, shared_devices
from reconciler.integrations.domain_xml import Domain, read_domain
from reconciler.model.problems import Severity
from testing.holdings import config, guest, uuid
from testing.libvirt import domain_xml, hostdev

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
        [
            "-device",
            "rng,id=a",
            "-set",
            "device.a.driver=vfio-ap",
            "-set",
            "device.a.sysfsdev=/sys/bus/mdev/devices/UUID",
        ],
        ["-device", "vfio-ap", "-global", "vfio-ap.sysfsdev=/sys/bus/mdev/devices/UUID"],
        ["-device", "vfio-ap", "-global", "driver=vfio-ap,property=sysfsdev,value=/sys/bus/mdev/devices/UUID"],
        ["-device=vfio-ap,sysfsdev=/sys/bus/mdev/devices/UUID"],
        ["--device=vfio-ap,sysfsdev=/sys/bus/mdev/devices/UUID"],
        ["-device", "{'driver': 'vfio-ap', 'sysfsdev': '/sys/bus/mdev/devices/UUID', 'id': '\"'}"],
        ["-object", "iommufd,id=i0", "-device", "vfio-ap,iommufd=i0,sysfsdev=/sys/bus/mdev/devices/UUID"],
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
        ["-device", "{"],
        ["-device", "{'driver': 'vfio-ap"],
        ["-object", "iommufd,id=i0"],
        ["-add-fd", "fd=5,set=2"],
        ["-set", f"device.ap0.sysfsdev=/sys/bus/mdev/devices/{uuid(9)}"],
        ["-global", f"vfio-ap.sysfsdev=/sys/bus/mdev/devices/{uuid(9)}"],
        ["-global", f"vfio-ccw.sysfsdev=/sys/bus/mdev/devices/{uuid(9)}"],
        ["-device", "[" * 100_000],
        ["-device"],
        ["-name", f"vfio-ap,sysfsdev=/sys/bus/mdev/devices/{uuid(9)}"],
    ],
)
def test_what_is_no_device_of_crypto_queues_is_left_alone(arguments: list[str]) -> None:
    """Another driver, no device that can be known, no option."""
    domain = read(domain_xml(arguments=arguments))

    assert ((), ()) == (domain.mdevs, domain.unread)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-readconfig", "/etc/qemu/ap.cfg"], ["-readconfig /etc/qemu/ap.cfg"]),
        (["--readconfig", "/a.cfg", "-readconfig=/b.cfg"], ["-readconfig /a.cfg", "-readconfig /b.cfg"]),
        (["-readconfig", "/dev/fd/3\u202e"], ["-readconfig /dev/fd/3\\u202e"]),
        (["-device", "vfio-ap"], ["by no path"]),
        (["-add-fd", "fd=5,set=2", "-device", "vfio-ap,fd=5,iommufd=i0"], ["by no path"]),
        (["-device", "vfio-ap,sysfsdev=/dev/mine"], ["by the path /dev/mine"]),
        (["-device", '{"driver":"vfio-ap","fd":"5"}'], ["by no path"]),
        (["-set", "device.hostdev0.sysfsdev=/dev/mine"], ["by the path /dev/mine"]),
    ],
)
def test_what_cannot_be_looked_into_is_named(arguments: list[str], expected: list[str]) -> None:
    """A warning for each, with its place; it is no error, since nothing is known to be wrong."""
    domain = read(domain_xml(hostdev(uuid(1)), arguments=arguments))

    found = [one for one in domain_problems(domain, GUESTS) if one.id == "vm-unread-part"]

    assert len(expected) == len(found)
    for problem, words in zip(found, expected, strict=True):
        assert words in problem.message
        assert (problem.severity, len(problem.places)) == (Severity.WARNING, 1)


QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"


@pytest.mark.parametrize(
    ("more", "seen"),
    [
        (f"<commandline xmlns='{QEMU}'><arg value='-device'/><arg value='PATH'/></commandline>", True),
        (f"<q:commandline xmlns:q='{QEMU}'><q:arg value='-device'/><q:arg value='PATH'/></q:commandline>", True),
        (
            (
                f"<q:commandline xmlns:q='{QEMU}'><arg xmlns='{QEMU}' value='-device'/><q:arg value='PATH'/>"
                "</q:commandline>"
            ),
            True,
        ),
        (
            f"<commandline xmlns='{QEMU}'><q:arg xmlns:q='{QEMU}' value='-device'/><arg value='PATH'/></commandline>",
            True,
        ),
        ("<commandline><arg value='-device'/><arg value='PATH'/></commandline>", False),
        ("<commandline xmlns='urn:x'><arg value='-device'/><arg value='PATH'/></commandline>", False),
        (
            (
                "<qemu:commandline xmlns:qemu='urn:x'><qemu:arg value='-device'/><qemu:arg value='PATH'/>"
                "</qemu:commandline>"
            ),
            False,
        ),
        (
            f"<metadata><commandline xmlns='{QEMU}'><arg value='-device'/><arg value='PATH'/></commandline></metadata>",
            False,
        ),
        (
            (
                f"<override xmlns='{QEMU}'><device alias='rng0'><frontend><property name='driver' value='vfio-ap'/>"
                f"<property name='sysfsdev' value='/sys/bus/mdev/devices/{uuid(9)}'/></frontend></device></override>"
            ),
            True,
        ),
    ],
)
def test_the_namespace_of_qemu_counts_however_it_is_declared(more: str, *, seen: bool) -> None:
    """With any prefix or none, where it is declared and below; not the words of the prefix."""
    content = domain_xml(more=more.replace("PATH", f"vfio-ap,sysfsdev=/sys/bus/mdev/devices/{uuid(9)}"))

    assert ([uuid(9)] if seen else []) == [one.uuid for one in read(content).mdevs]


@pytest.mark.parametrize("prefix", ["q", "libvirt-qemu"])
def test_another_prefix_for_qemu_is_as_good(prefix: str) -> None:
    """Declared where libvirt does, too."""
    content = domain_xml(arguments=["-device", f"vfio-ap,sysfsdev=/sys/bus/mdev/devices/{uuid(9)}"]).decode()
    content = content.replace("xmlns:qemu", f"xmlns:{prefix}").replace("<qemu:", f"<{prefix}:")

    assert [uuid(9)] == [one.uuid for one in read(content.replace("</qemu:", f"</{prefix}:").encode()).mdevs]


SCSI = (
    "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/></source><alias name='NAME'/></hostdev>"
)
BEFORE = (
    "<hostdev mode='subsystem' type='mdev' model='vfio-ap'><alias name='hostdev0'/>"
    "<source><address uuid='UUID'/></source></hostdev>"
)


def unnamed(uuid: str) -> str:
    """A mediated device as people write it, after one whose alias is ``hostdev0`` and one without an alias."""
    first = SCSI.replace("NAME", "hostdev0")
    return first + hostdev(uuid).replace("<alias name='hostdev0'/>", "")


def overridden(alias: str, **properties: str) -> str:
    """What libvirt is to change of the device with `alias` before QEMU gets it."""
    written = "".join(
        f"<qemu:property name='{name}' type='string' value='{value}'/>" for name, value in properties.items()
    )
    device = f"<qemu:device alias='{alias}'><qemu:frontend>{written}</qemu:frontend></qemu:device>"
    return f"<qemu:override>{device}</qemu:override>"


OTHER = f"/sys/bus/mdev/devices/{uuid(2)}"


@pytest.mark.parametrize(
    ("devices", "more", "arguments", "expected"),
    [
        ([hostdev(uuid(1))], overridden("hostdev0", sysfsdev=OTHER), [], [(2, "vfio-ap")]),
        ([hostdev(uuid(1))], "", ["-set", f"device.hostdev0.sysfsdev={OTHER}"], [(2, "vfio-ap")]),
        ([hostdev(uuid(1))], overridden("hostdev1", sysfsdev=OTHER), [], [(1, "vfio-ap")]),
        (
            [hostdev(uuid(1)), SCSI.replace("NAME", "hostdev1")],
            overridden("hostdev1", sysfsdev=OTHER),
            [],
            [(1, "vfio-ap")],
        ),
        ([BEFORE.replace("UUID", uuid(1))], overridden("hostdev0", sysfsdev=OTHER), [], [(2, "vfio-ap")]),
        ([unnamed(uuid(1))], overridden("hostdev2", sysfsdev=OTHER), [], [(2, "vfio-ap")]),
        ([unnamed(uuid(1))], overridden("hostdev0", sysfsdev=OTHER), [], [(1, "vfio-ap")]),
        (
            [unnamed(uuid(1)), SCSI.replace("NAME", "hostdev6")],
            overridden("hostdev8", sysfsdev=OTHER),
            [],
            [(2, "vfio-ap")],
        ),
        ([hostdev(uuid(9), "vfio-ccw")], overridden("hostdev0", driver="vfio-ap"), [], [(9, "vfio-ap")]),
        ([hostdev(uuid(9), "vfio-ccw")], "", ["-set", "device.hostdev0.driver=vfio-ap"], [(9, "vfio-ap")]),
        (
            [SCSI.replace("NAME", "hostdev0")],
            overridden("hostdev0", driver="vfio-ap", sysfsdev=OTHER),
            [],
            [(2, "vfio-ap")],
        ),
        (
            [hostdev(uuid(1))],
            overridden("rng0", driver="vfio-ap", sysfsdev=OTHER),
            [],
            [(1, "vfio-ap"), (2, "vfio-ap")],
        ),
    ],
)
def test_what_is_changed_past_libvirt_counts(
    devices: list[str], more: str, arguments: list[str], expected: list[tuple[int, str]]
) -> None:
    """By the alias of the device, also the one that libvirt gives it when the VM starts."""
    domain = read(domain_xml(*devices, more=more, arguments=arguments))

    assert [(uuid(number), model) for number, model in expected] == [(one.uuid, one.model) for one in domain.mdevs]


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
