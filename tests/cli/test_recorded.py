"""What the loop enforces, and what it refuses, is planned and applied from its records."""

from pathlib import Path

import pytest

from reconciler.cli.exit_codes import Exit
from reconciler.manifests.site import Site, read_site
from reconciler.model.desired import Desired
from reconciler.transaction.loop_records import LastGood, write_last_good, write_refusal
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.configurations import refusal_of
from reconciler.watch.report import RefusedConfiguration
from testing.commands import Command, Ran, example

COMMIT = "c" * 40


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """A host, and the manifests of three guests."""
    return example("three-guests", tmp_path, capsys)


def run(command: Command, *words: str) -> Ran:
    """Run it on the host, without naming manifests."""
    return command.bare(*words, "--simulate", str(command.simulated_host))


def state_of(command: Command) -> StateDirectory:
    """Where the loop of the simulated host keeps its records."""
    state = StateDirectory(command.directory / "simulated-host.yaml.state")
    state.prepare()
    return state


def enforced(command: Command) -> None:
    """Have it on record that the loop enforces the manifests, as a commit had them, and remove them."""
    desired = read_site([command.directory]).desired(None, "lpar7")
    assert isinstance(desired, Desired)
    write_last_good(state_of(command), LastGood(desired, COMMIT))
    (command.directory / "guests.yaml").unlink()


def refused(command: Command, site: Site | None = None) -> None:
    """Have it on record that the loop refuses `site`, of a commit, and remove the manifests."""
    write_refusal(state_of(command), refusal_of(RefusedConfiguration(COMMIT, ("it is bad",), 1.0), None, site))
    (command.directory / "guests.yaml").unlink()


def test_what_is_enforced_is_planned_and_applied(command: Command) -> None:
    """From the record; its commit is in the history."""
    enforced(command)

    assert run(command, "--plan", "--enforced", "--detailed-exitcode").code == Exit.CHANGES
    applied = run(command, "--apply", "--enforced", "--yes")

    assert applied.code == 0, applied.err
    assert run(command, "drift", "--enforced").code == 0
    assert run(command, "status", "--enforced").code == 0
    assert COMMIT in run(command, "history", "show", "1").out


def test_what_is_refused_is_shown_as_the_loop_saw_it(command: Command) -> None:
    """With position, excerpt and caret, although the file is no longer there."""
    (command.directory / "guests.yaml").write_text("apiVersion: reconciler/v1\nkind: Gast\nmetadata: {name: a}\n")
    refused(command, read_site([command.directory]))

    ran = run(command, "--plan", "--refused")

    assert ran.code == Exit.INVALID
    assert "guests.yaml:2:7\n" in ran.err
    assert "kind: Gast\n" in ran.err
    assert "^^^^" in ran.err


def test_what_is_refused_is_applied_by_a_person(command: Command) -> None:
    """Who gives the consent that the loop waits for; messages lead on with the same option."""
    refused(command, read_site([command.directory]))

    assert run(command, "--plan", "--refused").code == 0
    assert run(command, "--apply", "--refused", "--yes").code == 0
    assert COMMIT in run(command, "history", "show", "1").out


@pytest.mark.parametrize("option", ["--enforced", "--refused"])
def test_a_saved_plan_is_applied_from_the_same_record(command: Command, option: str) -> None:
    """As long as that says the same."""
    site = read_site([command.directory])
    (enforced(command) if option == "--enforced" else refused(command, site))
    file = str(command.directory / "plan.json")

    saved = run(command, "--plan", option, "--out", file)
    applied = run(command, f"--apply={file}", "--yes")

    assert (saved.code, applied.code) == (0, 0), saved.err + applied.err
    assert COMMIT in run(command, "history", "show", "1").out
    state = state_of(command)
    write_refusal(state, None)
    state.remove("enforced.json")
    assert run(command, f"--apply={file}", "--yes").code == Exit.FAILURE


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--enforced", "no loop has enforced anything yet"),
        ("--refused", "the loop refuses nothing"),
    ],
)
def test_without_a_record_there_is_nothing_to_plan(command: Command, option: str, message: str) -> None:
    """It says so, and where it has looked."""
    ran = run(command, "--plan", option)

    assert ran.code != 0
    assert message in ran.err
    assert f"{command.simulated_host}.state" in ran.err


def test_a_commit_whose_manifests_were_not_read_cannot_be_planned(command: Command) -> None:
    """Such as one without a signature: nothing in it is used, and the reason is told."""
    refused(command)

    ran = run(command, "--plan", "--refused")

    assert ran.code == Exit.FAILURE
    assert f"commit {COMMIT} is refused, and its manifests were not read: it is bad" in ran.err
    assert "reconcile status --watch" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "--enforced", "--refused"),
        ("plan", "--enforced", "-f", "x"),
        ("watch", "--refused"),
        ("--refused", "history"),
        ("apply", "plan.json", "--refused"),
    ],
)
def test_what_does_not_go_together_is_refused(command: Command, words: tuple[str, ...]) -> None:
    """Before anything is read."""
    assert command.bare(*words).code == Exit.USAGE


@pytest.mark.parametrize(("option", "name"), [("--enforced", "enforced.json"), ("--refused", "refused.json")])
def test_a_damaged_record_is_named(command: Command, option: str, name: str) -> None:
    """With the command that moves it away."""
    file = state_of(command).path / name
    file.write_bytes(b'{"formatVersion": 1, "commit": 7}')
    file.chmod(0o600)

    ran = run(command, "--plan", option)

    assert ran.code == Exit.FAILURE
    assert f"mv {file} {file}.damaged" in ran.err
