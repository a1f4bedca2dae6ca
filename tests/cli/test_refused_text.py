"""Characters that people cannot see have no place in what they write: each is refused, and shown with its position."""

import io
import os
import re
import select
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from testing.commands import Command, example
from testing.libvirt import domain_xml, hostdev

UNSEEN = {
    "\x1b": "\\x1b",
    "\x7f": "\\x7f",
    "\x9b": "\\u009b",
    "\u061c": "\\u061c",
    "\u200b": "\\u200b",
    "\u200d": "\\u200d",
    "\u200f": "\\u200f",
    "\u2028": "\\u2028",
    "\u202e": "\\u202e",
    "\u2060": "\\u2060",
    "\u2067": "\\u2067",
    "\ufeff": "\\ufeff",
    "\ufe0f": "\\ufe0f",
    "\U000e0041": "\\U000e0041",
    "\U000e0101": "\\U000e0101",
    "\ue000": "\\ue000",
    "\uffff": "\\uffff",
}


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` on a fresh copy of the three guests."""
    return example("three-guests", tmp_path, capsys)


def with_metadata(command: Command, more: str) -> None:
    """Have `more` in the metadata of the first guest."""
    file = command.directory / "guests.yaml"
    content = re.sub(r"  labels: .*\n", "", file.read_text(encoding="utf-8"))
    file.write_bytes(content.replace("name: guest1\n", f"name: guest1\n  {more}\n", 1).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(("character", "shown"), UNSEEN.items())
@pytest.mark.parametrize("label", ["a{}b: c", "c: a{}b"])
def test_in_labels_made_by_an_escape_of_yaml(command: Command, label: str, character: str, shown: str) -> None:
    """Nobody sees it in the file either, so that the position within the text is told as well."""
    key, value = (f'"{one}"' for one in label.format(f"\\U{ord(character):08x}").split(": "))
    with_metadata(command, f"labels: {{{key}: {value}}}")

    for words in (["validate"], ["plan"], ["validate", "-o", "json"]):
        ran = command(*words)

        assert ran.code == 3
        assert "control-character" in ran.out + ran.err
        assert f"{shown} at position 2" in (ran.out + ran.err).replace("\\\\", "\\")


@pytest.mark.parametrize(("character", "shown"), UNSEEN.items())
def test_raw_in_a_manifest(command: Command, character: str, shown: str) -> None:
    """The place is that of the character."""
    with_metadata(command, f"labels: {{c: a{character}b}}")

    ran = command("validate")

    assert ran.code == 3
    assert "guests.yaml:5:" in ran.err or "guests.yaml:6:" in ran.err, ran.err
    assert shown in ran.err or f"U+{ord(character):04X}" in ran.err


def test_words_and_emoji_may_stand_in_comments(command: Command) -> None:
    """Joiners and variation selectors belong to some languages and to all emoji."""
    with_metadata(command, "# \u26a0\ufe0f \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f468\u200d\U0001f469")

    assert command("validate").code == 0


@pytest.mark.parametrize("text", ["a\u202eb", "a\u200bb", "a\U000e0041b", "a\nb", "a\udcffb", "a\x1b[31mb"])
def test_in_a_reason_or_the_name_of_a_guest(command: Command, text: str) -> None:
    """Nothing is suspended."""
    for words in (["--reason", text], [text, "--reason", "work"]):
        ran = command("suspend", *words)

        assert ran.code == 64
        assert "at position 2" in ran.err
        assert text not in ran.err
    assert not list(command.directory.rglob("suspended*"))


def test_a_reason_may_be_written_in_any_language(command: Command) -> None:
    """Blank characters of other widths are no reason to refuse it."""
    assert command("suspend", "--reason", "保守作業\u3000中 – été\u00a0!").code == 0


def test_in_the_name_of_a_vm_that_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where the VM has a device of ours; one line says why."""
    command = example("on-demand", tmp_path, capsys)
    for uuid, code in (("3aa99fdc-2dee-5750-9ebd-0a7e3b558c64", 1), (None, 0)):
        xml = domain_xml(*([hostdev(uuid)] if uuid else []), name="x")
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(xml), isatty=lambda: False))
        where = ["-f", str(command.directory), "--simulate", str(command.simulated_host)]

        ran = command.bare("hook", "qemu", *where, "--", "pay\u202ements\n::error::", "prepare", "begin", "-")

        assert ran.code == code
        assert len(ran.err.splitlines()) == code
        assert ("\\u202e at position 4" in ran.err) == bool(code)
        assert "\u202e" not in ran.err


def test_colours_of_others_are_not_shown_at_a_terminal(command: Command) -> None:
    """Ours are; a file name that has the sequence for one is not coloured."""
    (command.directory / "a\x1b[31mb\x1b[2J.yaml").write_text("a: 1\n")
    ours, theirs = os.openpty()
    words = ["plan", "-f", str(command.directory), "--simulate", str(command.simulated_host)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    shown = b""
    with subprocess.Popen(
        [sys.executable, "-m", "reconciler.cli", *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        while select.select([ours], [], [], 60.0)[0]:
            try:
                shown += os.read(ours, 65536)
            except OSError:
                break
        assert process.wait(60) == 3
    os.close(ours)

    assert b"\x1b[1;31merror[" in shown
    assert b"a\\x1b[31mb\\x1b[2J.yaml" in shown
    assert b"\x1b[31mb" not in shown
    assert b"\x1b[2J" not in shown
