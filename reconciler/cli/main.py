"""The command line: a table of the commands, each of which is imported when it is run; words in, exit code out."""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import click

from reconciler import __version__
from reconciler.cli.exit_codes import Exit
from reconciler.cli.options import Said
from reconciler.cli.output import exit_code, open_closed_descriptors, printable_output, say
from reconciler.cli.tree import Group, Lazy, Refused, Sections, canonical
from reconciler.model.commands import NOWHERE, PLAN

SECTIONS: Final[Sections] = {
    "Look": {
        "plan": Lazy("look_commands", "plan_command", "Show what an apply would do."),
        "status": Lazy("status_command", "status_command", "Show who has what, and why it is not what was wanted."),
        "matrix": Lazy(
            "matrix_command", "matrix_command", "Show who has which queue, in one grid of adapters and domains."
        ),
        "report": Lazy(
            "report_command", "report_command", "Show who has which queue, as a page or a picture in one file."
        ),
        "drift": Lazy(
            "look_commands",
            "drift_command",
            "Show where the host differs from the manifests, and what of that is drift.",
        ),
        "observe": Lazy(
            "look_commands",
            "observe_command",
            "Print a record of the host, from which 'plan --observed' plans anywhere.",
        ),
        "validate": Lazy("validate_command", "validate_command", "Check the manifests, without a host."),
        "hmc-changes": Lazy(
            "hmc_command",
            "hmc_changes_command",
            "Show what has to be changed on the HMC for the manifests to become true; exit with 2 where there is"
            " anything.",
        ),
        "compare": Lazy(
            "compare_command",
            "compare_command",
            "Show whether guests can move from A to B, and what B lacks; exit with 2 where something is missing.",
        ),
        "doctor": Lazy(
            "doctor_command",
            "doctor_command",
            "Find what keeps guests from their queues, and say what to do; exit with 2 where an error is found.",
        ),
    },
    "Change": {
        "apply": Lazy("apply_command", "apply_command", "Change the host as the manifests say, wholly or not at all."),
        "confirm": Lazy(
            "confirm_command",
            "confirm_command",
            "Keep what an apply with --confirm-within has done.",
        ),
        "cancel": Lazy(
            "confirm_command",
            "cancel_command",
            "Roll back an apply that waits to be confirmed, or block an apply with this id before it begins.",
        ),
        "rollback": Lazy(
            "rollback_command",
            "rollback_command",
            "Undo the newest apply, or roll back to what the apply ID wanted.",
        ),
    },
    "Several hosts": {
        "fleet": Lazy(
            "fleet_command",
            "fleet_group",
            "Plan and apply a commit to several hosts: all of them are changed, or none.",
        ),
    },
    "History": {
        "history": Lazy(
            "history_command",
            "history_command",
            "List what was applied, show what one apply changed, or compare what two of them wanted.",
        ),
    },
    "Loop": {
        "watch": Lazy(
            "watch_command",
            "watch_command",
            "Look again whenever something changes, until a signal ends it; with --apply keep the host as the manifests"
            " say.",
        ),
        "serve": Lazy(
            "serve_command",
            "serve_command",
            "Show on a page what the loop publishes, as JSON for programs, and as metrics; for a user without rights.",
        ),
        "trigger": Lazy("loop_commands", "trigger_command", "Have the loop of 'reconcile watch' look at once."),
        "suspend": Lazy(
            "loop_commands",
            "suspend_command",
            "Keep the loop and every apply from changing guests; without a name, the whole host.",
        ),
        "resume": Lazy(
            "loop_commands",
            "resume_command",
            "Let the loop and every apply change guests again; without a name, the whole host.",
        ),
    },
    "Set up": {
        "setup": Lazy(
            "setup_command",
            "setup_command",
            "Set up this host: show what is there, and after a yes write its manifests and install the services.",
        ),
        "import": Lazy(
            "import_command",
            "import_command",
            "Print manifests of the host as it is, or of what another program has written down.",
        ),
        "service": Lazy(
            "service_command",
            "service_group",
            "Install what systemd or libvirt runs on this host: loop, boot unit, server, hook.",
        ),
        "boot": Lazy(
            "boot_command",
            "boot_command",
            "Apply at boot what was applied last, where the manifests say 'persistence: service'.",
        ),
        "hook": Lazy(
            "hook_command",
            "hook_group",
            "Make the device of an on-demand guest when its VM starts, and remove it when the VM has ended.",
        ),
        "explain": Lazy(
            "explain_command",
            "explain_command",
            "Show what a field of a manifest means, an id or a state; without FIELD list the kinds of document.",
        ),
        "schema": Lazy(
            "explain_command",
            "schema_command",
            "Print the JSON Schema of a kind of document; without KIND list the kinds.",
        ),
        "man": Lazy(
            "manual_command",
            "man_command",
            "Print a page of the manual for man(1); without PAGE list the pages.",
        ),
        "completion": Lazy("explain_command", "completion_command", "Print the completion script for SHELL."),
    },
    "Try": {
        "simulate": Lazy(
            "simulate_command",
            "simulate_command",
            "Show or change the simulated host that --simulate FILE names, or mount it for other programs.",
        ),
    },
    "": {
        "expire": Lazy(
            "confirm_command",
            "expire_command",
            "Wait until the time of a generation is over, and roll it back unless it was confirmed.",
        ),
    },
}

_COMPLETION: Final = "_RECONCILE_COMPLETE"
"""The environment variable with which a shell asks what fits at its prompt."""

_EPILOG: Final = "Exit codes: 0 done, 2 changes, 3 invalid manifests, 4 conflict, or consent or a yes needed, \
5 stale plan, 6 rolled back, 7 degraded, 8 busy, 9 mixed (fleet), 64 wrong usage, 1 anything unforeseen."


@click.group(
    cls=Group,
    sections=SECTIONS,
    epilog=_EPILOG,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="reconcile")
@click.pass_context
def cli(context: click.Context, /) -> None:
    """Share out the crypto queues of an IBM Z KVM host as YAML manifests say."""
    if context.invoked_subcommand is None:
        raise click.UsageError(
            f"choose a command; 'reconcile --help' lists them; to see what would be done: {NOWHERE.line(PLAN)}"
        )


def main() -> NoReturn:
    """Run the command and exit with its code; no traceback reaches the user but for a bug."""
    # One command makes no garbage cycles worth collecting, and looking for them takes a third of the time at 10,000
    # guests.
    gc.disable()
    open_closed_descriptors()
    end_alike()
    code = run(sys.argv[1:])
    # Taking ten thousand guests apart object by object before the process ends anyway takes longer than showing them.
    os._exit(code)


def end_alike() -> None:
    """From now on SIGTERM and SIGHUP end the process as Ctrl-C does: locks are given back, nothing is half done."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def run(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    with printable_output():
        return exit_code(_completed() if os.environ.get(_COMPLETION) else _run(arguments))


def _completed() -> int:
    from reconciler.cli.completing import answer

    answer(cli, _COMPLETION)
    return Exit.DONE


def _run(arguments: Sequence[str]) -> int:
    said = Said()
    try:
        code = cli.main(canonical(arguments), prog_name="reconcile", standalone_mode=False, obj=said)
    except click.UsageError as error:
        _show(error)
        return Exit.USAGE
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("stopped; nothing was changed")
        return Exit.FAILURE
    except click.ClickException as error:
        say(f"Error: {error.format_message()}")
        return Exit.FAILURE
    except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, the user gets a sentence
        from reconciler.cli.failures import code_of

        return code_of(error, said)
    return int(code or 0)


def _show(error: click.UsageError) -> None:
    # As click does, but that what was typed may have line feeds in it.
    if error.ctx and not isinstance(error, Refused):
        say(*error.ctx.get_usage().splitlines(), f"Try '{error.ctx.command_path} --help' for help.", "")
    message = f"Error: {error.format_message()}"
    say(*(message.expandtabs(2).splitlines() if isinstance(error, click.MissingParameter) else [message]))
    if isinstance(error, Refused):
        say(*(f"  next: {line}" for line in error.next))
