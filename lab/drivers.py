"""The modules that Debian does not build, compiled from Debian's own kernel source.

Debian's s390x kernels leave CONFIG_VFIO_AP unset, and 6.1 has no VFIO at all. The files of the drivers are compiled
unchanged, against the headers of the very kernel that loads them.
"""

import shutil
from pathlib import Path
from typing import Final, NamedTuple

from lab.foreign_root import run_inside, run_logged
from lab.modules import module_name

_AP: Final = ("vfio_ap_drv.c", "vfio_ap_ops.c", "vfio_ap_private.h", "vfio_ap_debug.h", "ap_bus.h")
_VFIO: Final = ("vfio_main.c", "iova_bitmap.c", "container.c", "vfio.h", "vfio_iommu_type1.c")
_HELPER: Final = Path(__file__).parent / "guest" / "lab_helper.c"

_KBUILD: Final = """\
obj-m := mdev.o vfio_ap.o lab_helper.o
mdev-objs := mdev_core.o mdev_sysfs.o mdev_driver.o
vfio_ap-objs := vfio_ap_drv.o vfio_ap_ops.o
"""
_KBUILD_VFIO: Final = """\
obj-m += vfio.o vfio_iommu_type1.o
vfio-objs := vfio_main.o iova_bitmap.o container.o
"""
_KBUILD_MEMSLOT: Final = "CFLAGS_lab_helper.o := -DLAB_NEEDS_MEMSLOT\n"
# Exported by kvm.ko only where CONFIG_VFIO_AP is set; called for the interrupts of a running guest.
_MEMSLOT: Final = "kvm_s390_is_gpa_in_memslot"

# $1: package, $2: name of the source, $3: where to, then the members. The archive in the package is too big to keep.
_EXTRACT: Final = 'dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/src/$2.tar.xz" | xz -dc -T0 | tar -x -C "$3" "${@:4}"'


class Toolchain(NamedTuple):
    """A compiler and the headers of one kernel, unpacked.

    Attributes:
        root: root directory of the system that they run in.
        release: the kernel's, as ``uname -r`` says it.
        gcc: major version of the compiler.
        log: where the tools' output goes.
    """

    root: Path
    release: str
    gcc: str
    log: Path

    @property
    def headers(self) -> str:
        """The directory of the headers, in the system."""
        return f"/usr/src/linux-headers-{self.release}"

    def run(self, *command: str) -> None:
        """Run a program in the system."""
        run_inside(self.root, command, self.log)


def extract_source(package: Path, name: str, target: Path, log: Path) -> Path:
    """Unpack the drivers' part of the source package `name` below `target` and return the directory of all drivers."""
    members = [f"{name}/drivers/s390/crypto", f"{name}/drivers/vfio"]
    run_logged(["bash", "-o", "pipefail", "-c", _EXTRACT, "bash", package, name, target, *members], log)
    return target / name / "drivers"


def build_drivers(tools: Toolchain, drivers: Path, *, with_vfio: bool) -> dict[str, Path]:
    """Compile vfio_ap and what it needs and return the files by module name.

    Args:
        tools: what to compile with.
        drivers: what `extract_source` returned.
        with_vfio: whether the kernel lacks VFIO, too.
    """
    directory = tools.root / "build"
    directory.mkdir()
    for source in _sources(drivers, with_vfio=with_vfio):
        shutil.copy(source, directory)
    (directory / "Kbuild").write_text(_kbuild(tools, drivers, with_vfio=with_vfio), encoding="utf-8")
    cross = ["ARCH=s390", "CROSS_COMPILE=s390x-linux-gnu-", f"CC=s390x-linux-gnu-gcc-{tools.gcc}"]
    tools.run("make", "-C", tools.headers, "M=/build", *cross, "modules")
    built = {module_name(path.name): path for path in directory.glob("*.ko")}
    for path in built.values():
        tools.run("s390x-linux-gnu-strip", "-g", f"/build/{path.name}")
    return built


def _sources(drivers: Path, *, with_vfio: bool) -> list[Path]:
    sources = [drivers / "s390/crypto" / name for name in _AP]
    sources += (drivers / "vfio/mdev").glob("*.[ch]")
    sources += [drivers / "vfio" / name for name in _VFIO] if with_vfio else []
    return [*sources, _HELPER]


def _kbuild(tools: Toolchain, drivers: Path, *, with_vfio: bool) -> str:
    wanted = _MEMSLOT in (drivers / "s390/crypto/vfio_ap_ops.c").read_text(encoding="utf-8")
    exported = _MEMSLOT in (tools.root / tools.headers[1:] / "Module.symvers").read_text(encoding="utf-8")
    return _KBUILD + (_KBUILD_VFIO if with_vfio else "") + (_KBUILD_MEMSLOT if wanted and not exported else "")
