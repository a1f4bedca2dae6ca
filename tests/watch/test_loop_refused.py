"""What the loop refuses is recorded with the texts of its manifests, for `plan --refused` and `apply --refused`."""

from pathlib import Path

import pytest

from reconciler.manifests.committed import Committed, Kept, KeptFiles, files_of
from reconciler.model.outcome import Result
from reconciler.model.problems import InvalidManifests
from reconciler.operations.plan import plan
from reconciler.operations.wanted import NothingRefused, Refused
from reconciler.planning.plan import Plan
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction.loop_records import read_refusal
from reconciler.watch.manifest_sources import Offer
from reconciler.watch.report import Condition, Obstacle
from testing.holdings import abilities_of, held, uuid
from testing.loops import HOST, Looped, guest_document


@pytest.fixture
def looped(tmp_path: Path) -> Looped:
    """A loop that enforces one guest."""
    made = Looped(tmp_path)
    made.commit(guest_document(1, [5], [4]))
    made.turn("git")
    return made


def planned(looped: Looped) -> Plan:
    """The plan of what the loop refuses."""
    machine = looped.machine()
    return plan(Refused().read(machine), machine)


def refused(looped: Looped, content: bytes) -> None:
    """Have the loop refuse a commit with the manifests `content`."""
    looped.branch.offered = Offer(KeptFiles("a commit", {"lpar7/site.yaml": Kept(content)}), "b" * 40)
    looped.turn("git")


@pytest.mark.parametrize("content", [f"{HOST}---\nkind: Gast\n".encode(), b"a: \xff\n", b"a: [\n"])
def test_its_problems_are_those_that_the_loop_saw(looped: Looped, content: bytes) -> None:
    """With positions and excerpts, whatever was wrong, and by the names in the repository."""
    refused(looped, content)

    with pytest.raises(InvalidManifests) as raised:
        planned(looped)

    told = looped.turn("git").refused
    first = raised.value.problems[0]
    assert told is not None
    assert first.places[0].position.file == "lpar7/site.yaml"
    assert first.places[0].excerpt
    assert f"{first.places[0].position}: {first.message} ({first.id})" in told.reasons


def test_what_conflicts_is_planned(looped: Looped) -> None:
    """On the host as it is, with the commit that is refused."""
    refused(looped, "---\n".join((HOST, guest_document(1, [5], [4]), guest_document(2, [5], [4]))).encode())

    made = planned(looped)

    assert made.commit == "b" * 40
    assert not made.is_valid
    assert {one.file for problem in made.problems for one in (place.position for place in problem.places)} == {
        "lpar7/site.yaml"
    }  # fmt: skip


def test_what_texts_do_not_show_is_recorded_as_a_problem(looped: Looped) -> None:
    """A link that leaves the directory, a file that is not there; beside them what can be read."""
    commit = Committed("a commit", "", {"host.yaml": ("1", 3)}, {"a.yaml": "/etc/a", "b.yaml": "gone.yaml"})
    looped.branch.offered = Offer(files_of(commit, lambda objects, _: dict.fromkeys(objects, HOST.encode())), "b" * 40)
    looped.turn("git")

    with pytest.raises(InvalidManifests) as raised:
        planned(looped)

    assert [(one.id, str(one.places[0])) for one in raised.value.problems] == [
        ("link-leaves-directory", "a.yaml"), ("path-missing", "b.yaml")
    ]  # fmt: skip


def test_a_commit_that_was_not_read_says_why(looped: Looped) -> None:
    """Its signature, for instance, comes before its manifests."""
    looped.branch.offered = Offer(None, "c" * 40, ("it is not signed",), obstacles=(Obstacle.SIGNATURE,))
    looped.turn("git")

    with pytest.raises(NothingRefused, match="and its manifests were not read: it is not signed"):
        planned(looped)


def test_it_is_gone_when_nothing_is_refused_any_more(looped: Looped) -> None:
    """And not before: a loop that cannot reach its repository leaves the record of the one before."""
    with pytest.raises(NothingRefused, match="refuses nothing"):
        planned(looped)
    refused(looped, b"a: [\n")
    looped.start()
    looped.branch.offered = Offer(None, unreachable="no answer")
    looped.turn("git")
    assert read_refusal(looped.state) is not None

    looped.commit(guest_document(1, [5], [5]))
    looped.turn("git")

    assert read_refusal(looped.state) is None


def test_it_is_written_when_it_changes(looped: Looped) -> None:
    """Not with each cycle; another text with the same reasons is another refusal."""
    refused(looped, b"a: [\n")
    file = looped.state.path / "refused.json"
    before = file.stat().st_ino
    looped.turn("resync")
    assert file.stat().st_ino == before

    refused(looped, b"a: [\n# more\n")

    found = read_refusal(looped.state)
    assert found is not None
    assert found.texts == {"lpar7/site.yaml": "a: [\n# more\n"}


def derived(**spec: str) -> str:
    """The first guest without a uuid of its own, on the host or on several."""
    return guest_document(1, [5], [4], **spec).replace(f"  uuid: {uuid(1)}\n", "")


def test_a_device_does_not_go_since_its_guest_has_several_hosts(tmp_path: Path) -> None:
    """Its derived uuid is another one; with the old one written, the commit is enforced."""
    looped = Looped(tmp_path)
    looped.commit(derived(host="lpar7"))
    looped.turn("git")
    before = held(looped.host, abilities_of(PROFILES["6.12"]))
    (old,) = before.mdevs

    looped.commit(derived(hosts="[lpar7]"))
    found = looped.turn("git").refused

    assert found is not None
    assert found.obstacles == (Obstacle.MANIFESTS,)
    assert old in found.reasons[0]
    assert "(uuid-would-change)" in found.reasons[0]
    looped.start()
    again = looped.turn("git").refused
    assert again is not None
    assert again.reasons == found.reasons
    assert held(looped.host, abilities_of(PROFILES["6.12"])) == before

    looped.commit(derived(hosts="[lpar7]", uuid=old))
    assert looped.turn("git").refused is None
    assert held(looped.host, abilities_of(PROFILES["6.12"])) == before


@pytest.mark.parametrize("is_written", [True, False])
def test_the_loop_makes_a_device_again_with_another_uuid_only_where_that_is_written(
    tmp_path: Path, *, is_written: bool
) -> None:
    """Another apply has given the guest another device meanwhile; also after the loop was started again."""
    looped = Looped(tmp_path)
    documents = (guest_document(1, [5], [4]) if is_written else derived(host="lpar7"),)
    looped.commit(*documents)
    looped.turn("git")
    other = tmp_path / "other.yaml"
    other.write_text(f"{HOST}---\n" + guest_document(9, [5], [4]).replace("guest9", "guest1"), encoding="utf-8")
    assert looped.typed(paths=(other,)).outcome.result is Result.APPLIED
    looped.start()

    result = looped.turn("git")

    devices = held(looped.host, abilities_of(PROFILES["6.12"])).mdevs.keys()
    assert (devices == {uuid(9)}) != is_written
    assert (result.ending.condition is Condition.NEEDS_PERSON) != is_written
