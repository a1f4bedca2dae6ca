"""Without `--self-heal`, a commit that does not concern what has drifted neither waits for it nor corrects it."""

import shlex
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reconciler.kernel.observe import mdev_uuids
from reconciler.kernel.paths import APMASK, AQMASK, CREATE, mdev
from reconciler.kernel.sysfs import KernelBusy
from reconciler.kernel.text_forms import parse_mask
from reconciler.transaction.journal import Journal
from reconciler.watch.cycle_result import CycleResult
from reconciler.watch.report import Condition
from reconciler.watch.report_text import next_steps
from reconciler.watch.reporter import Moment, Reporter
from testing.holdings import EVERY_PROFILE, uuid
from testing.loops import BOOT_ID, Looped, guest_document

FIRST, SECOND = guest_document(1, [5], [4]), guest_document(2, [6], [4])
THIRD = guest_document(3, [6], [255])
PROFILES = [one.name for one in EVERY_PROFILE]


def enforcing(tmp_path: Path, *documents: str, profile: str = "6.12", heals: bool = False) -> Looped:
    """A loop that applies `documents` and does not heal."""
    looped = Looped(tmp_path, profile=profile, self_heal=heals)
    looped.commit(*(documents or (FIRST, SECOND)))
    assert looped.turn("start").ending.condition is Condition.IN_SYNC
    looped.writes.clear()
    return looped


def matrix(looped: Looped, number: int) -> str:
    """The queues of a guest's device; empty where it has no device."""
    return looped.host.read(f"{mdev(uuid(number))}/matrix") if uuid(number) in mdev_uuids(looped.host) else ""


def matrices(looped: Looped) -> dict[str, str]:
    """The queues of each device; Linux 5.15 keeps one that was removed while it was open, without its files."""
    found = {}
    for one in mdev_uuids(looped.host):
        with suppress(FileNotFoundError):
            found[one] = looped.host.read(f"{mdev(one)}/matrix")
    return found


def touched(looped: Looped) -> set[str]:
    """The paths that the loop has written to."""
    return {write.path.removeprefix("devices/vfio_ap/matrix/").split("/")[0] for write in looped.writes}


@pytest.mark.parametrize("profile", ["6.1", "6.12", "7.2"])
def test_a_running_guest_that_drifted_does_not_block_a_commit_for_another_one(tmp_path: Path, profile: str) -> None:
    """Its VM would lose a queue if it was corrected; the commit asks for nothing of the kind."""
    looped = enforcing(tmp_path, profile=profile)
    looped.host.write(f"{mdev(uuid(1))}/assign_adapter", "7")
    looped.host.start_vm(uuid(1))
    looped.commit(FIRST, SECOND, THIRD)

    turn = looped.turn("git")

    assert turn.refused is None
    assert turn.ending.condition is Condition.DRIFT
    assert "guest1" in turn.ending.summary
    assert matrix(looped, 1) == "05.0004\n07.0004\n"
    assert matrix(looped, 3) == "06.00ff\n"
    assert uuid(1) not in touched(looped)


@pytest.mark.parametrize(("file", "value"), [("assign_adapter", "7"), ("assign_control_domain", "71"), ("remove", "1")])
def test_a_guest_that_drifted_and_does_not_run_is_not_put_back_by_an_unrelated_commit(
    tmp_path: Path, file: str, value: str
) -> None:
    """It stays drift until a person corrects it, and says so after each commit."""
    looped = enforcing(tmp_path)
    looped.host.write(f"{mdev(uuid(1))}/{file}", value)
    before = matrix(looped, 1)
    looped.commit(FIRST, SECOND, THIRD)
    assert looped.turn("git").ending.condition is Condition.DRIFT
    looped.commit(FIRST, THIRD)
    assert looped.turn("git").ending.condition is Condition.DRIFT

    assert (matrix(looped, 1), matrix(looped, 2)) == (before, "")
    assert uuid(1) not in touched(looped)
    looped.typed()
    assert matrix(looped, 1) == "05.0004\n"
    assert looped.turn().ending.condition is Condition.IN_SYNC


def test_a_commit_that_concerns_the_guest_is_applied_to_it(tmp_path: Path) -> None:
    """Then it is what the commit says; one that takes it out of the manifests removes it."""
    looped = enforcing(tmp_path)
    looped.host.write(f"{mdev(uuid(1))}/assign_adapter", "7")
    looped.commit(guest_document(1, [7], [4]), SECOND)
    assert looped.turn("git").ending.condition is Condition.IN_SYNC
    assert matrix(looped, 1) == "07.0004\n"

    looped.host.write(f"{mdev(uuid(1))}/assign_adapter", "5")
    looped.commit(SECOND)
    assert looped.turn("git").ending.condition is Condition.IN_SYNC
    assert matrix(looped, 1) == ""


def test_a_commit_that_needs_what_a_drifted_guest_has_is_refused(tmp_path: Path) -> None:
    """The guest is named, and the command that is printed applies the commit and corrects the guest."""
    looped = enforcing(tmp_path)
    looped.host.write(f"{mdev(uuid(1))}/assign_adapter", "7")
    looped.commit(FIRST, SECOND, guest_document(3, [7], [4]))

    turn = looped.turn("git")

    assert turn.refused
    assert "guest1" in " ".join(turn.refused.reasons)
    assert "07.0004" in " ".join(turn.refused.reasons) or "held-meanwhile" in " ".join(turn.refused.reasons)
    assert "--allow-disruption" not in " ".join(turn.refused.reasons)
    assert turn.ending.condition is Condition.DRIFT
    assert looped.writes == []
    assert shlex.split(typed_next(looped, turn))[:2] == ["reconcile", "apply"]
    looped.typed()
    assert matrix(looped, 3) == "07.0004\n"
    assert looped.turn().refused is None


def typed_next(looped: Looped, turn: CycleResult) -> str:
    """The first command that the status prints after `turn`."""
    report = Reporter("the branch", None, applies=True).report(turn, looped.loop.enforced, (), Moment(1.0, None))
    return next_steps(report)[0].split("    (")[0]


def test_a_commit_that_needs_a_mask_that_drifted_is_refused(tmp_path: Path) -> None:
    """Both where it changes that mask, and where it needs a queue that the mask now gives to the host."""
    looped = enforcing(tmp_path)
    looped.host.write(AQMASK, "-200")
    looped.commit(FIRST, SECOND, guest_document(3, [6], [71]))

    turn = looped.turn("git")

    assert turn.refused
    assert "aqmask" in " ".join(turn.refused.reasons)
    assert looped.writes == []

    looped.host.write(AQMASK, "+200")
    looped.host.write(f"{mdev(uuid(1))}/remove", "1")
    looped.host.write(f"{mdev(uuid(2))}/remove", "1")
    looped.host.write(AQMASK, "+4")
    looped.commit(FIRST, SECOND, guest_document(3, [7], [4]))

    turn = looped.turn("git")

    assert turn.refused
    assert "masks" in " ".join(turn.refused.reasons)
    assert looped.writes == []
    looped.typed()
    assert looped.turn().ending.condition is Condition.IN_SYNC


def test_a_mask_that_drifted_is_left_alone_by_a_commit_that_does_not_need_it(tmp_path: Path) -> None:
    """Also by the ones after it: what was wanted of the mask is not forgotten."""
    looped = enforcing(tmp_path)
    looped.host.write(APMASK, "-200")
    drifted = looped.host.read(APMASK)
    for documents in ((FIRST, SECOND, guest_document(3, [7], [4])), (FIRST, SECOND), (FIRST,)):
        looped.commit(*documents)
        turn = looped.turn("git")
        assert (turn.refused, turn.ending.condition) == (None, Condition.DRIFT)
        assert looped.host.read(APMASK) == drifted
    looped.typed()
    assert looped.host.read(APMASK) != drifted


def test_what_a_resumed_guest_waits_for_does_not_wait_for_the_drift_of_another(tmp_path: Path) -> None:
    """Its manifest was changed while it was suspended."""
    looped = enforcing(tmp_path)
    looped.suspend("guest1", seconds=50.0)
    looped.commit(guest_document(1, [7], [4]), SECOND)
    looped.turn("git")
    looped.host.write(f"{mdev(uuid(2))}/assign_control_domain", "71")

    turn = looped.turn("resync", after=60.0)

    assert matrix(looped, 1) == "07.0004\n"
    assert turn.ending.condition is Condition.DRIFT
    assert uuid(2) not in touched(looped)


def test_strangers_stay_where_the_commit_does_not_ask_to_remove_them(tmp_path: Path) -> None:
    """With `unmanaged: remove`; a commit that begins to ask for that is followed."""
    looped = enforcing(tmp_path, FIRST)
    looped.host.write(CREATE, uuid(9))
    remove = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\nspec: {unmanaged: remove}\n"
    looped.commit_whole(remove, FIRST)
    assert looped.turn("git").ending.condition is Condition.IN_SYNC
    assert uuid(9) not in mdev_uuids(looped.host)

    looped.host.write(CREATE, uuid(9))
    looped.commit_whole(remove, FIRST, SECOND)
    assert looped.turn("git").ending.condition is Condition.DRIFT
    assert matrix(looped, 2) == "06.0004\n"
    assert uuid(9) in mdev_uuids(looped.host)


def test_an_on_demand_guest_that_waits_for_a_queue_does_not_block_either(tmp_path: Path) -> None:
    """A drifted device has the queue of a guest whose VM is not running."""
    looped = enforcing(tmp_path, FIRST, guest_document(2, [7], [4], activation="on-demand"))
    looped.host.write(f"{mdev(uuid(1))}/assign_adapter", "7")
    looped.commit(FIRST, guest_document(2, [7], [4], activation="on-demand"), THIRD)

    turn = looped.turn("git")

    assert (turn.refused, turn.ending.condition) == (None, Condition.DRIFT)
    assert matrix(looped, 3) == "06.00ff\n"


CHANGES = st.one_of(
    st.tuples(st.just("remove"), st.integers(1, 3), st.just("1")),
    st.tuples(
        st.sampled_from(["assign_adapter", "unassign_adapter"]), st.integers(1, 3), st.sampled_from(["5", "6", "7"])
    ),
    st.tuples(
        st.sampled_from(["assign_domain", "unassign_domain", "assign_control_domain"]),
        st.integers(1, 3),
        st.sampled_from(["4", "71"]),
    ),
    st.tuples(st.sampled_from([APMASK, AQMASK]), st.just(0), st.sampled_from(["+5", "-7", "+4", "-71", "+71", "-200"])),
    st.tuples(st.just("open"), st.integers(1, 3), st.just("")),
)
GUESTS = st.dictionaries(
    st.integers(1, 3),
    st.tuples(
        st.sets(st.sampled_from([5, 6, 7]), min_size=1).map(sorted),
        st.sets(st.sampled_from([4, 71]), min_size=1).map(sorted),
        st.sampled_from(["active", "active", "on-demand"]),
    ),
)


def drift(looped: Looped, change: tuple[str, int, str]) -> None:
    """Another program changes the host, as far as the kernel lets it."""
    what, number, value = change
    if number and uuid(number) not in mdev_uuids(looped.host):
        return
    try:
        if what == "open":
            looped.host.start_vm(uuid(number))
        else:
            looped.host.write(f"{mdev(uuid(number))}/{what}" if number else what, value)
    except (OSError, KernelBusy):
        return  # the kernel refuses it, or would wait for a VM


@example(profile="5.15", commits=[({3: ([5], [4], "active")}, []), ({}, [("open", 3, ""), ("remove", 3, "1")])])
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    profile=st.sampled_from(PROFILES),
    commits=st.lists(st.tuples(GUESTS, st.lists(CHANGES, max_size=3)), min_size=2, max_size=4),
)
def test_no_write_touches_drift_that_the_commit_does_not_concern(
    profile: str, commits: list[tuple[dict[int, tuple[list[int], list[int], str]], list[tuple[str, int, str]]]]
) -> None:
    """Whatever commits say and others do, without `--self-heal`; and whoever is drifted is never called in sync."""
    with TemporaryDirectory() as folder:
        looped = Looped(Path(folder), profile=profile)
        for guests, changes in commits:
            for change in changes:
                drift(looped, change)
            applied = Journal(looped.state, BOOT_ID).applied()
            seen = matrices(looped)
            masks = {path: parse_mask(looped.host.read(path)) for path in (APMASK, AQMASK)}
            looped.commit(*(guest_document(number, *one[:2], activation=one[2]) for number, one in guests.items()))
            looped.writes.clear()
            turn = looped.turn("git")

            wanted = {uuid(number): one for number, one in guests.items()}
            for one, (_name, config) in applied.guests.items():
                granted = wanted.get(one)
                same = granted and (list(config.adapters), list(config.domains)) == (granted[0], granted[1])
                shown = "".join(f"{queue}\n" for queue in config.matrix.queues())
                if same and seen.get(one) != shown and (one in seen or profile != "5.15"):
                    assert one not in touched(looped), (one, looped.writes)
            if applied.pool is not None:
                for path, last in zip((APMASK, AQMASK), applied.pool, strict=True):
                    assert masks[path] == last or path not in {write.path for write in looped.writes}
            if turn.ending.condition is Condition.IN_SYNC:
                assert not turn.plan or turn.plan.in_sync
