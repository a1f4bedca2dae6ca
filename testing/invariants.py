"""The invariants that hold between any two writes (docs/architecture.md), as a check of one moment."""

from collections.abc import Collection

from reconciler.model.matrix import EMPTY_MATRIX, Matrix
from reconciler.model.steps import Holdings


def matrices(holdings: Holdings) -> dict[str, Matrix]:
    """Every holder's queues: the host's under ``host``, all others' under their uuid."""
    return {"host": holdings.pool, **{uuid: one.matrix for uuid, one in holdings.mdevs.items()}}


def violations(now: Holdings, start: Holdings, target: Holdings, interrupted: Collection[str] = ()) -> list[str]:
    """What of I1, I2 and I3 does not hold at a moment between `start` and `target`; `interrupted` are exempt of I3."""
    holders, before, after = matrices(now), matrices(start), matrices(target)
    found = [
        f"I1: {one} and {other} both have {holders[one].meet(holders[other])}"
        for place, one in enumerate(holders)
        for other in list(holders)[:place]
        if holders[one].overlaps(holders[other])
    ]
    for name in sorted({*holders, *before, *after}):
        mine = holders.get(name, EMPTY_MATRIX)
        was, becomes = before.get(name, EMPTY_MATRIX), after.get(name, EMPTY_MATRIX)
        if not all(becomes.covers(part) for part in mine.minus(was)):
            found.append(f"I2: {name} has {mine}, which is more than {was} and {becomes}")
        if name not in interrupted and not mine.covers(was.meet(becomes)):
            found.append(f"I3: {name} has {mine}, which is less than {was} and {becomes} share")
    return found
