"""The time and memory of ``reconcile plan``, a whole process each time, against what can't be avoided.

Two processes are measured beside it: one that only imports the third-party packages that the plan imported, and one
that only has PyYAML's C parser compose the same files. The first is the floor for a small site, the second for a
large one. Ratios say more than seconds, as the three take turns on the same machine.
"""

import itertools
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.processes import Run, alternate
from benchmarks.site import Site, write_site

SIZES: Final = (20, 1000, 10_000)
"""Numbers of guests."""

COMPOSE: Final = """\
import pathlib, sys, yaml
for path in pathlib.Path(sys.argv[1]).iterdir():
    for node in yaml.compose_all(path.read_text(encoding="utf-8"), yaml.CSafeLoader):
        pass
"""
"""A program that only composes the files of a directory."""

_IMPORTED: Final = re.compile(r"^import time: +\d+ \| +\d+ \| +([A-Za-z]\w*)", re.MULTILINE)


class Measurement(NamedTuple):
    """One size, measured: medians."""

    guests: int
    plan: Run
    imports: Run
    compose: Run


def plan_command(site: Site) -> list[str | Path]:
    """The command that plans `site`: the console script beside this interpreter."""
    script = Path(sys.executable).with_name("reconcile")
    return [script, "plan", "-f", site.manifests, "--simulate", site.simulated_host]


def third_party(command: Sequence[str | Path]) -> list[str]:
    """The top-level packages that `command`, a Python program, imports and that are neither Python's nor ours."""
    always = _imported([sys.executable, "-c", ""])  # what the system's sitecustomize brings
    return sorted(_imported(command) - always - {"reconciler"})


def _imported(command: Sequence[str | Path]) -> set[str]:
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(_IMPORTED.findall(done.stderr)) - sys.stdlib_module_names


def measure(guests: int, runs: int) -> Measurement:
    """Measure a site of `guests` guests, each process `runs` times."""
    with tempfile.TemporaryDirectory(prefix="reconcile-bench-") as directory:
        site = write_site(Path(directory), guests)
        plan = plan_command(site)
        imports: list[str | Path] = [sys.executable, "-c", "".join(f"import {name}\n" for name in third_party(plan))]
        compose: list[str | Path] = [sys.executable, "-c", COMPOSE, site.manifests]
        return Measurement(guests, *alternate([plan, imports, compose], runs))


def start(runs: int) -> tuple[Run, Run]:
    """The shortest command, and a process that only imports click, each `runs` times in turns: medians."""
    script = Path(sys.executable).with_name("reconcile")
    version, click = alternate([[script, "--version"], [sys.executable, "-c", "import click"]], runs)
    return version, click


def report(sizes: Sequence[int], runs: int) -> None:
    """Measure every size and print a table, then how the time grows from each size to the next."""
    print(f"reconcile plan on a simulated host, whole processes, medians of {runs} runs in turns\n")
    print("guests      plan   imports   compose   plan/imports   plan/compose   peak plan   peak compose")
    measured = []
    for guests in sizes:
        one = measure(guests, runs)
        measured.append(one)
        print(_line(one), flush=True)
    print()
    for small, large in itertools.pairwise(measured):
        print(_growth(small, large))
    version, click = start(runs)
    print(f"reconcile --version: {version.seconds:.3f} s, {version.seconds / click.seconds:.2f} times importing click")


def _line(one: Measurement) -> str:
    return (
        f"{one.guests:6,} {one.plan.seconds:7.3f} s {one.imports.seconds:7.3f} s {one.compose.seconds:7.3f} s"
        f" {one.plan.seconds / one.imports.seconds:14.2f} {one.plan.seconds / one.compose.seconds:14.2f}"
        f" {one.plan.peak_mib:7.0f} MiB {one.compose.peak_mib:10.0f} MiB"
    )


def _growth(small: Measurement, large: Measurement) -> str:
    guests, seconds = large.guests / small.guests, large.plan.seconds / small.plan.seconds
    return f"from {small.guests:,} to {large.guests:,} guests, {guests:g} times: {seconds:.1f} times the time"
