"""``reconcile simulate``: look at the simulated host and do to it what people and machines do."""

from pathlib import Path

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.options import HostOptions
from reconciler.cli.output import result, tell
from reconciler.cli.simulated import opened_simulation, reset
from reconciler.kernel.observe import observe
from reconciler.model.observed import Observed
from reconciler.render.changes import config_text
from reconciler.render.status_text import pool_text
from reconciler.simulator.hardware import HardwareError
from reconciler.simulator.hardware_words import request_of
from reconciler.simulator.host import SimulatedHost


def run(options: HostOptions, request: tuple[str, ...]) -> Exit:
    """Do `request` to the simulated host, then show it."""
    if options.simulate is None:
        raise click.UsageError("say which simulated host: --simulate FILE")
    file = Path(options.simulate)
    if request == ("reset",):
        tell("reset" if reset(file) else "nothing to reset")
        request = ()
    with opened_simulation(file, changes=bool(request)) as simulation:
        try:
            _do(simulation.host, request)
        except (HardwareError, OSError, ValueError) as error:
            raise click.UsageError(str(error)) from error
        result(_shown(simulation.name, observe(simulation.host)))
    return Exit.DONE


def _do(host: SimulatedHost, request: tuple[str, ...]) -> None:
    match request:
        case ():
            pass
        case ("start", uuid):
            host.start_vm(uuid)
        case ("stop", uuid):
            host.stop_vm(uuid)
        case ("load",):
            host.load_vfio_ap()
        case ("unload",):
            host.unload_vfio_ap()
        case _:
            host.change_hardware(request_of(request))


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
        f"  {one.uuid}{' (a VM has it open)' if one.in_use else ''}\n    {config_text(one.config)}"
        for one in observed.mdevs
    ]
    return "\n".join(lines) + "\n"
