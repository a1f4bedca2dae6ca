"""``reconcile --apply`` side by side with the shell loop of an administrator and with the bare writes.

On the lab's kernels (tests/kernel/lab), which is the real driver on an emulated CPU: of the times only the ratios mean
anything. What is measured, and how, is in `benchmarks.contenders`, which runs in the guest.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import contenders
from kernel.end_to_end.installation import install
from kernel.lab.ap_hardware import ApHardware
from kernel.lab.cache import CACHE_VARIABLE, DEFAULT_CACHE, KERNELS, Cache
from kernel.lab.machine import Job, Machine

SIZES: Final = (1, 16, 64)
"""Numbers of guests."""

_SECONDS: Final = 3600


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
    sys.stdout.flush()
    _measure(cache, kernel, sizes, runs)


def _measure(cache: Cache, kernel: str, sizes: Sequence[int], runs: int) -> None:
    """Run `benchmarks.contenders` in a guest; it prints what it finds as it goes."""
    with tempfile.TemporaryDirectory(prefix="side-by-side-") as temporary:
        directory = Path(temporary)
        installation = install(cache, KERNELS[kernel], directory)
        files = installation.files() | {"contenders.py": Path(contenders.__file__)}
        command = f"sh prepare_guest.sh python3 contenders.py /root/bench {runs} {' '.join(map(str, sizes))}"
        job = Job(command, files, results=directory / "results", seconds=_SECONDS)
        machine = Machine(cache, kernel, ApHardware(contenders.hardware()), directory)
        outcome = machine.run(job, sys.stdout.buffer, sys.stderr.buffer)
        installation.keep_compiled(directory / "results")
    if outcome.status:
        sys.exit(f"the guest ended with status {outcome.status}")
