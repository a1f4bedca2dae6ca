"""The pictures of README and docs: each is what ``reconcile report`` makes of an example, without time and place."""

import shutil
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from reconciler import Manifests, OpenHost, apply, open_simulated_host, plan, read_site, status
from reconciler.picture.sheet import Sheet, stacked, standalone
from reconciler.planning.grid import grid_of
from reconciler.planning.status import THE_MANIFESTS
from reconciler.render.machine_reports import machine_report
from reconciler.render.redaction import AsTheyAre
from reconciler.render.report_html import ascii_text
from reconciler.render.reports import Report, plan_report, status_report

ROOT: Final = Path(__file__).parents[1]
PICTURES: Final = ROOT / "docs" / "pictures"


class _Shot(NamedTuple):
    """Which example, and below it the manifests that are applied before and those of the plan; empty for none."""

    example: str
    applied: str = ""
    planned: str = ""


_SHOTS: Final = {
    "three-guests.svg": _Shot("three-guests", applied="."),
    "card-to-come.svg": _Shot("card-to-come", planned="."),
    "swap.svg": _Shot("swap", applied="before", planned="after"),
}


def pictures() -> dict[str, str]:
    """All pictures, by the names of their files."""
    return {name: _made(shot) for name, shot in _SHOTS.items()} | {"two-lpars.svg": _machines("two-lpars/conflicts")}


def write_pictures(folder: Path = PICTURES) -> None:
    """Write the pictures."""
    folder.mkdir(exist_ok=True)
    for name, content in pictures().items():
        (folder / name).write_text(content, encoding="ascii")


def _made(shot: _Shot) -> str:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder, shot.example)
        shutil.copytree(ROOT / "examples" / shot.example, here, ignore=shutil.ignore_patterns("*.state*"))
        with open_simulated_host(here / "simulated-host.yaml", changes=True) as machine:
            if shot.applied:
                apply(Manifests((here / shot.applied,)), machine)
            report = _planned(here / shot.planned, machine) if shot.planned else _now(here, machine)
    return ascii_text(standalone(report.pictures))


def _machines(example: str) -> str:
    machines = read_site([ROOT / "examples" / example]).machines
    return ascii_text(stacked([Sheet(machine_report(one, (), AsTheyAre()).pictures) for one in machines]))


def _planned(manifests: Path, machine: OpenHost) -> Report:
    return plan_report(plan(Manifests((manifests,)).read(machine), machine), AsTheyAre())


def _now(manifests: Path, machine: OpenHost) -> Report:
    found = status(Manifests((manifests,)).read(machine), machine)._replace(compared=THE_MANIFESTS)
    assert found.plan is not None
    return status_report(found, grid_of(found.plan), AsTheyAre())
