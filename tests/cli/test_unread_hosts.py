"""Commands that read no host do not offer the options that say which one, and take them all the same."""

from pathlib import Path

import pytest

from testing.commands import Command, example

OF_A_HOST = ("--sysfs", "--simulate", "--state-dir", "--run-dir")


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """In a fresh copy of the three guests."""
    made = example("three-guests", tmp_path, capsys)
    monkeypatch.chdir(made.directory)
    return made


@pytest.mark.parametrize("name", ["validate", "hmc-changes"])
def test_no_help_and_no_manual_has_them(command: Command, name: str) -> None:
    """They would have no effect."""
    for shown in (command.bare(name, "--help").out, command.bare("man", name).out):
        assert "manifests" in shown
        assert [one for one in OF_A_HOST if one in shown.replace("\\-", "-")] == []
    assert all(one in command.bare("plan", "--help").out for one in OF_A_HOST)


@pytest.mark.parametrize("name", ["validate", "hmc-changes"])
def test_a_command_for_a_host_becomes_one_about_manifests_by_its_first_word(command: Command, name: str) -> None:
    """Whatever host was named."""
    where = ("--simulate", "simulated-host.yaml", "--state-dir", "state", "--run-dir", "run")

    with_host, without = command.bare(name, *where), command.bare(name)

    assert with_host == without
    assert not Path("state").exists()
