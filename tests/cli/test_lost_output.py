"""Reporting a result never replaces the result: full disks, closed descriptors, readers that went away."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from testing.commands import EXAMPLES

PATIENCE = 120


class Ended(NamedTuple):
    """How a process ended, and what of its output could be read."""

    code: int
    out: str
    err: str


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Three guests and a simulated host."""
    return shutil.copytree(
        EXAMPLES / "three-guests", tmp_path / "site", ignore=shutil.ignore_patterns("*.state", "*.state.json")
    )


def reconcile(site: Path, *words: str, streams: str = "", python: tuple[str, ...] = (), **environment: str) -> Ended:
    """Run ``reconcile`` with `words` by a shell that redirects its `streams`."""
    command = [sys.executable, *python, "-m", "reconciler.cli", *words]
    if words[0] not in {"explain", "man", "schema", "completion", "--help", "--version"} and "--directory" not in words:
        command += ["--simulate", str(site / "simulated-host.yaml")]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {streams}', "sh", *command],
        cwd=site,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def without_reader(site: Path, *words: str) -> Ended:
    """Run it with a pipe as standard output whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "reconciler.cli", *words]
    if words[0] not in {"explain", "man", "schema", "completion", "--help", "--version"} and "--directory" not in words:
        command += ["--simulate", str(site / "simulated-host.yaml")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        done = subprocess.run(
            command, cwd=site, env=environment, stdout=writer, stderr=subprocess.PIPE, timeout=PATIENCE, check=False
        )
    finally:
        os.close(writer)
    return Ended(done.returncode, "", done.stderr.decode())


def guests(site: Path) -> int:
    """How many devices the simulated host has."""
    state = json.loads((site / "simulated-host.yaml.state.json").read_bytes())
    return len(state["host"]["mdevs"])


LOSSES = (">/dev/full", ">&-", "2>/dev/full", "2>&-", "<&-", ">&- 2>&- <&-", ">/dev/full 2>/dev/full", "1</dev/null")
NARROW = (
    ((), {"PYTHONIOENCODING": "ascii"}),
    ((), {"PYTHONIOENCODING": "latin-1:strict"}),
    (("-X", "utf8=0"), {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}),
)


@pytest.mark.parametrize("streams", LOSSES)
def test_a_finished_apply_is_a_success(site: Path, streams: str) -> None:
    """Whatever becomes of its output; standard error says what was done where it can and standard output cannot."""
    ended = reconcile(site, "apply", "--yes", streams=streams)

    assert ended.code == 0, ended
    assert reconcile(site, "plan", "--detailed-exitcode").code == 0
    assert reconcile(site, "history").out.count("applied") == 1
    assert "bug" not in ended.err
    assert "error" not in ended.err
    if streams in {">/dev/full", ">&-", "1</dev/null"}:
        assert "Applied and verified: 7 kernel writes." in ended.err
    elif "2>" in streams and ">/dev/full 2" not in streams and ">&- 2" not in streams:
        assert "Applied and verified: 7 kernel writes." in ended.out


def test_an_apply_whose_reader_went_away_is_a_success(site: Path) -> None:
    """`reconcile apply --yes | true`."""
    ended = without_reader(site, "apply", "--yes")

    assert ended.code == 0
    assert "Applied and verified: 7 kernel writes." in ended.err
    assert reconcile(site, "plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize(("python", "environment"), NARROW)
def test_a_terminal_may_know_few_characters(site: Path, python: tuple[str, ...], environment: dict[str, str]) -> None:
    """Our own signs have a plain form, others are shown as escapes; nothing else changes."""
    for words in (("plan", "-o", "markdown"), ("plan",), ("plan", "-o", "wide"), ("plan", "-o", "diff"), ("matrix",)):
        wide = reconcile(site, *words).out
        narrow = reconcile(site, *words, python=python, **environment)
        assert (narrow.code, narrow.out.isascii() or "latin" in str(environment)) == (0, True)
        assert wide.splitlines()[0] == narrow.out.splitlines()[0]
        assert "Traceback" not in narrow.err

    assert reconcile(site, "apply", "--yes", python=python, **environment).code == 0
    status = reconcile(site, "status", "guest1", python=python, **environment)
    assert status.code == 0
    assert ") x domain" in status.out or "latin" in str(environment)
    assert "Traceback" not in status.err


@pytest.mark.parametrize("streams", [">/dev/full", ">&- 2>&- <&-"])
def test_whatever_else_changes_something_has_succeeded_too(site: Path, streams: str) -> None:
    """Suspending, resuming, confirming, rolling back, plugging a card, installing files."""
    folder = site / "hooks"
    folder.mkdir()
    assert reconcile(site, "apply", "--yes").code == 0
    for words in (
        ("suspend", "--reason", "work"),
        ("resume",),
        ("simulate", "plug", "9"),
        ("simulate", "start", "guest1"),
        ("simulate", "stop", "guest1"),
        ("service", "install", "hook", "-f", str(site), "--directory", str(folder)),
        ("service", "install", "boot", "--directory", str(folder)),
        ("service", "uninstall", "boot", "--directory", str(folder)),
        ("rollback", "1", "--yes"),
        ("apply", "--yes", "-o", "json"),
    ):
        ended = reconcile(site, *words, streams=streams)
        assert ended.code == 0, (words, ended)
        assert "error" not in ended.err, (words, ended)
    assert reconcile(site, "simulate").out.count("card09") == 1
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("streams", [">/dev/full", ">&- 2>&- <&-"])
def test_a_confirmation_is_one(site: Path, streams: str) -> None:
    """And nothing is rolled back afterwards."""
    assert reconcile(site, "apply", "--yes", "--confirm-within", "1h", streams=streams).code == 0
    assert reconcile(site, "confirm", "1", streams=streams).code == 0

    assert "applied" in reconcile(site, "history").out
    assert "waits" not in reconcile(site, "plan").err


READS = (
    ("plan",),
    ("plan", "-o", "json", "--detailed-exitcode"),
    ("status",),
    ("matrix",),
    ("drift",),
    ("validate",),
    ("doctor",),
    ("history",),
    ("import",),
    ("simulate",),
    ("hmc-changes", "-f", str(EXAMPLES / "two-lpars/fixed")),
    ("explain", "guest.spec"),
    ("schema", "host"),
    ("completion", "bash"),
    ("--help",),
    ("--version",),
)


@pytest.mark.parametrize("words", READS)
def test_a_command_whose_result_is_lost_has_failed(site: Path, words: tuple[str, ...]) -> None:
    """With one sentence; where the reader has gone it ends as it would have."""
    full = reconcile(site, *words, streams=">/dev/full")
    closed = reconcile(site, *words, streams=">&-")
    gone = without_reader(site, *words)
    usual = reconcile(site, *words)

    assert full.code == closed.code == 1
    assert full.err.endswith("error: standard output cannot be written: No space left on device\n")
    assert closed.err.endswith("error: standard output cannot be written: it is closed\n")
    assert (gone.code, gone.err) == (usual.code, usual.err)
    assert "Traceback" not in full.err + closed.err + gone.err


def test_wrong_usage_stays_wrong_usage(site: Path) -> None:
    """Nobody reads about it, but the code is right."""
    for streams in ("2>&-", "2>/dev/full", ">&- 2>&- <&-"):
        assert reconcile(site, "--nonsense", streams=streams).code == 64
        assert reconcile(site, "apply", streams=streams).code == 4


def test_descriptors_that_are_closed_are_not_taken_by_files(site: Path) -> None:
    """What we write to standard error must not end up in a plan or a record."""
    ended = reconcile(site, "plan", "--out", "plan.json", "--detailed-exitcode", streams=">&- 2>&- <&-")

    assert ended.code == 1  # what it should have shown is lost
    assert json.loads((site / "plan.json").read_bytes())["host"]
    assert reconcile(site, "apply", "plan.json", "--yes", streams=">&- 2>&- <&-").code == 0
    assert reconcile(site, "history", "show", "1").code == 0


def test_a_plan_that_could_not_be_saved_is_an_error(site: Path) -> None:
    """Full, a directory, no such directory; and nothing is left of it."""
    (site / "folder").mkdir()
    (site / "older").write_text("")
    (site / "link").symlink_to("older")
    before = sorted(site.iterdir())
    for file, why in (
        ("/dev/full", "No space left on device"),
        ("folder", "is a directory"),
        ("missing/plan", "No such file or directory"),
        ("link", "symbolic link"),
    ):
        ended = reconcile(site, "plan", "--out", file)
        assert (ended.code in {1, 64}, why in ended.err) == (True, True), ended
        assert "saved" not in ended.err
    assert [one for one in sorted(site.iterdir()) if ".state" not in one.name] == before


def test_devices_are_not_replaced(site: Path) -> None:
    """`--out /dev/null` writes into it, `/dev/stdout` goes where standard output goes."""
    assert reconcile(site, "plan", "--out", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()
    shown = reconcile(site, "plan", "--out", "/dev/stdout", "-o", "json").out
    assert shown.count('"formatVersion"') == 2
    assert reconcile(site, "import", "--out", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()
