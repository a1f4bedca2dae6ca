"""A fleet as a controller meets it: hosts, links that lose and delay, controllers that die, two at one time.

The hosts are models of what a host promises (docs/operations.md): an id is applied once, goes back by its own timer or
at a boot, and is never applied after it was cancelled. They watch the laws at every request that takes effect, and the
runs at every request that they send.
"""

from collections.abc import Callable, Iterator
from itertools import count
from random import Random

from reconciler.fleet.commit import (
    Action,
    Answer,
    Commit,
    End,
    Heard,
    Outcome,
    PlannedHost,
    Refusal,
    Soak,
    State,
    Unreachable,
    Verb,
    next_actions,
    told,
)

FINGERPRINT = "wanted"
ENDED = (State.CANCELLED, State.EXPIRED, State.ROLLED_BACK)


class Host:
    """What one host does with requests; `others` are all hosts, for the laws."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self.clock = clock
        self.others: list[Host] = []
        self.states: dict[int, State] = {}
        self.deadline = 0.0
        self.boots = 0
        self.fingerprint = FINGERPRINT
        self.refuses = False

    def now(self) -> None:
        """Let the timer ring, if it is time."""
        for attempt, state in self.states.items():
            if state is State.PENDING and self.clock() >= self.deadline:
                self.states[attempt] = State.EXPIRED

    def state(self) -> State:
        """Of the newest attempt."""
        return self.states[max(self.states)] if self.states else State.UNKNOWN

    def boot(self) -> None:
        """What is pending does not outlive a boot."""
        self.boots += 1
        self.states = {
            attempt: State.ROLLED_BACK if state is State.PENDING else state for attempt, state in self.states.items()
        }

    def answer(self, refusal: Refusal | None = None) -> Answer:
        """How it stands."""
        return Answer(self.state(), str(self.boots), self.fingerprint, self.deadline - self.clock(), 1.0, refusal)

    def asked(self, verb: Verb, attempt: int, seconds: float) -> Answer:
        """Do what is asked, and see that the laws hold; `attempt` is part of the id that an apply brings."""
        self.now()
        before = self.state()
        answer = self._does(verb, attempt, seconds)
        self.sees_to_the_laws(verb, before)
        return answer

    def sees_to_the_laws(self, verb: Verb, before: State) -> None:
        """No host is cancelled after a confirm, none is confirmed first after a cancel, what ended is not applied."""
        after, others = self.state(), {one.name: one.state() for one in self.others if one is not self}
        confirmed = State.CONFIRMED in others.values()
        if verb is Verb.CANCEL and after is State.CANCELLED and before in {State.PENDING, State.UNKNOWN}:
            assert not confirmed, f"{self.name} is cancelled, and confirmed is one of {others}"
        if verb is Verb.CONFIRM and before is State.PENDING and after is State.CONFIRMED and not confirmed:
            assert State.CANCELLED not in others.values(), f"{self.name} is confirmed first, with {others}"
        if before is State.CONFIRMED:
            assert after is State.CONFIRMED, f"{self.name} was confirmed, and is {after} by {verb}"
        if verb is Verb.APPLY and before in {*ENDED, State.DEGRADED}:
            assert after is before, f"{self.name} was {before}, and is {after} by an apply that came late"

    def _does(self, verb: Verb, attempt: int, seconds: float) -> Answer:
        if verb in {Verb.APPLY, Verb.APPLY_AGAIN}:
            return self._applied(attempt, seconds)
        pending = self.state() is State.PENDING
        if verb is Verb.EXTEND and pending:
            self.deadline = self.clock() + seconds
        elif verb is Verb.CONFIRM and pending:
            self.states[max(self.states)] = State.CONFIRMED
        elif verb is Verb.CANCEL and (pending or not self.states):
            self.states[max(self.states, default=0)] = State.CANCELLED
        return self.answer()

    def _applied(self, attempt: int, seconds: float) -> Answer:
        if self.states.get(attempt) in ENDED or self.refuses:
            return self.answer(Refusal.STALE if self.refuses else Refusal.BUSY)
        if self.state() in {State.PENDING, State.CONFIRMED}:
            return self.answer()  # another run was quicker
        if self.state() is State.UNKNOWN or attempt > max(self.states):
            self.states[attempt], self.deadline = State.PENDING, self.clock() + seconds
        return self.answer()


class World:
    """Hosts, time, and requests that are on the way."""

    def __init__(self, names: list[str]) -> None:
        self.time = 0.0
        self.hosts: dict[str, Host] = {name: Host(name, lambda: self.time) for name in names}
        for host in self.hosts.values():
            host.others = list(self.hosts.values())
        self.late: list[Callable[[], object]] = []
        self.attempts = count(1)

    def pass_time(self, seconds: float) -> None:
        """All clocks go on."""
        self.time += seconds
        for host in self.hosts.values():
            host.now()

    def deliver(self) -> None:
        """Requests that were delayed arrive."""
        late, self.late = self.late, []
        for request in late:
            request()


class Run:
    """One run of a controller, round by round; `end` is how it ended."""

    def __init__(self, world: World, commit: Commit) -> None:
        self.world = world
        self.commit = commit
        self.heard = {one.name: Heard() for one in commit.hosts}
        self.rounds = 0
        self.has_soaked = False
        self.end: End | None = None
        self.sent: list[Action] = []

    def go_on(self, link: Callable[[], str]) -> None:
        """One round; `link` says what becomes of each request."""
        following = next_actions(self.commit, self.heard, self.rounds, has_soaked=self.has_soaked)
        if isinstance(following, End):
            self.end = following
            return
        if isinstance(following, Soak):
            self.has_soaked = True
            self.world.pass_time(following.seconds)
            return
        assert following, "a round asks somebody something"
        for action in following:
            self._send(action, link())
        self.rounds += 1

    def _send(self, action: Action, what: str) -> None:
        if action.verb is Verb.CONFIRM and not self._knows_of_a_confirm():
            waiting = [self.heard[one.name] for one in self.commit.hosts if one.has_changes]
            assert all(map(self._reported_pending, waiting)), self.heard
        host, heard = self.world.hosts[action.host], self.heard[action.host]
        attempt = next(self.world.attempts) if action.verb is Verb.APPLY_AGAIN else 0
        self.sent.append(action)
        within = self.commit.confirm_within
        answer: Answer | None = None
        if what == "delayed" and action.verb is not Verb.ASK:
            self.world.late.append(lambda: host.asked(action.verb, attempt, within))
        elif what != "lost":
            answer = host.asked(action.verb, attempt, within)
            if what == "repeated":
                answer = host.asked(action.verb, attempt, within)
        reply = Unreachable("no answer") if answer is None or what == "answer lost" else answer
        self.heard[action.host] = told(heard, action.verb, reply, self.rounds)

    def _knows_of_a_confirm(self) -> bool:
        answers = [one.answer for one in self.heard.values()]
        confirmed = any(isinstance(one, Answer) and one.state is State.CONFIRMED for one in answers)
        cancels = any(one.after_cancel is State.CONFIRMED for one in self.heard.values())
        return confirmed or cancels or any(one.is_confirm_sent for one in self.heard.values())

    def _reported_pending(self, heard: Heard) -> bool:
        """In the round before, with the boot that it was applied in, and enough time left."""
        answer = heard.answer
        return (
            isinstance(answer, Answer)
            and heard.round == self.rounds - 1
            and (answer.state, answer.boot_id) == (State.PENDING, heard.applied_in)
            and answer.seconds_left >= 60.0 + 2 * answer.round_trip
        )


HOSTS = ("a", "b", "c", "d")


def commit_of(names: tuple[str, ...] = HOSTS, **more: object) -> Commit:
    """A commit to hosts of these names, of which the second goes first and the third only gives up."""
    hosts = tuple(PlannedHost(name, FINGERPRINT, name == "b", name == "c") for name in names)
    return Commit(hosts)._replace(**more)  # type: ignore[arg-type]


def finished(run: Run, link: Callable[[], str] = lambda: "good", most: int = 60) -> Outcome:
    """How `run` ends."""
    for _ in range(most):
        if run.end:
            return run.end.outcome
        run.go_on(link)
    raise AssertionError(f"no end after {most} rounds: {run.sent[-6:]}")


def runs(world: World, commit: Commit) -> Iterator[Run]:
    """The run that has chosen the id, and any number of later ones that have found it."""
    yield Run(world, commit)
    while True:
        yield Run(world, commit._replace(is_ours=False))


LINKS = (("good", "lost", "answer lost", "delayed", "repeated"), (20, 1, 1, 2, 1))
_EVENTS = (("nothing", "late", "minutes", "an hour", "boot"), (30, 6, 2, 1, 1))


def simulated(seed: int) -> str:
    """What becomes of a commit under the faults that `seed` draws: how its last run ends, and how many were confirmed.

    After the last deadline no host is pending. When all can be reached again, a run that finds the commit confirmed
    anywhere ends with all confirmed, and any other one with none.
    """
    chance = Random(seed)
    names = HOSTS[: chance.randint(1, 4)]
    world, commit = World(list(names)), commit_of(names, batch=chance.choice([None, None, 1, 2]))
    last = driven(world, commit, chance, _happens)
    world.deliver()
    world.pass_time(7200.0)
    return _ended(world, last)


def driven(world: World, commit: Commit, chance: Random, happens: Callable[[World, Random], None]) -> Run:
    """Let controllers work on a commit, one or two at a time, that are killed at any step; the run that comes next."""
    coming = runs(world, commit)
    alive = [next(coming)]
    deadly = chance.choice([0.0, 0.02, 0.1])
    for _ in range(chance.randint(4, 40)):
        if len(alive) == 1 and chance.random() < 0.2:
            alive.append(next(coming))
        one = chance.choice(alive)
        if one.end or chance.random() < deadly:  # it is killed, and another one is started
            alive[alive.index(one)] = next(coming)
            continue
        one.go_on(lambda: chance.choices(*LINKS)[0])
        happens(world, chance)
    return next(coming)


def _happens(world: World, chance: Random) -> None:
    match chance.choices(*_EVENTS)[0]:
        case "late":
            world.deliver()
        case "minutes":
            world.pass_time(300.0)
        case "an hour":
            world.pass_time(3600.0)
        case "boot":
            chance.choice(list(world.hosts.values())).boot()


def _ended(world: World, last: Run) -> str:
    before = [host.state() for host in world.hosts.values()]
    assert State.PENDING not in before, before
    outcome = finished(last)
    after = {host.state() for host in world.hosts.values()}
    if State.CONFIRMED in before:
        assert outcome is Outcome.ALL, (outcome, before)
        assert after == {State.CONFIRMED}
    else:
        assert outcome is Outcome.NONE, (outcome, before)
        assert State.CONFIRMED not in after
    confirmed = before.count(State.CONFIRMED)
    return "all" if confirmed == len(before) else "none" if not confirmed else "mixed, then all"
