"""``reconcile simulate``: look at the simulated host, do to it what people and machines do, or mount it.

Mounted it is a file system until it is ended, and serves requests of other commands.
"""

import gc
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import click

from reconciler.cli.command_lines import changed_line, line_of, names_of
from reconciler.cli.exit_codes import Exit
from reconciler.cli.options import HostOptions, host_options
from reconciler.cli.output import report, report_text, result, say
from reconciler.cli.tree import Refused, command, completes
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
from reconciler.model.errors import ReconcileError
from reconciler.model.observed import Observed
from reconciler.model.printable import error_text, lines_text, shortened
from reconciler.render.changes import config_text
from reconciler.render.status_text import pool_text
from reconciler.simulator.mount import MountError, Shown
from reconciler.simulator.mount_server import Served, Server
from reconciler.simulator.requests import card_text, carry_out, help_lines, is_understood, request_instead
from reconciler.simulator.state_file import begin_boot, state_directory
from reconciler.transaction.journal import Journal
from reconciler.transaction.state_directory import StateDirectory

_HELP: Final = f"""Show or change the simulated host that --simulate FILE names, or mount it for other programs.

Without a REQUEST it is shown. REQUEST is one of

\b
{lines_text(f"  {line}" for line in help_lines())}
With --mount DIR it is a file system laid out like /sys, until Ctrl-C or 'fusermount3 -u DIR'. Other programs use it
there, and requests given meanwhile reach it.
"""


@command("simulate", help=_HELP)
@click.argument("request", nargs=-1, shell_complete=completes("requests"))
@click.option("--mount", type=click.Path(file_okay=False), metavar="DIR", help="Serve it on DIR, laid out like /sys.")
@host_options
def simulate_command(request: tuple[str, ...], mount: str | None, host: HostOptions) -> Exit:
    """Show or change a simulated host; see `_HELP`."""
    if host.simulate is None:
        what = "say which simulated host: --simulate FILE"
        if request and os.path.isfile(request[0]):
            context = click.get_current_context()
            raise Refused(what, changed_line(context, simulate_file=request[0], request=request[1:] or None))
        raise click.UsageError(what)
    file = Path(host.simulate)
    if mount is not None:
        return _mount(file, request, mount)
    devices: Mapping[str, str] = {}
    with suppress(ReconcileError, OSError):  # shown and reset without the names, too
        devices = _devices(host, file)
    asked_for = _with_uuid(request, host, file)
    answer = asked(file, asked_for)
    if answer is not None:
        if not answer["ok"]:
            raise _refused(_named(answer["error"], devices), asked_for, observe(described(file).loaded().host), devices)
        # The process that has the host mounted has saved its state before the answer.
        simulation = described(file).loaded()
        _print(request, lines_text([f"mounted on {answer['mount']}"]) + _shown(simulation, devices))
        _count_boot(file, request)
        return Exit.DONE
    if request == ("reset",):
        say("reset; its history is deleted" if reset(file) else "nothing to reset")
        request, devices = (), {}
    with opened_simulation(file, changes=bool(request)) as simulation:
        try:
            carry_out(simulation.host, asked_for if request else ())
        except (OSError, ValueError) as error:
            found = observe(simulation.host)
            raise _refused(_named(error_text(error), devices), asked_for, found, devices) from error
        _count_boot(file, request)
        shown = _shown(simulation, devices)
    _print(request, shown)
    return Exit.DONE


def _refused(message: str, words: Sequence[str], observed: Observed, devices: Mapping[str, str]) -> Refused:
    """That the request `words` was refused, with the next command; `devices` has the guests by uuid."""
    context = click.get_current_context()
    instead = tuple(devices.get(word, word) for word in request_instead(words, observed))
    if instead:
        return Refused(message, changed_line(context, request=instead))
    if is_understood(words):
        return Refused(message, f"{changed_line(context, request=None)}    # shows the host")
    return Refused(message, f"{line_of((*names_of(context), '--help'))}    # lists the requests")


def _print(wanted: Sequence[str], shown: str) -> None:
    if wanted:
        report_text(shown, lines_text([f"done: {' '.join(wanted)}"]))
    else:
        result(shown)


def _state(options: HostOptions, file: Path) -> StateDirectory:
    return StateDirectory(Path(options.state_dir) if options.state_dir else state_directory(file))


def _devices(options: HostOptions, file: Path) -> dict[str, str]:
    """The guests whose devices were made by what was applied last, by the uuid of the device."""
    return {uuid: name for uuid, (name, _) in Journal(_state(options, file), "").applied().guests.items()}


def _named(message: str, devices: Mapping[str, str]) -> str:
    """`message` about the device of a guest, with the guest's name in place of the uuid that it begins with."""
    uuid, colon, rest = message.partition(": ")
    return f"{devices.get(uuid, uuid)}{colon}{rest}"


def _with_uuid(request: tuple[str, ...], options: HostOptions, file: Path) -> tuple[str, ...]:
    """The request, where a VM is named by its guest's name with the uuid of the device that was made for it."""
    if len(request) != 2 or request[0] not in ("start", "stop"):
        return request
    devices = _devices(options, file)
    uuids = [uuid for uuid, name in devices.items() if name == request[1]]
    if not uuids and not re.fullmatch(_LIKE_UUID, request[1]):
        if _is_on_demand(_state(options, file), request[1]):
            raise Refused(
                f"{request[1]} is on-demand and has no device now: libvirt's hook makes it when the VM starts. "
                "docs/on-demand.md shows how to run the hook by hand (Try it without libvirt)",
                f"{options.here.reading(('PATH',)).line(HOOK_INSTALL)}    # writes the hook",
            )
        if not devices:
            raise Refused(f"no guest called {shortened(request[1])} is known here. Nothing is applied to this host yet")
        from reconciler.cli.meant.names import other_guests

        raise other_guests([request[1]], devices.values(), "request")
    return (request[0], uuids[0]) if uuids else (request[0], request[1].lower())


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


def _shown(simulation: Simulation, devices: Mapping[str, str]) -> str:
    """The host as it is now; `devices` has the guests by uuid."""
    observed = observe(simulation.host)
    lines = [f"simulated host {simulation.name}, kernel {observed.release}", f"  host pool  {pool_text(observed.pool)}"]
    drivers: dict[int, dict[str, list[str]]] = {}
    for one in observed.queues:
        drivers.setdefault(one.queue.adapter, {}).setdefault(one.driver or "no driver", []).append(
            f"{one.queue.domain:04x}"
        )
    for card in observed.cards:
        state = "" if card.configured else ", deconfigured"
        state += ", check-stopped" if card.checkstopped else ""
        what = card_text(simulation.host.hardware.cards[card.adapter])
        lines.append(f"  card{card.adapter:02x}     {what}{state}")
        lines += [
            f"    {driver:<12} {' '.join(domains)}" for driver, domains in sorted(drivers.get(card.adapter, {}).items())
        ]
    for mdev in sorted(observed.mdevs, key=lambda one: (one.uuid not in devices, devices.get(one.uuid), one.uuid)):
        whose = f"guest {devices[mdev.uuid]}  " if mdev.uuid in devices else "device "
        lines.append(f"  {whose}{mdev.uuid}{' (a VM has it open)' if mdev.in_use else ''}")
        lines.append(f"    {config_text(mdev.config)}")
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
