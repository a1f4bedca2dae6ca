"""When a guest system has to be made anew."""

import shutil
import subprocess
from pathlib import Path

import pytest

from lab.guest_system import is_current

pytestmark = pytest.mark.skipif(
    not (shutil.which("mke2fs") and shutil.which("debugfs")), reason="NOT TESTED: e2fsprogs is not there"
)


def image_of(tree: Path, image: Path) -> Path:
    """A small file system with the files of `tree`."""
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", tree, image, "1M"], check=True)
    return image


def test_an_image_with_systemd_is_kept(tmp_path: Path) -> None:
    """It can be booted as any host."""
    program = tmp_path / "root/usr/lib/systemd/systemd"
    program.parent.mkdir(parents=True)
    program.touch()

    assert is_current(image_of(tmp_path / "root", tmp_path / "image.ext4"))


def test_an_image_without_systemd_is_made_anew(tmp_path: Path) -> None:
    """As where there is none at all."""
    (tmp_path / "root/usr/lib").mkdir(parents=True)

    assert not is_current(image_of(tmp_path / "root", tmp_path / "image.ext4"))
    assert not is_current(tmp_path / "other.ext4")
