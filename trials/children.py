"""Commands in processes of their own, on a simulated host that lives on in this one when they are killed.

Starting Python takes longer than an apply, so each command is a fork of this process, which has imported everything. It
goes through the command line's own `main`, the real `RealSysfs` with its threads, and a real state directory; only the
files of the host are asked for through a socket instead of the kernel (`trials.system_calls`).
"""

import os
import pickle
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final, NamedTuple, NoReturn

from reconciler.cli import apply_command, failures, look_commands
from reconciler.cli.main import main
from reconciler.kernel import locks
from reconciler.kernel.sysfs import WRITE_SECONDS, KernelBusy, Sysfs
from reconciler.manifests import form_problems
from reconciler.model.observed import Process
from reconciler.render import history_text, plan_text, status_text
from reconciler.transaction import apply, lock, rollback, step
from trials.system_calls import Call, Places, watched

PRELOADED: Final = (apply_command, look_commands, look_commands, failures, locks, form_problems, apply, step)
ALSO_PRELOADED: Final = (lock, rollback, history_text, plan_text, status_text)
"""What commands import when they need it: here they find it in memory."""

ROOT: Final = Path("/nowhere/sys")
_MOST_BYTES: Final = 1 << 17
_SLOW_SECONDS: Final = 0.01
_BUSY: Final = "the kernel does not come back"


class Ended(NamedTuple):
    """How a command ended.

    Attributes:
        status: its exit code, or the negated number of the signal that killed it.
        said: what it printed, to stdout and stderr.
        calls: the changing system calls that it was about to make, in order.
    """

    status: int
    said: str
    calls: tuple[Call, ...]


class Blow(NamedTuple):
    """A signal that a command gets ahead of its changing system call number `nth`, from 1."""

    number: signal.Signals
    nth: int

    def __str__(self) -> str:
        return f"{self.number.name} before call {self.nth}"


def reconcile(words: Sequence[str], where: Sysfs | Path, state: Path, blow: Blow | None = None) -> Ended:
    """Run ``reconcile`` with `words` in a process of its own; `blow` is what hits it.

    Args:
        words: of the command line, without those that say where.
        where: a host in this process, which is as the writes have left it whatever becomes of the command; or the root
            of a tree that is really there.
        state: the state directory.
        blow: None: nothing.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, TemporaryFile() as said:
        child = os.fork()
        if not child:
            ours.close()
            _become(words, _Parent(theirs), where, state, blow, said.fileno())
        theirs.close()
        calls = _serve(ours, where)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        return Ended(os.waitstatus_to_exitcode(status), said.read().decode(errors="replace"), tuple(calls))


def _serve(connection: socket.socket, host: Sysfs | Path) -> list[Call]:
    calls: list[Call] = []
    while message := _received(connection):
        name, arguments = pickle.loads(message)
        if name == "call":
            calls.append(arguments)
            continue
        try:
            answer = getattr(host, name)(*arguments)
        except OSError as error:
            answer = error
        except KernelBusy:
            answer = _BUSY
        try:
            connection.send(pickle.dumps(answer))
        except BrokenPipeError:  # killed while it waited
            break
    return calls


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(_MOST_BYTES)
    except ConnectionResetError:
        return b""


def _become(
    words: Sequence[str], parent: "_Parent", where: Sysfs | Path, state: Path, blow: Blow | None, said: int
) -> NoReturn:
    # Nothing may come back from here: the stack below belongs to the parent.
    try:
        for stream in (1, 2):
            os.dup2(said, stream)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
        signal.signal(signal.SIGINT, signal.default_int_handler)
        places = Places(state, where) if isinstance(where, Path) else Places(state, ROOT, parent)
        sys.argv = ["reconcile", *words, "--sysfs", str(places.root), "--state-dir", str(state)]
        with watched(places, _Blows(parent, blow)):
            main()
    except BaseException:  # noqa: BLE001  # a traceback is what the parent looks for
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(99)


class _Parent:
    """The process that began the command, behind a socket: it has the host, for one request at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def tell(self, call: Call) -> None:
        """Let the other end know that `call` is about to be made."""
        with self._lock:
            self._connection.send(pickle.dumps(("call", call)))

    def _ask(self, name: str, *arguments: str | Sequence[str]) -> Any:
        with self._lock:
            self._connection.send(pickle.dumps((name, arguments)))
            answer = pickle.loads(self._connection.recv(_MOST_BYTES))
        if isinstance(answer, OSError):
            raise answer
        if answer == _BUSY:
            raise KernelBusy(f"{name} {arguments[0]}", WRITE_SECONDS)
        return answer

    def read(self, path: str) -> str:
        return str(self._ask("read", path))

    def write(self, path: str, value: str) -> int:
        return int(self._ask("write", path, value))

    def list(self, path: str) -> list[str]:
        return [str(one) for one in self._ask("list", path)]

    def link(self, path: str) -> str:
        return str(self._ask("link", path))

    def opened(self, uuids: Iterable[str]) -> Mapping[str, Process | None]:
        return {str(uuid): None for uuid in self._ask("opened", list(uuids))}

    def sysinfo(self) -> bytes:
        return bytes(self._ask("sysinfo"))

    @property
    def release(self) -> str:
        return os.uname().release


class _Blows:
    """Counts calls, and hits when the number is reached."""

    def __init__(self, parent: _Parent, blow: Blow | None) -> None:
        self._parent = parent
        self._blow = blow
        self._count = 0

    def __call__(self, call: Call) -> None:
        self._count += 1
        self._parent.tell(call)
        if self._blow and self._count == self._blow.nth:
            os.kill(os.getpid(), self._blow.number)
            if call.on_host and threading.current_thread() is not threading.main_thread():
                # A kernel that takes its time: the main thread knows of the signal while the write is under way.
                time.sleep(_SLOW_SECONDS)
