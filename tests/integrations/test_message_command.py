"""Messages to a program."""

import os
import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from reconciler.integrations.notifications import MessageCommand, NotSent

# Starts a child that would outlive it, tells its number, and waits for ever.
STAYS = "sleep 3600 & echo $! > $0.new; mv $0.new $0; wait"


def stays(path: Path, seconds: float = 30.0) -> MessageCommand:
    """A program that does not end by itself, with a child whose number is in the file at `path`."""
    return MessageCommand(["/bin/sh", "-c", STAYS, str(path)], seconds)


def python(text: str, *words: object) -> MessageCommand:
    """A program of ours."""
    return MessageCommand([sys.executable, "-c", text, *map(str, words)])


def is_gone(process: int) -> bool:
    """Whether it has ended; whoever adopted it may not have noticed yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except FileNotFoundError:
        return True


def until_gone(process: int) -> bool:
    """Whether it ends soon."""
    return any(is_gone(process) or Event().wait(0.01) for _ in range(1000))


def test_the_message_is_its_input(tmp_path: Path) -> None:
    """Word by word, without a shell."""
    text = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"
    path = tmp_path / "$(told);"

    python(text, path).send(b'{"text": "x"}')

    assert path.read_bytes() == b'{"text": "x"}'


def test_one_that_does_not_read_is_no_error() -> None:
    """Nor one that prints a lot."""
    MessageCommand(["true"]).send(b"x" * 1_000_000)
    python("print('x' * 1_000_000)").send(b"{}")


def test_a_failure_is_told() -> None:
    """With its exit code; it may pass."""
    with pytest.raises(NotSent, match=r"^ended with exit code 3$") as told:
        python("raise SystemExit(3)").send(b"{}")
    assert told.value.again

    with pytest.raises(NotSent, match=r"^cannot be run: No such file or directory$") as missing:
        MessageCommand(["/missing/program"]).send(b"{}")
    assert not missing.value.again


def test_one_that_stays_is_killed_with_its_children(tmp_path: Path) -> None:
    """After its bound."""
    path = tmp_path / "child"

    with pytest.raises(NotSent, match=r"^was killed, since it took more than 1 seconds$"):
        stays(path, seconds=1).send(b"{}")

    assert until_gone(int(path.read_text()))


def test_the_end_of_the_loop_kills_what_runs(tmp_path: Path) -> None:
    """And nothing is started after it."""
    path = tmp_path / "child"
    command = stays(path)
    failed: list[str] = []

    def send() -> None:
        with pytest.raises(NotSent) as told:
            command.send(b"{}")
        failed.append(str(told.value))

    thread = Thread(target=send)
    thread.start()
    assert any(path.exists() or Event().wait(0.01) for _ in range(1000))
    command.close()
    thread.join(10)

    assert failed == ["the loop has ended"]
    assert until_gone(int(path.read_text()))
    with pytest.raises(NotSent, match="the loop has ended"):
        command.send(b"{}")


def test_no_descriptor_is_left() -> None:
    """Of those that fail, either."""
    before = len(os.listdir("/proc/self/fd"))
    for words in (["true"], ["false"], ["/missing/program"]):
        for _ in range(5):
            try:
                MessageCommand(words).send(b"{}")
            except NotSent:
                continue

    assert len(os.listdir("/proc/self/fd")) == before


def test_its_name_tells_no_argument() -> None:
    """They may be secret."""
    assert MessageCommand(["/usr/bin/curl", "https://secret"]).name == "command curl"
    with pytest.raises(ValueError):
        MessageCommand([])
