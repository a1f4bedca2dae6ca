"""A file of another kind than the one that is expected is answered with what it is, and the command for it."""

import shlex
from pathlib import Path

import pytest

from testing.commands import Command, Ran, example


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The three guests with a record of their host and a saved plan; the current directory is theirs."""
    made = example("three-guests", tmp_path, capsys)
    monkeypatch.chdir(made.directory)
    assert made.bare("observe", "--out", "host.json", *WHERE).code == 0
    assert made.bare("plan", "--out", "plan.json", *WHERE).code == 0
    return made


WHERE = ("--simulate", "simulated-host.yaml")
RECORD = "host.json is the record of a host, which 'reconcile observe' has made"
PLAN = "plan.json is a saved plan"
SIMULATED = "simulated-host.yaml is the description of a simulated host"


def nexts(ran: Ran) -> list[str]:
    """The commands that `ran` offers next, without their remarks."""
    lines = [line.removeprefix("  next: ") for line in ran.err.splitlines() if line.startswith("  next: ")]
    return [line.partition("    #")[0] for line in lines]


@pytest.mark.parametrize("width", ["80", "120"])
@pytest.mark.parametrize(
    ("words", "what", "offered"),
    [
        (("apply", "host.json", *WHERE), RECORD, ["reconcile plan --observed host.json"]),
        (("apply", "host.json"), RECORD, ["reconcile plan --observed host.json"]),
        (
            ("apply", "host.json", "-f", "guests.yaml", "-f", "host.yaml", *WHERE),
            RECORD,
            ["reconcile plan --observed host.json -f guests.yaml -f host.yaml"],
        ),
        (("apply", "simulated-host.yaml"), SIMULATED, ["reconcile apply --simulate simulated-host.yaml"]),
        (
            ("plan", "--observed", "simulated-host.yaml"),
            SIMULATED,
            [
                "reconcile plan --simulate simulated-host.yaml",
                "reconcile observe --out simulated-host.json --simulate simulated-host.yaml",
            ],
        ),
        (("plan", "--observed", "plan.json"), PLAN, ["reconcile apply plan.json"]),
        (
            ("report", "host.json", "--html", "x.html"),
            RECORD,
            ["reconcile report --html x.html --observed host.json"],
        ),
        (("report", "--observed", "plan.json", "--html", "x.html"), PLAN, ["reconcile report --html x.html plan.json"]),
        (
            ("report", "--observed", "simulated-host.yaml", "--html", "x.html"),
            SIMULATED,
            [
                "reconcile report --html x.html --simulate simulated-host.yaml",
                "reconcile observe --out simulated-host.json --simulate simulated-host.yaml",
            ],
        ),
    ],
)
def test_it_is_said_what_was_given(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    width: str,
    words: tuple[str, ...],
    what: str,
    offered: list[str],
) -> None:
    """Not what the first byte of it lacks; each command that is offered can be run."""
    monkeypatch.setenv("COLUMNS", width)

    ran = command.bare(*words)

    assert (ran.code, ran.out) == (64, "")
    assert f"Error: {what}, not " in " ".join(ran.err.split())
    assert sorted(map(shlex.split, nexts(ran))) == sorted(map(shlex.split, offered))
    for line in nexts(ran):
        if "apply" not in line:
            assert command.bare(*shlex.split(line)[1:]).code == 0


@pytest.mark.parametrize("format", ["text", "wide", "markdown", "json", "diff"])
def test_an_empty_plan_that_is_saved_leads_to_no_apply(command: Command, format: str) -> None:
    """As there is nothing to do; it is written all the same, for a program that expects the file."""
    assert command("apply", "--yes").code == 0

    ran = command.bare("plan", "-o", format, "--out", "empty.json", *WHERE)

    assert (ran.code, Path("empty.json").exists()) == (0, True)
    assert ran.err.endswith("saved: empty.json; an apply of it changes nothing\n")


@pytest.mark.parametrize("words", [("status",), ("plan",), ("matrix",), ("simulate",), ("doctor",)])
@pytest.mark.parametrize("file", ["host.json", "plan.json", "guests.yaml", "host.yaml", "pod.yaml", "empty"])
def test_a_simulated_host_is_expected_behind_its_option(command: Command, words: tuple[str, ...], file: str) -> None:
    """Whatever else is given: it is no manifest, and is not measured by what a manifest begins with."""
    Path("pod.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n", encoding="utf-8")
    Path("empty").write_text("", encoding="utf-8")

    ran = command.bare(*words, "--simulate", file)

    said = " ".join(ran.err.replace("= help:", "").split())
    assert (ran.code, ran.out) == (3, "")
    assert f"error[not-one-simulated-host]: {file} does not describe a simulated host" in said
    assert "begins with apiVersion: reconciler/v1 and kind: SimulatedHost." in said
    assert said.endswith(" 1 error")
    assert "Guest" not in said


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("kind: SimulatedHost", "kind: SimulatdHost", "Did you mean 'SimulatedHost'?"),
        ("kind: SimulatedHost\n", "", "Write kind: SimulatedHost"),
        ("apiVersion: reconciler/v1", "apiVersion: v1", "Write apiVersion: reconciler/v1"),
        ("spec:", "spec: [", "error[yaml-syntax]"),
    ],
)
def test_what_was_meant_as_one_is_corrected(command: Command, old: str, new: str, problem: str) -> None:
    """By its place in the file, as before."""
    text = command.simulated_host.read_text(encoding="utf-8")
    command.simulated_host.write_text(text.replace(old, new), encoding="utf-8")

    ran = command.bare("plan", *WHERE)

    assert problem in " ".join(ran.err.replace("= help:", "").split())
    assert "--> simulated-host.yaml:" in ran.err


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"formatVersion": 1}', "a: b\n", "kind: Pod\n", "{" * 9999])
def test_of_any_other_file_it_is_said_that_it_is_none(command: Command, content: str) -> None:
    """With the whole command that writes one."""
    Path("other").write_text(content, encoding="utf-8")

    planned, applied = command.bare("plan", "--observed", "other"), command.bare("apply", "other", *WHERE)

    assert nexts(planned) == ["reconcile observe --out host.json"]
    assert (planned.code, applied.code) == (1, 1)
    assert nexts(applied) == ["reconcile plan --out plan.json --simulate simulated-host.yaml"]
