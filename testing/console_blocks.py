"""The sessions in a document: each command of its ``console`` blocks, run again."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

_BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)


def rerun(document: str, directory: Path, programs: Path, started: Callable[[], object] | None = None) -> str:
    """`document` with what its commands print now.

    Args:
        document: Markdown, with lines ``$ COMMAND`` in blocks fenced as ``console``.
        directory: where the commands run, until there is a ``cd``; those that follow see what they leave there.
        programs: the directory in which ``reconcile`` is found.
        started: returns when what a command has begun in the background (by ``&`` at its end) is there.
    """
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "NO_COLOR": "1"}
    where = directory

    def block(found: re.Match[str]) -> str:
        commands = [line for line in found[1].splitlines() if line.startswith("$ ")]
        return "\n".join(f"{line}\n{printed(line[2:])}" for line in commands)

    def printed(command: str) -> str:
        nonlocal where
        if command.startswith("cd "):
            where /= command.removeprefix("cd ")
            return ""
        if not command.endswith(" &"):
            return _output(command, where, environment)
        # A pipe that it keeps open would be waited for.
        _output(f"({command} ) > /dev/null", where, environment)
        if started:
            started()
        return ""

    return _BLOCK.sub(block, document)


def _output(command: str, directory: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout
