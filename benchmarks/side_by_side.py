"""``reconcile apply`` side by side with the shell loop of an administrator and with the bare writes.

On the mounted simulated host, and on the lab's kernels (lab), which is the real driver on an emulated CPU:
of the times only the ratios mean anything. What is measured, and how, is in `benchmarks.contenders`, which runs there.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from benchmarks import contenders
from benchmarks.mounted import mounted
from kernel.end_to_end.installation import install
from lab.ap_hardware import ApHardware
from lab.cache import CACHE_VARIABLE, DEFAULT_CACHE, KERNELS, Cache
from lab.machine import Job, Machine

SIZES: Final = (1, 16, 64)
"""Numbers of guests."""

_SECONDS: Final = 3600
_MACHINE: Final = "4 cards by 4 domains present, 2 × 2 for each guest"


_MOUNTED: Final = """\
mount --bind "$1" /sys && mount --bind "$2" /etc/mdevctl.d && shift 2 && exec "$@"
"""
"""In a mount namespace of its own: puts the mounted host and empty definitions where all programs look for them."""


def report_mounted(sizes: Sequence[int], runs: int) -> None:
    """Measure on a mounted simulated host and print what was found."""
    missing = [name for name in ("mdevctl", "fusermount3", "unshare") if not shutil.which(name)]
    if missing or os.getuid():
        print(f"NOT MEASURED: the mounted host; {' and '.join(missing) or 'root'} is needed")
        return
    print(f"the simulated host of kernel 6.12, mounted: medians of {runs} runs in turns; {_MACHINE}")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory(prefix="side-by-side-") as temporary, _host(Path(temporary)) as root:
        definitions = Path(temporary) / "mdevctl.d"
        for name in ("callouts", "notifiers"):
            (definitions / "scripts.d" / name).mkdir(parents=True)
        program = [sys.executable, contenders.__file__, f"{temporary}/bench", str(runs), *map(str, sizes)]
        namespace = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _MOUNTED, "sh"]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        subprocess.run([*namespace, root, definitions, *program], check=True, env={**os.environ, "PATH": path})


def _host(directory: Path) -> AbstractContextManager[Path]:
    """A simulated host of the same hardware as the lab's, mounted while the block goes on."""
    described = directory / "host.yaml"
    described.write_text(contenders.simulated_host(), encoding="utf-8")
    return mounted(described, directory / "sys")


def report(kernels: Sequence[str], sizes: Sequence[int], runs: int) -> None:
    """Measure on each of `kernels` that is ready and print what was found."""
    cache = Cache(Path(os.environ.get(CACHE_VARIABLE, DEFAULT_CACHE)).expanduser())
    for kernel in kernels:
        if kernel in cache.ready_kernels():
            _report_kernel(cache, kernel, sizes, runs)
        else:
            print(f"NOT MEASURED: kernel {kernel}; it is not there: ./run lab setup --kernel {kernel}")


def _report_kernel(cache: Cache, kernel: str, sizes: Sequence[int], runs: int) -> None:
    print(f"kernel {kernel} in the lab, medians of {runs} runs in turns; {_MACHINE}")
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
        machine = Machine(cache, kernel, ApHardware(), directory)
        outcome = machine.run(job, sys.stdout.buffer, sys.stderr.buffer)
        installation.keep_compiled(directory / "results")
    if outcome.status:
        sys.exit(f"the guest ended with status {outcome.status}")
