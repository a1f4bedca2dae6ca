"""Commits become files exactly as git keeps them, and hostile ones become none."""

import errno
import os
from pathlib import Path

import pytest

from reconciler.integrations import git_repository
from reconciler.integrations.git_command import GitFailed
from reconciler.integrations.git_repository import CheckoutRefused, Checkouts
from testing.deep_folders import deep_commit, deep_folders
from testing.git_repositories import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """One without a commit."""
    return Repository(tmp_path / "repository")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where checkouts are made."""
    return tmp_path / "ours/checkouts"


def contents(directory: Path) -> dict[str, bytes]:
    """The files below `directory`."""
    return {str(file.relative_to(directory)): file.read_bytes() for file in directory.rglob("*") if file.is_file()}


def refusal(repository: Repository, place: Path, commit: str, path: str = "") -> str:
    """Why `commit` is refused; nothing of it is left."""
    with pytest.raises(CheckoutRefused) as refused:
        Checkouts(place, path).of(commit, repository.runner())
    assert not place.exists() or os.listdir(place) == []
    return str(refused.value)


def test_a_commit_becomes_its_files(repository: Repository, place: Path) -> None:
    """In a directory with its name, private, without execute bits."""
    files: dict[str, str | bytes] = {"host.yaml": "kind: Host\n", "guests/ä b.yaml": b"\xff\0", "empty": ""}
    (repository.path / "run").write_bytes(b"#!/bin/sh\n")
    (repository.path / "run").chmod(0o755)
    commit = repository.commit(files)

    directory = Checkouts(place).of(commit, repository.runner())

    assert directory == place / commit
    expected = {"host.yaml": b"kind: Host\n", "guests/ä b.yaml": b"\xff\0", "empty": b"", "run": b"#!/bin/sh\n"}
    assert contents(directory) == expected
    assert {file.stat().st_mode & 0o777 for file in directory.rglob("*") if file.is_file()} == {0o600}
    assert {file.stat().st_mode & 0o777 for file in (directory, directory / "guests")} == {0o700}


def test_only_the_path_is_checked_out(repository: Repository, place: Path) -> None:
    """Its files stand at the top."""
    commit = repository.commit({"README": "x", "hosts/lpar7/host.yaml": "a", "hosts/lpar8/host.yaml": "b"})
    assert contents(Checkouts(place, "hosts/lpar7").of(commit, repository.runner())) == {"host.yaml": b"a"}


@pytest.mark.parametrize("path", ["hosts/none", "none/../hosts", ":(top)hosts"])
def test_a_path_that_is_no_directory_is_refused(repository: Repository, place: Path, path: str) -> None:
    """It is missing, whatever git makes of such a name elsewhere."""
    (repository.path / "link").symlink_to("hosts")
    commit = repository.commit({"file": "", "hosts/host.yaml": ""})
    assert refusal(repository, place, commit, path) == f"there is no directory {path} in it"


def test_no_filter_changes_a_byte(repository: Repository, place: Path) -> None:
    """Attributes and settings could have programs run, or ends of lines and keywords replaced."""
    attributes = "* filter=evil text eol=crlf ident export-subst working-tree-encoding=UTF-16\nhidden export-ignore\n"
    commit = repository.commit({"a.yaml": "a: $Id$ $Format:%H$\n", "hidden": "x"})
    repository.git("config", "filter.evil.smudge", f"touch {repository.path}/ran")
    repository.git("config", "core.autocrlf", "true")
    tree = repository.git("ls-tree", "HEAD").splitlines()
    blob = repository.blob(attributes.encode())
    listing = "\n".join([*tree, f"100644 blob {blob}\t.gitattributes"]) + "\n"
    commit = repository.commit_tree(repository.git("mktree", given=listing.encode()))

    files = contents(Checkouts(place).of(commit, repository.runner()))

    assert files == {"a.yaml": b"a: $Id$ $Format:%H$\n", "hidden": b"x", ".gitattributes": attributes.encode()}
    assert not (repository.path / "ran").exists()


def test_links_are_made_as_they_are_and_lead_no_write_outside(repository: Repository, place: Path) -> None:
    """Whoever reads manifests refuses those that leave the directory."""
    (repository.path / "outside").symlink_to("/etc")
    (repository.path / "inside").symlink_to("a.yaml")
    commit = repository.commit({"a.yaml": "a"})
    directory = Checkouts(place).of(commit, repository.runner())
    assert os.readlink(directory / "outside") == "/etc"
    assert (directory / "inside").read_bytes() == b"a"


@pytest.mark.parametrize("link_first", [True, False])
def test_a_tree_cannot_write_through_its_own_link(
    repository: Repository, place: Path, tmp_path: Path, link_first: bool
) -> None:
    """A link and a directory of the same name, in one tree: git's checks refuse it, and so do ours."""
    (tmp_path / "victim").mkdir()
    below = repository.tree(("100644", repository.blob(b"evil"), b"file"))
    entries = [("120000", repository.blob(os.fsencode(tmp_path / "victim")), b"a"), ("40000", below, b"a")]
    commit = repository.commit_tree(repository.tree(*(entries if link_first else reversed(entries))))
    assert "cannot be a file here" in refusal(repository, place, commit)
    assert os.listdir(tmp_path / "victim") == []


@pytest.mark.parametrize("name", [b"..", b".", b".git", b".GIT"])
def test_names_that_mean_something_are_refused(repository: Repository, place: Path, name: bytes) -> None:
    """They would lead outside, or make the checkout a repository with settings of its own."""
    below = repository.tree(("100644", repository.blob(b"evil"), b"config"))
    commit = repository.commit_tree(repository.tree(("40000", below, name)))
    assert refusal(repository, place, commit) == f"{name.decode()}/config is no name that a file may have in a commit"


def test_a_name_with_a_slash_is_refused(repository: Repository, place: Path) -> None:
    """Git never makes one; somebody else may."""
    commit = repository.commit_tree(repository.tree(("100644", repository.blob(b"evil"), b"../../x")))
    assert "is no name that a file may have" in refusal(repository, place, commit)


def test_a_name_that_is_too_long_is_refused_and_cut_in_the_sentence(repository: Repository, place: Path) -> None:
    """Three hundred letters, and control characters that would change the terminal."""
    commit = repository.commit_tree(repository.tree(("100644", repository.blob(b""), b"\x1b[2J" + b"x" * 300)))
    sentence = refusal(repository, place, commit)
    assert "File name too long" in sentence
    assert len(sentence) < 200
    assert "\x1b" not in sentence


@pytest.mark.parametrize("target", [b"x" * 5000, b"a\0b", b""])
def test_a_link_to_what_can_be_no_name_is_refused(repository: Repository, place: Path, target: bytes) -> None:
    """Too long, with a NUL, or to nothing."""
    link = repository.tree(("120000", repository.blob(target), b"a"))
    assert refusal(repository, place, repository.commit_tree(link))


def test_a_submodule_is_refused_rather_than_left_out(repository: Repository, place: Path) -> None:
    """Guests that are missing would be removed. Outside of the path it does no harm."""
    first = repository.commit({"hosts/host.yaml": ""})
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{first},team")
    commit = repository.record()
    assert refusal(repository, place, commit) == "team is a submodule, and those are not fetched"
    assert contents(Checkouts(place, "hosts").of(commit, repository.runner())) == {"host.yaml": b""}


def test_a_tree_that_unfolds_without_end_is_refused(
    repository: Repository, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten objects can name a thousand million files."""
    monkeypatch.setattr(git_repository, "FILES", 1000)
    tree = repository.tree(("100644", repository.blob(b"a"), b"file"))
    for _ in range(4):
        tree = repository.tree(*(("40000", tree, b"%d" % number) for number in range(8)))
    assert "4,096 files, more than 1,000" in refusal(repository, place, repository.commit_tree(tree))


def test_the_listing_of_an_endless_tree_is_ended(repository: Repository, place: Path) -> None:
    """Before it fills the disk."""
    tree = repository.tree(("100644", repository.blob(b"a"), b"file"))
    for _ in range(9):
        tree = repository.tree(*(("40000", tree, b"%d" % number) for number in range(10)))
    commit = repository.commit_tree(tree)
    with pytest.raises(GitFailed, match="ls-tree was ended since it wrote more than"):
        Checkouts(place).of(commit, repository.runner())


def test_files_that_are_too_much_are_refused(
    repository: Repository, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before they are written."""
    monkeypatch.setattr(git_repository, "BYTES", 100)
    commit = repository.commit({"a": "x" * 60, "b": "x" * 60})
    assert "its files have 120 bytes, more than 100" in refusal(repository, place, commit)


def test_an_object_that_is_missing_is_a_broken_repository(repository: Repository, place: Path) -> None:
    """Not the commit's fault, and nothing is left."""
    commit = repository.commit({"a": "content"})
    blob = repository.git("rev-parse", "HEAD:a")
    (repository.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(GitFailed):
        Checkouts(place).of(commit, repository.runner())
    assert not place.exists()
    with pytest.raises(GitFailed):
        Checkouts(place).of("1" * 40, repository.runner())


def test_a_checkout_of_an_earlier_process_is_made_again(repository: Repository, place: Path) -> None:
    """It may have been cut off when the machine lost power; one of our own is kept."""
    commit = repository.commit({"a": "content"})
    (place / commit).mkdir(parents=True)
    (place / commit / "a").write_bytes(b"")
    checkouts = Checkouts(place)
    assert contents(checkouts.of(commit, repository.runner())) == {"a": b"content"}
    kept = (place / commit / "a").stat().st_ino
    assert (checkouts.of(commit, repository.runner()) / "a").stat().st_ino == kept


def test_old_checkouts_are_removed(repository: Repository, place: Path) -> None:
    """Also what a crash has left; one that is asked for later is made again."""
    checkouts = Checkouts(place)
    commits = [repository.commit({"a": str(number)}) for number in range(3)]
    for commit in commits:
        checkouts.of(commit, repository.runner())
    (place / ".new").mkdir()
    checkouts.keep({commits[1], "", "f" * 40})
    assert os.listdir(place) == [commits[1]]
    assert contents(checkouts.of(commits[0], repository.runner())) == {"a": b"0"}


@pytest.mark.parametrize("commit", ["", "main", "abc", "../../etc", "A" * 40, "a" * 41])
def test_only_full_ids_are_commits(repository: Repository, place: Path, commit: str) -> None:
    """They become names of directories."""
    with pytest.raises(ValueError, match="no id"):
        Checkouts(place).of(commit, repository.runner())


def test_what_has_not_changed_is_not_written_again(repository: Repository, place: Path) -> None:
    """One file of ten thousand costs little; where the older checkout is gone, all is there as well."""
    checkouts = Checkouts(place)
    first = repository.commit({"a": "same", "b/c": "old"})
    inode = (checkouts.of(first, repository.runner()) / "a").stat().st_ino
    second = repository.commit({"b/c": "new"})
    directory = checkouts.of(second, repository.runner())
    assert (directory / "a").stat().st_ino == inode
    assert contents(directory) == {"a": b"same", "b/c": b"new"}
    checkouts.keep({second})
    assert contents(directory) == {"a": b"same", "b/c": b"new"}
    checkouts.keep(())
    assert contents(checkouts.of(repository.commit({"d": "same"}), repository.runner())) == {
        "a": b"same", "b/c": b"new", "d": b"same"
    }  # fmt: skip


def test_a_known_content_does_not_lead_through_a_link(repository: Repository, place: Path, tmp_path: Path) -> None:
    """Nor into a folder that is a file in the same tree."""
    (tmp_path / "victim").mkdir()
    checkouts = Checkouts(place)
    first = repository.commit({"a": "same"})
    checkouts.of(first, repository.runner())
    blob = repository.git("rev-parse", "HEAD:a")
    below = repository.tree(("100644", blob, b"file"))
    link = repository.blob(os.fsencode(tmp_path / "victim"))
    hostile = repository.commit_tree(repository.tree(("120000", link, b"a"), ("40000", below, b"a")))
    with pytest.raises(CheckoutRefused):
        checkouts.of(hostile, repository.runner())
    doubled = repository.commit_tree(repository.tree(("100644", blob, b"a"), ("100644", blob, b"a")))
    with pytest.raises(CheckoutRefused):
        checkouts.of(doubled, repository.runner())
    assert os.listdir(tmp_path / "victim") == []
    assert os.listdir(place) == [first]


@pytest.mark.parametrize("depth", [65, 1500])
def test_folders_within_folders_are_refused(repository: Repository, place: Path, depth: int) -> None:
    """Nothing is read there in any case; the sentence is short."""
    repository.commit({"host.yaml": ""})
    sentence = refusal(repository, place, deep_commit(repository, depth))
    assert sentence.endswith(f"is in {depth:,} folders, one within the other, more than 64")
    assert len(sentence) < 200


def test_as_many_folders_as_are_read_are_checked_out(repository: Repository, place: Path) -> None:
    """Only those below the path count."""
    repository.commit({"host.yaml": ""})
    directory = Checkouts(place).of(deep_commit(repository, 64), repository.runner())
    assert [file.name for file in directory.rglob("*.yaml")] == ["host.yaml", "deep.yaml"]
    below = Checkouts(place, "deep/d").of(deep_commit(repository, 66), repository.runner())
    assert [file.name for file in below.rglob("*.yaml")] == ["deep.yaml"]


def test_what_earlier_versions_have_left_is_removed(repository: Repository, place: Path) -> None:
    """However deep it is, under each of the names that it may have."""
    commit = repository.commit({"host.yaml": "a"})
    for name in (commit, ".new", ".old"):
        deep_folders(place / name, 1200)
    checkouts = Checkouts(place)

    directory = checkouts.of(commit, repository.runner())
    checkouts.keep({commit})

    assert contents(directory) == {"host.yaml": b"a"}
    assert os.listdir(place) == [commit]


def test_what_cannot_be_removed_is_no_obstacle(
    repository: Repository, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither to the next checkout nor to one of the same commit."""
    commit = repository.commit({"host.yaml": "a"})
    (place / commit).mkdir(parents=True)
    (place / "stays").mkdir()
    rename = Path.rename

    def renamed(path: Path, target: Path) -> Path:
        if path.name in {commit, "stays"}:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", renamed)
    checkouts = Checkouts(place)

    directory = checkouts.of(commit, repository.runner())
    checkouts.keep({commit})

    assert contents(directory) == {"host.yaml": b"a"}
    assert directory.name.startswith(commit)
    assert checkouts.of(commit, repository.runner()) == directory
    monkeypatch.undo()
    checkouts.keep({commit})
    assert {name[:40] for name in os.listdir(place)} == {commit}


def test_cleaning_up_fails_in_silence(place: Path) -> None:
    """Where there is no folder at all, and where it is something else."""
    Checkouts(place).keep(())
    place.parent.mkdir(parents=True)
    place.touch()
    Checkouts(place).keep(())
