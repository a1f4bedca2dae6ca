"""Steps and writes: what a plan is made of."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from reconciler.model.ids import IdSet, Uuid
from reconciler.model.matrix import ApConfig, Matrix


class Action(StrEnum):
    """What a step does."""

    APMASK = "apmask"
    AQMASK = "aqmask"
    CREATE = "create"
    CONFIGURE = "configure"
    REMOVE = "remove"


MASK_ACTIONS: Final = (Action.APMASK, Action.AQMASK)


class Holdings(NamedTuple):
    """Who holds what: the host pool, and every mediated device by uuid."""

    pool: Matrix
    mdevs: Mapping[Uuid, ApConfig]


class Step(NamedTuple):
    """One change of one holder, from a known state to another.

    Attributes:
        action: what is done.
        uuid: the mediated device; empty for the host's masks.
        before: what must be there for the step to be right: the mask, the configuration, or None where the device
            must not exist.
        after: what is there when the step is done, in the same form.
    """

    action: Action
    uuid: str
    before: IdSet | ApConfig | None
    after: IdSet | ApConfig | None


class Write(NamedTuple):
    """One write(2): `path` relative to the sysfs root, `value` exactly as written, never empty."""

    path: str
    value: str


def holdings_after(holdings: Holdings, steps: Iterable[Step]) -> Holdings:
    """What is held once `steps` have been made on `holdings`."""
    pool, mdevs = holdings.pool, dict(holdings.mdevs)
    for step in steps:
        match step.action, step.after:
            case Action.APMASK, IdSet() as mask:
                pool = pool._replace(adapters=mask)
            case Action.AQMASK, IdSet() as mask:
                pool = pool._replace(domains=mask)
            case _, ApConfig() as config:
                mdevs[step.uuid] = config
            case _:
                mdevs.pop(step.uuid, None)
    return Holdings(pool, mdevs)
