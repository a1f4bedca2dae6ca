"""Plays recorded random walks against a simulated host."""

from typing import Any, Final

from kernel.walks.corpus import RecordedWalk
from reconciler.kernel.sysfs import KernelBusy
from reconciler.model.ids import IdSet
from reconciler.simulator.hardware import Card, Hardware, HardwareError, Mode
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from testing.recordings import PROFILE_OF_FILE, InProcess, Replay, name_of, words_of

VM_ERRNOS: Final = {"ENODEV": "ENOENT"}
"""What the simulator says of a device that is not there, and what a VM's stand-in met: no link to a group."""


class Walk(Replay):
    """A recorded walk, step by step, on a fresh host with the hardware of the recording."""

    def __init__(self, recorded: RecordedWalk) -> None:
        """Get ready for the first step of `recorded`."""
        profile = PROFILES[PROFILE_OF_FILE[f"{recorded.kernel}.jsonl"]]
        self._host = SimulatedHost(_hardware(recorded.header["hardware"]), profile)
        self._removals: dict[str, str] = {}
        super().__init__(InProcess(self._host), tells_open=False)

    def hardware(self, step: dict[str, Any]) -> dict[str, Any]:
        """A change of the hardware, which may make no sense, and a scan in any case."""
        try:
            self._stage.request(words_of(step["request"]))
        except HardwareError:
            self._host.scan()
            assert "error" in step["answer"]
        else:
            assert "error" not in step["answer"]
        return {}

    def external(self, step: dict[str, Any]) -> dict[str, Any]:
        """What stand-ins for VMs do, and removals that may have to wait for them."""
        verb, uuid = step["what"].split()
        return {"result": getattr(self, f"_{verb}")(uuid)}

    def _open(self, uuid: str) -> str:
        try:
            self._host.start_vm(uuid)
        except OSError as error:
            return VM_ERRNOS.get(name_of(error), name_of(error))
        return "ok"

    def _close(self, uuid: str) -> str:
        try:
            self._host.stop_vm(uuid)
        except OSError:
            return "not open"
        return "ok"

    def _remove(self, uuid: str) -> str:
        self._removals[uuid] = self._removal(uuid)
        return self._removals[uuid]

    def _removed(self, uuid: str) -> str:
        outcome = self._removals.pop(uuid)
        if outcome == "still blocked" and uuid not in self._host.state.mdevs:
            return "ok"
        return outcome

    def _removal(self, uuid: str) -> str:
        try:
            self._host.write(f"devices/vfio_ap/matrix/{uuid}/remove", "1")
        except KernelBusy:
            return "still blocked"
        except OSError as error:
            return name_of(error)
        return "ok"


def _hardware(described: dict[str, Any]) -> Hardware:
    cards = {int(adapter): _card(card) for adapter, card in described["adapters"].items()}
    usage, control = IdSet(described["usage_domains"]), IdSet(described["control_domains"])
    return Hardware(described["max_adapter"], described["max_domain"], cards, usage, control)


def _card(described: dict[str, Any]) -> Card:
    return Card(
        described["type"],
        Mode(described["mode"]),
        described["configured"],
        described["checkstopped"],
        described["depth"],
    )
