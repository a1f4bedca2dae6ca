"""Where the lab keeps what it has prepared, and what is there."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

KERNELS: Final = {"6.1": "bookworm", "6.12": "trixie", "sid": "sid"}
"""The kernels by the name that a person gives, and the Debian suite that each comes from."""

DEFAULT_CACHE: Final = "~/.cache/reconcile-lab"
CACHE_VARIABLE: Final = "RECONCILE_LAB_CACHE"
"""The environment variable that names another place."""


class KernelFacts(NamedTuple):
    """What is known of a prepared kernel.

    Attributes:
        release: as ``uname -r`` says it.
        package: version of the Debian package.
        suite: the Debian suite that it and its guest system come from.
        built: the modules that Debian does not build, in alphabetical order.
        boot_modules: loaded before the root file system is mounted, in this order.
        ap_modules: loaded afterwards, in this order.
    """

    release: str
    package: str
    suite: str
    built: list[str]
    boot_modules: list[str]
    ap_modules: list[str]


class PreparedKernel:
    """The files of one kernel below `directory`; it is ready when its symbols are known."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def image(self) -> Path:
        """The kernel."""
        return self.directory / "vmlinuz"

    @property
    def initramfs(self) -> Path:
        """The first file system, with the modules."""
        return self.directory / "initramfs"

    @property
    def ready(self) -> bool:
        """Whether it can be booted."""
        return (self.directory / "symbols.json").exists()

    def facts(self) -> KernelFacts:
        """What is known of it."""
        return KernelFacts(**json.loads((self.directory / "facts.json").read_text(encoding="utf-8")))

    def keep_facts(self, facts: KernelFacts) -> None:
        """Write down what is known of it."""
        (self.directory / "facts.json").write_text(json.dumps(facts._asdict(), indent=2), encoding="utf-8")

    def symbols(self) -> dict[str, int]:
        """Addresses of functions, by name."""
        symbols: dict[str, int] = json.loads((self.directory / "symbols.json").read_text(encoding="utf-8"))
        return symbols

    def keep_symbols(self, symbols: Mapping[str, int]) -> None:
        """Write down the addresses; from now on the kernel is ready."""
        (self.directory / "symbols.json").write_text(json.dumps(symbols), encoding="utf-8")


class Cache:
    """Everything prepared, below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def qemu(self) -> Path:
        """The root directory of an unpacked QEMU."""
        return self.root / "qemu"

    @property
    def log(self) -> Path:
        """Where the programs that prepare things write."""
        return self.root / "setup.log"

    def guest_system(self, suite: str) -> Path:
        """The file system image of a guest with the tools of `suite`."""
        return self.root / "guests" / f"{suite}.ext4"

    def busybox(self, suite: str) -> Path:
        """The static busybox of `suite`, for s390x."""
        return self.root / "guests" / f"{suite}.busybox"

    def kernel(self, name: str) -> PreparedKernel:
        """The kernel of one of the `KERNELS`, prepared or not."""
        return PreparedKernel(self.root / "kernels" / name)

    def ready_kernels(self) -> list[str]:
        """The names of the kernels that can be booted."""
        return [name for name in KERNELS if self.kernel(name).ready]
