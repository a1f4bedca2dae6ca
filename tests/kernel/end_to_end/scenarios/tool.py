"""The installed ``reconcile``, run as a person runs it, under strace where its writes matter."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from .strace_log import MadeWrite, command, made_writes

_PROGRAM: Final = "reconcile"
_SECONDS: Final = 300
_LOG: Final = "/tmp/strace.log"  # noqa: S108 (the guest has one user and one command)


class Ran(NamedTuple):
    """How a command went.

    Attributes:
        code: its exit code.
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
    """Runs the command and keeps what was run in `story`."""

    def __init__(self) -> None:
        self.story: list[str] = []

    def __call__(self, *arguments: str, manifests: Path) -> Ran:
        """Run with these arguments on `manifests`."""
        return self._run([_PROGRAM, *arguments, "-f", str(manifests)])

    def watched(self, *arguments: str, manifests: Path, meanwhile: "Callable[[int], None] | None" = None) -> Ran:
        """The same under strace; `meanwhile` is called beside it, with the process id of the tool."""
        ran = self._run(command(_LOG, [_PROGRAM, *arguments, "-f", str(manifests)]), meanwhile)
        with open(_LOG, encoding="utf-8") as lines:
            writes = made_writes(lines)
        self.story += [f"    {one.path} <- {one.value} {one.error}" for one in writes]
        return ran._replace(writes=writes)

    def _run(self, words: list[str], meanwhile: "Callable[[int], None] | None" = None) -> Ran:
        started = time.monotonic()
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            if meanwhile:
                meanwhile(process.pid)
            out, err = process.communicate(timeout=_SECONDS)
        seconds = time.monotonic() - started
        shown = " ".join(words[words.index(_PROGRAM) :])
        self.story.append(f"{shown}: exit code {process.returncode}, {seconds:.1f} s")
        self.story += [f"    {line}" for line in err.splitlines()]
        if process.returncode and "json" not in words:
            self.story += [f"    {line}" for line in out.splitlines()]
        return Ran(process.returncode, out, err, seconds, [])


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
def halted(tracer: int) -> Iterator[int]:
    """Halt the tool that the strace of process id `tracer` runs, while the block goes on; gives the tool's id."""
    pid = int(Path(f"/proc/{tracer}/task/{tracer}/children").read_text(encoding="ascii").split()[0])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)
