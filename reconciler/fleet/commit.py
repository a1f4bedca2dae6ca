"""A commit to several hosts: what a controller does next, from what every host has answered. A pure function.

Two phases: every host applies, to be confirmed, and goes back by its own timer if nothing comes; once all are pending,
they are confirmed. **The first host of the list decides**: it is confirmed alone and first, and who finds a commit of
another controller cancels it there first. Whatever is lost or killed, and however many controllers there are, no host
is cancelled after the first confirm, and none is confirmed after the first host was cancelled (see `tests/fleet/`).
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

MARGIN_SECONDS: Final = 60.0
"""What must be left before the first confirm, beside twice the round trip."""

MOST_TRIES: Final = 3
"""How often a host that cannot be reached is asked about a confirm whose answer was lost."""


class State(StrEnum):
    """What a host says of the commit."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    ROLLED_BACK = "rolled-back"
    DEGRADED = "degraded"


class Refusal(StrEnum):
    """Why a host cannot take part."""

    STALE = "stale"
    INVALID = "invalid"
    CONSENT = "consent"
    BUSY = "busy"
    FOLLOWING = "following"


class Answer(NamedTuple):
    """What a host said last.

    Attributes:
        state: of this commit.
        boot_id: of the host's present boot.
        fingerprint: of the plan that is pending; of the one it would make now where the commit is unknown to it.
        seconds_left: until a pending one is rolled back, by the host's own clock.
        round_trip: how long the answer took, in seconds, by the controller's clock.
        refusal: why it cannot take part; None where it can.
        is_drifted: whether what is pending is not on the host as it was applied.
    """

    state: State
    boot_id: str
    fingerprint: str
    seconds_left: float = 0.0
    round_trip: float = 0.0
    refusal: Refusal | None = None
    is_drifted: bool = False


class Unreachable(NamedTuple):
    """A host that did not answer."""

    why: str


class Heard(NamedTuple):
    """What this run knows of one host.

    Attributes:
        answer: the newest but that to a cancel; None where the host was not asked yet.
        after_cancel: its state in the answer to this run's cancel; None where there is none.
        round: in which round that was; None where it was in none.
        applied_in: the boot id in the answer to this run's apply; empty where this run has not applied there.
        is_confirm_sent: whether this run has sent it a confirm, answered or not.
        is_cancel_sent: likewise a cancel.
        is_applied_again: whether this run has applied there again, after the commit was confirmed elsewhere.
        tries: how often it did not answer, one after the other.
    """

    answer: Answer | Unreachable | None = None
    round: int | None = None
    applied_in: str = ""
    is_confirm_sent: bool = False
    is_cancel_sent: bool = False
    is_applied_again: bool = False
    tries: int = 0
    after_cancel: State | None = None


class PlannedHost(NamedTuple):
    """One host of a commit.

    Attributes:
        name: of the Host.
        fingerprint: of the plan that was reviewed.
        is_canary: whether it goes first.
        only_gives_up: whether its plan only takes queues away, so that it goes before those that get some.
        has_changes: whether its plan does anything. A host where there is nothing to do is checked with the others and
            has no part in what follows, since it would have nothing to confirm and nothing to roll back.
    """

    name: str
    fingerprint: str
    is_canary: bool = False
    only_gives_up: bool = False
    has_changes: bool = True


class Commit(NamedTuple):
    """What is committed.

    Attributes:
        hosts: in order; the first one with changes decides.
        is_ours: whether this run has chosen the id; False where it was found on the hosts.
        confirm_within: seconds.
        batch: how many hosts apply at one time; None for all.
        soak: seconds between the canaries and the others.
    """

    hosts: tuple[PlannedHost, ...]
    is_ours: bool = True
    confirm_within: float = 1800.0
    batch: int | None = None
    soak: float = 0.0


class Verb(StrEnum):
    """What is asked of a host."""

    ASK = "ask"
    APPLY = "apply"
    EXTEND = "extend"
    CONFIRM = "confirm"
    CANCEL = "cancel"
    APPLY_AGAIN = "apply-again"
    """By another id, since the first one was confirmed elsewhere and has ended here."""


class Action(NamedTuple):
    """One request to one host; those of one round are sent at the same time."""

    verb: Verb
    host: str


class Soak(NamedTuple):
    """Wait so many seconds, then go on."""

    seconds: float


class Outcome(StrEnum):
    """How a run ends."""

    ALL = "all"
    STALE = "stale"
    NONE = "none"
    DEGRADED = "degraded"
    BUSY = "busy"
    MIXED = "mixed"


class End(NamedTuple):
    """The run has ended; `hosts` are those to be named, with the reason."""

    outcome: Outcome
    hosts: tuple[tuple[str, str], ...] = ()


Next: TypeAlias = tuple[Action, ...] | Soak | End


def next_actions(commit: Commit, heard: Mapping[str, Heard], round: int, *, has_soaked: bool = False) -> Next:
    """What to do next.

    Args:
        commit: what is committed.
        heard: what is known of each host of it.
        round: the number of this round, from 0. An answer is fresh where it is of the round before: nothing was asked
            of any host since.
        has_soaked: whether the time after the canaries is over.
    """
    view = _View(commit, heard, round)
    if unasked := [one.name for one in commit.hosts if heard[one.name].answer is None]:
        return _each(Verb.ASK, unasked)
    if not view.names:
        failed = view.failures()
        return End(_never_begun(failed), failed) if failed else End(Outcome.ALL)
    if view.may_be_confirmed:
        return _forward(view)
    if not commit.is_ours:
        return _taken_back(view)
    if failed := view.failures():
        return _given_up(view, failed)
    if waiting := view.named(State.UNKNOWN):
        return _applied(view, waiting, has_soaked=has_soaked)
    return _confirmed(view)


def told(heard: Heard, verb: Verb, reply: Answer | Unreachable, round: int) -> Heard:
    """What is known of a host after one request.

    A run must note a request that it sent even where no answer came, and none may be noted twice: every later decision
    of `next_actions` rests on this.

    Args:
        heard: what was known before.
        verb: what was asked of it.
        reply: what it answered, or that no answer came.
        round: the number of the round in which that was.
    """
    heard = heard._replace(
        round=round,
        tries=heard.tries + 1 if isinstance(reply, Unreachable) else 0,
        is_confirm_sent=heard.is_confirm_sent or verb is Verb.CONFIRM,
        is_cancel_sent=heard.is_cancel_sent or verb is Verb.CANCEL,
        is_applied_again=heard.is_applied_again or verb is Verb.APPLY_AGAIN,
    )
    if verb is Verb.CANCEL:  # the answer before stays: it is the reason for which everything is cancelled
        return heard if isinstance(reply, Unreachable) else heard._replace(after_cancel=reply.state)
    if verb is Verb.APPLY and isinstance(reply, Answer) and not reply.refusal:
        return heard._replace(answer=reply, applied_in=reply.boot_id)
    return heard._replace(answer=reply)


class _View:
    """The answers, as the decisions ask for them."""

    def __init__(self, commit: Commit, heard: Mapping[str, Heard], round: int) -> None:
        self.commit = commit
        self.heard = heard
        self.round = round
        self.changed = tuple(one for one in commit.hosts if one.has_changes)
        self.names = tuple(one.name for one in self.changed)
        self.first = self.names[0] if self.names else ""

    def state(self, name: str) -> State | None:
        """None where it did not answer."""
        heard = self.heard[name]
        if heard.after_cancel:
            return heard.after_cancel
        return heard.answer.state if isinstance(heard.answer, Answer) else None

    def named(self, *states: State | None) -> list[str]:
        """The hosts in one of `states`, in order."""
        return [name for name in self.names if self.state(name) in states]

    @property
    def may_be_confirmed(self) -> bool:
        """Whether a host is confirmed, or may be: from then on nothing is cancelled."""
        return bool(self.named(State.CONFIRMED)) or self.heard[self.first].is_confirm_sent

    @property
    def has_begun(self) -> bool:
        return any(one.applied_in or one.is_cancel_sent for one in self.heard.values()) or bool(
            self.named(State.PENDING)
        )

    def is_fresh(self, name: str) -> bool:
        """Whether nothing was asked of any host since it answered."""
        return self.heard[name].round == self.round - 1

    def failures(self) -> tuple[tuple[str, str], ...]:
        """The hosts because of which nothing can be committed, with the reason; of those without changes at first."""
        concerned = self.commit.hosts if not self.has_begun else self.changed
        return tuple((one.name, why) for one in concerned if (why := self._why(one)))

    def _why(self, host: PlannedHost) -> str:
        heard = self.heard[host.name]
        answer = heard.answer
        if not isinstance(answer, Answer):
            return f"it cannot be reached: {answer.why}" if answer else "it was not asked"
        if answer.refusal:
            return answer.refusal.value
        if answer.state is State.UNKNOWN:
            if heard.applied_in:
                return "what was applied is gone"
            return "" if answer.fingerprint == host.fingerprint else Refusal.STALE.value
        if answer.state is not State.PENDING:
            return answer.state.value
        if not heard.applied_in:
            return "pending, by another run"
        if answer.boot_id != heard.applied_in:
            return "it was booted meanwhile"
        if answer.fingerprint != host.fingerprint:
            return "another plan is pending"
        return "it was changed meanwhile" if answer.is_drifted else ""


def _each(verb: Verb, names: Iterable[str]) -> tuple[Action, ...]:
    return tuple(Action(verb, name) for name in names)


def _applied(view: _View, waiting: Sequence[str], *, has_soaked: bool) -> Next:
    """Apply on those of the next group that still wait: canaries, then those that only give up, then the rest."""
    by_name = {one.name: one for one in view.changed}
    groups = (
        [name for name in waiting if by_name[name].is_canary],
        [name for name in waiting if by_name[name].only_gives_up and not by_name[name].is_canary],
        [name for name in waiting if not (by_name[name].is_canary or by_name[name].only_gives_up)],
    )
    group = next(one for one in groups if one)
    canaries_are_done = group is not groups[0] and any(one.is_canary for one in view.changed)
    if canaries_are_done and view.commit.soak:
        if not has_soaked:
            return Soak(view.commit.soak)
        if stale := [name for name in view.named(State.PENDING) if view.heard[name].round is None]:
            return _each(Verb.ASK, stale)
    return _each(Verb.APPLY, group[: view.commit.batch])


def _confirmed(view: _View) -> Next:
    """All are pending: ask once more, extend where too little time is left, then confirm where it is decided."""
    if not all(map(view.is_fresh, view.names)):
        return _each(Verb.ASK, view.names)
    if short := [name for name in view.names if _is_short(view.heard[name].answer)]:
        return _each(Verb.EXTEND, short)
    return (Action(Verb.CONFIRM, view.first),)


def _is_short(answer: Answer | Unreachable | None) -> bool:
    return isinstance(answer, Answer) and answer.seconds_left < 2 * answer.round_trip + MARGIN_SECONDS


def _given_up(view: _View, failed: tuple[tuple[str, str], ...]) -> Next:
    """Something failed before the first confirm of this run, which alone may send that: cancel in any order."""
    if not view.has_begun:
        return End(_never_begun(failed), failed)
    return _cancelled(view, view.names, failed)


def _never_begun(failed: Sequence[tuple[str, str]]) -> Outcome:
    reasons = {why for _, why in failed}
    if State.DEGRADED.value in reasons:
        return Outcome.DEGRADED
    if reasons & {Refusal.BUSY.value, Refusal.FOLLOWING.value}:
        return Outcome.BUSY
    return Outcome.STALE if reasons <= {Refusal.STALE.value} else Outcome.NONE


def _cancelled(view: _View, names: Sequence[str], failed: tuple[tuple[str, str], ...]) -> Next:
    """Cancel on each of `names` once, also where the commit is not known: so that a late apply is refused there."""
    left = [
        name
        for name in names
        if not view.heard[name].is_cancel_sent and view.state(name) in {State.PENDING, State.UNKNOWN, None}
    ]
    if left:
        return _each(Verb.CANCEL, left)
    degraded = tuple((name, State.DEGRADED.value) for name in view.named(State.DEGRADED))
    if degraded:
        return End(Outcome.DEGRADED, degraded)
    return End(Outcome.NONE, failed)


def _taken_back(view: _View) -> Next:
    """A commit of another run that is confirmed nowhere, as far as hosts answer: the first host decides."""
    first = view.state(view.first)
    why = tuple((name, "pending, by another run") for name in view.named(State.PENDING))
    if first is None:
        return End(Outcome.MIXED, ((view.first, "it decides, and cannot be reached"),))
    if first in {State.PENDING, State.UNKNOWN} and not view.heard[view.first].is_cancel_sent:
        return (Action(Verb.CANCEL, view.first),)
    if first in {State.PENDING, State.UNKNOWN}:  # it answered something else than that it is cancelled
        return End(Outcome.MIXED, ((view.first, "it could not be cancelled"),))
    return _cancelled(view, view.names[1:], why)


_ENDED: Final = frozenset({State.UNKNOWN, State.CANCELLED, State.EXPIRED, State.ROLLED_BACK})


def _forward(view: _View) -> Next:
    """The first host is confirmed, or may be: everything that can be confirmed is, and nothing is cancelled."""
    first = view.state(view.first)
    if first is not State.CONFIRMED:
        if first is None and view.heard[view.first].tries < MOST_TRIES and not view.named(State.CONFIRMED):
            return (Action(Verb.ASK, view.first),)
        if not view.named(State.CONFIRMED):
            return _undecided(view, first)
    if pending := view.named(State.PENDING):
        return _each(Verb.CONFIRM, pending)
    unsure = [name for name in view.named(None) if view.heard[name].tries < MOST_TRIES]
    if unsure:
        return _each(Verb.ASK, unsure)
    behind = [name for name in view.names if view.state(name) is not State.CONFIRMED]
    if not behind:
        return End(Outcome.ALL)
    if again := [name for name in behind if view.state(name) in _ENDED and not view.heard[name].is_applied_again]:
        return _each(Verb.APPLY_AGAIN, again[: view.commit.batch])
    if degraded := view.named(State.DEGRADED):
        return End(Outcome.DEGRADED, tuple((name, State.DEGRADED.value) for name in degraded))
    return End(Outcome.MIXED, tuple((name, _words(view.state(name))) for name in behind))


def _undecided(view: _View, first: State | None) -> Next:
    """A confirm was sent to the first host, and it is not known to be confirmed."""
    if first is State.PENDING:
        return (Action(Verb.CONFIRM, view.first),) if view.heard[view.first].tries == 0 else _end_undecided(view)
    if first in {State.CANCELLED, State.EXPIRED, State.ROLLED_BACK, State.UNKNOWN}:
        # It was cancelled before the confirm came, or is back by its own timer: it can never be confirmed any more.
        return _cancelled(view, view.names[1:], ((view.first, _words(first)),))
    if first is State.DEGRADED:
        return End(Outcome.DEGRADED, ((view.first, State.DEGRADED.value),))
    return _end_undecided(view)


def _end_undecided(view: _View) -> End:
    return End(Outcome.MIXED, ((view.first, "it decides, and cannot be reached"),))


def _words(state: State | None) -> str:
    return "it cannot be reached" if state is None else state.value
