"""``reconcile simulate``: look at the simulated host, do to it what people and machines do, or mount it.

Mounted it is a file system until it is ended, and serves requests of other commands.
"""

import errno
import gc
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.options import HostOptions, host_options
from reconciler.cli.output import report, report_text, result, say
from reconciler.cli.tree import command, completes
from reconciler.hosts.simulated import (
    Description,
    Simulation,
    asked,
    described,
    locked,
    opened_simulation,
    refuse_mounted,
    reset,
)
from reconciler.kernel.observe import observe
from reconciler.model.commands import HOOK_INSTALL
from reconciler.model.desired import Activation
from reconciler.model.observed import Observed
from reconciler.model.printable import error_text, lines_text
from reconciler.render.changes import config_text, few_text
from reconciler.render.status_text import pool_text
from reconciler.simulator.mount import MountError, Shown
from reconciler.simulator.mount_server import Served, Server, carry_out
from reconciler.simulator.state_file import begin_boot, state_directory
from reconciler.transaction.journal import Journal
from reconciler.transaction.state_directory import StateDirectory


@command("simulate")
@click.argument("request", nargs=-1, shell_complete=completes("requests"))
@click.option("--mount", type=click.Path(file_okay=False), metavar="DIR", help="Serve it on DIR, laid out like /sys.")
@host_options
def simulate_command(request: tuple[str, ...], mount: str | None, host: HostOptions) -> Exit:
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
      start GUEST | stop GUEST               a VM opens or closes its mediated
                                             device (name or uuid)
      load | unload                          the vfio_ap module
      boot                                   masks all ones, vfio_ap not loaded

    With --mount DIR it is a file system laid out like /sys, until Ctrl-C or 'fusermount3 -u DIR'. Other programs use it
    there, and requests given meanwhile reach it.
    """  # noqa: D301 - click reads the character
    if host.simulate is None:
        raise click.UsageError("say which simulated host: --simulate FILE")
    file = Path(host.simulate)
    if mount is not None:
        return _mount(file, request, mount)
    request, wanted = _with_uuid(request, host, file), request
    answer = asked(file, request)
    if answer is not None:
        _print(wanted, _mounted_text(file, answer))
        _count_boot(file, request)
        return Exit.DONE
    if request == ("reset",):
        say("reset" if reset(file) else "nothing to reset")
        request = ()
    with opened_simulation(file, changes=bool(request)) as simulation:
        try:
            carry_out(simulation.host, request)
        except (OSError, ValueError) as error:
            raise click.UsageError(_refusal(wanted, error)) from error
        _count_boot(file, request)
        shown = _shown(simulation.name, observe(simulation.host))
    _print(wanted, shown)
    return Exit.DONE


def _refusal(wanted: Sequence[str], error: OSError | ValueError) -> str:
    """Why the host has not done what was `wanted`."""
    if isinstance(error, OSError) and error.errno == errno.ENODEV:
        match wanted:
            case ("stop", guest):
                return f"no VM has the device of {guest} open"
            case ("start", guest):
                return f"the device of {guest} does not exist on the simulated host"
            case _:
                pass
    return error_text(error)


def _print(wanted: Sequence[str], shown: str) -> None:
    if wanted:
        report_text(shown, lines_text([f"done: {' '.join(wanted)}"]))
    else:
        result(shown)


def _with_uuid(request: tuple[str, ...], options: HostOptions, file: Path) -> tuple[str, ...]:
    """The request, where a VM is named by its guest's name with the uuid of the device that was made for it."""
    if len(request) != 2 or request[0] not in ("start", "stop"):
        return request
    state = StateDirectory(Path(options.state_dir) if options.state_dir else state_directory(file))
    made = Journal(state, "").applied().guests
    uuids = [uuid for uuid, (name, _) in made.items() if name == request[1]]
    if not uuids and not re.fullmatch(_LIKE_UUID, request[1]):
        from reconciler.manifests.schema import did_you_mean

        if _is_on_demand(state, request[1]):
            raise click.UsageError(
                f"{request[1]} is on-demand and has no device now: libvirt's hook makes it when the VM starts. "
                "docs/on-demand.md shows how to run the hook by hand (Try it without libvirt); to write the hook: "
                f"{options.here.reading(('PATH',)).line(HOOK_INSTALL)}"
            )
        names = sorted(name for name, _ in made.values())
        meant = did_you_mean(request[1], names)
        there = f"There are: {few_text(names)}" if names else "Nothing is applied to this host yet"
        raise click.UsageError(f"no guest called {request[1]} is known here. {meant}{there}")
    return (request[0], uuids[0]) if uuids else request


def _is_on_demand(state: StateDirectory, name: str) -> bool:
    """Whether the manifests that were applied last have an on-demand guest of that name."""
    from reconciler.transaction.history import History, NoSuchGeneration

    history = History(state)
    try:
        desired = history.target(history.newest_target()).desired
    except NoSuchGeneration:
        return False
    return any(one.name == name and one.activation is Activation.ON_DEMAND for one in desired.guests)


_LIKE_UUID: Final = "[0-9A-Fa-f-]{36}"


def _count_boot(file: Path, request: tuple[str, ...]) -> None:
    # A journal of the boot before is history.
    if request == ("boot",):
        begin_boot(file)


def _mount(file: Path, request: tuple[str, ...], place: str) -> Exit:
    if request:
        raise click.UsageError("--mount goes without a REQUEST; requests can be made while the host is mounted")
    return _serve_mounted(file, Path(place))


def _mounted_text(file: Path, answer: Mapping[str, Any]) -> str:
    if not answer["ok"]:
        raise click.UsageError(answer["error"])
    # Whoever has the host mounted has saved its state before the answer.
    simulation = described(file).loaded()
    return lines_text([f"mounted on {answer['mount']}"]) + _shown(simulation.name, observe(simulation.host))


def _shown(name: str, observed: Observed) -> str:
    lines = [f"simulated host {name}, kernel {observed.release}", f"  host pool  {pool_text(observed.pool)}"]
    drivers: dict[int, dict[str, list[str]]] = {}
    for one in observed.queues:
        drivers.setdefault(one.queue.adapter, {}).setdefault(one.driver or "no driver", []).append(
            f"{one.queue.domain:04x}"
        )
    for card in observed.cards:
        state = "" if card.configured else ", deconfigured"
        state += ", check-stopped" if card.checkstopped else ""
        lines.append(f"  card{card.adapter:02x}     hwtype {card.hwtype}{state}")
        lines += [
            f"    {driver:<12} {' '.join(domains)}" for driver, domains in sorted(drivers.get(card.adapter, {}).items())
        ]
    lines += [
        line
        for one in observed.mdevs
        for line in (f"  {one.uuid}{' (a VM has it open)' if one.in_use else ''}", f"    {config_text(one.config)}")
    ]
    return lines_text(lines)


def _serve_mounted(file: Path, place: Path) -> Exit:
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
        _shown_files(description.loaded()),
        lambda: _shown_files(description.started()),
        description.save,
        description.state_directory,
    )


def _shown_files(simulation: Simulation) -> Shown:
    return Shown(simulation.host, simulation.sysfs)
