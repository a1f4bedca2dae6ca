"""The exit codes mean what the README says, and nobody ever sees a traceback."""

import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from reconciler.cli.main import run
from testing.commands import Command, example


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` on a fresh copy of the three guests."""
    return example("three-guests", tmp_path, capsys)


def edit(command: Command, file: str, old: str, new: str) -> None:
    """Change a manifest."""
    path = command.directory / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_0_and_2_tell_whether_there_are_changes(command: Command) -> None:
    """A valid plan is 0; with --detailed-exitcode 2 where there is something to do, 0 where not."""
    assert command("plan").code == 0
    assert command("plan", "--detailed-exitcode").code == 2
    assert command("drift").code == 2
    assert command("apply", "--yes").code == 0
    assert command("plan", "--detailed-exitcode").code == 0
    assert command("drift").code == 0


def test_a_second_apply_writes_nothing(command: Command) -> None:
    """Applying again says that nothing is to do."""
    command("apply", "--yes")

    ran = command("apply", "--yes", "-o", "json")

    assert ran.code == 0
    assert json.loads(ran.out)["kernelWrites"] == 0


def test_3_where_manifests_are_invalid(command: Command) -> None:
    """Nothing is planned from manifests with mistakes, by any command."""
    edit(command, "guests.yaml", "domains: [4, 0xab]", "domains: [4, 0xabc]")

    for words in (["plan"], ["apply"], ["status"], ["drift"], ["validate"]):
        ran = command(*words)
        assert ran.code == 3, words
        assert "guests.yaml:11:16" in ran.err or "guests.yaml:10:16" in ran.err, ran.err


def test_4_where_guests_conflict(command: Command) -> None:
    """A conflict is 4."""
    edit(command, "guests.yaml", "domains: [4, 0xab]", "domains: [4, 0x47]")

    assert command("plan").code == 4


def test_4_where_consent_is_needed_and_given_by_a_flag(command: Command) -> None:
    """Taking a queue from a running VM needs consent; --allow-disruption gives it."""
    command("apply", "--yes")
    uuid = json.loads(command("status", "-o", "json").out)["guests"][0]["uuid"]
    command("simulate", "start", uuid)
    edit(command, "guests.yaml", "domains: [4, 0xab]", "domains: [4]")

    refused = command("apply", "--yes")
    assert refused.code == 4
    assert "--allow-disruption" in refused.err
    assert command("plan", "--detailed-exitcode").code == 2

    assert command("apply", "--yes", "--allow-disruption").code == 0
    assert command("plan", "--detailed-exitcode").code == 0


def test_consent_may_stand_in_the_manifest(command: Command) -> None:
    """``disruption: allow`` is consent for one guest."""
    command("apply", "--yes")
    assert command("simulate", "start", "guest1").code == 0
    edit(command, "guests.yaml", "domains: [4, 0xab]", "domains: [4]\n  disruption: allow")

    assert command("apply", "--yes").code == 0


def test_5_where_a_saved_plan_is_stale(command: Command, tmp_path: Path) -> None:
    """A saved plan is applied as it is, or refused with what has changed; no flag overrides that."""
    saved = str(tmp_path / "plan.json")
    assert command("plan", "--out", saved).code == 0
    simulate = ["--simulate", str(command.simulated_host)]
    edit(command, "guests.yaml", "domains: [4, 0xab]", "domains: [4]")

    stale = command.bare("apply", saved, "--yes", "--allow-disruption", *simulate)
    assert stale.code == 5
    assert "stale: since the plan was made, this has changed: the manifests" in stale.err

    edit(command, "guests.yaml", "domains: [4]", "domains: [4, 0xab]")
    assert command.bare("apply", saved, "--yes", *simulate).code == 0
    assert command.bare("apply", saved, "--yes", *simulate).code == 5


@pytest.mark.parametrize("chosen", [(), ("--target", "guest1")], ids=["whole", "target"])
@pytest.mark.parametrize("changes", ["manifests", "manifests and hardware"])
def test_a_stale_plan_leads_to_another_one_in_the_same_file(
    command: Command, tmp_path: Path, chosen: tuple[str, ...], changes: str
) -> None:
    """Of the same manifests and guests, so that the apply that was refused can be repeated as it was."""
    saved = str(tmp_path / "plan.json")
    assert command("plan", "--out", saved, *chosen).code == 0
    simulate = ["--simulate", str(command.simulated_host)]
    edit(command, "guests.yaml", "domains: [4, 0xab]", "domains: [4]")
    if "hardware" in changes:
        assert command.bare("simulate", "unplug", "4", *simulate).code == 0

    stale = command.bare("apply", saved, "--yes", *simulate)

    said = " ".join(stale.err.split())
    if "hardware" in changes:
        what = "these have changed: the manifests, the hardware (cards, queues, or what the LPAR has)"
    else:
        what = "this has changed: the manifests"
    assert f"stale: since the plan was made, {what} next: " in said
    (line,) = [one.removeprefix("  next: ") for one in stale.err.splitlines() if one.startswith("  next: ")]
    assert command.bare(*shlex.split(line)[1:]).code == 0
    assert command.bare("apply", saved, "--yes", *simulate).code == 0
    assert json.loads(Path(saved).read_text(encoding="utf-8"))["targets"] == (["guest1"] if chosen else None)


@pytest.mark.parametrize("typed", [".", "three-guests", "../three-guests"])
def test_the_command_for_a_stale_plan_has_its_manifests_as_they_are_typed(
    command: Command, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    """From the directory in which the plan was made, whatever absolute paths the file has."""
    monkeypatch.chdir(command.directory.parent if typed == "three-guests" else command.directory)
    host = os.path.relpath(command.simulated_host)
    assert command.bare("plan", "--out", "plan.json", "-f", typed, "--simulate", host).code == 0
    edit(command, "guests.yaml", "domains: [4, 0xab]", "domains: [4]")

    stale = command.bare("apply", "plan.json", "--yes", "--simulate", host)

    assert stale.code == 5
    line = "." if typed == "../three-guests" else typed
    assert f"  next: reconcile plan --out plan.json -f {line} --host lpar7 --simulate {host}\n" in stale.err


@pytest.mark.parametrize("case", ["applied", "rolled back", "applied, then other manifests", "other manifests"])
def test_every_saved_plan_that_is_refused_leads_to_another_one(command: Command, tmp_path: Path, case: str) -> None:
    """Also one that was used already: for the manifests and options as they were, which apply then takes."""
    saved = tmp_path / "plan.json"
    assert command("plan", "--out", str(saved), "--target", "guest1").code == 0
    apply = ("apply", str(saved), "--yes", "--simulate", str(command.simulated_host))
    if case != "other manifests":
        assert command.bare(*apply).code == 0
    if case == "rolled back":
        assert command("rollback", "--yes", "--allow-empty").code == 0
    if "other" in case:
        edit(command, "guests.yaml", "domains: [4, 0xab]", "domains: [4]")

    refused = command.bare(*apply)

    assert refused.code == 5, refused
    assert f"reconcile plan --out {saved} " in json.loads(command.bare(*apply, "-o", "json").out)["why"]
    anew = [one for one in refused.err.splitlines() if one.startswith("  next: reconcile plan ")]
    assert len(anew) == 1, refused.err
    assert command.bare(*shlex.split(anew[0], comments=True)[2:]).code == 0
    assert json.loads(saved.read_text(encoding="utf-8"))["targets"] == ["guest1"]
    assert command.bare(*apply).code == 0


def test_6_where_the_kernel_refuses(command: Command) -> None:
    """A refused write is 6, and the host is as before."""
    with command.simulated_host.open("a", encoding="utf-8") as file:
        file.write("  faults: [{write: 3, errno: EBUSY}]\n")
    before = command("simulate").out

    ran = command("apply", "--yes")

    assert ran.code == 6
    assert "EBUSY" in ran.out
    assert command("simulate").out == before


def test_8_where_another_run_is_at_work(command: Command) -> None:
    """Who finds the lock held is told by whom."""
    command("apply", "--yes")
    lock = command.directory / "simulated-host.yaml.state" / "lock"
    with lock.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write('{"formatVersion": 1, "process": 12345, "since": 0, "command": "reconcile apply -f elsewhere"}')
        file.flush()

        ran = command("apply", "--yes", "--lock-timeout", "0")

    assert ran.code == 8
    assert "process 12345, reconcile apply -f elsewhere, at work for" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["plan", "--apply"],
        ["plan", "status"],
        ["--nonsense"],
        ["nonsense"],
        ["apply", "--out", "x"],
        ["apply", "-o", "markdown"],
        ["simulate", "plug"],
        ["plan", "-o", "xml"],
        ["apply", "--lock-timeout", "-1"],
    ],
)
def test_64_where_the_usage_is_wrong(command: Command, words: list[str]) -> None:
    """Wrong usage is 64 and says what is right."""
    ran = command(*words)

    assert ran.code == 64
    assert ran.err


def test_1_where_there_is_no_ap_bus(command: Command, tmp_path: Path) -> None:
    """A host without an AP bus is told in one sentence, with what to try instead."""
    ran = command.bare("plan", "-f", str(command.directory), "--sysfs", str(tmp_path), "--state-dir", str(tmp_path))

    assert ran.code == 1
    assert "no AP bus" in ran.err
    assert "--simulate" in ran.err


@pytest.mark.parametrize("content", ["", "not json", "{}", '{"formatVersion": 9}', '{"formatVersion": 1}', "[]"])
def test_1_where_a_plan_file_is_none(command: Command, tmp_path: Path, content: str) -> None:
    """Any other file given as a plan is refused in one sentence."""
    saved = tmp_path / "plan.json"
    saved.write_text(content, encoding="utf-8")

    ran = command("apply", str(saved))

    assert ran.code == 1
    assert "plan" in ran.err


def test_completion_scripts(command: Command) -> None:
    """There is one for each shell."""
    for shell in ("bash", "zsh", "fish"):
        ran = command.bare("completion", shell)
        assert ran.code == 0
        assert "_RECONCILE_COMPLETE" in ran.out


@pytest.mark.parametrize("kind", ["host", "guest", "simulated-host", "plan"])
def test_schemas(command: Command, kind: str) -> None:
    """Each kind has a schema, and it is one."""
    ran = command.bare("schema", kind)

    assert json.loads(ran.out)["$schema"].endswith("2020-12/schema")
    assert kind in command.bare("schema").out


def test_formats_of_the_plan(command: Command) -> None:
    """JSON and Markdown go to stdout alone; a diff goes there, and what it does not say to stderr."""
    plan = command("plan", "-o", "json")
    assert json.loads(plan.out)["host"] == "lpar7"
    assert plan.err == ""
    assert command("plan", "-o", "markdown").out.startswith("### reconcile: host `lpar7`")
    diff = command("plan", "-o", "diff")
    assert diff.out.startswith("--- host lpar7, as it is\n+++ host lpar7, as planned\n@@ host pool")
    assert diff.err.startswith("Plan: 3 to create, host pool changes; ")


def test_who_makes_the_plans_writes_by_hand_gets_its_result(command: Command, tmp_path: Path) -> None:
    """The writes of the JSON, made one by one on another copy of the host, leave nothing to do."""
    from reconciler.hosts.simulated import opened_simulation

    plan = json.loads(command("plan", "-o", "json").out)
    with opened_simulation(command.simulated_host, changes=True) as simulation:
        for step in plan["steps"]:
            for write in step["writes"]:
                simulation.host.write(write["path"], write["value"])

    assert command("plan", "--detailed-exitcode").code == 0


def test_a_reader_that_goes_away_is_no_failure(command: Command) -> None:
    """``reconcile plan | head -1`` ends quietly."""
    shell = f"{sys.executable} -m reconciler.cli plan -f {command.directory} --simulate {command.simulated_host}"
    done = subprocess.run(["bash", "-c", f"{shell} | head -1"], capture_output=True, text=True, check=False)

    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_interrupting_an_apply_puts_everything_back(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of the steps leads back to the start."""
    from reconciler.simulator.host import SimulatedHost

    writes = 0
    plain = SimulatedHost.write

    def interrupted(self: SimulatedHost, path: str, value: str) -> int:
        nonlocal writes
        writes += 1
        if writes == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return plain(self, path, value)

    before = command("simulate").out
    monkeypatch.setattr(SimulatedHost, "write", interrupted)

    ran = command("apply", "--yes")

    assert ran.code == 6
    assert "interrupted" in ran.out
    assert command("simulate").out == before


def test_an_unforeseen_failure_is_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is told as one, without a traceback."""

    def broken(*_: object, **__: object) -> int:
        raise RuntimeError("boom")

    monkeypatch.setattr("reconciler.cli.look_commands.plan", broken)

    ran = command("plan")

    assert ran.code == 1
    assert "bug" in ran.err
    assert "Traceback" not in ran.err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """``--version`` names the installed version."""
    assert run(["--version"]) == 0
    assert "reconcile, version" in capsys.readouterr().out


def test_manifests_default_to_the_current_directory(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without -f the manifests here are read."""
    monkeypatch.chdir(command.directory)

    assert command.bare("plan", "--simulate", "simulated-host.yaml").code == 0


def test_an_edited_description_asks_for_a_reset(command: Command) -> None:
    """State that belongs to another description is not mixed with it."""
    command("apply", "--yes")
    edit(command, "simulated-host.yaml", '"6.12"', '"7.2"')

    ran = command("plan")
    assert ran.code == 1
    assert ran.err.startswith(f"error: {command.simulated_host} was changed after the simulated host was first used")
    assert "next: reconcile simulate reset" in ran.err
    assert ran.err.endswith("    # deletes its mediated devices and its history\n")
    done = command("simulate", "reset")
    assert (done.code, "reset; its history is deleted\n" in done.err) == (0, True)
    assert command("plan").code == 0


def test_everything_removed_from_the_manifests_is_removed_from_the_host(command: Command) -> None:
    """A guest that leaves the manifests loses its device, since we made it; a foreign device stays."""
    command("apply", "--yes")
    shutil.copy(command.directory / "guests.yaml", command.directory / "guests.txt")
    text = (command.directory / "guests.yaml").read_text(encoding="utf-8")
    (command.directory / "guests.yaml").write_text(text.split("---")[0], encoding="utf-8")

    plan = json.loads(command("plan", "-o", "json").out)

    assert [one["action"] for one in plan["steps"]] == ["remove", "remove"]
    assert command("apply", "--yes").code == 0
    assert command("plan", "--detailed-exitcode").code == 0


def test_a_saved_plan_whose_steps_were_changed_is_refused(command: Command, tmp_path: Path) -> None:
    """A reviewer was shown something else: refused as changed (1), or, with a forged digest, as stale (5)."""
    saved = tmp_path / "plan.json"
    assert command("plan", "--out", str(saved)).code == 0
    before = command("simulate").out
    record = json.loads(saved.read_text(encoding="utf-8"))
    record["steps"] = record["steps"][:1]
    saved.write_text(json.dumps(record), encoding="utf-8")

    ran = command.bare("apply", str(saved), "--yes", "--simulate", str(command.simulated_host))
    assert (ran.code, "was changed after it was saved" in ran.err) == (1, True)

    del record["contentDigest"]
    record["contentDigest"] = sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    saved.write_text(json.dumps(record), encoding="utf-8")
    ran = command.bare("apply", str(saved), "--yes", "--simulate", str(command.simulated_host))
    assert (ran.code, "changed after it was saved" in ran.err) == (5, True)
    assert command("simulate").out == before


@pytest.mark.parametrize("fault", ["{write: 4}", "{write: 4, errno: EBUSY, blocked: done}", "{write: 4, errno: EWHAT}"])
def test_a_fault_that_cannot_be_is_told_with_its_place(command: Command, fault: str) -> None:
    """One that says nothing, more than one thing, or names no errno; the schema lets these pass."""
    with command.simulated_host.open("a", encoding="utf-8") as file:
        file.write(f"  faults:\n    - {{write: 1, errno: EBUSY}}\n    - {fault}\n")

    ran = command("plan")

    assert ran.code == 3
    assert "error[simulated-host]: this host cannot be" in ran.err
    assert "faults[1]" in ran.err or f"- {fault}" in ran.err


@pytest.mark.parametrize("words", [("plan",), ("status",), ("drift",), ("validate",), ("apply", "--yes")])
def test_3_where_no_manifest_describes_the_host(command: Command, words: tuple[str, ...]) -> None:
    """The same from each command that reads manifests."""
    ran = command(*words, "--host", "nope")

    assert (ran.code, "host-not-found" in ran.err) == (3, True), ran.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("plan", "--sysfs", "/sys"), "choose one of --sysfs and --simulate"),
        (("watch", "--git-interval", "5m"), "--git-interval goes with --git"),
        (("watch", "--notify-command", "/nowhere/tell --all"), "there is no program /nowhere/tell"),
        (("watch", "--notify-command", "no-such-program"), "there is no program no-such-program"),
    ],
)
def test_64_where_an_option_would_not_be_heeded(command: Command, words: tuple[str, ...], why: str) -> None:
    """Rather than a command that does something else than was asked for, or that cannot do it later."""
    ran = command(*words)

    assert (ran.code, why in ran.err) == (64, True), ran.err
