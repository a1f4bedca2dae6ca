"""``reconcile observe`` and ``plan --observed``: the plan of a host, without the host."""

import errno
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from reconciler.cli import confirm_command
from reconciler.hosts import opening
from reconciler.kernel import own_files
from reconciler.model.observed import Unread
from reconciler.operations.host_record import parse_record, record_text, sealed
from testing.clocks import FakeClock, NoTimer
from testing.commands import Command, Ran, change, example, parsed
from testing.damaged_json import damaged
from testing.journals import reopen_pending

AGE = re.compile(r"note: host lpar7 as recorded \d{4}-\d\d-\d\d \d\d:\d\d UTC")
FORMATS = ("text", "wide", "diff", "json", "markdown", "github", "sarif")


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` on a fresh copy of the three guests."""
    return example("three-guests", tmp_path, capsys)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Where the record is."""
    return tmp_path / "lpar7.json"


def observed(command: Command, record: Path) -> Ran:
    """Record the host."""
    ran = command.bare("observe", "--simulate", str(command.simulated_host), "--out", str(record))
    assert ran.code == 0
    return ran


def by_record(command: Command, record: Path, *words: str) -> Ran:
    """Plan from the record."""
    return command.bare("plan", *words, "-f", str(command.directory), "--observed", str(record))


def assert_same_plans(command: Command, record: Path) -> None:
    """On the host and from its record, in every format, with everything that is said beside the plan."""
    observed(command, record)
    for words in (*(("-o", one) for one in FORMATS), ("--detailed-exitcode",), ("--target", "guest1")):
        own, made = command("plan", *words), by_record(command, record, *words)
        age, _, others = made.err.partition("\n")
        if own.code != 3:
            assert AGE.fullmatch(age)
            made = made._replace(err=others)
        assert own == made


def rename_host(command: Command) -> None:
    """Let the manifests be those of lpar9."""
    for path in (command.directory / "host.yaml", command.directory / "guests.yaml"):
        path.write_text(path.read_text(encoding="utf-8").replace("lpar7", "lpar9"), encoding="utf-8")


def on_host(command: Command, *words: str) -> None:
    """Do something on the host."""
    assert command.bare(*words, "--simulate", str(command.simulated_host)).code == 0


@pytest.mark.parametrize("name", ["three-guests", "conflict", "invalid"])
def test_a_record_gives_the_plan_of_the_host(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], record: Path
) -> None:
    """Also where there is none, with the same problems and exit codes."""
    command = example(name, tmp_path, capsys)
    if not command.simulated_host.exists():
        shutil.copy(Path("examples/three-guests/simulated-host.yaml"), command.simulated_host)

    assert_same_plans(command, record)


def test_a_record_knows_what_has_happened_on_the_host(command: Command, record: Path) -> None:
    """An apply, a VM that runs, drift, a suspension, a card that is pulled; and what is to be done about it."""
    assert command("apply", "--yes").code == 0
    on_host(command, "simulate", "start", "guest1")
    on_host(command, "simulate", "unplug", "6")
    on_host(command, "suspend", "guest2", "--reason", "ticket 4711")
    change(command, "adapters: [5, 6]", "adapters: [6]")
    change(command, "adapters: [5]", "adapters: [5, 9]")

    assert_same_plans(command, record)
    assert "ticket 4711" in by_record(command, record).err
    assert "1 guest interrupted" in by_record(command, record).out


SUSPENDED = {
    "no suspension": [],
    "a guest": [("suspend", "guest2", "--reason", "ticket 4711")],
    "more guests than a line names": [("suspend", *(f"guest{number}" for number in range(1, 8)), "--reason", "move")],
    "the host": [("suspend", "--reason", "reboot", "--for", "2h")],
    "an apply that waits": [
        ("apply", "-f", ".", "--yes", "--confirm-within", "1h"),
        ("suspend", "guest2", "--reason", "x"),
    ],
}


def timeless(ran: Ran) -> Ran:
    """What `ran` says without how long an apply waits still: the second may change between two commands."""
    out, err = (re.sub(r"for another [\w ]+", "for another while", text) for text in (ran.out, ran.err))
    return Ran(ran.code, out, err)


@pytest.mark.parametrize("before", SUSPENDED.values(), ids=SUSPENDED)
def test_a_record_made_with_relative_paths_gives_the_plan_of_the_host(
    command: Command, monkeypatch: pytest.MonkeyPatch, before: list[tuple[str, ...]]
) -> None:
    """In every format, to the commands in it: each works in every directory."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    monkeypatch.chdir(command.directory)
    where = ("--simulate", "simulated-host.yaml", "--state-dir", "records")
    guests = (command.directory / "guests.yaml").read_text(encoding="utf-8")
    for number in range(4, 8):
        more = guests.split("---")[0].replace("guest1", f"guest{number}").replace("[5, 6]", "[7]")
        guests += "---\n" + more.replace("[4, 0xab]", f"[{number}]")
    (command.directory / "guests.yaml").write_text(guests, encoding="utf-8")
    for words in before:
        ran = command.bare(*words, *where)
        assert ran.code == 0, ran.err
    assert command.bare("observe", *where, "--out", "lpar7.json").code == 0

    for form in FORMATS:
        own = command.bare("plan", "-f", ".", "-o", form, *where)
        made = command.bare("plan", "-f", ".", "-o", form, "--observed", "lpar7.json")

        assert timeless(own) == timeless(made._replace(err=made.err.partition("\n")[2]))
        assert " --simulate /" in own.out + own.err or not before
        assert "--simulate simulated-host" not in own.out + own.err


@pytest.mark.parametrize("words", [("plan",), ("observe",)], ids=" ".join)
def test_a_mistyped_host_is_named_as_it_was_typed(
    command: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """With the command for the one that was meant, although what these print has absolute paths."""
    monkeypatch.chdir(command.directory)

    ran = command.bare(*words, "--simulate", "simulated-hots.yaml")

    assert ran.code == 1
    assert "there is no file simulated-hots.yaml that describes" in ran.err
    assert f"  next: reconcile {words[0]} --simulate simulated-host.yaml    # did you mean" in ran.err


def test_a_record_says_which_machine_and_lpar_the_host_is(command: Command, record: Path) -> None:
    """As the host does; a record without that says why, and either is read back for the same plan."""
    observed(command, record)
    found = json.loads(record.read_text(encoding="ascii"))["observed"]
    assert (found["identity"], found["unidentified"]) == (None, "there is no /proc/sysinfo")

    text = command.simulated_host.read_text(encoding="utf-8")
    spec = "spec:\n  machineId: ibm-3931-00000000000829e7\n  lpar: payments größe\n"
    command.simulated_host.write_text(text.replace("spec:\n", spec, 1), encoding="utf-8")
    assert_same_plans(command, record)
    found = json.loads(record.read_text(encoding="ascii"))["observed"]
    assert found["identity"] == {
        "machineId": "IBM-3931-00000000000829E7",
        "lpar": "PART0007",
        "extendedLpar": "payments größe",
        "vm": None,
    }
    assert found["unidentified"] == ""
    doctor = command.bare("doctor", "--simulate", str(command.simulated_host)).out
    assert doctor.startswith("This is machine IBM-3931-00000000000829E7, LPAR payments größe.\n")


@pytest.mark.parametrize("is_applied", [False, True], ids=["nothing applied", "applied"])
@pytest.mark.parametrize("words", [("plan",), ("report", "--plan", "--html", "-")], ids=" ".join)
def test_a_record_of_another_host_is_refused(
    command: Command, record: Path, words: tuple[str, ...], is_applied: bool
) -> None:
    """With both names, and with nothing that only follows from it; a Host that is chosen is planned with a warning."""
    if is_applied:
        assert command("apply", "--yes").code == 0
    observed(command, record)
    rename_host(command)
    asked = (*words, "-f", str(command.directory), "--observed", str(record))

    ran = command.bare(*asked)
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith(
        "error[other-host]: the record is of host 'lpar7', and the manifests describe only host 'lpar9'\n"
    )
    assert ran.err.endswith("\n1 error\n")

    chosen = command.bare(*asked, "--host", "lpar9")
    assert chosen.code == (4 if is_applied else 0)  # with another name guests get other devices
    assert "warning: the recorded host is host lpar7; it is compared with the manifests of host lpar9" in chosen.err


@pytest.mark.parametrize("name", ["localhost", "localhost.localdomain"])
def test_a_machine_without_a_name_is_planned_with_a_warning(command: Command, record: Path, name: str) -> None:
    """Nothing says that it is another host."""
    text = command.simulated_host.read_text(encoding="utf-8")
    command.simulated_host.write_text(text.replace("name: lpar7\n", f"name: {name}\n"), encoding="utf-8")
    observed(command, record)

    ran = by_record(command, record)

    assert ran.code == 0
    assert f"warning: the recorded host is host {name}; it is compared with the manifests of host lpar7" in ran.err


def test_a_record_of_another_host_is_refused_in_a_review(command: Command, record: Path) -> None:
    """As an annotation of the Host's name."""
    observed(command, record)
    rename_host(command)

    ran = by_record(command, record, "-o", "github")

    assert (ran.code, ran.out.count("::error")) == (3, 1)
    assert "the record is of host 'lpar7'" in ran.out


def test_a_simulated_host_with_another_name_is_planned_with_a_warning(command: Command) -> None:
    """Unless the Host was chosen."""
    said = "warning: the simulated host is host lpar7; it is compared with the manifests of host lpar9\n"
    assert command("plan").err == ""
    rename_host(command)

    warned = command("plan").err
    (line,) = offered(warned)

    assert warned == f"{said}  next: {line}    # if this is meant\n"
    assert shlex.split(line)[1:4] == ["plan", "-f", str(command.directory)]
    assert command.bare(*shlex.split(line)[1:]).err == ""


def test_the_simulated_host_that_the_manifests_describe_is_offered(command: Command) -> None:
    """Where it lies beside the other one, or with the manifests."""
    rename_host(command)
    text = command.simulated_host.read_text(encoding="utf-8")
    right = command.directory / "another.yaml"
    right.write_text(text.replace("name: lpar7\n", "name: lpar9\n"), encoding="utf-8")

    first, second = offered(command("plan", "-o", "json").err)

    assert shlex.split(first)[-1] == str(right)
    assert "--host lpar9" in second
    ran = command.bare(*shlex.split(first)[1:])
    assert (ran.code, ran.err) == (0, "")


def test_the_host_that_was_recorded_is_offered_where_the_manifests_have_it(command: Command, record: Path) -> None:
    """In place of the one that was chosen with ``--host``."""
    observed(command, record)
    (command.directory / "another.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar9}\n", encoding="utf-8"
    )
    chosen = command.bare("plan", "-f", str(command.directory), "--observed", str(record), "--host", "lpar9")

    (line,) = offered(chosen.err)

    assert "--host lpar7" in line
    assert "warning" not in command.bare(*shlex.split(line)[1:]).err


def offered(err: str) -> list[str]:
    """The commands in `err` that are to be run next, without what is said of them."""
    lines = [line.removeprefix("  next: ") for line in err.splitlines() if line.startswith("  next: ")]
    return [line.partition("    #")[0] for line in lines]


def test_a_missing_host_is_advised_by_its_name(command: Command) -> None:
    """Where it is known which host is meant: not for guests alone, and not where a guest names another."""
    (command.directory / "host.yaml").unlink()
    path = command.directory / "guests.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("  host: lpar7\n", ""), encoding="utf-8")
    manifests = str(command.directory)

    assert "  name: lpar7\n" in command("plan").err
    assert "  name: lpar9\n" in command("plan", "--host", "lpar9").err
    assert "  name: NAME\n" in command.bare("validate", "-f", manifests).err + command.bare("validate", manifests).out
    path.write_text(path.read_text(encoding="utf-8").replace("spec:\n", "spec:\n  host: lpar8\n"), encoding="utf-8")
    assert "  name: lpar8\n" in command("plan").err


def test_a_record_knows_what_an_apply_has_left(command: Command, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was killed, and one that failed and could not be rolled back."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    monkeypatch.setattr(confirm_command, "READY", b"")
    assert command("apply", "--yes", "--confirm-within", "90s").code == 0
    state = command.directory / "simulated-host.yaml.state"
    reopen_pending(state)
    boot_id = json.loads((state / "journal.jsonl").read_text(encoding="utf-8"))["bootId"]
    left = {"formatVersion": 1, "bootId": boot_id, "differences": ["guest1 has 05.0004"]}
    (state / "degraded.json").write_text(json.dumps(left), encoding="utf-8")

    assert_same_plans(command, record)
    said = by_record(command, record).err
    assert "an earlier apply was not finished" in said
    assert "  guest1 has 05.0004" in said


def test_a_record_knows_which_apply_waits(command: Command, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waits, and when its time is over: the main sentence says so, with what keeps it and what undoes it."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    monkeypatch.setattr(confirm_command, "READY", b"")
    monkeypatch.setattr(opening, "time", clock := FakeClock())
    assert command("apply", "--yes", "--confirm-within", "90s").code == 0

    assert_same_plans(command, record)
    said = by_record(command, record)
    assert "Nothing to do" not in said.out
    assert "generation 1 waits to be confirmed for another 1 minute 30 seconds; then it is rolled back." in said.out
    steps = re.findall(r"  next: (.*)    # ", said.out)
    assert list(map(parsed, steps)) == ["reconcile confirm", "reconcile cancel"]
    assert "waits to be confirmed" not in said.err

    clock.now += 91
    assert_same_plans(command, record)
    assert "generation 1 was not confirmed in time, and is not rolled back yet" in by_record(command, record).out


def test_a_plan_from_a_record_needs_no_host(command: Command, record: Path) -> None:
    """Neither its files nor what is kept of it are there any more."""
    observed(command, record)
    expected = command("plan").out
    for one in command.directory.glob("simulated-host.yaml*"):
        shutil.rmtree(one) if one.is_dir() else one.unlink()

    assert expected == by_record(command, record).out


def test_a_record_can_come_by_a_pipe(command: Command, record: Path) -> None:
    """As from ``ssh lpar7 reconcile observe``."""
    observed(command, record)
    words = ["plan", "-f", str(command.directory), "--observed", "-"]

    with record.open("rb") as stream:
        ran = subprocess.run(
            [sys.executable, "-m", "reconciler.cli", *words], stdin=stream, capture_output=True, text=True, check=False
        )

    assert ran.stdout == by_record(command, record).out


def test_what_is_printed_is_what_is_written(command: Command, record: Path) -> None:
    """But for the time; it is one JSON object with the version, and without command lines."""
    observed(command, record)
    printed = json.loads(command.bare("observe", "--simulate", str(command.simulated_host)).out)
    written = json.loads(record.read_text(encoding="ascii"))

    for one in (printed, written):
        one.pop("recorded")
        one.pop("contentDigest")
    assert printed == written
    assert written["formatVersion"] == 1
    assert {"masks", "mdevs", "hardware", "kernel", "inventory"} == written["basis"].keys()
    assert written["basis"].items() <= json.loads(command("plan", "-o", "json").out)["basis"].items()


def test_a_saved_plan_from_a_record_can_be_applied(command: Command, record: Path, tmp_path: Path) -> None:
    """As any other."""
    observed(command, record)
    saved = str(tmp_path / "plan.json")
    ran = by_record(command, record, "--out", saved)

    assert ran.code == 0
    assert ran.err.splitlines()[-6:] == [
        f"saved: {saved}",
        "to do exactly this on the host:",
        "  1. copy this file to it",
        "  2. have the same manifests there",
        "  3. run beside it; if the manifests have another path there, change -f:",
        f"     reconcile apply plan.json -f {command.directory} --simulate {command.simulated_host}",
    ]
    assert command("apply", "--yes", saved).code == 0
    assert "Nothing to do" in command("plan").out


@pytest.mark.parametrize("named", [True, False], ids=["named", "the current directory"])
@pytest.mark.parametrize("at", [".", "three-guests", "ci/sub"])
def test_what_is_printed_by_a_record_works_in_each_directory(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, at: str, *, named: bool
) -> None:
    """It has the manifests as they were named; also where the host was recorded with relative paths elsewhere."""
    (tmp_path / "ci/sub").mkdir(parents=True)
    monkeypatch.chdir(command.directory)
    recording = ("--simulate", "simulated-host.yaml", "--state-dir", "../kept", "--run-dir", "run")
    assert command.bare("observe", *recording, "--out", "../host.json").code == 0
    monkeypatch.chdir(tmp_path / at)
    record, manifests = os.path.relpath(tmp_path / "host.json"), os.path.relpath(command.directory)

    if not named and at == "ci/sub":
        for one in ("host.yaml", "guests.yaml"):
            (tmp_path / at / one).write_text((command.directory / one).read_text(encoding="utf-8"), encoding="utf-8")

    ran = command.bare("plan", "--observed", record, *(("-f", manifests) if named else ()), "--out", "plan.json")

    line = ran.err.splitlines()[-1].strip()
    assert parsed(line) == "reconcile apply"
    assert f"-f {manifests if named else '.'} " in line
    assert command.bare(*shlex.split(line)[1:], "--yes").code == 0
    assert (tmp_path / "kept/generations").is_dir()
    assert (command.directory / "run").is_dir()


def test_how_a_saved_plan_comes_to_its_host_fits_a_terminal(
    command: Command, record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line for each step, none divided; only paths and the command are longer, with whatever is to be said."""
    monkeypatch.setenv("COLUMNS", "80")
    observed(command, record)
    files = [str(one) for one in sorted(command.directory.glob("*.yaml")) if one != command.simulated_host]
    names = [word for one in files for word in ("-f", one)]
    commands = ("git init -q -b main", "git add .", "git -c user.name=k -c user.email=k@k commit -q -m one")
    for line in commands:
        subprocess.run(line.split(), cwd=command.directory, check=True)
    change(command)
    saved = str(tmp_path / "plan.json")
    ran = command.bare("plan", "--observed", str(record), *names, "--out", saved)

    lines = ran.err.splitlines()
    steps = lines[lines.index("to do exactly this on the host:") + 1 :]
    assert ran.code == 0
    assert [line[:5] for line in steps] == ["  1. ", "  2. ", "  3. ", "     "]
    assert max(map(len, steps[:3])) <= 80
    assert steps[1].endswith("with what is not committed here, there")
    assert all(f"-f {one}" in steps[3] for one in files)


def test_a_plan_of_manifests_that_are_not_here_asks_where_they_are(
    command: Command, record: Path, tmp_path: Path
) -> None:
    """As where CI has made it in a checkout of its own."""
    observed(command, record)
    saved = str(tmp_path / "plan.json")
    elsewhere = tmp_path / "ci"
    shutil.copytree(command.directory, elsewhere)
    assert command.bare("plan", "--observed", str(record), "-f", str(elsewhere), "--out", saved).code == 0
    shutil.rmtree(elsewhere)

    refused = command.bare("apply", "--yes", saved, "--simulate", str(command.simulated_host))

    assert (refused.code, f"made of the manifests in {elsewhere}, which is not here" in refused.err) == (64, True)
    assert f"reconcile apply {saved} -f MANIFESTS --simulate" in refused.err
    assert command("apply", "--yes", saved).code == 0


def test_a_saved_plan_of_one_guest_stays_one(command: Command, record: Path, tmp_path: Path) -> None:
    """Also from a record."""
    observed(command, record)
    saved = str(tmp_path / "plan.json")
    assert by_record(command, record, "--target", "guest2", "--out", saved).code == 0

    assert command("apply", "--yes", saved).code == 0
    assert "Plan: 2 to create" in command("plan").out


@pytest.mark.parametrize(
    "moved",
    [
        lambda command: on_host(command, "simulate", "unplug", "5"),
        lambda command: command("apply", "--yes"),
        lambda command: on_host(command, "suspend", "guest1", "--reason", "x"),
        lambda command: change(command, "adapters: [5, 6]", "adapters: [6]"),
    ],
    ids=["hardware", "applied", "suspended", "manifests"],
)
def test_a_saved_plan_from_a_record_is_stale_once_anything_moved(
    moved: Callable[[Command], object], command: Command, record: Path, tmp_path: Path
) -> None:
    """On the host, or in the manifests, after it was recorded."""
    observed(command, record)
    saved = str(tmp_path / "plan.json")
    assert by_record(command, record, "--out", saved).code == 0
    moved(command)

    assert command("apply", "--yes", saved).code == 5


def test_what_could_not_be_read_marks_the_plan(command: Command, record: Path, tmp_path: Path) -> None:
    """In the record, in every format of the plan, and it cannot be saved."""
    assert command("apply", "--yes").code == 0
    change(command, "adapters: [5, 6]", "adapters: [6]")
    state = command.directory / "simulated-host.yaml.state"
    (state / "inventory.json").write_text("{", encoding="utf-8")
    (state / "suspended.json").write_text("[]", encoding="utf-8")

    ran = observed(command, record)
    unread = json.loads(record.read_text(encoding="ascii"))["unread"]

    assert ["what was applied last", "what is suspended"] == [one["what"] for one in unread]
    assert all(f"  {one['what']}: {one['reason']}" in ran.err for one in unread)
    for one, name in zip(unread, ("inventory.json", "suspended.json"), strict=True):
        file = state / name
        assert one["reason"].endswith(f"; to move it away, run on the host: mv {file} {file}.damaged")
    marked = by_record(command, record)
    assert "warning[incomplete-record]" in marked.err
    assert "help: Move the damaged file away on the host, then record it again. Run: reconcile observe" in marked.err
    assert "incomplete record (what was applied last, what is suspended could not be read)" in marked.out
    for form in ("text", "wide", "diff", "json", "markdown", "github", "sarif"):
        assert "incomplete record" in by_record(command, record, "-o", form).out, form
    shown = json.loads(by_record(command, record, "-o", "json").out)
    assert "incomplete record" in shown["notes"][-1]
    assert "incomplete-record" in [one["id"] for one in shown["problems"]]
    saved = tmp_path / "plan.json"
    refused = by_record(command, record, "--out", str(saved))
    assert refused.code == 1
    assert "the plan is not saved" in refused.err
    assert f"  next: reconcile observe --out {record} --simulate {command.simulated_host}\n" in refused.err
    assert not saved.exists()


def test_a_dash_is_standard_output(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record goes there as without it, and so do manifests; a saved plan is a file."""
    monkeypatch.chdir(command.directory)
    simulated = ("--simulate", str(command.simulated_host))

    ran = command.bare("observe", "--out", "-", *simulated)
    plan = command("plan", "--out", "-")

    assert json.loads(ran.out)["formatVersion"] == 1
    assert "recorded; to plan" not in ran.err
    assert (plan.code, plan.out) == (64, "")
    assert "a saved plan is a file, from which it is applied; -o json prints the plan" in plan.err
    assert command.bare("import", "--out", "-", *simulated).out == command.bare("import", *simulated).out
    assert not Path("-").exists()


def test_an_incomplete_record_marks_a_plan_that_has_nothing_to_do(command: Command, record: Path) -> None:
    """It may have, if more could be read."""
    assert command("apply", "--yes").code == 0
    (command.directory / "simulated-host.yaml.state/suspended.json").write_text("[]", encoding="utf-8")
    observed(command, record)

    assert "Note: it rests on an incomplete record" in by_record(command, record).out
    assert by_record(command, record, "-o", "diff").out.startswith("# Note: it rests on an incomplete record")


@pytest.mark.parametrize("mode", [None, 0o600, 0o666])
def test_the_file_can_be_read_by_its_group(mode: int | None, command: Command, record: Path) -> None:
    """Whatever it was before, and nobody else."""
    if mode is not None:
        record.write_bytes(b"old")
        record.chmod(mode)
    observed(command, record)

    assert 0o640 == stat.S_IMODE(record.stat().st_mode)


def test_the_files_of_the_simulated_host_are_not_written_over(command: Command) -> None:
    """They are what is recorded."""
    before = command.simulated_host.read_bytes()
    ran = command.bare("observe", "--simulate", str(command.simulated_host), "--out", str(command.simulated_host))

    assert ran.code == 64
    assert before == command.simulated_host.read_bytes()


def test_a_plan_does_not_replace_the_record(command: Command, record: Path) -> None:
    """It is what it was made of."""
    observed(command, record)
    before = record.read_bytes()

    assert by_record(command, record, "--out", str(record)).code == 64
    assert before == record.read_bytes()


def test_a_full_disk_leaves_the_old_record(command: Command, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else in its directory."""
    observed(command, record)
    before = record.read_bytes(), sorted(record.parent.iterdir())

    def full(descriptor: int, content: bytes) -> None:
        os.write(descriptor, content[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(own_files, "write_all", full)
    ran = command.bare("observe", "--simulate", str(command.simulated_host), "--out", str(record))

    assert ran.code == 1
    assert f"{record} cannot be written: No space left on device" in ran.err
    assert before == (record.read_bytes(), sorted(record.parent.iterdir()))


_KILLED = """
import os, signal, sys
from reconciler.kernel import own_files
written = own_files.write_all
def killed(descriptor, content):
    written(descriptor, content[:100])
    os.kill(os.getpid(), signal.{signal})
own_files.write_all = killed
from reconciler.cli.main import main
sys.argv[0] = "reconcile"
main()
"""


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"])
def test_a_signal_leaves_the_old_record(signal: str, command: Command, record: Path) -> None:
    """While it is written; whoever can be asked to end also takes the half of the new one away."""
    observed(command, record)
    before, names = record.read_bytes(), sorted(record.parent.iterdir())
    words = ["observe", "--simulate", str(command.simulated_host), "--out", str(record)]
    ran = subprocess.run(
        [sys.executable, "-c", _KILLED.format(signal=signal), *words], capture_output=True, text=True, check=False
    )

    assert ran.returncode == (-9 if signal == "SIGKILL" else 1)
    assert before == record.read_bytes()
    if signal != "SIGKILL":
        assert "stopped" in ran.stderr
        assert names == sorted(record.parent.iterdir())


@pytest.mark.parametrize(
    "words",
    [("--simulate", "x.yaml"), ("--sysfs", "/other"), ("--state-dir", "x"), ("--enforced",), ("--refused",)],
    ids=lambda words: words[0],
)
def test_a_record_stands_for_the_host(words: tuple[str, ...], command: Command, record: Path) -> None:
    """No other one is named beside it."""
    observed(command, record)
    ran = command.bare("plan", "--observed", str(record), *words)

    assert ran.code == 64
    assert words[0] in ran.err


def put(place: tuple[Any, ...], value: object) -> Callable[[Any], None]:
    """Have `value` at `place` of a record."""

    def done(record: Any) -> None:
        for step in place[:-1]:
            record = record[step]
        record[place[-1]] = value

    return done


@pytest.mark.parametrize(
    ("place", "value", "field"),
    [
        (("formatVersion",), 0, "formatVersion: "),
        (("host",), 7, "host: a number"),
        (("extra",), 7, "extra: not known here"),
        (("observed", "pool", "adapters"), "0xff", "observed.pool.adapters: not a mask"),
        (("observed", "mdevs", 0, "uuid"), "../x", "observed.mdevs[0].uuid: "),
        (("observed", "cards", 0, "adapter"), 256, "observed.cards[0].adapter: ids are 0 to 255"),
        (("observed", "lpar", "maxDomain"), 999, "observed.lpar.maxDomain: ids are 0 to 255"),
        (("observed", "queues", 0, "queue"), "05.0100", "observed.queues[0].queue: 0100 is above"),
        (("observed", "queues", 1, "queue"), "04.0004", "observed.queues: they are not in ascending order, each once"),
        (("observed", "abilities", "apConfig"), "yes", "observed.abilities.apConfig: a text is here"),
        (("observed", "functions"), {"5": 1 << 32}, "observed.functions: they are 32 bits"),
        (("observed", "unidentified"), "", "observed.unidentified: either the identity is known"),
        (("observed", "identity"), {"machineId": "IBM"}, "observed.identity.lpar: missing"),
        (("options",), ["--simulate"], "options: options of --run-dir"),
        (("options",), ["--yes", "x"], "options: options of --run-dir"),
        (("boot", "definitions"), {"../x": ""}, "boot.definitions: a key is no uuid"),
        (("boot", "denied"), ["."], "boot.denied: it names what is not unusable"),
        (("recorded",), 1e300, "recorded: a number of seconds"),
        (("unread",), None, "unread: null"),
        (("unread",), [{"what": "x", "reason": "y"}] * 1001, "unread: at most 1000 are expected"),
        (("observed", "release"), "7.2.0", "contentDigest: "),
        (("observed", "vfioAp"), False, "basis: "),
        (("basis", "masks"), "0" * 64, "basis: "),
        (("contentDigest",), "", "contentDigest: "),
    ],
    ids=str,
)
def test_a_changed_record_is_refused(
    place: tuple[Any, ...], value: object, field: str, command: Command, record: Path
) -> None:
    """With the file and the field, and the command that makes a new one."""
    assert command("apply", "--yes").code == 0
    observed(command, record)
    content = json.loads(record.read_text(encoding="ascii"))
    put(place, value)(content)
    record.write_text(json.dumps(content), encoding="utf-8")
    ran = by_record(command, record)

    assert ran.code == 1
    assert ran.out == ""
    assert f"{record} is no record of a host, or is damaged: {field}" in ran.err
    assert "next: reconcile observe" in ran.err


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_record_is_refused_in_a_sentence(seed: int, command: Command, record: Path) -> None:
    """Whatever has happened to it; or it says the same as before."""
    observed(command, record)
    whole = by_record(command, record)
    record.write_bytes(damaged(record.read_bytes(), Random(seed)))
    ran = by_record(command, record)

    if ran.code == 1:
        assert f"{record} is no record of a host, or is damaged: " in ran.err
        assert len(ran.err) < 2000
    else:
        assert whole == ran


def test_standard_input_is_read_once(command: Command) -> None:
    """It has the record, or the manifests."""
    ran = command.bare("plan", "-f", "-", "--observed", "-")

    assert ran.code == 64
    assert "standard input" in ran.err


@pytest.mark.parametrize("words", [("-f", "x"), ("--host", "lpar7")], ids=lambda words: words[0])
def test_a_record_has_no_manifests(words: tuple[str, ...], command: Command) -> None:
    """Whoever names some means something else."""
    ran = command.bare("observe", "--simulate", str(command.simulated_host), *words)

    assert ran.code == 64
    assert f"leave {words[0]} out" in ran.err


def test_a_record_is_read_up_to_a_limit(command: Command) -> None:
    """What is no file may have no end."""
    ran = by_record(command, Path("/dev/zero"))

    assert ran.code == 1
    assert "it is larger than" in ran.err


def test_a_record_that_is_missing_is_named(command: Command, record: Path) -> None:
    """As any other file."""
    ran = by_record(command, record)

    assert ran.code == 1
    assert f"there is no file {record}" in ran.err


@pytest.mark.parametrize("words", [("plan",), ("report", "--html", "-"), ("compare",)], ids=" ".join)
def test_a_record_that_another_user_has_written_leads_to_its_group(
    command: Command, record: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is kept of a host there, so that no root is needed; whoever wrote it was told who can read it."""
    assert f"to let another group read it: chgrp GROUP {record}\n" in observed(command, record).err or os.geteuid()

    def denied(file: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", file)

    monkeypatch.setattr("reconciler.read_host_record", denied)
    monkeypatch.setattr("reconciler.cli.compare_command.read_host_record", denied)
    named = (str(record), str(record)) if words == ("compare",) else ("--observed", str(record))
    ran = command.bare(*words, *named)

    assert (ran.code, ran.out) == (1, "")
    assert f"{record} cannot be read: Permission denied; " in ran.err
    assert f"chgrp GROUP {record}" in ran.err
    assert "only root" not in ran.err


def test_what_a_record_says_at_length_is_shown_as_far_as_it_can_be_read(command: Command, record: Path) -> None:
    """It was sealed by whoever wrote it; nothing of it fills the log of a job."""
    observed(command, record)
    found = parse_record(record.read_bytes())
    unread = tuple(Unread(f"{number} {'w' * 3000}", "r" * 3000) for number in range(900))
    record.write_text(record_text(sealed(found._replace(unread=unread))), encoding="ascii")

    for words in ((), ("-o", "json"), ("-o", "markdown"), ("-o", "sarif"), ("--out", str(record.with_suffix(".plan")))):
        ran = by_record(command, record, *words)
        assert len(ran.out + ran.err) < 150_000, words
    assert "and 890 more" in by_record(command, record).err
