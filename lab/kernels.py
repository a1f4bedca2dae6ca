"""A bootable kernel out of Debian's packages: image, modules, initramfs."""

import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from lab.cache import KernelFacts, PreparedKernel
from lab.cpio import CpioArchive
from lab.drivers import Toolchain, build_drivers, extract_source
from lab.foreign_root import make_runnable
from lab.modules import loading_order, module_content, module_name, modules_below
from lab.packages import PackageError, Suite, host_architecture, unpack

_BOOT_MODULES: Final = ("virtio_blk", "virtio_console", "crc32c_generic", "ext4", "overlay")
_BUILT_IN_SINCE_6_14: Final = {"crc32c_generic"}
_AP_MODULES: Final = ("lab_helper", "kvm", "mdev", "vfio_ap", "vfio_iommu_type1", "zcrypt_cex4")
_TOOLS: Final = (
    "base-files", "bash", "coreutils", "dash", "diffutils", "findutils", "gawk", "grep", "kmod", "make", "sed",
    "xz-utils",
)  # fmt: skip
_INDEXES: Final = ("modules.builtin", "modules.builtin.modinfo", "modules.order")
_INIT: Final = Path(__file__).parent / "guest" / "init"


def prepare_kernel(
    suite: Suite, busybox: Path, target: PreparedKernel, work: Path, log: Path, say: Callable[[str], None]
) -> None:
    """Make everything of a kernel but its symbols, which only a boot shows.

    The newest kernel that can be had is taken: a mirror may list packages that it does not have yet, or no longer.

    Args:
        suite: where its packages come from.
        busybox: a static one for s390x.
        target: where the result goes; its directory is made anew.
        work: directory for the time being; made, and removed afterwards.
        log: where programs write.
        say: receives a sentence for each kernel that is listed and cannot be had.

    Raises:
        PackageError: no kernel of the suite can be had.
    """
    newest = newest_release(suite.dependencies("linux-image-s390x:s390x"))
    releases = releases_to_try(newest, suite.names("linux-image-"))
    for number, release in enumerate(releases, start=1):
        for directory in (target.directory, work):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
        try:
            _prepare_release(suite, release, busybox, target, work, log)
        except PackageError as error:
            if number == len(releases):
                raise
            say(f"kernel {release} cannot be had, trying {releases[number]} ({error})")
        else:
            break
    shutil.rmtree(work)


def releases_to_try(newest: str, names: Iterable[str]) -> list[str]:
    """The releases of kernels for s390x among the packages `names`: `newest`, then the older ones, newer ones first."""
    found = {match[1] for name in names if (match := re.fullmatch(r"linux-image-(\d\S*-s390x)", name))}
    numbers = {release: [int(one) for one in re.findall(r"\d+", release)] for release in found - {newest}}
    return [newest, *sorted(numbers, key=lambda release: (numbers[release], release), reverse=True)]


def _prepare_release(suite: Suite, release: str, busybox: Path, target: PreparedKernel, work: Path, log: Path) -> None:
    modules = modules_below(_unpack_image(suite, release, work / "image", target.image))
    tools = _toolchain(suite, release, work / "tools", log)
    version = suite.version(f"linux-image-{release}:s390x")
    source = f"linux-source-{'.'.join(release.split('.')[:2])}"
    drivers = extract_source(suite.download(f"{source}={version}")[0], source, work, log)
    built = build_drivers(tools, drivers, with_vfio="vfio" not in modules)
    modules |= built
    indexes = next((work / "image").rglob("modules.builtin")).parent
    built_in = {module_name(line) for line in (indexes / "modules.builtin").read_text(encoding="utf-8").splitlines()}
    present = built_in | (_BUILT_IN_SINCE_6_14 - set(modules))
    boot = loading_order(_BOOT_MODULES, modules, present)
    ap = loading_order(_AP_MODULES, modules, present | set(boot))
    tree = _module_tree(tools, {name: modules[name] for name in boot + ap}, indexes)
    target.initramfs.write_bytes(initramfs(busybox.read_bytes(), tree, boot, ap))
    target.keep_facts(KernelFacts(release, version, suite.name, sorted(built), boot, ap))


def newest_release(dependencies: list[str]) -> str:
    """The release of the kernel that the package linux-image-s390x depends on.

    Raises:
        PackageError: it depends on none.
    """
    for package in dependencies:
        if package.startswith("linux-image-"):
            return package.removeprefix("linux-image-").split(":")[0]
    raise PackageError("linux-image-s390x depends on no kernel")


def initramfs(busybox: bytes, modules: Path, boot: list[str], ap: list[str]) -> bytes:
    """The first file system of a guest.

    Args:
        busybox: the program.
        modules: directory of modules and indexes, named for the kernel's release.
        boot: modules to load before the root file system is mounted, in this order.
        ap: modules to load afterwards, in this order.
    """
    archive = CpioArchive()
    for directory in ("dev", "proc", "sys", "lower", "upper", "root"):
        archive.directory(directory)
    archive.character_device("dev/console", 5, 1)
    archive.character_device("dev/null", 1, 3, 0o666)
    archive.file("bin/busybox", busybox, 0o755)
    archive.symlink("bin/sh", "busybox")
    archive.file("init", _INIT.read_bytes(), 0o755)
    for path in sorted(modules.iterdir()):
        archive.file(f"modules/{modules.name}/{path.name}", path.read_bytes())
    archive.file("modules/boot", f"{' '.join(boot)}\n".encode())
    archive.file("modules/ap", f"{' '.join(ap)}\n".encode())
    return archive.finished()


def write_initramfs(path: Path, prepared: Path) -> None:
    """Write the `prepared` one to `path`, with the first process of this clone, which comes later and so counts."""
    archive = CpioArchive()
    archive.file("init", _INIT.read_bytes(), 0o755)
    path.write_bytes(prepared.read_bytes() + archive.finished())


def _unpack_image(suite: Suite, release: str, directory: Path, image: Path) -> Path:
    """Unpack the kernel's packages into `directory`, copy the kernel itself to `image`, return `directory`."""
    unpack(suite.download(f"linux-image-{release}:s390x"), directory)
    if not list(directory.rglob("vmlinuz*")):  # newer packages are in parts
        parts = [f"linux-{part}-{release}:s390x" for part in ("base", "binary", "modules")]
        unpack(suite.download(*parts), directory)
    found = [path for path in directory.rglob("vmlinuz*") if path.is_file() and not path.is_symlink()]
    if not found:
        raise PackageError(f"no kernel in the packages of {release}")
    shutil.copy(found[0], image)
    return directory


def _toolchain(suite: Suite, release: str, root: Path, log: Path) -> Toolchain:
    """Unpack the compiler that this kernel was built with, and its headers."""
    headers = f"linux-headers-{release}:s390x"
    needs = [package.split(":")[0].strip("<>") for package in suite.dependencies(headers)]
    gcc = next(found[1] for found in map(re.compile(r"gcc-(\d+)").search, needs) if found)
    shared = [package for package in needs if re.fullmatch(r"linux-(headers-.*-common|kbuild-.*)", package)]
    compiler = f"gcc-{gcc}-s390x-linux-gnu"
    unpack(suite.closure(host_architecture(), *_TOOLS, *shared, compiler), root)
    unpack(suite.download(headers), root)
    make_runnable(root)
    return Toolchain(root, release, gcc, log)


def _module_tree(tools: Toolchain, modules: dict[str, Path], indexes: Path) -> Path:
    """The directory with `modules` and kmod's indexes of them, so that modprobe works in the guest."""
    tree = tools.root / "guest/lib/modules" / tools.release
    tree.mkdir(parents=True)
    for name, path in modules.items():
        (tree / f"{name}.ko").write_bytes(module_content(path))
    for name in _INDEXES:
        if (indexes / name).exists():
            shutil.copy(indexes / name, tree)
    tools.run("depmod", "-b", "/guest", tools.release)
    return tree
