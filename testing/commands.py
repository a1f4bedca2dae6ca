"""Runs the command as a person does: in this process, with a controlling terminal or with none; or only parses it."""

import fcntl
import os
import select
import shlex
import shutil
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import click
import pytest

from reconciler.cli.main import cli, run
from reconciler.cli.tree import canonical


def parsed(line: str) -> str:
    """The name of the command that `line` runs.

    Raises:
        click.UsageError: it has no such command, option or value.
    """
    program, *words = shlex.split(line)
    assert program == "reconcile", line
    command: click.Command = cli
    context, name, words = click.Context(cli, info_name=program), program, canonical(words)
    with suppress(click.exceptions.Exit):  # --help shows the help, and is done
        while isinstance(command, click.Group):
            found, next_command, words = command.resolve_command(context, words)
            assert next_command is not None
            assert found
            command, name = next_command, f"{name} {found}"
            context = click.Context(command, parent=context, info_name=found)
        command.make_context(command.name, words, parent=context.parent)
    return name


def every_command(above: click.Context | None = None) -> Iterator[click.Context]:
    """The contexts of all commands that the help shows, each before those below it."""
    context = click.Context(cli, info_name="reconcile") if above is None else above
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            assert command
            yield from every_command(click.Context(command, parent=context, info_name=name))


EXAMPLES = Path(__file__).parents[1] / "examples"


class Ran(NamedTuple):
    """What a command gave: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


class Command:
    """``reconcile`` on a simulated host and manifests in one directory."""

    def __init__(self, directory: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self._capture = capture

    @property
    def simulated_host(self) -> Path:
        """The description of the host."""
        return self.directory / "simulated-host.yaml"

    def __call__(self, *words: str, manifests: Path | None = None) -> Ran:
        """Run ``reconcile`` with `words`, the simulated host and the manifests (the whole directory if left out)."""
        where = ["--simulate", str(self.simulated_host), "-f", str(manifests or self.directory)]
        return self.bare(*words, *where)

    def bare(self, *words: str) -> Ran:
        """Run ``reconcile`` with `words` and nothing else."""
        self._capture.readouterr()
        code = run(words)
        return Ran(code, *self._capture.readouterr())


def change(command: Command, old: str = "adapters: [5, 6]", new: str = "adapters: [6]") -> None:
    """Let the guests' manifests want something else: the first `old` in them becomes `new`."""
    path = command.directory / "guests.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def example(name: str, tmp_path: Path, capture: pytest.CaptureFixture[str]) -> Command:
    """A command on a fresh copy of the example `name`."""
    shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=shutil.ignore_patterns("*.state", "*.state.json"))
    return Command(tmp_path / name, capture)


def example_from_elsewhere(
    name: str, tmp_path: Path, capture: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """As `example`, typed in an empty directory."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return example(name, tmp_path, capture)


PATIENCE: Final = 60.0
RECONCILE: Final = (sys.executable, "-m", "reconciler.cli")
_IN_BACKGROUND: Final = ("bash", "-c", 'set -m; "$@" & wait $!', "bash")


class AtTerminal:
    """A process in a session with a controlling terminal, and the person in front of it."""

    def __init__(self, process: "subprocess.Popen[bytes]", ours: int) -> None:
        self.process = process
        self.shown = ""
        self._ours = ours

    def enters(self, line: str) -> None:
        """Enter a line."""
        self.types(f"{line}\n")

    def types(self, keys: str) -> None:
        """Press `keys`."""
        os.write(self._ours, keys.encode())

    def hangs_up(self) -> None:
        """Close the terminal."""
        os.close(self._ours)
        self._ours = -1

    def sees(self, text: str) -> str:
        """Wait until `text` is on the screen; all that was shown."""
        while text not in self.shown:
            assert select.select([self._ours], [], [], PATIENCE)[0], self.shown
            assert self._read(), self.shown
        return self.shown

    def ended(self) -> int:
        """The exit code, once the process has ended; what it has shown until then is in `shown`."""
        while self._ours >= 0 and select.select([self._ours], [], [], PATIENCE)[0] and self._read():
            pass
        return self.process.wait(PATIENCE)

    def _read(self) -> bool:
        try:
            new = os.read(self._ours, 65536)
        except OSError:  # EIO: the last process that had it open has ended
            return False
        self.shown += new.decode().replace("\r\n", "\n")
        return bool(new)

    def close(self) -> None:
        """End what is left."""
        self.process.kill()
        self.process.wait()
        if self._ours >= 0:
            os.close(self._ours)


@contextmanager
def at_terminal(
    *words: str,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    background: bool = False,
) -> Iterator[AtTerminal]:
    """``reconcile`` with `words` in a session with a terminal, which is also each of its files that is not given."""
    command = [*(_IN_BACKGROUND if background else ()), *RECONCILE, *words]
    with in_session(command, files=(stdin, stdout, stderr)) as person:
        yield person


@contextmanager
def in_session(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    files: Sequence[int | None] = (None, None, None),
) -> Iterator[AtTerminal]:
    """Any program in a session with a terminal, which is also each of its `files` that is None."""
    ours, theirs = os.openpty()

    def controlled() -> None:
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    stdin, stdout, stderr = (theirs if one is None else one for one in files)
    process = subprocess.Popen(
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=environment,
        cwd=folder,
        start_new_session=True,
        pass_fds=[theirs],
        preexec_fn=controlled,  # noqa: PLW1509 - a terminal is taken by the process itself; we have no threads
    )
    fcntl.ioctl(ours, termios.TIOCSWINSZ, b"\x32\x00\xc8\x00\x00\x00\x00\x00")
    os.close(theirs)
    person = AtTerminal(process, ours)
    try:
        yield person
    finally:
        person.close()


def without_terminal(words: Sequence[str], *, shown_on: int | None = None) -> "subprocess.CompletedProcess[str]":
    """``reconcile`` with `words` as cron runs it; with `shown_on` its files are a terminal that does not control it."""
    pipe = subprocess.PIPE
    return subprocess.run(
        [*RECONCILE, *words],
        stdin=subprocess.DEVNULL if shown_on is None else shown_on,
        stdout=pipe if shown_on is None else shown_on,
        stderr=pipe if shown_on is None else shown_on,
        start_new_session=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
