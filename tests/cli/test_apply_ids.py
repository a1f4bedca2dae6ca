"""An apply that comes again with its id, and how the apply with an id stands: for controllers that lost an answer."""

import json
import re
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from reconciler.hosts import opening
from reconciler.transaction import history
from testing.clocks import NoTimer
from testing.commands import Command, change, example, parsed


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` on a fresh copy of the three guests, without a real timer."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    return example("three-guests", tmp_path, capsys)


def applies(command: Command, apply_id: str = "deploy-42", *words: str) -> int:
    """The exit code of an apply that waits to be confirmed."""
    return command("apply", "--yes", "--confirm-within", "5m", "--id", apply_id, *words).code


def stands(command: Command, which: str = "deploy-42") -> dict[str, Any]:
    """What a controller is answered."""
    ran = command("history", "state", which, "-o", "json")
    assert ran.code == 0
    found = json.loads(ran.out)
    assert isinstance(found, dict)
    return found


def everything(command: Command) -> dict[str, bytes]:
    """What is on the host, and all that we have recorded of it."""
    folder = Path(f"{command.simulated_host}.state")
    files = {str(one): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file() and one.name != "lock"}
    return {**files, "host": command("simulate").out.encode()}


def boots(command: Command) -> None:
    """The host is booted."""
    assert command("simulate", "boot").code == 0


def passes(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """So many seconds go by."""
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + seconds)


@pytest.mark.parametrize("words", [("--yes",), (), ("--yes", "--confirm-within", "1h")])
def test_an_apply_that_comes_again_is_answered_and_changes_nothing(command: Command, words: tuple[str, ...]) -> None:
    """That it waits, and for how long; after it was confirmed, that it is."""
    assert applies(command) == 0
    before = everything(command)

    pending = command("apply", "--id", "deploy-42", *words)

    assert (pending.code, pending.out) == (0, "")
    assert re.search(r"as generation 1, which waits to be confirmed for another 4 minutes [1-5]\d seconds", pending.err)
    assert everything(command) == before
    line = pending.err[pending.err.index("  next: ") :].strip().removeprefix("next: ").partition("    #")[0]
    assert parsed(line) == "reconcile confirm"
    assert command("confirm", "deploy-42").code == 0
    before = everything(command)
    confirmed = command("apply", "--id", "deploy-42", *words)
    assert (confirmed.code, confirmed.out) == (0, "")
    assert "as generation 1, which was applied, and waits for nothing" in confirmed.err
    assert everything(command) == before


def test_an_apply_that_comes_again_answers_programs(command: Command) -> None:
    """With how it stands, and the result of the first one."""
    applies(command)

    again = json.loads(command("apply", "--yes", "--id", "deploy-42", "-o", "json").out)

    assert again.pop("result") == "applied"
    assert again == stands(command)


def test_a_saved_plan_that_comes_again_is_the_same_plan(command: Command) -> None:
    """Although the host is another one than that which it was made for; another saved plan is not."""
    saved, other = (str(command.directory / name) for name in ("saved.plan", "other.plan"))
    command("plan", "--out", saved)
    change(command)
    command("plan", "--out", other)
    change(command, "adapters: [6]", "adapters: [5, 6]")
    assert command("apply", saved, "--yes", "--confirm-within", "5m", "--id", "deploy-42").code == 0
    before = everything(command)

    assert command("apply", saved, "--yes", "--id", "deploy-42").code == 0
    refused = command("apply", other, "--yes", "--id", "deploy-42")

    assert refused.code == 4
    assert "the id deploy-42 has another plan, of generation 1, which waits to be confirmed" in refused.err
    assert everything(command) == before


@pytest.mark.parametrize("confirmed", [True, False])
@pytest.mark.parametrize("words", [("--target", "guest1"), ()])
def test_another_plan_with_the_same_id_is_refused(command: Command, confirmed: bool, words: tuple[str, ...]) -> None:
    """Other manifests, or less of the host."""
    applies(command)
    if confirmed:
        command("confirm")
    if not words:
        change(command)
    before = everything(command)

    ran = command("apply", "--yes", "--id", "deploy-42", *words)

    assert ran.code == 4
    assert "the id deploy-42 has another plan" in ran.err
    assert "this plan needs an id of its own" in ran.err
    assert everything(command) == before


def test_a_partial_apply_comes_again(command: Command) -> None:
    """With the same guests, however they are named."""
    assert applies(command, "deploy-42", "--target", "guest1") == 0

    assert command("apply", "--yes", "--id", "deploy-42", "--target", "guest1").code == 0
    assert command("apply", "--yes", "--id", "deploy-42").code == 4


def test_an_apply_with_an_id_that_does_not_stand_is_refused(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled, expired, lost in a boot: never applied again, and each is said; so it is to whoever confirms it."""
    start = command("simulate").out
    applies(command, "a")
    command("cancel", "a")
    applies(command, "c")
    passes(monkeypatch, 301)
    says = {"a": "was cancelled", "c": "was not confirmed in time"}
    states = {"a": "cancelled", "c": "expired"}

    for one, why in says.items():
        assert stands(command, one)["state"] == states[one]
        confirmed = command("confirm", one)
        assert confirmed.code != 0
        assert why in confirmed.err
        assert stands(command, one)["state"] == states[one]
        again = command("apply", "--yes", "--id", one)
        assert again.code == 4
        assert why in again.err
        assert command("cancel", one).code == 0
    assert command("simulate").out == start


def test_an_apply_that_was_lost_in_a_boot_is_named_so(command: Command) -> None:
    """Before and after the next command has recorded it."""
    applies(command)
    boot = stands(command)["bootId"]
    boots(command)
    assert stands(command)["bootId"] != boot

    for _ in range(2):
        assert stands(command)["state"] == "rebooted"
        ran = command("confirm", "deploy-42")
        assert ran.code == 1
        assert "was lost: the host was booted before it was confirmed" in ran.err
    assert command("apply", "--yes", "--id", "deploy-42").code == 4


def test_how_an_apply_stands_is_answered(command: Command) -> None:
    """The seconds that are left and the boot, since clocks of two machines are never compared."""
    unknown = stands(command)
    assert unknown == {
        "formatVersion": 1,
        "id": "deploy-42",
        "generation": None,
        "state": "unknown",
        "secondsLeft": None,
        "bootId": unknown["bootId"],
        "fingerprint": None,
        "isDrifted": None,
        "mode": "none",
        "changeMode": None,
        "pending": None,
        "fleet": None,
    }
    fingerprint = json.loads(command("plan", "-o", "json").out)["fingerprint"]
    applies(command)

    pending = stands(command)

    assert pending == {
        **unknown,
        "generation": 1,
        "state": "pending",
        "secondsLeft": pending["secondsLeft"],
        "fingerprint": fingerprint,
        "isDrifted": False,
    }
    assert 200 < pending["secondsLeft"] < 300
    assert stands(command, "1") == pending
    command("confirm")
    assert stands(command) == {**pending, "state": "confirmed", "secondsLeft": None, "isDrifted": None}
    command("apply", "--yes", "--id", "same")
    assert stands(command, "same")["state"] == "nothing to do"
    command("cancel", "same")
    assert stands(command, "same")["state"] == "cancelled"
    assert command("apply", "--yes", "--id", "same").code == 4
    command("cancel", "late")
    assert stands(command, "late") == {**unknown, "id": "late", "state": "cancelled"}
    assert command("history", "state", "7").code == 1


def test_an_apply_that_has_nothing_to_do_waits_like_any_other(command: Command) -> None:
    """A controller of several hosts confirms or cancels all of them alike; without an id and news there is nothing."""
    command("apply", "--yes")
    assert command("apply", "--yes", "--confirm-within", "5m").code == 0
    assert command("history", "show", "2").code == 1

    applies(command, "first")

    assert stands(command, "first")["state"] == "pending"
    assert command("confirm", "first").code == 0
    assert stands(command, "first")["state"] == "confirmed"
    assert command("cancel", "first").code == 4
    applies(command, "second")
    assert command("cancel", "second").code == 0
    assert stands(command, "second")["state"] == "cancelled"
    assert command("drift").code == 0


def test_how_an_apply_stands_is_said_to_people(command: Command) -> None:
    """With what keeps it."""
    assert command("history", "state", "x7-of-9").out == "x7-of-9 is not known: no apply with it has begun\n"
    applies(command, "x7-of-9")

    ran = command("history", "state", "x7-of-9")

    assert re.fullmatch(
        r"x7-of-9 \(generation 1\) waits to be confirmed for another 4 minutes [1-5]\d seconds\n", ran.out
    )
    assert "  next: reconcile confirm x7-of-9 --simulate" in ran.err
    assert "  next: reconcile cancel x7-of-9 --simulate" in ran.err
    assert command("confirm", "x7-of-9").code == 0
    assert command("history", "state", "1").out == "x7-of-9 (generation 1) was applied, and waits for nothing\n"


@pytest.mark.parametrize("which", ["deploy-42", "1"])
def test_confirming_twice_succeeds(command: Command, which: str) -> None:
    """Whoever got no answer confirms again; where another one waits, that is named."""
    applies(command)
    assert command("confirm", which).code == 0

    again = command("confirm", which)

    assert (again.code, again.err) == (0, "nothing to confirm: generation 1 is confirmed already\n")
    assert command("confirm", which, "--extend", "5m").code == 1
    change(command)
    applies(command, "next")
    other = command("confirm", which)
    assert other.code == 0
    assert "  next: reconcile confirm 2 --simulate" in other.err
    assert stands(command, "next")["state"] == "pending"


def test_more_time_is_given_by_the_id(command: Command) -> None:
    """From now on; and it can be given again."""
    applies(command)
    for duration, seconds in (("10m", 599), ("3m", 179)):
        assert command("confirm", "deploy-42", "--extend", duration).code == 0
        assert stands(command)["secondsLeft"] == seconds


@pytest.mark.parametrize("apply_id", ["7", "0042"])
def test_digits_alone_are_a_generation(command: Command, apply_id: str) -> None:
    """So they are no id, not even with a dash; behind a letter they are."""
    for wrong in (apply_id, f"{apply_id}-"):
        assert command("apply", "--yes", "--id", wrong).code == 64
    assert command("apply", "--yes", "--id", f"a{apply_id}").code == 0
    assert stands(command, f"a{apply_id}")["generation"] == 1


def three_applies(command: Command) -> Path:
    """Three changes, each with an id of its own; the state directory."""
    for apply_id, old, new in (
        ("one", "[5, 6]", "[5, 6]"), ("two", "adapters: [5, 6]", "adapters: [6]"), ("three", "[4, 0xab]", "[4]"),
    ):  # fmt: skip
        change(command, old, new)
        assert command("apply", "--yes", "--id", apply_id).code == 0
    return Path(f"{command.simulated_host}.state")


@pytest.mark.parametrize("apply_id", ["one", "two", "three"])
@pytest.mark.parametrize("what", ["record", "both", "ids"])
def test_an_id_stays_used_when_a_damaged_record_is_moved_away(command: Command, apply_id: str, what: str) -> None:
    """By the command that is printed: the record of any generation, also with its outcome, or that of the ids."""
    state = three_applies(command)
    number = ("one", "two", "three").index(apply_id) + 1
    (ids,) = (one for one in (state / "ids").iterdir() if f'"{apply_id}"' in one.read_text())
    record = state / f"generations/{number:06}.json"
    files = {"record": [record], "both": [record, record.with_suffix(".outcome.json")], "ids": [ids]}[what]
    files[0].write_bytes(b"{")
    ran = command("apply", "--yes", "--id", apply_id)
    assert ran.code == 1
    assert f"mv {files[0]} {files[0]}.damaged" in ran.err
    for file in files:
        file.rename(f"{file}.damaged")
    change(command, "[6]", "[5]")

    stood = command("history", "state", apply_id, "-o", "json")
    applied = command("apply", "--yes", "--id", apply_id)

    assert "unknown" not in stood.out + stood.err
    assert (applied.code, "Applied" in applied.out) == (4, False), applied.err
    if what != "ids":
        assert json.loads(stood.out)["state"] == "forgotten"
    assert command("apply", "--yes", "--id", "four").code == 0
    assert stands(command, "four")["generation"] == 4


def test_whether_an_id_was_used_is_not_guessed(command: Command) -> None:
    """Where what was moved away is all that could say so, the id is refused, with what to do."""
    state = three_applies(command)
    (ids,) = (one for one in (state / "ids").iterdir() if '"two"' in one.read_text())
    for file in (ids, state / "generations/000002.json"):
        file.rename(f"{file}.damaged")
    change(command, "[6]", "[5]")

    for words in (("apply", "--yes", "--id", "two"), ("history", "state", "two")):
        ran = command(*words)
        assert ran.code == 1
        assert f"whether the id two was used is not known, since {ids} was damaged" in ran.err
        assert "use another id" in ran.err


def test_an_id_is_used_although_its_generation_is_not_kept(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Partial applies push each other out of the history, and not the older one of the whole host."""
    monkeypatch.setattr(history, "RETAINED", 1)
    assert command("apply", "--yes", "--id", "whole").code == 0
    for apply_id, old, new in (("first", "[5, 6]", "[6]"), ("second", "[6]", "[5]")):
        change(command, old, new)
        assert command("apply", "--yes", "--id", apply_id, "--target", "guest1").code == 0

    assert stands(command, "first")["state"] == "forgotten"
    assert command("apply", "--yes", "--id", "first", "--target", "guest1").code == 4


def test_an_id_begins_with_a_letter(command: Command) -> None:
    """One that an earlier release took, and that begins with a digit, is still known; sentences end before the next."""
    for wrong in ("4a", "-a", "A1", "42", "a" * 65, "a_b", ""):
        ran = command("apply", "--yes", "--id", wrong)
        assert ran.code == 64, wrong
        assert "it is a letter from a to z, then up to 63 letters" in ran.err
    assert command("apply", "--yes", "--id", "a" * 64).code == 0
    folder = Path(f"{command.simulated_host}.state")
    for file in [*folder.glob("ids/*.json"), folder / "generations/000001.json"]:
        file.write_text(file.read_text().replace("a" * 64, "4a"))
    (folder / f"ids/{next(folder.glob('ids/*.json')).name}").rename(
        folder / f"ids/{sha256(b'4a').hexdigest()[:2]}.json"
    )

    assert stands(command, "4a")["state"] == "confirmed"
    assert command("cancel", "4a").code == 4
    assert "is no id; it is a letter" in command("cancel", "--", "A1").err
    assert "for example deploy-42. The generations are listed by: " in command("cancel", "--", "A1").err
