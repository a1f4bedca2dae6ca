"""The whole simulated sysfs tree with ``/sys/bus/ap`` (ap_bus.c), and how a path leads through it."""

from collections.abc import Callable
from errno import EISDIR, ENOENT, ENOTDIR
from functools import partial
from posixpath import normpath
from typing import Final

from reconciler.kernel import paths
from reconciler.kernel.sysinfo import sysinfo_text
from reconciler.kernel.text_forms import mask_text
from reconciler.model.ids import IdSet
from reconciler.simulator.ap_bus import (
    bind_by_hand,
    probe_by_hand,
    scan,
    unbind_by_hand,
    write_apmask,
    write_aqmask,
    write_default_domain,
)
from reconciler.simulator.device_files import ApDirectories, device_path, iommu_groups, mdev_links, vfio_ap_directory
from reconciler.simulator.nodes import Directory, Entry, File, Link, changing, constant, fixed, refusal, trigger
from reconciler.simulator.numbers import bounded_decimal
from reconciler.simulator.state import CARD_DRIVER, HOST_DRIVER, VFIO_AP, HostState, card_name


def ap_bus_directory(state: HostState) -> Directory:
    """``/sys/bus/ap``: masks, what the LPAR has, links to all devices, the drivers."""
    profile = state.profile
    entries: dict[str, Entry] = {
        **_masks(state),
        **_settings(state),
        "ap_interrupts": constant("0\n"),
        "ap_max_adapter_id": File(0o444, lambda: f"{state.hardware.max_adapter}\n"),
        "ap_max_domain_id": File(0o444, lambda: f"{state.hardware.max_domain}\n"),
        "bindings": File(0o444, lambda: _bindings(state)),
        "devices": Directory(
            lambda: [*map(card_name, state.cards), *map(str, state.queues)],
            lambda name: _link(device_path(state, name), "../../../"),
        ),
        "drivers": _drivers(state),
        "drivers_autoprobe": constant("1\n", 0o644),
        "drivers_probe": File(0o200, None, partial(probe_by_hand, state)),
        "scans": _scans(state),
        "uevent": trigger(),
    }
    if profile.features:
        entries["features"] = constant("APSC APXA\n")
    if profile.driver_override:
        entries["bindings_complete_count"] = File(0o444, lambda: f"{state.completions}\n")
    return fixed(entries)


def _masks(state: HostState) -> dict[str, File]:
    def mask(ids: Callable[[], IdSet]) -> Callable[[], str]:
        return lambda: f"{mask_text(ids())}\n"

    return {
        "apmask": File(0o644, mask(lambda: state.pool.adapters), partial(write_apmask, state)),
        "aqmask": File(0o644, mask(lambda: state.pool.domains), partial(write_aqmask, state)),
        "ap_adapter_mask": File(0o444, mask(lambda: state.lpar.adapters)),
        "ap_usage_domain_mask": File(0o444, mask(lambda: state.lpar.domains)),
        "ap_control_domain_mask": File(0o444, mask(lambda: state.control)),
    }


def _settings(state: HostState) -> dict[str, File]:
    def number(field: str, lowest: int, highest: int) -> File:
        def store(text: str) -> None:
            state.settings = state.settings._replace(**{field: bounded_decimal(text, lowest, highest)})

        return File(0o644, lambda: f"{getattr(state.settings, field)}\n", store)

    return {
        "ap_domain": File(0o644, lambda: state.settings.domain_text, partial(write_default_domain, state)),
        "config_time": number("config_time", 5, 120),
        "poll_thread": number("poll_thread", 0, 1),
        "poll_timeout": number("poll_timeout", 1, 120_000_000_000),
    }


def _scans(state: HostState) -> File:
    show = lambda: f"{state.scans}\n"  # noqa: E731 - the two files differ only in the store
    return File(0o644, show, lambda _: scan(state)) if state.profile.scans_writable else File(0o444, show)


def _bindings(state: HostState) -> str:
    count = len(state.queues)
    return f"{count - state.driverless}/{count}{'' if state.driverless else ' (complete)'}\n"


def _drivers(state: HostState) -> Directory:
    always = {
        CARD_DRIVER: _driver(state, CARD_DRIVER, "zcrypt_cex4"),
        HOST_DRIVER: _driver(state, HOST_DRIVER, "zcrypt_cex4"),
    }
    vfio_ap = _driver(state, VFIO_AP, VFIO_AP)
    return changing(lambda: {**always, VFIO_AP: vfio_ap} if state.vfio_ap else always)


def _driver(state: HostState, driver: str, module: str) -> Directory:
    files: dict[str, Entry] = {
        "bind": File(0o200, None, partial(bind_by_hand, state, driver)),
        "module": Link(f"../../../../module/{module}"),
        "uevent": trigger(),
        "unbind": File(0o200, None, partial(unbind_by_hand, state, driver)),
    }

    def names() -> list[str]:
        if driver == CARD_DRIVER:
            return [*files, *map(card_name, state.cards)]
        return [*files, *(str(queue) for queue, device in state.queues.items() if device.driver == driver)]

    def find(name: str) -> Entry | None:
        return files.get(name) or (_link(device_path(state, name), "../../../../") if name in names() else None)

    return Directory(names, find)


def _link(path: str | None, up: str) -> Link | None:
    return Link(f"{up}{path}") if path else None


_MODULE_FILES: Final = {"coresize": "65536\n", "initsize": "0\n", "initstate": "live\n", "refcnt": "0\n", "taint": "\n"}
_MODULE_FOLDERS: Final = ("drivers", "holders", "notes", "sections")


class Tree:
    """A host's tree: paths are relative to its root, with forward slashes and without a leading one."""

    def __init__(self, state: HostState) -> None:
        """The tree that shows `state`, whatever becomes of it."""
        self._state = state
        self._root = _root(state)
        self._generation = state.generation
        self._found: dict[str, tuple[str, Directory]] = {}

    def entry(self, path: str) -> Entry:
        """What is at `path`; a link that is the last part is not followed.

        Raises:
            OSError: ENOENT or ENOTDIR where there is nothing.
        """
        if not path:
            return self._root
        parent, _, name = path.rpartition("/")
        try:
            entry = self._directory(parent)[1].find(name)
        except OSError as error:
            raise refusal(error.errno or ENOENT, path) from None
        if entry is None:
            raise refusal(ENOENT, path)
        return entry

    def file(self, path: str) -> File:
        """The file at `path`, through any links.

        Raises:
            OSError: ENOENT or ENOTDIR where there is nothing, EISDIR where there is a directory.
        """
        entry = self.entry(path)
        if isinstance(entry, File):
            return entry
        # Links in sysfs lead to directories only; one that leads nowhere raises.
        self.directory(path)
        raise refusal(EISDIR, path)

    def directory(self, path: str) -> Directory:
        """The directory at `path`, through any links.

        Raises:
            OSError: ENOENT where there is nothing, ENOTDIR where there is a file.
        """
        return self._directory(path)[1]

    def _directory(self, path: str) -> tuple[str, Directory]:
        if self._generation != self._state.generation:
            self._generation = self._state.generation
            self._found.clear()
        found = self._found.get(path)
        if found is None:
            found = self._found[path] = self._walk(path)
        return found

    def _walk(self, path: str) -> tuple[str, Directory]:
        # The first half of the answer is the path without links, which relative links start from.
        if not path:
            return "", self._root
        above, _, name = path.rpartition("/")
        real, directory = self._directory(above)
        entry = directory.find(name)
        here = f"{real}/{name}" if real else name
        if isinstance(entry, Link):
            return self._directory(normpath(f"{real}/{entry.target}"))
        if isinstance(entry, Directory):
            return here, entry
        raise refusal(ENOENT if entry is None else ENOTDIR, path)


def _root(state: HostState) -> Directory:
    module: dict[str, Directory] = {
        "bus/matrix": _matrix_bus(),
        "bus/mdev": _mdev_bus(state),
        "class/mdev_bus": fixed({"matrix": Link("../../devices/vfio_ap/matrix")}),
        "devices/vfio_ap": vfio_ap_directory(state),
        "module/vfio_ap": _module_directory(),
    }
    always = {
        "bus/ap": ap_bus_directory(state),
        "devices/ap": ApDirectories(state).top(),
        "kernel/iommu_groups": iommu_groups(state),
        "module/ap": fixed({"parameters": _parameters(state)}),
        "module/zcrypt_cex4": _module_directory(),
    }
    tops = sorted({path.split("/")[0] for path in (*always, *module)})
    entries: dict[str, Entry] = {top: _top(state, top, always, module) for top in tops}
    if identity := state.hardware.identity:
        # Not in sysfs: so that one mount shows all that is asked of the host.
        folder, _, name = paths.SYSINFO.partition("/")
        entries[folder] = fixed({name: constant(sysinfo_text(identity))})
    return fixed(entries)


def _top(state: HostState, top: str, always: dict[str, Directory], module: dict[str, Directory]) -> Directory:
    def below(paths: dict[str, Directory]) -> dict[str, Entry]:
        return {path.split("/")[1]: directory for path, directory in paths.items() if path.startswith(f"{top}/")}

    without_module = below(always)
    with_module = without_module | below(module)
    return changing(lambda: with_module if state.vfio_ap else without_module)


def _bus(devices: Directory, drivers: dict[str, Entry]) -> Directory:
    return fixed(
        {
            "devices": devices,
            "drivers": fixed(drivers),
            "drivers_autoprobe": constant("1\n", 0o644),
            "drivers_probe": trigger(),
            "uevent": trigger(),
        }
    )


def _matrix_bus() -> Directory:
    driver = fixed(
        {
            "bind": trigger(),
            "matrix": Link("../../../../devices/vfio_ap/matrix"),
            "module": Link("../../../../module/vfio_ap"),
            "uevent": trigger(),
            "unbind": trigger(),
        }
    )
    return _bus(fixed({"matrix": Link("../../../devices/vfio_ap/matrix")}), {"vfio_ap": driver})


def _mdev_bus(state: HostState) -> Directory:
    return _bus(
        mdev_links(state, f"../../../{paths.MATRIX}/"),
        {"vfio_ap_mdev": mdev_links(state, f"../../../../{paths.MATRIX}/")},
    )


def _module_directory() -> Directory:
    entries: dict[str, Entry] = {name: constant(text) for name, text in _MODULE_FILES.items()}
    entries |= {name: fixed({}) for name in _MODULE_FOLDERS}
    return fixed({**entries, "uevent": trigger()})


def _parameters(state: HostState) -> Directory:
    mode = state.profile.parameter_mode
    texts = {"apmask": "(null)\n", "aqmask": "(null)\n", "poll_thread": "0\n", "useirq": "1\n"}
    entries: dict[str, Entry] = {name: constant(text, mode) for name, text in texts.items()}
    entries["domain"] = File(mode, lambda: state.settings.domain_text)
    if state.profile.driver_override:
        entries["msgpool_min_items"] = constant("8\n", 0o400)
    return fixed(entries)
