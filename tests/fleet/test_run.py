"""A run of a controller, round by round, with hosts that answer as ``history state`` does; and with earlier commits."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from reconciler.fleet.commit import Answer, Heard, Refusal, State, Unreachable
from reconciler.fleet.plan_file import Settings
from reconciler.fleet.run import PROGRESS, Kind, Progress, Reply, Stage, answer_of, result_of
from reconciler.model.codec import BadRecord
from testing.fleet_plans import WEB, fleet_host, fleet_plan, host_plan
from testing.fleet_runs import Fleet, replayed


def sends(kind: Kind, host: str = "") -> Callable[[Progress], bool]:
    """Whether a request of this kind is next, to this host if one is named."""
    return lambda progress: any(one.kind is kind and host in {"", one.host} for one in progress.requests)


def outcome(progress: Progress) -> str:
    """As the result has it."""
    return str(result_of(progress)["outcome"])


def test_what_a_host_said_and_that_it_said_nothing_are_told_apart() -> None:
    """Between two tasks of Ansible, by their members; what is neither is refused, with the field named."""
    answer = Answer(State.PENDING, "boot", "plan", 100.0, 0.5)
    plain = PROGRESS.plain(Heard(answer=answer))

    assert PROGRESS.read(Heard, plain).answer == answer
    assert PROGRESS.read(Heard, {**plain, "answer": {"why": "no route"}}).answer == Unreachable("no route")
    with pytest.raises(BadRecord, match=r"^answer\.state: 'gone' is none of"):
        PROGRESS.read(Heard, {**plain, "answer": {**plain["answer"], "state": "gone"}})


def test_all_stages_come_in_order() -> None:
    """A play each; and everything is confirmed in the end."""
    fleet = Fleet()
    ended = fleet.run(fleet_plan(settings=Settings(batch=2)))

    assert outcome(ended) == "all"
    assert fleet.states(1) == ["confirmed"] * 3
    assert fleet.stages == sorted(fleet.stages, key=list(Stage).index)
    assert set(fleet.stages) == set(Stage)
    assert result_of(ended)["hosts"][0] == {"name": "a", "state": "confirmed", "why": ""}


def test_canaries_wait_before_the_others_and_are_asked_again() -> None:
    """The wait belongs to the stage in which they apply."""
    hosts = [fleet_host(name, host_plan(name, after={"m1": WEB}), is_canary=name == "c") for name in ("c", "a", "b")]
    fleet, plan = Fleet(), fleet_plan(*hosts, settings=Settings(soak=300.0))
    waiting = fleet.run(plan, lambda progress: progress.soak is not None)

    assert (waiting.soak, waiting.stage, waiting.requests) == (300.0, Stage.APPLY, ())
    assert fleet.states(1) == ["unknown", "unknown", "pending"]
    assert outcome(Fleet().run(plan)) == "all"


def test_a_host_with_too_little_time_left_gets_more_before_the_first_confirm() -> None:
    """Then all are asked once more."""
    fleet = Fleet()
    fleet.hosts["b"].seconds = 59
    found = fleet.run(fleet_plan(), sends(Kind.EXTEND))
    assert [one.host for one in found.requests] == ["b"]

    other = Fleet()
    other.hosts["b"].seconds = 59
    assert outcome(other.run(fleet_plan())) == "all"
    assert other.hosts["b"].seconds == 1800


@pytest.mark.parametrize(
    ("kind", "states", "after"),
    [
        (Kind.APPLY, ["unknown"] * 3, ["unknown"] * 3),
        (Kind.CONFIRM, ["pending"] * 3, ["cancelled"] * 3),
    ],
)
def test_a_run_that_was_killed_before_the_first_confirm_is_cancelled_by_the_next(
    kind: Kind, states: list[str], after: list[str]
) -> None:
    """Which then makes its own commit."""
    fleet, plan = Fleet(), fleet_plan()
    fleet.run(plan, sends(kind))
    assert fleet.states(1) == states

    assert outcome(fleet.run(plan)) == "all"
    assert fleet.states(1) == after
    assert fleet.states(2) == ["confirmed"] * 3


def test_a_run_that_was_killed_between_confirms_is_ended_by_the_next() -> None:
    """Forward, and it is the same plan: nothing is left to do."""
    fleet, plan = Fleet(), fleet_plan()
    fleet.run(plan, sends(Kind.CONFIRM, "b"))
    assert fleet.states(1) == ["confirmed", "pending", "pending"]

    ended = fleet.run(plan)

    assert outcome(ended) == "all"
    assert result_of(ended)["id"] == "night-1"
    assert fleet.states(1) == ["confirmed"] * 3
    assert fleet.states(2) == ["unknown"] * 3


def test_what_has_expired_meanwhile_is_applied_again_by_another_id() -> None:
    """And confirmed; the commit is the old one."""
    fleet, plan = Fleet(), fleet_plan()
    fleet.run(plan, sends(Kind.CONFIRM, "b"))
    fleet.hosts["b"].applies["night-1"] = "expired"

    assert outcome(fleet.run(plan)) == "all"
    assert fleet.states(1) == ["confirmed"] * 3
    assert [one.startswith("again-") for one in fleet.hosts["b"].applies] == [False, True]


def test_another_plan_waits_until_the_earlier_one_has_ended() -> None:
    """What is confirmed anywhere goes forward first."""
    fleet = Fleet()
    fleet.run(fleet_plan(), sends(Kind.CONFIRM, "b"))
    hosts = tuple(fleet_host(name, host_plan(name, after={"m2": WEB})) for name in ("a", "b", "c"))

    assert outcome(fleet.run(fleet_plan(*hosts))) == "all"
    assert fleet.states(1) == fleet.states(2) == ["confirmed"] * 3


def test_another_plan_cannot_apply_again_what_the_earlier_one_wanted() -> None:
    """It does not know that: mixed, and the host is named."""
    fleet = Fleet()
    fleet.run(fleet_plan(), sends(Kind.CONFIRM, "b"))
    fleet.hosts["b"].applies["night-1"] = "expired"

    ended = result_of(fleet.run(fleet_plan(without=("z",))))

    assert (ended["id"], ended["outcome"]) == ("night-1", "mixed")
    assert [(one["name"], one["why"]) for one in ended["hosts"] if one["why"]] == [("b", "expired")]
    assert fleet.states(2) == ["unknown"] * 3


def test_a_commit_that_a_newer_one_has_followed_is_not_touched() -> None:
    """A host that was away meanwhile has still expired in it."""
    fleet = Fleet()
    fleet.run(fleet_plan(), sends(Kind.CONFIRM, "c"))
    fleet.hosts["b"].applies["night-1"], fleet.hosts["c"].applies["night-1"] = "confirmed", "expired"
    two = tuple(fleet_host(name, host_plan(name, after={"m2": WEB})) for name in ("a", "b"))
    assert outcome(fleet.run(fleet_plan(*two, without=("c",)))) == "all"

    assert outcome(fleet.run(fleet_plan())) == "all"
    assert fleet.states(1) == ["confirmed", "confirmed", "expired"]
    assert fleet.states(3) == ["confirmed"] * 3


def test_a_host_that_cannot_be_reached_fails_the_commit() -> None:
    """And is named."""
    fleet = Fleet()
    fleet.hosts["b"].coming = ["down"]

    ended = result_of(fleet.run(fleet_plan()))

    assert ended["outcome"] == "none"
    assert [one["why"] for one in ended["hosts"] if one["why"]] == ["it cannot be reached: no answer"]
    assert fleet.states(1) == ["unknown"] * 3


def test_hosts_of_an_earlier_commit_that_are_not_in_this_run_decide_nothing_here() -> None:
    """What a host decides that this run does not have stays: busy, and the commit is named."""
    fleet = Fleet()
    fleet.run(fleet_plan(), sends(Kind.CONFIRM))
    two = tuple(fleet_host(name, host_plan(name, after={"m1": WEB})) for name in ("b", "c"))

    ended = result_of(fleet.run(fleet_plan(*two)))

    assert ended["outcome"] == "busy"
    assert [one["why"] for one in ended["hosts"]] == ["busy: the apply night-1 waits to be confirmed there"] * 2
    assert fleet.states(1) == ["pending"] * 3


@pytest.mark.parametrize(
    ("state", "reply", "expected"),
    [
        ({"state": "unknown", "mode": "following"}, Reply(), Refusal.FOLLOWING),
        ({"state": "unknown", "pending": {"id": "x"}}, Reply(), Refusal.BUSY),
        ({"state": "unfinished"}, Reply(), Refusal.BUSY),
        ({"state": "unknown"}, Reply(refusal="consent"), Refusal.CONSENT),
        ({"state": "unknown"}, Reply(refusal="usage"), Refusal.INVALID),
        ({"state": "unknown"}, Reply(), None),
    ],
)
def test_why_a_host_cannot_take_part_is_one_of_few_reasons(
    state: Mapping[str, Any], reply: Reply, expected: Refusal | None
) -> None:
    """Also where reconcile has refused for another reason."""
    answer = answer_of(reply._replace(state=state))

    assert isinstance(answer, Answer)
    assert (answer.state, answer.refusal) == (State.UNKNOWN, expected)


def test_what_is_no_answer_counts_as_none() -> None:
    """A text, a state that is not known, or nothing."""
    assert [answer_of(Reply(state=one)) for one in (None, "x", {}, {"state": "new"})] == [
        Unreachable("its answer is not understood")
    ] * 4


@pytest.mark.parametrize("seed", range(40))
def test_after_faults_of_links_a_second_run_ends_what_the_first_has_left(seed: int) -> None:
    """All hosts are at the target in the end, by one commit or by the other one."""
    found = replayed(Fleet(), seed)

    assert found.outcomes[1] in {"all", "stale"}, found
    assert {"confirmed"} in ({*states} for states in found.states), found
