"""One boot of the lab that runs scenarios, and what they said."""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from kernel.end_to_end.hardware import EXAMPLES, examples_hardware, write_hardware
from kernel.end_to_end.installation import install
from kernel.lab.ap_hardware import ApHardware
from kernel.lab.cache import KERNELS, Cache
from kernel.lab.machine import Job, Machine
from kernel.lab.recording import RECORDER

SMALL: Final = {"max_adapter": 255, "max_domain": 255}
"""The machine of all scenarios but the large one, with the widest limits, since they cannot change while it runs; each
scenario sets its own cards and domains."""

_SCENARIOS: Final = Path(__file__).parent / "scenarios"
_SECONDS: Final = 1800


class Result(NamedTuple):
    """What became of one scenario.

    Attributes:
        failure: what was not as it should be; empty where all was.
        seconds: how long it took.
        story: the commands that were run, with what they wrote and told.
    """

    failure: str
    seconds: float
    story: Sequence[str]


def boot(
    cache: Cache,
    kernel: str,
    names: Sequence[str],
    directory: Path,
    *,
    large: bool = False,
    out: BinaryIO | None = None,
) -> dict[str, Result]:
    """Boot `kernel` once and run the scenarios `names` in it.

    Args:
        cache: the lab's.
        kernel: one of its kernels, which is ready.
        names: which, in this order.
        directory: for logs and everything else; exists.
        large: on the machine of examples/large-host instead of a small one.
        out: where the guest's progress is told.

    Raises:
        GuestFailed: the guest did not get to the end.
        CannotInstall: what it needs is not to be had.
    """
    installation = install(cache, KERNELS[kernel], directory)
    write_hardware(directory / "hardware", examples_hardware())
    shutil.copytree(EXAMPLES, directory / "examples", ignore=shutil.ignore_patterns("*.state", "*.state.json"))
    files = installation.files() | {name: directory / name for name in ("hardware", "examples")}
    files |= {"kernel/end_to_end/scenarios": _SCENARIOS, "kernel/lab/recorder": RECORDER}
    results = directory / "results"
    command = f"sh prepare_guest.sh python3 -m kernel.end_to_end.scenarios {kernel} {' '.join(names)}"
    hardware = examples_hardware()["large-host"] if large else SMALL
    job = Job(command, files, results=results, seconds=_SECONDS)
    stream = out or sys.stderr.buffer
    Machine(cache, kernel, ApHardware(hardware), directory).run(job, stream, sys.stderr.buffer)
    installation.keep_compiled(results)
    return {path.stem: Result(**json.loads(path.read_text(encoding="utf-8"))) for path in results.glob("*.json")}
