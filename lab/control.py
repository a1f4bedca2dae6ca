"""Requests to a running lab, from inside the guest or from beside it: changes of the hardware, and how the run goes.

A request is one line, JSON (``{"op": "unplug", "adapter": 9}``) or words (``unplug 9``); the answer is one JSON line.
"""

import json
from collections.abc import Callable

from lab.ap_hardware import ApHardware


def parsed_request(line: bytes) -> dict[str, object]:
    """The request in `line`.

    In words: the operation, then ``name=value`` for each detail; a word without ``=`` is the adapter. ``true`` and
    ``false`` are booleans, ``usage=`` and ``control=`` are comma-separated lists.

    Raises:
        ValueError: `line` has neither form.
    """
    text = line.decode().strip()
    if text.startswith("{"):
        request: dict[str, object] = json.loads(text)
        return request
    operation, *words = text.split()
    return {"op": operation, **dict(_detail(word) for word in words)}


def _detail(word: str) -> tuple[str, object]:
    name, separator, value = word.partition("=")
    if not separator:
        return "adapter", name
    if value in {"true", "false"}:
        return name, value == "true"
    if name in {"usage", "control"}:
        return name, [item for item in value.split(",") if item]
    return name, value


class Control:
    """Answers requests.

    Besides those of `ApHardware.change` there are three that the guest's own scripts make: ``exit`` (with ``status``),
    ``milestone`` (with ``name``), and ``received`` (with ``bytes``), which is an error until that much of the results
    is here: for the guest a write to a port is done when it is on its way, and what is on its way when the machine ends
    is lost.

    Attributes:
        exit_status: the status that the guest's command ended with; None until it has.
        milestones: when the guest came by, in seconds of `clock`.
    """

    def __init__(
        self,
        hardware: ApHardware,
        clock: Callable[[], float],
        note: Callable[[str], None],
        received: Callable[[], int] = lambda: 0,
    ) -> None:
        """`received` tells how many bytes of the results have been received."""
        self.exit_status: int | None = None
        self.milestones: dict[str, float] = {}
        self._hardware = hardware
        self._clock = clock
        self._note = note
        self._received = received

    def answer(self, line: bytes) -> bytes:
        """The answer to one request line; an ``error`` where the request makes no sense."""
        try:
            answer = {"ok": True, **self._carry_out(parsed_request(line))}
        except (ValueError, KeyError, TypeError) as error:
            answer = {"error": str(error)}
        return json.dumps(answer).encode() + b"\n"

    def _carry_out(self, request: dict[str, object]) -> dict[str, object]:
        self._note(f"request {json.dumps(request)}")
        match request.get("op"):
            case "exit":
                self.exit_status = int(str(request["status"]))
            case "milestone":
                self.milestones[str(request["name"])] = self._clock()
            case "received":
                if self._received() < int(str(request["bytes"])):
                    raise ValueError(f"{self._received()} bytes are here")
            case _:
                return self._hardware.change(request)
        return {}
