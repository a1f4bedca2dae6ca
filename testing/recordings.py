"""Recordings of real kernels, played against a simulated host wherever that is, and compared step by step."""

import errno
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from reconciler.kernel import paths
from reconciler.kernel.sysfs import KernelBusy, Sysfs
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.nodes import Link
from reconciler.simulator.requests import carry_out

FOLDER: Final = Path(__file__).parents[1] / "tests" / "kernel" / "transcripts"
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


IGNORED: Final = {
    "scans": "how often the bus had looked depends on how long the recorder had been running",
    "bindings_complete_count": "how often everything had become bound, over all scenarios recorded before",
    "request_count": "the drivers' own first requests to a card, which no adapter of the recording answers",
}
"""Attributes whose text a recording cannot fix, and why; the result of reading them is still compared."""

VM_DEVICE: Final = "00000000-0000-4000-8000-00000000000a"
"""The device that the recorder's stand-in for a VM opens."""


class Stage(Protocol):
    """Where a recording is played: a simulated host in this process, or one that another process has mounted."""

    @property
    def sysfs(self) -> Sysfs:
        """What is read."""

    def write(self, path: str, value: str) -> tuple[str, int | None]:
        """One open(2) and one write(2): ``ok``, an errno name or ``open:`` and an errno name, and the count."""

    def described(self, path: str) -> str:
        """What is at `path`: its mode in octal, or ``->`` and the target of a link."""

    def request(self, words: Sequence[str]) -> None:
        """Do what `reconcile simulate` does with `words`."""

    def begin_removal(self, uuid: str) -> None:
        """Remove device `uuid`, which a VM has open, and see that the write blocks."""

    def end_removal(self, uuid: str) -> None:
        """See that the removal that was begun has succeeded."""


class InProcess:
    """The simulated host itself. It cannot tell a refused open(2) from a refused write(2), which need not differ."""

    def __init__(self, host: SimulatedHost) -> None:
        self.host = host

    @property
    def sysfs(self) -> Sysfs:
        return self.host

    def write(self, path: str, value: str) -> tuple[str, int | None]:
        try:
            return "ok", self.host.write(path, value)
        except OSError as error:
            return name_of(error), None

    def described(self, path: str) -> str:
        entry = self.host.entry(path)
        return f"-> {entry.target}" if isinstance(entry, Link) else oct(entry.mode)

    def request(self, words: Sequence[str]) -> None:
        carry_out(self.host, words)

    def begin_removal(self, uuid: str) -> None:
        try:
            self.host.write(f"devices/vfio_ap/matrix/{uuid}/remove", "1")
        except KernelBusy:
            return
        raise AssertionError("the removal did not block")

    def end_removal(self, uuid: str) -> None:
        assert uuid not in self.host.list("bus/mdev/devices")


class Replay:
    """One scenario, step by step, on a fresh host."""

    def __init__(self, stage: Stage, *, tells_open: bool) -> None:
        """Play on `stage`; `tells_open` says whether it tells a refused open from a refused write."""
        self._stage = stage
        self._tells_open = tells_open
        self.state = visible_state(stage.sysfs)
        self._changed: dict[str, Any] = {}

    def check(self, step: dict[str, Any], *, looks: bool = True) -> None:
        """Carry out `step` and compare everything that was recorded of it.

        Where it `looks` at the host, it compares what this step has changed, and those before it that did not look.
        """
        where = f"step {step['step']}: {step['op']} {step.get('path') or step.get('request') or step.get('what')}"
        expected: dict[str, Any] = {key: step[key] for key in ("result", "written", "value", "entries") if key in step}
        if not self._tells_open and "result" in expected:
            expected["result"] = expected["result"].removeprefix("open:")

        actual = getattr(self, step["op"])(step)
        assert expected == {**expected, **actual}, where
        self._changed.update(step["changed"])
        if not looks:
            return
        after = visible_state(self._stage.sysfs)
        keys = [key for key in {**self.state, **after} if after.get(key) != self.state.get(key)]
        changed = {key: after.get(key) for key in keys}
        recorded = {key: value for key, value in self._changed.items() if value != self.state.get(key)}
        self.state, self._changed = after, {}

        assert changed == recorded, where

    def write(self, step: dict[str, Any]) -> dict[str, Any]:
        """One write(2)."""
        result, count = self._stage.write(_relative(step), step["value"])
        return {"result": result, "written": count}

    def read(self, step: dict[str, Any]) -> dict[str, Any]:
        """One read of an attribute."""
        try:
            text = self._stage.sysfs.read(_relative(step))
        except OSError as error:
            return {"result": name_of(error), "value": None}
        return {"result": "ok"} if _relative(step).rsplit("/", 1)[-1] in IGNORED else {"result": "ok", "value": text}

    def list(self, step: dict[str, Any]) -> dict[str, Any]:
        """The names in a directory, with modes and the targets of links."""
        path = _relative(step)
        names = self._stage.sysfs.list(path)
        return {"result": "ok", "entries": {name: self._stage.described(f"{path}/{name}") for name in names}}

    def hardware(self, step: dict[str, Any]) -> dict[str, Any]:
        """A change of the hardware; the bus looked at it at once."""
        assert step["rescan"]
        self._stage.request(words_of(step["request"]))
        return {}

    def external(self, step: dict[str, Any]) -> dict[str, Any]:
        """What was not done through sysfs: a VM opens and closes its device, a removal waits for that."""
        what = step["what"]
        if what.startswith("open the device"):
            self._stage.request(("start", VM_DEVICE))
        elif what.startswith("close the device"):
            self._stage.request(("stop", VM_DEVICE))
        elif what.startswith("remove the device"):
            self._stage.begin_removal(VM_DEVICE)
            return {"result": "still blocked"}
        else:
            assert what.startswith("result of the removal")
            self._stage.end_removal(VM_DEVICE)
        return {"result": "ok"}


def name_of(error: OSError) -> str:
    """The name of its errno."""
    assert error.errno is not None
    return errno.errorcode[error.errno]


def _relative(step: dict[str, Any]) -> str:
    path: str = step["path"]
    return path.removeprefix("/sys/")


def words_of(request: dict[str, Any]) -> list[str]:
    """A request to the hardware of the lab, as a person types it."""
    words = [request["op"]]
    for key, value in request.items():
        if key == "adapter":
            words.append(str(value))
        elif key != "op":
            words.append(f"{key}={_value_text(value)}")
    # The lab's emulated machine takes a card for one that is there.
    return [*words, "replace=true"] if request["op"] == "plug" else words


def _value_text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
