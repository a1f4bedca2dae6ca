import stat
from typing import NamedTuple

import pytest

from lab.cpio import CpioArchive


class Member(NamedTuple):
    mode: int
    content: bytes
    device: tuple[int, int]


def members(archive: bytes) -> dict[str, Member]:
    """What the kernel would find in `archive`, by name, the trailer last."""
    found = {}
    position = 0
    while position < len(archive):
        assert archive[position : position + 6] == b"070701"
        digits = archive[position + 6 : position + 110]
        fields = [int(digits[8 * number : 8 * number + 8], 16) for number in range(13)]
        name_end = position + 110 + fields[11]
        name = archive[position + 110 : name_end - 1].decode()
        start = name_end + -name_end % 4
        found[name] = Member(fields[1], archive[start : start + fields[6]], (fields[9], fields[10]))
        position = start + fields[6] + -fields[6] % 4
    return found


def test_a_file_keeps_content_and_mode() -> None:
    """What is put in can be read back, whatever its length is modulo four."""
    archive = CpioArchive()
    archive.file("a", b"12345", 0o755)
    archive.file("bcd", b"")

    found = members(archive.finished())

    assert Member(stat.S_IFREG | 0o755, b"12345", (0, 0)) == found["a"]
    assert Member(stat.S_IFREG | 0o644, b"", (0, 0)) == found["bcd"]


def test_missing_parents_are_added_once_and_before_their_children() -> None:
    """The kernel makes no directory by itself."""
    archive = CpioArchive()
    archive.file("x/y/one", b"1")
    archive.file("x/y/two", b"2")

    found = members(archive.finished())

    assert list(found) == ["x", "x/y", "x/y/one", "x/y/two", "TRAILER!!!"]
    assert stat.S_ISDIR(found["x/y"].mode)


def test_links_and_devices() -> None:
    """A link's content is its target; a device has its numbers."""
    archive = CpioArchive()
    archive.symlink("bin/sh", "busybox")
    archive.character_device("dev/null", 1, 3, 0o666)

    found = members(archive.finished())

    assert Member(stat.S_IFLNK | 0o777, b"busybox", (0, 0)) == found["bin/sh"]
    assert Member(stat.S_IFCHR | 0o666, b"", (1, 3)) == found["dev/null"]


@pytest.mark.parametrize("length", range(5))
def test_every_part_is_padded_to_four_bytes(length: int) -> None:
    """The format counts in words."""
    archive = CpioArchive()
    archive.file("n" * length or "n", b"c" * length)

    assert len(archive.finished()) % 4 == 0
