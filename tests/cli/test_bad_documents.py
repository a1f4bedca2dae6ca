"""Bad documents beside good ones: one run shows what is wrong with each, and which of the good ones contradict."""

from pathlib import Path

import pytest

from testing.commands import Command, change, example


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
