"""The whole simulated sysfs tree, and how a path leads through it."""

from errno import EISDIR, ENOENT, ENOTDIR
from posixpath import normpath
from typing import Final

from reconciler.kernel import paths
from reconciler.simulator.bus_files import ap_bus_directory
from reconciler.simulator.device_files import ApDirectories
from reconciler.simulator.mdev_files import iommu_groups, mdev_links, vfio_ap_directory
from reconciler.simulator.nodes import Directory, Entry, File, Link, changing, constant, fixed, trigger
from reconciler.simulator.refusal import refusal
from reconciler.simulator.state import HostState

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
    return fixed({top: _top(state, top, always, module) for top in tops})


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
    entries["domain"] = File(mode, lambda: f"{state.settings.domain}\n")
    if state.profile.driver_override:
        entries["msgpool_min_items"] = constant("8\n", 0o400)
    return fixed(entries)
