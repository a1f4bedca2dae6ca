"""A loop in operation: what it answers, what it reads, how it ends."""

import json
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from testing.git_repositories import Repository
from testing.loop_processes import BROKEN, HOST, LEISURELY, PATIENCE, environment, following, guest, watching
from testing.mounted_hosts import until
from testing.publishing import Connection


@contextmanager
def served(simulated: Path, tmp_path: Path) -> Iterator[Callable[[str], tuple[int, str]]]:
    """``reconcile serve`` in a process of its own, beside a loop; gives what asks it for a path."""
    door, run = tmp_path / "door", simulated.with_name(f"{simulated.name}.state.run")
    command = [sys.executable, "-m", "reconciler.cli", "serve", "--listen", str(door), "--run-dir", str(run)]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            assert f"answering at {door}" in next(line for line in process.stderr if "answering" in line)
            yield lambda path: get(door, path)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


def get(path: Path, what: str) -> tuple[int, str]:
    """Status and text of `what` at the socket `path`."""
    connection = Connection(str(path), socket.AF_UNIX)
    try:
        connection.request("GET", what)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_metrics_and_health_tell_of_a_refused_commit(repository: Repository, simulated: Path, tmp_path: Path) -> None:
    """As soon as the turn that has refused it is over; and that it was mended."""
    file = tmp_path / "reconcile.prom"
    with (
        served(simulated, tmp_path) as ask,
        following(repository, simulated, "--metrics-file", str(file)) as loop,
    ):
        loop.turn()
        assert (ask("/healthz")[0], ask("/readyz")[0]) == (200, 200)
        assert "reconcile_in_sync 1.0" in ask("/metrics")[1]
        assert repository.head()[:12] in ask("/metrics")[1]
        repository.commit({"payments.yaml": BROKEN})
        loop.turn()
        status, text = ask("/readyz")
        assert (ask("/healthz")[0], status) == (200, 503)
        assert "payments.yaml:3:" in text
        assert "reconcile_source_refused 1.0" in ask("/metrics")[1]
        assert "reconcile_source_refused 1.0" in file.read_text(encoding="utf-8")
        repository.commit({"payments.yaml": guest()})
        loop.turn()
        assert ask("/readyz")[0] == 200
        assert loop.end() == 0
        assert "exit code 0: by a signal" in ask("/healthz")[1]
        assert "reconcile_up 0.0" in ask("/metrics")[1]
    text = file.read_text(encoding="utf-8")
    assert "reconcile_up 0.0" in text
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
    command = [sys.executable, str(script), str(read), "watch", "--git", repository.url, "--branch", "main"]
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
    command = [sys.executable, "-m", "reconciler.cli", "watch", "--git", "host:x", "--branch", "main"]
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
    state = simulated.with_name(f"{simulated.name}.state")
    source = ("--apply", "--git", str(tmp_path / "missing.git"), "--branch", "main", *LEISURELY)
    with (
        served(simulated, tmp_path) as ask,
        watching(state, ("--simulate", str(simulated)), *source) as loop,
    ):
        assert loop.turn()["condition"] == "needs-person"
        told = loop.run("status", "--watch").out
        assert "enforces nothing" in told
        assert "configuration is enforced" not in told
        assert ask("/readyz")[0] == 503
        assert "nothing is enforced" in ask("/readyz")[1]
        assert "configuration is enforced" not in "\n".join(str(line.get("event")) for line in loop.lines)


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
    assert f"reconcile watch --apply --git {repository.url} --branch main" in again
    found = json.loads(loop.run("status", "--watch", "-o", "json").out)
    assert (found["condition"], found["lastCondition"]) == ("ended", "in-sync")
