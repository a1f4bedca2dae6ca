"""The time of the commands that people read: a whole process each time, and how many lines each prints.

``status`` may take 1.5 times as long as ``plan``, and each command at 500 guests 12 times as long as at 50. The site is
applied, and then every second guest's manifest changed, so that there is something to show. Each history has had 500
generations, each with a commit, as the product itself records and keeps them.
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.processes import alternate
from benchmarks.site import Site, write_site
from reconciler.model.outcome import Outcome, Result
from reconciler.transaction.history import RETAINED, History
from reconciler.transaction.state_directory import StateDirectory

SMALL: Final = 50
LARGE: Final = 500
MOST_GROWTH: Final = 12.0
MOST_OF_A_PLAN: Final = 1.5
MOST_LINES: Final = 60
GENERATIONS: Final = 500

COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "plan": ("plan",),
    "status": ("status",),
    "matrix": ("matrix",),
    "history": ("history",),
}
_OF_THE_STATE: Final = ("history",)
"""These read no manifests, and no host."""


class Measured(NamedTuple):
    """One command on a small site and on a large one: seconds (medians), and the lines it prints on the large one."""

    small: float
    large: float
    lines: int


def words_of(name: str, site: Site) -> list[str | Path]:
    """The command called `name` on `site`, by the console script beside this interpreter."""
    script = Path(sys.executable).with_name("reconcile")
    manifests = () if name in _OF_THE_STATE else ("-f", site.manifests)
    return [script, *COMMANDS[name], *manifests, "--simulate", site.simulated_host]


def changed_site(directory: Path, guests: int) -> Site:
    """A site below `directory` that is applied, with manifests that have changed since for every second guest."""
    site = write_site(directory, guests)
    script = Path(sys.executable).with_name("reconcile")
    where = ("-f", site.manifests, "--simulate", site.simulated_host)
    subprocess.run([script, "apply", "--yes", *where], check=True, stdout=subprocess.DEVNULL)
    _record(History(StateDirectory(Path(f"{site.simulated_host}.state"))))
    for file in site.manifests.glob("guests-*.yaml"):
        first, *documents = file.read_text(encoding="utf-8").split("---\n")
        changed = [_without_an_adapter(one) if number % 2 else one for number, one in enumerate(documents)]
        file.write_text("---\n".join([first, *changed]), encoding="utf-8")
    return site


def _record(history: History) -> None:
    """Have the first generation of `history` again and again, a minute apart, up to the last of `GENERATIONS`."""
    plan, desired, origin = history.record(1)["plan"], history.desired(1), history.get(1).origin
    for number in range(GENERATIONS - RETAINED, GENERATIONS + 1):  # the ones before are not kept anyway
        moment, commit = origin.started + 60.0 * number, f"{number:040x}"
        subject = f"Give guest {number} what request {number} asks for"
        history.begin(number, desired, origin._replace(started=moment, commit=commit, subject=subject), plan)
        history.end(number, Outcome(Result.APPLIED, writes=1), moment + 1.0)


def _without_an_adapter(document: str) -> str:
    before, _, rest = document.partition("adapters: [")
    adapters, _, after = rest.partition("]")
    return f"{before}adapters: [{adapters.partition(',')[0]}]{after}"


def measure(runs: int) -> dict[str, Measured]:
    """Measure every command on both sites, all in turns, each `runs` times."""
    with tempfile.TemporaryDirectory(prefix="reconcile-bench-") as directory:
        small, large = (changed_site(Path(directory) / str(guests), guests) for guests in (SMALL, LARGE))
        commands = [words_of(name, site) for name in COMMANDS for site in (small, large)]
        times = iter(alternate(commands, runs))
        return {
            name: Measured(next(times).seconds, next(times).seconds, _lines(words_of(name, large))) for name in COMMANDS
        }


def _lines(command: Sequence[str | Path]) -> int:
    ran = subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return len(ran.stdout.splitlines())


def exceeded(measured: Mapping[str, Measured]) -> list[str]:
    """Which bounds are not kept, a sentence each."""
    found = [
        f"{name}: {one.large / one.small:.1f} times the time from {SMALL} to {LARGE} guests, more than {MOST_GROWTH:g}"
        for name, one in measured.items()
        if one.large > MOST_GROWTH * one.small
    ]
    ratio = measured["status"].large / measured["plan"].large
    if ratio > MOST_OF_A_PLAN:
        found.append(f"status takes {ratio:.2f} times as long as plan at {LARGE} guests, more than {MOST_OF_A_PLAN:g}")
    if measured["status"].lines > LARGE + MOST_LINES:
        found.append(f"status prints {measured['status'].lines} lines at {LARGE} guests, not one for each")
    found += [
        f"{name} prints {one.lines} lines at {LARGE} guests, more than {MOST_LINES}"
        for name, one in measured.items()
        if name in {"plan", "history", "matrix"} and one.lines > MOST_LINES
    ]
    return found


def report(runs: int) -> int:
    """Measure, print a table, and return how many bounds are not kept."""
    print(f"commands that read, on a simulated host, whole processes, medians of {runs} runs in turns\n")
    print(f"command    {SMALL:4} guests   {LARGE:4} guests   growth   times plan   lines at {LARGE}")
    measured = measure(runs)
    for name, one in measured.items():
        times = one.large / measured["plan"].large
        growth = one.large / one.small
        print(f"{name:8} {one.small:11.3f} s {one.large:11.3f} s {growth:8.1f} {times:12.2f} {one.lines:14}")
    problems = exceeded(measured)
    print()
    for problem in problems:
        print(f"EXCEEDED: {problem}")
    if not problems:
        print("all bounds are kept")
    return len(problems)
