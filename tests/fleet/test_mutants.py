"""Each law of a commit to several hosts is one: a program that breaks it is caught by the simulation."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import pytest

from reconciler.fleet import commit
from reconciler.fleet.commit import Action, Next, State, Verb
from reconciler.machines import hmc_changes
from reconciler.operations import apply
from testing.fleet import Host, Run, simulated
from testing.fleet_hosts import Hmc, RealHost, RealWorld, ended, without_faults

SEEDS: Final = 400
"""In so many a mutant of the decisions, or of a model of a host, is caught."""


class Mutant(NamedTuple):
    """What is put in the place of `name` of `where`, and what its laws say then."""

    where: object
    name: str
    by: object
    caught: str


_applied = commit._applied


def _confirmed_at_once(view: commit._View, waiting: Sequence[str], *, has_soaked: bool) -> Next:
    if view.state(view.first) is State.PENDING:
        return (Action(Verb.CONFIRM, view.first),)
    return _applied(view, waiting, has_soaked=has_soaked)


_why = commit._View._why


def _why_but_for_boots(self: commit._View, host: commit.PlannedHost) -> str:
    found = _why(self, host)
    return "" if found in {State.ROLLED_BACK, "it was booted meanwhile"} else found


def _applied_whatever_came_before(self: Host, attempt: int, seconds: float) -> commit.Answer:
    self.states[attempt], self.deadline = State.PENDING, self.clock() + seconds
    return self.answer()


MUTANTS: Final = {
    "confirm before all have applied": Mutant(commit, "_applied", _confirmed_at_once, "Heard"),
    "confirm after a reboot": Mutant(commit._View, "_why", _why_but_for_boots, "Heard"),
    "cancel after a confirm": Mutant(commit._View, "may_be_confirmed", False, "is cancelled, and confirmed is one of"),
    "no timer": Mutant(Host, "now", lambda _host: None, "PENDING"),
    "apply after cancel": Mutant(Host, "_applied", _applied_whatever_came_before, "by an apply that came late"),
}


def broken(run: Callable[[int], object], seeds: int) -> Iterator[str]:
    """What each seed says whose laws are broken."""
    for seed in range(seeds):
        try:
            run(seed)
        except AssertionError as law:
            yield str(law)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the law that it breaks; the program itself breaks none with the same seeds."""
    mutant = MUTANTS[name]
    assert not list(broken(simulated, SEEDS))

    monkeypatch.setattr(mutant.where, mutant.name, mutant.by)

    assert any(mutant.caught in one for one in broken(simulated, SEEDS))


@pytest.fixture
def world(tmp_path: Path) -> RealWorld:
    """Two real hosts, between whose LPARs a card moves."""
    return RealWorld(("a", "c"), tmp_path, Random(1))


def test_a_real_host_without_a_timer_is_caught(world: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no controller confirms stays on it."""
    world.real["a"].asked(Verb.APPLY, 0, 300.0)
    monkeypatch.setattr(RealHost, "now", lambda _host: None)
    world.is_over()

    with pytest.raises(AssertionError, match="a is expired, and as at its target"):
        ended(world, Run(world, world.commit(Random(1))._replace(is_ours=False)), Random(1))


def test_a_real_host_that_applies_what_was_cancelled_is_caught(
    world: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An apply that was on the way when it was cancelled comes late; the host itself refuses it."""
    host = world.real["a"]
    host.asked(Verb.APPLY, 0, 300.0)
    host.asked(Verb.CANCEL, 0, 300.0)
    assert host.asked(Verb.APPLY, 0, 300.0).state is State.CANCELLED
    monkeypatch.setattr(apply, "refuse_repeated", lambda *_, **_more: None)

    with pytest.raises(AssertionError, match="a was cancelled, and is pending by an apply that came late"):
        host.asked(Verb.APPLY, 0, 300.0)


def test_additions_before_removals_are_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A work list for the HMC whose steps wait for no others: the hypervisor would refuse the queue."""
    monkeypatch.setattr(hmc_changes, "_needed", lambda *_: iter(()))

    found = next(broken(lambda seed: without_faults(seed, tmp_path / str(seed)), 12))

    assert "is added to a before it is removed from ['c']" in found


def test_a_removal_from_a_host_that_still_authorises_is_caught(world: RealWorld) -> None:
    """As if the list were worked on before the commit is confirmed."""
    with pytest.raises(AssertionError, match="are removed from c, which authorises them still"):
        Hmc(world, Random(1)).works()
