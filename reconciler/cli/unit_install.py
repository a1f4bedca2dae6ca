"""What ``reconcile boot`` and ``reconcile watch`` have in common: a unit is written or removed, and systemd told."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.output import report, tell
from reconciler.integrations.files import Installed, NotOurs, OurFile
from reconciler.kernel.processes import run_tool
from reconciler.model.errors import HostError
from reconciler.model.printable import error_text

_SECONDS: Final = 300.0
"""How long systemctl may take: a unit that is started says when it is ready."""


def install(unit: OurFile, place: Path, text: str) -> None:
    """Write `text` as `unit` into the directory `place`, and print what was done.

    Raises:
        click.ClickException: there is somebody else's file, or no such directory.
    """
    try:
        done = unit.install(place, text)
    except NotOurs as error:
        raise click.ClickException(str(error)) from error
    except FileNotFoundError as error:
        raise click.ClickException(f"{error_text(error)}; --directory names another place") from error
    words = {Installed.NEW: "is installed", Installed.CHANGED: "is changed"}
    report(f"{place / unit.name} {words.get(done, 'is there already and as it should be')}")


def uninstall(unit: OurFile, directory: str, *next_: Sequence[str]) -> Exit:
    """Have no `unit` in `directory` any more, and nothing that starts it; `next_` are the commands to type then."""
    place = Path(directory).absolute()
    try:
        there = unit.uninstall(place)
    except NotOurs as error:
        raise click.ClickException(str(error)) from error
    for link in place.glob(f"*.wants/{unit.name}"):
        link.unlink()
    report(f"{place / unit.name} is {'removed' if there else 'not there'}")
    if there:
        tell("so that systemd forgets it, type:", *(f"  {shlex.join(one)}" for one in next_))
    return Exit.DONE


def systemctl(commands: Sequence[Sequence[str]], *, run: bool, when: str) -> Exit:
    """Run `commands`, or tell that they are to be typed, `when`.

    Raises:
        click.ClickException: one of them did not succeed.
    """
    if not run:
        tell(when, *(f"  {shlex.join(one)}" for one in commands))
        return Exit.DONE
    for one in commands:
        try:
            done = run_tool(one, _SECONDS)
        except (OSError, HostError) as error:
            raise click.ClickException(f"{shlex.join(one)}: {error_text(error)}") from error
        if shown := f"{done.output}{done.said}".splitlines():
            tell(*shown)
        if done.code:
            raise click.ClickException(f"{shlex.join(one)} ended with status {done.code}")
    return Exit.DONE
