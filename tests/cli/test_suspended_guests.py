"""Whoever looks at a host learns which suspended guest differs from its manifest, and the command that resumes it."""

import getpass
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


def legend(ran: Ran) -> list[str]:
    """What the signs of planned and leaving queues mean."""
    lines = [line.strip() for line in ran.out.splitlines()]
    return [line for line in lines if line.startswith(("+ ", "> ", "suspended:", "suspended,"))]


def test_a_matrix_does_not_promise_what_a_suspension_holds_back(command: Command) -> None:
    """Of a guest that is suspended, of one among others, and of the whole host."""
    edit(command, "guest2", ("domains: [0x47, 0xff]", "domains: [5, 0x47]"))
    alone = legend(command("matrix", "guest2"))
    edit(command, "guest3", ("domains: [0x47, 0xff]", "domains: [5, 0x47, 0xff]"))
    among = legend(command("matrix"))
    command.bare("suspend", "--reason", "x", "--simulate", str(command.simulated_host))
    of_all = legend(command("matrix"))

    assert alone == [
        "+  planned: the next apply after a resume gives it",
        "suspended: guest2",
        ">  leaving: the next apply after a resume takes it away",
        "suspended: guest2",
    ]
    assert among == [
        "+  planned: the next apply gives it",
        "suspended, so only after a resume: guest2",
        ">  leaving: the next apply after a resume takes it away",
        "suspended: guest2",
    ]
    assert of_all[:2] == ["+  planned: the next apply after a resume gives it", "suspended: guest2, guest3"]


def test_a_queue_that_a_suspended_guest_is_to_have_says_so(command: Command) -> None:
    """For people and for programs, whether the queue is there or not."""
    edit(command, "guest2", ("adapters: [5]\n  domains: [0x47, 0xff]", "adapters: [5, 9]\n  domains: [5, 0x47, 0xff]"))
    edit(command, "guest3", ("domains: [0x47, 0xff]", "domains: [5, 0x47, 0xff]"))

    there, other, absent = (command("status", queue) for queue in ("05.0005", "06.0005", "09.0005"))
    record = json.loads(command("status", "05.0005", "06.0005", "-o", "json").out)["queues"]
    held_back = {one["name"]: one["suspended"] for one in json.loads(command("matrix", "-o", "json").out)["holders"]}

    assert there.out.startswith("05.0005: no guest has it now; guest2 is suspended, and to have it after a resume\n")
    assert other.out.startswith("06.0005: no guest has it now; guest3 is to have it\n")
    assert "gets it when it comes; guest2 is suspended, and to have it after a resume\n" in absent.out
    assert [one["suspended"] for one in record] == [["guest2"], []]
    assert held_back == {"guest1": False, "guest2": True, "guest3": False}


def test_a_picture_does_not_promise_it_either(command: Command, tmp_path: Path) -> None:
    """Neither on a cell nor beside the name."""
    edit(command, "guest2", ("domains: [0x47, 0xff]", "domains: [5, 0x47]"))

    assert command("report", "--html", str(tmp_path / "report.html")).code == 0

    text = (tmp_path / "report.html").read_text()
    assert "guest2: planned, the next apply after a resume gives it" in text
    assert "guest2 (active, suspended)" in text
    assert "guest2: planned, the next apply gives it" not in text


@pytest.mark.parametrize("names", [(), ("guest1",), ("guest1", "guest2"), ("guest1", "guest2", "guest3")])
@pytest.mark.parametrize("wide", [(), ("-o", "wide")])
def test_a_status_says_a_suspension_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: tuple[str, ...], wide: tuple[str, ...]
) -> None:
    """In its facts or in the row of each guest, with the command that ends it; a plan warns of it."""
    command = example("three-guests", tmp_path, capsys)
    command("apply", "--yes")
    assert (
        command.bare("suspend", *names, "--reason", "key change", "--simulate", str(command.simulated_host)).code == 0
    )

    shown, plan = command("status", *wide), command("plan")

    assert (shown.err, "warning[suspended]" in plan.err) == ("", True)
    assert shown.out.count("key change") == max(1, len(names))
    assert f"next: reconcile {' '.join(['resume', *names])} --simulate" in shown.out
    user = getpass.getuser()
    assert f"by {user} until it is resumed: key change" in shown.out or f"by {user}: key change" in shown.out


def test_a_status_warns_of_a_suspended_guest_that_has_no_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a manifest nor a device is there for it."""
    command = example("three-guests", tmp_path, capsys)
    command("apply", "--yes")
    where = ("--simulate", str(command.simulated_host))
    command.bare("suspend", "guest3", "--reason", "key change", *where)
    guests = command.directory / "guests.yaml"
    guests.write_text(guests.read_text(encoding="utf-8").rpartition("---\n")[0], encoding="utf-8")
    command("apply", "--yes", "--allow-suspended", "--allow-removals")

    shown = command("status")

    assert "guest3" in shown.out or "warning[suspended]: guest 'guest3'" in shown.err
