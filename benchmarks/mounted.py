"""A simulated host that another process serves on a directory, for what is measured through real files."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def mounted(described: Path, root: Path) -> Iterator[Path]:
    """The host that the file `described` describes, mounted on `root` while the block goes on."""
    root.mkdir()
    program = Path(sys.executable).with_name("reconcile")
    command: list[str | Path] = [program, "simulate", "--simulate", described, "--mount", root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        server.stdout.readline()
        try:
            yield root
        finally:
            server.send_signal(signal.SIGINT)
