"""What a command imports before it does its work: the budget of a start, which names what exceeds it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from testing.commands import EXAMPLES

_RUN: Final = """\
import json, os, sys
import click, yaml
before = set(sys.modules)
def left(code):
    sys.__stderr__.write("\\n" + json.dumps(sorted(set(sys.modules) - before)))
    sys.__stderr__.flush()
    os.kill(os.getpid(), 9)
os._exit = left
from reconciler.cli.main import main
sys.argv = ["reconcile", *sys.argv[1:]]
main()
"""

SLOW: Final = frozenset(
    [
        "asyncio",
        "concurrent",
        "csv",
        "email",
        "http",
        "importlib.metadata",
        "jsonschema",
        "random",
        "shutil",
        "structlog",
        "subprocess",
        "tempfile",
        "watchfiles",
        "xml",
        "zipfile",
    ]
)
"""Packages that each take longer to import than a small plan takes to make."""

PLAN_PACKAGES: Final = frozenset(
    ["cli", "hosts", "integrations", "kernel", "manifests", "model", "operations", "planning", "render", "transaction"]
)
MOST_FOR_A_PLAN: Final = 76
"""How many modules of ours a plan of a host may import, packages not counted."""

FOR_THE_VERSION: Final = frozenset(
    [
        "cli.exit_codes",
        "cli.main",
        "cli.options",
        "cli.output",
        "cli.tree",
        "kernel.paths",
        "model.commands",
        "model.errors",
        "model.outcome",
        "model.printable",
        "model.problems",
        "render.text",
    ]
)


def imported(*words: str | Path) -> list[str]:
    """What the command `words` has imported when it ends, besides click and PyYAML and what these import."""
    ran = subprocess.run(
        [sys.executable, "-c", _RUN, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    found: list[str] = json.loads(ran.stderr.splitlines()[-1])
    return found


def ours(modules: Sequence[str]) -> set[str]:
    """Those of `modules` that are ours and no packages, without the name of the top."""
    names = {one.removeprefix("reconciler.") for one in modules if one.startswith("reconciler.")}
    return {one for one in names if not any(other.startswith(f"{one}.") for other in names)}


def slow(modules: Sequence[str]) -> set[str]:
    """Those of `modules` that are, or are in, a package that is slow to import."""
    return {one for one in modules for name in SLOW if one == name or one.startswith(f"{name}.")}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host without guests, as plain files."""
    bus = tmp_path / "sys" / "bus" / "ap"
    (bus / "devices").mkdir(parents=True)
    mask = f"0x{'f' * 64}\n"
    for name in ("apmask", "aqmask", "ap_adapter_mask", "ap_usage_domain_mask", "ap_control_domain_mask"):
        (bus / name).write_text(mask)
    for name in ("ap_max_adapter_id", "ap_max_domain_id"):
        (bus / name).write_text("255\n")
    (tmp_path / "sys" / "devices" / "vfio_ap" / "matrix").mkdir(parents=True)
    return tmp_path / "sys"


def test_the_version_needs_only_the_command_line() -> None:
    """Also completion at a prompt begins with these."""
    found = imported("--version")

    assert ours(found) <= FOR_THE_VERSION, sorted(ours(found) - FOR_THE_VERSION)
    assert not slow(found)


def test_a_plan_imports_what_a_plan_needs(host: Path, tmp_path: Path) -> None:
    """No simulator, no loop, no program that is started, and nothing that only an apply needs."""
    site = tmp_path / "site"  # not in a clone, whose commit git would be asked for
    site.mkdir()
    for name in ("guests.yaml", "host.yaml"):
        shutil.copy(EXAMPLES / "three-guests" / name, site)
    found = imported("plan", "-f", site, "--sysfs", host, "--state-dir", tmp_path / "state")
    strangers = {one for one in ours(found) if one.partition(".")[0] not in PLAN_PACKAGES}

    assert "planning.planner" in ours(found)
    assert not strangers
    assert not slow(found)
    assert len(ours(found)) <= MOST_FOR_A_PLAN, sorted(ours(found))
