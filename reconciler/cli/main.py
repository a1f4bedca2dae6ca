"""The command line: options in, exit code out.

Start-up is part of the product, so that this module imports little but click; each command imports what it needs.
"""

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from reconciler.cli.boot_group import boot
from reconciler.cli.command_lines import again
from reconciler.cli.durations import Duration
from reconciler.cli.exit_codes import Exit
from reconciler.cli.options import (
    HostOptions,
    Said,
    consent_options,
    format_option,
    host_options,
    lock_option,
    recorded_options,
)
from reconciler.cli.output import exit_code, open_closed_descriptors, printable_output, tell
from reconciler.cli.tree import Group
from reconciler.cli.watch_group import watch
from reconciler.cli.watch_options import WatchOptions, watch_options
from reconciler.kernel.paths import DEFAULT_SYSFS
from reconciler.transaction.lock import end_alike

_EPILOG = "Exit codes: 0 done, 2 changes, 3 invalid manifests, 4 conflict, or consent or --yes needed, 5 stale plan, \
6 rolled back, 7 degraded, 8 busy, 64 wrong usage, 1 anything unforeseen."


@click.group(
    cls=Group, invoke_without_command=True, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--plan", "wants_plan", is_flag=True, help="Show what would be done.")
@click.option(
    "--apply",
    "apply_file",
    is_flag=False,
    flag_value="",
    metavar="[PLANFILE]",
    help="Do it, wholly or not at all; with PLANFILE exactly what that plan says.",
)
@click.option(
    "--watch", "wants_watch", is_flag=True, help="Look again whenever something changes; with --apply keep the host so."
)
@click.option("--out", type=click.Path(dir_okay=False), help="With --plan: save the plan for --apply PLANFILE.")
@click.option("--detailed-exitcode", is_flag=True, help="With --plan: exit with 2 where there are changes.")
@click.option("--yes", is_flag=True, help="With --apply: do not ask.")
@consent_options
@click.option(
    "--confirm-within",
    type=Duration(),
    metavar="DURATION",
    help="With --apply: put everything back unless 'reconcile confirm' comes in time, e.g. 5m.",
)
@lock_option
@format_option("text", "json", "markdown")
@watch_options
@host_options
@recorded_options
@click.version_option(package_name="vfio-ap-reconciler", prog_name="reconcile")
@click.pass_context
def cli(
    context: click.Context,
    /,
    wants_plan: bool,
    apply_file: str | None,
    wants_watch: bool,
    out: str | None,
    detailed_exitcode: bool,
    yes: bool,
    consents: frozenset[str],
    confirm_within: float | None,
    lock_timeout: int,
    format: str,
    watching: WatchOptions,
    host: HostOptions,
) -> int | None:
    """Share out the crypto queues of an IBM Z KVM host as YAML manifests say."""
    actions = [wants_plan, apply_file is not None, wants_watch]
    if host.recorded and (context.invoked_subcommand or wants_watch):
        raise click.UsageError(f"{host.recorded} goes with --plan and --apply")
    if context.invoked_subcommand:
        if any(actions):
            raise click.UsageError(f"'{context.invoked_subcommand}' cannot be combined with --plan, --apply or --watch")
        return None
    if wants_watch and apply_file:
        meant = again(apply_file="", file=(*host.paths, apply_file))
        raise click.UsageError(f"--watch applies no saved plan. Manifests are named with -f: {meant}")
    if wants_watch and not wants_plan:
        from reconciler.cli import watch_command

        if consents or confirm_within is not None or out or yes:
            raise click.UsageError("--watch gives no consent and asks nobody; what needs a person is left to a person")
        return watch_command.run(host, watching, applies=apply_file is not None)
    if sum(actions) != 1:
        first = "" if any(actions) else f"; to see what would be done: {again('--plan')}"
        raise click.UsageError(
            f"choose one of --plan, --apply, --watch, or a command; 'reconcile --help' lists them{first}"
        )
    if watching.given:
        raise click.UsageError(f"{watching.given[0]} goes with --watch")
    if out and not wants_plan:
        raise click.UsageError("--out goes with --plan")
    from reconciler.cli import apply_command, plan_command

    if wants_plan:
        return plan_command.run(host, format=format, out=out, detailed=detailed_exitcode)
    if format == "markdown":
        raise click.UsageError("--apply prints text or json; markdown is for --plan")
    from reconciler import Terms

    terms = Terms(consents, confirm_within=confirm_within, lock_seconds=lock_timeout)
    return apply_command.run(host, planfile=apply_file or None, format=format, yes=yes, terms=terms)


@cli.command()
@click.option(
    "--domain-xml",
    "domain_files",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    help="Check the AP devices of the VM that FILE describes (virsh dumpxml), too; may be given again.",
)
@format_option("text", "json")
@host_options
def validate(domain_files: tuple[str, ...], format: str, host: HostOptions) -> int:
    """Check the manifests, without a host."""
    from reconciler.cli import validate_command

    return validate_command.run(host, format=format, domain_files=domain_files)


@cli.command()
@click.option("--watch", is_flag=True, help="Show what the loop found last; at a terminal, keep showing it.")
@format_option("text", "json")
@host_options
@recorded_options
def status(watch: bool, format: str, host: HostOptions) -> int:
    """Show who has what, and why it is not what was wanted."""
    from reconciler.cli import status_command

    if watch:
        return status_command.run_watched(host, format=format)
    return status_command.run_status(host, format=format)


@cli.command()
@format_option("text", "json")
@host_options
@recorded_options
def drift(format: str, host: HostOptions) -> int:
    """Tell whether the host is still as the manifests say; exit with 2 where it is not."""
    from reconciler.cli import status_command

    return status_command.run_drift(host, format=format)


@cli.command()
@click.argument("guests", nargs=-1, metavar="[GUEST]...")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for whoever finds it suspended.")
@click.option("--for", "seconds", type=Duration(), metavar="DURATION", help="For so long; left out: until resumed.")
@host_options
def suspend(guests: tuple[str, ...], reason: str, seconds: float | None, host: HostOptions) -> int:
    """Have the loop leave guests alone, or the whole host where none is named."""
    from reconciler.cli import suspend_command

    return suspend_command.run_suspend(host, guests, reason=reason, seconds=seconds)


@cli.command()
@click.argument("guests", nargs=-1, metavar="[GUEST]...")
@host_options
def resume(guests: tuple[str, ...], host: HostOptions) -> int:
    """Have the loop see to guests again, or to everything where none is named."""
    from reconciler.cli import suspend_command

    return suspend_command.run_resume(host, guests)


@cli.command()
@format_option("text", "json")
@host_options
def doctor(format: str, host: HostOptions) -> int:
    """Look for everything that goes wrong in practice, and say what to do; exit with 2 where an error is found."""
    from reconciler.cli import doctor_command

    return doctor_command.run(host, format=format)


@cli.command()
@click.option("--wait", is_flag=True, help="Wait until that turn has ended; the exit code says how the host stands.")
@click.option("--allow-older", is_flag=True, help="This once, follow a git commit that is older than the enforced one.")
@host_options
def trigger(wait: bool, allow_older: bool, host: HostOptions) -> int:
    """Have the loop of 'reconcile --watch' look at once."""
    from reconciler.cli import trigger_command

    return trigger_command.run(host, wait=wait, allow_older=allow_older)


@cli.command()
@click.argument("number", type=click.IntRange(min=1), metavar="ID")
@click.option("--extend", type=Duration(), metavar="DURATION", help="Do not confirm it yet: give it so much more time.")
@host_options
def confirm(number: int, extend: float | None, host: HostOptions) -> int:
    """Keep what an apply with --confirm-within has done; ID is the number of its generation."""
    from reconciler.cli import second_thoughts

    return second_thoughts.run_confirm(host, number, extend)


@cli.command()
@click.argument("words", nargs=-1, metavar="[show NUMBER]")
@format_option("text", "json")
@host_options
def history(words: tuple[str, ...], format: str, host: HostOptions) -> int:
    """List what was applied, or show one generation."""
    from reconciler.cli import history_command

    return history_command.run_history(host, words, format=format)


@cli.command()
@click.argument("number", type=click.IntRange(min=1), required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@consent_options
@lock_option
@format_option("text", "json")
@host_options
def rollback(
    number: int | None, yes: bool, consents: frozenset[str], lock_timeout: int, format: str, host: HostOptions
) -> int:
    """Undo the newest apply, or go back to what generation NUMBER wanted.

    It is a plan like any other, shown first. An apply that waits to be confirmed is undone instead.
    """
    from reconciler import Terms
    from reconciler.cli import history_command

    return history_command.run_rollback(
        host, number, format=format, yes=yes, terms=Terms(consents, lock_seconds=lock_timeout)
    )


@cli.command(hidden=True)
@click.argument("number", type=click.IntRange(min=1))
@host_options
def expire(number: int, host: HostOptions) -> int:
    """Wait until the time of a generation is over, and put it back unless it was confirmed."""
    from reconciler.cli import second_thoughts

    return second_thoughts.run_expire(host, number)


@cli.command()
@click.argument("request", nargs=-1)
@click.option("--mount", type=click.Path(file_okay=False), metavar="DIR", help="Serve it on DIR, laid out like /sys.")
@host_options
def simulate(request: tuple[str, ...], mount: str | None, host: HostOptions) -> int:
    """Show or change the simulated host that --simulate FILE names, or mount it for other programs.

    \b
    REQUEST is one of
      (nothing)                              show it
      reset                                  back to what FILE says
      plug 9 [type=CEX8] [mode=ep11] [configured=false]
      unplug 9
      set 5 configured=false | checkstopped=true
      domains usage=4,5 [control=4,5]        what the LPAR has
      restore                                the hardware as FILE says
      start GUEST | stop GUEST               a VM opens or closes its mediated device (name or uuid)
      load | unload                          the vfio_ap module
      boot                                   masks all ones, vfio_ap not loaded

    \b
    With --mount DIR it is a file system laid out like /sys, until Ctrl-C or fusermount3 -u DIR; other
    programs use it there, and requests given meanwhile reach it.
    """  # noqa: D301 - click reads the character
    from reconciler.cli import simulate_command

    return simulate_command.run(host, request, mount)


@cli.command()
@click.argument("kind", type=click.Choice(["host", "guest", "simulated-host", "plan"]), required=False)
def schema(kind: str | None) -> int:
    """Print the JSON Schema of a kind of document; without KIND list the kinds."""
    from reconciler.cli import schema_command

    return schema_command.run(kind)


@cli.command("import")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, allow_dash=True), default="-", help="A new file; - for stdout."
)
@host_options
def import_manifests(output: str, host: HostOptions) -> int:
    """Print manifests of the host as it is.

    They have its pool, its mediated devices, and what is defined in mdevctl, and they change nothing: a plan of them
    has nothing to do.
    """
    from reconciler.cli import import_command

    return import_command.run(host, output=output)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the completion script for SHELL, e.g. `reconcile completion bash > ~/.local/share/bash-completion/…`."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "reconcile", "_RECONCILE_COMPLETE").source())
    return Exit.DONE


@cli.group(cls=Group, no_args_is_help=True)
def hook() -> None:
    """Have libvirt make the device of an on-demand guest when its VM starts, and take it away when it ends."""


@hook.command("qemu", context_settings={"allow_interspersed_args": False})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="VM OPERATION SUBOPERATION EXTRA")
@host_options
def hook_qemu(words: tuple[str, ...], host: HostOptions) -> int:
    """What libvirt runs, with the VM's XML on standard input; exit with 1 where the VM must not start."""
    from reconciler.cli import hook_command

    return hook_command.run_qemu(host, words)


_HOOKS = click.option(
    "--directory",
    type=click.Path(file_okay=False),
    default="/etc/libvirt/hooks/qemu.d",
    show_default=True,
    metavar="DIR",
    help="Where libvirt looks for hooks.",
)


@hook.command("install")
@_HOOKS
@host_options
def hook_install(directory: str, host: HostOptions) -> int:
    """Have libvirt run the hook with what the loop enforces, or with the manifests that -f names."""
    from reconciler.cli import hook_install

    return hook_install.run_install(host, directory)


@hook.command("uninstall")
@_HOOKS
def hook_uninstall(directory: str) -> int:
    """Have libvirt run the hook no more."""
    from reconciler.cli import hook_install

    return hook_install.run_uninstall(directory)


@cli.command()
@click.option(
    "--listen",
    default="127.0.0.1:9750",
    show_default=True,
    metavar="ADDR",
    help="HOST:PORT, [HOST]:PORT or the path of a Unix socket.",
)
@click.option(
    "--run-dir",
    type=click.Path(file_okay=False),
    default="/run/reconciler",
    show_default=True,
    help="Where the loop publishes its reports.",
)
def serve(listen: str, run_dir: str) -> int:
    """Answer /metrics, /healthz and /readyz from what the loop publishes; for a user without rights."""
    from reconciler.cli import serve_command

    return serve_command.run(listen, Path(run_dir))


cli.add_command(boot)
cli.add_command(watch)


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


def run(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    with printable_output():
        return exit_code(_run(arguments))


def _run(arguments: Sequence[str]) -> int:
    said = Said()
    try:
        code = cli.main(list(arguments), prog_name="reconcile", standalone_mode=False, obj=said)
    except click.UsageError as error:
        _show(error)
        _leave_ended(arguments)
        return Exit.USAGE
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        tell("stopped; nothing was changed")
        return Exit.FAILURE
    except click.ClickException as error:
        tell(f"Error: {error.format_message()}")
        return Exit.FAILURE
    except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, the user gets a sentence
        from reconciler.cli.failures import code_of

        return code_of(error, said)
    return int(code or 0)


def _leave_ended(arguments: Sequence[str]) -> None:
    """Say in the metrics file of a loop that no loop runs, where its options cannot even be read."""
    if "--watch" not in arguments:
        return
    from reconciler.cli import watch_command

    with cli.make_context(
        "reconcile",
        list(arguments),
        resilient_parsing=True,
        ignore_unknown_options=True,
        allow_interspersed_args=True,
    ) as context:
        said = context.params
    simulate, state_dir, run_dir = (said.get(name) for name in ("simulate", "state_dir", "run_dir"))
    host = HostOptions((), None, said.get("sysfs") or DEFAULT_SYSFS, simulate, state_dir, run_dir)
    watch_command.leave_ended(host, said.get("metrics_file"))


def _show(error: click.UsageError) -> None:
    # As click does, but that what was typed may have line feeds in it.
    if error.ctx:
        tell(*error.ctx.get_usage().splitlines(), f"Try '{error.ctx.command_path} --help' for help.", "")
    message = f"Error: {error.format_message()}"
    tell(*(message.splitlines() if isinstance(error, click.MissingParameter) else [message]))
