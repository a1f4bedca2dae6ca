"""The simulator answers every recorded step as the real kernel did: same errno, same count, same state after it."""

import errno
from collections.abc import Iterator
from typing import Any, Final

import pytest

from kernel_transcripts import PROFILE_OF_FILE, Scenario, scenarios, visible_state
from reconciler.kernel.sysfs import KernelBusy
from reconciler.model.ids import IdSet
from reconciler.simulator.hardware import DEFAULT_HARDWARE, Card, Plug, Request, SetCard, SetDomains, Unplug
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.id_words import hwtype_of, mode_of
from reconciler.simulator.nodes import Link
from reconciler.simulator.profiles import PROFILES

IGNORED: Final = {
    "scans": "how often the bus had looked depends on how long the recorder had been running",
    "bindings_complete_count": "how often everything had become bound, over all scenarios recorded before",
    "request_count": "the drivers' own first requests to a card, which no adapter of the recording answers",
}
"""Attributes whose text a recording cannot fix, and why; the result of reading them is still compared."""

VM_DEVICE: Final = "00000000-0000-4000-8000-00000000000a"
"""The device that the recorder's stand-in for a VM opens."""


class Replay:
    """One scenario, step by step, on a fresh host."""

    def __init__(self, profile: str) -> None:
        self.host = SimulatedHost(DEFAULT_HARDWARE, PROFILES[profile])
        self.state = visible_state(self.host)

    def check(self, step: dict[str, Any]) -> None:
        """Carry out `step` and compare everything that was recorded of it."""
        where = f"step {step['step']}: {step['op']} {step.get('path') or step.get('request') or step.get('what')}"
        expected: dict[str, Any] = {key: step[key] for key in ("result", "written", "value", "entries") if key in step}

        actual = getattr(self, step["op"])(step)
        after = visible_state(self.host)
        keys = [key for key in {**self.state, **after} if after.get(key) != self.state.get(key)]
        changed = {key: after.get(key) for key in keys}
        self.state = after

        assert {**expected, "changed": step["changed"]} == {**expected, **actual, "changed": changed}, where

    def write(self, step: dict[str, Any]) -> dict[str, Any]:
        """One write(2). The recorder told a refused open(2) from a refused write(2); here both are one error."""
        try:
            count = self.host.write(_relative(step), step["value"])
        except OSError as error:
            return {"result": _name(error, step), "written": None}
        return {"result": "ok", "written": count}

    def read(self, step: dict[str, Any]) -> dict[str, Any]:
        """One read of an attribute."""
        try:
            text = self.host.read(_relative(step))
        except OSError as error:
            return {"result": _name(error, step), "value": None}
        return {"result": "ok"} if _relative(step).rsplit("/", 1)[-1] in IGNORED else {"result": "ok", "value": text}

    def list(self, step: dict[str, Any]) -> dict[str, Any]:
        """The names in a directory, with modes and the targets of links."""
        path = _relative(step)
        entries = {name: self.host.entry(f"{path}/{name}") for name in self.host.list(path)}
        return {
            "result": "ok",
            "entries": {
                name: f"-> {entry.target}" if isinstance(entry, Link) else oct(entry.mode)
                for name, entry in entries.items()
            },
        }

    def hardware(self, step: dict[str, Any]) -> dict[str, Any]:
        """A change of the hardware; the bus looked at it at once."""
        assert step["rescan"]
        self.host.change_hardware(_request(dict(step["request"])))
        return {}

    def external(self, step: dict[str, Any]) -> dict[str, Any]:
        """What was not done through sysfs: a VM opens and closes its device, a removal waits for that."""
        what = step["what"]
        if what.startswith("open the device"):
            self.host.start_vm(VM_DEVICE)
        elif what.startswith("close the device"):
            self.host.stop_vm(VM_DEVICE)
        elif what.startswith("remove the device"):
            with pytest.raises(KernelBusy):
                self.host.write(f"devices/vfio_ap/matrix/{VM_DEVICE}/remove", "1")
            return {"result": "still blocked"}
        else:
            assert VM_DEVICE not in self.host.list("bus/mdev/devices"), what
        return {"result": "ok"}


def _relative(step: dict[str, Any]) -> str:
    path: str = step["path"]
    return path.removeprefix("/sys/")


def _name(error: OSError, step: dict[str, Any]) -> str:
    assert error.errno is not None
    prefix = "open:" if step["result"].startswith("open:") else ""
    return prefix + errno.errorcode[error.errno]


def _request(request: dict[str, Any]) -> Request:
    match request.pop("op"):
        case "plug":
            card = Card(hwtype_of(request["type"]), mode_of(request["mode"]))
            return Plug(request["adapter"], card)
        case "unplug":
            return Unplug(**request)
        case "set":
            return SetCard(**request)
        case "domains":
            return SetDomains(**{axis: IdSet(domains) for axis, domains in request.items()})
    raise AssertionError(request)


def _every_scenario() -> Iterator[Any]:
    for file, profile in PROFILE_OF_FILE.items():
        for scenario in scenarios(file):
            yield pytest.param(profile, scenario, id=f"{profile}-{scenario.name}")


@pytest.mark.parametrize(("profile", "scenario"), list(_every_scenario()))
def test_every_recorded_step_gets_the_kernels_answer(profile: str, scenario: Scenario) -> None:
    """Each step of each recording gives the recorded result and leaves the recorded state."""
    replay = Replay(profile)

    assert scenario.state == replay.state
    for step in scenario.steps:
        replay.check(step)
