"""Whether the plan that is made under the locks is still the one that a person has agreed to."""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from reconciler.model.commands import PLAN, Advised, history_of
from reconciler.model.errors import StaleError
from reconciler.model.machines import WRONG_MACHINE
from reconciler.model.outcome import Result
from reconciler.model.printable import shell_line
from reconciler.model.problems import Severity
from reconciler.operations.wanted import Wanted
from reconciler.planning.basis import BASIS_WORDS, Basis
from reconciler.planning.plan import Plan
from reconciler.transaction.open_host import OpenHost

if TYPE_CHECKING:
    from reconciler.model.outcome import Generation
    from reconciler.render.saved_plan import SavedPlan

_SHORT: Final = 12
"""How many digits of a commit are shown."""


class StalePlan(Advised, StaleError):
    """What a saved or shown plan rests on has changed; the text says what."""


def refuse_stale(made: Plan, agreed: "Basis | SavedPlan", wanted: Wanted, machine: OpenHost) -> None:
    """Return if `made`, of what is `wanted` now, is the plan that was `agreed` to: one that was shown, or a saved one.

    Raises:
        StalePlan: it rests on something else, or the saved one shows something else.
    """
    basis = agreed if isinstance(agreed, Basis) else agreed.basis
    if made.basis != basis:
        if done := _applied_already(basis, made.targets, machine):
            raise StalePlan(_done_text(done), history_of(done.number))
        if not isinstance(agreed, Basis) and basis._replace(manifests=made.basis.manifests) == made.basis:
            _refuse_other_commit(agreed.record["commit"] or "", wanted)
        raise StalePlan(stale_text(basis, made.basis), PLAN)
    if any(one.id == WRONG_MACHINE and one.severity is Severity.ERROR for one in made.problems):
        return  # the host runs elsewhere now, which a plan does not rest on; what it lacks is a consent
    if not isinstance(agreed, Basis):
        from reconciler.render.saved_plan import differences

        # Who changed the steps that a reviewer reads could also have made a digest that fits to them.
        if changed := differences(agreed, made, wanted.paths):
            done = _applied_already(basis, made.targets, machine)
            why = f"{_done_text(done)}; " if done else "the saved plan is not applied: "
            raise StalePlan(f"{why}{'; '.join(changed)}", PLAN)


def _refuse_other_commit(planned: str, wanted: Wanted) -> None:
    """Return if the plan is not `planned` for another commit than the one of which the manifests are `wanted` now.

    Raises:
        StalePlan: it is; nothing has changed, but another commit is checked out, or something was not committed.
    """
    if not (planned and wanted.commit and wanted.paths) or planned.endswith("+") or planned == wanted.commit:
        return
    place = os.fspath(wanted.paths[0])
    directory = place if os.path.isdir(place) else os.path.dirname(place) or "."
    now = wanted.commit.removesuffix("+")
    is_here = os.path.abspath(directory) == os.getcwd()
    these = "these manifests" if is_here else f"the manifests in {place} (-f names others)"
    if now == wanted.commit:
        refused = StalePlan(f"the plan is of commit {planned[:_SHORT]}, and {these} are of {now[:_SHORT]}")
        refused.remedy = shell_line(("git", "-C", directory, "checkout", planned[:_SHORT]))
        raise refused
    which = "" if now == planned else f" of {now[:_SHORT]}"
    refused = StalePlan(
        f"the plan is of commit {planned[:_SHORT]}, and {these}{which} have changes that were not committed: "
        "plan them anew, or put them aside"
    )
    refused.remedy = shell_line(("git", "-C", directory, "stash"))
    raise refused


def _applied_already(basis: Basis, targets: tuple[str, ...] | None, machine: OpenHost) -> "Generation | None":
    """The newest generation that applied a plan with this basis and `targets`; None where none is known to."""
    from reconciler.transaction.history import History

    history = History(machine.state)
    applied = [one for one in history.generations() if one.ended_as in (Result.APPLIED, Result.NOTHING)]
    for one in applied[::-1]:
        shown = history.record(one.number)["plan"]
        if shown["basis"] == basis._asdict() and shown["targets"] == (None if targets is None else list(targets)):
            return one
    return None


def _done_text(done: "Generation") -> str:
    ended = datetime.fromtimestamp(done.origin.started, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"this plan was already applied as generation {done.number}, at {ended} UTC"


def stale_text(before: Basis, now: Basis) -> str:
    """What has changed between two bases, for people."""
    changed = [BASIS_WORDS[part] for part in Basis._fields if getattr(before, part) != getattr(now, part)]
    return f"since the plan was made, {'this has' if len(changed) == 1 else 'these have'} changed: {', '.join(changed)}"
