"""An apply that is a part of a commit to several hosts: what a host records of it and answers to its controller."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import reconciler
from reconciler.hosts import opening
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.report import Mode
from reconciler.watch.requests import LOCK, locked
from reconciler.watch.status_file import StatusFile
from testing.clocks import NoTimer
from testing.commands import Command, change, example, parsed
from testing.reports import report

ID = "saturday-0123456789abcdef0123456789abcdef"
FLEET = {
    "id": ID,
    "hosts": ["lpar1", "lpar7"],
    "commit": {"id": "c0ffee", "subject": "Move payments to card 6"},
    "operator": "kim",
    "without": ["lpar9"],
}


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` on a fresh copy of the three guests, without a real timer."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    return example("three-guests", tmp_path, capsys)


def described(command: Command, **changes: Any) -> str:
    """The file that describes the commit, with `changes`."""
    file = command.directory / "fleet.json"
    file.write_text(json.dumps({**FLEET, **changes}))
    return str(file)


def applies(command: Command, apply_id: str = ID, *words: str) -> int:
    """The exit code of a part of the commit that waits to be confirmed."""
    return command(
        "apply", "--yes", "--confirm-within", "5m", "--id", apply_id, "--fleet", described(command), *words
    ).code


def stands(command: Command, *which: str) -> dict[str, Any]:
    """What a controller is answered."""
    ran = command("history", "state", *which, "-o", "json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert isinstance(found, dict)
    return found


@contextmanager
def loop(command: Command, mode: Mode, *, has_looked: bool = True) -> Iterator[None]:
    """A loop in this `mode` watches the host; it has left a report, or not yet."""
    state = StateDirectory(Path(f"{command.simulated_host}.state"))
    state.prepare()
    descriptor = locked(state.path / LOCK)
    if has_looked:
        StatusFile(state, os.getpid()).write(report(mode=mode, change_mode="reconcile watch --held"))
    yield
    os.close(descriptor)


def test_what_an_apply_is_a_part_of_is_recorded_and_shown(command: Command) -> None:
    """To people and to programs, in the list and of one generation; an apply of one host says nothing of it."""
    change(command)
    assert applies(command) == 0

    (listed,) = json.loads(command("history", "-o", "json").out)["generations"]
    shown = json.loads(command("history", "show", "1", "-o", "json").out)
    assert listed["fleet"] == shown["fleet"] == stands(command, ID)["fleet"] == FLEET
    assert f"fleet {ID}" in command("history", "-o", "wide").out
    says = f"  fleet:     {ID}, by kim, to 2 hosts (lpar1, lpar7), without lpar9, of c0ffee Move payments to card 6"
    assert says in command("history", "show", "1").out.splitlines()
    assert f"a part of the commit {ID}, by kim" in command("history", "state", ID).out
    command("confirm", ID)
    assert command("rollback", "--yes", "--allow-empty").code == 0
    assert [one["fleet"] for one in json.loads(command("history", "-o", "json").out)["generations"]] == [FLEET, None]


def test_the_newest_commit_is_found_without_its_id(command: Command) -> None:
    """By a controller that has just begun; also after applies of this host alone, and after the commit has ended."""
    nothing = stands(command)
    assert (nothing["state"], nothing["id"], nothing["fleet"]) == ("unknown", None, None)
    assert command("history", "state").out == "no apply here was a part of a commit to several hosts\n"
    applies(command)

    newest, named = stands(command), stands(command, ID)
    assert newest.pop("secondsLeft") - named.pop("secondsLeft") < 60
    assert newest == named
    command("cancel", ID)
    assert command("apply", "--yes", "--id", "alone").code == 0
    found = stands(command)
    assert (found["id"], found["generation"], found["state"], found["fleet"]) == (ID, 1, "cancelled", FLEET)


def test_what_is_applied_again_by_another_id_is_the_answer_for_the_commit(command: Command) -> None:
    """The first id stays refused, and says nothing more of the host."""
    applies(command)
    command("cancel", ID)

    assert applies(command, "again-1") == 0

    for found in (stands(command), stands(command, ID)):
        assert (found["id"], found["state"], found["fleet"]["id"]) == ("again-1", "pending", ID)
    assert applies(command) == 4
    assert command("confirm", "again-1").code == 0
    assert stands(command, ID)["state"] == "confirmed"


@pytest.mark.parametrize("confirmed", [True, False])
def test_another_apply_of_a_commit_that_stands_is_answered(command: Command, confirmed: bool) -> None:
    """By whatever id it comes: from a controller that lost the answer, or from another one that comes late."""
    saved = str(command.directory / "again.plan")
    applies(command)
    command("plan", "--out", saved)
    if confirmed:
        command("confirm", ID)
    before = command("simulate").out

    for words in ((), (saved,)):
        ran = command("apply", *words, "--yes", "--id", "again-1", "--fleet", described(command), "-o", "json")
        assert (ran.code, json.loads(ran.out)["id"]) == (0, ID)
    assert command("simulate").out == before
    assert len(json.loads(command("history", "-o", "json").out)["generations"]) == 1
    change(command)
    assert applies(command, "again-2") == 4


def test_what_another_program_changed_in_the_window_is_drift(command: Command) -> None:
    """Of what the commit has changed; nothing is confirmed that is not there any more."""
    applies(command)
    assert stands(command)["isDrifted"] is False
    removed(command)

    assert stands(command)["isDrifted"] is True


def removed(command: Command) -> None:
    """Another program removes a device."""
    with opening.open_simulated_host(str(command.simulated_host), state_dir=None, changes=True) as machine:
        device = reconciler.observe(machine).mdevs[0].uuid
        machine.sysfs.write(f"devices/vfio_ap/matrix/{device}/remove", "1")


def test_the_answer_names_another_apply_that_waits(command: Command) -> None:
    """A controller must not begin before it has ended; one without an id has none."""
    assert command("apply", "--yes", "--confirm-within", "5m").code == 0

    found = stands(command, ID)

    assert found["state"] == "unknown"
    assert found["pending"] == {"id": None, "generation": 1, "secondsLeft": found["pending"]["secondsLeft"]}
    assert 200 < found["pending"]["secondsLeft"] < 300
    assert stands(command, "1")["pending"] is None


def test_a_host_that_follows_its_own_manifests_takes_no_part(command: Command) -> None:
    """It would go back to them by itself; the refusal has the command that changes the mode, and nothing was done."""
    with loop(command, Mode.FOLLOWING):
        assert (stands(command)["mode"], stands(command)["changeMode"]) == ("following", "reconcile watch --held")

        ran = command("apply", "--yes", "--id", ID, "--fleet", described(command), "-o", "json")

        assert ran.code == 4
        record = json.loads(ran.out)
        assert (record["refusal"], record["plan"]) == ("following", None)
        assert record["why"].endswith("to have it hold what is applied: reconcile watch --held")
        assert command("history", "-o", "json").out.count('"number"') == 0
        assert command("apply", "--yes").code == 0


def test_a_loop_that_has_not_looked_yet_counts_as_following(command: Command) -> None:
    """Until it has said that it is held."""
    with loop(command, Mode.HELD, has_looked=False):
        assert stands(command)["mode"] == "following"
        ran = command("apply", "--yes", "--id", ID, "--fleet", described(command))
    assert ran.code == 4
    assert (
        parsed(ran.err.strip().rpartition("to have it hold what is applied: ")[2]) == "reconcile service install watch"
    )


def test_a_held_host_takes_part(command: Command) -> None:
    """Its loop enforces what is confirmed."""
    with loop(command, Mode.HELD):
        assert stands(command)["mode"] == "held"
        assert applies(command) == 0
    assert stands(command)["mode"] == "none"


def test_an_apply_that_comes_again_is_answered_whatever_the_loop_does_now(command: Command) -> None:
    """It stands, whoever was started since."""
    applies(command)
    with loop(command, Mode.FOLLOWING):
        ran = command("apply", "--yes", "--id", ID, "--fleet", described(command), "-o", "json")

        assert ran.code == 0
        assert json.loads(ran.out)["state"] == "pending"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": "-a"},
        {"id": "a" * 65},
        {"id": "A"},
        {"hosts": []},
        {"hosts": ["a", "a"]},
        {"hosts": ["a" * 254]},
        {"hosts": [""]},
        {"hosts": [f"h{number}" for number in range(1001)]},
        {"operator": "x" * 1001},
        {"operator": None},
        {"commit": "c0ffee"},
        {"commit": {"id": "c0ffee"}},
        {"without": [1]},
        {"more": 1},
    ],
    ids=str,
)
def test_a_description_that_is_not_right_is_refused(command: Command, changes: dict[str, Any]) -> None:
    """With the field; nothing is done."""
    ran = command("apply", "--yes", "--id", ID, "--fleet", described(command, **changes))

    assert ran.code == 64
    assert f"does not say which commit to several hosts this is: {next(iter(changes))}" in ran.err
    assert command("history").out == "Nothing has been applied yet.\n"


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b'{"id": NaN}', b"[" * 99, b" " * (1 << 20) + b"{}"], ids=repr
)
def test_a_file_that_describes_nothing_is_refused(command: Command, content: bytes) -> None:
    """Whatever is in it; so is one that is not there."""
    file = command.directory / "bad.json"
    file.write_bytes(content)

    for path in (str(file), str(command.directory / "missing.json")):
        ran = command("apply", "--yes", "--id", ID, "--fleet", path)
        assert ran.code == 64
        assert "Invalid value for '--fleet'" in ran.err


def test_a_commit_to_other_hosts_is_refused(command: Command) -> None:
    """Whoever mixed up two hosts must not learn it from the second one."""
    ran = command("apply", "--yes", "--id", ID, "--fleet", described(command, hosts=["lpar1", "lpar2"]), "-o", "json")

    assert (ran.code, json.loads(ran.out)["refusal"]) == (1, "input")
    assert f"host lpar7 is none of the hosts of the commit {ID}: lpar1, lpar2" in ran.err
    assert stands(command, ID)["state"] == "unknown"


def test_a_part_of_a_commit_needs_an_id(command: Command) -> None:
    """By which the controller finds it again."""
    ran = command("apply", "--yes", "--fleet", described(command))

    assert ran.code == 64
    assert f"--id {ID}" in ran.err


def test_a_refusal_says_to_programs_why(command: Command) -> None:
    """By a word for its kind, and a sentence; the exit code alone does not tell consent from a conflict."""
    saved = str(command.directory / "saved.plan")
    command("plan", "--out", saved)

    def refused(*words: str) -> tuple[int, str]:
        ran = command(*words, "-o", "json")
        record = json.loads(ran.out)
        assert record["formatVersion"] == 1
        assert record["why"]
        return ran.code, record["refusal"]

    change(command)
    assert refused("apply", saved, "--yes") == (5, "stale")
    assert applies(command, "one") == 0
    assert refused("apply", "--yes", "--id", "two") == (8, "busy")
    command("cancel", "one")
    assert refused("apply", "--yes", "--id", "one") == (4, "id")
    change(command, "domains: [4, 0xab]", "domains: [4, 0xabc]")
    assert refused("plan") == (3, "invalid")
    assert refused("apply", "--yes") == (3, "invalid")
    change(command, "domains: [4, 0xabc]", "domains: [4, 0x47]")
    assert refused("apply", "--yes") == (4, "invalid")


def test_a_refusal_for_consent_has_the_plan(command: Command) -> None:
    """Whose consents say for whom it is needed."""
    assert command("apply", "--yes").code == 0
    (command.directory / "guests.yaml").unlink()

    ran = command("apply", "--yes", "-o", "json")

    record = json.loads(ran.out)
    assert (ran.code, record["refusal"]) == (4, "consent")
    assert [one["flag"] for one in record["plan"]["consents"]]
