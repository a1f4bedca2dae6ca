"""One boot of the lab that runs scenarios, and what they said."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from kernel.end_to_end.hardware import EXAMPLES, examples_hardware, write_hardware
from kernel.end_to_end.installation import install
from kernel.end_to_end.scenarios.catalogue import SCENARIOS
from lab.ap_hardware import ApHardware
from lab.cache import KERNELS, Cache
from lab.machine import Job, Machine
from lab.recording import RECORDER

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
    hardware = examples_hardware()["large-host"] if large else SMALL
    return _first_boot(cache, kernel, names, directory, hardware, None, out or sys.stderr.buffer)


def boot_twice(cache: Cache, kernel: str, name: str, directory: Path, *, out: BinaryIO | None = None) -> Result:
    """Run the scenario `name` in one boot, and what comes after a reboot in a second one, with the files of the first.

    The second one is systemd's and udev's, and has the hardware of examples/three-guests from the beginning.

    Args:
        cache: the lab's.
        kernel: one of its kernels, which is ready.
        name: which; it has something to do after a reboot.
        directory: for logs and everything else; exists.
        out: where the guest's progress is told.

    Raises:
        GuestFailed: the guest did not get to the end.
        CannotInstall: what it needs is not to be had.
    """
    stream, disk, hardware = out or sys.stderr.buffer, directory / "disk", examples_hardware()["three-guests"]
    before = _first_boot(cache, kernel, [name], directory, hardware, disk, stream)[name]
    if before.failure:
        return before
    second = directory / "second"
    second.mkdir()
    command = f"rm -r /results/*; python3 -m kernel.end_to_end.scenarios --after {kernel} {name}"
    reboot = SCENARIOS[name].reboot
    parameters = reboot.parameters if reboot else ""
    job = Job(command, results=second / "results", seconds=_SECONDS, disk=disk, systemd=True, parameters=parameters)
    Machine(cache, kernel, ApHardware(hardware), second).run(job, stream, sys.stderr.buffer)
    after = _results(second / "results")[name]
    story = [*before.story, "reboot", *after.story]
    return Result(after.failure and f"after the reboot: {after.failure}", before.seconds + after.seconds, story)


def _first_boot(
    cache: Cache,
    kernel: str,
    names: Sequence[str],
    directory: Path,
    hardware: Mapping[str, object],
    disk: Path | None,
    out: BinaryIO,
) -> dict[str, Result]:
    installation = install(cache, KERNELS[kernel], directory)
    write_hardware(directory / "hardware", examples_hardware())
    shutil.copytree(EXAMPLES, directory / "examples", ignore=shutil.ignore_patterns("*.state", "*.state.json"))
    files = installation.files() | {name: directory / name for name in ("hardware", "examples")}
    files |= {"kernel/end_to_end/scenarios": _SCENARIOS, "lab/recorder": RECORDER}
    results = directory / "results"
    command = f"sh prepare_guest.sh python3 -m kernel.end_to_end.scenarios {kernel} {' '.join(names)}"
    job = Job(command, files, results=results, seconds=_SECONDS, disk=disk)
    Machine(cache, kernel, ApHardware(hardware), directory).run(job, out, sys.stderr.buffer)
    installation.keep_compiled(results)
    return _results(results)


def _results(directory: Path) -> dict[str, Result]:
    return {path.stem: Result(**json.loads(path.read_text(encoding="utf-8"))) for path in directory.glob("*.json")}
