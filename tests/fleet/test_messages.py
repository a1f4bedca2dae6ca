"""What is carried between tasks of Ansible; `testing.fleet` makes runs, whose values are real ones."""

import json

import pytest

from reconciler.fleet.commit import Answer, Commit, End, Heard, Outcome, Soak, State, Unreachable, next_actions
from reconciler.fleet.messages import EXCHANGED, NextStep, next_step
from reconciler.model.codec import BadRecord
from testing.fleet import HOSTS, Run, World, commit_of


@pytest.mark.parametrize("is_one_lost", [False, True])
def test_a_run_can_be_carried_as_json_from_round_to_round(is_one_lost: bool) -> None:
    """Nothing that decides is lost on the way, whether hosts answer or not."""
    run = Run(World(list(HOSTS)), commit_of(batch=2, soak=10.0))
    links = ["lost" if is_one_lost and number == 6 else "good" for number in range(200)]
    while not run.end:
        run.go_on(lambda: links.pop(0))
        carried = json.loads(json.dumps({name: EXCHANGED.plain(one) for name, one in run.heard.items()}))
        run.heard = {name: EXCHANGED.read(Heard, one) for name, one in carried.items()}
        commit = EXCHANGED.read(Commit, json.loads(json.dumps(EXCHANGED.plain(run.commit))))
        following = next_step(next_actions(commit, run.heard, run.rounds, has_soaked=run.has_soaked))
        assert EXCHANGED.read(NextStep, json.loads(json.dumps(EXCHANGED.plain(following)))) == following

    assert run.end.outcome is (Outcome.NONE if is_one_lost else Outcome.ALL)


def test_a_step_is_actions_a_wait_or_the_end() -> None:
    """Exactly one of the three is there."""
    end = End(Outcome.STALE, (("a", "stale"),))

    assert next_step(end) == NextStep(end=end)
    assert next_step(Soak(5.0)) == NextStep(soak=5.0)
    assert next_step(()) == NextStep()


def test_what_a_host_said_and_that_it_said_nothing_are_told_apart() -> None:
    """By their members; what is neither is refused, with the field named."""
    answer = Answer(State.PENDING, "boot", "plan", 100.0, 0.5)
    plain = EXCHANGED.plain(Heard(answer=answer))

    assert EXCHANGED.read(Heard, plain).answer == answer
    assert EXCHANGED.read(Heard, {**plain, "answer": {"why": "no route"}}).answer == Unreachable("no route")
    with pytest.raises(BadRecord, match=r"^answer\.state: 'gone' is none of"):
        EXCHANGED.read(Heard, {**plain, "answer": {**plain["answer"], "state": "gone"}})
