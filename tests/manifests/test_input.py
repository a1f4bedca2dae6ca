"""Manifests of standard input: one more file, which is read once."""

from pathlib import Path

from reconciler.manifests.committed import WithInput
from reconciler.manifests.files import FILE_LIMIT, DiskFiles
from reconciler.manifests.site import read_site
from reconciler.model.problems import Problem

HOST = b"apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\n"
GUEST = (
    "apiVersion: reconciler/v1\nkind: Guest\nmetadata: {name: a}\nspec: {host: lpar7, adapters: [5], domains: [4]}\n"
)


def problem_id(found: bytes | Problem) -> str:
    """The id of what is a problem."""
    assert isinstance(found, Problem)
    return found.id


def test_it_is_one_site_with_files(tmp_path: Path) -> None:
    """With files or alone."""
    (tmp_path / "guest.yaml").write_text(GUEST, encoding="utf-8")

    both = read_site([tmp_path], given=HOST)
    alone = read_site([], given=HOST)

    assert ([one.name for one in both.hosts], [one.name for one in both.guests]) == (["lpar7"], ["a"])
    assert ([one.name for one in alone.hosts], alone.guests, alone.problems) == (["lpar7"], (), ())
    assert both.hosts[0].position.file == "standard input"


def test_it_is_listed_first_and_named(tmp_path: Path) -> None:
    """What is wrong with paths is said as without it."""
    (tmp_path / "guest.yaml").write_text(GUEST, encoding="utf-8")
    found = WithInput(DiskFiles([tmp_path]), HOST)

    first, second = found.listing().files

    assert found.where == f"{tmp_path}, standard input"
    assert WithInput(None, HOST).where == "standard input"
    assert (first.name, found.content(first), found.version(first)) == ("standard input", HOST, None)
    assert found.content(second) == GUEST.encode()
    assert found.version(second) is None
    assert [one.id for one in WithInput(DiskFiles([tmp_path / "none"]), HOST).listing().problems] == ["path-missing"]


def test_nothing_and_too_much_are_problems() -> None:
    """As of a file."""
    (file,) = WithInput(None, b"").listing().files

    assert problem_id(WithInput(None, b" \n").content(file)) == "no-manifests"
    assert problem_id(WithInput(None, b"#" * (FILE_LIMIT + 1)).content(file)) == "file-too-large"


def test_a_file_called_like_it_is_another_one(tmp_path: Path) -> None:
    """Each of them is read as itself."""
    file = tmp_path / "standard input"
    file.write_text(GUEST, encoding="utf-8")

    site = read_site([str(file)], given=HOST)

    assert [one.name for one in site.guests] == ["a"]
