"""Timers that outlive us: a transient systemd timer, or a process in a session of its own."""

import os
import select
import sys
from pathlib import Path

import pytest

from reconciler.integrations.timers import READY, CannotArm, DetachedTimer, SystemdTimer, systemd_is_there

PATIENCE = 30.0

WAITS = f"""\
import os, sys
sys.stdout.write({READY.decode()!r})
sys.stdout.flush()
with open(sys.argv[1], "w") as told:
    told.write(f"{{os.getsid(0) == os.getpid()}} {{os.getcwd()}} {{sys.argv[2]}}")
"""


def systemd_run(directory: Path, status: int) -> Path:
    """A stand-in for systemd-run(1) in `directory`, which keeps its arguments in ``arguments`` there."""
    program = directory / "systemd-run"
    text = f'#!/bin/sh\nprintf "%s\\n" "$@" > {directory}/arguments\necho "no bus" >&2\nexit {status}\n'
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    return program


def test_a_systemd_timer_is_a_transient_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Armed for the time that is wanted, exact to a second, with the generation's number at the end."""
    systemd_run(tmp_path, 0)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    SystemdTimer(["/usr/bin/reconcile", "expire"]).arm(12, 300)

    words = (tmp_path / "arguments").read_text(encoding="utf-8").splitlines()
    assert words[-4:] == ["--", "/usr/bin/reconcile", "expire", "12"]
    assert "--on-active=300.000s" in words
    assert "--timer-property=AccuracySec=1s" in words
    assert any(word.startswith("--unit=reconcile-confirm-12-") for word in words)


def test_a_systemd_that_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is applied."""
    systemd_run(tmp_path, 1)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    with pytest.raises(CannotArm, match="systemd-run refused: no bus"):
        SystemdTimer(["reconcile"]).arm(12, 300)
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(CannotArm, match="does not answer"):
        SystemdTimer(["reconcile"]).arm(12, 300)


def test_systemd_is_there_where_it_runs_and_takes_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both the running init system and its tool are needed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not systemd_is_there(tmp_path)
    systemd_run(tmp_path, 0)
    assert systemd_is_there(tmp_path)
    assert not systemd_is_there(tmp_path / "run")


def test_a_detached_process_is_out_of_reach_of_our_terminal(tmp_path: Path) -> None:
    """It leads a session of its own, keeps no directory busy, and knows its generation."""
    told = tmp_path / "told"
    os.mkfifo(told)

    DetachedTimer([sys.executable, "-c", WAITS, str(told)], tmp_path / "log").arm(7, 300)

    descriptor = os.open(told, os.O_RDONLY | os.O_NONBLOCK)
    try:
        select.select([descriptor], [], [], PATIENCE)
        assert os.read(descriptor, 100) == b"True / 7"
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("program", ["raise SystemExit('no such host')", "print('something else')"])
def test_a_process_that_does_not_wait_arms_nothing(tmp_path: Path, program: str) -> None:
    """What it said is in its log."""
    timer = DetachedTimer([sys.executable, "-c", program], tmp_path / "log")

    with pytest.raises(CannotArm, match="may say why"):
        timer.arm(7, 300)
    if "raise" in program:
        assert (tmp_path / "log").read_text(encoding="utf-8") == "no such host\n"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_process_that_cannot_be_started_arms_nothing(tmp_path: Path) -> None:
    """A missing program, and a log that cannot be written."""
    with pytest.raises(CannotArm, match="cannot be started"):
        DetachedTimer([str(tmp_path / "nothing")], tmp_path / "log").arm(7, 300)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CannotArm, match="cannot be written"):
        DetachedTimer([sys.executable], tmp_path / "link").arm(7, 300)
