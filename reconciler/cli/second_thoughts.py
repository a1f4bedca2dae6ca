"""``reconcile confirm``, ``reconcile rollback``, and what waits for a confirmation that may not come."""

import sys
import time
from select import select
from typing import Final

from reconciler.cli.exit_codes import Exit
from reconciler.cli.machine import command_line, opened, state_of
from reconciler.cli.options import HostOptions
from reconciler.cli.output import TerminalProgress, tell
from reconciler.cli.recovered import exit_of, tell_recovered
from reconciler.integrations.timers import READY
from reconciler.machine import alone
from reconciler.recovery import Left, Recovered, confirm, expire, settle
from reconciler.transaction.confirmation import Confirmations
from reconciler.transaction.history import History

_LOOK_SECONDS: Final = 1.0
"""How often somebody who waits looks whether the deadline was moved."""


def run_confirm(host: HostOptions, number: int, extend: float | None) -> Exit:
    """Confirm an apply, or give it more time."""
    with opened(host, changes=True) as machine, alone(machine, TerminalProgress(), command_line()):
        recovered = settle(machine)
        tell_recovered(recovered)
        if any(one.left is Left.EXPIRED and one.unfinished.generation == number for one in recovered):
            tell(f"error: generation {number} was not confirmed in time; it has been put back")
            return Exit.ROLLED_BACK
        confirm(machine, number, extend)
    if extend is None:
        tell(f"confirmed: generation {number} stays")
    else:
        tell(f"extended: generation {number} waits for another {extend:.0f} s")
    return Exit.DONE


def put_back_now(host: HostOptions) -> Recovered | None:
    """Put back the apply that waits to be confirmed, if there is one."""
    with opened(host, changes=True) as machine:
        if Confirmations(machine.state).pending() is None:
            return None
        with alone(machine, TerminalProgress(), command_line()):
            settled = settle(machine)
            late = [one for one in settled if one.left is Left.EXPIRED]
            tell_recovered(one for one in settled if one not in late)
            return late[0] if late else expire(machine, now=True)


def wait_at_terminal(host: HostOptions, number: int) -> Exit:
    """Wait for Enter, which confirms generation `number`, or for the end of its time."""
    tell(
        f"press Enter to keep it; from elsewhere: reconcile confirm {number}{host.where}; Ctrl-C leaves it to the clock"
    )
    while _seconds_left(host, number):
        try:
            ready, _, _ = select([sys.stdin], [], [], _LOOK_SECONDS)
        except KeyboardInterrupt:
            tell(f"it is put back unless somebody types: reconcile confirm {number}{host.where}")
            return Exit.DONE
        if ready and sys.stdin.readline():
            return run_confirm(host, number, None)
    state, _ = state_of(host)
    if Confirmations(state).pending() is not None:
        return _put_back(host, number)
    if History(state).get(number).is_target:
        tell(f"confirmed from elsewhere: generation {number} stays")
        return Exit.DONE
    tell(f"nobody confirmed it: generation {number} was put back")
    return Exit.ROLLED_BACK


def run_expire(host: HostOptions, number: int) -> Exit:
    """Wait until the time of generation `number` is over, then put it back unless somebody has confirmed it."""
    sys.stdout.buffer.write(READY)
    sys.stdout.flush()
    while left := _seconds_left(host, number):
        time.sleep(min(left, _LOOK_SECONDS))
    return _put_back(host, number)


def _put_back(host: HostOptions, number: int) -> Exit:
    with opened(host, changes=True) as machine, alone(machine, TerminalProgress(), f"reconcile expire {number}"):
        recovered = settle(machine)
    tell_recovered(recovered)
    return exit_of(recovered)


def _seconds_left(host: HostOptions, number: int) -> float:
    state, boot_id = state_of(host)
    pending = Confirmations(state).pending()
    if pending is None or pending.generation != number:
        return 0.0
    return pending.seconds_left(boot_id, time.monotonic())
