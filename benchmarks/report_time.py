"""The time of ``reconcile report`` against that of ``reconcile plan``, whole processes, on the same host."""

import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.processes import alternate

ADAPTERS: Final = 64
DOMAINS: Final = 85
GUESTS: Final = 100

_HOST: Final = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: bench}\n"
_GUEST: Final = """\
---
apiVersion: reconciler/v1
kind: Guest
metadata: {{name: guest-{number:03}}}
spec: {{host: bench, adapters: [{first}-{last}], domains: [{low}-{high}]}}
"""
_SIMULATED: Final = """\
apiVersion: reconciler/v1
kind: SimulatedHost
metadata: {name: bench}
spec:
  usageDomains: [0-84]
  adapters:
""" + "".join(f"  - {{id: {adapter}, type: CEX8, mode: cca}}\n" for adapter in range(ADAPTERS))


def report(runs: int) -> None:
    """Measure both, and print how many times the time of a plan a report takes."""
    with tempfile.TemporaryDirectory(prefix="reconcile-bench-") as directory:
        manifests, simulated = Path(directory, "site.yaml"), Path(directory, "simulated-host.yaml")
        manifests.write_text(_HOST + "".join(map(_guest, range(GUESTS))), encoding="utf-8")
        simulated.write_text(_SIMULATED, encoding="utf-8")
        script = Path(sys.executable).with_name("reconcile")
        where: list[str | Path] = ["-f", manifests, "--simulate", simulated]
        commands = [
            [script, "plan", *where],
            [script, "report", "--plan", "--html", "/dev/null", *where],
            [script, "report", "--svg", "/dev/null", *where],
        ]
        plan, page, picture = alternate(commands, runs)
    print(f"{GUESTS} guests on {ADAPTERS} adapters x {DOMAINS} domains, medians of {runs} runs in turns")
    print(f"reconcile plan                {plan.seconds:.3f} s")
    print(f"reconcile report --plan --html {page.seconds:.3f} s, {page.seconds / plan.seconds:.2f} times the plan")
    print(
        f"reconcile report --svg         {picture.seconds:.3f} s, {picture.seconds / plan.seconds:.2f} times the plan"
    )


def _guest(number: int) -> str:
    """One of ten times ten rectangles."""
    row, column = divmod(number, 10)
    return _GUEST.format(
        number=number,
        first=row * ADAPTERS // 10,
        last=(row + 1) * ADAPTERS // 10 - 1,
        low=column * DOMAINS // 10,
        high=(column + 1) * DOMAINS // 10 - 1,
    )
