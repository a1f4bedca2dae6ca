"""A simulated host that another process has mounted, for tests; what stays of it is gone when the block ends."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import reconciler
from reconciler.kernel.sysfs import PAGE, RealSysfs
from reconciler.simulator.mount_server import ask
from reconciler.simulator.state_file import state_directory
from testing.recordings import name_of
from testing.simulated_hosts import LAB

PATIENCE: Final = 30.0
"""Seconds to wait for what should come at once."""


def why_not_mounted(folder: Path) -> str | None:
    """Why this machine cannot mount the host of the lab on a directory in `folder`; None where it can."""
    try:
        with mounted_host(folder, LAB):
            return None
    except NotMountedError as error:
        return str(error)


class NotMountedError(Exception):
    """This machine lacks what mounting needs; the text says what."""


class MountedHost:
    """A host mounted on `root` by the process `server`, and the description that it was started from."""

    def __init__(self, file: Path, root: Path, server: subprocess.Popen[str]) -> None:
        self.file = file
        self.root = root
        self.server = server
        self.sysfs = RealSysfs(root)
        self._removals: dict[str, tuple[threading.Thread, list[int | OSError]]] = {}

    def ask(self, *words: str) -> dict[str, Any]:
        """The answer to a request at the control socket."""
        answer = ask(state_directory(self.file), words)
        assert answer is not None
        return answer

    def store(self, path: str, value: bytes | str) -> int:
        """One write(2) to an existing file, as it is."""
        descriptor = os.open(self.root / path, os.O_WRONLY)
        try:
            return os.write(descriptor, value.encode() if isinstance(value, str) else value)
        finally:
            os.close(descriptor)

    def write(self, path: str, value: str) -> tuple[str, int | None]:
        """See `transcript_replay.Stage`."""
        try:
            descriptor = os.open(self.root / path, os.O_WRONLY)
        except OSError as error:
            return f"open:{name_of(error)}", None
        try:
            return "ok", os.write(descriptor, value.encode())
        except OSError as error:
            return name_of(error), None
        finally:
            os.close(descriptor)

    def described(self, path: str) -> str:
        """See `transcript_replay.Stage`."""
        place = self.root / path
        return f"-> {place.readlink()}" if place.is_symlink() else oct(place.lstat().st_mode)

    def request(self, words: Sequence[str]) -> None:
        """See `transcript_replay.Stage`."""
        answer = self.ask(*words)
        assert answer["ok"], answer

    def begin_removal(self, uuid: str) -> None:
        """See `transcript_replay.Stage`."""
        device = f"devices/vfio_ap/matrix/{uuid}"
        outcome: list[int | OSError] = []

        def remove() -> None:
            try:
                outcome.append(self.store(f"{device}/remove", "1"))
            except OSError as error:
                outcome.append(error)

        thread = threading.Thread(target=remove, daemon=True)
        self._removals[uuid] = thread, outcome
        thread.start()
        # The attributes go at once: then the write has arrived.
        until(lambda: not (self.root / device / "remove").exists())
        thread.join(0.05)
        assert thread.is_alive(), outcome

    def end_removal(self, uuid: str) -> None:
        """See `transcript_replay.Stage`."""
        thread, outcome = self._removals.pop(uuid)
        thread.join(PATIENCE)
        assert [1] == outcome

    def end(self) -> int:
        """Let the server end as Ctrl-C does, and return its status."""
        self.server.terminate()
        return self.server.wait(PATIENCE)


@contextmanager
def mounted_host(folder: Path, description: str) -> Iterator[MountedHost]:
    """The host that `description` describes, mounted on ``folder/sys`` from the file ``folder/host.yaml``."""
    file, root = folder / "host.yaml", folder / "sys"
    file.write_text(description)
    if not is_mounted(root):
        root.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "reconciler.cli", "simulate", "--simulate", str(file), "--mount", str(root)]
    assert reconciler.__file__
    search = [str(Path(reconciler.__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(search)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        assert server.stderr
        try:
            line = server.stdout.readline()
            if not line:
                raise _not_mounted(server.stderr.read())
            yield MountedHost(file, root, server)
        finally:
            server.terminate()
            try:
                server.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                server.kill()
                raise
            finally:
                remove_mount(root)


def _not_mounted(said: str) -> Exception:
    return NotMountedError(" ".join(said.split())) if "cannot mount" in said else AssertionError(said)


def remove_mount(root: Path) -> None:
    """Unmount what a killed server has left at `root`."""
    if is_mounted(root):
        subprocess.run(["fusermount3", "-u", "-z", str(root)], check=False)


def is_mounted(root: Path) -> bool:
    """Whether a file system is mounted on `root`, alive or dead."""
    return any(line.split()[1] == str(root) for line in Path("/proc/self/mounts").read_text().splitlines())


def until(condition: Callable[[], bool]) -> None:
    """Return when `condition` holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "what should come at once has not come"
        os.sched_yield()


def text_of(path: Path) -> str:
    """What one read(2) of a page gives."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, PAGE).decode()
    finally:
        os.close(descriptor)
