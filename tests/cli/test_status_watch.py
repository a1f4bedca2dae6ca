"""``reconcile status --watch``: what the loop found last."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli.main import run
from reconciler.model.desired import Activation, Desired, DesiredGuest, DesiredHost, Presence, Unmanaged
from reconciler.model.matrix import EMPTY_CONFIG
from reconciler.model.problems import Position
from reconciler.transaction.loop_records import LastGood, read_suspensions, write_last_good
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.published import PublishedReader
from reconciler.watch.report import Condition, Counters, SourceReport
from reconciler.watch.request_triggers import RequestTriggers
from reconciler.watch.status_file import FILE, StatusFile
from testing.commands import EXAMPLES
from testing.loop_processes import watching
from testing.reports import report

REPORT = report(
    summary="the host is as the manifests say",
    since=1.0,
    source=SourceReport("/etc/reconciler"),
    generation=3,
    guests=(),
    queues={},
    counters=Counters(),
    cycle_ended=2.0,
    looked=None,
    succeeded=2.0,
    apply_seconds=None,
    plan_seconds=0.1,
)
PATIENCE = 60.0
PLACE = Position("a.yaml", 1, 1)


def kept(folder: Path) -> Path:
    """A state directory in which a loop has left `REPORT`."""
    state = StateDirectory(folder / "state")
    state.prepare()
    StatusFile(state, os.getpid()).write(REPORT)
    return state.path


def with_ap_bus(folder: Path) -> str:
    """A sysfs root of which no more is there than says that the host has an AP bus."""
    bus = folder / "sys/bus/ap"
    bus.mkdir(parents=True)
    (bus / "apmask").write_text(f"0x{'f' * 64}\n", encoding="utf-8")
    return str(folder / "sys")


def test_in_a_pipe_it_is_shown_once(tmp_path: Path) -> None:
    """For programs and for pagers."""
    path = kept(tmp_path)
    loop = RequestTriggers(path)
    assert run(["status", "--watch", "--state-dir", str(path)]) == 0
    loop.close()


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
        assert process.wait(PATIENCE) == 1, "no loop runs"
    os.close(ours)


def test_a_loop_that_was_killed_guards_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its file says that it runs, and nobody holds its lock; while somebody does, it runs."""
    path = kept(tmp_path)
    assert run(["status", "--watch", "--state-dir", str(path)]) == 1
    told = capsys.readouterr().out
    assert "no loop enforces the manifests" in told
    assert "in sync for" not in told
    assert "killed" in told
    loop = RequestTriggers(path)
    assert run(["status", "--watch", "--state-dir", str(path)]) == 0
    loop.close()
    assert "no loop enforces the manifests" not in capsys.readouterr().out


def test_a_damaged_status_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do, once."""
    path = kept(tmp_path)
    (path / FILE).write_text("{")
    assert run(["status", "--watch", "--state-dir", str(path)]) == 1
    assert 1 == capsys.readouterr().err.count(f"mv {path / FILE} {path / FILE}.damaged")


def test_nobody_is_suspended_by_a_mistyped_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The names that are known are told."""
    state = StateDirectory(kept(tmp_path))
    guests = (
        DesiredGuest(
            "payments",
            "lpar7",
            "62177883-f1bb-47f0-914d-32a22e3a8804",
            EMPTY_CONFIG,
            Activation.ACTIVE,
            Presence.ANY,
            (),
            PLACE,
        ),
    )
    host = DesiredHost("lpar7", None, (), Unmanaged.IGNORE, PLACE)
    write_last_good(state, LastGood(Desired(host, guests, "d"), ""))
    where = ["--sysfs", with_ap_bus(tmp_path), "--state-dir", str(state.path), "--reason", "hand work"]
    assert run(["suspend", "payment", *where]) == 64
    assert "Did you mean 'payments'? There are: payments" in capsys.readouterr().err
    assert run(["suspend", "payments", "--for", "2d", *where]) == 0


def test_manifests_that_would_not_be_read_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The loop reads its own; the command without them is printed, complete."""
    path = kept(tmp_path)
    for words in (["-f", str(tmp_path)], ["--enforced"], ["--refused"]):
        assert run(["status", "--watch", *words, "--state-dir", str(path)]) == 64
        said = capsys.readouterr().err
        assert words[0] in said
        assert f"reconcile status --watch --state-dir {path}" in said


def test_another_host_than_the_loop_watches_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both are named; the right name, and none, are the same."""
    path = kept(tmp_path)
    loop = RequestTriggers(path)
    assert run(["status", "--watch", "--host", "lpar9", "--state-dir", str(path)]) == 1
    said = capsys.readouterr().err
    assert "watches host lpar7, not lpar9" in said
    assert f"  next: reconcile status --watch --state-dir {path}\n" in said
    assert run(["status", "--watch", "--host", "lpar7", "--state-dir", str(path)]) == 0
    loop.close()


def test_what_is_suspended_and_resumed_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several guests in one phrase; where nothing is suspended, nothing is said to be resumed."""
    where = ["--sysfs", with_ap_bus(tmp_path), "--state-dir", str(kept(tmp_path))]
    reason = ["--reason", "hand work"]
    for words, expected in (
        (["resume"], "nothing is suspended, so there is nothing to resume\n"),
        (["suspend", "a", *reason], "guest a: suspended until it is resumed\n"),
        (["suspend", "b", "c", *reason], "guests b, c: suspended until it is resumed\n"),
        (["resume", "a", "c"], "guests a, c: resumed\n"),
        (["suspend", *reason], "the whole host: suspended until it is resumed\n"),
        (["resume"], "the whole host: resumed\n"),
        (["suspend", *reason], "the whole host: suspended until it is resumed\n"),
        (["resume", "--all"], "the whole host and guest b: resumed\n"),
        (["resume"], "nothing is suspended, so there is nothing to resume\n"),
    ):
        assert run([*words, *where]) == 0
        assert expected == capsys.readouterr().out


def test_guests_are_suspended_by_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that have it in what the loop enforces, by name; where no guest has it, nothing is suspended."""
    state = StateDirectory(kept(tmp_path))
    guests = tuple(
        DesiredGuest(
            name,
            "lpar7",
            f"{number:08}-f1bb-47f0-914d-32a22e3a8804",
            EMPTY_CONFIG,
            Activation.ACTIVE,
            Presence.ANY,
            (("tenant", tenant),),
            PLACE,
        )
        for number, (name, tenant) in enumerate((("a", "payments"), ("b", "office"), ("c", "payments")))
    )
    host = DesiredHost("lpar7", None, (), Unmanaged.IGNORE, PLACE)
    write_last_good(state, LastGood(Desired(host, guests, "d"), ""))
    where = ["--sysfs", with_ap_bus(tmp_path), "--state-dir", str(state.path), "--reason", "hand work"]

    assert run(["suspend", "-l", "tenant=nobody", *where]) == 64
    assert "no guest has the label tenant=nobody; nothing is suspended" in capsys.readouterr().err
    assert read_suspensions(state).host is None
    assert run(["suspend", "-l", "tenant=payments", *where]) == 0
    assert capsys.readouterr().out == "guests a, c: suspended until it is resumed\n"
    assert sorted(read_suspensions(state).guests) == ["a", "c"]
    assert run(["suspend", "b", "-l", "tenant=payments", *where]) == 0
    assert capsys.readouterr().out == "guests b, a, c: suspended until it is resumed\n"

    assert run(["status", "--watch", "-l", "tenant=office", "-o", "json", "--state-dir", str(state.path)]) == 1


def test_metrics_go_into_a_file_that_the_exporter_reads(tmp_path: Path) -> None:
    """Another name, or a folder that is missing, is wrong usage."""
    where = ["-f", str(tmp_path), "--state-dir", str(tmp_path / "s"), "--sysfs", str(tmp_path)]
    for file in ("metrics.txt", "missing/metrics.prom"):
        assert run(["watch", *where, "--metrics-file", str(tmp_path / file)]) == 64


def test_what_is_to_be_run_next_works_in_every_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever reads it may run it elsewhere."""
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    needing = REPORT._replace(condition=Condition.NEEDS_PERSON, summary="consent is needed")
    StatusFile(state, os.getpid()).write(needing)
    monkeypatch.chdir(tmp_path)
    loop = RequestTriggers(state.path)

    run(["status", "--watch", "--state-dir", "state"])
    loop.close()

    shown = capsys.readouterr().out
    assert f"--state-dir {tmp_path}/state" in shown
    assert "--state-dir state" not in shown


def test_a_cycle_has_one_number_everywhere(tmp_path: Path) -> None:
    """Whatever says it, also after many cycles that found nothing new, and after the loop was killed."""
    directory = tmp_path / "site"
    shutil.copytree(EXAMPLES / "three-guests", directory, ignore=shutil.ignore_patterns("*.state*"))
    where = ("--simulate", str(directory / "simulated-host.yaml"), "--state-dir", str(tmp_path / "state"))

    with watching(tmp_path / "state", where, "--apply", "-f", str(directory)) as loop:
        number = [loop.turn()["cycle"] for _ in range(5)][-1]
        assert f"cycle {number + 1}: in sync" in loop.run("trigger", "--wait").out
        assert f"{number + 1} cycles, 1 applied since the loop was started" in loop.run("status", "--watch").out
        assert json.loads(loop.run("status", "--watch", "-o", "json").out)["counters"]["cycles"] == number + 1
        published = PublishedReader(tmp_path / "state.run").read()
        assert published.loop
        assert published.loop.cycles == number + 1
        assert f"cycle {number + 2} begins soon" in loop.run("trigger").out
        assert loop.turn()["cycle"] >= number + 2
