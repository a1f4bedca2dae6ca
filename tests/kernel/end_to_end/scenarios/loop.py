"""The installed loop, in a process of its own: started, waited for by what it logs, asked, and ended by SIGTERM."""

import json
import os
import re
import selectors
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from .check import holds, same
from .scenario import World

_SECONDS: Final = 90.0
"""How long anything may take that is waited for; most takes a second or two."""
_END_SECONDS: Final = 60.0
_RUN: Final = Path("/run/reconciler")
_TRIGGERS: Final = re.compile(r'^reconcile_triggers_total\{source="(\w+)"\} (\S+)$', re.MULTILINE)
_WAITED: Final = re.compile(r"^voluntary_ctxt_switches:\s+(\d+)", re.MULTILINE)
_TURNS: Final = re.compile(r"^reconcile_cycles_total (\S+)$", re.MULTILINE)

Line = dict[str, Any]
"""What the loop has logged: `timestamp`, `level`, `event`, `kind` and others."""


class Cost(NamedTuple):
    """What a loop has cost: seconds of CPU, and how often one of its threads has waited and was woken."""

    seconds: float
    wakes: int


class Loop:
    """A loop that runs."""

    def __init__(self, world: World, site: Path, process: int, lines: int) -> None:
        """`process` logs to the descriptor `lines`."""
        self.process = process
        self._world = world
        self._site = site
        self._descriptor = lines
        self._received = b""
        self._lines: list[Line] = []
        self._read = 0

    def wait(self, kind: str, *words: str) -> Line:
        """The next line of this `kind` with all `words` in its text; those before it are passed over.

        Raises:
            AssertionError: it does not come.
        """
        deadline, passed = time.monotonic() + _SECONDS, []
        while True:
            while self._read < len(self._lines):
                line = self._lines[self._read]
                self._read += 1
                if line.get("kind") == kind and all(word in line["event"] for word in words):
                    return line
                passed.append(line)
            if not self._more(deadline - time.monotonic()):
                told = [f"{line.get('kind')}: {line['event']}" for line in passed]
                raise AssertionError(f"the loop did not tell {kind} {words}, but {told}")

    def nothing_more(self) -> None:
        """Require that there was no line since the last one that was waited for, but for what only informs."""
        self._more(0.0)
        loud = [line["event"] for line in self._lines[self._read :] if line["level"] != "info"]
        same("what the loop told besides", loud, [])

    def turn(self) -> int:
        """Have it look at once, and wait for that; the exit code of ``reconcile trigger --wait``."""
        return self._world.tool("trigger", "--wait", manifests=self._site).code

    def status(self) -> Any:
        """What ``reconcile status --watch`` tells."""
        ran = self._world.tool("status", "--watch", "-o", "json")
        holds(f"status --watch is not refused: {ran.err}", ran.code in {0, 2})
        return ran.record

    def metrics(self) -> str:
        """What Prometheus is answered from its report."""
        from reconciler.watch.metrics import Measured, metrics_text
        from reconciler.watch.published import PublishedReader

        return metrics_text(Measured(PublishedReader(_RUN).read().report), "1.2")[0].decode()

    def triggers(self) -> dict[str, int]:
        """What has woken it, and how often, by source."""
        counts = {source: int(float(count)) for source, count in _TRIGGERS.findall(self.metrics())}
        return {source: count for source, count in counts.items() if count}

    def turns(self) -> int:
        """How often it has looked."""
        return int(float(_TURNS.findall(self.metrics())[0]))

    def silence(self, seconds: float) -> None:
        """Require that it tells nothing for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            holds("the loop is silent", not self._more(left))

    def cost(self) -> Cost:
        """What it has cost until now."""
        fields = Path(f"/proc/{self.process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        threads = [path.read_text(encoding="ascii") for path in Path(f"/proc/{self.process}/task").glob("*/status")]
        return Cost(seconds, sum(int(_WAITED.findall(one)[0]) for one in threads))

    def end(self) -> None:
        """End it, which it does at once and without a fault."""
        os.kill(self.process, signal.SIGTERM)
        began, deadline = time.monotonic(), time.monotonic() + _END_SECONDS
        while self._more(deadline - time.monotonic()):
            pass
        # Its standard error is closed, so it is ending, or it hangs and is killed.
        if time.monotonic() > deadline:
            os.kill(self.process, signal.SIGKILL)
        _, status = os.waitpid(self.process, 0)
        self.process = 0
        same("exit code of the loop", os.waitstatus_to_exitcode(status), 0)
        self._world.tool.story.append(f"the loop ended within {time.monotonic() - began:.1f} s")

    def close(self) -> None:
        """See to it that nothing is left of it."""
        if self.process:
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
        self._more(0.0)
        os.close(self._descriptor)
        keys = ("timestamp", "level", "kind", "event", "details")
        told = [" | ".join(str(line[key]) for key in keys if key in line) for line in self._lines]
        self._world.tool.story += [f"    {line}" for line in told]

    def _more(self, seconds: float) -> bool:
        """Whether it has told something, or a part of it, within `seconds`; not where it has closed its mouth."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._descriptor, selectors.EVENT_READ)
            if not selector.select(max(0.0, seconds)):
                return False
        received = os.read(self._descriptor, 1 << 16)
        *lines, self._received = (self._received + received).split(b"\n")
        self._lines += [_line(line.decode()) for line in lines]
        return bool(received)


def _line(text: str) -> Line:
    try:
        line: Line = json.loads(text)
    except ValueError:
        # A fault of the program, or a warning of Python, has no such form.
        return {"level": "error", "event": text}
    return line


@contextmanager
def loop(world: World, site: Path, *options: str) -> Iterator[Loop]:
    """The loop on `site` with `options`; ended at the end."""
    words = ["reconcile", "watch", *options, "-f", str(site)]
    world.tool.story.append(" ".join(words))
    heard, told = os.pipe()
    process = os.fork()
    if not process:
        try:
            os.close(heard)
            _become(words, told)
        finally:
            os._exit(70)
    os.close(told)
    running = Loop(world, site, process, heard)
    try:
        yield running
        if running.process:
            running.end()
    finally:
        running.close()


def _become(words: list[str], told: int) -> None:
    from reconciler.cli.main import main

    null = os.open("/dev/null", os.O_RDWR)
    for number, descriptor in enumerate((null, null, told)):
        os.dup2(descriptor, number)
    os.closerange(3, 64)
    sys.argv = words
    sys.stdout, sys.stderr = open(1, "w", encoding="utf-8"), open(2, "w", encoding="utf-8", buffering=1)  # noqa: SIM115
    main()
