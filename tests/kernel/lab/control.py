"""Requests to a running lab, from inside the guest or from beside it: changes of the hardware, and how the run goes.

A request is one line, JSON (``{"op": "unplug", "adapter": 9}``) or words (``unplug 9``); the answer is one JSON line.
"""

import json
from collections.abc import Callable

from kernel.lab.ap_hardware import ApHardware


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

    Besides those of `ApHardware.change` there are two that the guest's own scripts make: ``exit`` (with ``status``) and
    ``milestone`` (with ``name``).

    Attributes:
        exit_status: the status that the guest's command ended with; None until it has.
        milestones: when the guest came by, in seconds of `clock`.
    """

    def __init__(self, hardware: ApHardware, clock: Callable[[], float], note: Callable[[str], None]) -> None:
        self.exit_status: int | None = None
        self.milestones: dict[str, float] = {}
        self._hardware = hardware
        self._clock = clock
        self._note = note

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
            case _:
                return self._hardware.change(request)
        return {}
