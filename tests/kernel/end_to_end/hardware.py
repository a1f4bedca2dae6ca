"""The lab's hardware out of the simulated hosts that the examples describe."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from kernel.end_to_end.installation import ROOT
from reconciler.hosts.simulated import described

EXAMPLES: Final = ROOT / "examples"


def hardware_of(simulated_host: Path) -> dict[str, object]:
    """The cards, domains and limits of a simulated host, in the form of the lab's ``--hardware``."""
    hardware = described(simulated_host).started().host.hardware
    cards = hardware.cards.items()
    return {
        "max_adapter": hardware.max_adapter,
        "max_domain": hardware.max_domain,
        "adapters": {
            str(adapter): {
                "type": card.hwtype,
                "mode": str(card.mode),
                "configured": card.configured,
                "checkstopped": card.checkstopped,
            }
            for adapter, card in cards
        },
        "usage_domains": list(hardware.usage),
        "control_domains": list(hardware.control),
    }


def examples_hardware() -> dict[str, dict[str, object]]:
    """The hardware of each example, by its name; examples/invalid, which has none, gets that of examples/conflict."""
    files = sorted(EXAMPLES.glob("*/simulated-host.yaml"))
    found = {file.parent.name: hardware_of(file) for file in files}
    return {**found, "invalid": found["conflict"]}


def write_hardware(directory: Path, names: Iterable[str]) -> None:
    """Write ``NAME.json`` into `directory` for each of the examples `names`."""
    directory.mkdir()
    known = examples_hardware()
    for name in names:
        (directory / f"{name}.json").write_text(json.dumps(known[name]), encoding="utf-8")
