"""The manifests of another host than the simulated one: every command says so, and no apply changes it unasked."""

import json
from pathlib import Path

import pytest

from testing.commands import Command, example

WARNING = "warning: the simulated host is host lpar7; it is compared with the manifests of host lpar9\n"
COMPARES = (
    ("plan",),
    ("plan", "-o", "json"),
    ("status",),
    ("status", "05.0011"),
    ("status", "card05"),
    ("status", "--free"),
    ("status", "-o", "json"),
    ("matrix",),
    ("drift",),
    ("report", "--html", "{}/page.html"),
    ("report", "--plan", "--html", "{}/page.html"),
)


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` with the manifests of lpar9, on a simulated lpar7."""
    made = example("three-guests", tmp_path, capsys)
    for name in ("host.yaml", "guests.yaml"):
        path = made.directory / name
        path.write_text(path.read_text(encoding="utf-8").replace("lpar7", "lpar9"), encoding="utf-8")
    return made


@pytest.mark.parametrize("words", COMPARES, ids=" ".join)
def test_whatever_compares_warns_once(command: Command, tmp_path: Path, words: tuple[str, ...]) -> None:
    """With the command for whoever means it so; where the Host was chosen, nothing is said."""
    words = tuple(one.format(tmp_path) for one in words)

    said = command(*words).err
    assert said.count(WARNING) == 1
    assert said.count("    # if this is meant\n") == 1
    assert "the simulated host is host" not in command(*words, "--host", "lpar9").err


def test_manifests_in_the_current_directory_are_compared_in_the_same_way(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A status needs no option to find them."""
    monkeypatch.chdir(command.directory)

    assert WARNING in command.bare("status", "--simulate", str(command.simulated_host)).err


@pytest.mark.parametrize("words", [("--yes",), (), ("--yes", "-o", "json")])
def test_an_apply_refuses(command: Command, words: tuple[str, ...]) -> None:
    """Nothing was done, and the option that chooses the Host is the consent."""
    ran = command("apply", *words)

    assert ran.code == 3
    assert (
        "error[other-host]: the simulated host is host 'lpar7', and the manifests describe only host 'lpar9'"
        in (ran.err)
        or "other-host" in ran.out
    )
    assert "--host lpar9" in ran.err + ran.out
    assert not (command.directory / "simulated-host.yaml.state" / "generations").exists()
    assert command("apply", "--yes", "--host", "lpar9").code == 0


def test_a_saved_plan_has_chosen_its_host(command: Command, tmp_path: Path) -> None:
    """It was reviewed with the warning, and names its Host."""
    file = str(tmp_path / "plan.json")
    assert command("plan", "--out", file).code == 0

    assert command("apply", file, "--yes").code == 0


def test_the_doctor_finds_it(command: Command) -> None:
    """As a warning: what it is compared with may be of no use."""
    (found,) = json.loads(command("doctor", "-o", "json").out)["findings"]

    assert (found["id"], found["severity"]) == ("other-manifests", "warning")
    assert "lpar7" in found["what"]
    assert "--host lpar9" in found["help"]
    assert json.loads(command("doctor", "--host", "lpar9", "-o", "json").out)["findings"] == []


def test_a_simulated_host_that_is_not_there_is_no_use_to_a_check(command: Command) -> None:
    """The manifests are checked without a host; a name that was mistyped is refused all the same."""
    assert command("validate").code == 0

    ran = command.bare("validate", "-f", str(command.directory), "--simulate", "mistyped.yaml")

    assert ran.code != 0
    assert "mistyped.yaml" in ran.err
