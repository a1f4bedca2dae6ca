"""Kernel modules as files: which one needs which, and in which order they can be loaded."""

import lzma
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

_SUFFIX: Final = re.compile(r"\.ko(\.xz)?$")
_DEPENDS: Final = re.compile(rb"(?:^|\0)depends=([^\0]*)\0")


class MissingModule(Exception):
    """A module is needed that the kernel does not have."""


def module_name(path: str) -> str:
    """The name of the module in a file, as the kernel has it: ``crc32c-generic.ko.xz`` holds ``crc32c_generic``."""
    return _SUFFIX.sub("", path.rsplit("/", 1)[-1]).replace("-", "_")


def modules_below(directory: Path) -> dict[str, Path]:
    """All module files below `directory`, by name."""
    return {module_name(path.name): path for path in directory.rglob("*.ko*") if _SUFFIX.search(path.name)}


def module_content(path: Path) -> bytes:
    """The module in a file, uncompressed."""
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == ".xz" else content


def modules_needed_by(content: bytes) -> list[str]:
    """The modules that an uncompressed module says it depends on."""
    found = _DEPENDS.search(content)
    names = found[1].decode() if found else ""
    return [module_name(name) for name in names.split(",") if name]


def loading_order(wanted: Iterable[str], modules: Mapping[str, Path], present: Collection[str]) -> list[str]:
    """The `wanted` modules and all they need, in an order in which they can be loaded one by one.

    Args:
        wanted: names.
        modules: the files that there are, by name.
        present: what needs no loading: built into the kernel, or loaded before.

    Raises:
        MissingModule: one is neither a file nor present.
    """
    order: list[str] = []

    def need(name: str) -> None:
        if name in order or name in present:
            return
        if name not in modules:
            raise MissingModule(f"the kernel has no module {name}")
        for other in modules_needed_by(module_content(modules[name])):
            need(other)
        order.append(name)

    for name in wanted:
        need(name)
    return order
