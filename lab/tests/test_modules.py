import lzma
from pathlib import Path

import pytest

from lab.modules import (
    MissingModule,
    loading_order,
    module_content,
    module_name,
    modules_below,
    modules_needed_by,
)


def module(directory: Path, name: str, *needs: str) -> Path:
    """A file that looks like a module as far as its dependencies go."""
    path = directory / f"{name}.ko"
    path.write_bytes(b"\x7fELF\0license=GPL\0depends=" + ",".join(needs).encode() + b"\0name=x\0")
    return path


@pytest.mark.parametrize(
    "path", ["crc32c_generic.ko", "kernel/crypto/crc32c-generic.ko.xz", "/lib/modules/x/crc32c-generic.ko"]
)
def test_a_module_is_named_as_the_kernel_names_it(path: str) -> None:
    """File names have dashes where the kernel has underscores."""
    assert module_name(path) == "crc32c_generic"


def test_modules_are_found_below_a_directory(tmp_path: Path) -> None:
    """Whatever else is there."""
    (tmp_path / "sub").mkdir()
    path = module(tmp_path / "sub", "virtio-blk")
    (tmp_path / "modules.order").touch()

    assert modules_below(tmp_path) == {"virtio_blk": path}


def test_compressed_modules_are_uncompressed(tmp_path: Path) -> None:
    """Newer kernels come compressed."""
    path = tmp_path / "kvm.ko.xz"
    path.write_bytes(lzma.compress(b"module"))

    assert module_content(path) == b"module"


def test_a_module_without_dependencies_needs_nothing() -> None:
    """An empty list, or none at all."""
    assert modules_needed_by(b"\0depends=\0") == modules_needed_by(b"") == []


def test_what_is_needed_is_loaded_first_and_once(tmp_path: Path) -> None:
    """Insmod resolves nothing by itself."""
    modules = {
        "vfio_ap": module(tmp_path, "vfio_ap", "mdev", "kvm", "vfio"),
        "mdev": module(tmp_path, "mdev", "vfio"),
        "vfio": module(tmp_path, "vfio", "irqbypass"),
        "kvm": module(tmp_path, "kvm"),
    }

    order = loading_order(["kvm", "vfio_ap"], modules, present={"irqbypass"})

    assert order == ["kvm", "vfio", "mdev", "vfio_ap"]


def test_a_module_that_the_kernel_lacks_is_named(tmp_path: Path) -> None:
    """Here, not when the guest does not boot."""
    with pytest.raises(MissingModule, match="vfio"):
        loading_order(["mdev"], {"mdev": module(tmp_path, "mdev", "vfio")}, present=())
