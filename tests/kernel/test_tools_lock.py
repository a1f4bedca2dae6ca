"""The lock that is shared with ap-check and chzdev."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.kernel.locks import AtWork, ToolsBusy, patience, tools_holder, tools_locked
from testing.clocks import FakeClock

FOREIGN = """
import os, sys, time
from pathlib import Path
lock, log, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
own = lock.with_name(f"{lock.name}{os.getpid():05d}00")
for _ in range(count):
    while True:
        own.write_text(f"{os.getpid()}\\n")
        try:
            os.link(own, lock)
            break
        except FileExistsError:
            continue
        finally:
            own.unlink()
    with open(log, "a") as file:
        file.write("in\\n"); file.flush(); file.write("out\\n")
    if int(lock.read_text()) == os.getpid():
        lock.unlink()
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """Where the lock would be."""
    return tmp_path / "s390apconfig.lock"


@pytest.fixture
def gone() -> int:
    """The PID of a process that is no more."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.fixture
def other() -> Iterator[int]:
    """The PID of another process, which lives."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.communicate(b"\n")


def test_it_holds_our_pid_and_nothing_else_is_left(lock: Path) -> None:
    """While it is held the file says by whom; afterwards the directory is as it was."""
    with tools_locked(lock, patience(FakeClock(), 60, _ignore)):
        assert lock.read_text() == f"{os.getpid()}\n"
        assert list(lock.parent.iterdir()) == [lock]

    assert list(lock.parent.iterdir()) == []


def test_who_lives_is_waited_for_and_named(lock: Path, other: int) -> None:
    """A live holder is waited for and told with its command and for how long it has had the lock."""
    lock.write_text(f"{other}\n")
    os.utime(lock, (time.time() - 600, time.time() - 600))
    told: list[AtWork] = []

    with pytest.raises(ToolsBusy) as caught, tools_locked(lock, patience(FakeClock(), 2, told.append)):
        pass

    assert [one.process for one in told] == [other]
    assert (
        f"is held by process {other}, {sys.executable} -c input(), at work for 10 min; gave up waiting after 2 s"
        in str(caught.value)
    )
    assert lock.read_text() == f"{other}\n"


def test_without_patience_a_held_lock_is_refused_at_once(lock: Path, other: int) -> None:
    """And a free or a stale one is taken."""
    clock = FakeClock()
    lock.write_text(f"{other}\n")
    with pytest.raises(ToolsBusy), tools_locked(lock, patience(clock, 0, _ignore)):
        pass
    assert clock.now == 0
    lock.unlink()

    with tools_locked(lock, patience(clock, 0, _ignore)):
        assert lock.read_text() == f"{os.getpid()}\n"


def test_the_lock_is_taken_as_soon_as_its_holder_gives_it_back(lock: Path, other: int) -> None:
    """In the middle of the wait."""
    lock.write_text(f"{other}\n")

    class GivenBack(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if self.now > 5:
                lock.unlink(missing_ok=True)

    clock = GivenBack()
    with tools_locked(lock, patience(clock, 60, _ignore)):
        assert lock.read_text() == f"{os.getpid()}\n"
    assert 5 < clock.now < 6


@pytest.mark.parametrize("odd", ["fifo", "link", "directory", "number"])
def test_what_is_no_lock_keeps_nobody_for_ever(lock: Path, odd: str) -> None:
    """Everybody may put things into /run/lock; it counts as held by somebody unknown."""
    if odd == "fifo":
        os.mkfifo(lock)
    elif odd == "link":
        lock.symlink_to("/dev/zero")
    elif odd == "directory":
        lock.mkdir()
    else:
        lock.write_text("9" * 40)

    held = pytest.raises(ToolsBusy, match=r"is held by (an unknown process|process 9+, at)")
    with held, tools_locked(lock, patience(FakeClock(), 1, _ignore)):
        pass


def test_a_name_that_was_left_behind_is_no_obstacle_for_long(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of our number was killed while it took the lock; the next second has another name."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: 0x100)
    left = lock.with_name(f"{lock.name}{os.getpid():05d}00")
    left.touch()

    class NextSecond(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            monkeypatch.setattr(time, "time", real)

    with tools_locked(lock, patience(NextSecond(), 60, _ignore)):
        assert lock.read_text() == f"{os.getpid()}\n"
    assert list(lock.parent.iterdir()) == [left]


def test_a_holder_that_ends_while_it_is_asked_about_is_nobody(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock is gone before its age can be read."""
    lock.write_text("")
    told: list[AtWork] = []

    class Vanishing(FakeClock):
        def monotonic(self) -> float:
            if self.now > 1.5:
                lock.unlink(missing_ok=True)
            return super().monotonic()

    with tools_locked(lock, patience(Vanishing(), 60, told.append)):
        pass
    assert [str(one) for one in told] == ["an unknown process"]


def test_a_lock_of_a_process_that_is_no_more_is_taken(lock: Path, gone: int) -> None:
    """Stale locks do not block."""
    lock.write_text(f"{gone}\n")

    with tools_locked(lock, patience(FakeClock(), 60, _ignore)):
        assert lock.read_text() == f"{os.getpid()}\n"


def test_an_empty_lock_is_being_written_unless_it_is_old(lock: Path) -> None:
    """Without a PID it counts as held for two minutes."""
    lock.write_text("")
    with pytest.raises(ToolsBusy), tools_locked(lock, patience(FakeClock(), 1, _ignore)):
        pass
    os.utime(lock, (1, 1))

    with tools_locked(lock, patience(FakeClock(), 60, _ignore)):
        assert lock.read_text() == f"{os.getpid()}\n"


def test_who_has_lost_the_lock_does_not_remove_another_s(lock: Path, other: int) -> None:
    """On release only our own lock is removed."""
    with tools_locked(lock, patience(FakeClock(), 60, _ignore)):
        lock.write_text(f"{other}\n")

    assert lock.read_text() == f"{other}\n"


def test_a_process_of_somebody_else_lives(lock: Path, other: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not signal it knows nevertheless that it is there."""
    lock.write_text(f"{other}\n")

    def forbidden(process: int, signal: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "kill", forbidden)

    with pytest.raises(ToolsBusy), tools_locked(lock, patience(FakeClock(), 1, _ignore)):
        pass


def test_a_lock_that_vanishes_while_it_is_looked_at_is_free(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its holder has just ended."""
    lock.write_text("")
    real = time.time

    def vanishing() -> float:
        lock.unlink(missing_ok=True)
        return real()

    looks = iter([real, vanishing])

    def now() -> float:
        return next(looks, real)()

    monkeypatch.setattr(time, "time", now)

    with tools_locked(lock, patience(FakeClock(), 60, _ignore)):
        assert lock.read_text() == f"{os.getpid()}\n"


def test_a_lock_that_vanishes_before_it_is_looked_at_is_free(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody had it when we wanted it, and has given it back since."""
    real = os.link
    refused: list[Path] = []

    def link(source: Path, target: Path) -> None:
        if not refused:
            refused.append(target)
            raise FileExistsError(errno.EEXIST, "File exists")
        real(source, target)

    monkeypatch.setattr(os, "link", link)

    with tools_locked(lock, patience(FakeClock(), 60, _ignore)):
        assert lock.read_text() == f"{os.getpid()}\n"
    assert refused == [lock]


def test_who_has_the_lock_can_be_asked_and_nothing_changes(lock: Path, other: int, gone: int) -> None:
    """A lock of a process that is no more stays, too, for whoever takes it; one being written counts as held."""
    assert tools_holder(lock) == (None, False)

    for process, lives in ((other, True), (gone, False)):
        lock.write_text(f"{process}\n")
        holder, found = tools_holder(lock)
        assert holder is not None
        assert (holder.process, found, lock.read_text()) == (process, lives, f"{process}\n")

    lock.write_text("")
    holder, found = tools_holder(lock)
    assert (holder and holder.process, found) == (0, True)


def test_two_processes_are_never_in_at_the_same_time(lock: Path, tmp_path: Path) -> None:
    """A second process with the same protocol and we take turns."""
    log = tmp_path / "log"
    with subprocess.Popen([sys.executable, "-c", FOREIGN, str(lock), str(log), "300"]) as process:
        for _ in range(300):
            with tools_locked(lock, patience(_Hurried(), 1, _ignore)), log.open("a") as file:
                file.write("in\n")
                file.flush()
                file.write("out\n")
        process.wait()

    assert log.read_text().split() == ["in", "out"] * 600


class _Hurried(FakeClock):
    """Never sleeps and never ends."""

    def sleep(self, seconds: float) -> None:
        """Let others run."""
        os.sched_yield()


def _ignore(_holder: AtWork) -> None:
    """Nobody listens."""
