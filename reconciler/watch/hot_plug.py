"""Hardware that appears while the loop runs: which guest has it, since when it was granted, and what is missing."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from reconciler.model.codec import BadRecord
from reconciler.model.ids import IdSet
from reconciler.model.matrix import EMPTY_MATRIX, Matrix, Queue
from reconciler.model.observed import Observed
from reconciler.planning.effect import Bindings, bindings_now, effective, hidden_because
from reconciler.planning.plan import GuestPlan, Plan
from reconciler.render.text import moment
from reconciler.transaction.history import History, NoSuchGeneration
from reconciler.transaction.state_directory import StateDirectory

_MOST_QUEUES: Final = 8
PATIENCE_SECONDS: Final = 10.0
"""How long the kernel may take to bind and plug what has appeared, before it is reported what is missing."""


class Sight(NamedTuple):
    """What a guest was granted, and what it saw of that."""

    granted: Matrix
    sees: Matrix


class Missing(NamedTuple):
    """That a guest waits for queues of a card that has appeared: since when, and whether that was reported."""

    since: float
    is_reported: bool = False


class HotPlugState(NamedTuple):
    """What is remembered between two looks: of guests by uuid, what hardware and which adapters were there."""

    sights: Mapping[str, Sight]
    hardware: Bindings
    cards: IdSet
    missing: Mapping[str, Missing]


def hot_plugged(
    before: HotPlugState | None, plan: Plan, now: float, authorised_since: Callable[[str, Matrix], str]
) -> tuple[HotPlugState, tuple[str, ...]]:
    """What to remember, and what has appeared for guests since `before`, a sentence each.

    Args:
        before: what was remembered; None at first, when nothing has appeared.
        plan: of the host as it is now.
        now: seconds on a monotonic clock.
        authorised_since: since when the guest with a uuid has been granted these queues, for people; empty where
            that is not known.
    """
    cards = IdSet(card.adapter for card in plan.observed.cards)
    sights = {guest.uuid: sight for guest in plan.guests if (sight := _sight(guest))}
    hardware = _hardware(plan.observed)
    if before is None:
        return HotPlugState(sights, hardware, cards, {}), ()
    found: list[str] = []
    missing: dict[str, Missing] = {}
    for guest in plan.guests:
        sight, saw = sights.get(guest.uuid), before.sights.get(guest.uuid)
        if sight is None:
            continue
        if saw and sight.sees != saw.sees and (gained := _gained(guest, sight, saw, before)):
            found.append(_has(guest, gained, authorised_since(guest.uuid, _around(gained))))
        one = before.missing.get(guest.uuid)
        if _lacks(sight, cards if one else cards - before.cards):
            one = one or Missing(now)
            if not one.is_reported and now - one.since >= PATIENCE_SECONDS:
                found += _explained(guest, plan)
                one = one._replace(is_reported=True)
            missing[guest.uuid] = one
    return HotPlugState(sights, hardware, cards, missing), tuple(found)


def next_look(state: HotPlugState | None, now: float) -> float | None:
    """In how many seconds to look again because a guest waits; None where none does."""
    waiting = (
        [one.since + PATIENCE_SECONDS - now for one in state.missing.values() if not one.is_reported] if state else []
    )
    return max(0.0, min(waiting)) if waiting else None


def _sight(guest: GuestPlan) -> Sight | None:
    if guest.before is None or guest.sees_before is None:
        return None
    return Sight(guest.guest.config.matrix if guest.guest else guest.before.matrix, guest.sees_before)


def _hardware(observed: Observed) -> Bindings:
    """The hardware that is there, whoever's it is."""
    now = bindings_now(observed)
    return now._replace(vfio=now.present)


def _gained(guest: GuestPlan, sight: Sight, saw: Sight, before: HotPlugState) -> list[Queue]:
    """What is seen now, was granted before already, and could not be seen with the hardware that was there then.

    So no command has given it meanwhile, and no program that took it away for a while. A card that was there and whose
    drivers come late counts as well.
    """
    assert guest.before is not None
    is_awaited = guest.uuid in before.missing
    could_see = EMPTY_MATRIX if is_awaited else effective(guest.before.matrix, before.hardware)
    return [
        queue
        for queue in sight.sees.queues()
        if saw.granted.has(queue) and not saw.sees.has(queue) and not could_see.has(queue)
    ]


def _around(queues: list[Queue]) -> Matrix:
    return Matrix(IdSet(one.adapter for one in queues), IdSet(one.domain for one in queues))


def _has(guest: GuestPlan, gained: list[Queue], since: str) -> str:
    known = f" (authorised since {since})" if since else ""
    more = f" and {len(gained) - _MOST_QUEUES} more" if len(gained) > _MOST_QUEUES else ""
    return f"{guest.name} now has {', '.join(map(str, gained[:_MOST_QUEUES]))}{more}{known}"


def _lacks(sight: Sight, cards: IdSet) -> bool:
    return bool((sight.granted.adapters & cards) - sight.sees.adapters)


def _explained(guest: GuestPlan, plan: Plan) -> list[str]:
    assert guest.before is not None
    reasons = hidden_because(guest.before.matrix, bindings_now(plan.observed))
    return [f"{guest.name} does not have all of a card that has appeared: {reason.text}" for reason in reasons]


def authorised_since(state: StateDirectory) -> Callable[[str, Matrix], str]:
    """A function that says, of a guest's uuid and of queues, since when it has them without a break.

    The answer is for people, and empty where the history does not say.
    """

    def since(uuid: str, queues: Matrix) -> str:
        history, started = History(state), 0.0
        try:
            number = history.newest_target()
            while _grants(history, number, uuid, queues):
                started = history.get(number).origin.started
                number = history.newest_target(before=number)
        except (NoSuchGeneration, BadRecord, OSError):
            pass
        return moment(started) if started else ""

    return since


def _grants(history: History, number: int, uuid: str, queues: Matrix) -> bool:
    granted = {guest.uuid: guest.config.matrix for guest in history.desired(number).guests}
    return uuid in granted and granted[uuid].covers(queues)
