"""``reconcile simulate --mount DIR``: the simulated host as a file system, until it is ended."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.output import report, say
from reconciler.hosts.simulated import Description, Simulation, described, locked, refuse_mounted
from reconciler.simulator.mount import MountError, Shown
from reconciler.simulator.mount_server import Served, Server


def run(file: Path, place: Path) -> Exit:
    """Mount the host that `file` describes on the directory `place` and serve it in the foreground."""
    gc.enable()  # unlike other commands, this one lives long
    place = place.absolute()

    def ready() -> None:
        report(f"{file} is mounted on {place}")
        say(f"to end: Ctrl-C, or fusermount3 -u {place}")

    try:
        with _server(described(file), place) as server:
            server.serve(ready)
    except MountError as error:
        raise click.ClickException(str(error)) from error
    return Exit.DONE


@contextmanager
def _server(description: Description, place: Path) -> Iterator[Server]:
    # libfuse changes the working directory.
    description = description._replace(file=description.file.absolute())
    # From here on other commands find the control socket, and leave the state to this process.
    with locked(description.file):
        refuse_mounted(description.file)
        server = Server(_served(description), place)
    try:
        yield server
    finally:
        with locked(description.file):
            server.close()


def _served(description: Description) -> Served:
    return Served(
        _shown(description.loaded()),
        lambda: _shown(description.started()),
        description.save,
        description.state_directory,
    )


def _shown(simulation: Simulation) -> Shown:
    return Shown(simulation.host, simulation.sysfs)
