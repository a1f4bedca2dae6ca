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


@pytest.mark.parametrize(
    ("words", "what", "offered"),
    [
        (("plan", "simulated-host.yaml"), SIMULATED, ["reconcile plan --simulate simulated-host.yaml"]),
        (("plan", "-f", "simulated-host.yaml"), SIMULATED, ["reconcile plan --simulate simulated-host.yaml"]),
        (("plan", "simulated-host.yaml", *WHERE), SIMULATED, ["reconcile plan --simulate simulated-host.yaml"]),
        (("drift", "simulated-host.yaml"), SIMULATED, ["reconcile drift --simulate simulated-host.yaml"]),
        (
            ("validate", "simulated-host.yaml"),
            SIMULATED,
            ["reconcile validate", "reconcile simulate --simulate simulated-host.yaml"],
        ),
        (("status", "simulated-host.yaml", *WHERE), SIMULATED, ["reconcile status --simulate simulated-host.yaml"]),
        (("status", "-f", "simulated-host.yaml"), SIMULATED, ["reconcile status --simulate simulated-host.yaml"]),
        (("matrix", "simulated-host.yaml", *WHERE), SIMULATED, ["reconcile matrix --simulate simulated-host.yaml"]),
        (("doctor", "simulated-host.yaml"), SIMULATED, ["reconcile doctor --simulate simulated-host.yaml"]),
        (
            ("suspend", "simulated-host.yaml", "guest1", *WHERE, "--reason", "x"),
            SIMULATED,
            ["reconcile suspend --reason x --simulate simulated-host.yaml guest1"],
        ),
        (("plan", "host.json"), RECORD, ["reconcile plan --observed host.json"]),
        (("plan", "-f", "host.json", *WHERE), RECORD, ["reconcile plan --observed host.json"]),
        (("apply", "-f", "host.json"), RECORD, ["reconcile plan --observed host.json"]),
        (("validate", "host.json"), RECORD, ["reconcile plan --observed host.json"]),
        (("drift", "host.json", *WHERE), RECORD, ["reconcile plan --observed host.json"]),
        (
            ("status", "host.json", *WHERE),
            RECORD,
            ["reconcile plan --observed host.json", "reconcile report --observed host.json --html report.html"],
        ),
        (
            ("matrix", "-f", "host.json", *WHERE),
            RECORD,
            ["reconcile plan --observed host.json", "reconcile report --observed host.json --html report.html"],
        ),
        (
            ("report", "-f", "host.json", "--html", "x.html"),
            RECORD,
            ["reconcile report --html x.html --observed host.json"],
        ),
    ],
)
def test_a_file_that_is_no_manifest_leads_to_its_own_option(
    command: Command, words: tuple[str, ...], what: str, offered: list[str]
) -> None:
    """Wherever manifests or guests are expected: the command that is offered works."""
    assert command("apply", "--yes").code == 0

    ran = command.bare(*words)

    assert (ran.code, ran.out) == (64, "")
    assert f"Error: {what}, not " in " ".join(ran.err.split())
    assert nexts(ran) == offered
    for line in nexts(ran):
        assert command.bare(*shlex.split(line)[1:]).code in {0, 1 if "doctor" in line else 0}, line


def test_among_manifests_such_files_stay_what_they_are(command: Command) -> None:
    """A shell makes them of ``*.yaml``."""
    assert command.bare("plan", "guests.yaml", "host.yaml", "simulated-host.yaml", *WHERE).code == 0
    assert command.bare("validate", "-f", "guests.yaml", "-f", "host.yaml", "-f", "simulated-host.yaml").code == 0


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("observe", *WHERE, "host.json"), "reconcile observe --out host.json --simulate simulated-host.yaml"),
        (("observe", *WHERE, "new.json"), "reconcile observe --out new.json --simulate simulated-host.yaml"),
        (("observe", *WHERE, "guests.yaml"), "reconcile observe --simulate simulated-host.yaml"),
        (("observe", *WHERE, "."), "reconcile observe --simulate simulated-host.yaml"),
        (("host.json",), "reconcile plan --observed host.json"),
        (("host.json", "-o", "wide"), "reconcile plan --observed host.json -o wide"),
        (("simulated-host.yaml",), "reconcile plan --simulate simulated-host.yaml"),
        (("simulated-host.yaml", "--apply", "--yes"), "reconcile apply --simulate simulated-host.yaml --yes"),
        (("suspend", "guests.yaml", *WHERE, "--reason", "x"), "reconcile status --simulate simulated-host.yaml"),
        (("status", "./none.yaml", *WHERE), "reconcile status --simulate simulated-host.yaml"),
    ],
)
def test_no_file_is_offered_as_what_it_is_not(command: Command, words: tuple[str, ...], meant: str) -> None:
    """The command that is offered works."""
    ran = command.bare(*words)

    assert ran.code == 64
    assert " ".join(ran.err.split()).endswith(meant)
    assert command.bare(*shlex.split(meant)[1:]).code == 0


@pytest.mark.parametrize("words", [("plan", "-f", "simulated-hots.yaml"), ("validate", "simulated-hots.yaml")])
def test_a_mistyped_manifest_is_not_guessed_to_be_a_simulated_host(command: Command, words: tuple[str, ...]) -> None:
    """That would be refused next."""
    ran = command.bare(*words, *(WHERE if words[0] == "plan" else ()))

    assert ran.code == 3
    assert "Did you mean" not in ran.err
