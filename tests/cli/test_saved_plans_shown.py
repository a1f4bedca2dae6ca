"""What a saved plan shows is what would be done, wherever it is applied; else the refusal says what differs."""

import json
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from reconciler.hosts import opening
from testing.clocks import NoTimer
from testing.commands import Command, Ran, change, example

SHRUNK = ("domains: [4, 0xab]", "domains: [4]")


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """The three guests, applied, and an edit of one; an id that is there twice makes a warning with places."""
    made = example("three-guests", tmp_path, capsys)
    assert made("apply", "--yes").code == 0
    file = made.directory / "guests.yaml"
    file.write_text(file.read_text().replace(*SHRUNK).replace("domains: [0x47, 0xff]", "domains: [0x47, 0xff, 0x47]"))
    return made


@pytest.fixture
def saved(command: Command, tmp_path: Path) -> Path:
    """A plan that was saved."""
    file = tmp_path / "saved.json"
    assert command("plan", "--out", str(file)).code == 0
    assert json.loads(file.read_text())["problems"][0]["places"]
    return file


def forge(saved: Path, change: Callable[[Any], object]) -> None:
    """Change what is shown, with a digest that fits."""
    record = json.loads(saved.read_text())
    before = json.dumps(record)
    change(record)
    assert json.dumps(record) != before
    del record["contentDigest"]
    record["contentDigest"] = sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    saved.write_text(json.dumps(record))


def applied(command: Command, saved: Path, *more: str) -> Ran:
    """An apply of the saved plan; no manifests are named unless in `more`."""
    where = ("--simulate", str(command.simulated_host))
    return command.bare("apply", str(saved), "--yes", "--allow-disruption", *more, *where)


def values(record: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every scalar of a record."""
    inner = record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    found = False
    for step, one in inner:
        found = True
        yield from values(one, (*path, step))
    if not found:
        yield path


MAY_DIFFER = {"commit", "contentDigest", "manifests", "basis", "fingerprint", "formatVersion"}


def test_no_forged_value_is_taken(command: Command, saved: Path) -> None:
    """Whatever a reviewer reads, one value after the other: places, excerpts, reasons, openers and VMs with them."""
    text = saved.read_text()
    record = json.loads(text)
    record["guests"][0]["vm"] = None
    paths = [path for path in values(record) if path[0] not in MAY_DIFFER]
    assert {str(path[-1]) for path in paths} >= {"line", "column", "excerpt", "openedBy", "vm", "file", "help"}
    taken = []
    for path in paths[:: max(1, len(paths) // 60)] + [
        one for one in paths if {*one} & {"places", "reason", "openedBy", "vm"}
    ]:

        def change(holder: Any, path: tuple[Any, ...] = path) -> None:
            for step in path[:-1]:
                holder = holder[step]
            odd = {
                "openedBy": {"process": 1, "command": "forged"},
                "vm": {"name": "forged", "uuid": "x"},
                "targets": ["guest1"],
            }
            holder[path[-1]] = odd.get(str(path[-1]), "forged")

        forge(saved, change)
        ran = applied(command, saved)
        is_refused = ran.code == 5 and "the saved plan is not applied" in ran.err
        is_damaged = ran.code == 1 and ran.err.startswith(f"error: {saved}")  # it can have no such value
        if not is_refused and not is_damaged and "after it was saved" not in ran.err:
            taken.append((path, ran))
        saved.write_text(text)

    assert not taken
    assert applied(command, saved).code == 0


def test_a_comment_moves_lines(command: Command, saved: Path) -> None:
    """The plan is the same; and with it the rest of a place is compared as before."""
    file = command.directory / "guests.yaml"
    file.write_text("# a comment\n" + file.read_text().replace("0xff, 0x47]", "0xff, 0x47]  # for later"))
    text = saved.read_text()
    forge(saved, lambda record: record["problems"][0]["places"][0].update(excerpt="forged"))
    assert "the problems" in applied(command, saved).err
    saved.write_text(text)

    assert applied(command, saved).code == 0


def test_forged_texts_do_not_let_lines_differ(command: Command, saved: Path) -> None:
    """Lines may differ where the texts of the manifests do: the fingerprint says which texts the plan was made of."""

    def change(record: Any) -> None:
        record["texts"] = "0" * 64
        record["problems"][0]["places"][0]["line"] += 1

    forge(saved, change)
    ran = applied(command, saved)

    assert (ran.code, "its fingerprint does not fit" in ran.err) == (1, True)


def test_manifests_may_be_elsewhere(command: Command, saved: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """A plan of a pull request is applied from a checkout of the host, in any directory."""
    (tmp_path / "elsewhere").mkdir()
    for name in ("guests.yaml", "host.yaml"):
        if (command.directory / name).exists():
            shutil.copy(command.directory / name, tmp_path / "elsewhere")
    monkeypatch.chdir("/")

    assert applied(command, saved, "-f", str(tmp_path / "elsewhere")).code == 0


@pytest.mark.parametrize("argument", ["site", "site/lpar7", "site/lpar7/guests.yaml"])
def test_the_same_files_may_be_named_by_another_directory(
    command: Command, tmp_path: Path, monkeypatch: Any, argument: str
) -> None:
    """The top of a clone where the plan was made, a directory of it or a file on the host."""
    there, here = tmp_path / "clone/site/lpar7", tmp_path / "host"
    there.mkdir(parents=True)
    text = "---\n".join((command.directory / name).read_text() for name in ("host.yaml", "guests.yaml"))
    (there / "guests.yaml").write_text(text)
    shutil.copytree(tmp_path / "clone", here)
    file, where = tmp_path / "saved.json", ("--simulate", str(command.simulated_host))
    monkeypatch.chdir(tmp_path / "clone")
    assert command.bare("plan", "--out", str(file), *where).code == 0
    monkeypatch.chdir(here)

    assert applied(command, file, "-f", argument).code == 0


def test_a_plan_of_relative_paths_is_applied_from_another_directory(
    command: Command, tmp_path: Path, monkeypatch: Any
) -> None:
    """Its places are saved as absolute ones."""
    monkeypatch.chdir(command.directory.parent)
    file = tmp_path / "saved.json"
    where = ("--simulate", str(command.simulated_host))
    assert command.bare("plan", "--out", str(file), "-f", command.directory.name, *where).code == 0
    monkeypatch.chdir("/")

    assert applied(command, file).code == 0


def test_a_suspension_that_asks_for_more_consents_is_the_only_reason(command: Command, tmp_path: Path) -> None:
    """What follows from it is not taken for a forged file."""
    file = tmp_path / "saved.json"
    assert command("apply", "--yes").code == 0
    change(command)
    assert command("plan", "--out", str(file)).code == 0
    suspend = ("suspend", "guest1", "--reason", "ticket 42", "--simulate", str(command.simulated_host))
    assert command.bare(*suspend).code == 0

    ran = applied(command, file)

    assert ran.code == 5, ran
    assert "guest 'guest1' is suspended by" in ran.err
    assert "was changed after" not in ran.err


@pytest.mark.parametrize("resumed", [False, True])
def test_a_suspension_meanwhile_is_named(command: Command, tmp_path: Path, resumed: bool) -> None:
    """Not taken for a forged file; the plan can be made again."""
    where = ("--simulate", str(command.simulated_host))
    suspend = ("suspend", "guest2", "--reason", "ticket 42", *where)
    file = tmp_path / "saved.json"
    if resumed:
        assert command.bare(*suspend).code == 0
    assert command("plan", "--out", str(file)).code == 0
    assert command.bare(*(("resume", "guest2", *where) if resumed else suspend)).code == 0

    ran = applied(command, file)

    assert ran.code == 5, ran
    assert "what is suspended changed since it was saved" in ran.err
    assert ("nothing is suspended" in ran.err) == resumed
    assert ("guest 'guest2' is suspended by" in ran.err) != resumed
    assert "was changed after" not in ran.err


def test_a_rollback_after_it_is_the_cause(command: Command, saved: Path) -> None:
    """Nobody has changed the file: its plan was applied, and rolled back."""
    assert applied(command, saved).code == 0
    assert command("rollback", "--yes", "--allow-disruption").code == 0
    ran = applied(command, saved)

    said = " ".join(ran.err.split())
    assert ran.code == 5
    assert "this plan was already applied as generation 2, at 20" in said
    assert "meanwhile generation 3 rolled the host back to" in said
    assert "changed after it was saved" not in said


def test_an_apply_of_it_that_was_cancelled_is_the_cause(
    command: Command, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is one that was not confirmed."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    assert applied(command, saved, "--confirm-within", "5m").code == 0
    assert command("cancel").code == 0
    ran = applied(command, saved)

    said = " ".join(ran.err.split())
    assert (ran.code, "generation 2 was rolled back since it was cancelled" in said) == (5, True)
    assert "changed after it was saved" not in said


def test_what_is_reported_since_is_named(command: Command, saved: Path) -> None:
    """Here a file of another program that the plan does not rest on."""
    record = json.loads(saved.read_text())
    forge(saved, lambda record: record["problems"][0].update(message="another one"))
    said = " ".join(applied(command, saved).err.split())

    assert f"now: {record['problems'][0]['message']}" in said
    assert "no longer: another one" in said
