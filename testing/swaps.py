"""Two guests that are to exchange their queues, and an apply of that while things go wrong."""

from reconciler.kernel.observe import observe
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.outcome import Outcome
from reconciler.model.steps import Holdings
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from reconciler.simulator.faults import Fault, FaultySysfs
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction.apply import Bookkeeping, NoProgress, Progress, apply_plan
from testing.clocks import FakeClock
from testing.holdings import config, desired_like, host_holding, uuid
from testing.journals import FakeJournal

FREE = Matrix(ALL_IDS, ~IdSet([4, 0x47]))
ONE = config([5], [4])
SWAP = (
    Holdings(FREE, {uuid(1): ONE, uuid(2): config([6], [4])}),
    Holdings(FREE, {uuid(1): config([6], [4]), uuid(2): ONE}),
)


def run(
    plan: Plan,
    host: SimulatedHost,
    *faults: Fault,
    journal: Bookkeeping | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Apply `plan` while `faults` happen."""
    sysfs = FaultySysfs(host, faults)
    return apply_plan(plan, sysfs, FakeClock(), journal or FakeJournal(), progress or NoProgress()).outcome


def swap(profile: str = "6.12") -> tuple[SimulatedHost, Plan]:
    """A host whose two guests are to exchange their queues."""
    host = host_holding(SWAP[0], PROFILES[profile])
    return host, make_plan(desired_like(SWAP[1]), observe(host))


def write(host: SimulatedHost, path: str, value: str) -> None:
    """Write `value`, as somebody else would."""
    host.write(path, value)
