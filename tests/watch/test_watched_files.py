"""What has to be watched, on real file systems."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.watch.file_triggers import stamp_of, watched
from testing.deep_folders import deep_folders


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with a manifest, a folder, and what is hidden."""
    root = tmp_path / "site"
    for folder in ("guests", ".git/objects"):
        (root / folder).mkdir(parents=True)
    (root / "host.yaml").write_text("a")
    (root / "guests" / "one.yaml").write_text("b")
    return root


def test_folders_are_watched_and_hidden_ones_are_not(site: Path) -> None:
    """A git repository's objects are not ours."""
    assert watched([str(site)]).directories == sorted(map(str, (site.parent, site, site / "guests")))


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        ("host.yaml", True),
        ("new.yml", True),
        ("guests", True),
        ("guests/two.yaml", True),
        ("README.md", False),
        ("host.yaml~", False),
        ("4913", False),
        (".host.yaml.swp", False),
        (".#host.yaml", False),
        (".git", False),
        (".git/index", False),
        (".git/x.yaml", False),
        ("../other.yaml", False),
    ],
)
def test_only_manifests_and_what_leads_to_them_matter(site: Path, path: str, matters: bool) -> None:
    """Neither what editors leave about nor what git does."""
    assert watched([str(site)]).matters(os.path.normpath(site / path)) is matters


def test_a_new_folder_and_a_new_link_matter(site: Path) -> None:
    """There may be manifests behind them."""
    before = watched([str(site)])
    (site / "more").mkdir()
    (site / "current").symlink_to("more")
    assert before.matters(str(site / "more"))
    assert before.matters(str(site / "current"))


def test_of_a_file_that_is_named_only_its_name_matters(site: Path) -> None:
    """Its directory is watched, since a file that is replaced is another one."""
    found = watched([str(site / "host.yaml")])
    assert found.directories == [str(site)]
    assert found.matters(str(site / "host.yaml"))
    assert not found.matters(str(site / "other.yaml"))


def test_what_is_missing_is_waited_for_where_it_will_be(tmp_path: Path) -> None:
    """Step by step."""
    found = watched([str(tmp_path / "a" / "b" / "c.yaml")])
    assert found.directories == [str(tmp_path)]
    assert found.matters(str(tmp_path / "a"))
    (tmp_path / "a").mkdir()
    assert watched([str(tmp_path / "a" / "b" / "c.yaml")]).directories == [str(tmp_path / "a")]


def test_every_link_on_the_way_counts(tmp_path: Path) -> None:
    """Also links to links, and those in the middle of a path."""
    (tmp_path / "releases" / "5").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/5")
    (tmp_path / "etc").symlink_to(tmp_path / "current")
    found = watched([str(tmp_path / "etc" / "site.yaml")])
    for link in ("etc", "current", "releases/5/site.yaml"):
        assert found.matters(str(tmp_path / link))


def test_a_mounted_config_map_hangs_on_one_link(tmp_path: Path) -> None:
    """Kubernetes swaps ``..data``, and nothing else."""
    (tmp_path / "..2026_1").mkdir()
    (tmp_path / "..2026_1" / "site.yaml").write_text("a")
    (tmp_path / "..data").symlink_to("..2026_1")
    (tmp_path / "site.yaml").symlink_to("..data/site.yaml")
    assert watched([str(tmp_path)]).matters(str(tmp_path / "..data"))
    assert watched([str(tmp_path / "site.yaml")]).matters(str(tmp_path / "..data"))


def test_a_link_out_of_the_directory_brings_nothing_in(site: Path) -> None:
    """Such as one to the root of everything; it is not read either."""
    (site / "all").symlink_to("/")
    (site / "up").symlink_to("..")
    assert watched([str(site)]).directories == sorted(map(str, (site.parent, site, site / "guests")))


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    """Whether files or folders."""
    (tmp_path / "a.yaml").symlink_to("b.yaml")
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    (tmp_path / "me").symlink_to(".")
    assert str(tmp_path) in watched([str(tmp_path), str(tmp_path / "a.yaml")]).directories


def test_a_relative_path_with_dots_is_where_the_kernel_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a link, ``..`` is above its target."""
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "near").symlink_to("far/deep")
    monkeypatch.chdir(tmp_path)
    assert watched(["near/../site.yaml"]).matters(str(tmp_path / "far" / "site.yaml"))


CHANGES: dict[str, Callable[[Path], object]] = {
    "edited": lambda site: (site / "host.yaml").write_text("other"),
    "touched": lambda site: os.utime(site / "host.yaml", ns=(1, 1)),
    "added": lambda site: (site / "two.yaml").write_text("c"),
    "removed": lambda site: (site / "guests" / "one.yaml").unlink(),
    "renamed": lambda site: (site / "host.yaml").rename(site / "lpar.yaml"),
    "all gone": lambda site: site.rename(site.parent / "elsewhere"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whoever_looks_sees_each_change(site: Path, change: Callable[[Path], object]) -> None:
    """By names, sizes and times."""
    before = stamp_of([str(site)])
    assert stamp_of([str(site)]) == before
    change(site)
    assert stamp_of([str(site)]) != before


def test_whoever_looks_overlooks_what_is_no_manifest(site: Path) -> None:
    """As the reader does."""
    before = stamp_of([str(site)])
    (site / "README.md").write_text("x")
    (site / ".git" / "index").write_text("x")
    assert stamp_of([str(site)]) == before


def test_folders_within_folders_are_watched_as_far_as_they_are_read(tmp_path: Path) -> None:
    """Deeper ones hold no manifests that count."""
    deep_folders(tmp_path / "site", 300)

    assert len(watched([str(tmp_path / "site")]).folders) == 64
