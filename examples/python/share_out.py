"""Share out the crypto queues of a simulated host, look at what came of it, and roll it back.

    python examples/python/share_out.py examples/three-guests

On a real host, `open_simulated_host(...)` becomes `open_host()`; everything else stays.
"""

import sys
from pathlib import Path

import reconciler


class Shown(reconciler.NoProgress):
    """Prints each step before it is made."""

    def step(self, number: int, total: int, step: reconciler.PlannedStep) -> None:
        """See `reconciler.Progress`."""
        print(f"step {number} of {total}: {step.holder}: {step.effect}")


def share_out(folder: Path) -> reconciler.Result:
    """Apply the manifests in `folder` to the host that is simulated there; how that ended."""
    with reconciler.open_simulated_host(folder / "simulated-host.yaml") as host:
        try:
            wanted = reconciler.read_manifests([folder / "host.yaml", folder / "guests.yaml"], machine=host)
        except reconciler.InvalidManifests as error:
            print(reconciler.problems_text(error.problems))
            return reconciler.Result.NOTHING

        plan = reconciler.plan(wanted, host)
        print(reconciler.plan_text(plan))

        # What is applied is what was shown: if the host has changed meanwhile, this raises StalePlan.
        terms = reconciler.Terms(agreed=plan.basis)
        applied = reconciler.apply(wanted, host, terms=terms, progress=Shown())
        for guest in reconciler.status(wanted, host).guests:
            print(f"{guest.name} sees {guest.effective.size if guest.effective else 0} queues")
        return applied.outcome.result


def roll_back(folder: Path) -> reconciler.Result:
    """Undo the newest apply to the host that is simulated in `folder`; how that ended."""
    with reconciler.open_simulated_host(folder / "simulated-host.yaml") as host:
        return reconciler.roll_back(host).outcome.result


if __name__ == "__main__":
    print(share_out(Path(sys.argv[1])))
