"""Whatever is in a file that we keep: every command that reads it ends in a message and a documented exit code."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from reconciler.hosts import opening
from testing.clocks import NoTimer
from testing.commands import Command, Ran, example
from testing.damaged_json import changed, damaged, places
from testing.loop_processes import watching
from testing.state_directories import EXIT_CODES, FILES, READERS, WRITERS, keep_everything, takes_manifests


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` on three guests, with every file in its state directory that there can be."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    command = example("three-guests", tmp_path, capsys)

    def change() -> None:
        path = command.directory / "guests.yaml"
        path.write_text(path.read_text(encoding="utf-8").replace("adapters: [5, 6]", "adapters: [6]", 1), "utf-8")

    keep_everything(command, state_of(command), change)
    assert {str(path.relative_to(state_of(command))) for path in state_of(command).rglob("*.*")} >= set(FILES[:-6])
    return command


def state_of(command: Command) -> Path:
    """The state directory."""
    return Path(f"{command.simulated_host}.state")


def ran_with(command: Command, words: tuple[str, ...]) -> Ran:
    """What `words` gave; with the manifests where the command takes any."""
    if takes_manifests(words):
        return command(*words)
    return command.bare(*words, "--simulate", str(command.simulated_host))


def assert_is_told(ran: Ran, words: tuple[str, ...], what: object) -> None:
    """A documented exit code, no bug, and a cause where there is a failure."""
    assert ran.code in EXIT_CODES, (words, what, ran)
    assert "bug in reconcile" not in ran.err, (words, what, ran.err)
    assert "Traceback" not in ran.err, (words, what, ran.err)
    if ran.code == 1:
        assert "error: " in ran.err, (words, what, ran)


@pytest.mark.parametrize("file", FILES)
def test_damage_of_any_kind_is_told(command: Command, file: str) -> None:
    """Bytes, text, values or keys: read by every command, then by those that write (more by `./run trials fuzz`)."""
    content = damaged((state_of(command) / file).read_bytes(), Random(f"damage of {file}"))
    (state_of(command) / file).write_bytes(content)
    for words in (*READERS, *WRITERS):
        assert_is_told(ran_with(command, words), words, content[:2000])


@pytest.mark.parametrize("file", [one for one in FILES if "lock" not in one])
def test_what_a_newer_reconcile_made_is_not_called_damaged(command: Command, file: str) -> None:
    """Nor is it moved away: this reconcile is updated, as after a downgrade."""
    path = state_of(command) / file
    whole = path.read_bytes()
    assert b'"formatVersion": 1' in whole
    path.write_bytes(whole.replace(b'"formatVersion": 1', b'"formatVersion": 7', 1))
    texts = []
    for words in (*READERS, *WRITERS):
        ran = ran_with(command, words)
        assert_is_told(ran, words, file)
        assert "damaged" not in ran.out + ran.err, (words, ran)
        assert f"mv {path}" not in ran.out + ran.err, (words, ran)
        texts.append(ran.out + ran.err)
    assert any("made by a newer reconcile" in one for one in texts)
    assert any("7 is of a newer reconcile, and this one reads 1: update this one" in one for one in texts)


def test_what_a_newer_reconcile_saved_is_not_called_damaged(command: Command) -> None:
    """A plan, a record of the host."""
    (state_of(command) / "pending.json").unlink()
    (state_of(command) / "journal.jsonl").unlink()
    plan, record = (str(command.directory / name) for name in ("plan.json", "record.json"))
    command("plan", "--out", plan)
    command.bare("observe", "--out", record, "--simulate", str(command.simulated_host))
    for file in (plan, record):
        content = Path(file).read_text(encoding="utf-8")
        Path(file).write_text(content.replace('"formatVersion": 1', '"formatVersion": 7', 1), encoding="utf-8")
    manifests = ("-f", str(command.directory / "guests.yaml"))

    for words in (("apply", plan), ("plan", "--observed", record, *manifests), ("report", "--observed", record)):
        ran = command.bare(*words, *(("--html", "-") if "report" in words else ()))
        assert ran.code == 1, ran
        assert f"error: {words[-1] if len(words) < 4 else record} was made by a newer reconcile: " in ran.err
        assert "7 is of a newer reconcile, and this one reads 1: update this one" in ran.err
        assert "next: " not in ran.err


@pytest.mark.parametrize("file", [one for one in FILES if "lock" not in one])
def test_every_field_is_looked_at(command: Command, file: str) -> None:
    """None of the fields that say what is to be done takes a value of another kind; file and field are named."""
    path = state_of(command) / file
    whole = path.read_bytes()
    first, newline, rest = whole.partition(b"\n") if file == "journal.jsonl" else (whole, b"", b"")
    record = json.loads(first)

    def put(holder: Any, step: Any) -> None:
        holder[step] = {"odd": [1.5]}

    for place in [one for one in places(record) if one and "plan" not in one]:
        if record == changed(record, place, put):
            continue
        path.write_bytes(json.dumps(changed(record, place, put)).encode() + newline + rest)
        ran = command("doctor")
        assert (ran.code, str(path) in ran.out) == (2, True), place
        last = place[-1] if isinstance(place[-1], str) else f"[{place[-1]}]"
        assert str(last)[:30] in ran.out, (place, ran.out)  # of a long key only the beginning is shown


def test_an_undo_without_a_record_that_can_be_used_removes_nothing(command: Command) -> None:
    """A new setup is refused as well, before it asks, so that what the old one has made stays known."""
    path, made = state_of(command) / "setup.json", command.directory / "made/site.yaml"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])

    for words in (("--undo", "--yes"), ("--yes",), ()):
        where = () if "--undo" in words else ("-f", str(command.directory / "new"))
        ran = command.bare("setup", *words, *where, "--simulate", str(command.simulated_host))
        assert (ran.code, ran.out) == (1, "")
        assert f"next: mv {path} {path}.damaged" in ran.err
        assert made.exists()
        assert path.read_bytes() == whole[:-20]
    path.write_bytes(whole)
    for name in ("journal.jsonl", "pending.json"):
        (state_of(command) / name).unlink()
    assert command.bare("setup", "--undo", "--yes", "--simulate", str(command.simulated_host)).code == 0
    assert not made.exists()


@pytest.mark.parametrize("file", [one for one in FILES if "lock" not in one])
def test_what_is_only_shown_is_shown_beside_any_damaged_file(command: Command, file: str) -> None:
    """All guests are in it; what rests on the file is named, with the command that moves it away."""
    path = state_of(command) / file
    path.write_text("{")
    for words in (("status",), ("status", "guest1"), ("matrix",), ("report", "--html", "-"), ("status", "-o", "json")):
        ran = command(*words)

        assert ran.code == 0, (words, ran)
        assert "guest1" in ran.out
    if file == "inventory.json":
        ran = command("status")
        assert f"not seen    what was applied last: {path}: it is not JSON" in ran.out
        assert "damaged-record" in ran.err
        assert f"run: mv {path} {path}.damaged\n" in ran.err
        assert "as root" not in ran.err
        assert command("plan").code == command("drift").code == 1
    assert command.bare("history", "--simulate", str(command.simulated_host)).code == 0


def test_one_damaged_generation_hides_no_other(command: Command) -> None:
    """It is listed as damaged, is no target, and its number is not used again, not even when it was moved away."""
    state = state_of(command)
    for name in ("journal.jsonl", "pending.json"):
        (state / name).unlink()
    (state / "generations/000002.json").write_bytes(b"[" * 100_000)

    listed = command("history").out.splitlines()
    numbered = [line for line in listed if line.split()[0] != "-"]  # those without are of suspensions
    assert [line.split()[0] for line in numbered] == ["GEN", "2", "1"]
    assert "damaged" in numbered[1]
    assert "applied" in numbered[2]
    assert command("history", "show", "2").code == 1
    assert command("history", "show", "1").code == 0
    assert command("rollback", "2", "--yes").code == 1
    (state / "generations/000002.json").rename(state / "generations/000002.json.damaged")
    assert command("apply", "--yes", "--allow-suspended").code == 0
    (command.directory / "guests.yaml").write_text(
        (command.directory / "guests.yaml").read_text(encoding="utf-8").replace("[6]", "[5]", 1), encoding="utf-8"
    )
    assert command("apply", "--yes", "--allow-suspended").code == 0
    assert [one["number"] for one in json.loads(command("history", "-o", "json").out)["generations"]][-1] == 3


def test_what_is_no_file_of_ours_among_the_generations_hides_none(command: Command) -> None:
    """A link, a directory, a file that others can write to: listed as damaged, too."""
    generations = state_of(command) / "generations"
    for name in ("000003.json", "000004.json", "000005.json", "000001.outcome.json"):
        (generations / name).unlink(missing_ok=True)
    (generations / "000003.json").symlink_to("/dev/zero")
    (generations / "000004.json").mkdir()
    (generations / "000005.json").write_bytes((generations / "000001.json").read_bytes())
    (generations / "000005.json").chmod(0o666)
    (generations / "000001.outcome.json").mkdir()

    ran = command("history", "-o", "json")

    results = {one["number"]: one["result"] for one in json.loads(ran.out)["generations"]}
    assert results == {1: "damaged", 2: "applied", 3: "damaged", 4: "damaged", 5: "damaged"}
    assert_is_told(command("apply", "--yes"), ("apply",), "")
    assert_is_told(command("rollback", "--yes"), ("rollback",), "")


def test_the_next_command_that_is_told_works(command: Command) -> None:
    """Moving the file away is a whole command of a shell, and what it costs is said."""
    state = state_of(command)
    (state / "journal.jsonl").write_bytes(b"{}")
    ran = command("apply", "--yes")
    assert ran.code == 1
    path = state / "journal.jsonl"
    assert f"next: mv {path} {path}.damaged    # the apply that was not finished is then not rolled back" in ran.err


def test_the_loop_starts_beside_damaged_files(command: Command) -> None:
    """It says what it cannot use, enforces what it can, and ends as it should."""
    for file in FILES:
        (state_of(command) / file).write_bytes(b'{"formatVersion": 1, "since": 1e308, "guests": null}')
    where = ("--simulate", str(command.simulated_host))

    with watching(state_of(command), where, "-f", str(command.directory)) as loop:
        answer = loop.turn()

    assert answer["condition"] == "failed"
    assert "suspended.json" in answer["summary"]
