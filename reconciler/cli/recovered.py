"""What is told of earlier runs: of those that were put in order, and of those that still have to be."""

from collections.abc import Iterable

from reconciler.cli.exit_codes import Exit
from reconciler.cli.output import tell
from reconciler.machine import Machine
from reconciler.recovery import Recovered
from reconciler.transaction.confirmation import Confirmations
from reconciler.transaction.journal import Books


def tell_recovered(recovered: Iterable[Recovered]) -> None:
    """Tell what became of what earlier runs had left."""
    for one in recovered:
        _tell_one(one)


def exit_of(recovered: Iterable[Recovered]) -> Exit:
    """The exit code of a command that did nothing but put earlier runs in order."""
    found = list(recovered)
    if any(one.returned and one.returned.differences for one in found):
        return Exit.DEGRADED
    return Exit.ROLLED_BACK if found else Exit.DONE


def tell_unfinished(machine: Machine) -> None:
    """Tell what earlier runs have left, for a command that changes nothing."""
    books = Books(machine.state, machine.boot_id)
    if books.unfinished():
        tell("warning: an earlier apply was not finished; the next 'reconcile --apply' puts that in order first")
    pending = Confirmations(machine.state).pending()
    if pending:
        left = pending.seconds_left(machine.boot_id, machine.clock.monotonic())
        tell(
            f"note: generation {pending.generation} waits to be confirmed for another {left:.0f} s: "
            f"reconcile confirm {pending.generation}"
        )
    differences = books.left_degraded()
    if differences:
        tell("warning: an earlier apply failed and not everything could be put back; it left:")
        for difference in differences:
            tell(f"  {difference}")
        tell("  next: 'reconcile --plan' shows what 'reconcile --apply' would do about it")


def _tell_one(one: Recovered) -> None:
    number = one.unfinished.generation
    what = f"generation {number} {one.left}" if number else f"an earlier apply {one.left}"
    if not one.unfinished.same_boot:
        tell(f"note: {what}, but the host has been booted since; its journal was closed")
    elif one.returned is None:
        tell(f"note: {what}, but all it had to do was done; its books were closed")
    elif one.returned.differences:
        tell(f"warning: {what}, and not everything could be put back:")
        for difference in one.returned.differences:
            tell(f"  left: {difference}")
        tell("  next: 'reconcile --plan' shows what 'reconcile --apply' would do about it")
    else:
        tell(f"note: {what}; what it had done was put back")
