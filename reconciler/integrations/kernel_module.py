"""The kernel module vfio_ap: loading it with modprobe(8), and what loads it at boot before the masks are set."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.integrations.files import NotReadable, read_limited
from reconciler.kernel.processes import run_tool
from reconciler.model.errors import HostError
from reconciler.model.printable import error_text

_SECONDS: Final = 30.0


class CannotLoad(HostError):
    """The module cannot be loaded; the text says why."""


def load_vfio_ap() -> None:
    """Have vfio_ap in the kernel; where it is loaded or built in already, nothing happens.

    Never while the lock of the s390-tools is held: what the module's appearance starts (mdevctl, by udev) waits for it.

    Raises:
        CannotLoad: it cannot be had, or it takes too long.
    """
    try:
        done = run_tool(["modprobe", "vfio_ap"], _SECONDS)
    except (OSError, HostError) as error:
        raise CannotLoad(f"modprobe vfio_ap: {error_text(error)}") from error
    if done.code:
        raise CannotLoad(done.said or f"modprobe vfio_ap ended with status {done.code}")


_MODULE: Final = re.compile(r"\bvfio[_-]ap\b")
_LOAD_FOLDERS: Final = ("etc", "run", "usr/local/lib", "usr/lib", "lib")
_INITRD_FILES: Final = ("etc/initramfs-tools/modules", "etc/dracut.conf", "etc/mkinitcpio.conf")
_INITRD_FOLDERS: Final = ("etc/dracut.conf.d", "usr/lib/dracut/dracut.conf.d")
_OPTIONS: Final = re.compile(r"options[ \t]+(ap|vfio[_-]ap)[ \t]+(.*)")
_PARAMETER: Final = re.compile(r"(?:^|\s)((?:rd\.)?modules[_-]load=\S*|rd\.driver\.(?:pre|post)=\S*)")


class ModuleOptions(NamedTuple):
    """Options that files of modprobe.d give the AP bus or vfio_ap.

    Attributes:
        lines: those that have no effect, for people: file, line number from 1, text.
        masks: those that set the masks at boot, since the AP bus is a module of this kernel.
    """

    lines: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()


NO_OPTIONS: Final = ModuleOptions()


def module_options(root: Path, release: str) -> ModuleOptions:
    """What the files of modprobe.d below `root` say of ap and vfio_ap, on the kernel `release`; nothing is raised.

    vfio_ap has no options. Those of ap have an effect only where the kernel's list of what is built in lacks it.
    """
    lists = [root / folder / "modules" / release / "modules.builtin" for folder in ("lib", "usr/lib")]
    is_module = any(map(_text, lists)) and not _built_in(root, release, "ap.ko")
    dead: list[str] = []
    masks: list[str] = []
    for file in _effective_files(root, "modprobe.d"):
        # A backslash at the end of a line joins the next one.
        lines = re.sub(r"\\\n", " \0", _text(file)).split("\n")
        number = 1
        for line in lines:
            found = _OPTIONS.fullmatch(line.replace("\0", "").strip())
            if found:
                takes_effect = is_module and found[1] == "ap"
                (masks if takes_effect else dead).append(f"{file}:{number}: options {found[1]} {found[2]}")
            number += 1 + line.count("\0")
    return ModuleOptions(tuple(dead), tuple(masks))


def early_loaders(root: Path, release: str) -> tuple[str, ...]:
    """What loads vfio_ap early on the machine whose files are below `root`; nothing is raised.

    Args:
        root: precedes all paths.
        release: of its kernel.

    Returns:
        Files, and parameters of the kernel, for people: those of systemd (modules-load.d(5)), of the programs that make
        an initrd, and the kernel's own list of what is built in.
    """
    built_in = (f"{file} (it is built in)" for file in _built_in(root, release, "vfio_ap.ko"))
    return (*_listed(root), *_on_command_line(root), *built_in)


def _listed(root: Path) -> Iterator[str]:
    yield from (str(file) for file in _effective_files(root, "modules-load.d") if _names_it(file))
    others = [root / name for name in ("etc/modules", *_INITRD_FILES)]
    others += [file for folder in _INITRD_FOLDERS for file in _files(root / folder)]
    yield from (str(file) for file in others if _names_it(file))


def _effective_files(root: Path, name: str) -> Iterator[Path]:
    """The files in the folders called `name` that systemd and modprobe read."""
    seen: set[str] = set()
    for folder in _LOAD_FOLDERS:
        for file in _files(root / folder / name):
            # A file hides those of its name in later folders.
            if file.name not in seen:
                yield file
            seen.add(file.name)


def _on_command_line(root: Path) -> Iterator[str]:
    yield from (one for one in _PARAMETER.findall(_text(root / "proc/cmdline")) if _MODULE.search(one))


def _built_in(root: Path, release: str, module: str) -> list[Path]:
    """The kernel's list that names `module` as built in, if any."""
    if "/" in release or release.startswith("."):
        return []
    for folder in ("lib", "usr/lib"):
        file = root / folder / "modules" / release / "modules.builtin"
        if any(line.rpartition("/")[2] == module for line in _text(file).splitlines()):
            return [file]
    return []


def _files(folder: Path) -> Iterable[Path]:
    return sorted(folder.glob("*.conf"))


def _names_it(file: Path) -> bool:
    return any(_MODULE.search(line.partition("#")[0]) for line in _text(file).splitlines() if line[:1] != ";")


def _text(file: Path) -> str:
    try:
        return read_limited(file).decode("utf-8", "replace")
    except (FileNotFoundError, NotReadable):
        return ""
