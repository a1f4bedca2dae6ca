"""Ways from one state of a host to another, on which whatever applies plans is tried, and what the kernel may say."""

import errno
from collections.abc import Mapping
from typing import Final, NamedTuple

from reconciler.kernel.paths import APMASK, AQMASK, CREATE
from reconciler.kernel.writes import writes_of
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.steps import Holdings
from reconciler.planning.plan import Plan
from testing.holdings import config, uuid

MASK_ERRORS: Final = (errno.EBUSY, errno.EINVAL, errno.EINTR)
CREATE_ERRORS: Final = (errno.EINVAL, errno.EEXIST, errno.EPERM, errno.EUSERS, errno.ENODEV, errno.ENOMEM)
ASSIGN_ERRORS: Final = (
    errno.EBUSY,
    errno.EINVAL,
    errno.ENODEV,
    errno.EADDRNOTAVAIL,
    errno.EADDRINUSE,
    errno.ENOMEM,
)
REMOVE_ERRORS: Final = (errno.EINVAL, errno.EAGAIN, errno.ENODEV)

ALL: Final = ALL_IDS
FREE: Final = Matrix(ALL, ALL - IdSet([4, 0x47, 0xAB]))


class Transition(NamedTuple):
    """Who holds what before and after."""

    start: Holdings
    target: Holdings


CREATES: Final = Transition(
    Holdings(Matrix(ALL, ALL), {}), Holdings(FREE, {uuid(1): config([5, 6], [4]), uuid(2): config([5], [0x47])})
)
REMOVES: Final = Transition(CREATES.target, Holdings(Matrix(ALL, ALL - IdSet([4])), {uuid(1): config([5], [4])}))
SWAPS: Final = Transition(
    Holdings(FREE, {uuid(1): config([5], [4, 0x47]), uuid(2): config([6], [4])}),
    Holdings(FREE, {uuid(1): config([6], [4, 0x47]), uuid(2): config([5], [4])}),
)
ROTATES: Final = Transition(
    Holdings(FREE, {uuid(1): config([5], [4]), uuid(2): config([6], [4]), uuid(3): config([7], [4])}),
    Holdings(FREE, {uuid(1): config([6], [4]), uuid(2): config([7], [4]), uuid(3): config([5], [4])}),
)
POOL: Final = Transition(
    Holdings(Matrix(ALL - IdSet([5]), ALL - IdSet([4])), {uuid(1): config([5], [0x47]), uuid(2): config([6], [4])}),
    Holdings(Matrix(ALL - IdSet([6]), ALL - IdSet([0x47])), {uuid(1): config([6], [0x47])}),
)
POOL_BACK: Final = Transition(POOL.target, POOL.start)
MIXES: Final = Transition(
    Holdings(FREE, {uuid(1): config([5, 6], [4, 0x47]), uuid(2): config([7], [4]), uuid(3): config([7], [0xAB])}),
    Holdings(FREE, {uuid(1): config([5], [4]), uuid(2): config([6, 7], [4]), uuid(4): config([6], [0xAB])}),
)

SHARES: Final = Transition(
    Holdings(Matrix(ALL, ALL - IdSet([4])), {uuid(1): config([7], [4])}),
    Holdings(Matrix(ALL - IdSet([7]), ALL - IdSet([4])), {uuid(1): config([7], [4]), uuid(2): config([7], [0x47])}),
)
"""The host gives up the rest of an adapter of which a guest has a queue. From 6.19 on it cannot have it back while the
guest keeps that queue, so there is no way back from the middle."""

TRANSITIONS: Final[Mapping[str, Transition]] = {
    "create": CREATES,
    "remove": REMOVES,
    "swap": SWAPS,
    "rotate": ROTATES,
    "pool": POOL,
    "pool back": POOL_BACK,
    "mixed": MIXES,
    "shared": SHARES,
}


def write_paths(plan: Plan) -> list[str]:
    """Where the plan writes, in order."""
    return [write.path for one in plan.steps for write in writes_of(one.step, plan.abilities)]


def errors_at(path: str) -> tuple[int, ...]:
    """Each errno that the kernel gives for a write to `path` (docs/kernel-rules.md, "Errno tables")."""
    if path in (APMASK, AQMASK):
        return MASK_ERRORS
    if path == CREATE:
        return CREATE_ERRORS
    return REMOVE_ERRORS if path.endswith("/remove") else ASSIGN_ERRORS
