"""Bookkeeping and progress without a disk and without a terminal."""

from reconciler.kernel.locks import AtWork
from reconciler.model.steps import Holdings
from reconciler.planning.plan import Plan, PlannedStep
from reconciler.planning.planner import NOTHING_APPLIED, Applied
from reconciler.transaction.journal import applied_by


class FakeBooks:
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


class NoProgress:
    """Nobody watches."""

    def step(self, number: int, total: int, step: PlannedStep) -> None:
        """See `reconciler.transaction.apply.Progress`."""

    def going_back(self, reason: str) -> None:
        """See `reconciler.transaction.apply.Progress`."""

    def waiting(self, holder: AtWork) -> None:
        """See `reconciler.transaction.apply.Progress`."""
