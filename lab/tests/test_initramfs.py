from pathlib import Path

from lab.job_disk import GUEST
from lab.kernels import initramfs, write_initramfs


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


def test_a_boot_takes_the_first_process_of_this_clone(tmp_path: Path) -> None:
    """What `setup` has prepared need not be made anew for it: later archives count."""
    (tmp_path / "prepared").write_bytes(b"prepared")

    write_initramfs(tmp_path / "initramfs", tmp_path / "prepared")

    written = (tmp_path / "initramfs").read_bytes()
    assert written.startswith(b"prepared070701")
    assert (GUEST / "init").read_bytes() in written
