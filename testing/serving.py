"""``reconcile serve`` in a process of its own."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testing.loop_processes import environment


@contextmanager
def serving(run_directory: Path, address: str = "127.0.0.1:0") -> Iterator[str]:
    """A server that answers from `run_directory`; where its page is, such as ``http://127.0.0.1:9750/``."""
    command = [sys.executable, "-m", "reconciler.cli", "serve", "--listen", address, "--run-dir", str(run_directory)]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            line = next((one for one in process.stderr if "answering at" in one), "")
            found = re.search(r"http://[\w.]+:\d+", line)
            assert found, line
            yield f"{found[0]}/"
        finally:
            process.terminate()
