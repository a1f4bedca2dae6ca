"""Manifests on standard input: ``-f -``, alone or beside files, for each command that reads manifests once."""

import io
import json
import os
from pathlib import Path

import pytest

from testing.commands import Command, Ran, at_terminal, example_from_elsewhere

READERS = (
    ("plan",),
    ("plan", "-o", "diff"),
    ("plan", "-o", "json"),
    ("status",),
    ("drift",),
    ("matrix",),
    ("validate",),
    ("apply", "--yes"),
)


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` on a fresh copy of the three guests, in a directory without manifests."""
    return example_from_elsewhere("three-guests", tmp_path, capsys, monkeypatch)


class Piped:
    """Runs commands with something on standard input."""

    def __init__(self, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        self.command = command
        self._monkeypatch = monkeypatch

    def __call__(self, content: bytes, *words: str) -> Ran:
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        where = () if words[0] == "validate" else ("--simulate", str(self.command.simulated_host))
        return self.command.bare(*words, *where)


@pytest.fixture
def piped(command: Command, monkeypatch: pytest.MonkeyPatch) -> Piped:
    """See `Piped`."""
    return Piped(command, monkeypatch)


def manifests(command: Command, *names: str) -> bytes:
    """The manifests in files called `names`, one after the other."""
    return b"---\n".join((command.directory / name).read_bytes() for name in names)


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_it_is_read_as_a_file_is(command: Command, piped: Piped, words: tuple[str, ...]) -> None:
    """The same result as from the same documents in a file."""
    content = manifests(command, "host.yaml", "guests.yaml")
    file = Path("all.yaml")
    file.write_bytes(content)

    from_input = piped(content, *words, "-f", "-")
    if words[0] == "apply":
        assert from_input.code == 0
        return
    from_file = piped(b"", *words, "-f", str(file))

    assert from_input.code == from_file.code
    assert from_input.code in {0, 2}
    if words[-1] == "json":
        records = [json.loads(ran.out) for ran in (from_input, from_file)]
        for record in records:
            for step in record["steps"]:
                step["reason"].pop("file")
            record.pop("fingerprint")
        assert records[0]["guests"] == records[1]["guests"]
        assert records[0]["steps"] == records[1]["steps"]
    else:
        shown = from_input.out.replace("standard input", str(file)).replace(" -f - ", f" -f {file} ")
        assert shown == from_file.out


def test_it_stands_beside_files(command: Command, piped: Piped) -> None:
    """Several ``-f``, and paths as arguments, are one site."""
    host = str(command.directory / "host.yaml")

    named = piped(manifests(command, "guests.yaml"), "plan", "-f", "-", "-f", host)
    argument = piped(manifests(command, "guests.yaml"), "plan", host, "-")

    assert named.code == argument.code == 0, named.err + argument.err
    assert named.out == argument.out
    assert "Plan: 3 to create" in named.out


def test_several_paths_are_one_site(command: Command) -> None:
    """Files and directories, in any order, with ``-f`` or as arguments."""
    host, guests = str(command.directory / "host.yaml"), str(command.directory / "guests.yaml")
    where = ("--simulate", str(command.simulated_host))

    plans = [
        command.bare("plan", "-f", host, "-f", guests, *where),
        command.bare("plan", guests, host, *where),
        command.bare("plan", guests, "-f", host, *where),
        command.bare("plan", str(command.directory), *where),
    ]

    assert {(ran.code, ran.out) for ran in plans} == {(0, plans[0].out)}


def test_problems_say_where_they_are(piped: Piped) -> None:
    """With line, column and caret, as in a file."""
    ran = piped(b"apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: Lpar7}\n", "validate", "-f", "-")

    assert ran.code == 3
    assert "--> standard input:3:18\n" in ran.err
    assert "3 | metadata: {name: Lpar7}" in ran.err


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_nothing_on_it_is_said(piped: Piped, content: bytes) -> None:
    """As from a program that has failed."""
    ran = piped(content, "plan", "-f", "-")

    assert ran.code == 3
    assert "error[no-manifests]: standard input is empty" in ran.err
    assert "Run: reconcile plan -f DIRECTORY --simulate " in " ".join(ran.err.split())


@pytest.mark.parametrize("words", [("plan",), ("drift",), ("matrix",), ("validate",), ("apply", "--yes")], ids=" ".join)
@pytest.mark.parametrize("others", [(), ("-f", "other.yaml")])
@pytest.mark.parametrize("content", [b"", b"kind: Pod\n"])
def test_what_is_wrong_on_it_leads_to_a_command_that_can_run(
    piped: Piped, words: tuple[str, ...], others: tuple[str, ...], content: bytes
) -> None:
    """No file is called as people call standard input, and what came from there will not come again."""
    Path("other.yaml").write_text("kind: Other\n", encoding="utf-8")

    ran = piped(content, *words, "-f", "-", *others)

    assert ran.code == 3, ran.err
    line = " ".join(ran.err.partition("Run: ")[2].split("\n\n")[0].split())
    assert line.startswith(f"reconcile {words[0]}") or (content and not others)
    assert "standard input" not in line
    assert "-f -" not in line


def test_too_much_on_it_is_refused(piped: Piped) -> None:
    """As in a file; no more than that is read."""
    ran = piped(b"# \n" * (12 << 20), "validate", "-f", "-")

    assert ran.code == 3
    assert "error[file-too-large]" in ran.err


@pytest.mark.parametrize(
    ("words", "because"),
    [
        (("plan", "-f", "-", "--out", "plan.json"), "reads the manifests again"),
        (("plan", "-f", "-", "--observed", "-"), "standard input is only one of them"),
    ],
)
def test_what_would_read_it_twice_is_refused(command: Command, words: tuple[str, ...], because: str) -> None:
    """Before anything is read."""
    ran = command.bare(*words)

    assert ran.code == 64
    assert because in ran.err


def test_a_loop_does_not_take_it(command: Command) -> None:
    """It reads manifests again whenever they change."""
    ran = command.bare("watch", "-f", "-", "--simulate", str(command.simulated_host), "--resync", "1s")

    assert ran.code == 64
    assert "which standard input cannot be" in ran.err


def test_a_person_is_asked_at_the_terminal(command: Command) -> None:
    """Not on standard input, which the manifests came from; they are applied as they were shown."""
    reading, writing = os.pipe()
    try:
        os.write(writing, manifests(command, "host.yaml", "guests.yaml"))
        os.close(writing)
        where = ("--simulate", str(command.simulated_host))
        with at_terminal("apply", "-f", "-", *where, stdin=reading) as person:
            person.sees("Apply this?")
            person.enters("y")
            assert person.ended() == 0
    finally:
        os.close(reading)

    assert "Applied and verified: 7 kernel writes." in person.shown
    assert command("plan", "--detailed-exitcode").code == 0
