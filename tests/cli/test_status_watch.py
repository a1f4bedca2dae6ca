"""``reconcile status --watch``: what the loop found last."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from reconciler.cli.main import run
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.report import Condition, Counters, Report, Source
from reconciler.watch.status_file import StatusFile

REPORT = Report(
    host="lpar7",
    condition=Condition.IN_SYNC,
    summary="the host is as the manifests say",
    since=1.0,
    source=Source("/etc/reconciler"),
    generation=3,
    guests=(),
    queues={},
    differences=(),
    suspended=None,
    counters=Counters(),
    turned=2.0,
    succeeded=2.0,
    apply_seconds=None,
    plan_seconds=0.1,
    applies=True,
)
PATIENCE = 60.0


def kept(folder: Path) -> Path:
    """A state directory in which a loop has left `REPORT`."""
    state = StateDirectory(folder / "state")
    state.prepare()
    StatusFile(state, os.getpid()).write(REPORT)
    return state.path


def test_in_a_pipe_it_is_shown_once(tmp_path: Path) -> None:
    """For programs and for pagers."""
    assert run(["status", "--watch", "--state-dir", str(kept(tmp_path))]) == 0


def test_where_no_loop_has_been_that_is_said(tmp_path: Path) -> None:
    """With what to do."""
    assert run(["status", "--watch", "--state-dir", str(tmp_path)]) == 1


def test_at_a_terminal_it_is_shown_until_somebody_ends_it(tmp_path: Path) -> None:
    """Ctrl-C is the way to end it, and no failure."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "reconciler.cli", "status", "--watch", "--state-dir", str(kept(tmp_path))]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while shown.count(b"lpar7: ") < 2:
            assert select.select([ours], [], [], PATIENCE)[0], shown
            shown += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    os.close(ours)
