"""Real books on a disk, beside a simulated host."""

from clocks import FakeClock
from reconciler.kernel.observe import observe
from reconciler.model.desired import Desired, GivenUp
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from reconciler.simulator.host import SimulatedHost
from reconciler.transaction.journal import Books
from reconciler.transaction.machine import Machine
from reconciler.transaction.state_directory import StateDirectory
from worlds import (
    config,
)

BOOT = "boot-one"
GIVES_UP = GivenUp(NO_IDS, IdSet([4, 0x47]))
FREE = Matrix(ALL_IDS, ~GIVES_UP.domains)
ONE = config([5], [4])
OTHER = config([6], [4])


def plan_for(wanted: Desired, host: SimulatedHost, books: Books) -> Plan:
    """What leads `host` to `wanted`."""
    return make_plan(wanted, observe(host), books.applied())


def machine(host: SimulatedHost, state: StateDirectory, boot: str = BOOT) -> Machine:
    """All that recovering needs."""
    return Machine(host, FakeClock(), state, boot, "lpar7")
