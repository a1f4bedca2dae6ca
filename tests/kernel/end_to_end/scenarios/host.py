"""The guest as a host: a clean state, its hardware, and other people who look at it and change it.

Everything here goes around the tool: files, echo, mdevctl and the tools of s390-tools.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

BUS: Final = Path("/sys/bus/ap")
MATRIX: Final = Path("/sys/devices/vfio_ap/matrix")
STATE: Final = Path("/var/lib/reconciler")
ALL: Final = f"0x{'f' * 64}"

_CREATE: Final = MATRIX / "mdev_supported_types/vfio_ap-passthrough/create"
_SETTLE_SECONDS: Final = 20

Ids = tuple[list[int], list[int]]
"""Adapters and domains, ascending."""


class Host:
    """The machine that the scenarios run on."""

    def clean(self) -> None:
        """Back to the start: no mediated device, all queues with the host's drivers, nothing remembered."""
        for uuid in self.uuids():
            self.write(MATRIX / uuid / "remove", "1")
        self.masks(ALL, ALL)
        shutil.rmtree(STATE, ignore_errors=True)
        for definition in Path("/etc/mdevctl.d").glob("matrix/*"):
            definition.unlink()

    def hardware(self, wanted: Mapping[str, Any]) -> None:
        """Have exactly the cards and domains of `wanted`, in the form of ``--hardware`` (limits stay as booted)."""
        cards = wanted["adapters"]
        for adapter in self._asked({"op": "show"})["adapters"]:
            if adapter not in cards:
                self._asked({"op": "unplug", "adapter": adapter})
        for adapter, card in cards.items():
            self._asked({"op": "plug", "adapter": adapter, **card})
        self._asked({"op": "domains", "usage": wanted["usage_domains"], "control": wanted["control_domains"]})
        self.scan(len(cards) * len(wanted["usage_domains"]))

    def plug(self, adapter: int, **card: object) -> None:
        """Plug a card while everything runs."""
        before = len(self.queues())
        self._asked({"op": "plug", "adapter": adapter, **card})
        self.scan(before + len(self._asked({"op": "show"})["usage_domains"]))

    def unplug(self, adapter: int) -> None:
        """Pull a card while everything runs."""
        gone = [name for name in self.queues() if int(name[:2], 16) == adapter]
        before = len(self.queues())
        self._asked({"op": "unplug", "adapter": adapter})
        self.scan(before - len(gone))

    def scan(self, queues: int) -> None:
        """Let the bus look at the hardware; returns when it has `queues` queues, bound or not."""
        self.write(BUS / "scans", "1")
        deadline = time.monotonic() + _SETTLE_SECONDS
        while len(self.queues()) != queues:
            if time.monotonic() > deadline:
                raise AssertionError(f"the bus has {len(self.queues())} queues, not {queues}")
            time.sleep(0.1)

    def masks(self, apmask: str, aqmask: str) -> None:
        """Set the host pool as with ``echo``."""
        self.write(BUS / "apmask", apmask)
        self.write(BUS / "aqmask", aqmask)

    def create(self, uuid: str, adapters: Iterable[int], domains: Iterable[int]) -> None:
        """Make a mediated device as a person does, one number at a time."""
        self.write(_CREATE, uuid)
        for axis, ids in (("adapter", adapters), ("domain", domains)):
            for one in ids:
                self.write(MATRIX / uuid / f"assign_{axis}", hex(one))

    def remove(self, uuid: str) -> None:
        """Remove a mediated device."""
        self.write(MATRIX / uuid / "remove", "1")

    def write(self, path: Path, value: str) -> None:
        """One write(2)."""
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.write(descriptor, value.encode())
        finally:
            os.close(descriptor)

    # Independent eyes ------------------------------------------------------------------------------------------------

    def pool(self) -> tuple[str, str]:
        """What ``cat`` tells of apmask and aqmask."""
        return _cat(BUS / "apmask"), _cat(BUS / "aqmask")

    def uuids(self) -> list[str]:
        """The mediated devices, ascending."""
        return sorted(one.name for one in MATRIX.iterdir() if one.name.count("-") == 4)

    def authorised(self) -> dict[str, Ids]:
        """What ``cat`` tells of each ``matrix``, by uuid."""
        return {uuid: _ids(_cat(MATRIX / uuid / "matrix")) for uuid in self.uuids()}

    def effective(self) -> dict[str, Ids]:
        """What ``cat`` tells of each ``guest_matrix``, by uuid."""
        return {uuid: _ids(_cat(MATRIX / uuid / "guest_matrix")) for uuid in self.uuids()}

    def queues(self) -> list[str]:
        """The queues that the bus has, ascending."""
        return sorted(one.name for one in (BUS / "devices").iterdir() if "." in one.name)

    def guests_queues(self) -> set[str]:
        """The queues that ``lszcrypt -V`` shows with the driver vfio_ap."""
        lines = _said("lszcrypt", "-V").splitlines()
        return {words[0] for line in lines if (words := line.split()) and "." in words[0] and words[-1] == "vfio_ap"}

    def mdevctl(self) -> list[str]:
        """The uuids that ``mdevctl list`` shows, ascending."""
        return sorted(line.split()[0] for line in _said("mdevctl", "list").splitlines() if line.strip())

    @staticmethod
    def _asked(request: Mapping[str, object]) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(_said("aphw", json.dumps(request)))
        return answer


def _cat(path: Path) -> str:
    return _said("cat", str(path)).strip()


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _ids(text: str) -> Ids:
    adapters = {int(line.split(".")[0], 16) for line in text.split() if line.split(".")[0]}
    domains = {int(line.split(".")[1], 16) for line in text.split() if line.split(".")[1]}
    return sorted(adapters), sorted(domains)
