"""Plans for hosts with a few devices, and what is to be seen in them."""

from typing import Any

from reconciler.model.desired import GivenUp
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.outcome import Outcome
from reconciler.model.steps import Action, Holdings
from reconciler.planning.plan import GuestPlan, Plan
from reconciler.planning.planner import Applied
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction.apply import NoProgress, apply_plan
from testing.clocks import FakeClock
from testing.holdings import config, host_holding, uuid
from testing.journals import FakeJournal

GIVES_UP = GivenUp(NO_IDS, IdSet([4, 0x47]))
FREE = Matrix(ALL_IDS, ~GIVES_UP.domains)
ONE = config([5], [4])
FOREIGN = uuid(0xF)
_MASKS = {"apmask": "0x" + 64 * "f", "aqmask": "0x" + 64 * "f"}
SHOWN_PLAN: dict[str, Any] = {
    "summary": {"text": "Plan: 1 to create."},
    "consents": [],
    "pool": {"before": _MASKS, "after": _MASKS},
    "guests": [],
    "files": [],
    "steps": [],
    "suspended": [],
    "targets": None,
    "diff": [],
}
"""What the history keeps of a plan, without any change."""


def host_with(profile: str = "6.12", **mdevs: ApConfig) -> SimulatedHost:
    """A host that gives up domains 4 and 0x47 and has the devices named by the last digit of their uuid (``m1``)."""
    return host_holding(
        Holdings(FREE, {uuid(int(name[1:], 16)): one for name, one in mdevs.items()}), PROFILES[profile]
    )


def applied(**guests: ApConfig) -> Applied:
    """What was applied last; guests are named as their devices in `host_with`."""
    return Applied(FREE, {uuid(int(name[1:], 16)): (name, one) for name, one in guests.items()})


def apply(plan: Plan, host: SimulatedHost) -> Outcome:
    """Carry `plan` out."""
    return apply_plan(plan, host, FakeClock(), FakeJournal(), NoProgress()).outcome


def problem_ids(plan: Plan) -> list[tuple[str, str]]:
    """Each problem's id and severity."""
    return [(one.id, one.severity.value) for one in plan.problems]


def actions(plan: Plan) -> list[tuple[Action, str]]:
    """What is done to whom."""
    return [(one.step.action, one.holder) for one in plan.steps]


def plan_of(plan: Plan, name: str) -> GuestPlan:
    """What becomes of one guest."""
    return next(one for one in plan.guests if one.name == name)
