"""Journals and progress for tests: without a disk and without a terminal, and real ones beside a simulated host."""

from pathlib import Path

from reconciler.kernel.observe import observe
from reconciler.model.desired import Desired, GivenUp
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.steps import Holdings
from reconciler.planning.plan import Plan
from reconciler.planning.planner import NOTHING_APPLIED, Applied, make_plan
from reconciler.simulator.host import SimulatedHost
from reconciler.transaction.confirmation import Confirmations
from reconciler.transaction.journal import Journal, applied_by
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.state_directory import StateDirectory
from testing.clocks import FakeClock
from testing.holdings import config


def reopen_pending(state: Path, *, made: bool = False) -> None:
    """Leave the journal of the apply that waits to be confirmed in `state`, as if it was killed, and no longer waits.

    With `made` after its last step was verified, otherwise before its first.
    """
    directory = StateDirectory(state)
    pending = Confirmations(directory).pending()
    assert pending
    journal = Journal(directory, pending.boot_id)
    journal.reopen(pending.journal)
    if made:
        for number, _ in enumerate(pending.journal.steps, 1):
            journal.step(number)
        journal.verified()
    Confirmations(directory).clear()


class FakeJournal:
    """Remembers what was recorded, in order."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.applied: Applied = NOTHING_APPLIED

    def begin(self, plan: Plan, start: Holdings) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        self.entries.append("begin")

    def step(self, number: int) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        self.entries.append(f"step {number}")

    def verified(self) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        self.entries.append("verified")

    def commit(self, plan: Plan) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        self.entries.append("commit")
        self.applied = applied_by(plan)

    def rolled_back(self) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        self.entries.append("rolled back")

    def degraded(self, differences: tuple[str, ...]) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        self.entries.append("degraded")


BOOT = "boot-one"
GIVES_UP = GivenUp(NO_IDS, IdSet([4, 0x47]))
FREE = Matrix(ALL_IDS, ~GIVES_UP.domains)
ONE = config([5], [4])
OTHER = config([6], [4])


def plan_for(wanted: Desired, host: SimulatedHost, journal: Journal) -> Plan:
    """What leads `host` to `wanted`."""
    return make_plan(wanted, observe(host), journal.applied())


def machine(host: SimulatedHost, state: StateDirectory, boot: str = BOOT) -> OpenHost:
    """All that recovering needs."""
    return OpenHost(host, FakeClock(), state, boot, "lpar7")
