"""Which files are read, and what is said of those that are not."""

import os
from pathlib import Path

import pytest

from reconciler.manifests.files import FILE_LIMIT, MOST_FOLDERS, FoundFile, content_of, find_files
from reconciler.model.problems import Problem


def found(*paths: Path | str) -> list[str]:
    """The names of the files found in `paths`, which must all be usable."""
    files, problems = find_files(paths)
    assert problems == []
    return [file.name for file in files]


def refused(*paths: Path | str) -> list[str]:
    """The ids of the problems with `paths`."""
    return [problem.id for problem in find_files(paths)[1]]


def written(path: Path, text: str = "a: 1\n") -> Path:
    """`path`, with `text` in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_directory_is_read_recursively_in_order(tmp_path: Path) -> None:
    """Manifests are found at any depth, and nothing else is."""
    names = ["a.yaml", "b/c.yml", "b/d/e.yaml", "z.yaml"]
    for name in [*names, "README.md", "b/notes.txt", "yaml"]:
        written(tmp_path / name)

    assert found(tmp_path) == [str(tmp_path / name) for name in names]


def test_hidden_files_and_folders_are_skipped(tmp_path: Path) -> None:
    """Names that begin with a dot are an editor's, git's or Kubernetes' business."""
    for name in ["a.yaml", ".b.yaml", ".git/c.yaml", "d/.e/f.yaml"]:
        written(tmp_path / name)

    assert found(tmp_path) == [str(tmp_path / "a.yaml")]


def test_a_file_may_be_given_whatever_its_name(tmp_path: Path) -> None:
    """Who names a file wants it read, hidden or not."""
    paths = [written(tmp_path / "manifest.txt"), written(tmp_path / ".hidden")]

    assert found(*paths) == [str(tmp_path / ".hidden"), str(tmp_path / "manifest.txt")]


def test_names_are_shown_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path stays relative in messages."""
    written(tmp_path / "site/a.yaml")
    monkeypatch.chdir(tmp_path)

    assert found("site") == ["site/a.yaml"]
    assert found(".") == ["./site/a.yaml"]


def test_each_real_file_is_read_once(tmp_path: Path) -> None:
    """A file that is reached in several ways keeps its first name."""
    file = written(tmp_path / "b.yaml")
    (tmp_path / "a.yaml").symlink_to("b.yaml")
    (tmp_path / "again").symlink_to(".")

    assert found(tmp_path, file, tmp_path) == [str(tmp_path / "a.yaml")]


def test_a_config_map_mounted_by_kubernetes_is_read(tmp_path: Path) -> None:
    """Visible links through ``..data`` into a hidden folder stay inside, and are followed."""
    written(tmp_path / "..2026_11_23/site.yaml")
    (tmp_path / "..data").symlink_to("..2026_11_23")
    (tmp_path / "site.yaml").symlink_to("..data/site.yaml")

    files, problems = find_files([tmp_path])
    assert files == [FoundFile(str(tmp_path / "site.yaml"), str(tmp_path / "..2026_11_23/site.yaml"))]
    assert problems == []


def test_a_visible_link_to_a_hidden_folder_is_followed(tmp_path: Path) -> None:
    """A release directory that is switched by a link works."""
    written(tmp_path / ".release-1/site.yaml")
    (tmp_path / "current").symlink_to(".release-1")

    assert found(tmp_path) == [str(tmp_path / "current/site.yaml")]


def test_a_directory_may_itself_be_a_link(tmp_path: Path) -> None:
    """What was given may lead anywhere."""
    written(tmp_path / "real/a.yaml")
    (tmp_path / "link").symlink_to("real")

    assert found(tmp_path / "link") == [str(tmp_path / "link/a.yaml")]


@pytest.mark.parametrize("target", ["outside.yaml", "outside-folder"])
def test_links_that_leave_the_directory_are_refused(tmp_path: Path, target: str) -> None:
    """Neither a file nor a folder from elsewhere is read through a link."""
    written(tmp_path / "outside.yaml")
    written(tmp_path / "outside-folder/a.yaml")
    written(tmp_path / "site/a.yaml")
    name = "link.yaml" if target.endswith("yaml") else "link"
    (tmp_path / "site" / name).symlink_to(tmp_path / target)

    files, (problem,) = find_files([tmp_path / "site"])
    assert [file.name for file in files] == [str(tmp_path / "site/a.yaml")]
    assert problem.id == "link-leaves-directory"
    assert str(tmp_path / target) in problem.message


def test_a_neighbour_of_similar_name_is_outside(tmp_path: Path) -> None:
    """``site-old`` is not inside ``site``."""
    written(tmp_path / "site-old/a.yaml")
    (tmp_path / "site").mkdir()
    (tmp_path / "site/link.yaml").symlink_to("../site-old/a.yaml")

    assert refused(tmp_path / "site") == ["link-leaves-directory"]


def test_links_to_other_files_do_not_matter(tmp_path: Path) -> None:
    """A link that is no manifest may lead where it likes."""
    written(tmp_path / "README")
    written(tmp_path / "site/a.yaml")
    (tmp_path / "site/README").symlink_to("../README")

    assert found(tmp_path / "site") == [str(tmp_path / "site/a.yaml")]


@pytest.mark.parametrize("make", ["nothing", "dangling link"])
def test_missing_paths(tmp_path: Path, make: str) -> None:
    """A path that leads nowhere is a problem, not an empty directory."""
    if make == "dangling link":
        (tmp_path / "there").symlink_to("nowhere")

    assert refused(tmp_path / "there") == ["path-missing"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gusts.yaml", "guests.yaml"),
        ("site/GUESTS.yml", "site/guests.yaml"),
        ("stie/", "site"),
        ("./stie", "./site"),
        ("site", ""),
        ("xyzzy", ""),
        ("README", ""),
        ("nowhere/guests.yaml", ""),
    ],
)
def test_a_mistyped_path_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, meant: str) -> None:
    """As a manifest or a folder beside it; another file is none, and in no other folder it is looked for."""
    monkeypatch.chdir(tmp_path)
    for name in ("guests.yaml", "site/guests.yaml", "READMEE"):
        written(tmp_path / name)
    (tmp_path / "there.yaml").symlink_to("nowhere")

    helps = [problem.help for problem in find_files([typed, "there.yaml"])[1]]

    plain = "Check the path. If it is a link, check where it leads."
    assert helps == [*([] if typed == "site" else [f"Did you mean {meant!r}?" if meant else plain]), plain]


def test_dangling_manifest(tmp_path: Path) -> None:
    """A link to a manifest that is gone is reported when it is read."""
    (tmp_path / "a.yaml").symlink_to("gone.yaml")

    (file,), _ = find_files([tmp_path])
    content = content_of(file)
    assert isinstance(content, Problem)
    assert content.id == "path-missing"


def test_links_in_a_circle(tmp_path: Path) -> None:
    """A path that never ends is unreadable."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    assert refused(tmp_path / "a") == ["unreadable"]


@pytest.mark.parametrize("paths", [[], ["."]])
def test_no_manifest_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: list[str]) -> None:
    """Nothing to read is most likely a mistake."""
    monkeypatch.chdir(tmp_path)

    assert refused(*paths) == ["no-manifests"]


def test_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be listed is reported by its name."""

    def refuse(_path: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)

    _, (problem,) = find_files([tmp_path])
    assert problem.id == "unreadable"
    assert problem.message == f"{tmp_path} cannot be read: Permission denied"


def test_content_is_read_as_it_is(tmp_path: Path) -> None:
    """Bytes come back unchanged, also from a file of several megabytes, and from an empty one."""
    for content in (b"", b"\xff\x00", b"a" * (3 << 20)):
        (tmp_path / "a").write_bytes(content)

        assert content_of(FoundFile("a", str(tmp_path / "a"))) == content


def test_large_files_are_refused_without_being_read(tmp_path: Path) -> None:
    """A sparse file of 100 GB costs nothing."""
    with (tmp_path / "a").open("wb") as file:
        file.truncate(100 << 30)

    content = content_of(FoundFile("shown", str(tmp_path / "a")))
    assert isinstance(content, Problem)
    assert content.id == "file-too-large"
    assert str(FILE_LIMIT) in content.message


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size is checked before and after."""
    (tmp_path / "a").write_bytes(b"")
    monkeypatch.setattr(os, "read", lambda _descriptor, size: b"x" * size)

    content = content_of(FoundFile("a", str(tmp_path / "a")))
    assert isinstance(content, Problem)
    assert content.id == "file-too-large"


def test_pipes_and_folders_are_no_manifests(tmp_path: Path) -> None:
    """A pipe named like a manifest keeps nobody waiting."""
    os.mkfifo(tmp_path / "pipe.yaml")

    for path in (tmp_path / "pipe.yaml", tmp_path):
        content = content_of(FoundFile("shown", str(path)))
        assert isinstance(content, Problem)
        assert content.id == "not-a-file"


def test_a_path_to_a_pipe_is_refused_with_what_to_do_instead(tmp_path: Path) -> None:
    """As that of standard input may be: it could not be read again. Other paths are read."""
    os.mkfifo(tmp_path / "pipe")

    files, (problem,) = find_files([tmp_path / "pipe", written(tmp_path / "a.yaml")])

    assert [file.name for file in files] == [str(tmp_path / "a.yaml")]
    assert (problem.id, problem.message) == ("not-a-file", f"{tmp_path / 'pipe'} is no regular file")
    assert "'-f -'" in problem.help


@pytest.mark.parametrize("leads_to", ["loop.yaml", "x" * 300, "loop.yaml/x"])
def test_a_link_that_leads_nowhere_is_a_problem_of_its_own(tmp_path: Path, leads_to: str) -> None:
    """In a circle, or to what is no name: the other files are read nevertheless."""
    (tmp_path / "a.yaml").write_text("")
    (tmp_path / "loop.yaml").symlink_to(leads_to)
    found, problems = find_files([tmp_path])
    assert [Path(one.name).name for one in found] == ["a.yaml"]
    assert [one.id for one in problems] == ["unreadable"]


def test_folders_without_end_are_not_looked_into(tmp_path: Path) -> None:
    """As deep as a system allows; what is above is read."""
    (tmp_path / "a.yaml").write_text("")
    (tmp_path / Path(*["d"] * (MOST_FOLDERS + 5))).mkdir(parents=True)
    found, problems = find_files([tmp_path])
    assert [Path(one.name).name for one in found] == ["a.yaml"]
    assert [one.id for one in problems] == ["folder-too-deep"]
