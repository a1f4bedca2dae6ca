"""The real loop, with manifests in its directory that were made to keep it busy."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testing import hostile_sites
from testing.hostile_sites import FOLDERS, TEXTS
from testing.loop_processes import GUEST, HOST, LEISURELY, environment, watching

BUSY_SECONDS = 2.0  # of processor time: it has started, and reads
ANSWER_SECONDS = 60.0  # ten on a machine that does nothing else; tests share theirs


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """A directory with a host and a guest."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "host.yaml").write_text(HOST, encoding="utf-8")
    (folder / "payments.yaml").write_text(GUEST.format(name="payments", adapters="5", domains="4"), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["linked folders", "overlap", "tiny", "keep"])
def test_the_loop_answers_and_goes_on_enforcing(tmp_path: Path, simulated: Path, manifests: Path, name: str) -> None:
    """It refuses what was put there, keeps the guest that it has made, and ends at once."""
    state = tmp_path / "state"
    where = ("--simulate", str(simulated), "--state-dir", str(state))
    options = ("--apply", *LEISURELY[2:], "-f", str(manifests))
    with watching(state, where, *options) as loop:
        assert loop.turn()["condition"] == "in-sync"
        if name in FOLDERS:
            FOLDERS[name][0](manifests, 25)
            (manifests / "d25" / "other.yaml").write_text("nonsense\n", encoding="utf-8")
        else:
            make, number, _ = TEXTS[name]
            (manifests / "hostile.yaml").write_text(make(number), encoding="utf-8")

        began = time.monotonic()
        answer = loop.turn()

        assert time.monotonic() - began < ANSWER_SECONDS
        assert answer["refused"]
        assert len(str(answer)) < 20_000
        began = time.monotonic()
        assert loop.end() == 0
        assert time.monotonic() - began < ANSWER_SECONDS


def busy(manifests: Path) -> None:
    """Put manifests beside the others that are right, and take seconds to read."""
    text = "".join(hostile_sites.guest(f"g{one}", ", activation: on-demand") for one in range(45_000))
    (manifests / "many.yaml").write_text(text, encoding="utf-8")


def test_a_cycle_that_takes_too_long_is_abandoned(tmp_path: Path, simulated: Path, manifests: Path) -> None:
    """That is a problem of the new configuration, each time anew; the last good one goes on being enforced."""
    state = tmp_path / "state"
    where = ("--simulate", str(simulated), "--state-dir", str(state))
    options = ("--apply", *LEISURELY[2:], "-f", str(manifests))
    with watching(state, where, *options) as loop:
        assert loop.turn()["condition"] == "in-sync"
    busy(manifests)
    with watching(state, where, *options, "--plan-timeout", "1s") as loop:
        for _ in range(2):
            answer = loop.turn()

            assert answer["condition"] == "in-sync"
            assert "reading and planning took more than 1 s" in str(answer["refused"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("words", [("watch", "--apply"), ("plan",), ("apply", "--yes")])
def test_signals_end_reading_and_planning_at_once(
    tmp_path: Path, simulated: Path, manifests: Path, words: tuple[str, ...], number: signal.Signals
) -> None:
    """Loop, plan and apply: nothing is written, and nobody waits for the end of a cycle."""
    busy(manifests)
    state = tmp_path / "state"
    where = ("--simulate", str(simulated), "--state-dir", str(state), "-f", str(manifests))
    command = [sys.executable, "-m", "reconciler.cli", *words, *where]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while spent(process.pid) < BUSY_SECONDS:
            assert process.poll() is None
        before = before_end = spent(process.pid)
        process.send_signal(number)
        while process.poll() is None:
            before_end = spent(process.pid) or before

        assert process.returncode == (0 if "watch" in words else 1)
        assert before_end - before < 1.0
    assert not list(state.glob("generations/*"))


def spent(pid: int) -> float:
    """The processor time that process `pid` has used, in seconds; 0 where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
