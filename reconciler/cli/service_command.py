"""``reconcile service``: what is installed on a host so that systemd or libvirt runs us; by these commands alone."""

import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.loop_options import ServeOptions, WatchOptions, serve_options, watch_options
from reconciler.cli.open_host import state_of
from reconciler.cli.options import HostOptions, format_option, host_options
from reconciler.cli.output import report, result, say
from reconciler.cli.serve_command import check_server
from reconciler.cli.tree import Group
from reconciler.integrations.files import Installed, NotOurs, OurFile
from reconciler.integrations.libvirt import DIRECTORY, HOOK, NAME, follows_loop, hook_text, options_of
from reconciler.integrations.units import (
    BOOT_NAME,
    BOOT_UNIT,
    SERVE_NAME,
    SERVE_SOCKET,
    SERVE_SOCKET_NAME,
    SERVE_UNIT,
    STATE,
    WATCH_NAME,
    WATCH_UNIT,
    boot_enable_commands,
    boot_unit_text,
    found_unit,
    is_enabled,
    restart_commands,
    serve_socket_text,
    serve_unit_text,
)
from reconciler.integrations.units import DIRECTORY as UNITS
from reconciler.kernel.paths import DEFAULT_SYSFS
from reconciler.kernel.processes import run_tool
from reconciler.model.commands import HOOK_INSTALL, WATCH_INSTALL
from reconciler.model.errors import HostError, StateError
from reconciler.model.printable import error_text
from reconciler.render.plan_json import json_text
from reconciler.transaction.loop_records import read_last_good
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.run_directory import GROUP, group_id

_SECONDS: Final = 300.0
"""How long systemctl may take: a unit that is started says when it is ready."""

_ASKING_SECONDS: Final = 10.0
SERVICES: Final = ("watch", "boot", "serve", "hook")

_UNITS: Final = click.option(
    "--directory",
    type=click.Path(file_okay=False),
    default="/etc/systemd/system",
    show_default=True,
    metavar="DIR",
    help="Where systemd looks for units.",
)
_HOOK_PATH: Final[dict[str, Any]] = {
    "type": click.Path(file_okay=False),
    "default": str(DIRECTORY),
    "show_default": True,
    "metavar": "DIR",
}
_HOOKS: Final = click.option("--directory", help="Where libvirt looks for hooks.", **_HOOK_PATH)
_ENABLE: Final = click.option("--enable", is_flag=True, help="Have systemd start it, now or at boot (systemctl).")
_NOW: Final = click.option("--now", is_flag=True, help="Have systemd end and forget it at once (systemctl).")


@click.group("service", cls=Group, no_args_is_help=False)
def service_group() -> None:
    """Install what systemd or libvirt runs on this host: loop, boot unit, server, hook."""


@service_group.group("install", cls=Group, no_args_is_help=False)
def install_group() -> None:
    """Install a unit of systemd or a hook of libvirt."""


@service_group.group("uninstall", cls=Group, no_args_is_help=False)
def uninstall_group() -> None:
    """Remove it again."""


@install_group.command("watch")
@_UNITS
@_ENABLE
@watch_options
@click.pass_context
def install_watch(context: click.Context, /, directory: str, enable: bool, options: WatchOptions) -> Exit:
    """Install the unit that keeps 'reconcile watch' running, with these options.

    \b
    All paths have to be absolute, for example:
      reconcile service install watch --enable -f /etc/reconciler --apply
    """  # noqa: D301 - click reads the character
    from reconciler.cli.command_lines import words_of
    from reconciler.cli.watch_install import watch_unit

    place = Path(directory).absolute()
    install(WATCH_UNIT, place, watch_unit(options, words_of(context, {"directory", "enable"})))
    return systemctl(restart_commands(place, WATCH_NAME), run=enable, when="so that it runs from now on, run:")


@uninstall_group.command("watch")
@_UNITS
@_NOW
@click.option("--hooks", help="Where libvirt looks for hooks: one of ours may follow the loop.", **_HOOK_PATH)
def uninstall_watch(directory: str, now: bool, hooks: str) -> Exit:
    """Remove the unit of the loop, and what starts it."""
    commands = (("systemctl", "stop", WATCH_NAME), ("systemctl", "daemon-reload"))
    ended = uninstall(WATCH_UNIT, directory, *commands, now=now)
    hook = Path(hooks) / HOOK.name
    try:
        text = HOOK.ours(hook)
    except (NotOurs, OSError):
        text = None
    if text is not None and follows_loop(text):
        there = () if hook.parent == DIRECTORY else ("--directory", str(hook.parent.absolute()))
        say(
            f"{hook} follows what the loop enforces, and without a loop that record no longer changes. "
            "To have it read manifests instead, run:",
            f"  {HOOK_INSTALL.with_flags('-f', 'PATH', *there, *(options_of(text) or ()))}",
        )
    return ended


@install_group.command("boot")
@_UNITS
@_ENABLE
@host_options
def install_boot(directory: str, enable: bool, host: HostOptions) -> Exit:
    """Install the unit that runs 'reconcile boot' before libvirt is started."""
    if host.simulate or os.path.realpath(host.sysfs) != DEFAULT_SYSFS:
        raise click.UsageError("the boot unit is for this machine: without --simulate and --sysfs")
    if host.paths:
        raise click.UsageError("the boot unit applies what was applied last, and reads no manifests: without -f")
    place = Path(directory).absolute()
    state = os.path.abspath(host.state_dir) if host.state_dir else STATE
    try:
        text = boot_unit_text(sys.executable, state)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if host.state_dir or os.path.realpath(place) == str(UNITS):
        # So that a boot can distinguish an empty history from a file system that is not mounted.
        StateDirectory(Path(state)).prepare()
    install(BOOT_UNIT, place, text)
    return systemctl(boot_enable_commands(place), run=enable, when="so that it runs at every boot, run:")


@uninstall_group.command("boot")
@_UNITS
@_NOW
def uninstall_boot(directory: str, now: bool) -> Exit:
    """Remove the boot unit, and what starts it."""
    return uninstall(BOOT_UNIT, directory, ("systemctl", "daemon-reload"), now=now)


@install_group.command("serve")
@_UNITS
@_ENABLE
@serve_options
@click.pass_context
def install_serve(context: click.Context, /, directory: str, enable: bool, options: ServeOptions) -> Exit:
    """Install the unit that runs 'reconcile serve', as a user without rights.

    It answers at a Unix socket that systemd makes, or at --listen HOST:PORT.
    """
    from reconciler.cli.command_lines import words_of
    from reconciler.serve.addresses import is_path

    if options.listen and is_path(options.listen) and not os.path.isabs(options.listen):
        raise click.UsageError(f"--listen {options.listen}: a unit knows no current directory; begin the path with /")
    check_server(options)
    group = GROUP if group_id() is not None else None
    if sys.executable.startswith("/root/"):
        say(f"warning: the unit's user cannot read {sys.executable}; install reconcile elsewhere")
    where = os.path.abspath(options.run_dir)
    address, place = options.address, Path(directory).absolute()
    words = ["--listen", address, *words_of(context, {"directory", "enable", "listen", "run_dir"}), "--run-dir", where]
    try:
        text = serve_unit_text(sys.executable, words, group, address, is_local=_is_local(options))
        socket_text = serve_socket_text(address, group) if is_path(address) else None
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    install(SERVE_UNIT, place, text)
    if socket_text is not None:
        install(SERVE_SOCKET, place, socket_text)
    else:
        _remove(SERVE_SOCKET, place)
    if group is None:
        say(
            f"there is no group {GROUP}, so it can read only what a loop publishes with --publish-public. Run:",
            f"  groupadd --system {GROUP}    # then install this again, and restart the loop",
        )
    started = SERVE_SOCKET_NAME if socket_text is not None else SERVE_NAME
    commands = [*restart_commands(place, started), *([("systemctl", "try-restart", SERVE_NAME)] if socket_text else [])]
    return systemctl(commands, run=enable, when="so that it runs from now on, run:")


def _is_local(options: ServeOptions) -> bool:
    from reconciler.serve.addresses import is_local_address

    return is_local_address(options.address)


def _remove(unit: OurFile, place: Path) -> None:
    """Have no `unit` of ours in `place`, nor what starts it; one that is not ours stays."""
    with suppress(NotOurs):
        if unit.uninstall(place):
            report(f"{place / unit.name} is removed")
        for link in place.glob(f"*.wants/{unit.name}"):
            link.unlink()


@uninstall_group.command("serve")
@_UNITS
@_NOW
def uninstall_serve(directory: str, now: bool) -> Exit:
    """Remove the unit of 'reconcile serve' and its socket, and what starts them."""
    _remove(SERVE_SOCKET, Path(directory).absolute())
    stop = ("systemctl", "stop", SERVE_SOCKET_NAME, SERVE_NAME)
    return uninstall(SERVE_UNIT, directory, stop, ("systemctl", "daemon-reload"), now=now)


@install_group.command("hook")
@_HOOKS
@host_options
def install_hook(directory: str, host: HostOptions) -> Exit:
    """Install the hook of libvirt that makes the devices of on-demand guests.

    It does what the loop enforces, or what the manifests say that -f names.
    """
    missing = [path for path in host.paths if not os.path.exists(path)]
    if missing:
        raise click.UsageError(f"{missing[0]} does not exist")
    try:
        done = HOOK.install(Path(directory), hook_text(sys.executable, _hook_options(host)))
    except (NotOurs, FileNotFoundError) as error:
        if isinstance(error, NotOurs):
            raise click.ClickException(error_text(error)) from error
        missing_parent = Path(directory).absolute().parent
        raise click.ClickException(
            f"there is no directory {missing_parent}; is libvirt installed? --directory names another place"
        ) from error
    match done:
        case Installed.SAME:
            report(f"{directory}/{NAME} is there already and as it should be")
        case Installed.CHANGED:
            report(f"{directory}/{NAME} is changed; libvirt uses it from the next VM on")
        case _:
            report(f"{directory}/{NAME} is installed")
            say(
                "if it is the first hook file on this host, restart the libvirt daemon, which looks for them then:",
                "  systemctl restart virtqemud    # or libvirtd",
            )
    _show_source(host)
    return Exit.DONE


@uninstall_group.command("hook")
@_HOOKS
def uninstall_hook(directory: str) -> Exit:
    """Remove the hook."""
    try:
        there = HOOK.uninstall(Path(directory))
    except NotOurs as error:
        raise click.ClickException(str(error)) from error
    report(f"{directory}/{NAME} is {'removed' if there else 'not there'}")
    return Exit.DONE


@service_group.command("status")
@click.argument("services", nargs=-1, type=click.Choice(SERVICES), metavar="[watch|boot|serve|hook]...")
@click.option("--directory", help="Where libvirt looks for hooks.", **_HOOK_PATH)
@click.option(
    "--root",
    type=click.Path(file_okay=False),
    default="/",
    show_default=True,
    metavar="DIR",
    help="Where the machine's files are; systemd is asked about / only.",
)
@format_option("text", "json")
def status_command(services: tuple[str, ...], directory: str, root: str, format: str) -> Exit:
    """Show what is installed, whether it is started at boot, and whether it runs."""
    found = [_state_of(name, Path(root), Path(directory)) for name in services or SERVICES]
    if format == "json":
        result(json_text({"formatVersion": 1, "services": [one._asdict() for one in found]}))
        return Exit.DONE
    for one in found:
        words = [one.name, one.file or "not installed"]
        if one.file and one.name != "hook":
            words.append("started at boot" if one.enabled else "not started at boot")
            words.append(f"now {one.active}" if one.active else "systemd does not say whether it runs")
        elif one.file:
            words.append("libvirt runs it for each VM" if one.enabled else "not executable, so libvirt ignores it")
        result(f"{words[0]:<6} {', '.join(words[1:])}\n")
    return Exit.DONE


class _Service(NamedTuple):
    """How one service is.

    Attributes:
        name: as it is installed by.
        file: where it is installed; None where it is not.
        enabled: whether it is started at boot; for the hook, whether libvirt runs it.
        active: systemd's word for how it is now, for example ``active``; None where that is not known.
    """

    name: str
    file: str | None
    enabled: bool
    active: str | None


def _state_of(name: str, root: Path, hooks: Path) -> _Service:
    if name == "hook":
        hook = hooks / NAME
        return _Service(name, str(hook) if hook.is_file() else None, os.access(hook, os.X_OK), None)
    unit = {"watch": WATCH_NAME, "boot": BOOT_NAME, "serve": SERVE_NAME}[name]
    file = found_unit(root, unit)
    if file is None:
        return _Service(name, None, enabled=False, active=None)
    return _Service(name, str(file), is_enabled(root, unit), _active(unit) if root == Path("/") else None)


def _active(unit: str) -> str | None:
    """What systemd says of the unit now; None where it cannot be asked."""
    try:
        done = run_tool(["systemctl", "show", "--property=ActiveState", "--value", unit], _ASKING_SECONDS)
    except (OSError, HostError):
        return None
    return done.output.strip() or None if done.code == 0 else None


def _show_source(host: HostOptions) -> None:
    if host.paths:
        return
    state, _ = state_of(host)
    try:
        found = read_last_good(state)
    except (StateError, OSError) as error:
        say(f"it follows what the loop enforces, whose record cannot be read now: {error_text(error)}")
        return
    if found is None:
        say(
            "it follows what the loop enforces, and no loop has enforced anything yet with the state directory "
            f"{state.path}: until one has, VMs start only if their device exists; next: {WATCH_INSTALL}"
        )
    else:
        say(f"it follows what the loop enforces, now host {found.desired.host.name}{_at(found.commit)}")


def _at(commit: str) -> str:
    return f" as of commit {commit[:12]}" if commit else ""


def _hook_options(host: HostOptions) -> list[str]:
    words = [word for path in host.paths for word in ("-f", os.path.abspath(path))]
    words += ["--host", host.host] if host.host else []
    words += ["--simulate", os.path.abspath(host.simulate)] if host.simulate else []
    words += ["--sysfs", os.path.abspath(host.sysfs)] if host.sysfs != DEFAULT_SYSFS else []
    return words + (["--state-dir", os.path.abspath(host.state_dir)] if host.state_dir else [])


def install(unit: OurFile, place: Path, text: str) -> None:
    """Write `text` as `unit` into the directory `place`, and print what was done.

    Raises:
        click.ClickException: there is a file that we have not made, or no such directory.
    """
    try:
        done = unit.install(place, text)
    except NotOurs as error:
        raise click.ClickException(str(error)) from error
    except FileNotFoundError as error:
        raise click.ClickException(f"{error_text(error)}; --directory names another place") from error
    words = {Installed.NEW: "is installed", Installed.CHANGED: "is changed"}
    report(f"{place / unit.name} {words.get(done, 'is there already and as it should be')}")


def uninstall(unit: OurFile, directory: str, *next_: Sequence[str], now: bool) -> Exit:
    """Have no `unit` in `directory` any more, and nothing that starts it.

    `next_` are the commands that are to be run then: by us where it is `now`.
    """
    place = Path(directory).absolute()
    try:
        there = unit.uninstall(place)
    except NotOurs as error:
        raise click.ClickException(str(error)) from error
    for link in place.glob(f"*.wants/{unit.name}"):
        link.unlink()
    report(f"{place / unit.name} is {'removed' if there else 'not there'}")
    return systemctl(next_, run=now, when="so that systemd forgets it, run:") if there else Exit.DONE


def systemctl(commands: Sequence[Sequence[str]], *, run: bool, when: str) -> Exit:
    """Run `commands`, or show that they are to be run, `when`.

    Raises:
        click.ClickException: one of them did not succeed.
    """
    if not run:
        say(when, *(f"  {shlex.join(one)}" for one in commands))
        return Exit.DONE
    for one in commands:
        try:
            done = run_tool(one, _SECONDS)
        except (OSError, HostError) as error:
            raise click.ClickException(f"{shlex.join(one)}: {error_text(error)}") from error
        if shown := f"{done.output}{done.said}".splitlines():
            say(*shown)
        if done.code:
            raise click.ClickException(f"{shlex.join(one)} ended with status {done.code}")
    return Exit.DONE
