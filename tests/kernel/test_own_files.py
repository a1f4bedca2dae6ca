"""A file that is replaced has its old content or its new one, whatever happens, and nothing is left beside it."""

import fcntl
import os
from errno import EACCES, ENOLCK
from pathlib import Path

import pytest

from reconciler.kernel.own_files import is_locked, replace_file, take_lock, try_flock


def test_a_file_is_new_or_replaced_and_has_its_permissions(tmp_path: Path) -> None:
    """Whatever the umask is, and whatever it had before."""
    path = tmp_path / "file"
    before = os.umask(0o077)
    try:
        replace_file(path, b"one", mode=0o644)
        replace_file(path, b"two", mode=0o640)
    finally:
        os.umask(before)

    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o640)
    assert [path] == list(tmp_path.iterdir())


def test_what_a_crash_has_left_is_not_written_to(tmp_path: Path) -> None:
    """Also not through a link that has the name of the new file."""
    path, other = tmp_path / "file", tmp_path / "other"
    other.write_bytes(b"other")
    (tmp_path / ".file.new").symlink_to(other)

    replace_file(path, b"new")

    assert (path.read_bytes(), other.read_bytes()) == (b"new", b"other")
    assert sorted(tmp_path.iterdir()) == [path, other]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_failure_leaves_the_old_content(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And takes no space."""
    path = tmp_path / "file"
    replace_file(path, b"old")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(OSError, match="No space"):
            replace_file(path, b"new")

    assert path.read_bytes() == b"old"
    assert [path] == list(tmp_path.iterdir())


def test_a_lock_is_held_until_it_is_closed(tmp_path: Path) -> None:
    """By one process at a time; a file that is not there is not locked."""
    path = tmp_path / "lock"
    assert not is_locked(path)
    descriptor = take_lock(path)
    assert descriptor is not None
    other = os.open(path, os.O_RDONLY)
    try:
        assert (take_lock(path), try_flock(other), is_locked(path)) == (None, False, True)
        os.close(descriptor)
        assert (is_locked(path), try_flock(other)) == (False, True)
    finally:
        os.close(other)


def test_a_folder_that_cannot_be_read_need_not_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write to a folder and not read it still gets the file."""
    opened = os.open

    def open_(path: Path, flags: int, *mode: int) -> int:
        if flags & os.O_DIRECTORY:
            raise PermissionError(EACCES, os.strerror(EACCES), str(path))
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", open_)

    replace_file(tmp_path / "file", b"content")

    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_lock_that_the_system_refuses_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason reaches the caller, and the file is closed."""

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(ENOLCK, os.strerror(ENOLCK))

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(fcntl, "flock", flock)

    with pytest.raises(OSError, match=os.strerror(ENOLCK)):
        take_lock(tmp_path / "lock")

    assert len(os.listdir("/proc/self/fd")) == before
