"""What a command reads, it never replaces by what it writes."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.commands import Command, example

SIMULATED = "simulated-host.yaml"


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` in the directory of the three guests; the simulated host is not among the manifests."""
    made = example("three-guests", tmp_path, capsys)
    shutil.move(made.simulated_host, tmp_path / SIMULATED)
    monkeypatch.chdir(made.directory)
    return made


def contents(directory: Path) -> dict[Path, bytes]:
    """Every file below `directory`."""
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def hard_link(to: str) -> str:
    """Another name of the file."""
    os.link(to, "../hard")
    return "../hard"


def symbolic_link(to: str) -> str:
    """A link to the file."""
    os.symlink(os.path.abspath(to), "../soft")
    return "../soft"


SPELLINGS: list[Callable[[str], str]] = [
    str,
    os.path.abspath,
    lambda name: f"./{name}",
    lambda name: f"../three-guests/{name}",
    hard_link,
    symbolic_link,
]


@pytest.mark.parametrize("spelt", SPELLINGS)
@pytest.mark.parametrize(
    "manifests", [[], ["-f", "."], ["-f", "guests.yaml", "-f", "host.yaml"], ["-f", "../three-guests"]]
)
def test_a_saved_plan_replaces_no_manifest(
    command: Command, tmp_path: Path, spelt: Callable[[str], str], manifests: list[str]
) -> None:
    """However it is spelt, and however the manifests are named."""
    out = spelt("guests.yaml")
    before = contents(tmp_path)

    ran = command.bare("plan", "--out", out, *manifests, "--simulate", f"../{SIMULATED}")

    assert ran.code == 64
    assert f"--out {out}: this is one of the manifests; name another file" in ran.err
    assert contents(tmp_path) == before


@pytest.mark.parametrize("spelt", SPELLINGS)
@pytest.mark.parametrize("words", [("plan", "--out"), ("import", "--out")])
def test_nor_the_simulated_host(
    command: Command, tmp_path: Path, words: tuple[str, ...], spelt: Callable[[str], str]
) -> None:
    """Its description is lost otherwise, or the advice is to remove it."""
    shutil.move(tmp_path / SIMULATED, SIMULATED)
    out = spelt(SIMULATED)
    before = contents(tmp_path)

    ran = command.bare(*words, out, "-f", "guests.yaml", "-f", "host.yaml", "--simulate", SIMULATED)

    assert ran.code == 64
    assert f"{out}: this is the description of the simulated host; name another file" in ran.err
    assert contents(tmp_path) == before


@pytest.mark.parametrize("words", [("plan", "--out"), ("import", "--out")])
def test_nor_the_state_of_it(command: Command, tmp_path: Path, words: tuple[str, ...]) -> None:
    """What was applied would be gone."""
    where = ("--simulate", f"../{SIMULATED}")
    assert command.bare("apply", "--yes", *where).code == 0
    kept = next(path for path in tmp_path.iterdir() if path.is_file() and path.name != SIMULATED)
    before = contents(tmp_path)

    ran = command.bare(*words, str(kept), *where)

    assert ran.code == 64
    assert "this is the state of the simulated host; name another file" in ran.err
    assert contents(tmp_path) == before


@pytest.mark.parametrize("there", [True, False])
def test_any_other_file_is_written(command: Command, tmp_path: Path, there: bool) -> None:
    """A plan that was saved before is replaced."""
    for _ in range(1 + there):
        assert command.bare("plan", "--out", "../saved.plan", "--simulate", f"../{SIMULATED}").code == 0

    assert b"contentDigest" in (tmp_path / "saved.plan").read_bytes()
