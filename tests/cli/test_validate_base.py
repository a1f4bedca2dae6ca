"""``validate --base REF``: what changed since another commit that manifests must not change without a word."""

import json
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from reconciler.manifests.documents import derived_uuid
from testing.commands import Command, Ran, change, example
from testing.git_repositories import Repository

OLD, NEW = derived_uuid("lpar7", "guest1"), derived_uuid("", "guest1")
OTHER = "62177883-f1bb-47f0-914d-32a22e3a8804"
HOST, HOSTS = "  host: lpar7\n", "  hosts: [lpar7, lpar8]\n"
LPAR8 = "apiVersion: reconciler/v1\nkind: Host\nmetadata:\n  name: lpar8\n"


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """The three guests are committed; then a second host comes, and guest1 may run on both."""
    made = example("three-guests", tmp_path, capsys)
    repository = Repository(made.directory)
    repository.git("add", ".")
    repository.git("commit", "--quiet", "-m", "first")
    (made.directory / "lpar8.yaml").write_text(LPAR8, encoding="utf-8")
    change(made, HOST, HOSTS)
    return made


def validated(command: Command, *words: str, path: str = "") -> Ran:
    """The manifests at `path`, held against the last commit."""
    return command.bare("validate", "--base", "main", "-f", str(command.directory / path), *words)


def test_a_derived_uuid_that_changes_is_found_before_the_commit(command: Command) -> None:
    """Once for each guest, at its spec, with the commit, both uuids and the line to add."""
    commit = Repository(command.directory).git("rev-parse", "HEAD").strip()

    ran = validated(command)

    assert ran.code == 4
    assert ran.err.count("error[uuid-would-change]") == 1
    assert f"it had {OLD} at main (commit {commit[:12]})" in ran.err
    assert f"uuid: {OLD}\n" in ran.err
    assert NEW in ran.err
    (problem,) = json.loads(validated(command, "-o", "json").out)["problems"]
    assert (problem["id"], problem["places"][0]["line"]) == ("uuid-would-change", 7)
    named = command.bare("validate", "--base", commit[:9], "-f", str(command.directory))
    assert f"it had {OLD} in commit {commit[:12]}" in named.err


def test_with_the_line_all_is_well(command: Command) -> None:
    """And a guest with several hosts counts once."""
    change(command, HOSTS, f"{HOSTS}  uuid: {OLD}\n")

    assert validated(command) == Ran(0, "valid: 2 hosts, 3 guests\n", "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (HOSTS, f"{HOSTS}  uuid: {OTHER}\n"),
        (HOSTS, f"  host: lpar8\n  uuid: {derived_uuid('lpar8', 'guest1')}\n"),
        ("guest1", "guest9"),
    ],
    ids=["written", "moved", "renamed"],
)
def test_what_is_meant_is_no_error(command: Command, old: str, new: str) -> None:
    """A uuid that is written, also on another host, and another name."""
    change(command, old, new)

    assert validated(command).code == 0


@pytest.mark.parametrize(("before", "was"), [(HOST, "lpar7"), ("  hosts: [lpar7]\n", "")])
@pytest.mark.parametrize(
    ("after", "now"), [("  host: lpar8\n", "lpar8"), ("  hosts: [lpar8]\n", ""), ("  hosts: [lpar8, lpar7]\n", "")]
)
def test_a_guest_on_another_host_keeps_its_device(
    command: Command, before: str, was: str, after: str, now: str
) -> None:
    """Or the error has the line; only from ``hosts`` to ``hosts`` the uuid stays as it is."""
    change(command, HOSTS, before)
    repository = Repository(command.directory)
    repository.git("commit", "--quiet", "--all", "--allow-empty", "-m", "second")
    change(command, before, after)
    old, new = derived_uuid(was, "guest1"), derived_uuid(now, "guest1")

    ran = validated(command)

    if old == new:
        assert ran.code == 0
        return
    assert ran.code == 4
    assert ran.err.count("error[uuid-would-change]") == 1
    assert f"uuid: {old}\n" in ran.err
    assert new in ran.err
    change(command, after, f"{after}  uuid: {old}\n")
    assert validated(command).code == 0


def test_both_hosts_of_a_guest_that_moved_are_named(command: Command) -> None:
    """In the sentence, and each of them is asked about with ``--host``; a third one is not."""
    change(command, HOSTS, "  host: lpar8\n")
    (command.directory / "lpar9.yaml").write_text(LPAR8.replace("lpar8", "lpar9"), encoding="utf-8")

    sentence = " ".join(validated(command).err.split())
    assert "guest 'guest1' on lpar8 would have the uuid" in sentence
    assert f"on lpar7 it had {OLD} at main" in sentence
    codes = {host: validated(command, "--host", host).code for host in ("lpar7", "lpar8", "lpar9")}
    assert codes == {"lpar7": 4, "lpar8": 4, "lpar9": 0}


def test_a_host_with_another_name_keeps_the_devices_of_its_guests(command: Command) -> None:
    """Each guest is named, once."""
    change(command, HOSTS, HOST)
    for file in ("host.yaml", "guests.yaml"):
        path = command.directory / file
        path.write_text(path.read_text(encoding="utf-8").replace("lpar7", "lpar9"), encoding="utf-8")

    ran = validated(command)

    assert ran.code == 4
    assert ran.err.count("error[uuid-would-change]") == 3
    assert all(f"uuid: {derived_uuid('lpar7', f'guest{number}')}\n" in ran.err for number in (1, 2, 3))


def test_the_chosen_host_is_compared(command: Command) -> None:
    """On the other one the guest is new."""
    assert validated(command, "--host", "lpar7").code == 4
    assert validated(command, "--host", "lpar8").code == 0


def test_one_file_is_compared_with_itself(command: Command) -> None:
    """Whatever it is called, and with no other file of its directory."""
    (command.directory / "guests.txt").write_bytes((command.directory / "guests.yaml").read_bytes())
    repository = Repository(command.directory)
    paths = [str(command.directory / file) for file in ("host.yaml", "lpar8.yaml", "guests.txt")]
    words = [word for path in paths for word in ("-f", path)]

    assert command.bare("validate", "--base", "main", *words).code == 0  # the commit has no such file
    change(command, HOSTS, HOST)
    (command.directory / "guests.txt").write_bytes((command.directory / "guests.yaml").read_bytes())
    repository.git("add", "guests.txt")
    repository.git("commit", "--quiet", "-m", "second")
    (command.directory / "guests.txt").write_text(
        (command.directory / "guests.txt").read_text(encoding="utf-8").replace(HOST, HOSTS, 1), encoding="utf-8"
    )
    ran = command.bare("validate", "--base", "main", *words)
    assert ran.code == 4
    assert "guests.txt:7:1" in ran.err


def test_a_file_that_was_too_large_could_not_be_compared(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is a warning, which ``--strict`` takes for an error."""
    (command.directory / "more").mkdir()
    where = command.directory / "more" / "host.yaml"
    where.write_text("# " + "x" * 300 + f"\n{LPAR8}", encoding="utf-8")
    repository = Repository(command.directory)
    repository.git("add", "more")
    repository.git("commit", "--quiet", "-m", "second")
    where.write_text(LPAR8, encoding="utf-8")
    monkeypatch.setattr("reconciler.operations.at_commit.FILE_LIMIT", 200)

    ran = validated(command, path="more/host.yaml")

    assert ran.code == 0
    assert "warning[base-invalid]" in ran.err
    assert "bytes, more than" in ran.err
    assert validated(command, "--strict", path="more/host.yaml").code == 4


def test_a_commit_without_these_manifests_has_nothing_to_compare(command: Command) -> None:
    """A new directory is a beginning, also with ``--strict``; a moved one is compared from above, so that is said."""
    (command.directory / "new").mkdir()
    (command.directory / "new" / "host.yaml").write_text(LPAR8, encoding="utf-8")

    ran = validated(command, "--strict", path="new")

    assert (ran.code, ran.out) == (0, "valid: 1 host, 0 guests\n")
    assert "note[base-empty]: there are no manifests at these paths at main (commit" in ran.err
    record = json.loads(validated(command, "-o", "json", path="new").out)
    assert (record["valid"], record["problems"][0]["id"]) == (True, "base-empty")


def test_manifests_in_another_directory_are_compared_from_above(command: Command) -> None:
    """As the note says."""
    (command.directory / "moved").mkdir()
    for file in command.directory.glob("*.yaml"):
        file.rename(command.directory / "moved" / file.name)

    assert "base-empty" in validated(command, path="moved").err
    assert "uuid-would-change" in validated(command).err


def test_manifests_with_errors_are_not_compared(command: Command) -> None:
    """The guest that has the device now may be one that could not be read."""
    (command.directory / "bad.yaml").write_text("apiVersion: reconciler/v1\nkind: Gest\n", encoding="utf-8")

    ran = validated(command)

    assert ran.code == 3
    assert "uuid-would-change" not in ran.err
    assert "= uuids were not compared with those at main\n" in ran.err


@pytest.mark.parametrize("ref", ["nope", "--all", "HEAD:guests.yaml", "a\nb", "@{upstream}"])
def test_what_is_no_commit_is_refused(command: Command, ref: str) -> None:
    """In one line that names the repository."""
    ran = command.bare("validate", f"--base={ref}", "-f", str(command.directory))

    assert ran.code == 1
    assert "has no commit" in ran.err
    assert str(command.directory) in ran.err
    assert "Traceback" not in ran.err


def test_manifests_in_no_repository_have_no_base(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does standard input."""
    command = example("three-guests", tmp_path, capsys)

    ran = validated(command)
    assert ran.code == 1
    assert "is in no git repository" in ran.err
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(LPAR8.encode())))
    ran = command.bare("validate", "--base", "main", "-f", "-")
    assert ran.code == 64
    assert "standard input is in none" in ran.err
