"""Rolls a host back to a recorded start, from whatever is really there.

Rolling back is planning, not a list of inverse commands: the same order, with the same invariants, from the state
that is found to the state that was recorded (docs/architecture.md, "Transaction").
"""

from collections.abc import Collection
from typing import Final, NamedTuple

from reconciler.kernel.observe import observe
from reconciler.model.errors import HostError
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig, Matrix
from reconciler.model.observed import Observed, ObservedMdev, its_vm
from reconciler.model.printable import error_text
from reconciler.model.steps import Holdings, Step
from reconciler.planning.host_pool import Blocked, without_blocked
from reconciler.planning.order import order_steps
from reconciler.planning.planner import holdings_of
from reconciler.transaction.step import Host, StepFailed, execute, held_queues, value_text

_ROUNDS: Final = 3
_UNREADABLE: Final = "the host cannot be read, so that what it holds now is not known"


class _Refusal(NamedTuple):
    """Why a round did not lead to the start, and whether it is that this kernel refuses a mask."""

    text: str
    barred: bool = False


class _Round(NamedTuple):
    """What one round did: the writes that the kernel took, the running devices that lost queues, what it refused."""

    writes: int
    lost: tuple[str, ...]
    refusal: _Refusal | None


class RollbackResult(NamedTuple):
    """How a rollback ended.

    Attributes:
        differences: what is not as at the start, a sentence each; empty where all is as at the start.
        refusals: why, a sentence each.
        barred: whether this kernel allows no way: a device bars a mask (from 6.19) and must not be touched, or a VM has
            it open and no person has consented to take a queue from it.
        interrupted: the uuids of devices that a VM had open and that lost queues, in the order in which they did.
        writes: how many writes the kernel took.
    """

    differences: tuple[str, ...]
    refusals: tuple[str, ...]
    barred: bool = False
    interrupted: tuple[str, ...] = ()
    writes: int = 0


def roll_back(
    start: Holdings, ours: Collection[str], host: Host, interruptible: Collection[str] = ()
) -> RollbackResult:
    """Roll back what the transaction may have changed.

    A device that a VM has open loses no queue that it has now and at the start, unless it is one of `interruptible`
    (I3). Where this kernel refuses a mask otherwise, everything else is rolled back.

    Args:
        start: the recorded start.
        ours: uuids that the transaction may touch; all others stay as they are, whatever has become of them.
        host: the host.
        interruptible: uuids of devices for which that consent was given.
    """
    refusals: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    writes, barred = 0, False
    # Each round plans from what is there, not from what the round before meant to do: a step that failed may have had
    # its effect, and other programs may write meanwhile. The rounds are bounded, so that a fight with another program
    # ends as degraded and not in a loop. Whether to stop is not asked here: a rollback is never interrupted.
    for number in range(_ROUNDS):
        try:
            observed = observe(host.sysfs)
        except (HostError, OSError) as error:
            refusals = (*refusals, error_text(error))
            return RollbackResult((_UNREADABLE,), _each_once(refusals), False, _each_once(lost), writes)
        differences = differences_of(start, holdings_of(observed), ours)
        if not differences:
            return RollbackResult((), _each_once(refusals), False, _each_once(lost), writes)
        done = _one_round(start, ours, host, observed, interruptible)
        lost, writes = (*lost, *done.lost), writes + done.writes
        if done.refusal is None:
            continue
        refusals, barred = (*refusals, done.refusal.text), barred or done.refusal.barred
        # What was refused once may have been passing; a second round that changes nothing shows that it was not.
        if number and not done.writes:
            break
    left = differences_of(start, _holdings_or(start, host), ours)
    return RollbackResult(tuple(left), _each_once(refusals), barred, _each_once(lost), writes)


def _each_once(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _holdings_or(otherwise: Holdings, host: Host) -> Holdings:
    try:
        return holdings_of(observe(host.sysfs))
    except (HostError, OSError):
        return Holdings(otherwise.pool, {})


def _one_round(
    start: Holdings, ours: Collection[str], host: Host, observed: Observed, interruptible: Collection[str]
) -> _Round:
    """Make what steps are possible."""
    current = holdings_of(observed)
    # What is not ours is neither written (I5) nor left out of the state: it may have taken queues of the start (I1).
    foreign = {uuid: config for uuid, config in current.mdevs.items() if uuid not in ours}
    goal = _reachable(start, current, foreign, ours)
    # Removing a device that a VM has opened meanwhile would block until the VM ends: it is emptied.
    held = [one.uuid for one in observed.mdevs if one.in_use and one.uuid in ours and one.uuid not in goal.mdevs]
    goal = goal._replace(mdevs={**goal.mdevs, **dict.fromkeys(held, EMPTY_CONFIG)})
    running = {one.uuid: one for one in observed.mdevs if one.in_use and one.uuid in ours}
    # A device that a VM has open lets go of nothing for a mask, unless a person has consented to that (I3).
    fixed = frozenset(foreign) | (running.keys() - set(interruptible))
    ordered = order_steps(current, goal, observed.abilities, fixed)
    blocked = ordered.blocked
    if blocked:  # the host gets back all bits but these
        goal = goal._replace(pool=without_blocked(goal.pool, blocked))
        ordered = order_steps(current, goal, observed.abilities, fixed)
    ready = host._replace(queues=held_queues(observed.queues, goal), abilities=observed.abilities)
    lost: tuple[str, ...] = ()
    writes = 0
    for step in ordered.steps:
        try:
            writes += execute(step, ready)
        except StepFailed as error:
            return _Round(writes + error.writes, lost, _Refusal(str(error)))
        if step.uuid in running and _loses(step):
            lost = (*lost, step.uuid)
    refusal = None
    if blocked:
        refusal = _Refusal("; ".join(_barred_text(one, running.get(one.uuid)) for one in blocked), barred=True)
    elif held:
        refusal = _Refusal(f"a VM has mediated device {', '.join(held)} open, so that it was emptied and not removed")
    elif goal != _wanted(start, foreign, ours):
        refusal = _Refusal("a mediated device that is not ours stands in the way")
    return _Round(writes, lost, refusal)


def _loses(step: Step) -> bool:
    before = step.before if isinstance(step.before, ApConfig) else EMPTY_CONFIG
    after = step.after if isinstance(step.after, ApConfig) else EMPTY_CONFIG
    return not after.matrix.covers(before.matrix)


def _barred_text(one: Blocked, running: ObservedMdev | None) -> str:
    text = f"this kernel refuses the mask: mediated device {one.uuid} has {one.ids}"
    if running is None:
        return text
    return f"{text}, and {its_vm(running.opened_by)} runs; taking that from it for a while needs --allow-disruption"


def _wanted(start: Holdings, foreign: dict[str, ApConfig], ours: Collection[str]) -> Holdings:
    return Holdings(start.pool, {**{uuid: one for uuid, one in start.mdevs.items() if uuid in ours}, **foreign})


def _reachable(start: Holdings, current: Holdings, foreign: dict[str, ApConfig], ours: Collection[str]) -> Holdings:
    """The start, but where another program has taken a queue of it meanwhile: there what start and present share."""
    taken = [config.matrix for config in foreign.values()]
    wanted = _wanted(start, foreign, ours)
    mdevs = {
        uuid: _shared(config, current.mdevs.get(uuid, EMPTY_CONFIG))
        if uuid not in foreign and _is_taken(config.matrix, taken)
        else config
        for uuid, config in wanted.mdevs.items()
    }
    pool = current.pool.meet(start.pool) if _is_taken(start.pool, taken) else start.pool
    return Holdings(pool, mdevs)


def _is_taken(matrix: Matrix, taken: list[Matrix]) -> bool:
    return any(matrix.overlaps(other) for other in taken)


def _shared(one: ApConfig, other: ApConfig) -> ApConfig:
    return ApConfig(*(some & others for some, others in zip(one, other, strict=True)))


def differences_of(wanted: Holdings, found: Holdings, ours: Collection[str]) -> list[str]:
    """What of the masks and of the devices in `ours` is not as wanted, a sentence each."""
    sentences = [
        f"{name} is {value_text(is_now)} instead of {value_text(was)}"
        for name, is_now, was in (
            ("apmask", found.pool.adapters, wanted.pool.adapters),
            ("aqmask", found.pool.domains, wanted.pool.domains),
        )
        if is_now != was
    ]
    for uuid in sorted(ours):
        is_there, was_there = found.mdevs.get(uuid), wanted.mdevs.get(uuid)
        if is_there != was_there:
            sentences.append(f"mediated device {uuid} has {value_text(is_there)} instead of {value_text(was_there)}")
    return sentences
