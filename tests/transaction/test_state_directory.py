"""The directory where we keep what must not be forgotten: private, trusted, and whole after a crash."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.transaction.state_directory import StateDirectory, UnsafeState


def test_the_directory_is_private(tmp_path: Path) -> None:
    """It and its parents are made; it is its owner's alone, and so are its files."""
    state = StateDirectory(tmp_path / "var" / "lib")
    state.prepare()
    state.prepare()
    state.replace("file", b"content")

    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "var" / "lib").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "var" / "lib" / "file").stat().st_mode) == 0o600


def test_a_new_directory_is_on_disk_before_anything_is_kept_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name, too: otherwise a power loss takes it away with all that was synced in it."""
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    state = StateDirectory(tmp_path / "var" / "lib" / "state")

    state.prepare()

    assert sorted(synced) == [str(tmp_path), str(tmp_path / "var"), str(tmp_path / "var" / "lib")]
    synced.clear()
    state.prepare()
    assert synced == []


@pytest.mark.parametrize("mode", [0o722, 0o770, 0o777, 0o1777])
def test_a_directory_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    """Whoever can write there could make us undo what was never done."""
    tmp_path.chmod(mode)

    with pytest.raises(UnsafeState, match=f"chmod go-w {tmp_path}"):
        StateDirectory(tmp_path).prepare()
    with pytest.raises(UnsafeState, match=f"chmod go-w {tmp_path}"):
        StateDirectory(tmp_path).read("inventory.json")


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must belong to whoever runs the command."""
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)

    with pytest.raises(UnsafeState, match="belongs to"):
        StateDirectory(tmp_path).prepare()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_somebody_else_keeps_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a directory nor a file, but for those of root."""
    (tmp_path / "file").write_bytes(b"content")
    os.chown(tmp_path, 4711, -1)
    with pytest.raises(UnsafeState, match="belongs to user 4711"):
        StateDirectory(tmp_path).read("file")
    os.chown(tmp_path, 0, -1)
    os.chown(tmp_path / "file", 4711, -1)
    with pytest.raises(UnsafeState, match="belongs to user 4711"):
        StateDirectory(tmp_path).read("file")
    os.chown(tmp_path / "file", 0, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 4712)
    assert StateDirectory(tmp_path).read("file") == b"content"


def test_what_is_no_file_is_not_read(state: StateDirectory) -> None:
    """A pipe would let us wait for ever."""
    os.mkfifo(state.path / "file")
    with pytest.raises(UnsafeState, match="must be a file"):
        state.read("file")


def test_a_disk_that_cannot_be_written_is_told_before_anything_is_done(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that went read-only, for example."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UnsafeState, match="it cannot be written; choose one with --state-dir"):
        state.prepare()


def test_a_link_is_refused(tmp_path: Path) -> None:
    """A link instead of the directory leads to who knows where."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    with pytest.raises(UnsafeState, match="not a link"):
        StateDirectory(tmp_path / "link").prepare()


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """The text says what to do instead."""
    (tmp_path / "file").touch()

    with pytest.raises(UnsafeState, match="--state-dir"):
        StateDirectory(tmp_path / "file" / "state").prepare()


@pytest.mark.parametrize(
    "act",
    [
        lambda state: state.read("file"),
        lambda state: state.append("file", b"more"),
    ],
)
def test_links_in_the_directory_are_not_followed(
    state: StateDirectory, act: Callable[[StateDirectory], object]
) -> None:
    """Neither to read what we trust nor to write what somebody else wants overwritten."""
    victim = state.path.parent / "victim"
    victim.write_text("untouched")
    (state.path / "file").symlink_to(victim)

    with pytest.raises((OSError, UnsafeState)) as caught:
        act(state)

    assert isinstance(caught.value, UnsafeState) or getattr(caught.value, "errno", 0) == errno.ELOOP
    assert victim.read_text() == "untouched"


@pytest.mark.parametrize("name", ["file", ".file.new"])
def test_a_link_is_replaced_and_not_written_through(state: StateDirectory, name: str) -> None:
    """Whether it has the name of the file, or that of the new one until it is complete."""
    victim = state.path.parent / "victim"
    victim.write_text("untouched")
    (state.path / name).symlink_to(victim)

    state.replace("file", b"new")

    assert (victim.read_text(), state.read("file"), state.names()) == ("untouched", b"new", ["file"])


def test_content_is_replaced_appended_and_removed(state: StateDirectory) -> None:
    """What was written is what is read; what is not there is None."""
    state.replace("file", b"one\n")
    state.append("file", b"two\n")

    assert state.read("file") == b"one\ntwo\n"
    state.replace("file", b"three\n")
    assert state.read("file") == b"three\n"
    state.remove("file")
    state.remove("file")
    assert state.read("file") is None
    with pytest.raises(FileNotFoundError):
        state.append("file", b"nothing to add to")
