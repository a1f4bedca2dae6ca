"""Changed manifests are heard: real files, real notifications, and no sleep but that of who listens."""

import errno
import os
import re
import select
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.watch.file_ear import LONGEST_LOOK_SECONDS, FileEar, Watcher, pause_after, raised_limits
from reconciler.watch.triggers import Trigger

pytest.importorskip("watchfiles")

PATIENCE = 30.0
"""Seconds; reached only where something is broken."""

Listen = Callable[..., FileEar]


def heard(ear: FileEar) -> set[str]:
    """What is heard next."""
    ready, _, _ = select.select([ear], [], [], PATIENCE)
    assert ready, "nothing was heard"
    triggers = list(ear.hear())
    assert {trigger.source for trigger in triggers} <= {"files"}
    return {trigger.what for trigger in triggers}


def heard_until(ear: FileEar, path: Path) -> None:
    """Listen until a change of `path` is heard; a change is told in parts at times."""
    while str(path) not in heard(ear):
        pass


@pytest.fixture
def told() -> list[str]:
    """What the ear tells people."""
    return []


@pytest.fixture
def listen(told: list[str]) -> Iterator[Listen]:
    """Opens ears, and closes them in the end; no thread of them may be left."""
    threads = threading.active_count()
    opened: list[FileEar] = []

    def opener(*paths: Path, **options: object) -> FileEar:
        opened.append(FileEar([str(path) for path in paths], told.append, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield opener
    for ear in opened:
        ear.close()
    assert threading.active_count() == threads


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with a manifest."""
    root = tmp_path / "site"
    root.mkdir()
    (root / "host.yaml").write_text("a")
    return root


def save_atomically(file: Path) -> None:
    """As editors and programs do that never leave half a file."""
    other = file.with_name(f".{file.name}.tmp")
    other.write_text("new")
    other.replace(file)


def save_as_vim_does(file: Path) -> None:
    """With a probe, a backup by renaming, and a swap file."""
    (file.parent / ".host.yaml.swp").write_text("x")
    probe = file.parent / "4913"
    probe.write_text("")
    probe.unlink()
    file.rename(f"{file}~")
    file.write_text("new")
    os.unlink(f"{file}~")


SAVES = {
    "in place": lambda file: file.write_text("new"),
    "atomically": save_atomically,
    "vim": save_as_vim_does,
    "removed": Path.unlink,
    "mode": lambda file: file.chmod(0o600),
}


@pytest.mark.parametrize("polling", [False, True], ids=["told", "looking"])
@pytest.mark.parametrize("named", [False, True], ids=["directory", "file"])
@pytest.mark.parametrize("save", SAVES.values(), ids=SAVES)
def test_a_saved_file_is_heard(
    site: Path, listen: Listen, save: Callable[[Path], object], named: bool, polling: bool
) -> None:
    """However it was saved, and whether it or its directory was named."""
    path = site / "host.yaml" if named else site
    ear = listen(path, polling=polling, look_seconds=0.01)
    save(site / "host.yaml")
    heard_until(ear, path if polling else site / "host.yaml")


def test_what_is_no_manifest_is_not_heard(site: Path, listen: Listen) -> None:
    """Other files, hidden ones, backups: the first thing that is heard is the manifest that was saved after them."""
    (site / ".git").mkdir()
    ear = listen(site)
    for name in ("README.md", "host.yaml~", ".host.yaml.swp", ".git/index", ".git/x.yaml"):
        (site / name).write_text("x")
    (site / "last.yaml").write_text("x")
    assert heard(ear) == {str(site / "last.yaml")}


def test_a_named_files_neighbours_are_not_heard(site: Path, listen: Listen) -> None:
    """Though its directory is watched."""
    ear = listen(site / "host.yaml")
    (site / "other.yaml").write_text("x")
    (site / "host.yaml").write_text("x")
    assert heard(ear) == {str(site / "host.yaml")}


def test_a_new_folder_is_watched_as_well(site: Path, listen: Listen) -> None:
    """At any depth, and files in it are heard from then on."""
    ear = listen(site)
    (site / "a" / "b").mkdir(parents=True)
    heard_until(ear, site / "a")
    (site / "a" / "b" / "guest.yaml").write_text("x")
    heard_until(ear, site / "a" / "b" / "guest.yaml")


def test_a_folder_that_goes_is_heard(site: Path, listen: Listen) -> None:
    """Its manifests go with it."""
    (site / "guests").mkdir()
    ear = listen(site)
    (site / "guests").rename(site.parent / "elsewhere")
    heard_until(ear, site / "guests")


def test_a_path_that_does_not_exist_yet_is_heard_when_it_does(tmp_path: Path, listen: Listen) -> None:
    """Also where several folders are missing."""
    path = tmp_path / "a" / "b" / "site.yaml"
    ear = listen(path)
    path.parent.mkdir(parents=True)
    heard(ear)
    path.write_text("x")
    heard_until(ear, path)


@pytest.mark.parametrize("times", [1, 3])
def test_a_directory_that_is_made_again_is_heard_on(site: Path, listen: Listen, times: int) -> None:
    """What was watched before is gone then, though its name is the same."""
    ear = listen(site)
    for _ in range(times):
        shutil.rmtree(site)
        heard(ear)
        site.mkdir()
        heard_until(ear, site)
        (site / "host.yaml").write_text("x")
        heard_until(ear, site / "host.yaml")


def config_map(directory: Path, release: str) -> None:
    """Do what the kubelet does: files in a new hidden folder, and a link that is swapped."""
    folder = directory / f"..{release}"
    folder.mkdir()
    (folder / "site.yaml").write_text(release)
    (directory / "..data_tmp").symlink_to(folder.name)
    (directory / "..data_tmp").rename(directory / "..data")
    if not (directory / "site.yaml").is_symlink():
        (directory / "site.yaml").symlink_to("..data/site.yaml")


@pytest.mark.parametrize("named", ["", "site.yaml"], ids=["directory", "file"])
@pytest.mark.parametrize("by_link", [False, True], ids=["itself", "through a link"])
def test_a_config_map_that_is_swapped_is_heard_each_time(
    tmp_path: Path, listen: Listen, named: str, by_link: bool
) -> None:
    """The old folder goes right after."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    config_map(mounted, "1")
    (tmp_path / "link").symlink_to("mounted")
    ear = listen((tmp_path / "link" if by_link else mounted) / named)
    for release in ("2", "3"):
        config_map(mounted, release)
        heard_until(ear, mounted / "..data")
        shutil.rmtree(mounted / f"..{int(release) - 1}")


def test_a_link_that_is_turned_is_heard_and_followed(tmp_path: Path, listen: Listen) -> None:
    """A release is switched; from then on the new one is watched."""
    for release in ("1", "2"):
        (tmp_path / release).mkdir()
    (tmp_path / "current").symlink_to("1")
    ear = listen(tmp_path / "current")
    (tmp_path / "next").symlink_to("2")
    (tmp_path / "next").rename(tmp_path / "current")
    heard_until(ear, tmp_path / "current")
    (tmp_path / "2" / "host.yaml").write_text("x")
    heard_until(ear, tmp_path / "2" / "host.yaml")


def test_many_changes_are_one_wake_up_with_some_names(site: Path, listen: Listen) -> None:
    """The ear remembers no more than people read."""
    ear = listen(site, polling=True, look_seconds=3600)
    for number in range(10_000):
        ear._wake({str(number)})
    assert len(ear.hear()) <= 100
    assert not select.select([ear], [], [], 0)[0]
    assert ear.hear() == []


def test_where_the_kernel_watches_no_more_files_are_looked_at(site: Path, listen: Listen, told: list[str]) -> None:
    """And people are told why."""

    def full(_: Sequence[str]) -> Watcher:
        raise OSError(errno.ENOSPC, "OS file watch limit reached")

    ear = listen(site, look_seconds=0.01, make_watcher=full)
    (site / "host.yaml").write_text("new")
    assert heard(ear) == {str(site)}
    assert re.search(r": sysctl \S+_watches=\d+ \S+_instances=\d+; files", told[0])
    assert "OS file watch limit" not in told[0]
    assert "looked at every 0.01 s instead" in told[0]


def test_without_watchfiles_files_are_looked_at(
    site: Path, listen: Listen, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And people are told what to install."""
    monkeypatch.setitem(sys.modules, "watchfiles._rust_notify", None)
    ear = listen(site, look_seconds=0.01)
    (site / "host.yaml").write_text("new")
    assert heard(ear) == {str(site)}
    assert "pip install 'vfio-ap-reconciler[watch]'" in told[0]


@pytest.mark.parametrize(
    ("took", "pause"), [(0.001, 2.0), (0.2, 10.0), (600.0, LONGEST_LOOK_SECONDS)], ids=["quick", "slow", "hung"]
)
def test_looking_takes_a_small_share_of_the_time_and_is_never_given_up(took: float, pause: float) -> None:
    """A server that has hung for ten minutes is looked at again after one."""
    assert pause_after(took, 2.0) == pytest.approx(pause)


def test_a_directory_whose_name_is_no_text_is_looked_at(site: Path, listen: Listen, told: list[str]) -> None:
    """And the name is told in a way that can be printed."""
    folder = Path(os.fsdecode(os.fsencode(site / "guests") + b"\xff"))
    folder.mkdir()
    ear = listen(folder, look_seconds=0.01)
    (folder / "one.yaml").write_text("new")
    assert heard(ear) == {f"{site / 'guests'}\\xff"}
    assert "not UTF-8" in told[0]


def test_a_file_whose_name_is_no_text_does_no_harm(site: Path, listen: Listen) -> None:
    """Either it is heard or the ear fails, and is opened anew."""
    ear = listen(site)
    Path(os.fsdecode(os.fsencode(site / "one") + b"\xff.yaml")).write_text("new")
    with suppress(OSError):
        assert heard(ear) == {f"{site / 'one'}?.yaml"}


def test_a_thread_that_fails_is_an_ear_that_fails(site: Path, listen: Listen) -> None:
    """It wakes the main thread, which closes it and opens another one."""

    class Broken:
        def watch(self, *_: object) -> str:
            raise RuntimeError("something inside")

        def close(self) -> None:
            pass

    ear = listen(site, make_watcher=lambda _: Broken())
    assert select.select([ear], [], [], PATIENCE)[0]
    with pytest.raises(OSError, match="something inside"):
        ear.hear()


def test_a_named_file_of_any_kind_is_heard(tmp_path: Path, listen: Listen) -> None:
    """The state of a simulated host is no manifest, but was asked for by name."""
    ear = listen(tmp_path / "lpar.yaml.state.json")
    (tmp_path / "lpar.yaml.state.json").write_text("{}")
    assert heard(ear) == {str(tmp_path / "lpar.yaml.state.json")}


def test_hints_are_named_by_who_asked(tmp_path: Path, listen: Listen) -> None:
    """The same ear serves a simulated host."""
    ear = listen(tmp_path / "x.yaml", source="kernel")
    (tmp_path / "x.yaml").write_text("x")
    assert select.select([ear], [], [], PATIENCE)[0]
    assert ear.hear()[0] == Trigger("kernel", str(tmp_path / "x.yaml"))


def notifying() -> int:
    """How many descriptors of this process listen to files."""
    return sum(os.path.basename(one) == "anon_inode:inotify" for one in links("/proc/self/fd"))


def links(directory: str) -> Iterator[str]:
    """Where the links in `directory` lead; some go meanwhile."""
    for name in os.listdir(directory):
        with suppress(FileNotFoundError):
            yield os.readlink(f"{directory}/{name}")


def test_no_descriptor_is_left_after_closing(site: Path) -> None:
    """What watchfiles has opened is closed by a thread of its own, a moment later."""
    for _ in range(20):
        ear = FileEar([str(site)], print)
        ear.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(ear.fileno())
    deadline = time.monotonic() + PATIENCE
    while notifying() and time.monotonic() < deadline:
        os.sched_yield()
    assert not notifying()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "fs.inotify.max_user_watches=1024 fs.inotify.max_user_instances=1024"),
        (
            {"fs/inotify/max_user_watches": "65536\n", "fs/inotify/max_user_instances": "128\n"},
            "fs.inotify.max_user_watches=131072 fs.inotify.max_user_instances=1024",
        ),
        (
            {"fs/inotify/max_user_watches": "65536\n", "user/max_inotify_watches": "0\n"},
            "user.max_inotify_watches=1024 fs.inotify.max_user_instances=1024",
        ),
        (
            {"fs/inotify/max_user_instances": "odd", "user/max_inotify_instances": "600"},
            "fs.inotify.max_user_watches=1024 user.max_inotify_instances=1200",
        ),
    ],
)
def test_the_limits_to_raise_are_those_that_count(tmp_path: Path, settings: dict[str, str], expected: str) -> None:
    """The lower one of each, with a value that is larger than what there is."""
    for name, value in settings.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(value, encoding="utf-8")

    assert raised_limits(tmp_path) == f"sysctl {expected}"
