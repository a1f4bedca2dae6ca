"""``reconcile boot install`` and ``uninstall``: how systemd gets to know of the boot unit."""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.options import DEFAULT_SYSFS, HostOptions
from reconciler.cli.output import result, tell
from reconciler.integrations.boot_unit import NAME, STATE, UNIT, enable_commands, unit_text
from reconciler.integrations.our_file import Installed, NotOurs


def run_install(host: HostOptions, directory: str, *, enable: bool) -> Exit:
    """Write the boot unit into `directory`, and have systemd know of it or tell how."""
    if host.simulate or os.path.realpath(host.sysfs) != DEFAULT_SYSFS:
        raise click.UsageError("the boot unit is for this machine: without --simulate and --sysfs")
    if host.paths:
        raise click.UsageError("the boot unit applies what was applied last, and reads no manifests: without -f")
    place = Path(directory).absolute()
    state = os.path.abspath(host.state_dir) if host.state_dir else STATE
    try:
        done = UNIT.install(place, unit_text(sys.executable, state))
    except (NotOurs, ValueError) as error:
        raise click.ClickException(str(error)) from error
    except FileNotFoundError as error:
        raise click.ClickException(f"{error}; --directory names another place") from error
    words = {Installed.NEW: "is installed", Installed.CHANGED: "is changed"}
    result(f"{place / NAME} {words.get(done, 'is there already and as it should be')}\n")
    return _systemctl(enable_commands(place), run=enable, when="so that it runs at every boot, type:")


def run_uninstall(directory: str) -> Exit:
    """Have no boot unit in `directory` any more, and nothing that starts it."""
    place = Path(directory).absolute()
    try:
        there = UNIT.uninstall(place)
    except NotOurs as error:
        raise click.ClickException(str(error)) from error
    for link in place.glob(f"*.wants/{NAME}"):
        link.unlink()
    result(f"{place / NAME} is {'removed' if there else 'not there'}\n")
    if there:
        tell("so that systemd forgets it, type:\n  systemctl daemon-reload")
    return Exit.DONE


def _systemctl(commands: Sequence[Sequence[str]], *, run: bool, when: str) -> Exit:
    if not run:
        tell("\n  ".join((when, *map(shlex.join, commands))))
        return Exit.DONE
    for one in commands:
        try:
            ended = subprocess.run(one, stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603 - ours
        except OSError as error:
            raise click.ClickException(f"{shlex.join(one)}: {error.strerror}") from error
        if ended:
            raise click.ClickException(f"{shlex.join(one)} ended with status {ended}")
    return Exit.DONE
