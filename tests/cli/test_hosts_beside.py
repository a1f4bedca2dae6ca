"""A Host that is missing in the named files, and is described beside them, leads to the command that reads both."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from testing.commands import EXAMPLES, Command, parsed

MOVABLE = EXAMPLES / "movable-guest"


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` in a directory with guests of two hosts, and both hosts in ``hosts.yaml``."""
    shutil.copytree(MOVABLE, tmp_path / "site")
    monkeypatch.chdir(tmp_path / "site")
    monkeypatch.setenv("COLUMNS", "80")
    return Command(tmp_path / "site", capsys)


def proposed(err: str) -> list[str]:
    """The commands in `err`."""
    return re.findall(r"reconcile (?:validate|plan) .*", err)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("validate", "guests.yaml"), "reconcile validate guests.yaml hosts.yaml"),
        (("validate", "--strict", "-f", "guests.yaml"), "reconcile validate --strict -f guests.yaml -f hosts.yaml"),
        (("validate", "../site/guests.yaml"), "reconcile validate ../site/guests.yaml ../site/hosts.yaml"),
        (
            ("plan", "-f", "guests.yaml", "--host", "lpar7", "--simulate", "simulated-host.yaml"),
            "reconcile plan -f guests.yaml -f hosts.yaml --host lpar7 --simulate simulated-host.yaml",
        ),
    ],
)
def test_the_command_that_reads_the_host_as_well_is_printed(
    command: Command, words: tuple[str, ...], line: str
) -> None:
    """With all that was said, on one line at any width; it finds no error any more."""
    refused = command.bare(*words)

    assert refused.code == 3
    assert "described in" in " ".join(refused.err.split())
    assert "kind: Host" not in refused.err
    assert proposed(refused.err) == [line]
    assert parsed(line)
    assert "no-host" not in command.bare(*shlex.split(line)[1:]).err


def test_a_host_that_only_some_guests_lack_is_found_too(command: Command) -> None:
    """Beside another one that was named."""
    text = Path("hosts.yaml").read_text(encoding="utf-8")
    first, second = text.split("---\n")
    Path("hosts.yaml").write_text(first, encoding="utf-8")
    Path("other.yaml").write_text(second, encoding="utf-8")

    refused = command.bare("validate", "guests.yaml", "hosts.yaml")

    assert "error[unknown-host]" in refused.err
    assert proposed(refused.err) == ["reconcile validate guests.yaml hosts.yaml other.yaml"]


@pytest.mark.parametrize("words", [("guests.yaml",), (".",), ("-",)])
def test_without_a_file_that_has_it_a_host_is_to_be_added(
    command: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Nothing beside describes a Host that these guests need, or nothing is beside."""
    hosts = Path("hosts.yaml")
    hosts.write_text(hosts.read_text(encoding="utf-8").replace("lpar", "box"), encoding="utf-8")
    if words != ("guests.yaml",):
        hosts.unlink()
    if words == ("-",):
        with Path("guests.yaml").open(encoding="utf-8") as stream:
            monkeypatch.setattr("sys.stdin", stream)
            refused = command.bare("validate", *words)
    else:
        refused = command.bare("validate", *words)

    assert "kind: Host" in refused.err
    assert proposed(refused.err) == []
