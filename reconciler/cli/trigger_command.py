"""``reconcile trigger``: have the loop that watches look now."""

from typing import Final

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.machine import state_of
from reconciler.cli.options import HostOptions, host_options
from reconciler.cli.output import report, tell
from reconciler.cli.tree import command
from reconciler.model.commands import LOOP_STATUS, WATCH, resume
from reconciler.model.errors import StateError
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.report import Condition
from reconciler.watch.requests import NoAnswer, TriggerRequest, ask

ANSWER_SECONDS: Final = 60.0
"""How long a loop may take to answer at all: while it applies, it listens to nobody."""

TURN_SECONDS: Final = 3600.0
"""How long a turn may take that somebody waits for."""

_CODES: Final = {
    Condition.CHANGES: Exit.CHANGES,
    Condition.DRIFT: Exit.CHANGES,
    Condition.SUSPENDED: Exit.CHANGES,
    Condition.SUSPENDED_DIFFERS: Exit.CHANGES,
    Condition.NEEDS_PERSON: Exit.REFUSED,
    Condition.STOPPED: Exit.REFUSED,
    Condition.WAITING: Exit.BUSY,
    Condition.FAILED: Exit.ROLLED_BACK,
    Condition.DEGRADED: Exit.DEGRADED,
}


@command("trigger")
@click.option("--wait", is_flag=True, help="Wait until that cycle has ended; the exit code says how the host stands.")
@click.option("--allow-older", is_flag=True, help="This once, follow a git commit that is older than the enforced one.")
@host_options
def trigger_command(wait: bool, allow_older: bool, host: HostOptions) -> Exit:
    """Have the loop of 'reconcile watch' look at once."""
    state, _ = state_of(host)
    try:
        answer = ask(state.path, TriggerRequest(allow_older, wait), TURN_SECONDS if wait else ANSWER_SECONDS)
    except NoAnswer as error:
        tell(f"error: {error}")
        return Exit.FAILURE
    if answer is None:
        tell(f"error: no loop is watching with the state directory {state.path}")
        again = _starts_again(state)
        tell(
            f"  next: {again}    # starts the loop again"
            if again
            else f"  next: {host.line(WATCH)}    # starts one; for another place: --state-dir, --sysfs or --simulate"
        )
        return Exit.FAILURE
    if not answer.get("accepted"):
        tell(f"error: the loop refused: {answer.get('error')}")
        return Exit.FAILURE
    if not wait:
        report(f"turn {answer['turn']} is going to begin")
        return Exit.DONE
    report(f"turn {answer['turn']}: {answer['condition'].replace('-', ' ')}: {answer['summary']}")
    if unreachable := answer.get("unreachable"):
        tell(f"warning: nothing newer is known: {unreachable}")
    if refused := answer.get("refused"):
        tell("error: the newest configuration is refused")
        for reason in refused:
            tell(f"  because: {reason}")
        tell(f"  more: {host.line(LOOP_STATUS)}")
    if suspended := answer.get("suspended"):
        tell(f"warning: suspended, and not as their manifests say: {', '.join(suspended)}")
    if suspended or answer["condition"] == Condition.SUSPENDED:
        tell(f"  next: {host.line(resume(suspended or ()))}    # when the reason is gone")
    code = _CODES.get(answer["condition"], Exit.DONE)
    return Exit.REFUSED if refused and code is Exit.DONE else code


def _starts_again(state: StateDirectory) -> str:
    """The command that starts the loop that was here last; empty where none was, or its record is damaged."""
    from reconciler.watch.status_file import read_kept

    try:
        kept = read_kept(state)
    except (StateError, OSError):
        return ""
    return kept.command if kept else ""
