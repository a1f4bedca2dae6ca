from pathlib import Path

from kernel.lab.kernels import initramfs


def test_the_initramfs_has_what_init_needs(tmp_path: Path) -> None:
    """A shell, the modules below their release, and the orders to load them in."""
    modules = tmp_path / "6.12.1-s390x"
    modules.mkdir()
    (modules / "ext4.ko").write_bytes(b"module")

    archive = initramfs(b"busybox", modules, ["virtio_blk", "ext4"], ["kvm", "vfio_ap"])

    for name in (b"init", b"bin/busybox", b"bin/sh", b"dev/console", b"modules/6.12.1-s390x/ext4.ko"):
        assert name + b"\0" in archive
    assert b"virtio_blk ext4\n" in archive
    assert b"kvm vfio_ap\n" in archive
