"""What others change is found, and put back where the loop was told to: less and less often, then no more."""

from pathlib import Path

from reconciler.kernel.paths import AQMASK, CREATE, mdev
from reconciler.render.text import moment
from reconciler.simulator.faults import FaultySysfs, WriteRefused
from reconciler.transaction.history import History
from reconciler.watch.decisions import BUDGET
from reconciler.watch.report import Condition
from testing.holdings import uuid
from testing.loops import Looped, guest_document

DEVICE = mdev(uuid(1))


def enforcing(tmp_path: Path, *, self_heal: bool, profile: str = "6.12") -> Looped:
    """A loop that enforces a guest with 05.0004 and is in sync."""
    looped = Looped(tmp_path, self_heal=self_heal, profile=profile)
    looped.commit(guest_document(1, [5], [4]), guest_document(2, [6], [4]))
    assert looped.turn("start").ending.condition is Condition.IN_SYNC
    looped.writes.clear()
    return looped


def test_drift_is_told_and_not_touched(tmp_path: Path) -> None:
    """Without `--self-heal`."""
    looped = enforcing(tmp_path, self_heal=False)
    looped.host.write(f"{DEVICE}/assign_adapter", "7")

    turn = looped.turn()

    assert turn.ending.condition is Condition.DRIFT
    assert looped.writes == []
    assert turn.wait is None


def test_drift_is_healed(tmp_path: Path) -> None:
    """With it, at once."""
    looped = enforcing(tmp_path, self_heal=True)
    looped.host.write(f"{DEVICE}/assign_adapter", "7")

    turn = looped.turn()

    assert turn.healed
    assert turn.ending.condition is Condition.IN_SYNC
    assert looped.host.read(f"{DEVICE}/matrix") == "05.0004\n"


def test_a_device_that_somebody_removes_is_made_again(tmp_path: Path) -> None:
    """Also a whole device is drift."""
    looped = enforcing(tmp_path, self_heal=True)
    looped.host.write(f"{DEVICE}/remove", "1")

    assert looped.turn().healed
    assert looped.host.read(f"{DEVICE}/matrix") == "05.0004\n"


def test_healing_again_and_again_ends(tmp_path: Path) -> None:
    """Somebody else wants it otherwise: after some times the loop stops, and says so."""
    looped = enforcing(tmp_path, self_heal=True)
    healed, turn = 0, looped.turn()
    for _ in range(3 * BUDGET):
        looped.host.write(f"{DEVICE}/assign_adapter", "7")
        turn = looped.turn()
        if turn.ending.condition is Condition.STOPPED:
            break
        if turn.wait is not None:
            assert turn.ending.condition is Condition.DRIFT
            turn = looped.turn(after=turn.wait)
        healed += turn.healed

    assert healed == BUDGET
    assert turn.ending.condition is Condition.STOPPED
    assert turn.wait
    assert "guest1" in turn.ending.summary
    assert "stopped until" in turn.ending.summary
    assert turn.stopped.keys() == {"guest1"}
    # One time for one stop, in the summary, the status and /readyz, whatever fractions of a second the clocks have.
    assert f"stopped until {moment(turn.stopped['guest1'])} UTC" in turn.ending.summary
    assert turn.stopped["guest1"] % 60 == 0


def test_a_person_begins_it_again(tmp_path: Path) -> None:
    """`reconcile trigger` and SIGHUP."""
    looped = enforcing(tmp_path, self_heal=True)
    turn = looped.turn()
    while turn.ending.condition is not Condition.STOPPED:
        looped.host.write(f"{DEVICE}/assign_adapter", "7")
        turn = looped.turn(after=turn.wait or 1.0)

    assert looped.turn().ending.condition is Condition.STOPPED
    assert looped.turn("request", what="trigger").healed


def fought_over(tmp_path: Path, *documents: str, profile: str = "6.12") -> Looped:
    """A loop that has stopped to heal guest1, since another program changes it again and again."""
    looped = Looped(tmp_path, self_heal=True, profile=profile)
    looped.commit(*(documents or (guest_document(1, [5], [4]), guest_document(2, [6], [4]))))
    turn = looped.turn("start")
    while turn.ending.condition is not Condition.STOPPED:
        looped.host.write(f"{DEVICE}/assign_adapter", "7")
        turn = looped.turn(after=turn.wait or 1.0)
    return looped


def test_while_one_guest_is_fought_over_the_others_are_healed(tmp_path: Path) -> None:
    """Each as often as if it was alone; and the masks as well."""
    looped = fought_over(tmp_path)
    for number in range(BUDGET):
        looped.host.write(f"{mdev(uuid(2))}/remove", "1")
        if number == 0:
            looped.host.write(AQMASK, "-200")
        turn = looped.turn(after=121.0)
        assert turn.healed
        assert looped.host.read(f"{mdev(uuid(2))}/matrix") == "06.0004\n"
        assert looped.host.read(f"{DEVICE}/matrix") == "05.0004\n07.0004\n"
        assert turn.ending.condition is Condition.STOPPED
        assert turn.stopped.keys() == {"guest1"}
        assert "guest1" in turn.ending.summary
        assert "guest2" not in turn.ending.summary


def test_guests_that_are_touched_once_each_use_up_no_budget(tmp_path: Path) -> None:
    """Six of them, one after the other: nobody is fought over."""
    looped = Looped(tmp_path, self_heal=True)
    looped.commit(*(guest_document(number, [5], [number]) for number in (1, 2, 3, 4, 5, 6)))
    looped.turn("start")
    for number in (1, 2, 3, 4, 5, 6):
        looped.host.write(f"{mdev(uuid(number))}/remove", "1")
        assert looped.turn().ending.condition is Condition.IN_SYNC


def test_a_commit_does_not_heal_what_is_fought_over_unless_it_concerns_it(tmp_path: Path) -> None:
    """And is applied meanwhile."""
    looped = fought_over(tmp_path)
    looped.commit(guest_document(1, [5], [4]), guest_document(2, [6], [4]), guest_document(3, [6], [255]))
    assert looped.turn("git").ending.condition is Condition.STOPPED
    assert looped.host.read(f"{DEVICE}/matrix") == "05.0004\n07.0004\n"
    assert looped.host.read(f"{mdev(uuid(3))}/matrix") == "06.00ff\n"

    looped.commit(guest_document(1, [6], [71]), guest_document(2, [6], [4]))
    assert looped.turn("git").ending.condition is Condition.IN_SYNC
    assert looped.host.read(f"{DEVICE}/matrix") == "06.0047\n"


def test_after_an_hour_it_begins_again(tmp_path: Path) -> None:
    """At the moment that it has named, of its own accord."""
    looped = fought_over(tmp_path)
    turn = looped.turn()
    assert turn.wait
    assert 0.0 <= turn.stopped["guest1"] - (looped.clock.time() + turn.wait) < 60.0

    assert not looped.turn("resync", after=turn.wait - 1.0).healed
    assert looped.turn("resync").healed


def test_the_masks_have_a_budget_of_their_own(tmp_path: Path) -> None:
    """While another program changes them again and again, guests are healed."""
    looped = enforcing(tmp_path, self_heal=True)
    turn = looped.turn()
    while turn.ending.condition is not Condition.STOPPED:
        looped.host.write(AQMASK, "-200")
        turn = looped.turn(after=turn.wait or 1.0)
    assert turn.stopped.keys() == {"the host's masks"}
    drifted = looped.host.read(AQMASK)
    looped.host.write(f"{DEVICE}/remove", "1")

    assert looped.turn().healed
    assert looped.host.read(f"{DEVICE}/matrix") == "05.0004\n"
    assert looped.host.read(AQMASK) == drifted


def test_where_the_one_that_is_fought_over_has_what_another_needs_that_is_said(tmp_path: Path) -> None:
    """Nothing is done then, and the condition is that it has stopped."""
    looped = fought_over(tmp_path)
    looped.host.write(f"{mdev(uuid(2))}/remove", "1")
    looped.host.write(f"{DEVICE}/assign_adapter", "6")
    looped.writes.clear()

    turn = looped.turn()

    assert (turn.ending.condition, looped.writes) == (Condition.STOPPED, [])
    assert "guest1" in turn.ending.summary


def test_what_needs_consent_does_not_keep_the_others_from_being_healed(tmp_path: Path) -> None:
    """A running guest got more than it was granted; nor does it block a commit that does not concern it."""
    looped = enforcing(tmp_path, self_heal=True)
    looped.host.write(f"{DEVICE}/assign_adapter", "7")
    looped.host.start_vm(uuid(1))
    looped.host.write(f"{mdev(uuid(2))}/remove", "1")

    turn = looped.turn()

    assert turn.healed
    assert turn.ending.condition is Condition.NEEDS_PERSON
    assert "guest1" in turn.ending.summary
    looped.commit(guest_document(1, [5], [4]), guest_document(2, [6], [4]), guest_document(3, [6], [255]))
    turn = looped.turn("git")
    assert turn.refused is None
    assert turn.ending.condition is Condition.NEEDS_PERSON
    assert looped.host.read(f"{mdev(uuid(3))}/matrix") == "06.00ff\n"
    assert looped.host.read(f"{DEVICE}/matrix") == "05.0004\n07.0004\n"


def test_a_heal_that_fails_is_tried_again_and_is_no_fight(tmp_path: Path) -> None:
    """Whoever refuses our writes changes nothing: later and later, but never given up."""
    looped = enforcing(tmp_path, self_heal=True)
    looped.host.write(f"{DEVICE}/assign_adapter", "7")
    looped.met = FaultySysfs(looped.sysfs, [WriteRefused(nth, 16) for nth in range(1, 12)])  # type: ignore[arg-type]

    turn = looped.turn()
    for _ in range(2 * BUDGET):
        assert turn.ending.condition is Condition.FAILED
        assert turn.wait
        turn = looped.turn(after=turn.wait)
    turn = looped.turns()

    assert turn.ending.condition is Condition.IN_SYNC


def test_drift_beside_hardware_that_has_come_is_drift(tmp_path: Path) -> None:
    """On old kernels a card that comes is assigned, but nothing else is touched on that occasion."""
    looped = Looped(tmp_path, profile="5.15")
    looped.commit(guest_document(1, [5, 200], [4]), guest_document(2, [6], [4]))
    assert looped.turn("start").ending.condition is Condition.IN_SYNC
    looped.host.write(f"{mdev(uuid(2))}/assign_adapter", "7")
    looped.writes.clear()
    plug(looped)

    assert looped.turn().ending.condition is Condition.DRIFT
    assert looped.writes == []


def plug(looped: Looped) -> None:
    """Adapter 200 comes."""
    from reconciler.simulator.hardware import Card, Plug

    looped.host.change_hardware(Plug(200, Card()))


def test_what_an_earlier_run_left_is_put_in_order_and_nothing_else(tmp_path: Path) -> None:
    """A loop that does not heal goes back where an apply was killed; drift from before that stays, and is told."""
    looped = enforcing(tmp_path, self_heal=False)
    looped.host.write(f"{mdev(uuid(2))}/assign_adapter", "7")
    books_of_a_killed_apply(looped)

    looped.turn()
    looped.turn()
    turn = looped.turn()

    assert turn.ending.condition is Condition.DRIFT
    assert looped.host.read(f"{mdev(uuid(2))}/matrix") == "06.0004\n07.0004\n"
    assert History(looped.state).generations()[-1].outcome


def books_of_a_killed_apply(looped: Looped) -> None:
    """A person runs an apply, which is killed before its first step."""
    from reconciler.operations.plan import plan
    from reconciler.planning.planner import holdings_of
    from reconciler.planning.scope import AllBut
    from reconciler.transaction.journal import Journal

    enforced = looped.loop.enforced
    assert enforced
    made = plan(enforced.wanted._replace(site=None), looped.machine(), AllBut())
    Journal(looped.state, "11111111-2222-4333-8444-555555555555").begin(made, holdings_of(made.observed))


def test_a_strangers_device_that_is_to_go_is_drift(tmp_path: Path) -> None:
    """With `unmanaged: remove`, but without `--self-heal`: it is told, since the manifests are as they were."""
    looped = Looped(tmp_path)
    looped.commit(guest_document(1, [5], [4]))
    text = (tmp_path / "manifests" / "site.yaml").read_text().replace("lpar7}\n", "lpar7}\nspec: {unmanaged: remove}\n")
    (tmp_path / "manifests" / "site.yaml").write_text(text)
    assert looped.turn("start").ending.condition is Condition.IN_SYNC
    looped.writes.clear()
    looped.host.write(CREATE, uuid(9))

    assert looped.turn().ending.condition is Condition.DRIFT
    assert looped.writes == []


def test_a_pool_that_changes_because_of_a_stranger_is_drift(tmp_path: Path) -> None:
    """What a derived pool owes to a device that is not ours: when that goes, the manifests are as they were."""
    looped = Looped(tmp_path)
    looped.host.write(AQMASK, "-71")
    looped.host.write(CREATE, uuid(9))
    looped.host.write(f"{mdev(uuid(9))}/assign_adapter", "7")
    looped.host.write(f"{mdev(uuid(9))}/assign_domain", "71")
    looped.commit(guest_document(1, [5], [4]))
    assert looped.turn("start").ending.condition is Condition.IN_SYNC
    looped.writes.clear()
    looped.host.write(f"{mdev(uuid(9))}/remove", "1")

    assert looped.turn().ending.condition is Condition.DRIFT
    assert looped.writes == []


def test_drift_from_what_a_person_has_applied_is_drift(tmp_path: Path) -> None:
    """Also where the loop sees that configuration for the first time."""
    looped = enforcing(tmp_path, self_heal=False)
    looped.commit(guest_document(1, [5], [4]), guest_document(2, [6], [4]), guest_document(3, [6], [255]))
    looped.typed()
    looped.host.write(f"{DEVICE}/assign_adapter", "7")
    looped.writes.clear()

    turn = looped.turn("git")

    assert turn.ending.condition is Condition.DRIFT
    assert looped.writes == []
    assert looped.loop.enforced
    assert looped.loop.enforced.commit == looped.branch.offered.commit
