"""The newest commit is used, refused or out of reach; by real git."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from reconciler.integrations import git_repository
from reconciler.integrations.files import NotPrivate
from reconciler.integrations.git_address import address
from reconciler.integrations.git_command import Git
from reconciler.integrations.git_signatures import Trust, trust
from reconciler.kernel.processes import Stopped
from reconciler.watch import git_source
from reconciler.watch.git_source import CommitRefused, GitSource, NewestCommit, Unreachable
from testing.clocks import FakeClock
from testing.git_repositories import ENVIRONMENT, Repository, SshKey

Make = Callable[..., GitSource]

ODD = (b"\t\n\x1b.yaml", b"--help.yaml", b"\xff.yaml")
PERSON = "author Kim <kim@example.com> 1700000000 +0000\ncommitter Kim <kim@example.com> 1700000000 +0000"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """One with a commit."""
    repository = Repository(tmp_path / "repository")
    repository.commit({"lpar7/host.yaml": "kind: Host\n"})
    return repository


@pytest.fixture
def clock() -> FakeClock:
    """Time of our own."""
    return FakeClock()


@pytest.fixture
def make(repository: Repository, tmp_path: Path, clock: FakeClock) -> Iterator[Make]:
    """Makes sources of the repository, one at a time."""
    made: list[GitSource] = []

    def make_one(path: str = "lpar7", trusted: Trust | None = None, url: str = "") -> GitSource:
        for source in made:
            source.close()
        made[:] = [
            GitSource(
                address(url or repository.url, "main", path), tmp_path / "ours", ENVIRONMENT,
                trusted=trusted, clock=clock.time, seconds=60,
            )
        ]  # fmt: skip
        return made[0]

    yield make_one
    for source in made:
        source.close()


def newest(source: GitSource, accepted: str = "", **given: object) -> NewestCommit:
    """The result, which must be good."""
    found = source.refresh(accepted, **given)  # type: ignore[arg-type]  # what a test gives is right
    assert isinstance(found, NewestCommit), found
    return found


def contents(found: NewestCommit) -> dict[str, bytes]:
    """The manifests that were found."""
    return {name: one.content for name, one in found.files.kept.items() if isinstance(one.content, bytes)}


def refused(source: GitSource, accepted: str = "") -> CommitRefused:
    """The result, which must be a refusal."""
    found = source.refresh(accepted)
    assert isinstance(found, CommitRefused), found
    return found


def test_the_newest_commit_as_files(repository: Repository, make: Make) -> None:
    """At first, unchanged, and changed."""
    source = make()
    first = newest(source)
    assert first.commit == repository.head()
    assert contents(first) == {"lpar7/host.yaml": b"kind: Host\n"}
    assert newest(source, first.commit) == first
    second = repository.commit({"lpar7/host.yaml": "kind: Guest\n"})
    found = newest(source, first.commit)
    assert found.commit == second
    assert contents(found) == {"lpar7/host.yaml": b"kind: Guest\n"}


def test_only_what_has_changed_is_read_from_the_mirror(
    repository: Repository, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contents are known by their objects, also under another name; nothing is written but the mirror."""
    source, read = make(), list[str]()

    def counted(git: Git, objects: Iterable[str], most: int) -> dict[str, bytes]:
        names = list(objects)
        read.extend(names)
        return git_repository.contents(git, names, most)

    monkeypatch.setattr(git_source, "contents", counted)
    newest(source)
    repository.commit({"lpar7/b.yaml": "kind: Host\n", "lpar7/c.yaml": "c: 1\n"})

    found = newest(source)

    assert contents(found) == {
        "lpar7/host.yaml": b"kind: Host\n", "lpar7/b.yaml": b"kind: Host\n", "lpar7/c.yaml": b"c: 1\n"
    }  # fmt: skip
    assert read == [repository.git("rev-parse", f"HEAD:lpar7/{name}.yaml") for name in ("host", "c")]
    assert newest(source) is not found
    assert newest(source).files is found.files


def test_a_revert_comes_after_what_it_reverts(repository: Repository, make: Make) -> None:
    """Rolling back is a commit like any other."""
    source = make()
    accepted = repository.commit({"lpar7/host.yaml": "kind: Guest\n"})
    newest(source)
    repository.git("revert", "--no-edit", "HEAD")
    assert newest(source, accepted).commit == repository.head()


def test_an_older_commit_is_refused_unless_a_person_asks(repository: Repository, make: Make, clock: FakeClock) -> None:
    """What they asked for is that commit, not whatever comes next."""
    source = make()
    older = repository.head()
    accepted = repository.commit({"lpar7/host.yaml": "kind: Guest\n"})
    newest(source)
    repository.git("reset", "--quiet", "--hard", older)
    clock.sleep(10)

    refusal = refused(source, accepted)
    assert refusal.commit == older
    assert refusal.reasons[0].startswith(f"commit {older} does not come after {accepted}, which was applied")
    assert len(refusal.reasons) == 1
    assert refusal.since == clock.time()
    clock.sleep(10)
    assert refused(source, accepted).since == clock.time() - 10

    assert newest(source, accepted, allow_older=True).commit == older
    assert newest(source, accepted).commit == older  # the loop may not have heard the first answer
    assert newest(source, older).commit == older

    sideways = repository.commit({"lpar7/host.yaml": "kind: Other\n"})
    assert refused(source, accepted).commit == sideways
    repository.git("reset", "--quiet", "--hard", older)
    assert refused(source, accepted).commit == older


def test_protection_outlives_a_restart_and_a_lost_mirror(repository: Repository, make: Make, tmp_path: Path) -> None:
    """It rests on the accepted commit alone."""
    older = repository.head()
    accepted = repository.commit({"lpar7/host.yaml": "kind: Guest\n"})
    newest(make())
    repository.git("reset", "--quiet", "--hard", older)
    assert refused(make(), accepted)
    (tmp_path / "ours/mirror.git").rename(tmp_path / "lost")
    assert refused(make(), accepted)


def test_out_of_reach_and_back(repository: Repository, make: Make, clock: FakeClock) -> None:
    """It says since when, and what was applied last is there, also after a restart."""
    source = make()
    accepted = newest(source).commit
    newest(source, accepted)
    repository.path.rename(f"{repository.path}.away")
    clock.sleep(60)
    gone = source.refresh(accepted)
    assert isinstance(gone, Unreachable)
    assert "does not appear to be a git repository" in gone.reason
    assert gone.since == clock.time()
    clock.sleep(60)
    assert source.refresh(accepted) == gone

    source = make()
    assert isinstance(source.refresh(accepted), Unreachable)

    Path(f"{repository.path}.away").rename(repository.path)
    assert newest(source, accepted).commit == accepted


def test_a_branch_that_is_deleted_is_a_refusal(repository: Repository, make: Make) -> None:
    """The repository was reached, and there is nothing to enforce instead."""
    source = make()
    accepted = newest(source).commit
    repository.git("branch", "--move", "elsewhere")
    refusal = refused(source, accepted)
    assert refusal.commit == ""
    assert refusal.reasons == ("there is no branch main in the repository, or not any more",)


def test_a_path_that_is_missing_is_a_refusal(repository: Repository, make: Make) -> None:
    """Of that commit; the next one may have it."""
    source = make("lpar8")
    assert refused(source).reasons == (f"commit {repository.head()}: there is no directory lpar8 in it",)
    repository.commit({"lpar8/host.yaml": ""})
    assert newest(source).commit == repository.head()


def test_signatures_are_required(repository: Repository, make: Make, tmp_path: Path) -> None:
    """Every reason is told; the judgement changes with the file of keys."""
    key, other = SshKey(tmp_path), SshKey(tmp_path, "lee@example.com")
    (tmp_path / "allowed").write_text(key.allowed(), encoding="utf-8")
    source = make(trusted=trust(f"ssh:{tmp_path}/allowed"))
    unsigned = repository.head()
    assert refused(source).reasons == (f"commit {unsigned}: it is not signed",)

    key.signs(repository)
    signed = repository.commit()
    assert newest(source).signer == "kim@example.com"

    other.signs(repository)
    foreign = repository.commit()
    assert "does not allow for git" in refused(source, signed).reasons[0]
    (tmp_path / "allowed").write_text(key.allowed() + other.allowed(), encoding="utf-8")
    assert newest(source, signed).commit == foreign
    (tmp_path / "allowed").unlink()
    assert "No such file" in refused(source, signed).reasons[0]

    repository.git("reset", "--quiet", "--hard", unsigned)
    assert len(refused(source, signed).reasons) == 2


def test_a_person_who_asks_for_an_older_commit_does_not_vouch_for_it(
    repository: Repository, make: Make, tmp_path: Path
) -> None:
    """Signatures are another matter."""
    key = SshKey(tmp_path)
    (tmp_path / "allowed").write_text(key.allowed(), encoding="utf-8")
    source = make(trusted=trust(f"ssh:{tmp_path}/allowed"))
    found = source.refresh("1" * 40, allow_older=True)
    assert isinstance(found, CommitRefused)
    assert found.reasons == (f"commit {repository.head()}: it is not signed",)


def odd_commit(repository: Repository, message: str) -> str:
    """A commit of files whose names no terminal likes."""
    tree = repository.tree(*(("100644", repository.blob(b"x"), name) for name in ODD))
    content = f"tree {repository.tree(('40000', tree, b'lpar7'))}\n{PERSON}\n\n{message}"
    commit = repository.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", given=content.encode())
    repository.git("update-ref", "refs/heads/main", commit)
    return commit


def test_odd_names_are_names(repository: Repository, make: Make) -> None:
    """And a message may hold what it wants, but for a NUL, which git's own checks refuse."""
    source = make()
    commit = odd_commit(repository, "\x1b[2J")
    found = newest(source)
    assert found.commit == commit
    assert {os.fsencode(name) for name in contents(found)} == {b"lpar7/" + name for name in ODD}
    odd_commit(repository, "a\0b")
    refusal = source.refresh(commit)
    assert isinstance(refusal, Unreachable)
    assert "nulInCommit" in refusal.reason


@pytest.mark.parametrize("damage", ["objects", "everything"])
def test_a_mirror_that_cannot_be_read_is_fetched_anew(
    repository: Repository, make: Make, tmp_path: Path, damage: str
) -> None:
    """Even where git thinks that it has the newest commit already."""
    newest(make())
    mirror = tmp_path / "ours/mirror.git"
    if damage == "objects":
        tree = repository.git("rev-parse", "HEAD:lpar7/host.yaml")
        repository.git("bundle", "create", str(tmp_path / "bundle"), "main")
        # All objects but the content of a file, loose instead of packed.
        for pack in list((mirror / "objects/pack").iterdir()):
            if pack.suffix == ".pack":
                loose = Repository(tmp_path / "loose")
                loose.git("unpack-objects", "-q", given=pack.read_bytes())
            pack.chmod(0o600)
            pack.unlink()
        for file in (tmp_path / "loose/.git/objects").glob("??/*"):
            if file.parent.name + file.name != tree:
                (mirror / "objects" / file.parent.name).mkdir(exist_ok=True)
                file.rename(mirror / "objects" / file.parent.name / file.name)
    else:
        for file in mirror.rglob("*"):
            if file.is_file():
                file.chmod(0o600)
                file.write_bytes(b"")
    assert newest(make()).commit == repository.head()


def test_credentials_are_never_told(make: Make) -> None:
    """Neither in the location nor in a reason."""
    source = make(url="https://kim:secret@127.0.0.1:1/x")
    found = source.refresh()
    assert isinstance(found, Unreachable)
    assert "secret" not in source.location + found.reason
    assert found.reason.startswith("https://127.0.0.1:1/x branch main path lpar7: ")


def no_room(**_: object) -> object:
    """As a disk that is full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_no_room_is_a_reason_and_no_crash(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As everything that the system refuses."""
    source = make()
    (tmp_path / "ours/mirror.git").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "TemporaryFile", no_room)
        found = source.refresh()
    assert isinstance(found, Unreachable)
    assert found.reason.endswith("No space left on device")


def test_one_process_at_a_time_works_in_the_directory(make: Make, repository: Repository, tmp_path: Path) -> None:
    """And nobody else can write to it."""
    source = make()
    newest(source)
    with pytest.raises(NotPrivate, match="another process works in"):
        GitSource(address(repository.url, "main"), tmp_path / "ours", ENVIRONMENT)
    source.close()
    assert (tmp_path / "ours").stat().st_mode & 0o777 == 0o700
    (tmp_path / "ours").chmod(0o777)
    with pytest.raises(NotPrivate, match="no other user can write to"):
        GitSource(address(repository.url, "main"), tmp_path / "ours", ENVIRONMENT)
    with pytest.raises(Stopped):
        source.refresh()


def test_nothing_is_left_open(repository: Repository, make: Make) -> None:
    """A loop lives for a year."""
    source = make()
    accepted = newest(source).commit
    before = os.listdir("/proc/self/fd")
    for number in range(5):
        repository.commit({"lpar7/host.yaml": str(number)})
        accepted = newest(source, accepted).commit
    assert len(os.listdir("/proc/self/fd")) == len(before)
