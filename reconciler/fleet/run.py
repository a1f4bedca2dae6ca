"""One run of a controller, from round to round: what is asked of which host, from what all of them have answered. Pure.

The action plugins of the collection carry a `Progress` from task to task and send its requests; all else is decided
here and in `reconciler.fleet.commit`. First every host says which commit to several hosts it was a part of last. One
that has not ended is ended before anything new begins: forward where a host has confirmed it, back where none has. It
counts as superseded, and is not touched, where a host on which it is confirmed has been a part of a newer one since.
"""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final, NamedTuple

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
from reconciler.fleet.plan_file import FleetPlan, commit_of, fleet_commit_of
from reconciler.model.codec import BadRecord, Codec
from reconciler.model.outcome import FleetCommit


class Kind(StrEnum):
    """What a request asks of a host."""

    FIND = "find"  # which commit to several hosts was the last one
    CHECK = "check"  # how this commit stands; where it is unknown, what an apply would do
    ASK = "ask"  # how this commit stands
    APPLY = "apply"
    EXTEND = "extend"
    CONFIRM = "confirm"
    CANCEL = "cancel"


class Stage(StrEnum):
    """The parts of a run, in order: a play of Ansible each."""

    EARLIER = "earlier"
    CHECK = "check"
    APPLY = "apply"
    END = "end"


class Request(NamedTuple):
    """One request to one host.

    Attributes:
        host: which one.
        kind: what is asked.
        verb: the same in `reconciler.fleet.commit`; None for FIND.
        id: of the apply.
        fleet: of the commit; another one than `id` where it is applied again.
    """

    host: str
    kind: Kind
    verb: Verb | None
    id: str
    fleet: str


class Reply(NamedTuple):
    """What came back from a host.

    Attributes:
        unreachable: why no answer came; empty where one did.
        state: what ``reconcile history state -o json`` printed; None where there is none.
        refusal: why the apply was refused or would be, as ``apply -o json`` says it, or the exit code as one word.
        fingerprint: of the plan that was made; empty where none was.
        why: what the host said, for people.
        round_trip: how long the answer took, in seconds, by the controller's clock.
    """

    unreachable: str = ""
    state: Any = None
    refusal: str = ""
    fingerprint: str = ""
    why: str = ""
    round_trip: float = 0.0


class Newest(NamedTuple):
    """What a host said of the last commit that it was a part of.

    Attributes:
        fleet: that commit; None where there was none.
        state: how it stands there.
    """

    fleet: FleetCommit | None
    state: State


class Progress(NamedTuple):
    """How far a run is.

    Attributes:
        id: of the commit that this run makes.
        newest: by host, what it said first; None where it did not answer.
        earlier: the commit of another run that is ended now; None where there is none, or not yet.
        ended: the ids of those that were.
        heard: by host, of the commit that this is about now.
        applies: by host, the id of its apply where that is not the commit's.
        said: by host, what it said last, for people.
        round: of the commit that this is about now.
        has_soaked: whether the time after the canaries is over.
        requests: what is to be sent in this round.
        soak: how many seconds to wait first; None where there is nothing to wait for.
        end: how the run has ended; None where it has not.
    """

    id: str
    newest: Mapping[str, Newest | None] = {}
    earlier: FleetCommit | None = None
    ended: tuple[str, ...] = ()
    heard: Mapping[str, Heard] = {}
    applies: Mapping[str, str] = {}
    said: Mapping[str, str] = {}
    round: int = 0
    has_soaked: bool = False
    requests: tuple[Request, ...] = ()
    soak: float | None = None
    end: End | None = None

    @property
    def stage(self) -> Stage:
        """The stage to which the requests belong."""
        kinds = {one.kind for one in self.requests}
        if Kind.FIND in kinds or self.earlier:
            return Stage.EARLIER
        if self.end or self._is_decided or kinds & {Kind.CONFIRM, Kind.CANCEL}:
            return Stage.END
        has_begun = any(one.applied_in for one in self.heard.values())
        return Stage.APPLY if has_begun or Kind.APPLY in kinds or self.soak is not None else Stage.CHECK

    @property
    def _is_decided(self) -> bool:
        return any(one.is_confirm_sent or one.is_cancel_sent for one in self.heard.values())


PROGRESS: Final = Codec()
"""Writes and reads a `Progress` and a `Reply` as plain values."""

NOT_HERE: Final = "it is not one of the hosts of this run"

_STATES: Final[Mapping[str, State]] = {
    "unknown": State.UNKNOWN,
    "unfinished": State.UNKNOWN,
    "pending": State.PENDING,
    "confirmed": State.CONFIRMED,
    "nothing to do": State.CONFIRMED,
    "cancelled": State.CANCELLED,
    "expired": State.EXPIRED,
    "rebooted": State.ROLLED_BACK,
    "rolled back": State.ROLLED_BACK,
    "degraded": State.DEGRADED,
    "forgotten": State.ROLLED_BACK,  # it ended long ago
}

_REFUSALS: Final[Mapping[str, Refusal]] = {one.value: one for one in Refusal}


def answer_of(reply: Reply) -> Answer | Unreachable:
    """What `reply` says of the commit that was asked about."""
    if reply.unreachable:
        return Unreachable(reply.unreachable)
    found = reply.state
    if not isinstance(found, Mapping) or found.get("state") not in _STATES:
        return Unreachable(reply.why or "its answer is not understood")
    state = _STATES[found["state"]]
    seconds = float(found.get("secondsLeft") or 0)
    boot, is_drifted = str(found.get("bootId") or ""), found.get("isDrifted") is True
    if state is not State.UNKNOWN:
        return Answer(state, boot, str(found.get("fingerprint") or ""), seconds, reply.round_trip, None, is_drifted)
    refusal = _REFUSALS.get(reply.refusal, Refusal.INVALID) if reply.refusal else None
    if found["state"] == "unfinished" or found.get("pending"):
        refusal = Refusal.BUSY
    elif found.get("mode") == "following":
        refusal = Refusal.FOLLOWING
    return Answer(state, boot, reply.fingerprint, seconds, reply.round_trip, refusal)


def advanced(plan: FleetPlan, progress: Progress, replies: Mapping[str, Reply], here: Collection[str]) -> Progress:
    """The run after the replies to the requests of `progress`, with the requests of the next round.

    Args:
        plan: what was reviewed.
        progress: how far the run is.
        replies: by host; a host without one gave no answer.
        here: the names of all hosts that this run can reach.
    """
    return _decided(plan, _heard(progress, replies, here), here)


def _heard(progress: Progress, replies: Mapping[str, Reply], here: Collection[str]) -> Progress:
    newest, heard = {**progress.newest}, {**progress.heard}
    applies, said = {**progress.applies}, {**progress.said}
    for request in progress.requests:
        name = request.host
        reply = replies.get(name) or Reply("no answer" if name in here else NOT_HERE)
        said[name] = reply.unreachable or reply.why or _waiting(reply.state)
        if request.verb is None:
            newest[name] = _newest_of(reply)
            continue
        heard[name] = told(heard[name], request.verb, answer_of(reply), progress.round)
        if isinstance(reply.state, Mapping) and reply.state.get("id"):
            applies[name] = str(reply.state["id"])
    has_asked = any(one.verb for one in progress.requests)
    has_soaked = progress.has_soaked or progress.soak is not None
    return progress._replace(
        newest=newest,
        heard=heard,
        applies=applies,
        said=said,
        round=progress.round + has_asked,
        has_soaked=has_soaked,
        requests=(),
        soak=None,
    )


def _waiting(state: Any) -> str:
    other = state.get("pending") if isinstance(state, Mapping) else None
    return f"the apply {other.get('id') or other.get('generation')} waits to be confirmed there" if other else ""


def _newest_of(reply: Reply) -> Newest | None:
    found = reply.state
    if reply.unreachable or not isinstance(found, Mapping) or found.get("state") not in _STATES:
        return None
    try:
        fleet = PROGRESS.read(FleetCommit, found["fleet"]) if found.get("fleet") else None
    except BadRecord:
        return None
    # One that is unfinished waits like one that is pending: it is recovered by the next request.
    return Newest(fleet, State.PENDING if found["state"] == "unfinished" else _STATES[found["state"]])


def _decided(plan: FleetPlan, progress: Progress, here: Collection[str]) -> Progress:
    if progress.end:
        return progress
    if unasked := [name for name in here if name not in progress.newest]:
        return progress._replace(requests=tuple(Request(name, Kind.FIND, None, "", "") for name in unasked))
    if not progress.earlier and not progress.heard:
        earlier = _unfinished(plan, progress)
        names = earlier.hosts if earlier else tuple(one.name for one in plan.hosts)
        fresh = dict.fromkeys(names, Heard())
        progress = progress._replace(earlier=earlier, heard=fresh, applies={}, round=0, has_soaked=False)
    if progress.earlier and _is_superseded(progress, progress.earlier):
        return _decided(plan, _without_earlier(progress), here)
    commit = commit_of(plan)
    if progress.earlier:
        hosts = tuple(PlannedHost(name, "") for name in progress.earlier.hosts)
        commit = Commit(hosts, False, plan.settings.confirm_within, plan.settings.batch)
    following = next_actions(commit, progress.heard, progress.round, has_soaked=progress.has_soaked)
    if isinstance(following, Soak):
        return progress._replace(soak=following.seconds)
    if isinstance(following, End):
        return _ended(plan, progress, following, here)
    return _requested(plan, progress, following, here)


def _requested(plan: FleetPlan, progress: Progress, actions: Sequence[Action], here: Collection[str]) -> Progress:
    fleet = progress.earlier.id if progress.earlier else progress.id
    if progress.earlier and not _is_same(plan, progress, progress.earlier):
        # What another plan wants is not known here: its hosts stay as they are, and are named at the end.
        again = [one for one in actions if one.verb is Verb.APPLY_AGAIN]
        heard = {**progress.heard}
        for one in again:
            answer = heard[one.host].answer
            assert answer
            heard[one.host] = told(heard[one.host], one.verb, answer, progress.round)
        if again:
            return _decided(plan, progress._replace(heard=heard, round=progress.round + 1), here)
    requests = []
    for verb, name in actions:
        apply_id = progress.applies.get(name, fleet)
        if verb is Verb.APPLY_AGAIN:
            apply_id = f"again-{sha256(f'{progress.id} {fleet} {name}'.encode()).hexdigest()[:32]}"
        requests.append(Request(name, _kind(progress, verb, name), verb, apply_id, fleet))
    return progress._replace(requests=tuple(requests))


def _kind(progress: Progress, verb: Verb, name: str) -> Kind:
    match verb:
        case Verb.ASK:
            return Kind.ASK if progress.earlier or progress.heard[name].applied_in else Kind.CHECK
        case Verb.APPLY_AGAIN:
            return Kind.APPLY
    return Kind(verb.name.lower())


def _unfinished(plan: FleetPlan, progress: Progress) -> FleetCommit | None:
    """A commit of an earlier run that has not ended, as far as hosts say of the newest one of each."""
    newest = {name: one for name, one in progress.newest.items() if one}
    commits = {one.fleet.id: one.fleet for one in newest.values() if one.fleet}
    for one_id, commit in sorted(commits.items()):
        if one_id in progress.ended or one_id == progress.id:
            continue
        there = [one.state for one in newest.values() if one.fleet and one.fleet.id == one_id]
        if State.PENDING in there:
            return commit
        names = commit.hosts if _is_like(plan, commit) else [name for name in commit.hosts if name in newest]
        if State.CONFIRMED in there and any(_is_behind(newest.get(name), one_id) for name in names):
            return commit
    return None


def _is_behind(newest: Newest | None, id: str) -> bool:
    return newest is None or newest.fleet is None or newest.fleet.id != id or newest.state is not State.CONFIRMED


def _is_superseded(progress: Progress, earlier: FleetCommit) -> bool:
    """Whether a host on which `earlier` is confirmed has been a part of a newer commit since."""
    for name in earlier.hosts:
        answer, newest = progress.heard[name].answer, progress.newest.get(name)
        is_confirmed = isinstance(answer, Answer) and answer.state is State.CONFIRMED
        if is_confirmed and newest and newest.fleet and newest.fleet.id != earlier.id:
            return True
    return False


def _without_earlier(progress: Progress) -> Progress:
    assert progress.earlier
    return progress._replace(earlier=None, heard={}, ended=(*progress.ended, progress.earlier.id))


def _is_like(plan: FleetPlan, commit: FleetCommit) -> bool:
    """Whether `commit` is of the same hosts and the same git commit as `plan`, as far as it says."""
    ours = fleet_commit_of(plan, commit.id)
    return (ours.hosts, ours.commit, ours.without) == (commit.hosts, commit.commit, commit.without)


def _is_same(plan: FleetPlan, progress: Progress, commit: FleetCommit) -> bool:
    """Whether `commit` is what `plan` says, by the fingerprints that its hosts have recorded."""
    planned = {one.name: one.fingerprint for one in plan.hosts}
    return _is_like(plan, commit) and all(
        one.answer.fingerprint == planned[name]
        for name, one in progress.heard.items()
        if isinstance(one.answer, Answer) and one.answer.state is not State.UNKNOWN and one.answer.fingerprint
    )


def _ended(plan: FleetPlan, progress: Progress, end: End, here: Collection[str]) -> Progress:
    """`end` is that of the run, or of an earlier commit, after which the run goes on."""
    earlier = progress.earlier
    if not earlier:
        return progress._replace(end=end)
    is_same = _is_same(plan, progress, earlier)
    elsewhere = end.outcome is Outcome.MIXED and all(name not in here for name, _ in end.hosts)
    if end.outcome is Outcome.NONE or elsewhere or (end.outcome is Outcome.ALL and not is_same):
        return _decided(plan, _without_earlier(progress), here)
    return progress._replace(end=end)


def result_of(progress: Progress) -> dict[str, Any]:
    """How the run has ended, as the file for ``reconcile fleet apply`` has it.

    Raises:
        ValueError: it has not ended.
    """
    if progress.end is None:
        raise ValueError("the run has not ended")
    reasons = dict(progress.end.hosts)
    return {
        "formatVersion": 1,
        "id": progress.earlier.id if progress.earlier else progress.id,
        "outcome": progress.end.outcome.value,
        "hosts": [
            {"name": name, "state": _state(one), "why": _why(name, reasons.get(name, ""), progress)}
            for name, one in progress.heard.items()
        ],
    }


def _state(heard: Heard) -> str:
    if heard.after_cancel:
        return heard.after_cancel.value
    return heard.answer.state.value if isinstance(heard.answer, Answer) else "unreachable"


def _why(name: str, reason: str, progress: Progress) -> str:
    said = progress.said.get(name, "")
    return reason if not said or said in reason else f"{reason}: {said}" if reason else ""
