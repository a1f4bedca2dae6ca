"""The time and memory of ``reconcile validate`` of a whole fleet, against what can't be avoided.

Each machine has 20 LPARs with a host each, each host 20 guests. Beside it a process is measured that only has PyYAML's
C parser compose the same files.
"""

import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.plan_time import COMPOSE
from benchmarks.processes import Run, alternate

SIZES: Final = (100, 1000)
"""Numbers of hosts."""

LPARS: Final = 20
GUESTS: Final = 20
MOST_RATIO: Final = 2.5
"""How many times as long as composing the text it may take."""

MOST_MIB: Final = 400

_HOST: Final = "apiVersion: reconciler/v1\nkind: Host\nmetadata:\n  name: host-{number:04}\n"
_GUEST: Final = """\
---
apiVersion: reconciler/v1
kind: Guest
metadata:
  name: guest-{guest:02}
  labels: {{tenant: tenant-{tenant}}}
spec:
  host: host-{number:04}
  adapters: [{adapter}]
  domains: [{first}, {second}]
"""
_MACHINE: Final = """\
apiVersion: reconciler/v1
kind: Machine
metadata:
  name: cpc-{number:02}
spec:
  machineId: IBM-3931-{number:016}
  lpars:
"""
_LPAR: Final = (
    "  - {{name: LP{number:04}, host: host-{number:04}, adapters: [{adapter}-{last_adapter}], "
    "usageDomains: [{domain}-{last_domain}]}}\n"
)


class Measurement(NamedTuple):
    """One size, measured: medians."""

    hosts: int
    validate: Run
    compose: Run

    @property
    def ratio(self) -> float:
        """How many times as long as composing the text."""
        return self.validate.seconds / self.compose.seconds


def texts(hosts: int) -> Iterator[tuple[str, str]]:
    """The manifests of a fleet of so many `hosts`, by the name of the file; no queue belongs to two of them."""
    for machine in range(-(-hosts // LPARS)):
        numbers = range(machine * LPARS, min((machine + 1) * LPARS, hosts))
        lpars = "".join(_LPAR.format(number=number, **_axes(number)) for number in numbers)
        yield f"machine-{machine:02}.yaml", _MACHINE.format(number=machine) + lpars
    for number in range(hosts):
        yield f"host-{number:04}.yaml", _HOST.format(number=number) + "".join(_guests(number))


def _axes(number: int) -> dict[str, int]:
    column, row = number % LPARS % 10, number % LPARS // 10
    return {
        "adapter": column * GUESTS,
        "last_adapter": column * GUESTS + GUESTS - 1,
        "domain": row * 2 * GUESTS,
        "last_domain": row * 2 * GUESTS + 2 * GUESTS - 1,
    }


def _guests(number: int) -> Iterator[str]:
    axes = _axes(number)
    for guest in range(GUESTS):
        first = axes["domain"] + guest
        adapter = axes["adapter"] + guest
        yield _GUEST.format(
            number=number, guest=guest, tenant=guest % 5, adapter=adapter, first=first, second=first + GUESTS
        )


def measure(hosts: int, runs: int) -> Measurement:
    """Medians of `runs` runs in turns, of a fleet of `hosts`."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts(hosts):
            (Path(folder) / name).write_text(text, encoding="utf-8")
        script = Path(sys.executable).with_name("reconcile")
        validate, compose = alternate(
            [[script, "validate", "-f", folder], [sys.executable, "-c", COMPOSE, folder]], runs
        )
    return Measurement(hosts, validate, compose)


def report(runs: int) -> bool:
    """Measure every size, print a table and the growth; returns whether all is within the limits."""
    print(f"\nreconcile validate of a fleet, {LPARS} LPARs a machine, {GUESTS} guests a host; {runs} runs in turns\n")
    print("hosts   validate   compose   validate/compose   peak")
    measured = []
    for hosts in SIZES:
        one = measure(hosts, runs)
        measured.append(one)
        print(
            f"{hosts:5,} {one.validate.seconds:8.3f} s {one.compose.seconds:7.3f} s {one.ratio:18.2f}"
            f" {one.validate.peak_mib:4.0f} MiB",
            flush=True,
        )
    for small, large in itertools.pairwise(measured):
        grown = large.validate.seconds / small.validate.seconds
        print(f"from {small.hosts:,} to {large.hosts:,} hosts: {grown:.1f} times the time")
    last = measured[-1]
    return last.ratio <= MOST_RATIO and last.validate.peak_mib <= MOST_MIB
