"""File systems that report no changes."""

import os
from pathlib import Path

import pytest

from reconciler.watch.file_triggers import file_system_kinds, silent_file_system

TABLE = """\
22 27 0:21 / /proc rw,nosuid shared:14 - proc proc rw
27 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
99 27 0:55 / /mnt/with\\040blank rw shared:2 master:3 - nfs4 server:/export rw,vers=4.2
nonsense
"""


def test_the_table_of_mounts_tells_the_kind_of_each_device() -> None:
    """Whatever optional fields a line has."""
    assert file_system_kinds(TABLE) == {"0:21": "proc", "259:2": "ext4", "0:55": "nfs4"}


@pytest.mark.parametrize(
    ("kind", "silent"),
    [("nfs4", "nfs4"), ("cifs", "cifs"), ("fuse.sshfs", "fuse.sshfs"), ("ext4", ""), ("fuseblk", ""), ("overlay", "")],
)
def test_only_network_file_systems_are_looked_at(tmp_path: Path, kind: str, silent: str) -> None:
    """By the device that the path is on, also where it is missing as yet."""
    device = os.stat(tmp_path).st_dev
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 {os.major(device)}:{os.minor(device)} / /mnt rw - {kind} x rw\n")
    assert silent_file_system(str(tmp_path), table) == silent
    assert silent_file_system(str(tmp_path / "not" / "yet"), table) == silent


def test_without_a_table_everything_is_told(tmp_path: Path) -> None:
    """A container may hide it."""
    assert not silent_file_system(str(tmp_path), tmp_path / "missing")


def test_this_machines_table_can_be_read(tmp_path: Path) -> None:
    """The temporary directory is not on a network."""
    assert not silent_file_system(str(tmp_path))
