"""A loop that watches in a process of its own, what it watches, and what it logs, which is waited for, never time."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Final

import reconciler
from reconciler.cli.main import run
from reconciler.watch.requests import TriggerRequest, ask
from testing.commands import Ran
from testing.git_repositories import ENVIRONMENT, Repository
from testing.mounted_hosts import MountedHost

PATIENCE: Final = 60.0
"""Seconds to wait for what should come soon."""

Line = dict[str, Any]


class Loop:
    """``reconcile watch`` in `process`, on the machine that the options `where` name, with its `state` directory."""

    def __init__(self, process: subprocess.Popen[str], where: tuple[str, ...], state: Path) -> None:
        self.process = process
        self.where = where
        self.state = state
        self.lines: list[Line] = []
        self._seen = 0
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="log", daemon=True)
        self._reader.start()

    def until(self, kind: str) -> Line:
        """The next line of `kind` after those that were waited for, however long it takes to come."""
        with self._news:
            assert self._news.wait_for(lambda: self._ended or self._next(kind) is not None, PATIENCE), self._so_far(
                kind
            )
            found = self._next(kind)
            assert found is not None, self._so_far(kind)
            self._seen = found + 1
            return self.lines[found]

    def until_logged(self, words: str) -> None:
        """Wait for a line whose event contains `words`, whether it has come already or not."""
        with self._news:
            found = self._news.wait_for(
                lambda: self._ended or any(words in str(line.get("event")) for line in self.lines), PATIENCE
            )
            assert found, self._so_far(words)
            assert any(words in str(line.get("event")) for line in self.lines), self._so_far(words)

    def turn(self, *, allow_older: bool = False) -> Line:
        """The loop's answer after a turn that sees everything which has happened before this call."""
        answer = ask(self.state, TriggerRequest(allow_older, wait=True), PATIENCE)
        assert answer is not None, self._so_far("answer")
        return answer

    def run(self, *words: str) -> Ran:
        """``reconcile`` with `words` on the loop's machine, in this process, which is quicker than another one."""
        with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
            code = run([*words, *self.where])
        return Ran(code, out.getvalue(), err.getvalue())

    def end(self) -> int:
        """Have it end by SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def _read(self) -> None:
        assert self.process.stderr
        for text in self.process.stderr:
            with self._news:
                self.lines.append(json.loads(text) if text.startswith("{") else {"event": text.rstrip("\n")})
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _next(self, kind: str) -> int | None:
        later = range(self._seen, len(self.lines))
        return next((number for number in later if self.lines[number].get("kind") == kind), None)

    def _so_far(self, kind: str) -> str:
        told = "\n".join(map(str, self.lines))
        return f"no {kind!r} after line {self._seen} of\n{told}"


@contextmanager
def watching(state: Path, where: tuple[str, ...], *words: str, command: Sequence[str] = ()) -> Iterator[Loop]:
    """A loop with the options `words`, from its first turn on; it is ended with the block.

    `command` is what to run instead of ``reconcile watch``.
    """
    program = [*(command or [sys.executable, "-m", "reconciler.cli", "watch"]), *words, "--log-format", "json"]
    process = subprocess.Popen([*program, *where], env=environment(), stderr=subprocess.PIPE, text=True)
    with process:
        try:
            loop = Loop(process, where, state)
            loop.until("started")
            yield loop
            assert loop.process.poll() is not None or not loop.end(), loop.lines
        finally:
            process.kill()


def environment() -> Mapping[str, str]:
    """The environment of processes that run what is tested here, with nobody's git settings."""
    assert reconciler.__file__
    search = [str(Path(reconciler.__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(search), "NO_COLOR": "1"}


SIMULATED: Final = """apiVersion: reconciler/v1
kind: SimulatedHost
metadata: {name: lpar7}
spec:
  kernel: "6.12"
  adapters: [{id: 4, type: CEX8, mode: cca}, {id: 5, type: CEX8, mode: ep11}]
  usageDomains: [4, 5]
  maxDomain: 255
"""
HOST: Final = """apiVersion: reconciler/v1
kind: Host
metadata: {name: lpar7}
spec: {pool: {adapters: [5, 7, 9]}}
"""
GUEST: Final = """apiVersion: reconciler/v1
kind: Guest
metadata: {{name: {name}}}
spec: {{adapters: [{adapters}], domains: [{domains}]}}
"""
BROKEN: Final = "apiVersion: reconciler/v1\nkind: Guest\n  metadata: {\n"
LEISURELY: Final = ("--git-interval", "1h", "--resync", "1h")
"""Nothing happens by the way: each turn is one that a test has asked for, or that a change has led to."""


def guest(adapters: str = "5, 9", domains: str = "4", name: str = "payments") -> str:
    """The manifest of a guest."""
    return GUEST.format(name=name, adapters=adapters, domains=domains)


def following(repository: Repository, file: Path, *words: str) -> AbstractContextManager[Loop]:
    """A loop that applies what `repository` says to the simulated host of `file`."""
    state = file.with_name(f"{file.name}.state")
    source = ("--apply", "--git", repository.url, "--branch", "main", *LEISURELY)
    return watching(state, ("--simulate", str(file)), *source, *words)


def enforcing(repository: Repository, host: MountedHost, *words: str) -> AbstractContextManager[Loop]:
    """A loop that applies what `repository` says to the mounted `host`."""
    state = host.root.with_name("state")
    source = ("--apply", "--git", repository.url, "--branch", "main", *LEISURELY)
    return watching(state, ("--sysfs", str(host.root), "--state-dir", str(state)), *source, *words)
