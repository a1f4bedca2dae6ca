"""What commands publish, with a loop and without one."""

import io
import json
import shutil
import stat
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.cli.exit_codes import Exit
from reconciler.cli.time_limit import TimeIsUp
from testing.clocks import FakeClock
from testing.commands import Command, example
from testing.libvirt import domain_xml, hostdev
from testing.publishing import publishing
from testing.reports import report


@pytest.fixture
def three(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """The example with three guests."""
    return example("three-guests", tmp_path, capsys)


def run_directory(command: Command) -> Path:
    """Where it publishes: beside the state directory of the simulated host."""
    return command.directory / "simulated-host.yaml.state.run"


def published(command: Command) -> Any:
    """The report."""
    return json.loads((run_directory(command) / "report.json").read_text())


def test_an_apply_publishes_a_report_without_a_loop(three: Command) -> None:
    """The host is in sync with what was applied; nothing says that a loop runs."""
    assert three("--apply", "--yes").code == Exit.DONE

    found = published(three)

    assert (found["condition"], found["generation"]) == ("in-sync", 1)
    assert [one["effective"] == one["wanted"] for one in found["guests"]] == [True, True, True]
    assert not (run_directory(three) / "loop.json").exists()


def test_a_suspension_and_its_end_are_published(three: Command) -> None:
    """A suspension of a guest, one of the whole host, and their end."""
    three("--apply", "--yes")
    guest = published(three)["guests"][0]["name"]
    three("suspend", guest, "--reason", "a test")
    assert [one["name"] for one in published(three)["guests"] if one["suspended"]] == [guest]
    three("suspend", "--reason", "all of it")
    assert published(three)["suspended"]["reason"] == "all of it"
    three("resume", "--all")
    assert published(three)["suspended"] is None
    assert not [one for one in published(three)["guests"] if one["suspended"]]


def test_an_apply_that_waits_says_so_until_it_is_confirmed(three: Command) -> None:
    """By another command."""
    assert three("--apply", "--yes", "--confirm-within", "1h").code == Exit.DONE
    assert (published(three)["condition"], published(three)["summary"]) == (
        "waiting",
        "generation 1 waits to be confirmed",
    )

    assert three("confirm", "1").code == Exit.DONE

    assert published(three)["condition"] == "in-sync"


def test_a_rollback_publishes_the_generation_that_it_makes(three: Command) -> None:
    """With what its guests see of the hardware that is left."""
    assert three("--apply", "--yes").code == Exit.DONE
    assert three("simulate", "unplug", "5").code == Exit.DONE
    assert three("rollback", "1", "--yes").code == Exit.DONE
    assert any("05" in why for one in published(three)["guests"] for why in one["why"])


def test_what_only_a_loop_knows_stays(three: Command) -> None:
    """A command changes what it has changed; how the loop is remains the loop's word, and so does who may read it."""
    loop = publishing(run_directory(three), FakeClock())
    loop.publish(report())
    before = (run_directory(three) / "loop.json").read_bytes()

    assert three("--apply", "--yes").code == Exit.DONE

    found = published(three)
    assert (found["counters"]["cycles"], found["applies"], found["generation"]) == (12, True, 1)
    assert found["source"]["location"] == "https://git.example/ap main"
    assert (run_directory(three) / "loop.json").read_bytes() == before
    assert stat.S_IMODE((run_directory(three) / "report.json").stat().st_mode) == 0o644


def test_a_directory_that_is_not_ours_is_no_reason_for_a_command_to_fail(three: Command) -> None:
    """It says so; and `--run-dir` names another one."""
    run_directory(three).symlink_to(three.directory)

    ran = three("--apply", "--yes")

    assert ran.code == Exit.DONE
    assert "no report on this is published" in ran.err
    assert not (three.directory / "report.json").exists()
    assert three("--apply", "--yes", "--run-dir", str(three.directory / "reports")).code == Exit.DONE
    assert (three.directory / "reports" / "report.json").exists()


def test_a_damaged_report_is_replaced(three: Command) -> None:
    """Whatever is in it."""
    run_directory(three).mkdir(mode=0o755)
    (run_directory(three) / "report.json").write_bytes(b"\xff")

    ran = three("--apply", "--yes")

    assert (ran.code, "published" in ran.err) == (Exit.DONE, False)
    assert published(three)["generation"] == 1


@pytest.fixture
def booted(three: Command) -> Command:
    """The same, applied for our boot unit, after a boot."""
    host = three.directory / "host.yaml"
    host.write_text(host.read_text().replace("\nspec:\n", "\nspec:\n  persistence: service\n"))
    three("--apply", "--yes")
    three.bare("simulate", "boot", "--simulate", str(three.simulated_host))
    return three


def test_a_boot_publishes_a_report(booted: Command) -> None:
    """What was there before the boot is gone with the directory; nothing else writes it where no loop runs."""
    shutil.rmtree(run_directory(booted))

    assert booted.bare("boot", "--simulate", str(booted.simulated_host)).code == Exit.DONE

    found = published(booted)
    assert found["condition"] == "in-sync"
    assert all(one["effective"] == one["wanted"] for one in found["guests"])


def test_a_vm_that_starts_publishes_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its guest has its device then; at a refused start nothing has changed."""
    command = example("on-demand", tmp_path, capsys)
    command("apply", "--yes")
    (run_directory(command) / "report.json").unlink()

    def starts(uuid: str) -> int:
        stdin = SimpleNamespace(buffer=io.BytesIO(domain_xml(hostdev(uuid), name="vm")), isatty=lambda: False)
        monkeypatch.setattr(sys, "stdin", stdin)
        where = ["-f", str(command.directory), "--simulate", str(command.simulated_host)]
        return command.bare("hook", "qemu", *where, "--", "vm", "prepare", "begin", "-").code

    day, night = (one["uuid"] for one in json.loads(command("status", "-o", "json").out)["guests"])
    assert starts(day) == Exit.DONE
    assert [bool(one["effective"]) for one in published(command)["guests"]] == [True, False]
    (run_directory(command) / "report.json").unlink()
    assert starts(night) == Exit.FAILURE
    assert not (run_directory(command) / "report.json").exists()


def test_a_report_that_takes_too_long_keeps_no_boot_waiting(booted: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The boot has done what it was to do."""

    def never(*_: object) -> None:
        raise TimeIsUp

    monkeypatch.setattr("reconciler.cli.publishing.publish", never)

    ran = booted.bare("boot", "--simulate", str(booted.simulated_host))

    assert ran.code == Exit.DONE
    assert "no report on this is published: it took more than 5 s" in ran.err
