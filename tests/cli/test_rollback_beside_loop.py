"""A rollback beside a loop that applies: the commands of one refusal, run in order, lead to a rollback that lasts."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from testing.commands import Command, Ran, change, example, without_terminal
from testing.loop_processes import LEISURELY, Loop, watching


class Watched(NamedTuple):
    """The example, and the loop that applies it; everything of it was applied once, as generation 1."""

    command: Command
    loop: Loop

    def changes(self, old: str, new: str) -> None:
        """Have the loop apply a change of the manifests."""
        change(self.command, old, new)
        self.loop.until("applied")

    def rollback(self, *words: str) -> Ran:
        """Roll back where there is no terminal to ask at."""
        done = without_terminal(["rollback", *words, "--simulate", str(self.command.simulated_host)])
        return Ran(done.returncode, done.stdout, done.stderr)

    def runs(self, steps: list[str]) -> Ran:
        """Run each of the commands in order, all of which succeed; what the last one gave."""
        every = [self.command.bare(*shlex.split(line, comments=True)[1:]) for line in steps]
        assert [one.code for one in every] == [0] * len(steps), every
        return every[-1]

    def state(self) -> str:
        """The host as it is."""
        return self.command("simulate").out


@pytest.fixture
def watched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Watched]:
    """A loop that applies, and heals nothing."""
    command = example("three-guests", tmp_path, capsys)
    assert command("apply", "--yes").code == 0
    where = ("--simulate", str(command.simulated_host), "-f", str(command.directory))
    state = command.simulated_host.with_name("simulated-host.yaml.state")
    with watching(state, where, "--apply", *LEISURELY[2:]) as loop:
        yield Watched(command, loop)


def steps(ran: Ran) -> list[str]:
    """The commands that are to be run next."""
    return [line.removeprefix("  next: ") for line in ran.err.splitlines() if line.startswith("  next: ")]


ONE_GUEST = ("domains: [4, 0xab]", "domains: [4]")


@pytest.mark.parametrize(
    ("changed", "words", "suspended"),
    [
        (ONE_GUEST, (), ["guest1"]),
        (ONE_GUEST, ("1",), ["guest1"]),
        (("domains: [0x47, 0xff]", "domains: [0x47]"), ("--yes",), ["guest2"]),
        (None, ("--yes",), []),
    ],
    ids=["the newest", "a number", "unasked", "everything, which needs more consent"],
)
def test_the_commands_of_one_message_lead_to_a_rollback_that_lasts(
    watched: Watched, changed: tuple[str, str] | None, words: tuple[str, ...], suspended: list[str]
) -> None:
    """Those guests alone are suspended that it concerns, for a time, and no second refusal asks for more."""
    if changed:
        watched.changes(*changed)
    before = watched.state()

    ran = watched.rollback(*words)

    is_refused = not changed or "--yes" not in words  # else it is done, and the loop may have undone it already
    assert (ran.code != 0) is is_refused, ran.err
    first, then = steps(ran)[:2]
    suspend = shlex.split(first, comments=True)
    assert suspend[1 : 2 + len(suspended)] == ["suspend", *suspended]
    assert "--reason" in suspend
    assert "--for" in suspend
    assert "--allow-suspended" in then
    if is_refused:
        assert len(steps(ran)) == 2
        assert watched.state() == before
        ended = watched.runs([first, then])
        after = watched.state()
        assert after != before
        assert "in its next cycle" not in ended.err
        watched.loop.turn()
        assert watched.state() == after


def test_a_rollback_that_changes_the_masks_suspends_the_host(watched: Watched) -> None:
    """The loop would correct them whoever is suspended."""
    host = watched.command.directory / "host.yaml"
    text = host.read_text(encoding="utf-8").partition("  keep:")[0]
    host.write_text(f"{text}  pool: {{adapters: [5-7]}}\n", encoding="utf-8")
    watched.loop.until("applied")

    ran = watched.rollback()

    assert shlex.split(steps(ran)[0])[1:3] == ["suspend", "--reason"]
    watched.runs(steps(ran))
    after = watched.state()
    watched.loop.turn()
    assert watched.state() == after


def test_a_guest_that_only_the_rollback_brings_back_suspends_the_host(watched: Watched) -> None:
    """Its name is in no manifest, so that it cannot be suspended by that."""
    text = (watched.command.directory / "guests.yaml").read_text(encoding="utf-8")
    kept, *_ = text.rpartition("---")
    (watched.command.directory / "guests.yaml").write_text(kept, encoding="utf-8")
    watched.loop.until("applied")

    ran = watched.rollback()

    watched.runs(steps(ran))
    after = watched.state()
    watched.loop.turn()
    assert watched.state() == after


def test_what_is_suspended_already_is_not_suspended_again(watched: Watched) -> None:
    """The refusal asks for the consent that is missing, and the message says when the loop goes on."""
    watched.changes(*ONE_GUEST)
    assert watched.command("suspend", "guest1", "--reason", "cards").code == 0

    ran = watched.rollback()

    (line,) = steps(ran)
    assert "rollback" in line
    assert "the loop follows them again once guest1 is resumed" in " ".join(ran.err.split())
    assert "the loop brings it back once guest1 is resumed" in " ".join(watched.runs([line]).err.split())
