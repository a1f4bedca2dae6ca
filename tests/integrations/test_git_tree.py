"""What a commit holds is listed and read exactly as git keeps it, and what cannot be files is refused."""

from pathlib import Path

import pytest

from reconciler.integrations import git_repository
from reconciler.integrations.git_command import GitFailed
from reconciler.integrations.git_repository import Tree, TreeRefused, contents, tree_of
from testing.deep_folders import deep_commit
from testing.git_repositories import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """One without a commit."""
    return Repository(tmp_path / "repository")


def listed(repository: Repository, commit: str, path: str = "") -> Tree:
    """What `commit` has below `path`."""
    return tree_of(repository.runner(), commit, path)


def files(repository: Repository, commit: str, path: str = "") -> dict[str, bytes]:
    """The contents of the files below `path` in `commit`."""
    blobs = listed(repository, commit, path).blobs
    found = contents(repository.runner(), {identity for identity, _ in blobs.values()}, 1 << 20)
    assert {name: size for name, (_, size) in blobs.items()} == {
        name: len(found[identity]) for name, (identity, _) in blobs.items()
    }
    return {name: found[identity] for name, (identity, _) in blobs.items()}


def refusal(repository: Repository, commit: str, path: str = "") -> str:
    """Why `commit` is refused."""
    with pytest.raises(TreeRefused) as refused:
        listed(repository, commit, path)
    return str(refused.value)


def test_the_files_of_a_commit_and_their_bytes(repository: Repository) -> None:
    """Whatever their mode is, and whatever is in them."""
    given: dict[str, str | bytes] = {"host.yaml": "kind: Host\n", "guests/ä b.yaml": b"\xff\0", "empty": ""}
    (repository.path / "run").write_bytes(b"#!/bin/sh\n")
    (repository.path / "run").chmod(0o755)
    commit = repository.commit(given)

    expected = {"host.yaml": b"kind: Host\n", "guests/ä b.yaml": b"\xff\0", "empty": b"", "run": b"#!/bin/sh\n"}
    assert files(repository, commit) == expected


def test_as_much_of_a_content_as_is_asked_for(repository: Repository) -> None:
    """Of each, and in any order."""
    blobs = [repository.blob(content) for content in (b"0123456789", b"", b"abc")]

    found = contents(repository.runner(), reversed(blobs), 3)

    assert found == dict(zip(blobs, (b"012", b"", b"abc"), strict=True))
    assert contents(repository.runner(), (), 3) == {}


def test_only_the_path_is_listed(repository: Repository) -> None:
    """By the names that they have in the repository."""
    commit = repository.commit({"README": "x", "hosts/lpar7/host.yaml": "a", "hosts/lpar8/host.yaml": "b"})
    assert files(repository, commit, "hosts/lpar7") == {"hosts/lpar7/host.yaml": b"a"}


@pytest.mark.parametrize("path", ["hosts/none", "none/../hosts", ":(top)hosts"])
def test_a_path_that_is_no_directory_is_refused(repository: Repository, path: str) -> None:
    """It is missing, whatever git makes of such a name elsewhere."""
    (repository.path / "link").symlink_to("hosts")
    commit = repository.commit({"file": "", "hosts/host.yaml": ""})
    assert refusal(repository, commit, path) == f"there is no directory {path} in it"


def test_no_filter_changes_a_byte(repository: Repository) -> None:
    """Attributes and settings could have programs run, or ends of lines and keywords replaced."""
    attributes = "* filter=evil text eol=crlf ident export-subst working-tree-encoding=UTF-16\nhidden export-ignore\n"
    commit = repository.commit({"a.yaml": "a: $Id$ $Format:%H$\n", "hidden": "x"})
    repository.git("config", "filter.evil.smudge", f"touch {repository.path}/ran")
    repository.git("config", "core.autocrlf", "true")
    tree = repository.git("ls-tree", "HEAD").splitlines()
    blob = repository.blob(attributes.encode())
    listing = "\n".join([*tree, f"100644 blob {blob}\t.gitattributes"]) + "\n"
    commit = repository.commit_tree(repository.git("mktree", given=listing.encode()))

    assert files(repository, commit) == {
        "a.yaml": b"a: $Id$ $Format:%H$\n",
        "hidden": b"x",
        ".gitattributes": attributes.encode(),
    }
    assert not (repository.path / "ran").exists()


def test_links_are_listed_with_what_they_lead_to(repository: Repository) -> None:
    """And which of them lead to a directory of the commit that was not asked for."""
    links = {"outside": "/etc", "inside": "a.yaml", "common": "../common", "up": "..", "no": "../x"}
    for name, target in links.items():
        (repository.path / "hosts").mkdir(exist_ok=True)
        (repository.path / "hosts" / name).symlink_to(target)
    commit = repository.commit({"hosts/a.yaml": "a", "common/b.yaml": "b"})

    tree = listed(repository, commit, "hosts")

    assert tree.links == {f"hosts/{name}": target for name, target in links.items()}
    assert tree.folders == {"common", ""}
    assert listed(repository, commit).folders == frozenset()


@pytest.mark.parametrize("link_first", [True, False])
def test_a_name_that_is_there_twice_is_refused(repository: Repository, link_first: bool) -> None:
    """A link and a directory of the same name, in one tree: git's checks refuse it, and so do ours."""
    below = repository.tree(("100644", repository.blob(b"evil"), b"file"))
    entries = [("120000", repository.blob(b"/etc"), b"a"), ("40000", below, b"a")]
    commit = repository.commit_tree(repository.tree(*(entries if link_first else reversed(entries))))
    assert refusal(repository, commit) == "a cannot be a file here: it is there twice"
    blob = repository.blob(b"same")
    doubled = repository.commit_tree(repository.tree(("100644", blob, b"a"), ("100644", blob, b"a")))
    assert refusal(repository, doubled) == "a cannot be a file here: it is there twice"


@pytest.mark.parametrize("name", [b"..", b".", b".git", b".GIT"])
def test_names_that_mean_something_are_refused(repository: Repository, name: bytes) -> None:
    """They would lead outside, or make a checkout a repository with settings of its own."""
    below = repository.tree(("100644", repository.blob(b"evil"), b"config"))
    commit = repository.commit_tree(repository.tree(("40000", below, name)))
    assert refusal(repository, commit) == f"{name.decode()}/config is no name that a file may have in a commit"


def test_a_name_with_a_slash_is_refused(repository: Repository) -> None:
    """Git never makes one; somebody else may."""
    commit = repository.commit_tree(repository.tree(("100644", repository.blob(b"evil"), b"../../x")))
    assert "is no name that a file may have" in refusal(repository, commit)


def test_a_name_that_is_too_long_is_refused_and_cut_in_the_sentence(repository: Repository) -> None:
    """Three hundred letters, and control characters that would change the terminal."""
    commit = repository.commit_tree(repository.tree(("100644", repository.blob(b""), b"\x1b[2J" + b"x" * 300)))
    sentence = refusal(repository, commit)
    assert "File name too long" in sentence
    assert len(sentence) < 200
    assert "\x1b" not in sentence


@pytest.mark.parametrize("target", [b"x" * 5000, b"a\0b", b""])
def test_a_link_to_what_can_be_no_name_is_refused(repository: Repository, target: bytes) -> None:
    """Too long, with a NUL, or to nothing."""
    link = repository.tree(("120000", repository.blob(target), b"a"))
    assert refusal(repository, repository.commit_tree(link))


def test_a_submodule_is_refused_rather_than_left_out(repository: Repository) -> None:
    """Guests that are missing would be removed. Outside of the path it does no harm."""
    first = repository.commit({"hosts/host.yaml": ""})
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{first},team")
    commit = repository.record()
    assert refusal(repository, commit) == "team is a submodule, and those are not fetched"
    assert files(repository, commit, "hosts") == {"hosts/host.yaml": b""}


def test_a_tree_that_unfolds_without_end_is_refused(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten objects can name a thousand million files."""
    monkeypatch.setattr(git_repository, "FILES", 1000)
    tree = repository.tree(("100644", repository.blob(b"a"), b"file"))
    for _ in range(4):
        tree = repository.tree(*(("40000", tree, b"%d" % number) for number in range(8)))
    assert "4,096 files, more than 1,000" in refusal(repository, repository.commit_tree(tree))


def test_the_listing_of_an_endless_tree_is_ended(repository: Repository) -> None:
    """Before it fills the disk."""
    tree = repository.tree(("100644", repository.blob(b"a"), b"file"))
    for _ in range(9):
        tree = repository.tree(*(("40000", tree, b"%d" % number) for number in range(10)))
    commit = repository.commit_tree(tree)
    with pytest.raises(GitFailed, match="ls-tree was ended since it wrote more than"):
        listed(repository, commit)


def test_files_that_are_too_much_are_refused(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before they are read."""
    monkeypatch.setattr(git_repository, "BYTES", 100)
    commit = repository.commit({"a": "x" * 60, "b": "x" * 60})
    assert "its files have 120 bytes, more than 100" in refusal(repository, commit)


def test_an_object_that_is_missing_is_a_broken_repository(repository: Repository) -> None:
    """Not the commit's fault."""
    commit = repository.commit({"a": "content"})
    blob = repository.git("rev-parse", "HEAD:a")
    (repository.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(GitFailed):
        listed(repository, commit)
    with pytest.raises(GitFailed, match=f"{blob} is missing"):
        contents(repository.runner(), [blob], 10)
    with pytest.raises(GitFailed):
        listed(repository, "1" * 40)


@pytest.mark.parametrize("commit", ["", "main", "abc", "../../etc", "A" * 40, "a" * 41])
def test_only_full_ids_are_commits(repository: Repository, commit: str) -> None:
    """They become parts of commands."""
    with pytest.raises(ValueError, match="no id"):
        listed(repository, commit)


@pytest.mark.parametrize("depth", [65, 1500])
def test_folders_within_folders_are_refused(repository: Repository, depth: int) -> None:
    """Nothing is read there in any case; the sentence is short."""
    repository.commit({"host.yaml": ""})
    sentence = refusal(repository, deep_commit(repository, depth))
    assert sentence.endswith(f"is in {depth:,} folders, one within the other, more than 64")
    assert len(sentence) < 200


def test_as_many_folders_as_are_read_are_listed(repository: Repository) -> None:
    """Only those below the path count."""
    repository.commit({"host.yaml": ""})
    tree = listed(repository, deep_commit(repository, 64))
    assert [name.rpartition("/")[2] for name in tree.blobs] == ["deep.yaml", "host.yaml"]
    below = listed(repository, deep_commit(repository, 66), "deep/d")
    assert [name.rpartition("/")[2] for name in below.blobs] == ["deep.yaml"]
