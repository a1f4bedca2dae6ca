"""docs/from-mdevctl.md: its commands are commands, and do what is told."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from testing.commands import Command, example, parsed
from testing.console_blocks import rerun

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/from-mdevctl.md").read_text(encoding="utf-8")

COMMANDS = sorted(
    {
        span
        for line in TEXT.splitlines()
        if line.startswith("| ")
        for span in re.findall(r"`(reconcile [^`]+)`", line.partition(" | ")[2])
    }
)

ELSEWHERE = ("service install", "watch --apply", "--watch", "trigger", "--confirm-within", "confirm ")
"""What changes the machine that the test runs on, or never ends, or needs somebody else; other tests have these."""

HERE = [one for one in COMMANDS if not any(f" {word}" in one for word in ELSEWHERE)]


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """A host that three guests were applied on, with a second apply to go back from, seen from their directory."""
    made = example("three-guests", tmp_path, capsys)
    monkeypatch.chdir(made.directory)
    guests = made.directory / "guests.yaml"
    after = guests.read_text()
    guests.write_text(after.replace("[4, 0xab]", "[4]"))
    assert made("apply", "--yes").code == 0
    guests.write_text(after)
    assert made("apply", "--yes").code == 0
    shutil.copy(ROOT / "examples/on-demand/day-shift.xml", made.directory / "vm.xml")
    text = (made.directory / "vm.xml").read_text()
    uuid = re.findall(r"guest1  (\S+)", made("status", "guest1").out)[0]
    (made.directory / "vm.xml").write_text(re.sub(r"uuid='[^']+'", f"uuid='{uuid}'", text))
    assert made("plan", "--out", "plan.json").code == 0
    return made


def test_there_are_commands() -> None:
    """Found in the tables; most of them are run."""
    assert len(COMMANDS) > 20
    assert len(HERE) > 12


@pytest.mark.parametrize("line", COMMANDS)
def test_what_is_written_now_is_a_command(line: str) -> None:
    """With options that it has."""
    parsed(line)


@pytest.mark.parametrize("line", HERE)
def test_it_does_what_it_should(line: str, command: Command) -> None:
    """On a host where all is well."""
    words = shlex.split(line)[1:]
    manifests = [] if "plan.json" in words and "apply" in words else ["-f", str(command.directory)]

    ran = command.bare(*words, "--simulate", str(command.simulated_host), *manifests)

    assert ran.code == 0, ran.err + ran.out


def test_the_session_prints_what_the_document_shows(tmp_path: Path) -> None:
    """Every command of it, run again in order."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("*.state", "*.state.json"))
    session = TEXT[TEXT.index("A running guest loses") :]

    assert rerun(session, tmp_path, Path(sys.executable).parent) == session
