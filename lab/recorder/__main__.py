"""``python3 -m recorder [SCENARIO...] > transcript.jsonl``: record these scenarios, or all."""

import platform
import sys

from .ap_config import ap_config
from .changes import driver_override, hotplug, live_guest, unloading
from .devices import DEVICES
from .holder import allow_virtual_machines
from .holders import HOLDERS
from .masks import MASKS
from .recording import Recording, asked_of_hardware
from .words import Scenario


def scenarios() -> dict[str, Scenario]:
    """All scenarios by name, in the order in which they are recorded."""
    last = (driver_override, live_guest, ap_config, hotplug, unloading)
    return {scenario.__name__: scenario for scenario in (*DEVICES, *HOLDERS, *MASKS, *last)}


def main() -> None:
    """Record the scenarios that the command line names, or all."""
    allow_virtual_machines()
    known = scenarios()
    rec = Recording(sys.stdout)
    rec.header(
        kernel=platform.release(),
        version=platform.version(),
        machine=platform.machine(),
        hardware=asked_of_hardware({"op": "show"}),
    )
    for name in sys.argv[1:] or known:
        rec.scenario(name, known[name].__doc__ or "")
        known[name](rec)


if __name__ == "__main__":
    main()
