"""A command that lacks an option, or has one too many, is printed whole: with all that was said, and it runs then."""

import shlex
from pathlib import Path

import pytest

from testing.commands import Command, Ran, example

HERE = ("--simulate", "simulated-host.yaml", "--state-dir", "kept")


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The example, in its own directory, with the record of its host."""
    made = example("three-guests", tmp_path, capsys)
    monkeypatch.chdir(made.directory)
    assert made.bare("observe", *HERE, "--out", "record.json").code == 0
    return made


def steps(ran: Ran) -> list[list[str]]:
    """The words of the commands that are to be run next, without ``reconcile``."""
    lines = [line.removeprefix("  next: ") for line in ran.err.splitlines() if line.startswith("  next: ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.parametrize(
    ("words", "others"),
    [
        (("report", "--observed", "record.json", "-f", ".", "--host", "lpar7", "-l", "tenant=payments"), ()),
        (("report", *HERE, "-f", "guests.yaml", "-f", "host.yaml", "--redact"), ()),
        (("report", "--plan", *HERE), ()),
        (("observe", *HERE, "--out", "new.json", "-f", "."), ("-f", ".")),
        (("observe", "--host", "lpar7", *HERE), ("--host", "lpar7")),
        (("setup", *HERE, "--without", "hook"), ()),
        (("setup", "simulated-host.yaml", "--state-dir", "kept", "--apply"), ("simulated-host.yaml",)),
        (("setup", "-f", "simulated-host.yaml", "--state-dir", "kept"), ("-f", "simulated-host.yaml")),
    ],
    ids=" ".join,
)
def test_the_command_that_is_printed_has_all_that_was_said(
    command: Command, words: tuple[str, ...], others: tuple[str, ...]
) -> None:
    """But what does not belong there."""
    refused = command.bare(*words)

    assert refused.code == 64
    assert steps(refused), refused.err
    for line in steps(refused):
        assert set(line) >= set(words) - set(others), line
        ran = command.bare(*["manifests" if word == "DIR" else word for word in line])
        assert ran.code in (0, 2), ran.err


def test_a_record_that_lacks_something_is_made_again_in_its_file(command: Command) -> None:
    """So that the plan can be made again as it was."""
    record = Path("record.json")
    Path("kept").mkdir(exist_ok=True)
    (Path("kept") / "inventory.json").write_text("{", encoding="utf-8")
    assert command.bare("observe", *HERE, "--out", str(record)).code == 0
    (Path("kept") / "inventory.json").unlink()
    plan = ("plan", "--observed", "record.json", "--out", "plan.json")

    refused = command.bare(*plan)

    assert "the plan is not saved" in refused.err
    assert "--out record.json" in " ".join(steps(refused)[-1])
    assert command.bare(*steps(refused)[-1]).code == 0
    assert command.bare(*plan).code == 0
