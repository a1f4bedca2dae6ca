"""The directories of mediated devices and their parent: ``/sys/devices/vfio_ap`` (vfio_ap_ops.c, mdev_sysfs.c)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from reconciler.kernel.sysfs import PAGE
from reconciler.kernel.text_forms import ap_config_text, control_domains_text, matrix_text
from reconciler.model.ids import IdSet
from reconciler.model.matrix import Matrix
from reconciler.simulator.mdevs import Axis, assign, configure, create, remove, unassign
from reconciler.simulator.nodes import (
    Attribute,
    Directory,
    Entry,
    File,
    Link,
    changing,
    constant,
    fixed,
    ignore,
    trigger,
    uevent,
)
from reconciler.simulator.profiles import Profile
from reconciler.simulator.state import INSTANCES, HostState, Mdev

_LINES: Final = PAGE // len("05.0004\n")
_LINKS: Final = {
    "driver": Link("../../../../bus/mdev/drivers/vfio_ap_mdev"),
    "mdev_type": Link("../mdev_supported_types/vfio_ap-passthrough"),
    "subsystem": Link("../../../../bus/mdev"),
}
_GROUP: Final = "iommu_group"
_VFIO_DEVICES: Final = "vfio-dev"


def vfio_ap_directory(state: HostState) -> Directory:
    """``/sys/devices/vfio_ap``: the parent of all mediated devices, with them in it."""
    table = mdev_table(state.profile)
    parent: dict[str, Entry] = {
        "driver": Link("../../../bus/matrix/drivers/vfio_ap"),
        "mdev_supported_types": fixed({"vfio_ap-passthrough": _type_directory(state)}),
        "subsystem": Link("../../../bus/matrix"),
        "uevent": uevent(lambda: "DRIVER=vfio_ap\n"),
    }
    if state.profile.features:
        parent["features"] = constant("guest_matrix hotplug ap_config\n")

    def find(name: str) -> Entry | None:
        return parent.get(name) or (_mdev_directory(state, table, name) if name in state.mdevs else None)

    matrix = Directory(lambda: [*parent, *state.mdevs], find)
    return fixed({"matrix": matrix, "uevent": uevent(lambda: "")})


def mdev_links(state: HostState, start: str) -> Directory:
    """A directory of links, each `start` and a uuid, to the mediated devices that are not being removed."""

    def find(name: str) -> Entry | None:
        mdev = state.mdevs.get(name)
        return Link(f"{start}{name}") if mdev and not mdev.removing else None

    return Directory(lambda: [uuid for uuid, mdev in state.mdevs.items() if not mdev.removing], find)


def iommu_groups(state: HostState) -> Directory:
    """``/sys/kernel/iommu_groups``: one for every mediated device."""

    def group(uuid: str) -> Directory:
        device = Link(f"../../../../devices/vfio_ap/matrix/{uuid}")
        return fixed(
            {"devices": fixed({uuid: device}), "reserved_regions": constant(""), "type": constant("unknown\n")}
        )

    return changing(lambda: {str(mdev.group): group(uuid) for uuid, mdev in state.mdevs.items()})


def mdev_table(profile: Profile) -> Mapping[str, Attribute[str]]:
    """The attributes of a mediated device."""
    table: dict[str, Attribute[str]] = {
        "control_domains": _shown(lambda mdev: control_domains_text(mdev.config.control_domains)),
        "matrix": _shown(lambda mdev: _page(mdev.config.matrix)),
        "remove": Attribute(0o200, None, remove),
        "uevent": Attribute(0o644, lambda *_: "DRIVER=vfio_ap_mdev\n", ignore),
    }
    for axis in Axis:
        name = axis.name.lower()
        table[f"assign_{name}"] = Attribute(0o200, None, partial(assign, axis))
        table[f"unassign_{name}"] = Attribute(0o200, None, partial(unassign, axis))
    if profile.over_provision:
        table["guest_matrix"] = _shown(lambda mdev: _page(mdev.guest))
    if profile.ap_config:
        shown = _shown(lambda mdev: f"{ap_config_text(mdev.config)}\n")
        table["ap_config"] = shown._replace(permissions=0o644, store=configure)
    return table


def _shown(text: Callable[[Mdev], str]) -> Attribute[str]:
    return Attribute(0o444, lambda state, uuid: text(state.mdevs[uuid]))


def _type_directory(state: HostState) -> Directory:
    return fixed(
        {
            "available_instances": File(0o444, lambda: f"{INSTANCES - len(state.mdevs)}\n"),
            "create": File(0o200, None, partial(create, state)),
            "device_api": constant("vfio-ap\n"),
            "devices": mdev_links(state, "../../../"),
            "name": constant("VFIO AP Passthrough Device\n"),
        }
    )


def _mdev_directory(state: HostState, table: Mapping[str, Attribute[str]], uuid: str) -> Directory:
    mdev = state.mdevs[uuid]
    group = Link(f"../../../../kernel/iommu_groups/{mdev.group}")
    if mdev.removing:
        return fixed({_GROUP: group})
    devices = [_VFIO_DEVICES] if state.profile.vfio_devices else []

    def find(name: str) -> Entry | None:
        attribute = table.get(name)
        if attribute:
            return attribute.file(state, uuid)
        if name in devices:
            return _vfio_devices(uuid, mdev.group)
        return group if name == _GROUP else _LINKS.get(name)

    return Directory(lambda: [_GROUP, *_LINKS, *table, *devices], find)


def _vfio_devices(uuid: str, number: int) -> Directory:
    device: dict[str, Entry] = {
        "dev": constant(f"511:{number}\n"),
        "device": Link(f"../../../{uuid}"),
        "uevent": trigger(),
    }
    return fixed({f"vfio{number}": fixed(device)})


def _page(matrix: Matrix) -> str:
    # A read gives one page at most: of a large matrix only the adapters that fit are worth writing out.
    if matrix.size <= _LINES:
        return matrix_text(matrix)
    count = -(-_LINES // len(matrix.domains))
    return matrix_text(Matrix(IdSet(list(matrix.adapters)[:count]), matrix.domains))
