"""Whole processes, measured: time from start to end and peak memory."""

import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Run(NamedTuple):
    """What one process took.

    Attributes:
        seconds: from start to end, by the clock on the wall.
        peak_mib: the most memory it had resident, MiB. Linux never reports less than the starting process had at that
            moment, so whoever measures stays small.
    """

    seconds: float
    peak_mib: float


class ProcessFailed(Exception):
    """A process that was to be measured ended with a status other than 0."""


def run(command: Sequence[str | Path]) -> Run:
    """Run `command`, its output thrown away.

    Raises:
        ProcessFailed: it ended with a status other than 0.
    """
    started = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise ProcessFailed(f"status {process.returncode}: {' '.join(map(str, command))}")
    return Run(seconds, usage.ru_maxrss / 1024)


def alternate(commands: Sequence[Sequence[str | Path]], runs: int) -> list[Run]:
    """The median of `runs` runs of each command, in turns, so that a change of the machine's speed meets all alike.

    Every command runs once before, unmeasured, to warm the file cache.
    """
    for command in commands:
        run(command)
    rounds = [[run(command) for command in commands] for _ in range(runs)]
    return [_median(column) for column in zip(*rounds, strict=True)]


def _median(runs: Sequence[Run]) -> Run:
    return Run(statistics.median(one.seconds for one in runs), statistics.median(one.peak_mib for one in runs))
