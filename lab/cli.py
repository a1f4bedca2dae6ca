"""The lab's command line."""

import argparse
import json
import os
import shlex
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from lab.ap_hardware import ApHardware, HardwareError
from lab.cache import CACHE_VARIABLE, DEFAULT_CACHE, KERNELS, Cache
from lab.foreign_root import ProgramFailed
from lab.gdb_remote import GdbError
from lab.machine import CONTROL_SOCKET, GuestFailed, Job, Machine
from lab.modules import MissingModule
from lab.packages import PackageError
from lab.preparation import CannotPrepare, Preparation
from lab.recording import compare, record
from lab.streams import address_of
from lab.transcript import Transcript, shown

_Act = Callable[[Cache, argparse.Namespace], int]

LAB_FAILED: Final = 125
"""The exit status where the lab itself failed; any other one is the command's."""

_DEFAULT_KERNELS: Final = ("6.1", "6.12")
_FAILURES: Final = (
    CannotPrepare, GdbError, GuestFailed, HardwareError, MissingModule, OSError, PackageError, ProgramFailed,
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what `arguments` (default: the process's) say and return the exit status."""
    given = _parser().parse_args(arguments)
    try:
        status: int = given.act(Cache(Path(given.cache).expanduser().absolute()), given)
    except _FAILURES as failure:
        print(f"lab: {failure}", file=sys.stderr)
        return LAB_FAILED
    return status


def shell_line(words: Sequence[str]) -> str:
    """The shell command line for what follows ``--``: a single word is one already."""
    return words[0] if len(words) == 1 else shlex.join(words)


def _setup(cache: Cache, given: argparse.Namespace) -> int:
    preparation = Preparation(cache, given.mirror, lambda text: print(f"lab: {text}", flush=True))
    preparation.prepare(given.kernel or _DEFAULT_KERNELS, again=given.again, keep=given.keep)
    return 0


def _run(cache: Cache, given: argparse.Namespace) -> int:
    if given.kernel not in cache.ready_kernels():
        raise CannotPrepare(f"kernel {given.kernel} is not there yet: ./run lab setup --kernel {given.kernel}")
    hardware = ApHardware.from_file(given.hardware) if given.hardware else ApHardware()
    files = {path.name: path for path in sorted(given.files.iterdir())} if given.files else {}
    load, command = not given.no_modules, shell_line(given.command)
    job = Job(command, files, given.results, given.timeout, load, given.append, given.disk, given.systemd)
    with tempfile.TemporaryDirectory(prefix="lab-") as temporary:
        directory = given.run_dir or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        outcome = Machine(cache, given.kernel, hardware, directory).run(job, sys.stdout.buffer, sys.stderr.buffer)
    if given.stats:
        print(json.dumps(outcome._asdict()), file=sys.stderr)
    return outcome.status


def _ctl(_: Cache, given: argparse.Namespace) -> int:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream,
        address_of(given.run_dir / CONTROL_SOCKET) as address,
    ):
        stream.connect(address)
        stream.sendall(" ".join(given.request).encode() + b"\n")
        with stream.makefile() as answers:
            answer = json.loads(answers.readline())
    print(json.dumps(answer))
    return 1 if "error" in answer else 0


def _info(cache: Cache, _: argparse.Namespace) -> int:
    for name in cache.ready_kernels():
        print(name, json.dumps(cache.kernel(name).facts()._asdict()))
    return 0


def _record(cache: Cache, given: argparse.Namespace) -> int:
    record(cache, given.kernel or cache.ready_kernels(), given.to)
    return 0


def _show(_: Cache, given: argparse.Namespace) -> int:
    print("\n".join(shown(Transcript.read(given.transcript), given.scenario)))
    return 0


def _compare(_: Cache, given: argparse.Namespace) -> int:
    return compare(given.old, given.new)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./run lab", description=__doc__)
    place = os.environ.get(CACHE_VARIABLE, DEFAULT_CACHE)
    parser.add_argument("--cache", default=place, help=f"where everything is kept (${CACHE_VARIABLE}; %(default)s)")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    action = _add(actions, "setup", "download and build everything", _setup)
    _add_kernels(action, "6.1 and 6.12")
    action.add_argument("--mirror", help="address of a Debian archive (default: this machine's)")
    action.add_argument("--again", action="store_true", help="prepare also what is there")
    action.add_argument("--keep", action="store_true", help="keep downloaded packages")

    action = _add(actions, "run", "boot, run a command, power off", _run)
    action.add_argument("--kernel", default="6.12", choices=KERNELS, help="(%(default)s)")
    action.add_argument("--hardware", type=Path, help="JSON or YAML description of adapters and domains")
    action.add_argument("--files", type=Path, metavar="DIR", help="what the guest finds in /job")
    action.add_argument("--results", type=Path, metavar="DIR", help="where to put what is left in /results")
    action.add_argument("--run-dir", type=Path, metavar="DIR", help="where logs and the control socket are kept")
    action.add_argument("--timeout", type=float, default=300, metavar="SECONDS", help="(%(default)s)")
    action.add_argument("--no-modules", action="store_true", help="leave kvm, vfio_ap and zcrypt_cex4 unloaded")
    action.add_argument("--append", default="", metavar="PARAMETERS", help="kernel parameters, e.g. ap.apmask=0x0")
    action.add_argument(
        "--disk", type=Path, metavar="FILE", help="keep what is changed for the next boot with this FILE"
    )
    action.add_argument("--systemd", action="store_true", help="boot with systemd and udev, which load the drivers")
    action.add_argument("--stats", action="store_true", help="print timings to standard error at the end")
    action.add_argument("command", nargs="+", metavar="COMMAND", help="program and arguments, or one shell line")

    action = _add(actions, "ctl", "change the hardware of a running guest", _ctl)
    action.add_argument("--run-dir", type=Path, required=True)
    action.add_argument("request", nargs="+", help="e.g. plug 9 type=CEX8 mode=ep11")

    _add(actions, "info", "list the kernels that are there", _info)

    action = _add(actions, "record", "record transcripts of what the drivers do", _record)
    _add_kernels(action, "all that are there")
    action.add_argument("--to", type=Path, required=True, metavar="DIR", help="where the transcripts go")

    action = _add(actions, "show", "print a transcript for reading", _show)
    action.add_argument("transcript", type=Path)
    action.add_argument("scenario", nargs="*", help="only these")

    action = _add(actions, "compare", "tell where two transcripts differ; status 1 if they do", _compare)
    action.add_argument("old", type=Path)
    action.add_argument("new", type=Path)
    return parser


def _add(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, act: _Act
) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=text)
    action.set_defaults(act=act)
    return action


def _add_kernels(action: argparse.ArgumentParser, default: str) -> None:
    text = f"only this kernel (repeatable; default: {default})"
    action.add_argument("--kernel", action="append", choices=KERNELS, help=text)
