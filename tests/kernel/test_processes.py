"""Programs end, by themselves or not."""

import os
import select
import signal
import sys
import threading
from pathlib import Path

import pytest

from reconciler.kernel.processes import (
    Bounds,
    Completed,
    Done,
    Processes,
    Stopped,
    TooLong,
    TooMuch,
    run_shown,
    run_tool,
    start_detached,
)

PATH = {"PATH": os.environ["PATH"]}


def run(words: list[str], seconds: float = 60, limit: int = 1 << 20, given: bytes = b"") -> tuple[int, bytes, str]:
    """How `words` ended."""
    answer: Completed = Processes().run(
        words, directory=Path("/"), environment=PATH, bounds=Bounds(seconds, limit), given=given
    )
    with answer.output:
        return answer.code, answer.output.read(), answer.said


def ends(pid: int) -> bool:
    """Whether process `pid` has ended, or does so at once: it was killed, and the kernel takes a moment."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 30.0)[0])
    finally:
        os.close(descriptor)


def test_a_program_gets_its_input_and_answers() -> None:
    """Exit code, output and what it says about errors."""
    assert run(["sh", "-c", "cat; echo no >&2; exit 3"], given=b"yes") == (3, b"yes", "no\n")


def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    """Nothing is left of it."""
    with pytest.raises(TooLong):
        run(["sh", "-c", f"sleep 1000 & echo $! >{tmp_path}/pid; wait"], seconds=0.3)
    assert ends(int((tmp_path / "pid").read_text()))


def test_an_answer_that_is_too_long_ends_the_program() -> None:
    """An endless one would fill the disk."""
    with pytest.raises(TooMuch):
        run(["sh", "-c", "sleep 0.1; exec cat /dev/zero"], limit=1 << 16)


def test_what_a_program_leaves_running_is_not_waited_for() -> None:
    """A daemon that keeps passwords has our output open, but is no part of the answer."""
    code, output, _ = run(["sh", "-c", "setsid sleep 5 & echo done"])
    assert (code, output) == (0, b"done\n")


def test_there_is_no_terminal_to_ask_at() -> None:
    """A session of its own has none."""
    assert run(["sh", "-c", "exec </dev/tty"])[0] != 0


def test_stop_ends_what_runs_and_lets_nothing_begin(tmp_path: Path) -> None:
    """From another thread, for good."""
    processes = Processes()
    os.mkfifo(tmp_path / "begun")
    ended: list[type] = []

    def work() -> None:
        try:
            words = ["sh", "-c", "echo >begun; exec sleep 1000"]
            processes.run(words, directory=tmp_path, environment=PATH, bounds=Bounds(1000))
        except Stopped:
            ended.append(Stopped)

    thread = threading.Thread(target=work)
    thread.start()
    (tmp_path / "begun").read_bytes()
    processes.stop()
    thread.join(30)
    assert ended == [Stopped]
    with pytest.raises(Stopped):
        processes.run(["true"], directory=tmp_path, environment=PATH, bounds=Bounds(1))


def test_a_program_that_is_not_there() -> None:
    """Is an error of the system."""
    with pytest.raises(FileNotFoundError):
        run(["/nonexistent/program"])


def test_a_tool_of_the_system_says_how_it_ended() -> None:
    """Its exit code, what it wrote, and what it said about errors."""
    assert run_tool(["sh", "-c", "echo one; echo two >&2; exit 3"], 30.0) == Done(3, "one\n", "two")


def test_what_no_caller_reads_is_not_limited(tmp_path: Path) -> None:
    """A program that adds to a long file of its own is not ended for that, and what it prints is not kept."""
    file = tmp_path / "long"
    words = ["sh", "-c", f"head -c 70000000 /dev/zero > {file}; head -c 70000000 /dev/zero"]

    answer = Processes().run(words, directory=tmp_path, environment=os.environ, bounds=Bounds(60.0, limit=None))

    with answer.output as output:
        assert (answer.code, output.read(), file.stat().st_size) == (0, b"", 70_000_000)


def shown(words: list[str]) -> tuple[int, list[bytes]]:
    """How `words` ended, and the lines that they wrote."""
    lines: list[bytes] = []
    code = run_shown(words, directory=Path("/"), environment=PATH, line=lines.append)
    return code, lines


def test_what_a_long_program_writes_is_shown_line_by_line() -> None:
    """Both its outputs, also a last line that has no end; a very long line comes in parts."""
    assert shown(["sh", "-c", "echo one; echo two >&2; printf three; exit 4"]) == (4, [b"one", b"two", b"three"])
    code, lines = shown(["sh", "-c", "head -c 200000 /dev/zero"])
    assert (code, sum(map(len, lines))) == (0, 200_000)
    assert max(map(len, lines)) < 200_000


def test_a_long_program_that_is_silent_for_a_while_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often we look meanwhile."""
    monkeypatch.setattr("reconciler.kernel.processes._GLANCE", 0.0)

    assert shown([sys.executable, "-c", "print('at last')"]) == (0, [b"at last"])


def test_what_a_long_program_leaves_running_is_not_waited_for() -> None:
    """A connection that stays open for the next command has our pipe as well."""
    assert shown(["sh", "-c", "setsid sleep 20 & echo done"]) == (0, [b"done"])


def test_a_long_program_is_killed_with_its_children_where_we_are_ended(tmp_path: Path) -> None:
    """Nothing is left of it; there is no terminal to ask at, and no input."""

    def interrupted(line: bytes) -> None:
        (tmp_path / "pid").write_bytes(line)
        raise KeyboardInterrupt

    words = ["sh", "-c", "read nothing; sleep 1000 & echo $!; wait"]
    with pytest.raises(KeyboardInterrupt):
        run_shown(words, directory=Path("/"), environment=PATH, line=interrupted)
    assert ends(int((tmp_path / "pid").read_text()))


def test_a_detached_program_has_a_session_of_its_own(tmp_path: Path) -> None:
    """So that neither our end nor that of a connection takes it with it; its errors go to a file."""
    script = f"echo $$ >{tmp_path}/pid; pwd >&2; echo ready; exec sleep 1000"
    with (tmp_path / "log").open("wb") as log:
        assert start_detached(["sh", "-c", script], log.fileno(), b"ready\n", 30.0)
    pid = int((tmp_path / "pid").read_text())
    try:
        assert os.getsid(pid) == pid
        assert (tmp_path / "log").read_text() == "/\n"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.parametrize("does", ["exit 3", "echo no; exec sleep 1000", "exec sleep 1000"])
def test_a_detached_program_that_does_not_begin_is_ended(does: str) -> None:
    """Whether it ends, says something else, or nothing in time."""
    log, its_log = os.pipe()
    try:
        assert not start_detached(["sh", "-c", does], its_log, b"ready\n", 0.1 if does.startswith("exec") else 30.0)
        os.close(its_log)

        assert select.select([log], [], [], 30.0)[0]
        assert os.read(log, 100) == b"", "no process has the other end open any more"
    finally:
        os.close(log)
