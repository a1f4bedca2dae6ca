"""A file that is replaced has its old content or its new one, whatever happens, and nothing is left beside it."""

import fcntl
import os
import threading
from errno import EACCES, ENOLCK, EPERM, EROFS
from pathlib import Path

import pytest

from reconciler.kernel.own_files import is_locked, replace_file, take_lock, try_flock, wait_for_flock


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


def test_a_file_gets_its_group_while_it_is_still_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where it has another one: who may not change groups can still write."""
    path, own = tmp_path / "file", tmp_path.stat().st_gid
    given: list[tuple[int, int, int]] = []

    def fchown(descriptor: int, owner: int, group: int) -> None:
        given.append((os.fstat(descriptor).st_size, owner, group))

    monkeypatch.setattr(os, "fchown", fchown)
    replace_file(path, b"content", group=path.parent.stat().st_gid)
    assert given == []
    replace_file(path, b"content", mode=0o640, group=own + 1)

    assert given == [(0, -1, own + 1)]


@pytest.mark.parametrize("call", ["fchown", "fchmod"])
def test_a_file_that_cannot_get_its_permissions_is_not_written(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old content stays, and nothing is left open or beside it."""
    path = tmp_path / "file"
    replace_file(path, b"old")
    before = len(os.listdir("/proc/self/fd"))

    def refused(*_: object) -> None:
        raise PermissionError(EPERM, os.strerror(EPERM))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, refused)
        with pytest.raises(PermissionError):
            replace_file(path, b"new", mode=0o640, group=path.stat().st_gid + 1)

    assert path.read_bytes() == b"old"
    assert [path] == list(tmp_path.iterdir())
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_lock_file_that_cannot_be_written_can_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that is mounted read-only; any other refusal reaches the caller."""
    path, opened = tmp_path / "lock", os.open
    path.touch()

    def open_(name: Path, flags: int, *mode: int) -> int:
        if flags & os.O_RDWR:
            raise OSError(EROFS, os.strerror(EROFS), str(name))
        return opened(name, flags, *mode)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", open_)
        descriptor = take_lock(path)
    assert descriptor is not None
    assert is_locked(path)
    os.close(descriptor)

    with pytest.raises(FileNotFoundError):
        take_lock(tmp_path / "none" / "lock")


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_lock_file_that_is_removed_while_it_is_taken_is_not_ours(
    is_replaced: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps no process out: the next one makes a file of its own."""
    path, flock = tmp_path / "lock", fcntl.flock
    before = len(os.listdir("/proc/self/fd"))

    def removed(descriptor: int, operation: int) -> None:
        flock(descriptor, operation)
        path.unlink()
        if is_replaced:
            path.touch()

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", removed)
        assert take_lock(path) is None

    assert len(os.listdir("/proc/self/fd")) == before


def test_who_waits_for_a_lock_has_it_when_its_holder_gives_it_back(tmp_path: Path) -> None:
    """However long that takes."""
    path = tmp_path / "lock"
    first = take_lock(path)
    assert first is not None
    second = os.open(path, os.O_RDONLY)
    waiting = threading.Thread(target=wait_for_flock, args=(second,))
    waiting.start()
    try:
        os.close(first)
        waiting.join(30)

        assert not waiting.is_alive()
        assert take_lock(path) is None
    finally:
        os.close(second)
