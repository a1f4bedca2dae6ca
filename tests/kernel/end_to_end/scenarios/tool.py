"""The installed ``reconcile``, under strace where its writes matter.

Starting Python and importing the tool takes seconds on the emulated CPU. So most commands run in a fork of this
process, which has imported the tool once; what starts as a person starts it says so.
"""

import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from .strace_log import MadeWrite, command, made_writes

_PROGRAM: Final = "reconcile"
_SECONDS: Final = 300
_OUT: Final = Path("/tmp/tool.out")
_ERR: Final = Path("/tmp/tool.err")
_LOG: Final = Path("/tmp/strace.log")


class Ran(NamedTuple):
    """How a command went.

    Attributes:
        code: its exit code; negative where a signal ended it.
        out: what it printed.
        err: what it told on standard error.
        seconds: how long it took.
        writes: what it wrote to sysfs, refused writes too; empty where nobody looked.
    """

    code: int
    out: str
    err: str
    seconds: float
    writes: list[MadeWrite]

    @property
    def record(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)

    @property
    def taken(self) -> list[tuple[str, str]]:
        """Path and value of each write that the kernel took."""
        return [(one.path, one.value) for one in self.writes if not one.error]


class Tool:
    """Runs the command and keeps what was run in `story`; `whole`: each time the installed program itself."""

    def __init__(self, *, whole: bool) -> None:
        self.story: list[str] = []
        self._whole = whole

    def __call__(self, *arguments: str, manifests: Path | None = None) -> Ran:
        """Run with these arguments, on `manifests` if there are any."""
        pid, go = self._child([_PROGRAM, *arguments, *(["-f", str(manifests)] if manifests else [])])
        return self._ended(pid, go, [*arguments])

    def watched(self, *arguments: str, manifests: Path, meanwhile: Callable[[int], None] = lambda _: None) -> Ran:
        """The same under strace; `meanwhile` is called beside it, with the process id of the tool."""
        pid, go = self._child([_PROGRAM, *arguments, "-f", str(manifests)])
        with subprocess.Popen(command(str(_LOG), pid)) as strace:
            when(lambda: "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
            ran = self._ended(pid, go, [*arguments], meanwhile)
            strace.wait()
        with _LOG.open(encoding="utf-8") as lines:
            writes = made_writes(lines)
        self.story += [f"    {one.path} <- {one.value} {one.error}" for one in writes]
        return ran._replace(writes=writes)

    def _child(self, words: list[str]) -> tuple[int, int]:
        """A process that runs `words` once its gate is closed; its id, and the gate."""
        waits, go = os.pipe()
        pid = os.fork()
        if pid:
            os.close(waits)
            return pid, go
        try:
            os.close(go)
            _redirect()
            os.read(waits, 1)
            signal.alarm(_SECONDS)
            self._become(words)
        finally:
            os._exit(70)

    def _become(self, words: list[str]) -> NoReturn:
        if self._whole:
            os.execvp(words[0], words)
        from reconciler.cli.main import main

        sys.argv = [*words]
        sys.stdout, sys.stderr = open(1, "w", encoding="utf-8"), open(2, "w", encoding="utf-8")  # noqa: SIM115
        main()

    def _ended(self, pid: int, go: int, words: list[str], meanwhile: Callable[[int], None] = lambda _: None) -> Ran:
        started = time.monotonic()
        os.close(go)
        meanwhile(pid)
        _, status = os.waitpid(pid, 0)
        ran = Ran(
            os.waitstatus_to_exitcode(status),
            _OUT.read_text(encoding="utf-8"),
            _ERR.read_text(encoding="utf-8"),
            time.monotonic() - started,
            [],
        )
        self.story.append(f"{_PROGRAM} {' '.join(words)}: exit code {ran.code}, {ran.seconds:.1f} s")
        told = ran.err + ("" if ran.out.startswith("{") else ran.out)
        self.story += [f"    {line}" for line in told.splitlines()] if ran.code else []
        return ran


def preload() -> None:
    """Import the tool, but for the simulated host."""
    import reconciler

    for module in pkgutil.walk_packages(reconciler.__path__, "reconciler."):
        if not module.name.endswith("__main__") and not module.name.startswith("reconciler.simulator"):
            with suppress(ImportError):  # what only an extra brings
                import_module(module.name)


def _redirect() -> None:
    for path, number in ((Path("/dev/null"), 0), (_OUT, 1), (_ERR, 2)):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, number)


def planned(plan: Any) -> list[tuple[str, str]]:
    """Path and value of each write that the JSON of a plan announces, in order."""
    return [(one["path"], one["value"]) for step in plan["steps"] for one in step["writes"]]


def when(condition: Callable[[], object]) -> None:
    """Return as soon as `condition` holds, looking without a pause.

    Raises:
        AssertionError: it does not within `_SECONDS`.
    """
    deadline = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("what was waited for did not happen")


@contextmanager
def halted(pid: int) -> Iterator[None]:
    """Halt the tool while the block goes on."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
