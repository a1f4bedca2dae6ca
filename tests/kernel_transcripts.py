"""Recordings of real kernels, and the part of a host's state that they tell after every step."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from reconciler.kernel import paths
from reconciler.kernel.sysfs import Sysfs

FOLDER: Final = Path(__file__).parent / "kernel" / "transcripts"
PROFILE_OF_FILE: Final = {
    "6.1.jsonl": "6.1",
    "6.12.jsonl": "6.12",
    "sid.jsonl": "7.2",
    "failed-reset-6.1.jsonl": "6.1",
    "failed-reset-6.12.jsonl": "6.12",
    "failed-reset-sid.jsonl": "7.2",
}
"""Which profile of the simulator has the rules of the kernel that a file was recorded on."""

_BUS: Final = ("apmask", "aqmask", "ap_adapter_mask", "ap_usage_domain_mask", "ap_control_domain_mask", "bindings")
_DEVICE: Final = ("config", "online", "chkstop", "driver_override")
_QUEUE: Final = ("in_use", "status")
_MDEV: Final = ("matrix", "guest_matrix", "control_domains", "ap_config")


class Scenario(NamedTuple):
    """One recorded scenario: the state that it begins with, and its steps as they stand in the file."""

    name: str
    state: dict[str, str | None]
    steps: list[dict[str, Any]]


def scenarios(file: str) -> Iterator[Scenario]:
    """The scenarios of one recording, in order; none in a source distribution, which leaves the recordings out."""
    found: list[Scenario] = []
    if not FOLDER.exists():
        return iter(found)
    for line in (FOLDER / file).read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if "state" in entry:
            found.append(Scenario(entry["scenario"], entry["state"], []))
        elif "step" in entry:
            found[-1].steps.append(entry)
    return iter(found)


def visible_state(host: Sysfs) -> dict[str, str | None]:
    """What the recorder looked at after every step, in its own keys (see the README beside the recordings)."""
    state = {name: _text(host, f"{paths.AP_BUS}/{name}") for name in _BUS}
    state["available_instances"] = _text(host, f"{paths.MDEV_TYPE}/available_instances")
    for name in host.list(paths.AP_DEVICES):
        device = f"{paths.AP_DEVICES}/{name}"
        state[f"{name}/driver"] = _driver(host, device)
        attributes = _DEVICE if name.startswith("card") else (*_DEVICE, *_QUEUE)
        state |= _present(host, device, name, attributes)
    for uuid in host.list("bus/mdev/devices"):
        state |= _present(host, f"bus/mdev/devices/{uuid}", uuid, _MDEV)
    return state


def _present(host: Sysfs, directory: str, name: str, attributes: tuple[str, ...]) -> dict[str, str | None]:
    texts = {f"{name}/{attribute}": _text(host, f"{directory}/{attribute}") for attribute in attributes}
    return {key: text for key, text in texts.items() if text is not None}


def _text(host: Sysfs, path: str) -> str | None:
    try:
        return host.read(path)
    except OSError:
        return None


def _driver(host: Sysfs, device: str) -> str | None:
    try:
        return host.link(f"{device}/driver").rsplit("/", 1)[-1]
    except OSError:
        return None
