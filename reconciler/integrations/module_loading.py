"""Whether vfio_ap is loaded at boot before anybody has set the masks, and by what.

Then mdevctl starts its definitions while the host's drivers still have the queues, and each of them fails.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from reconciler.integrations.careful_files import NotReadable, read_limited

_MODULE: Final = re.compile(r"\bvfio[_-]ap\b")
_LOAD_FOLDERS: Final = ("etc", "run", "usr/local/lib", "usr/lib", "lib")
_INITRD_FILES: Final = ("etc/initramfs-tools/modules", "etc/dracut.conf", "etc/mkinitcpio.conf")
_INITRD_FOLDERS: Final = ("etc/dracut.conf.d", "usr/lib/dracut/dracut.conf.d")
_PARAMETER: Final = re.compile(r"(?:^|\s)((?:rd\.)?modules[_-]load=\S*|rd\.driver\.(?:pre|post)=\S*)")


def early_loaders(root: Path, release: str) -> tuple[str, ...]:
    """What loads vfio_ap early on the machine whose files are below `root`; nothing is raised.

    Args:
        root: precedes all paths.
        release: of its kernel.

    Returns:
        Files, and parameters of the kernel, for people: those of systemd (modules-load.d(5)), of the programs that make
        an initrd, and the kernel's own list of what is built in.
    """
    return (*_listed(root), *_on_command_line(root), *_built_in(root, release))


def _listed(root: Path) -> Iterator[str]:
    seen: set[str] = set()
    for folder in _LOAD_FOLDERS:
        for file in _files(root / folder / "modules-load.d"):
            # A file hides those of its name in later folders.
            if file.name not in seen and _names_it(file):
                yield str(file)
            seen.add(file.name)
    others = [root / name for name in ("etc/modules", *_INITRD_FILES)]
    others += [file for folder in _INITRD_FOLDERS for file in _files(root / folder)]
    yield from (str(file) for file in others if _names_it(file))


def _on_command_line(root: Path) -> Iterator[str]:
    yield from (one for one in _PARAMETER.findall(_text(root / "proc/cmdline")) if _MODULE.search(one))


def _built_in(root: Path, release: str) -> Iterator[str]:
    if "/" in release or release.startswith("."):
        return
    for folder in ("lib", "usr/lib"):
        file = root / folder / "modules" / release / "modules.builtin"
        if any(line.rpartition("/")[2] == "vfio_ap.ko" for line in _text(file).splitlines()):
            yield f"{file} (it is built in)"
            return


def _files(folder: Path) -> Iterable[Path]:
    return sorted(folder.glob("*.conf"))


def _names_it(file: Path) -> bool:
    return any(_MODULE.search(line.partition("#")[0]) for line in _text(file).splitlines() if line[:1] != ";")


def _text(file: Path) -> str:
    try:
        return read_limited(file).decode("utf-8", "replace")
    except (FileNotFoundError, NotReadable):
        return ""
