"""Trees are removed whatever is in them, and what cannot be removed is no failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.integrations.files import discard, moved_aside
from testing.deep_folders import deep_folders


@pytest.mark.parametrize(("depth", "name"), [(70, b"0"), (70, b"\xff\n\x1b"), (1500, b"n" * 255), (5000, b"d")])
def test_any_depth_and_any_name(depth: int, name: bytes, tmp_path: Path) -> None:
    """Longer than any path, under names of any bytes."""
    deep_folders(tmp_path / "tree", depth, name)

    discard(tmp_path / "tree")

    assert os.listdir(tmp_path) == []


def test_everything_that_may_be_in_it(tmp_path: Path) -> None:
    """Files, links, pipes, folders without permissions; what links lead to stays."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").touch()
    tree = tmp_path / "tree"
    for name in ("0", "1", "closed", "closed/inner", "full"):
        (tree / name).mkdir(parents=True)
    for number in range(3):
        (tree / "full" / f"{number}").mkdir()
        (tree / "full" / f"{number}" / "file").touch()
    os.mkfifo(tree / "pipe")
    (tree / "link").symlink_to(victim)
    (tree / "full/link").symlink_to(victim)
    os.link(victim / "file", tree / "full/hard")
    (tree / "closed/inner").chmod(0)
    (tree / "closed").chmod(0)
    tree.chmod(0)

    discard(tree)

    assert os.listdir(tmp_path) == ["victim"]
    assert os.listdir(victim) == ["file"]


@pytest.mark.parametrize("what", ["nothing", "file", "link"])
def test_what_is_no_folder(what: str, tmp_path: Path) -> None:
    """It is removed; a link is not followed."""
    (tmp_path / "victim").mkdir()
    if what == "file":
        (tmp_path / "tree").touch()
    elif what == "link":
        (tmp_path / "tree").symlink_to("victim")

    discard(tmp_path / "tree")

    assert os.listdir(tmp_path) == ["victim"]


def test_what_is_moved_aside_has_lost_its_name(tmp_path: Path) -> None:
    """Twice, also where the first could not be removed; nothing there is fine, too."""
    places = []
    for _ in range(2):
        (tmp_path / "tree").mkdir()
        places.append(moved_aside(tmp_path / "tree"))
    places.append(moved_aside(tmp_path / "tree"))

    assert not (tmp_path / "tree").exists()
    assert len(set(places)) == len(places)
    for place in places:
        discard(place)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do this")
def test_what_may_not_be_removed_stays(tmp_path: Path) -> None:
    """Without an error."""
    (tmp_path / "above/tree").mkdir(parents=True)
    (tmp_path / "above").chmod(0o500)

    discard(tmp_path / "above/tree")

    assert (tmp_path / "above/tree").is_dir()
    (tmp_path / "above").chmod(0o700)


MOUNTED = """
import os, subprocess, sys
from pathlib import Path
from reconciler.integrations.files import discard, moved_aside

place = Path(sys.argv[1])
(place / "tree/mounted").mkdir(parents=True)
(place / "tree/deep/mounted").mkdir(parents=True)
(place / "tree/file").touch()
for one in ("mounted", "deep/mounted"):
    subprocess.run(["mount", "-t", "tmpfs", "none", place / "tree" / one], check=True)
    (place / "tree" / one / "kept").touch()
discard(place / "tree")
discard(moved_aside(place / "tree"))
print(*sorted(one.parent.name for one in place.rglob("kept")))
"""


def test_another_file_system_in_it_is_left_alone(tmp_path: Path) -> None:
    """What is mounted there cannot be removed, and nothing in it is."""
    inside = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-P", "-c", MOUNTED, str(tmp_path)]
    done = subprocess.run(
        inside, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"NOT TESTED: a mounted file system ({done.stderr.strip()})")

    assert done.stderr == ""
    assert done.stdout.split() == ["mounted", "mounted"]
