"""``reconcile hook install`` and ``uninstall``: how libvirt gets to know of the hook."""

import os
import sys
from pathlib import Path

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.options import DEFAULT_SYSFS, HostOptions
from reconciler.cli.output import result, tell
from reconciler.integrations.hook_file import HOOK, NAME, hook_text
from reconciler.integrations.our_file import Installed, NotOurs


def run_install(host: HostOptions, directory: str) -> Exit:
    """Have libvirt run us, with the manifests and the host that `host` names."""
    if not host.paths:
        raise click.UsageError("say which manifests the hook is to read: -f PATH")
    missing = [path for path in host.paths if not os.path.exists(path)]
    if missing:
        raise click.UsageError(f"{missing[0]} does not exist")
    try:
        done = HOOK.install(Path(directory), hook_text(sys.executable, _options(host)))
    except (NotOurs, FileNotFoundError) as error:
        advice = "" if isinstance(error, NotOurs) else "; is libvirt installed? --directory names another place"
        raise click.ClickException(f"{error}{advice}") from error
    match done:
        case Installed.SAME:
            result(f"{directory}/{NAME} is there already and as it should be\n")
        case Installed.CHANGED:
            result(f"{directory}/{NAME} is changed; libvirt uses it from the next VM on\n")
        case _:
            result(f"{directory}/{NAME} is installed\n")
            tell(
                "if it is the first hook file on this host, restart the libvirt daemon, which looks for them only then:"
                "\n  systemctl restart virtqemud    (or libvirtd)"
            )
    return Exit.DONE


def run_uninstall(directory: str) -> Exit:
    """Have libvirt run us no more."""
    try:
        there = HOOK.uninstall(Path(directory))
    except NotOurs as error:
        raise click.ClickException(str(error)) from error
    result(f"{directory}/{NAME} is {'removed' if there else 'not there'}\n")
    return Exit.DONE


def _options(host: HostOptions) -> list[str]:
    words = [word for path in host.paths for word in ("-f", os.path.abspath(path))]
    words += ["--host", host.host] if host.host else []
    words += ["--simulate", os.path.abspath(host.simulate)] if host.simulate else []
    words += ["--sysfs", os.path.abspath(host.sysfs)] if host.sysfs != DEFAULT_SYSFS else []
    return words + (["--state-dir", os.path.abspath(host.state_dir)] if host.state_dir else [])
