"""Signals end the real loop while it waits for a lock."""

import fcntl
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from reconciler.model.outcome import Result
from reconciler.simulator.state_file import state_path
from reconciler.watch.cycle import LOCK_SECONDS
from testing.loop_processes import GUEST, HOST, LEISURELY, PATIENCE, watching

END_SECONDS = LOCK_SECONDS / 2

Hold = Callable[[Path, Path], AbstractContextManager[None]]


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """A directory with a host and a guest."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "host.yaml").write_text(HOST, encoding="utf-8")
    (folder / "payments.yaml").write_text(GUEST.format(name="payments", adapters="5", domains="4"), encoding="utf-8")
    return folder


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock on `file` as another process of ours would."""
    with file.open("a+", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def state_locked(simulated: Path, state: Path) -> AbstractContextManager[None]:
    """Another `reconcile` is at work."""
    return locked(state / "lock")


def host_locked(simulated: Path, state: Path) -> AbstractContextManager[None]:
    """Another command changes the simulated host."""
    return locked(simulated)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("hold", [state_locked, host_locked])
def test_signals_end_waiting_for_a_lock(
    tmp_path: Path, simulated: Path, manifests: Path, hold: Hold, number: signal.Signals
) -> None:
    """The loop does not wait until its patience with the holder is over, and does nothing."""
    state = tmp_path / "state"
    where = ("--simulate", str(simulated), "--state-dir", str(state))
    with watching(state, where, "--apply", *LEISURELY[2:], "-f", str(manifests)) as loop:
        assert loop.turn()["condition"] == "in-sync"
        with hold(simulated, state):
            more = GUEST.format(name="reports", adapters="5", domains="5")
            (manifests / "reports.yaml").write_text(more, encoding="utf-8")
            loop.until_logged("waiting for another process at work")
            began = time.monotonic()
            loop.process.send_signal(number)

            assert loop.process.wait(PATIENCE) == 0
            assert time.monotonic() - began < END_SECONDS
    assert "gave up waiting" not in str(loop.lines)
    assert not list(state.glob("generations/000002*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_an_apply_before_its_next_step_and_all_is_rolled_back(
    tmp_path: Path, simulated: Path, manifests: Path, number: signal.Signals
) -> None:
    """The apply runs in another thread than the one that gets the signal."""
    state = tmp_path / "state"
    where = ("--simulate", str(simulated), "--state-dir", str(state))
    with watching(state, where, "--apply", *LEISURELY[2:], "-f", str(manifests)) as loop:
        assert loop.turn()["condition"] == "in-sync"
        before = json.loads(state_path(simulated).read_text(encoding="utf-8"))
        more = "---\n".join(GUEST.format(name=f"g{one}", adapters="7", domains=str(one)) for one in range(200))
        (manifests / "more.yaml").write_text(more, encoding="utf-8")
        loop.until_logged("step")
        loop.lines.clear()
        loop.until_logged("step")
        loop.process.send_signal(number)

        assert loop.process.wait(PATIENCE) == 0
    told = [str(line) for line in loop.lines]
    assert any("interrupted before step" in line for line in told)
    assert json.loads(state_path(simulated).read_text(encoding="utf-8")) == before
    outcome = json.loads((state / "generations" / "000002.outcome.json").read_text(encoding="utf-8"))
    assert outcome["outcome"]["result"] == Result.ROLLED_BACK
