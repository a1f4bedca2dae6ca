"""Files that are copied slowly: guests that are missing for a moment keep what they have."""

from pathlib import Path

import pytest

from reconciler.cli.open_host import manifests_commit
from reconciler.cli.options import HostOptions
from reconciler.kernel.paths import MATRIX, mdev
from reconciler.watch.cycle_result import CycleResult
from reconciler.watch.manifest_sources import FilesSource
from reconciler.watch.report import Condition, RefusedConfiguration
from testing.git_repositories import Repository
from testing.holdings import uuid
from testing.loops import HOST, Looped, guest_document

SITE = {
    "a-host.yaml": HOST,
    "guest1.yaml": guest_document(1, [5], [4]),
    "guest2.yaml": guest_document(2, [6], [4]),
    "guest3.yaml": guest_document(3, [7], [4]),
}
WAITS = "1 guest is gone from the manifests: guest3; removed when the files have been quiet for 5 s, or at once by: "


class Copied:
    """A loop that follows a directory, and heals; guests 1 to 3 are enforced."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "site"
        self.looped = Looped(tmp_path, self_heal=True)
        self.looped.source = FilesSource((str(self.folder),), str)
        self.looped.start()
        self.write(**SITE)
        assert self.looped.turn("start").recorded == 1
        self.looped.writes.clear()

    def write(self, **files: str) -> None:
        """Write `files`, each as an editor does."""
        self.folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (self.folder / ".new").write_text(text, encoding="utf-8")
            (self.folder / ".new").replace(self.folder / name)

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self.folder / name).unlink()

    def turn(self, *sources: str, after: float) -> CycleResult:
        """A cycle `after` seconds."""
        return self.looped.turn(*sources, after=after)

    def has(self, number: int) -> bool:
        """Whether that guest has its device."""
        return uuid(number) in self.looped.host.list(MATRIX)


@pytest.fixture
def copied(tmp_path: Path) -> Copied:
    """In sync."""
    return Copied(tmp_path)


@pytest.mark.parametrize("order", [sorted(SITE), sorted(SITE, reverse=True)])
@pytest.mark.parametrize("folder_goes", [True, False])
def test_a_slow_copy_writes_nothing(copied: Copied, order: list[str], folder_goes: bool) -> None:
    """`rm -rf`, then a file every 0.4 s, in whichever order; nothing is refused meanwhile."""
    for name in SITE:
        copied.remove(name)
    if folder_goes:
        copied.folder.rmdir()
    turn = copied.turn("files", after=0.4)
    assert turn.ending.condition is Condition.WAITING
    for name in order:
        assert turn.refused is None
        assert turn.wait == 5.0
        assert turn.ending.condition is Condition.WAITING
        copied.write(**{name: SITE[name]})
        turn = copied.turn("files", after=0.4)

    assert turn.ending.condition is Condition.IN_SYNC
    assert turn.refused is None
    assert copied.looped.writes == []


def test_a_guest_that_stays_away_is_removed(copied: Copied) -> None:
    """When the files have been quiet for 5 s; what is waited for is reported until then."""
    copied.remove("guest3.yaml")

    turn = copied.turn("files", after=1.0)

    assert turn.ending.condition is Condition.WAITING
    assert turn.ending.summary == f"{WAITS}reconcile trigger"
    assert turn.wait == 5.0
    turn = copied.turn("kernel", after=3.0)
    assert turn.wait == 2.0
    assert copied.has(3)
    turn = copied.turn("resync", after=turn.wait)
    assert turn.ending.condition is Condition.IN_SYNC
    assert turn.recorded == 2
    assert not copied.has(3)


@pytest.mark.parametrize("source", ["request", "signal"])
def test_a_person_who_asks_does_not_wait(copied: Copied, source: str) -> None:
    """At once where the files are as they should be."""
    copied.remove("guest3.yaml")

    assert copied.turn(source, after=0.0).ending.condition is Condition.IN_SYNC
    assert not copied.has(3)


def test_additions_and_changes_do_not_wait(copied: Copied) -> None:
    """Where no guest is gone."""
    copied.write(**{"guest1.yaml": guest_document(1, [5], [5]), "guest4.yaml": guest_document(4, [8], [4])})

    assert copied.turn("files", after=0.4).recorded == 2
    assert copied.has(4)


def test_a_directory_that_is_touched_for_ever_blocks_for_a_minute_at_most(copied: Copied) -> None:
    """Then what it says is used."""
    copied.remove("guest3.yaml")
    for number in range(60):
        copied.write(**{"guest1.yaml": guest_document(1, [5], [4 + number % 2])})
        assert copied.turn("files", after=1.0).ending.condition is Condition.WAITING

    copied.turn("files", after=1.0)

    assert not copied.has(3)


def test_drift_of_what_is_enforced_is_corrected_meanwhile(copied: Copied) -> None:
    """Also of the guest that is gone."""
    copied.remove("guest3.yaml")
    copied.turn("files", after=0.4)
    copied.looped.host.write(f"{mdev(uuid(3))}/unassign_adapter", "7")

    turn = copied.turn("kernel", after=1.0)

    assert turn.healed
    assert turn.ending.condition is Condition.WAITING
    assert copied.looped.host.read(f"{mdev(uuid(3))}/matrix") == "07.0004\n"


def test_what_stays_missing_is_refused(copied: Copied) -> None:
    """An empty directory, and one with a host alone, which removes everything and needs consent."""
    for name in SITE:
        copied.remove(name)
    copied.turn("files", after=0.4)
    turn = copied.turn("resync", after=5.0)
    assert turn.refused
    assert turn.ending.condition is Condition.IN_SYNC
    copied.write(**{"a-host.yaml": HOST})
    turn = copied.turn("files", after=100.0)
    assert turn.ending.condition is Condition.WAITING

    turn = copied.turn("resync", after=5.0)

    assert turn.refused
    assert "--allow-empty" in turn.refused.command
    assert turn.wait is None
    assert copied.turn("resync", after=300.0).refused == turn.refused
    assert copied.looped.writes == []


def test_a_directory_that_is_gone_is_named_at_once(copied: Copied) -> None:
    """No guest is removed for it, which is not said either; what is refused names no line of what is not there."""
    for name in SITE:
        copied.remove(name)
    copied.folder.rmdir()

    waiting = copied.turn("files", after=0.4)
    refused = copied.turn("resync", after=5.0).refused

    assert waiting.ending.summary.startswith(f"{copied.folder} does not exist; no guest is removed")
    assert refused
    assert refused.reasons == (f"{copied.folder} does not exist (path-missing)",)
    assert copied.looped.writes == []


def test_a_directory_that_is_gone_is_of_no_commit(tmp_path: Path) -> None:
    """Also within a repository."""
    repository = Repository(tmp_path / "repository")
    repository.commit({"site/host.yaml": HOST})
    site = repository.path / "site"
    options = HostOptions((str(site),), None, "/sys", None, str(tmp_path / "state"))
    assert manifests_commit(options) == repository.head()
    (site / "host.yaml").unlink()
    site.rmdir()

    assert manifests_commit(options) == ""


@pytest.mark.parametrize(
    ("commit", "subject"),
    [("", "the newest configuration"), ("4a", "commit 4a"), ("4a+", "what has changed since commit 4a")],
)
def test_what_is_refused_is_a_commit_only_where_it_is_one(commit: str, subject: str) -> None:
    """Files that differ from it are none."""
    assert RefusedConfiguration(commit, ("odd",), 0.0).subject == subject


def test_what_is_wrong_is_refused_at_once(copied: Copied) -> None:
    """Nothing is gone by it."""
    copied.write(**{"guest3.yaml": "apiVersion: reconciler/v1\n  kind: ["})

    assert copied.turn("files", after=0.4).refused


def test_what_a_person_has_applied_is_followed_at_once(copied: Copied) -> None:
    """Their apply has removed the guest already."""
    copied.remove("guest3.yaml")
    copied.turn("files", after=0.4)
    copied.looped.typed(paths=(copied.folder,))

    turn = copied.turn("kernel", after=0.4)

    assert turn.ending.condition is Condition.IN_SYNC
    assert turn.wait is None
    assert copied.looped.loop.enforced
    assert len(copied.looped.loop.enforced.wanted.desired.guests) == 2


def test_a_loop_that_starts_in_the_midst_of_a_copy_waits_too(copied: Copied) -> None:
    """What was enforced before is known from the state directory."""
    copied.remove("guest3.yaml")
    copied.looped.start()

    turn = copied.turn("start", after=0.4)

    assert turn.ending.condition is Condition.WAITING
    assert copied.has(3)
    copied.turn("resync", after=5.0)
    assert not copied.has(3)


def test_a_commit_waits_for_nothing(tmp_path: Path) -> None:
    """It is as a whole what it is."""
    looped = Looped(tmp_path)
    looped.commit(SITE["guest1.yaml"], SITE["guest2.yaml"])
    looped.turn("start")
    looped.commit(SITE["guest1.yaml"])

    assert looped.turn("git").recorded == 2
    assert uuid(2) not in looped.host.list(MATRIX)
