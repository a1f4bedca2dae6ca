"""Changed manifests are heard: real files, real notifications, and no sleep but that of who listens."""

import errno
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.watch.file_triggers import LONGEST_LOOK_SECONDS, FileTriggers, Watcher, pause_after, raised_limits
from reconciler.watch.triggers import Trigger
from testing.event_loops import Noticing

PATIENCE = 30.0
"""Seconds; reached only where something is broken."""

Listen = Callable[..., Noticing]


def noticed(source: Noticing) -> set[str]:
    """What is noticed next."""
    triggers = source.next()
    assert triggers, "nothing was noticed"
    assert {trigger.source for trigger in triggers} == {"files"}
    return {trigger.what for trigger in triggers}


def noticed_until(source: Noticing, path: Path) -> None:
    """Listen until a change of `path` is noticed; a change is reported in parts at times."""
    while str(path) not in noticed(source):
        pass


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Begins sources, and closes them in the end; no thread of them may be left."""
    threads = threading.active_count()
    opened: list[Noticing] = []

    def begin(*paths: Path, **options: object) -> Noticing:
        opened.append(Noticing(FileTriggers([str(path) for path in paths], **options)))  # type: ignore[arg-type]
        return opened[-1]

    yield begin
    for source in opened:
        source.close()
    deadline = time.monotonic() + PATIENCE
    while threading.active_count() > threads and time.monotonic() < deadline:
        os.sched_yield()
    assert threading.active_count() <= threads


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
def test_a_saved_file_is_noticed(
    site: Path, listen: Listen, save: Callable[[Path], object], named: bool, polling: bool
) -> None:
    """However it was saved, and whether it or its directory was named."""
    path = site / "host.yaml" if named else site
    source = listen(path, polling=polling, look_seconds=0.01)
    save(site / "host.yaml")
    noticed_until(source, path if polling else site / "host.yaml")


def test_what_is_no_manifest_is_not_noticed(site: Path, listen: Listen) -> None:
    """Other files, hidden ones, backups: the first thing that is heard is the manifest that was saved after them."""
    (site / ".git").mkdir()
    source = listen(site)
    for name in ("README.md", "host.yaml~", ".host.yaml.swp", ".git/index", ".git/x.yaml"):
        (site / name).write_text("x")
    (site / "last.yaml").write_text("x")
    assert noticed(source) == {str(site / "last.yaml")}


def test_a_named_files_neighbours_are_not_noticed(site: Path, listen: Listen) -> None:
    """Though its directory is watched."""
    source = listen(site / "host.yaml")
    (site / "other.yaml").write_text("x")
    (site / "host.yaml").write_text("x")
    assert noticed(source) == {str(site / "host.yaml")}


def test_a_new_folder_is_watched_as_well(site: Path, listen: Listen) -> None:
    """At any depth, and files in it are heard from then on."""
    source = listen(site)
    (site / "a" / "b").mkdir(parents=True)
    noticed_until(source, site / "a")
    (site / "a" / "b" / "guest.yaml").write_text("x")
    noticed_until(source, site / "a" / "b" / "guest.yaml")


def test_a_folder_that_goes_is_noticed(site: Path, listen: Listen) -> None:
    """Its manifests go with it."""
    (site / "guests").mkdir()
    source = listen(site)
    (site / "guests").rename(site.parent / "elsewhere")
    noticed_until(source, site / "guests")


def test_a_path_that_does_not_exist_yet_is_noticed_when_it_does(tmp_path: Path, listen: Listen) -> None:
    """Also where several folders are missing."""
    path = tmp_path / "a" / "b" / "site.yaml"
    source = listen(path)
    path.parent.mkdir(parents=True)
    noticed(source)
    path.write_text("x")
    noticed_until(source, path)


@pytest.mark.parametrize("times", [1, 3])
def test_a_directory_that_is_made_again_is_noticed_on(site: Path, listen: Listen, times: int) -> None:
    """What was watched before is gone then, though its name is the same."""
    source = listen(site)
    for _ in range(times):
        shutil.rmtree(site)
        noticed(source)
        site.mkdir()
        noticed_until(source, site)
        (site / "host.yaml").write_text("x")
        noticed_until(source, site / "host.yaml")


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
def test_a_config_map_that_is_swapped_is_noticed_each_time(
    tmp_path: Path, listen: Listen, named: str, by_link: bool
) -> None:
    """The old folder goes right after."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    config_map(mounted, "1")
    (tmp_path / "link").symlink_to("mounted")
    source = listen((tmp_path / "link" if by_link else mounted) / named)
    for release in ("2", "3"):
        config_map(mounted, release)
        noticed_until(source, mounted / "..data")
        shutil.rmtree(mounted / f"..{int(release) - 1}")


def test_a_link_that_is_turned_is_noticed_and_followed(tmp_path: Path, listen: Listen) -> None:
    """A release is switched; from then on the new one is watched."""
    for release in ("1", "2"):
        (tmp_path / release).mkdir()
    (tmp_path / "current").symlink_to("1")
    source = listen(tmp_path / "current")
    (tmp_path / "next").symlink_to("2")
    (tmp_path / "next").rename(tmp_path / "current")
    noticed_until(source, tmp_path / "current")
    (tmp_path / "2" / "host.yaml").write_text("x")
    noticed_until(source, tmp_path / "2" / "host.yaml")


def test_many_changes_are_some_names(site: Path, listen: Listen) -> None:
    """No more than people read."""
    source = listen(site, watch=Saying([{str(site / f"{number}.yaml") for number in range(10_000)}]))
    assert len(source.next()) == 100


def test_where_the_kernel_watches_no_more_files_are_looked_at(site: Path, listen: Listen) -> None:
    """And people are told why."""

    async def full(_: Sequence[str]) -> Watcher:
        raise OSError(errno.ENOSPC, "OS file watch limit reached")

    source = listen(site, look_seconds=0.01, watch=full)
    (site / "host.yaml").write_text("new")
    assert noticed(source) == {str(site)}
    assert re.search(r": sysctl \S+_watches=\d+ \S+_instances=\d+; files", source.limit)
    assert "OS file watch limit" not in source.limit
    assert "looked at every 0.01 s instead" in source.limit


def test_on_a_network_file_system_files_are_looked_at(
    site: Path, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And people are told that other machines' changes are found later."""
    monkeypatch.setattr("reconciler.watch.file_triggers.silent_file_system", lambda _: "nfs4")
    source = listen(site, look_seconds=0.01)
    (site / "host.yaml").write_text("new")
    assert noticed(source) == {str(site)}
    assert "nfs4" in source.limit
    assert "looked at every 0.01 s instead" in source.limit


@pytest.mark.parametrize(
    ("took", "pause"), [(0.001, 2.0), (0.2, 10.0), (600.0, LONGEST_LOOK_SECONDS)], ids=["quick", "slow", "hung"]
)
def test_looking_takes_a_small_share_of_the_time_and_is_never_given_up(took: float, pause: float) -> None:
    """A server that has hung for ten minutes is looked at again after one."""
    assert pause_after(took, 2.0) == pytest.approx(pause)


def test_a_directory_whose_name_is_no_text_is_looked_at(site: Path, listen: Listen) -> None:
    """And the name is told in a way that can be printed."""
    folder = Path(os.fsdecode(os.fsencode(site / "guests") + b"\xff"))
    folder.mkdir()
    source = listen(folder, look_seconds=0.01)
    (folder / "one.yaml").write_text("new")
    assert noticed(source) == {f"{site / 'guests'}\\xff"}
    assert "not UTF-8" in source.limit


def test_a_file_whose_name_is_no_text_does_no_harm(site: Path, listen: Listen) -> None:
    """Either it is heard or the source fails, and is opened anew."""
    source = listen(site)
    Path(os.fsdecode(os.fsencode(site / "one") + b"\xff.yaml")).write_text("new")
    with suppress(OSError):
        assert noticed(source) == {f"{site / 'one'}?.yaml"}


class Saying:
    """A watcher that reports what a test says, and then breaks."""

    def __init__(self, found: Sequence[set[str]] = ()) -> None:
        self.found = list(found)
        self.ended = False

    async def __call__(self, _: Sequence[str]) -> Watcher:
        return self

    async def changes(self) -> set[str]:
        if self.found:
            return self.found.pop(0)
        raise RuntimeError("something inside")

    async def end(self) -> None:
        self.ended = True


def test_a_watch_that_fails_is_a_source_that_fails(site: Path) -> None:
    """It is ended, and the loop opens another one."""
    watcher = Saying()
    with Noticing(FileTriggers([str(site)], watch=watcher)) as source, pytest.raises(RuntimeError, match="inside"):
        source.next()
    assert watcher.ended


def test_a_named_file_of_any_kind_is_noticed(tmp_path: Path, listen: Listen) -> None:
    """The state of a simulated host is no manifest, but was asked for by name."""
    source = listen(tmp_path / "lpar.yaml.state.json")
    (tmp_path / "lpar.yaml.state.json").write_text("{}")
    assert noticed(source) == {str(tmp_path / "lpar.yaml.state.json")}


def test_hints_are_named_by_who_asked(tmp_path: Path, listen: Listen) -> None:
    """The same source serves a simulated host."""
    source = listen(tmp_path / "x.yaml", name="kernel")
    (tmp_path / "x.yaml").write_text("x")
    assert source.next()[0] == Trigger("kernel", str(tmp_path / "x.yaml"))


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
        Noticing(FileTriggers([str(site)])).close()
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
