"""Whoever looks at a host learns which suspended guest differs from its manifest, and the command that resumes it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.planning.status import WITHHELD
from testing.commands import Command, Ran, example
from testing.loop_processes import Loop, watching

READERS = [("status",), ("drift",), ("plan",), ("plan", "-o", "markdown"), ("plan", "-o", "diff")]
OF_THE_LOOP = [("status", "--watch"), ("history",), ("history", "show", "2"), ("trigger", "--wait")]
SHRUNK = ("domains: [0x47, 0xff]", "domains: [0x47]")
GUEST1 = ("domains: [4, 0xab]", "domains: [4]")


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """The three guests, applied; guest2 is suspended."""
    made = example("three-guests", tmp_path, capsys)
    assert made("apply", "--yes").code == 0
    suspended = made.bare("suspend", "guest2", "--reason", "ticket 42", "--simulate", str(made.simulated_host))
    assert suspended.code == 0
    return made


def edit(command: Command, guest: str, change: tuple[str, str]) -> None:
    """Change the manifest of `guest` alone."""
    file = command.directory / "guests.yaml"
    parts = file.read_text().split("---\n")
    edited = [part.replace(*change) if f"name: {guest}\n" in part else part for part in parts]
    assert edited != parts
    file.write_text("---\n".join(edited))


@pytest.fixture(params=[False, True], ids=["alone", "beside-a-change"])
def loop(command: Command, request: pytest.FixtureRequest) -> Iterator[Loop]:
    """A loop, after a commit that changes guest2, alone or with guest1."""
    edit(command, "guest2", SHRUNK)
    if request.param:
        edit(command, "guest1", GUEST1)
    state = command.directory / "simulated-host.yaml.state"
    where = ("--simulate", str(command.simulated_host))
    program = [sys.executable, "-m", "reconciler.cli", "watch", "--apply", "-f", str(command.directory)]
    with watching(state, where, command=program) as made:
        made.turn()
        yield made


def named(command: Command, ran: Ran) -> bool:
    """Whether `ran` says that guest2 is suspended and differs, and how it is resumed here."""
    told = ran.out + ran.err
    differs = any(words in told for words in ("not as", "differs", "left as it is", "but for 1 suspended guest"))
    resumed = f"reconcile resume guest2 --simulate {command.simulated_host}"
    return "guest2" in told and "suspended" in told and differs and resumed in told and "guest1 --sim" not in told


@pytest.mark.parametrize("words", READERS)
def test_a_reader_names_the_suspended_guest_that_differs(command: Command, words: tuple[str, ...]) -> None:
    """With the command that resumes it; before the commit it is suspended and does not differ."""
    before = command(*words)
    assert not any(text in before.out + before.err for text in ("not as its manifest", "differs"))
    edit(command, "guest2", SHRUNK)

    assert named(command, command(*words))


def test_programs_learn_it_too(command: Command) -> None:
    """By a list of names, a word of the guest, and a problem with an id."""
    edit(command, "guest2", SHRUNK)

    assert json.loads(command("plan", "-o", "json").out)["suspended"] == ["guest2"]
    drift = json.loads(command("drift", "-o", "json").out)
    assert [one["suspended"] for one in drift["guests"]] == [True]
    status = json.loads(command("status", "-o", "json").out)
    whys = {one["name"]: one["why"] for one in status["guests"]}
    assert (whys["guest2"][0].startswith("suspended by "), whys["guest2"][1:]) == (True, [WITHHELD])
    assert not any("apply changes it" in why for why in whys["guest2"])
    assert whys["guest1"] == []
    for record in (drift, status):
        problem = next(one for one in record["problems"] if one["id"] == "suspended")
        assert "not as its manifest says" in problem["message"]
        assert f"reconcile resume guest2 --simulate {command.simulated_host}" in problem["help"]


def test_who_asks_the_loop_learns_it(command: Command, loop: Loop) -> None:
    """From its status, its history and its answer; and once the guest is resumed, no more."""
    ran = {words: command.bare(*words, *loop.where) for words in OF_THE_LOOP}

    assert {words: named(command, one) for words, one in ran.items()} == dict.fromkeys(OF_THE_LOOP, True)
    assert ran["trigger", "--wait"].code == 2
    shown = json.loads(command.bare("history", "show", "2", "-o", "json", *loop.where).out)
    assert shown["plan"]["suspended"] == ["guest2"]
    status = json.loads(command.bare("status", "--watch", "-o", "json", *loop.where).out)
    assert status["condition"] == "suspended-out-of-sync"
    assert command.bare("resume", "guest2", *loop.where).code == 0
    assert command.bare("trigger", "--wait", *loop.where).code == 0
    assert "resume" not in "".join(command.bare(*words, *loop.where).err for words in OF_THE_LOOP)


def test_a_suspended_guest_that_no_manifest_names_any_more_is_named(command: Command) -> None:
    """By the name that it had when it was applied."""
    file = command.directory / "guests.yaml"
    file.write_text("---\n".join(one for one in file.read_text().split("---\n") if "name: guest2\n" not in one))
    state = command.directory / "simulated-host.yaml.state"
    where = ("--simulate", str(command.simulated_host))
    program = [sys.executable, "-m", "reconciler.cli", "watch", "--apply", "-f", str(command.directory)]
    with watching(state, where, command=program) as loop:
        loop.turn()
        ran = [command.bare(*words, *loop.where) for words in OF_THE_LOOP]

    assert [one for one in ran if not named(command, one)] == []
    assert named(command, command("plan"))
