"""Options and names that are written as for other programs are answered with the command that was meant."""

import shlex
from pathlib import Path

import pytest

from testing.commands import Command, example


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` in a fresh copy of the three guests, applied and recorded."""
    made = example("three-guests", tmp_path, capsys)
    monkeypatch.chdir(made.directory)
    assert made.bare("apply", "--yes", *WHERE).code == 0
    return made


WHERE = ("--simulate", "simulated-host.yaml")
SIMULATED = " ".join(WHERE)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("status guest/guest1", f"status {SIMULATED} guest1"),
        ("status guests/guest1 vm/guest2", f"status {SIMULATED} guest1 guest2"),
        ("status card/5", f"status {SIMULATED} card05"),
        ("status queue/05.0047", f"status {SIMULATED} 05.0047"),
        ("matrix Guest/guest1", f"matrix {SIMULATED} guest1"),
        ("suspend guest/guest1 --reason x", f"suspend --reason x {SIMULATED} guest1"),
        ("suspend guest1 2h --reason x", f"suspend --reason x --for 2h {SIMULATED} guest1"),
        ("suspend guest1 2h", f"suspend --reason 'key ceremony, ask Kim' --for 2h {SIMULATED} guest1"),
        ("suspend 2h --reason x", f"suspend --reason x --for 2h {SIMULATED}"),
        ("status --unused", f"status --free {SIMULATED}"),
        ("status --idle", f"status --free {SIMULATED}"),
        ("rollback --only 1", f"history show 1 {SIMULATED}"),
        ("rollback --only=1 --yes", f"history show 1 {SIMULATED}"),
        ("rollback --only", f"history {SIMULATED}"),
        ("history show latest", f"history {SIMULATED} show 1"),
        ("history show newest", f"history {SIMULATED} show 1"),
        ("history last", f"history {SIMULATED} show 1"),
        ("history diff 1 latest", f"history {SIMULATED} diff 1 1"),
        ("history state latest -o json", f"history -o json {SIMULATED} state 1"),
        ("blame 05.0047", f"status 05.0047 {SIMULATED}"),
        ("owner 05.0047", f"status 05.0047 {SIMULATED}"),
        ("report --markdown", f"plan -o markdown {SIMULATED}"),
        ("status --markdown", f"plan -o markdown {SIMULATED}"),
        ("plan --md", f"plan -o markdown {SIMULATED}"),
    ],
)
def test_the_command_that_was_meant_works(command: Command, words: str, meant: str) -> None:
    """And is printed whole."""
    ran = command.bare(*shlex.split(words), *WHERE)

    last = ran.err.splitlines()[-1]
    line = last[last.rindex("reconcile ") :].partition("    #")[0]
    assert (ran.code, line) == (64, f"reconcile {meant}")
    assert command.bare(*shlex.split(line)[1:]).code == 0


@pytest.mark.parametrize("option", ["--record", "--recorded", "--record="])
def test_a_recorded_host_is_named_with_observed(command: Command, option: str) -> None:
    """Whatever the record is called."""
    assert command.bare("observe", "--out", "lpar7.json", *WHERE).code == 0
    given = [f"{option}lpar7.json"] if option.endswith("=") else [option, "lpar7.json"]

    ran = command.bare("plan", *given)

    line = ran.err.splitlines()[-1]
    assert line[line.index("reconcile ") :] in (
        "reconcile plan --observed lpar7.json",
        "reconcile plan --observed=lpar7.json",
    )
    assert command.bare(*shlex.split(line[line.index("reconcile ") :])[1:]).code == 0


def test_a_guest_that_is_called_like_a_duration_is_one(command: Command) -> None:
    """Where it is known."""
    guests = command.directory / "guests.yaml"
    guests.write_text(guests.read_text(encoding="utf-8").replace("name: guest2", "name: 2h"), encoding="utf-8")

    assert command.bare("suspend", "2h", "--reason", "x", *WHERE).code == 0


@pytest.mark.parametrize(
    ("words", "meant", "left_out"),
    [
        ("diff main", "plan", "main"),
        ("diff main other", "plan", "main other"),
        ("drft main", "drift", "main"),
        ("deploy main", "apply", "main"),
        ("apppy main --targt guest1", "apply", "main --targt guest1"),
        ("check guest1", "validate", "guest1"),
        ("stauts guest1 --foo", "status", "guest1 --foo"),
        ("matrix --free guest1", "status --free", "guest1"),
        ("matrix guest1 free", "status --free", "guest1"),
        ("deploy guest1", "apply --target guest1", ""),
        ("sync guest guest1", "apply --target guest1", ""),
        ("diff guest1", "plan --target guest1", ""),
        ("diff guests.yaml host.yaml", "plan", ""),
        ("get guest guest1 --json", "status guest1 -o json", ""),
        ("statsu guest1", "status guest1", ""),
        ("histroy show 1", "history show 1", ""),
        ("log 1", "history show 1", ""),
        ("diff 1 1", "history diff 1 1", ""),
    ],
)
def test_nothing_is_left_out_silently(command: Command, words: str, meant: str, left_out: str) -> None:
    """What the command that was meant does not take is said behind it."""
    ran = command.bare(*words.split(), *WHERE)

    line, _, remark = ran.err[ran.err.rindex("reconcile ") :].rstrip("\n").partition("    #")
    assert line.startswith(f"reconcile {meant} ")
    assert remark == (f" without {left_out}" if left_out else "")
