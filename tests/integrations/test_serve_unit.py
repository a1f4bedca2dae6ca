"""The units of ``reconcile serve``: the service without rights, and the socket that systemd makes for it."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.integrations.units import (
    SERVE_NAME,
    SERVE_SOCKET_NAME,
    STATE,
    serve_socket_text,
    serve_unit_text,
)
from testing.clocks import FakeClock
from testing.loop_processes import environment
from testing.publishing import Connection, publishing
from testing.reports import report

SOCKET = "/run/reconciler/serve.sock"
MOST_EXPOSED = 1.5
AS_SYSTEMD_DOES = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.execve(sys.argv[2], sys.argv[2:], {**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())})
"""


def unit(address: str = SOCKET, *, group: str | None = "reconciler", is_local: bool = True) -> str:
    """The service."""
    return serve_unit_text(sys.executable, ("--listen", address), group, address, is_local=is_local)


def analyze(*words: str) -> str:
    """What ``systemd-analyze`` says; it must succeed."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("NOT TESTED: the unit of reconcile serve by systemd-analyze, which is not here (package systemd)")
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(("address", "is_local"), [(SOCKET, True), ("127.0.0.1:9750", True), ("0.0.0.0:9750", False)])
def test_the_unit_is_confined(tmp_path: Path, address: str, is_local: bool) -> None:
    """More than any other of ours, as far as systemd can tell from outside."""
    file = tmp_path / SERVE_NAME
    file.write_text(unit(address, is_local=is_local))

    said = analyze("security", "--offline=true", "--no-pager", str(file))

    score = float(said.split("Overall exposure level for", 1)[1].split(": ", 1)[1].split()[0])
    assert score <= MOST_EXPOSED


@pytest.mark.parametrize("address", [SOCKET, "127.0.0.1:9750"])
def test_systemd_finds_no_fault_with_the_units(tmp_path: Path, address: str) -> None:
    """Every directive is known, and in its section."""
    files = [tmp_path / SERVE_NAME]
    files[0].write_text(unit(address))
    if address == SOCKET:
        files.append(tmp_path / SERVE_SOCKET_NAME)
        files[1].write_text(serve_socket_text(SOCKET, None))

    said = analyze("verify", "--man=no", *map(str, files))

    assert [line for line in said.splitlines() if "reconcile-serve" in line] == []


def test_it_has_the_group_and_sees_nothing_of_the_state() -> None:
    """What it reads is published for that group; without it, what is published for everybody."""
    lines = unit().splitlines()

    assert "SupplementaryGroups=reconciler" in lines
    assert "DynamicUser=yes" in lines
    assert any(one.startswith(f"InaccessiblePaths=-{STATE} ") for one in lines)
    assert not [one for one in lines if one.startswith(("ReadWritePaths=", "StateDirectory="))]
    assert "SupplementaryGroups" not in unit(group=None)
    # Which boot this is, it reads in /proc/sys.
    assert "ProcSubset" not in unit()


def test_the_socket_is_for_the_group() -> None:
    """Or for root alone, where there is none."""
    text = serve_socket_text(SOCKET, "reconciler")

    assert f"ListenStream={SOCKET}\nSocketMode=0660\nSocketGroup=reconciler\n" in text
    assert "SocketGroup" not in serve_socket_text(SOCKET, None)
    with pytest.raises(ValueError, match="character"):
        serve_socket_text("/run/a\nb", None)


def test_a_socket_that_systemd_has_made_is_used_and_left(tmp_path: Path) -> None:
    """As systemd gives it: the descriptor 3, and which process it is for."""
    publishing(tmp_path / "run", FakeClock()).publish(report())
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as given:
        given.bind(str(path))
        given.listen()
        words = [
            sys.executable,
            "-m",
            "reconciler.cli",
            "serve",
            "--listen",
            str(path),
            "--run-dir",
            str(tmp_path / "run"),
        ]
        program = [sys.executable, "-c", AS_SYSTEMD_DOES, str(given.fileno()), *words]
        with subprocess.Popen(program, pass_fds=[given.fileno()], env=environment(), stderr=subprocess.PIPE) as process:
            try:
                assert process.stderr
                assert b"answering" in process.stderr.readline()
                connection = Connection(str(path), socket.AF_UNIX)
                connection.request("GET", "/")
                answer = connection.getresponse()
                assert (answer.status, b"<h1>lpar7</h1>" in answer.read()) == (200, True)
                connection.close()
                process.terminate()
                assert process.wait(30) == 0
            finally:
                process.kill()
    assert path.is_socket()
