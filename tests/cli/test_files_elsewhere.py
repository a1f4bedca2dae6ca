"""A file that was named and is not there, but lies in the directory above or below: the command with it is printed."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from testing.commands import Command, Ran, example

HOST = "simulated-host.yaml"


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The three guests, applied, with a record of the host and a saved plan beside them."""
    made = example("three-guests", tmp_path, capsys)
    monkeypatch.chdir(made.directory)
    for words in (["apply", "--yes"], ["observe", "--out", "lpar7.json"], ["plan", "--out", "saved.plan"]):
        assert made.bare(*words, "--simulate", HOST).code == 0
    return made


def offered(ran: Ran) -> list[str]:
    """The commands that are printed, without their remarks."""
    every = ran.err.replace("next: ", "Run: ").split("Run: ")[1:]
    return [text.partition("\n")[0].partition("    #")[0].strip() for text in every]


NAMES_FILES = [
    ("status", "--simulate", "{simulated-host.yaml}", "-f", "{guests.yaml}", "-f", "{host.yaml}"),
    ("simulate", "--simulate", "{simulated-host.yaml}"),
    ("plan", "--observed", "{lpar7.json}", "-f", "{guests.yaml}", "-f", "{host.yaml}"),
    ("apply", "{saved.plan}", "--yes", "--simulate", "{simulated-host.yaml}"),
    ("plan", "-f", "{guests.yaml}", "-f", "{host.yaml}", "--simulate", "{simulated-host.yaml}"),
    ("validate", "{guests.yaml}", "{host.yaml}"),
]
"""Commands that read files which have to be there; their names are in braces."""


def said(words: Sequence[str], file: str, directory: str = "") -> list[str]:
    """`words`, in which files lie where they are, but `file` in `directory`."""
    return [f"{directory}{word[1:-1]}" if word == f"{{{file}}}" else word.strip("{}") for word in words]


@pytest.mark.parametrize(
    ("words", "file"), [(words, word[1:-1]) for words in NAMES_FILES for word in words if word[:1] == "{"]
)
@pytest.mark.parametrize(
    ("lies", "typed"),
    [("../", ""), ("below/", ""), ("", "nowhere/"), ("", "empty/")],
    ids=["above", "below", "no", "empty"],
)
def test_a_file_that_lies_above_or_below_is_found(
    command: Command, monkeypatch: pytest.MonkeyPatch, words: Sequence[str], file: str, lies: str, typed: str
) -> None:
    """In the directory above, in the only one below, or beside the one that was named; what is printed works."""
    Path("here/empty").mkdir(parents=True)
    Path("here/below").mkdir()
    for entry in sorted(Path().iterdir()):
        if entry.name.startswith(file):
            entry.rename(Path("here", lies, entry.name))
        elif entry.name != "here":
            entry.rename(Path("here", entry.name))
    monkeypatch.chdir("here")

    ran = command.bare(*said(words, file, typed))

    assert ran.code != 0
    (line,) = offered(ran)
    assert sorted(shlex.split(line)[1:]) == sorted(said(words, file, lies))
    assert command.bare(*shlex.split(line)[1:]).code in {0, 5}  # a saved plan is of the files where they were


def test_all_files_that_lie_elsewhere_are_in_one_command(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise it would be refused for the next one."""
    Path("here").mkdir()
    monkeypatch.chdir("here")

    ran = command.bare("plan", "-f", "guests.yaml", "-f", "host.yaml", "--simulate", f"../{HOST}")

    expected = f"reconcile plan -f ../guests.yaml -f ../host.yaml --simulate ../{HOST}"
    assert offered(ran) == [expected, expected]


def test_a_directory_of_manifests_is_found(command: Command) -> None:
    """As a file is."""
    Path("deep/site").mkdir(parents=True)
    for name in ("guests.yaml", "host.yaml"):
        Path(name).rename(Path("deep/site", name))

    (line,) = offered(command.bare("plan", "-f", "site", "--simulate", HOST))

    assert line == f"reconcile plan -f deep/site --simulate {HOST}"
    assert command.bare(*shlex.split(line)[1:]).code == 0


@pytest.mark.parametrize("words", [("status", "--simulate", "machine.yaml"), ("plan", "--observed", "machine.json")])
def test_several_or_others_are_not_taken_for_it(command: Command, words: Sequence[str]) -> None:
    """Neither one of two directories nor what is of another kind; hidden directories and links in a circle are none."""
    name, kind = words[-1], HOST if words[-1].endswith("yaml") else "lpar7.json"
    for folder, text in (("a", Path(kind).read_text()), ("b", Path(kind).read_text()), (".c", Path(kind).read_text())):
        Path(folder).mkdir()
        Path(folder, name).write_text(text)
    two = offered(command.bare(*words))
    Path("b", name).write_text("kind: Other\n")
    one = offered(command.bare(*words))
    Path("a", name).unlink()
    Path("a", name).symlink_to(name)

    assert two == []
    assert [os.path.join("a", name) in line for line in one] == [True]
    assert offered(command.bare(*words)) == []


def test_only_so_many_directories_are_looked_into(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message about a path never takes long."""
    monkeypatch.setattr("reconciler.cli.meant.names._MOST_FOLDERS", 1)
    for folder in ("a", "b"):
        Path(folder).mkdir()
    Path("b/machine.yaml").write_text(Path(HOST).read_text())

    assert offered(command.bare("status", "--simulate", "machine.yaml")) == []


def test_a_mistyped_manifest_is_in_a_command_as_well(command: Command) -> None:
    """Of the same directory."""
    (line,) = offered(command.bare("plan", "-f", "guets.yaml", "-f", "host.yaml", "--simulate", HOST))

    assert line == f"reconcile plan -f guests.yaml -f host.yaml --simulate {HOST}"
