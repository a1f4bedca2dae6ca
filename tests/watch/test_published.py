"""What is published in the run directory."""

import grp
import json
import os
import stat
from errno import EPERM
from pathlib import Path
from typing import Any

import pytest

from reconciler.kernel.own_files import is_locked
from reconciler.watch import run_directory
from reconciler.watch.published import LOCK, LOOP, REPORT, PublishedReader, boot_id, publish_end, usage
from reconciler.watch.report import CONSENT, Obstacle, RefusedConfiguration, SourceReport
from reconciler.watch.run_directory import RunDirectory, UnsafeRunDirectory
from testing.clocks import FakeClock
from testing.publishing import publishing
from testing.reports import NOW, report


def test_a_report_is_read_as_it_was_published(tmp_path: Path) -> None:
    """With how the loop is, and nothing half written beside it."""
    clock = FakeClock()
    loop = publishing(tmp_path / "run", clock)
    before = PublishedReader(tmp_path / "run").read()
    loop.publish(report(cycle_ended=NOW, due=NOW + 60))
    found = PublishedReader(tmp_path / "run").read()

    assert (before.report, before.is_locked) == (None, True)
    assert found.report == report(cycle_ended=NOW, due=NOW + 60)
    assert found.loop
    assert (found.loop.process, found.loop.boot_id, found.loop.cycles) == (os.getpid(), boot_id(), 12)
    assert found.loop.next_cycle_by == clock.monotonic() + 360
    assert found.loop.ended is None
    assert {one.name for one in (tmp_path / "run").iterdir()} == {LOCK, LOOP, REPORT}


def test_the_end_is_published_last(tmp_path: Path) -> None:
    """With the exit code and the reason; the report stays, and the lock is free."""
    loop = publishing(tmp_path / "run", FakeClock())
    loop.publish(report())
    loop.close(3, "by an error")

    found = PublishedReader(tmp_path / "run").read()

    assert found.loop
    assert found.loop.ended
    assert found.loop.ended[1:] == (3, "by an error")
    assert (found.report, found.is_locked) == (report(), False)


def test_no_secret_and_no_command_line_is_published(tmp_path: Path) -> None:
    """Neither in URLs, nor what a person would run."""
    command = "reconcile apply -f /root/secret-place --allow-removals"
    refused = RefusedConfiguration(
        "abc", (f"{CONSENT}{command}", "it removes guests"), NOW, (Obstacle.CONSENT,), command
    )
    location = "https://kim:hunter2@git.example/ap main"
    source = SourceReport(
        location, "abc", refused, f"cannot ask {location}", ("/root/secret-place",), f"git ls-remote {location}"
    )
    loop = publishing(tmp_path / "run", FakeClock())
    loop.publish(report(source=source, differences=(f"see {location}",), summary=location))

    text = "".join(one.read_text() for one in (tmp_path / "run").iterdir())

    for word in ("hunter2", "kim", "--apply", "/root/secret-place", "ls-remote"):
        assert word not in text
    assert "https://git.example/ap main" in text
    assert "it needs a person's consent" in text
    assert "it removes guests" in text


@pytest.mark.parametrize(("is_public", "mode"), [(True, 0o644), (False, 0o640)])
def test_who_may_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_public: bool, mode: int) -> None:
    """Everybody where that was asked for, otherwise a group; whatever the umask is."""
    group = grp.getgrgid(os.getegid())
    monkeypatch.setattr(run_directory, "GROUP", group.gr_name)
    before = os.umask(0o077)
    try:
        made = RunDirectory(tmp_path / "run", is_public=is_public)
        made.prepare()
        made.replace(REPORT, b"x")
        os.close(made.lock(LOCK))
    finally:
        os.umask(before)

    for name in (REPORT, LOCK):
        found = (tmp_path / "run" / name).stat()
        assert (stat.S_IMODE(found.st_mode), found.st_gid) == (mode, group.gr_gid)
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o755


def test_without_the_group_it_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the state directory is."""
    monkeypatch.setattr(run_directory, "GROUP", "no-such-group-here")
    made = RunDirectory(tmp_path / "run")
    made.prepare()
    made.replace(REPORT, b"x")

    assert stat.S_IMODE((tmp_path / "run" / REPORT).stat().st_mode) == 0o600


def test_a_group_that_a_service_may_not_give_files_to_is_no_reason_not_to_publish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a unit that was installed before the group was made: then it is for its owner alone."""
    monkeypatch.setattr(run_directory, "GROUP", grp.getgrgid(os.getegid()).gr_name)

    def refused(*_: object) -> None:
        raise PermissionError(EPERM, "Operation not permitted")

    made = RunDirectory(tmp_path / "run")
    monkeypatch.setattr(made, "_gid", os.getegid() + 1)
    monkeypatch.setattr(os, "fchown", refused)
    made.prepare()
    made.replace(REPORT, b"x")

    assert stat.S_IMODE((tmp_path / "run" / REPORT).stat().st_mode) == 0o600
    assert [one.name for one in (tmp_path / "run").iterdir()] == [REPORT]


@pytest.mark.parametrize("what", ["link", "file", "writable", "other owner", "no parent"])
def test_a_directory_that_is_not_ours_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Nothing is written to it, and the text says what to do."""
    path = tmp_path / "run"
    match what:
        case "link":
            (tmp_path / "there").mkdir(mode=0o755)
            path.symlink_to("there")
        case "file":
            path.touch()
        case "writable":
            path.mkdir()
            path.chmod(0o775)
        case "other owner":
            path.mkdir(mode=0o755)
            monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        case _:
            path = tmp_path / "missing" / "run"

    with pytest.raises(UnsafeRunDirectory, match=r"--run-dir|chmod go-w"):
        publishing(path, FakeClock())
    assert not list(tmp_path.glob("**/*.json"))


def test_a_file_in_place_of_the_temporary_one_is_not_written_to(tmp_path: Path) -> None:
    """A link that an earlier owner has left."""
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "run").mkdir(mode=0o755)
    (tmp_path / "run" / f".{LOOP}.{os.getpid()}.new").symlink_to(tmp_path / "victim")

    publishing(tmp_path / "run", FakeClock())

    assert (tmp_path / "victim").read_text() == "mine"


def test_what_was_removed_is_made_again(tmp_path: Path) -> None:
    """With the next cycle, also the lock."""
    loop = publishing(tmp_path / "run", FakeClock())
    for one in (tmp_path / "run").iterdir():
        one.unlink()
    (tmp_path / "run").rmdir()

    loop.publish(report())

    assert is_locked(tmp_path / "run" / LOCK)
    assert PublishedReader(tmp_path / "run").read().report == report()


def test_what_was_read_is_parsed_again_only_where_it_was_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand guests are parsed once for each cycle, not for each question."""
    parsed: list[Any] = []
    loop = publishing(tmp_path / "run", FakeClock())
    loop.publish(report())
    reader = PublishedReader(tmp_path / "run")
    first = reader.read()
    monkeypatch.setattr(json, "loads", lambda *given, **_: parsed.append(given))

    assert reader.read() == first
    assert not parsed


def test_a_loop_that_could_not_begin_leaves_its_end(tmp_path: Path) -> None:
    """Readable as the files before it were; a directory that is not there is not made."""
    publish_end(RunDirectory(tmp_path / "none"), FakeClock(), 64, "its options are wrong")
    publishing(tmp_path / "run", FakeClock()).close(0, "by a signal")
    publish_end(RunDirectory(tmp_path / "run"), FakeClock(), 64, "its options are wrong")

    found = PublishedReader(tmp_path / "run").read()

    assert not (tmp_path / "none").exists()
    assert found.loop
    assert found.loop.ended
    assert found.loop.ended[1:] == (64, "its options are wrong")
    assert stat.S_IMODE((tmp_path / "run" / LOOP).stat().st_mode) == 0o644


def test_the_process_knows_what_it_uses(tmp_path: Path) -> None:
    """As the kernel says; None where it says something else."""
    found = usage()

    assert found
    assert 0 < found.resident_bytes < found.virtual_bytes
    assert 0 < found.open_files <= found.most_open_files
    assert NOW - 20 * 365 * 86400 < found.started
    assert usage(tmp_path) is None
    (tmp_path / "self").mkdir()
    (tmp_path / "self/stat").write_text("1 (x) y")
    (tmp_path / "stat").write_text("cpu 1\n")
    assert usage(tmp_path) is None
