"""Several ways to one result, measured where they run: ``python3 contenders.py DIRECTORY RUNS GUESTS...``.

Runs as root on the host, in the lab's guest or beside a mounted simulated host, with nothing but Python's own library,
and prints one line for each number of guests. Every guest gets two adapters by two domains, and control domains.

* ``reconcile``: ``reconcile apply --yes``
* ``mdevctl``: the loop that an administrator would write: the mask by echo, then for each guest define it, add the
  attributes as mdevctl(8) shows it, and start it
* ``mdevctl, JSON``: the same by somebody who has written mdevctl's JSON files beforehand
* ``writes``: a shell that makes the writes of that loop, an attribute each, and nothing else
* ``fewest``: a shell that makes the writes of the tool's plan and nothing else
* ``start-up``: Python that imports what the tool imports
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

MATRIX: Final = Path("/sys/devices/vfio_ap/matrix")
DEFINITIONS: Final = Path("/etc/mdevctl.d")

_AIMS: Final = {1: 3.0, 16: 0.5, 64: 0.125}
"""The most that ``reconcile`` may take, as a multiple of the mdevctl loop, by number of guests."""
_MOST_OF_WRITES: Final = 2.0
"""The most that ``reconcile`` may take apart from its start-up, as a multiple of the bare writes."""

_TYPE: Final = "vfio_ap-passthrough"
_PAIRS: Final = 8
"""So many pairs of adapters; the pairs of domains follow from the number of guests."""
_FIRST_DOMAIN: Final = 4
_NAMESPACE: Final = uuid.UUID("5f0e1a2b-0000-4000-8000-000000000000")
_SYSFS_WRITE: Final = re.compile(r"write\(\d+</sys/[^>]*>, ")
_IMPORTED: Final = re.compile(r"import time: +\d+ \| +\d+ \| +([\w.]+)")


class Guest(NamedTuple):
    """One guest: who, and what it gets."""

    name: str
    uuid: str
    adapters: tuple[int, int]
    domains: tuple[int, int]


class Way(NamedTuple):
    """One way: its name and the command that goes it."""

    name: str
    command: Sequence[str]


class Measured(NamedTuple):
    """Medians in seconds, and counts of kernel writes, by the names of the ways."""

    guests: int
    seconds: Mapping[str, float]
    writes: Mapping[str, int]


def guests(count: int) -> list[Guest]:
    """`count` guests, at most 64, without a common queue."""
    found = []
    for number in range(count):
        row, pair = divmod(number, _PAIRS)
        adapter, domain = 2 * pair, _FIRST_DOMAIN + 2 * row
        name = f"guest-{number:02}"
        found.append(Guest(name, str(uuid.uuid5(_NAMESPACE, name)), (adapter, adapter + 1), (domain, domain + 1)))
    return found


def simulated_host() -> str:
    """The lab's default machine as a SimulatedHost document."""
    cards = [
        {"id": 5, "type": "CEX7", "mode": "cca"},
        {"id": 6, "type": "CEX7", "mode": "ep11"},
        {"id": 7, "type": "CEX8", "mode": "accelerator"},
        {"id": 10, "type": "CEX8", "mode": "cca"},
    ]
    return _document("SimulatedHost", "bench", {"adapters": cards, "usageDomains": [4, 5, 6, 71]})


def main() -> None:
    """Measure what the command line says."""
    directory, runs, *counts = sys.argv[1:]
    print(
        "guests  reconcile   mdevctl with JSON    writes    fewest  start-up"
        " | to mdevctl   aim  with JSON | start-up apart, to writes   aim to fewest | kernel writes"
    )
    for count in counts:
        print(line(measured(Path(directory) / count, guests(int(count)), int(runs))), flush=True)


def line(found: Measured) -> str:
    """What was found as one line of the table."""
    seconds, writes = found.seconds, found.writes
    tool, from_json, work = seconds["reconcile"], seconds["mdevctl, JSON"], seconds["reconcile"] - seconds["start-up"]
    return (
        f"{found.guests:6} {tool:8.2f} s {seconds['mdevctl']:7.2f} s {from_json:7.2f} s"
        f" {seconds['writes']:7.2f} s {seconds['fewest']:7.2f} s {seconds['start-up']:7.2f} s"
        f" | {tool / seconds['mdevctl']:10.2f} {_AIMS.get(found.guests, 1):5.3g} {tool / from_json:10.2f}"
        f" | {work / seconds['writes']:25.2f} {_MOST_OF_WRITES:5.3g} {work / seconds['fewest']:9.2f}"
        f" | {writes['reconcile']}, mdevctl {writes['mdevctl']}"
    )


def measured(directory: Path, wanted: list[Guest], runs: int) -> Measured:
    """Measure one number of guests.

    The ways are gone in turns, so that a change of the machine's speed meets all alike.
    """
    directory.mkdir(parents=True)
    clean(directory)
    ways = [_reconcile(directory, wanted), _mdevctl(directory, wanted), _mdevctl_json(directory, wanted)]
    plan = json.loads(_output([*ways[0].command, "-o", "json"]))["plan"]  # also warms the caches
    ways += [_writes(directory, wanted), _fewest(directory, plan)]
    ways.append(_start_up(directory, ways[0]))
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    for _ in range(runs):
        for way in ways:
            clean(directory)
            started = time.monotonic()
            _output(way.command)
            seconds[way.name].append(time.monotonic() - started)
    return Measured(
        len(wanted),
        {name: statistics.median(found) for name, found in seconds.items()},
        {way.name: _kernel_writes(directory, way) for way in ways[:-1]},
    )


def clean(directory: Path) -> None:
    """No mediated devices, all queues with the host's drivers, nothing remembered by anybody."""
    for name in [one.name for one in MATRIX.iterdir() if one.name.count("-") == 4]:
        _store(MATRIX / name / "remove", "1")
    for mask in ("apmask", "aqmask"):
        _store(Path("/sys/bus/ap") / mask, f"0x{'f' * 64}")
    for definition in DEFINITIONS.glob("matrix/*"):
        definition.unlink()
    shutil.rmtree(directory / "state", ignore_errors=True)


def _reconcile(directory: Path, wanted: list[Guest]) -> Way:
    site = directory / "site"
    site.mkdir()
    documents = [_document("Host", "bench", {})]
    documents += [
        _document("Guest", one.name, {"uuid": one.uuid, "adapters": one.adapters, "domains": one.domains})
        for one in wanted
    ]
    (site / "site.yaml").write_text("\n---\n".join(documents), encoding="utf-8")
    state = f"--state-dir={directory / 'state'}"
    return Way("reconcile", ["reconcile", "apply", "--yes", "-f", str(site), state])


def _document(kind: str, name: str, spec: object) -> str:
    return json.dumps({"apiVersion": "reconciler/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})


def _mdevctl(directory: Path, wanted: list[Guest]) -> Way:
    lines = _mask_by_echo(wanted)
    for one in wanted:
        lines.append(f"mdevctl define --uuid {one.uuid} --parent matrix --type {_TYPE} --auto")
        lines += [
            f"mdevctl modify --uuid {one.uuid} --addattr {name} --value {value}" for name, value in _attributes(one)
        ]
        lines.append(f"mdevctl start --uuid {one.uuid}")
    return Way("mdevctl", _script(directory / "mdevctl.sh", lines))


def _mdevctl_json(directory: Path, wanted: list[Guest]) -> Way:
    lines = _mask_by_echo(wanted)
    for one in wanted:
        attributes = [{name: value} for name, value in _attributes(one)]
        definition = directory / f"{one.name}.json"
        definition.write_text(json.dumps({"mdev_type": _TYPE, "start": "auto", "attrs": attributes}), encoding="utf-8")
        lines.append(f"mdevctl define --uuid {one.uuid} --parent matrix --jsonfile {definition}")
        lines.append(f"mdevctl start --uuid {one.uuid}")
    return Way("mdevctl, JSON", _script(directory / "mdevctl-json.sh", lines))


def _mask_by_echo(wanted: list[Guest]) -> list[str]:
    domains = sorted({domain for one in wanted for domain in one.domains})
    return ["set -e", f"echo {','.join(f'-{domain}' for domain in domains)} > /sys/bus/ap/aqmask"]


def _attributes(guest: Guest) -> list[tuple[str, str]]:
    axes = (("adapter", guest.adapters), ("domain", guest.domains), ("control_domain", guest.domains))
    return [(f"assign_{axis}", str(one)) for axis, ids in axes for one in ids]


def _writes(directory: Path, wanted: list[Guest]) -> Way:
    lines = _mask_by_echo(wanted)
    for one in wanted:
        lines.append(_echo(f"devices/vfio_ap/matrix/mdev_supported_types/{_TYPE}/create", one.uuid))
        lines += [_echo(f"devices/vfio_ap/matrix/{one.uuid}/{name}", value) for name, value in _attributes(one)]
    return Way("writes", _script(directory / "writes.sh", lines))


def _fewest(directory: Path, plan: dict[str, list[dict[str, list[dict[str, str]]]]]) -> Way:
    made = [one for step in plan["steps"] for one in step["writes"]]
    return Way("fewest", _script(directory / "fewest.sh", ["set -e", *(_echo(**one) for one in made)]))


def _echo(path: str, value: str) -> str:
    return f"echo {value} > /sys/{path}"


def _script(path: Path, lines: Sequence[str]) -> list[str]:
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return ["sh", str(path)]


def _start_up(directory: Path, tool: Way) -> Way:
    """Python that imports exactly what the tool imports, measured from a run of it."""
    clean(directory)
    script = shutil.which(tool.command[0])
    assert script is not None
    python = Path(script).read_text(encoding="utf-8").splitlines()[0].removeprefix("#!")
    done = subprocess.run(
        [python, "-X", "importtime", script, *tool.command[1:]], check=True, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    names = [name for name in _IMPORTED.findall(done.stderr) if name not in {"__main__", "sitecustomize"}]
    statements = "\n".join(f"try: import {name}\nexcept ImportError: pass" for name in names)
    (directory / "importtime.txt").write_text(done.stderr, encoding="utf-8")
    return Way("start-up", [python, "-c", statements])


def _kernel_writes(directory: Path, way: Way) -> int:
    """How often `way` writes to sysfs, counted by strace; -1 where there is none."""
    strace = shutil.which("strace")
    if strace is None:
        return -1
    clean(directory)
    log = directory / "strace.log"
    _output(
        [strace, "-f", "--seccomp-bpf", "-y", "-e", "trace=write", "-e", "signal=none", "-o", str(log), *way.command]
    )
    return len(_SYSFS_WRITE.findall(log.read_text(encoding="utf-8", errors="replace")))


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def _store(path: Path, value: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
