"""A loop in operation: what it answers, what it reads, how it ends."""

import http.client
import json
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from testing.git_repositories import Repository
from testing.loop_processes import BROKEN, HOST, LEISURELY, PATIENCE, environment, following, guest, watching
from testing.mounted_hosts import until


class _Connection(http.client.HTTPConnection):
    """HTTP by a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self.path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


def get(path: Path, what: str) -> tuple[int, str]:
    """Status and text of `what` at the socket `path`."""
    connection = _Connection(path)
    try:
        connection.request("GET", what)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_metrics_and_health_tell_of_a_refused_commit(repository: Repository, simulated: Path, tmp_path: Path) -> None:
    """As soon as the turn that has refused it is over; and that it was mended."""
    door, file = tmp_path / "door", tmp_path / "reconcile.prom"
    with following(repository, simulated, "--listen", str(door), "--metrics-file", str(file)) as loop:
        loop.turn()
        assert (get(door, "/healthz")[0], get(door, "/readyz")[0]) == (200, 200)
        assert "reconcile_in_sync 1.0" in get(door, "/metrics")[1]
        assert repository.head()[:12] in get(door, "/metrics")[1]
        repository.commit({"payments.yaml": BROKEN})
        loop.turn()
        status, text = get(door, "/readyz")
        assert (get(door, "/healthz")[0], status) == (200, 503)
        assert "payments.yaml:3:" in text
        assert "reconcile_source_refused 1.0" in get(door, "/metrics")[1]
        assert "reconcile_source_refused 1.0" in file.read_text(encoding="utf-8")
        repository.commit({"payments.yaml": guest()})
        loop.turn()
        assert get(door, "/readyz")[0] == 200
    text = file.read_text(encoding="utf-8")
    assert "reconcile_loop_running 0.0" in text
    assert "reconcile_in_sync" not in text


def test_a_file_that_is_saved_is_applied_without_being_asked(simulated: Path, tmp_path: Path) -> None:
    """By its directory, as an editor leaves it: a new file with the old name."""
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    (manifests / "host.yaml").write_text(HOST, encoding="utf-8")
    (manifests / "payments.yaml").write_text(guest(), encoding="utf-8")
    state = simulated.with_name(f"{simulated.name}.state")
    with watching(state, ("--simulate", str(simulated)), "--apply", "-f", str(manifests), "--resync", "1h") as loop:
        loop.until("applied")
        (tmp_path / "new").write_text(guest(domains="4, 5"), encoding="utf-8")
        (tmp_path / "new").replace(manifests / "payments.yaml")
        assert loop.until("applied")["generation"] == 2
        (manifests / "payments.yaml").write_text(BROKEN, encoding="utf-8")
        assert loop.until("refused")["generation"] == 2


def test_a_guest_that_is_gone_from_the_files_is_removed_when_they_are_quiet(simulated: Path, tmp_path: Path) -> None:
    """Not before; a loop says what it waits for, also in its status, and with a command that ends the wait."""
    manifests, state = tmp_path / "manifests", tmp_path / "state"
    manifests.mkdir()
    (manifests / "host.yaml").write_text(HOST, encoding="utf-8")
    (manifests / "payments.yaml").write_text(guest(), encoding="utf-8")
    (manifests / "reports.yaml").write_text(guest(adapters="7", name="reports"), encoding="utf-8")
    where = ("--simulate", str(simulated), "--state-dir", str(state))
    with watching(state, where, "--apply", "-f", str(manifests), "--resync", "1h") as loop:
        loop.until("applied")
        began = time.monotonic()
        (manifests / "reports.yaml").unlink()
        assert "1 guest is gone from the manifests: reports" in loop.until("condition")["event"]
        line = shlex.join(("reconcile", "trigger", *where))
        until(lambda: line in loop.run("status", "--watch").out)  # the log is written before the status
        assert loop.until("applied")["generation"] == 2
        assert time.monotonic() - began >= 5.0


def test_after_a_commit_only_what_it_has_changed_is_read(repository: Repository, simulated: Path) -> None:
    """Other files are those of the checkout before, under the name that they had: parsed once."""
    repository.commit({f"g{number}.yaml": guest(name=f"g{number}", adapters="4") for number in range(3)})
    script = Path(__file__).with_name("counting_reads.py")
    state = simulated.with_name(f"{simulated.name}.state")
    read = simulated.with_name("read")
    command = [sys.executable, str(script), str(read), "--watch", "--git", repository.url, "--branch", "main"]
    with watching(state, ("--simulate", str(simulated)), *LEISURELY, command=command) as loop:
        loop.turn()
        assert sorted(read.read_text().split()) == [
            "g0.yaml", "g1.yaml", "g2.yaml", "host.yaml", "payments.yaml"
        ]  # fmt: skip
        for content in ("4, 5", "5"):
            read.write_text("")
            repository.commit({"payments.yaml": guest(domains=content)})
            loop.turn()
            assert read.read_text().split() == ["payments.yaml"]


def test_sigterm_ends_a_loop_whose_repository_does_not_answer(simulated: Path, tmp_path: Path) -> None:
    """Also before its first turn, which waits for the answer."""
    (tmp_path / "begun").mkdir()
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho begun >{tmp_path}/fifo\nexec sleep 1000\n", encoding="utf-8")
    ssh.chmod(0o755)
    subprocess.run(["mkfifo", str(tmp_path / "fifo")], check=True)
    command = [sys.executable, "-m", "reconciler.cli", "--watch", "--git", "host:x", "--branch", "main"]
    with subprocess.Popen(
        [*command, "--simulate", str(simulated)],
        env={**environment(), "GIT_SSH_COMMAND": str(ssh), "GIT_SSH_VARIANT": "simple"},
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert (tmp_path / "fifo").read_text(encoding="utf-8") == "begun\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


def test_a_first_start_without_the_repository_enforces_nothing_and_says_so(simulated: Path, tmp_path: Path) -> None:
    """In the log, in the status and in its health: there is no configuration that could be enforced."""
    state, door = simulated.with_name(f"{simulated.name}.state"), tmp_path / "door"
    source = ("--apply", "--git", str(tmp_path / "missing.git"), "--branch", "main", *LEISURELY, "--listen", str(door))
    with watching(state, ("--simulate", str(simulated)), *source) as loop:
        assert loop.turn()["condition"] == "needs-person"
        told = loop.run("status", "--watch").out
        assert "enforces nothing" in told
        assert "is enforced" not in told
        assert get(door, "/readyz")[0] == 503
        assert "nothing is enforced" in get(door, "/readyz")[1]
        assert "is enforced" not in "\n".join(str(line.get("event")) for line in loop.lines)


def test_a_loop_that_has_ended_says_since_when_how_and_what_starts_it(repository: Repository, simulated: Path) -> None:
    """Whatever it found last; for programs as well."""
    with following(repository, simulated) as loop:
        assert loop.turn()["condition"] == "in-sync"
    ran = loop.run("status", "--watch")
    assert ran.code == 1
    assert ran.out.startswith("lpar7: the loop ended ")
    assert "in sync for" not in ran.out
    assert "by a signal (SIGTERM or SIGINT)" in ran.out
    again = ran.out.split("Next:\n")[1]
    assert f"--watch --apply --git {repository.url} --branch main" in again
    found = json.loads(loop.run("status", "--watch", "--format", "json").out)
    assert (found["condition"], found["lastCondition"]) == ("ended", "in-sync")
