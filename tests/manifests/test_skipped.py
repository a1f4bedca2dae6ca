"""Files that look like manifests and are not read are named in a warning."""

import json
import os
from pathlib import Path

import pytest

from reconciler.manifests import skipped
from reconciler.manifests.files import find_files
from reconciler.manifests.site import read_site
from reconciler.model.problems import Problem, Severity
from testing.commands import example

HOST = {"apiVersion": "reconciler/v1", "kind": "Host", "metadata": {"name": "lpar7"}, "spec": {}}


def written(directory: Path, *names: str, text: str = json.dumps(HOST)) -> Path:
    """`directory`, with a host in it, and files of other `names` with `text`."""
    for name in ("host.yaml", *names):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(json.dumps(HOST) if name == "host.yaml" else text)
    return directory


def warnings_of(*paths: Path) -> list[Problem]:
    """The warnings that files were skipped."""
    found = read_site(paths)
    assert [host.name for host in found.hosts] == ["lpar7"]
    assert [one.severity for one in found.problems] == [Severity.WARNING] * len(found.problems)
    return [one for one in found.problems if one.id == "skipped-file"]


@pytest.mark.parametrize(
    "name",
    [
        "a.YAML",
        "a.YML",
        "a.Yaml",
        "a.yAMl",
        "a.json",
        "a.JSON",
        "a.yml~",
        "a.yaml~",
        "a.yaml.bak",
        "a.yaml.BAK",
        "a.yaml.orig",
        "a.yaml.swp",
        "a.yaml.swo",
        "a.yaml.old",
        "a.yml.rej",
        "a.yaml.save",
        "a.yaml.tmp",
        "a.yaml.1",
        "a.yaml.~1~",
        "a.yaml-old",
        "a.yaml_bak",
        "a.yaml.bak2",
        "a.yaml.rpmsave",
        "a.yaml.dpkg-old",
        "a.yaml.txt",
        "#a.yaml#",
        "a.json~",
        "a.YAML.bak",
        "a.yaml.orig~",
        "b/c/a.YAML",
    ],
)
def test_a_file_that_looks_like_a_manifest_is_named(tmp_path: Path, name: str) -> None:
    """With what to do; the host is read all the same."""
    (problem,) = warnings_of(written(tmp_path, name))

    assert problem.message.endswith(f": {tmp_path / name}")
    assert "Rename" in problem.help


@pytest.mark.parametrize(
    "name",
    [
        ".a.yaml.swp",
        ".a.YAML",
        ".#a.YAML",
        ".git/a.YAML",
        "a.yaml.d/README",
        "yaml",
        "json",
        "a.txt",
        "ayaml",
        "a.yaml.gz",
        "a.yaml.j2",
        "a.jsonnet",
        "a.yamlx",
        "README.md",
        "a.json5",
        "YAML",
    ],
)
def test_others_are_not(tmp_path: Path, name: str) -> None:
    """Hidden files, and what is not a manifest by its name."""
    assert warnings_of(written(tmp_path, name)) == []


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"apiVersion": "v1", "kind": "Pod"}',
        '{"properties": {"apiVersion": {"const": "reconciler/v1"}}}',
        f"{' ' * 5000}{json.dumps(HOST)}",
    ],
)
def test_other_programs_json_is_none_of_our_business(tmp_path: Path, text: str) -> None:
    """A schema, a package's description."""
    assert warnings_of(written(tmp_path, "package.json", text=text)) == []


@pytest.mark.parametrize("make", ["pipe", "gone", "folder"])
def test_what_is_no_regular_file_is_not_looked_into(tmp_path: Path, make: str) -> None:
    """Nor waited for."""
    written(tmp_path)
    if make == "pipe":
        os.mkfifo(tmp_path / "a.json")
    elif make == "folder":
        (tmp_path / "a.json").mkdir()

    assert warnings_of(tmp_path) == []
    assert skipped.skipped_problem([("a.json", str(tmp_path / "a.json"))], skipped.is_ours) is None


def test_eight_are_named_and_the_rest_is_counted(tmp_path: Path) -> None:
    """In one warning per run, whatever the order of paths."""
    names = [f"{number:04}.YAML" for number in range(1500)]
    written(tmp_path / "a", *names)
    written(tmp_path / "b", *names)
    (tmp_path / "b/host.yaml").unlink()

    (problem,) = warnings_of(tmp_path / "a", tmp_path / "b")

    assert problem.message.endswith("0007.YAML and 2,992 more")
    assert problem.message.count(".YAML") == 8
    assert warnings_of(tmp_path / "b", tmp_path / "a") == [problem]
    assert warnings_of(tmp_path / "b", tmp_path / "a", tmp_path / "a") == [problem]


def test_few_json_files_are_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory may have many thousands."""
    monkeypatch.setattr(skipped, "MOST_JSON", 3)
    (problem,) = warnings_of(written(tmp_path, *(f"{number}.json" for number in range(9)), "x.YAML"))

    assert [name[-6:] for name in problem.message.split(", ")[1:]] == ["0.json", "1.json", "2.json", "x.YAML"]


def test_links_are_named_where_they_stay_inside(tmp_path: Path) -> None:
    """As in a mounted ConfigMap; not where they lead out, and not where the file is read by another name."""
    written(tmp_path / "site", "..data/a.YAML", "..data/b.json")
    written(tmp_path / "elsewhere", "c.YAML")
    for name, to in (
        ("a.YAML", "..data/a.YAML"),
        ("b.json", "..data/b.json"),
        ("c.YAML", "../elsewhere/c.YAML"),
        ("host.YAML", "host.yaml"),
    ):
        (tmp_path / "site" / name).symlink_to(to)

    (problem,) = warnings_of(tmp_path / "site")

    assert problem.message.endswith(f": {tmp_path}/site/a.YAML, {tmp_path}/site/b.json")


def test_a_file_that_is_named_is_read(tmp_path: Path) -> None:
    """Whatever its name, also beside its directory; then it is no longer skipped."""
    written(tmp_path, "host.json")
    (tmp_path / "host.yaml").write_text("")
    (tmp_path / "host.yaml").unlink()

    assert warnings_of(tmp_path / "host.json") == []
    assert warnings_of(tmp_path / "host.json", tmp_path) == []


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_json_is_read(tmp_path: Path, indent: int | str | None) -> None:
    """Written in whatever way."""
    file = tmp_path / "x.json"
    file.write_text(json.dumps(HOST, indent=indent))

    assert warnings_of(file) == []


def test_where_only_such_files_are_there_both_are_said(tmp_path: Path) -> None:
    """That there is no manifest, and which files may have been meant."""
    (tmp_path / "host.YAML").write_text(json.dumps(HOST))

    assert [one.id for one in read_site([tmp_path]).problems] == ["no-manifests", "skipped-file"]


def test_a_warning_hides_no_error(tmp_path: Path) -> None:
    """A guest whose host is not there is an error, although the host may be in a file that is skipped."""
    guest = {
        "apiVersion": "reconciler/v1",
        "kind": "Guest",
        "metadata": {"name": "g"},
        "spec": {"host": "lpar9", "adapters": [5], "domains": [4]},
    }
    written(tmp_path, "lpar9.YAML")
    (tmp_path / "guest.yaml").write_text(json.dumps(guest))

    found = read_site([tmp_path]).problems

    assert {one.severity for one in found} == {Severity.ERROR, Severity.WARNING}


def test_a_copy_that_an_editor_writes_is_no_change(tmp_path: Path) -> None:
    """Who asks what to watch and what has changed gets the manifests and what cannot be used."""
    before = find_files([written(tmp_path)])

    assert find_files([written(tmp_path, "host.yaml~")]) == before


def test_it_is_applied_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Validate, plan and apply warn and go on."""
    command = example("three-guests", tmp_path, capsys)
    (command.directory / "guests.yml~").write_text("")

    for words in (("validate",), ("plan",), ("apply", "--yes"), ("plan", "--detailed-exitcode")):
        ran = command(*words)
        assert ran.code == 0, ran.err
        assert "warning[skipped-file]" in ran.err + ran.out
