"""``reconcile hook install`` and ``uninstall``: how libvirt gets to know of the hook."""

import os
import sys
from pathlib import Path

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.machine import state_of
from reconciler.cli.options import HostOptions
from reconciler.cli.output import report, tell
from reconciler.integrations.files import Installed, NotOurs
from reconciler.integrations.libvirt import HOOK, NAME, hook_text
from reconciler.kernel.paths import DEFAULT_SYSFS
from reconciler.model.errors import StateError
from reconciler.model.printable import error_text
from reconciler.transaction.loop_records import read_last_good


def run_install(host: HostOptions, directory: str) -> Exit:
    """Have libvirt run us, with the manifests that `host` names; where it names none, with what the loop enforces."""
    missing = [path for path in host.paths if not os.path.exists(path)]
    if missing:
        raise click.UsageError(f"{missing[0]} does not exist")
    try:
        done = HOOK.install(Path(directory), hook_text(sys.executable, _options(host)))
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
            tell(
                "if it is the first hook file on this host, restart the libvirt daemon, which looks for them then:",
                "  systemctl restart virtqemud    # or libvirtd",
            )
    _tell_source(host)
    return Exit.DONE


def _tell_source(host: HostOptions) -> None:
    if host.paths:
        return
    state, _ = state_of(host)
    try:
        found = read_last_good(state)
    except (StateError, OSError) as error:
        tell(f"it follows what the loop enforces, whose record cannot be read now: {error_text(error)}")
        return
    if found is None:
        tell(
            "it follows what the loop enforces, and no loop has enforced anything yet with the state directory "
            f"{state.path}: until one has, VMs start only if their device exists; next: reconcile watch install --help"
        )
    else:
        tell(f"it follows what the loop enforces, now host {found.desired.host.name}{_at(found.commit)}")


def _at(commit: str) -> str:
    return f" as of commit {commit[:12]}" if commit else ""


def run_uninstall(directory: str) -> Exit:
    """Have libvirt run us no more."""
    try:
        there = HOOK.uninstall(Path(directory))
    except NotOurs as error:
        raise click.ClickException(str(error)) from error
    report(f"{directory}/{NAME} is {'removed' if there else 'not there'}")
    return Exit.DONE


def _options(host: HostOptions) -> list[str]:
    words = [word for path in host.paths for word in ("-f", os.path.abspath(path))]
    words += ["--host", host.host] if host.host else []
    words += ["--simulate", os.path.abspath(host.simulate)] if host.simulate else []
    words += ["--sysfs", os.path.abspath(host.sysfs)] if host.sysfs != DEFAULT_SYSFS else []
    return words + (["--state-dir", os.path.abspath(host.state_dir)] if host.state_dir else [])
