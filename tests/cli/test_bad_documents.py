"""Bad documents beside good ones: one run shows what is wrong with each, and which of the good ones contradict."""

import json
import shlex
from pathlib import Path

import pytest

from testing.commands import Command, change, example, parsed


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` on a fresh copy of the three guests."""
    return example("three-guests", tmp_path, capsys)


CLAIMS_THE_SAME = """---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: rival}
spec: {host: lpar7, adapters: [5], domains: [0x47]}
"""
BAD = "---\napiVersion: reconciler/v1\nkind: Guest\nmetadata: {name: bad}\nspec: {}\n"
MARK = "among the documents of host 'lpar7' that could be read; those with errors are not compared"


@pytest.mark.parametrize("words", [("plan",), ("apply", "--yes"), ("drift",), ("plan", "-o", "sarif")])
def test_conflicts_of_what_could_be_read_are_shown_too(command: Command, words: tuple[str, ...]) -> None:
    """One run shows both, and says among which documents the conflict is; the exit code is that of bad manifests."""
    with (command.directory / "guests.yaml").open("a", encoding="utf-8") as file:
        file.write(CLAIMS_THE_SAME + BAD)

    ran = command(*words)

    said = " ".join((ran.out + ran.err).split())
    assert ran.code == 3
    assert "guest-overlap" in said
    assert "'rival'" in said
    assert MARK in said
    assert "guest-without-queues" in said


def test_without_a_conflict_nothing_is_said_beside_bad_documents(command: Command) -> None:
    """Nor of a host that could not be read, since nothing is known of its pool."""
    with (command.directory / "guests.yaml").open("a", encoding="utf-8") as file:
        file.write(BAD)
    assert "could be read" not in command("plan").err

    change(command, BAD, CLAIMS_THE_SAME)
    host = command.directory / "host.yaml"
    host.write_text(host.read_text(encoding="utf-8").replace("keep:", "kept:"), encoding="utf-8")
    ran = command("plan")
    assert (ran.code, "could be read" in ran.err) == (3, False)


@pytest.mark.parametrize("words", [("validate",), ("plan",), ("validate", "-f", "deployment.yaml")])
def test_nobody_is_told_to_change_files_of_other_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """That only one's own manifests are to be named comes before anything else; nothing is left to be checked."""
    monkeypatch.chdir(tmp_path)
    for name, version in (("deployment", "apps/v1"), ("service", "v1")):
        text = f"apiVersion: {version}\nkind: {name.title()}\nmetadata: {{name: web}}\nspec: {{replicas: 3}}\n"
        Path(f"{name}.yaml").write_text(text, encoding="utf-8")

    ran = Command(tmp_path, capsys).bare(*words)

    assert ran.code == 3
    assert "Write apiVersion" not in ran.err
    assert NOT_CHECKED not in ran.err
    first_help = next(line for line in ran.err.splitlines() if "= help: " in line)
    assert "with -f" in first_help
    if "-f" not in words:
        assert ran.err.startswith("error[no-manifests]: ")


@pytest.mark.parametrize("words", [("validate",), ("plan",), ("apply", "--yes"), ("status",)])
def test_no_empty_line_ends_the_output(command: Command, words: tuple[str, ...]) -> None:
    """Where nothing follows the problems; where something does, an empty line stands between."""
    with (command.directory / "guests.yaml").open("a", encoding="utf-8") as file:
        file.write(BAD)

    ran = command(*words)

    assert "1 error" in ran.err
    assert not (ran.out or ran.err).endswith("\n\n")
    assert ran.out == "" or ran.err.endswith("\n\n")


NOT_CHECKED = "note[not-checked]: "


@pytest.mark.parametrize(
    ("more", "count"),
    [
        (BAD, "1 document"),
        (BAD + BAD.replace("bad", "worse"), "2 documents"),
        (BAD.replace("Guest", "Host").replace("spec: {}", "spec: []"), "1 document"),
        (BAD.replace("Guest", "Machine"), "1 document"),
        (BAD.replace("Guest", "Gast"), "1 document"),
        ("---\nkind: [\n---\n# nothing\n---\n{a: 1, 2}: b\n", "2 documents"),
        (CLAIMS_THE_SAME.replace("0x47", "9-4"), "1 document"),
    ],
)
def test_what_was_not_checked_is_said(command: Command, more: str, count: str) -> None:
    """Once, with how many documents could not be read, of whichever kind and for whatever reason."""
    with (command.directory / "guests.yaml").open("a", encoding="utf-8") as file:
        file.write(more)

    ran = command.bare("validate", "-f", str(command.directory))

    assert (ran.code, ran.err.count(NOT_CHECKED)) == (3, 1)
    assert f"{NOT_CHECKED}{count} could not be read, so that not everything was checked\n" in ran.err
    assert f"{'its' if count == '1 document' else 'their'} names, uuids and queues were not compared" in ran.err


@pytest.mark.parametrize("words", [("plan",), ("apply", "--yes"), ("drift",), ("matrix",)], ids=" ".join)
def test_every_command_that_reads_manifests_says_so(command: Command, words: tuple[str, ...]) -> None:
    """As validate does: what is fixed next may bring more errors."""
    with (command.directory / "guests.yaml").open("a", encoding="utf-8") as file:
        file.write(BAD)

    ran = command(*words)

    assert ran.code == 3
    assert f"{NOT_CHECKED}1 document could not be read, so that not everything was checked\n" in ran.err


def test_a_file_that_cannot_be_read_counts_as_a_document(command: Command) -> None:
    """What is in it is not known."""
    (command.directory / "more.yaml").write_bytes(b"\xff")

    assert f"{NOT_CHECKED}1 document could not be read" in command.bare("validate", "-f", str(command.directory)).err


def test_checks_that_were_asked_for_and_left_out_are_named(command: Command) -> None:
    """In every format, and also where all documents could be read."""
    (command.directory / "twice.yaml").write_bytes((command.directory / "host.yaml").read_bytes())
    words = ("validate", "-f", str(command.directory), "--domain-xml", "vm.xml", "--domain-xml", "other.xml")

    record = json.loads(command.bare(*words, "-o", "json").out)

    note = record["problems"][-1]
    assert (note["id"], note["severity"]) == ("not-checked", "note")
    assert note["message"] == "there are errors, so that not everything was checked"
    assert note["details"] == ["the VMs in vm.xml, other.xml were not compared with the guests"]
    for form in ("github", "sarif"):
        assert "not everything was checked" in command.bare(*words, "-o", form).out


def test_where_everything_was_checked_nothing_is_said(command: Command) -> None:
    """Also where what was checked is wrong."""
    valid = command.bare("validate", "-f", str(command.directory))
    with (command.directory / "guests.yaml").open("a", encoding="utf-8") as file:
        file.write(CLAIMS_THE_SAME)
    conflict = command.bare("validate", "-f", str(command.directory))
    missing = command.bare("validate", "-f", str(command.directory), "--domain-xml", "nowhere.xml")

    assert (valid.code, conflict.code, missing.code) == (0, 4, 3)
    assert "not-checked" not in valid.err + conflict.err + missing.err


def commands_of(text: str) -> list[str]:
    """The commands that `text` says to run; it is not divided."""
    return [line.partition("Run: ")[2] for line in text.splitlines() if "Run: reconcile" in line]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("plan",), "reconcile plan -f {} --simulate"),
        (("plan", "-o", "wide", "-f", "."), "reconcile plan -o wide -f {} --simulate"),
        (("validate", "."), "reconcile validate -f {} --simulate"),
        (("validate", "--strict", ".", "-f", "more"), "reconcile validate --strict -f {} --simulate"),
        (("apply", "--yes"), "reconcile apply --yes -f {} --simulate"),
        (("drift",), "reconcile drift -f {} --simulate"),
    ],
)
@pytest.mark.parametrize("has_ours", [False, True])
def test_the_wrong_directory_is_answered_with_the_right_command(
    command: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], meant: str, *, has_ours: bool
) -> None:
    """A few lines, whatever is in it, and the command with ``-f``; JSON has every problem."""
    where = command.directory.parent / "home"
    (where / "more").mkdir(parents=True)
    for number in range(60):
        text = "- name: copy\n---\nkind: Other\n---\n{0: }\n"
        (where / "more" / f"{number}.yaml").write_text(text, encoding="utf-8")
    if has_ours:
        command.directory.rename(where / "site")
    monkeypatch.chdir(where)
    simulated = str((where / "site" if has_ours else command.directory) / "simulated-host.yaml")
    ran = command.bare(*words, "--simulate", simulated)

    assert ran.code == 3
    assert len(ran.err.splitlines()) < 60
    (line,) = commands_of(ran.err)
    named = "./site" if has_ours and "more" not in words else None
    assert line.startswith(meant.format(named or ("./site" if has_ours else "DIRECTORY")))
    assert parsed(line) == f"reconcile {words[0]}"
    if named and "--strict" not in words:
        ran = command.bare(*shlex.split(line)[1:])
        assert ran.code in (0, 2)
    problems = json.loads(command.bare("validate", "-o", "json").out)["problems"]
    assert len(problems) > 100
