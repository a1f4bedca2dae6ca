"""The manifests of a commit are those that a checkout of it would have, by name, content and problem."""

import errno
import os
from collections.abc import Iterable, Mapping
from hashlib import sha1
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from reconciler.manifests import committed, files
from reconciler.manifests.committed import Committed, Kept, KeptFiles, files_of
from reconciler.manifests.files import DiskFiles, FoundFile
from reconciler.manifests.site import ChangedFiles, read_files
from reconciler.model.problems import Problem

HOST = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\n"
GUEST = "apiVersion: reconciler/v1\nkind: Guest\nmetadata: {name: %s}\nspec: {adapters: [5], domains: [%d]}\n"


class Commit:
    """Files and links as git lists them, and which objects were read."""

    def __init__(self, contents: Mapping[str, str], links: Mapping[str, str] | None = None, path: str = "") -> None:
        self.path, self.contents, self.links = path, contents, links or {}
        self.read: list[str] = []
        self._objects = {sha1(one.encode()).hexdigest(): one.encode() for one in contents.values()}

    def blobs(self, objects: Iterable[str], most: int) -> Mapping[str, bytes]:
        """What git gives."""
        names = list(objects)
        self.read += names
        return {name: self._objects[name][:most] for name in names}

    def files(self, *folders: str) -> KeptFiles:
        """The manifests; `folders` are what links lead to elsewhere in the commit."""
        blobs = {name: (sha1(one.encode()).hexdigest(), len(one)) for name, one in self.contents.items()}
        return files_of(Committed("a commit", self.path, blobs, self.links, frozenset(folders)), self.blobs)

    def check_out(self, folder: Path) -> Path:
        """The directory with the same files on disk."""
        for name, content in self.contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content.encode())
        for name, target in self.links.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(target)
        return folder / self.path


def ids(found: KeptFiles) -> list[str]:
    """The ids of the problems with the tree."""
    return [one.id for one in found.problems]


def test_names_are_those_in_the_repository() -> None:
    """Only manifests are read, at any depth, hidden names not."""
    commit = Commit(
        {"h/a.yaml": "a", "h/b/c.yml": "c", "h/README": "r", "h/.d.yaml": "d", "h/.e/f.yaml": "f", "x.yaml": "x"},
        path="h",
    )

    found = commit.files()

    assert {name: one.content for name, one in found.kept.items()} == {"h/a.yaml": b"a", "h/b/c.yml": b"c"}
    assert [file.name for file in found.listing().files] == ["h/a.yaml", "h/b/c.yml"]
    assert len(commit.read) == 2
    assert ids(found) == []


def test_a_whole_repository() -> None:
    """Names have no folder before them, and an empty commit is a problem."""
    assert list(Commit({"a.yaml": "a", "b/c.yaml": "c"}).files().kept) == ["a.yaml", "b/c.yaml"]
    (problem,) = Commit({}).files().problems
    assert (problem.id, problem.message) == ("no-manifests", "there is no manifest in a commit")


def test_links_that_leave_the_directory_are_refused() -> None:
    """Also those to a folder of the commit; others may lead where they like."""
    links = {"h/a.yaml": "/etc/a", "h/b.yaml": "../common/x.yaml", "h/c": "../common", "h/d": "/etc", "h/e": "../../x",
             "h/f": "../README", "h/g": "..", "h/h.yaml": "../../../x"}  # fmt: skip
    found = Commit({"h/host.yaml": HOST, "common/x.yaml": ""}, links, "h").files("common")

    assert [one.message for one in found.problems] == [
        "the link h/a.yaml leaves its directory: it leads to /etc/a",
        "the link h/b.yaml leaves its directory: it leads to ./common/x.yaml",
        "the link h/c leaves its directory: it leads to ./common",
        "the link h/g leaves its directory: it leads to .",
        "the link h/h.yaml leaves its directory: it leads to ../../x",
    ]


def test_links_that_lead_nowhere_are_problems_of_their_own() -> None:
    """In a circle, through a file, to what is no name, or to what is not there."""
    links = {"a.yaml": "b.yaml", "b.yaml": "a.yaml", "c": "c", "d.yaml": "host.yaml/x", "e.yaml": "x" * 300,
             "f.yaml": "gone.yaml", "g.yaml": "././/host.yaml", "h": "gone"}  # fmt: skip
    found = Commit({"host.yaml": HOST}, links).files()

    assert [one.message.partition(" cannot be read: ")[::2] for one in found.problems] == [
        ("a.yaml", os.strerror(errno.ELOOP)),
        ("b.yaml", os.strerror(errno.ELOOP)),
        ("c", os.strerror(errno.ELOOP)),
        ("d.yaml", os.strerror(errno.ENOTDIR)),
        ("e.yaml", os.strerror(errno.ENAMETOOLONG)),
    ]
    assert list(found.kept) == ["f.yaml", "g.yaml"]
    assert [one.id for one in read_files(found).problems if one.id != "unreadable"] == ["path-missing"]


def test_what_is_too_much_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is too long, and what follows when the bound of one run is reached."""
    monkeypatch.setattr(committed, "FILE_LIMIT", 10)
    monkeypatch.setattr(files, "MOST_BYTES", 6)
    commit = Commit({"a.yaml": "x" * 11, "b.yaml": "bbbb", "c.yaml": "cccc", "d.yaml": "d"})

    found = commit.files()

    assert len(commit.read) == 2
    assert {name: one.content.id for name, one in found.kept.items() if isinstance(one.content, Problem)} == {
        "a.yaml": "file-too-large", "d.yaml": "too-much"
    }  # fmt: skip
    assert [one.id for one in read_files(found).problems].count("too-much") == 1


def test_of_json_only_the_start_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of as many files as elsewhere, to warn of those that are skipped."""
    monkeypatch.setattr(committed, "MOST_JSON", 2)
    ours = '{"apiVersion": "reconciler/v1"}'
    commit = Commit({"a.json": ours, "b.json": "{}", "c.json": ours, "d.YAML": "", "host.yaml": HOST}, {"e.json": "no"})

    (problem,) = commit.files().problems

    assert problem.id == "skipped-file"
    assert problem.message.endswith(": a.json, d.YAML")
    assert len(commit.read) == 3


def test_only_what_changed_is_parsed_again() -> None:
    """Files are known by name and object."""
    known = ChangedFiles()
    first = known.read(Commit({"host.yaml": HOST, "a.yaml": GUEST % ("a", 4)}).files())
    changed = Commit({"host.yaml": HOST, "a.yaml": GUEST % ("a", 5), "b.yaml": GUEST % ("b", 6)}).files()
    unread = changed._replace(kept={**changed.kept, "host.yaml": Kept(b"", changed.kept["host.yaml"].version)})

    assert [one.name for one in known.read(unread).guests] == ["a", "b"]
    assert known.read(unread).hosts == first.hosts


CONTENTS = st.sampled_from(["a", '{"apiVersion": "reconciler/v1"}'])
NAMES = st.sampled_from(["a.yaml", "b.yml", "c", ".d", "e.json", "f.YAML", "g.yml~", "x" * 300, "h\udcff.yaml"])
PATHS = st.lists(NAMES.filter(lambda name: len(name) < 100), min_size=1, max_size=3).map("/".join)
TARGETS = st.lists(st.one_of(NAMES, st.sampled_from(["..", ".", ""])), min_size=1, max_size=4).map("/".join)


@given(st.dictionaries(PATHS, CONTENTS), st.dictionaries(PATHS, TARGETS))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_it_is_what_a_checkout_has(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, str], links: dict[str, str]
) -> None:
    """Whatever files and links there are: the same names, contents and problems."""
    taken = set[str]()
    for one in (contents, links):
        for path in list(one):
            parents = {path.rsplit("/", count)[0] for count in range(1, path.count("/") + 1)}
            if path in taken or any(f"{other}/".startswith(f"{path}/") for other in taken) or taken & parents:
                del one[path]
            else:
                taken.add(path)
    commit = Commit(
        {"host.yaml": HOST, **contents}, {name: target.lstrip("/") or "." for name, target in links.items()}
    )
    top = tmp_path_factory.mktemp("top") / "deep/checkout"
    top.mkdir(parents=True)
    disk = DiskFiles([str(commit.check_out(top))])
    found = commit.files()
    assume(not any(one.id == "unreadable" for one in disk.listing().problems))

    def plain(problems: Iterable[Problem]) -> list[tuple[str, str]]:
        # What is around a checkout is not known of a commit.
        named = ((one.id, one.message.replace(f"{top}/", "").replace(f"{top}", "a commit")) for one in problems)
        return [one for one in named if one[0] != "link-leaves-directory"]

    expected = {os.path.relpath(file.name, top): disk.content(file) for file in disk.listing().files}
    assert [file.name for file in found.listing().files] == list(expected)
    for name, content in expected.items():
        mine = found.content(FoundFile(name, name))
        if isinstance(content, Problem):
            assert isinstance(mine, Problem)
        else:
            assert mine == content
    assert plain(found.problems) == plain(disk.listing().problems)
