"""A site that is read again and again."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.manifests import files as files_module
from reconciler.manifests.files import CERTAIN_SECONDS, DiskFiles, FoundFile, content_of
from reconciler.manifests.site import ChangedFiles, Site, read_site
from reconciler.model.problems import Problem

HOST = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\n"
GUEST = "apiVersion: reconciler/v1\nkind: Guest\nmetadata: {name: %s}\nspec: {adapters: [%d], domains: [4]}\n"
CONTENTS = st.one_of(
    st.none(),
    st.just(HOST),
    st.builds(lambda name, one: GUEST % (name, one), st.sampled_from("ab"), st.integers(0, 2)),
    st.sampled_from(["", "{", "kind: Host\n", "apiVersion: reconciler/v1\nkind: Gast\nmetadata: {name: lpar7}\n"]),
)


class Files:
    """A directory, and how often files in it are read."""

    def __init__(self, folder: Path, patch: Callable[[Callable[[FoundFile], bytes | Problem]], None]) -> None:
        self.folder, self.read = folder, list[str]()
        self.time = 0.0
        self.known = ChangedFiles()

        def counted(file: FoundFile) -> bytes | Problem:
            self.read.append(Path(file.path).name)
            return content_of(file)

        patch(counted)

    def put(self, name: str, content: str | None) -> None:
        """Have a file with `content`, or none."""
        file = self.folder / name
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_text(content)

    def again(self) -> list[str]:
        """The files that are read when the site is read again."""
        self.read.clear()
        self.site()
        return list(self.read)

    def site(self) -> Site:
        """The site, read again."""
        return self.known.read(DiskFiles([self.folder], lambda: os.stat(self.folder).st_ctime + self.time))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """A host and two guests, last changed long ago."""
    made = Files(tmp_path, lambda counted: monkeypatch.setattr(files_module, "content_of", counted))
    made.put("host.yaml", HOST)
    made.put("a.yaml", GUEST % ("a", 5))
    made.put("b.yaml", GUEST % ("b", 6))
    made.time = 60
    return made


def test_only_what_changed_is_read_again(files: Files) -> None:
    """A changed file, a new one; not what stays, and not what is gone."""
    assert files.again() == ["a.yaml", "b.yaml", "host.yaml"]
    assert files.again() == []
    files.put("b.yaml", GUEST % ("b", 7))
    files.put("c.yaml", GUEST % ("c", 8))
    assert files.again() == ["b.yaml", "c.yaml"]
    files.put("b.yaml", None)
    assert files.again() == []
    assert {one.name for one in files.site().guests} == {"a", "c"}


def test_what_was_changed_a_moment_ago_is_read_once_more(files: Files) -> None:
    """Another change might bear the same time."""
    files.time = CERTAIN_SECONDS - 1
    assert len(files.again()) == len(files.again()) == 3
    files.time = CERTAIN_SECONDS + 1
    assert (len(files.again()), files.again()) == (3, [])


def test_what_cannot_be_told_is_read_each_time(files: Files) -> None:
    """A file that vanishes between being found and being read is a problem, and no reason to fail."""
    files.put("loop.yaml", None)
    (files.folder / "gone.yaml").symlink_to("nowhere.yaml")
    assert "gone.yaml" not in files.again()
    assert [one.id for one in files.site().problems] == ["path-missing"]


@given(st.lists(st.tuples(st.sampled_from(["a.yaml", "b.yaml", "c.yaml"]), CONTENTS), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_it_says_what_a_fresh_read_says(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, str | None]]
) -> None:
    """After any changes."""
    files = Files(tmp_path_factory.mktemp("site"), lambda _: None)
    files.time = 60
    for name, content in changes:
        files.put(name, content)
        assert files.site() == read_site([files.folder])
