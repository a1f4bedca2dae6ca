"""``reconcile --apply`` side by side with the shell loop of an administrator and with the bare writes.

On the lab's kernels (tests/kernel/lab), which is the real driver on an emulated CPU: of the times only the ratios mean
anything. What is measured, and how, is in `benchmarks.contenders`, which runs in the guest.
"""

import io
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import contenders
from kernel.end_to_end.installation import install
from kernel.lab.ap_hardware import ApHardware
from kernel.lab.cache import CACHE_VARIABLE, DEFAULT_CACHE, KERNELS, Cache
from kernel.lab.machine import Job, Machine

SIZES: Final = (1, 16, 64)
"""Numbers of guests."""

_SECONDS: Final = 3600
_AIMS: Final = {1: 3.0, 16: 0.5, 64: 0.125}
"""The most that ``reconcile`` may take, as a multiple of the mdevctl loop."""
_MOST_OF_WRITES: Final = 2.0
"""The most that ``reconcile`` may take apart from its start-up, as a multiple of the bare writes."""


def report(kernels: Sequence[str], sizes: Sequence[int], runs: int) -> None:
    """Measure on each of `kernels` that is ready and print what was found."""
    cache = Cache(Path(os.environ.get(CACHE_VARIABLE, DEFAULT_CACHE)).expanduser())
    for kernel in kernels:
        if kernel in cache.ready_kernels():
            _report_kernel(cache, kernel, sizes, runs)
        else:
            print(f"NOT MEASURED: kernel {kernel}; it is not there: ./run lab setup --kernel {kernel}")


def _report_kernel(cache: Cache, kernel: str, sizes: Sequence[int], runs: int) -> None:
    print(f"kernel {kernel} in the lab, medians of {runs} runs in turns; 256 queues present, 2 × 2 for each guest")
    print(
        "guests  reconcile   mdevctl    writes  start-up | to mdevctl   aim | start-up apart, to writes   aim | writes"
    )
    for line in _measured(cache, kernel, sizes, runs):
        print(_line(json.loads(line)), flush=True)


def _line(found: Mapping[str, Any]) -> str:
    guests, seconds, writes = found["guests"], found["seconds"], found["writes"]
    tool, start = seconds["reconcile"], seconds["start-up"]
    return (
        f"{guests:6} {tool:8.2f} s {seconds['mdevctl']:7.2f} s {seconds['writes']:7.2f} s {start:7.2f} s"
        f" | {tool / seconds['mdevctl']:10.2f} {_AIMS.get(guests, 1):5.3g}"
        f" | {(tool - start) / seconds['writes']:25.2f} {_MOST_OF_WRITES:5.3g}"
        f" | {writes['reconcile']}, mdevctl {writes['mdevctl']}, bare {writes['writes']}"
    )


def _measured(cache: Cache, kernel: str, sizes: Sequence[int], runs: int) -> list[str]:
    """The JSON lines of `benchmarks.contenders` in a guest."""
    out = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="side-by-side-") as temporary:
        directory = Path(temporary)
        installation = install(cache, KERNELS[kernel], directory)
        files = installation.files() | {"contenders.py": Path(contenders.__file__)}
        command = f"sh prepare_guest.sh python3 contenders.py /root/bench {runs} {' '.join(map(str, sizes))}"
        job = Job(command, files, results=directory / "results", seconds=_SECONDS)
        machine = Machine(cache, kernel, ApHardware(contenders.hardware()), directory)
        outcome = machine.run(job, out, sys.stderr.buffer)
        installation.keep_compiled(directory / "results")
    if outcome.status:
        sys.exit(f"the guest ended with status {outcome.status}")
    return out.getvalue().decode().splitlines()
