"""Files at a name that a person gives."""

import os
import stat
import threading
from pathlib import Path

import pytest

from reconciler.integrations.files import CannotWrite, Exists, is_kept, write_named

CONTENT = b"content " * 100_000


def test_a_new_file(tmp_path: Path) -> None:
    """It is written, and nothing else is left beside it."""
    write_named(str(tmp_path / "new"), CONTENT)

    assert (tmp_path / "new").read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]
    assert is_kept(str(tmp_path / "new"))


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Its permissions stay; whoever has the old one open reads on in it."""
    file = tmp_path / "old"
    file.write_bytes(b"before")
    file.chmod(0o640)
    with file.open("rb") as reader:
        write_named(str(file), b"after")

        assert reader.read() == b"before"
    assert file.read_bytes() == b"after"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


@pytest.mark.parametrize("only_new", [False, True])
@pytest.mark.parametrize("name", ["directory", "link", "dangling", "loop", "socket"])
def test_what_is_no_regular_file_is_refused_and_stays(tmp_path: Path, name: str, only_new: bool) -> None:
    """A link leads where others may have put it; none of these is what a person means by a file."""
    import socket

    (tmp_path / "directory").mkdir()
    (tmp_path / "victim").write_bytes(b"before")
    (tmp_path / "link").symlink_to("victim")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
        before = {path: path.lstat().st_ino for path in tmp_path.iterdir()}

        with pytest.raises((CannotWrite, Exists)) as refused:
            write_named(str(tmp_path / name), CONTENT, only_new=only_new)

    assert name in str(refused.value)
    assert {path: path.lstat().st_ino for path in tmp_path.iterdir()} == before
    assert (tmp_path / "victim").read_bytes() == b"before"


@pytest.mark.parametrize("only_new", [False, True])
def test_a_pipe_is_written_into(tmp_path: Path, only_new: bool) -> None:
    """As by a shell, for as long as a process reads from it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)

    def drain() -> None:
        while part := os.read(reader, 65536):
            read.append(part)

    thread = threading.Thread(target=drain)
    writer = os.open(pipe, os.O_WRONLY)
    thread.start()
    write_named(str(pipe), CONTENT, only_new=only_new)
    os.close(writer)
    thread.join()
    os.close(reader)

    assert b"".join(read) == CONTENT
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


def test_a_pipe_that_no_process_reads_is_refused_at_once(tmp_path: Path) -> None:
    """Nothing waits for ever."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(CannotWrite, match="no process reads from it"):
        write_named(str(tmp_path / "pipe"), CONTENT)


def test_a_full_device_is_an_error() -> None:
    """What it got cannot be taken back."""
    with pytest.raises(CannotWrite, match=r"/dev/full cannot be written: No space left on device"):
        write_named("/dev/full", CONTENT)


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    """Also where a link leads to one, as /dev/stdout does."""
    (tmp_path / "link").symlink_to("/dev/null")

    write_named("/dev/null", CONTENT)
    write_named(str(tmp_path / "link"), CONTENT)

    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert (tmp_path / "link").is_symlink()
    assert not is_kept(str(tmp_path / "link"))


@pytest.mark.skipif(os.geteuid() != 0, reason="makes device nodes")
@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK])
def test_a_device_node_is_never_replaced_by_root(tmp_path: Path, kind: int) -> None:
    """A character device is written into, a block device refused: a disk is no file."""
    node = tmp_path / "node"
    try:
        os.mknod(node, kind | 0o600, os.makedev(1, 3) if kind == stat.S_IFCHR else os.makedev(7, 255))
    except PermissionError:
        pytest.skip("no device nodes can be made here")
    try:
        write_named(str(node), CONTENT)
        written = True
    except CannotWrite:
        written = False

    assert not (written and kind == stat.S_IFBLK)  # on a mount with `nodev` the other one is refused, too
    assert stat.S_IFMT(node.lstat().st_mode) == kind
    assert list(tmp_path.iterdir()) == [node]


def test_only_a_new_one(tmp_path: Path) -> None:
    """What is there stays."""
    (tmp_path / "there").write_bytes(b"before")

    with pytest.raises(Exists):
        write_named(str(tmp_path / "there"), CONTENT, only_new=True)
    write_named(str(tmp_path / "new"), CONTENT, only_new=True)

    assert (tmp_path / "there").read_bytes() == b"before"
    assert (tmp_path / "new").read_bytes() == CONTENT
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", ["missing/file", "file/below", "x" * 300, "nul"])
def test_what_cannot_be_there_is_told(tmp_path: Path, name: str) -> None:
    """With the name, and nothing is left."""
    (tmp_path / "file").write_bytes(b"before")
    (tmp_path / "nul").mkdir()

    with pytest.raises(CannotWrite, match=r"cannot be written"):
        write_named(str(tmp_path / name), CONTENT)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "nul"]


def test_of_a_file_that_does_not_fit_nothing_is_left(tmp_path: Path) -> None:
    """The old one is as it was."""
    import resource
    import signal

    (tmp_path / "old").write_bytes(b"before")
    before, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        for name in ("old", "new"):
            with pytest.raises(CannotWrite, match="File too large"):
                write_named(str(tmp_path / name), CONTENT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)

    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_bytes() == b"before"
