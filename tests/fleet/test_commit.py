"""What a controller does next in a commit to several hosts; `testing.fleet` has the hosts, and watches the laws."""

from collections import Counter

import pytest

from reconciler.fleet.commit import End, Outcome, Refusal, State, Verb
from testing.fleet import HOSTS, Run, World, commit_of, finished, simulated


@pytest.mark.parametrize("batch", [None, 1, 2])
@pytest.mark.parametrize("soak", [0.0, 10.0])
def test_without_faults_every_host_ends_confirmed(batch: int | None, soak: float) -> None:
    """Canaries first, then those that only give up; the first host of the list is confirmed alone."""
    world = World(list(HOSTS))
    run = Run(world, commit_of(batch=batch, soak=soak))

    assert finished(run) is Outcome.ALL
    assert {host.state() for host in world.hosts.values()} == {State.CONFIRMED}
    applied = [one.host for one in run.sent if one.verb is Verb.APPLY]
    assert applied == ["b", "c", "a", "d"]
    confirmed = [one.host for one in run.sent if one.verb is Verb.CONFIRM]
    assert confirmed == ["a", "b", "c", "d"]


def test_a_host_without_changes_is_checked_and_left_as_it_is() -> None:
    """It has nothing to confirm; the first host with changes decides, and what happens to it later is no failure."""
    world = World(list(HOSTS))
    hosts = tuple(one._replace(has_changes=one.name not in {"a", "b"}) for one in commit_of().hosts)
    run = Run(world, commit_of(hosts=hosts))
    while not any(one.applied_in for one in run.heard.values()):
        run.go_on(lambda: "good")
    world.hosts["a"].fingerprint = "another"

    assert finished(run) is Outcome.ALL
    assert [one.host for one in run.sent if one.verb is not Verb.ASK] == ["c", "d", "c", "d"]
    asked = {one.host for one in run.sent if one.verb is Verb.ASK}
    assert asked == set(HOSTS)


@pytest.mark.parametrize(("fingerprint", "outcome"), [("wanted", Outcome.ALL), ("another", Outcome.STALE)])
def test_a_commit_without_changes_is_a_check_of_all_hosts(fingerprint: str, outcome: Outcome) -> None:
    """It ends at once."""
    world = World(list(HOSTS))
    world.hosts["d"].fingerprint = fingerprint
    run = Run(world, commit_of(hosts=tuple(one._replace(has_changes=False) for one in commit_of().hosts)))

    assert finished(run) is outcome
    assert [one.host for one in run.sent] == list(HOSTS)


def test_a_host_without_changes_that_has_others_is_stale() -> None:
    """What was reviewed is what is applied, on every host."""
    world = World(list(HOSTS))
    world.hosts["a"].fingerprint = "another"
    run = Run(world, commit_of(hosts=tuple(one._replace(has_changes=one.name != "a") for one in commit_of().hosts)))

    assert finished(run) is Outcome.STALE
    assert run.end == End(Outcome.STALE, (("a", "stale"),))


def test_one_that_refuses_leaves_all_as_they_were() -> None:
    """Nothing is confirmed; a late apply of the same id is refused everywhere."""
    world = World(list(HOSTS))
    world.hosts["d"].refuses = True
    run = Run(world, commit_of())

    assert finished(run) is Outcome.NONE
    assert run.end
    assert run.end.hosts == (("d", "stale"),)
    assert {host.state() for host in world.hosts.values()} == {State.CANCELLED}
    assert world.hosts["d"].asked(Verb.APPLY, 0, 60).state is State.CANCELLED


def test_what_is_stale_before_anything_began_touches_no_host() -> None:
    """The plan that was reviewed is the one that is applied, on every host."""
    world = World(list(HOSTS))
    world.hosts["d"].fingerprint = "another"
    run = Run(world, commit_of())

    assert finished(run) is Outcome.STALE
    assert run.end == End(Outcome.STALE, (("d", "stale"),))
    assert {one.verb for one in run.sent} == {Verb.ASK}


def test_a_host_that_was_booted_before_the_first_confirm_cancels_everything() -> None:
    """Also where it came back so quickly that nobody missed it."""
    world = World(list(HOSTS))
    run = Run(world, commit_of())
    while not all(one.applied_in for one in run.heard.values()):
        run.go_on(lambda: "good")
    world.hosts["c"].boot()

    assert finished(run) is Outcome.NONE
    assert State.CONFIRMED not in {host.state() for host in world.hosts.values()}


@pytest.mark.parametrize("fault", ["boot", "plan", "drift"])
def test_what_is_pending_must_be_what_this_run_has_applied(fault: str) -> None:
    """By the same boot, the same plan, and on the host as it was applied; otherwise nothing is confirmed."""
    world = World(list(HOSTS))
    run = Run(world, commit_of())
    while not all(one.applied_in for one in run.heard.values()):
        run.go_on(lambda: "good")
    answer = world.hosts["c"].answer()
    changed = {
        "boot": answer._replace(boot_id="another"),
        "plan": answer._replace(fingerprint="another"),
        "drift": answer._replace(is_drifted=True),
    }[fault]
    run.heard["c"] = run.heard["c"]._replace(answer=changed)

    assert finished(run) is Outcome.NONE
    assert [one.host for one in run.sent if one.verb is Verb.CANCEL] == list(HOSTS)
    assert not [one for one in run.sent if one.verb is Verb.CONFIRM]


@pytest.mark.parametrize(
    ("refusal", "outcome"),
    [
        (Refusal.STALE, Outcome.STALE),
        (Refusal.INVALID, Outcome.NONE),
        (Refusal.CONSENT, Outcome.NONE),
        (Refusal.BUSY, Outcome.BUSY),
        (Refusal.FOLLOWING, Outcome.BUSY),
    ],
)
def test_a_host_that_cannot_take_part_ends_it_before_it_begins(refusal: Refusal, outcome: Outcome) -> None:
    """No host is touched, and the host is named with its reason; so is one that does not answer."""
    world = World(list(HOSTS))
    run = Run(world, commit_of())
    run.go_on(lambda: "good")
    run.heard["d"] = run.heard["d"]._replace(answer=world.hosts["d"].answer(refusal))

    assert finished(run) is outcome
    assert run.end == End(outcome, (("d", refusal.value),))
    assert {one.verb for one in run.sent} == {Verb.ASK}


def test_a_host_that_does_not_answer_at_the_check_ends_it() -> None:
    """As any other that cannot take part."""
    run = Run(World(list(HOSTS)), commit_of())

    assert finished(run, lambda: "lost") is Outcome.NONE
    assert {one.verb for one in run.sent} == {Verb.ASK}


def test_a_degraded_host_is_named_however_it_ends() -> None:
    """Before the first confirm and after it."""
    for confirmed in (False, True):
        world = World(list(HOSTS))
        run = Run(world, commit_of())
        while not (run.heard["a"].is_confirm_sent if confirmed else run.heard["c"].applied_in):
            run.go_on(lambda: "good")
        world.hosts["c"].states[0] = State.DEGRADED
        run.heard["c"] = run.heard["c"]._replace(answer=world.hosts["c"].answer())

        assert finished(run) is Outcome.DEGRADED
        assert run.end == End(Outcome.DEGRADED, (("c", "degraded"),))


def test_too_little_time_is_extended_before_the_first_confirm() -> None:
    """By the host's own clock."""
    world = World(list(HOSTS))
    run = Run(world, commit_of())
    while not all(one.applied_in for one in run.heard.values()):
        run.go_on(lambda: "good")
    world.pass_time(1800.0 - 30.0)

    assert finished(run) is Outcome.ALL
    assert [one.host for one in run.sent if one.verb is Verb.EXTEND] == list(HOSTS)


def test_no_host_is_cancelled_after_a_confirm_nor_confirmed_before_all_are_pending() -> None:
    """Whatever is lost, late, killed or booted, with one controller or two; `./run trials fleet` has more seeds.

    All ends are met: a sample in which nothing ever is mixed, or confirmed, would prove little.
    """
    ends = Counter(simulated(seed) for seed in range(1500))

    assert all(ends[one] > 3 for one in ("all", "none", "mixed, then all")), ends
