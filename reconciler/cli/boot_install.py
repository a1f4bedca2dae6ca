"""``reconcile boot install`` and ``uninstall``: how systemd gets to know of the boot unit."""

import os
import sys
from pathlib import Path

import click

from reconciler.cli import unit_install
from reconciler.cli.exit_codes import Exit
from reconciler.cli.options import HostOptions
from reconciler.integrations.units import BOOT_UNIT, DIRECTORY, STATE, boot_enable_commands, boot_unit_text
from reconciler.kernel.paths import DEFAULT_SYSFS
from reconciler.transaction.state_directory import StateDirectory


def run_install(host: HostOptions, directory: str, *, enable: bool) -> Exit:
    """Write the boot unit into `directory`, and have systemd know of it or tell how."""
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
    if host.state_dir or os.path.realpath(place) == str(DIRECTORY):
        # So that a boot can tell an empty history from a file system that is not mounted.
        StateDirectory(Path(state)).prepare()
    unit_install.install(BOOT_UNIT, place, text)
    return unit_install.systemctl(boot_enable_commands(place), run=enable, when="so that it runs at every boot, type:")


def run_uninstall(directory: str) -> Exit:
    """Have no boot unit in `directory` any more, and nothing that starts it."""
    return unit_install.uninstall(BOOT_UNIT, directory, ("systemctl", "daemon-reload"))
