"""The adapters and domains of one partition, and changes to them while its kernel runs."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

MODES: Final = ("cca", "ep11", "accelerator")
TYPES: Final = {"CEX4": 10, "CEX5": 11, "CEX6": 12, "CEX7": 13, "CEX8": 14}
"""Names of hardware types, as lszcrypt shows them, and their numbers."""

DEFAULT_HARDWARE: Final = {
    "max_adapter": 255,
    "max_domain": 84,
    "adapters": {
        "5": {"type": "CEX7", "mode": "cca"},
        "6": {"type": "CEX7", "mode": "ep11"},
        "7": {"type": "CEX8", "mode": "accelerator"},
        "0x0a": {"type": "CEX8", "mode": "cca"},
    },
    "usage_domains": [4, 5, 6, "0x47"],
    "control_domains": [4, 5, 6, "0x47", "0x48"],
}


class HardwareError(ValueError):
    """A description, or a change, that makes no sense."""


class Card(NamedTuple):
    """One adapter.

    Attributes:
        type: number of its hardware type, 10 (CEX4) to 14 (CEX8).
        mode: one of `MODES`.
        depth: how many requests its queues hold, 1 to 8.
        configured: whether it is configured, as opposed to in standby.
        checkstopped: whether the hardware has given it up.
    """

    type: int = TYPES["CEX7"]
    mode: str = "cca"
    depth: int = 8
    configured: bool = True
    checkstopped: bool = False


class ApHardware:
    """What the partition has. Public attributes are to be read only; `change` changes them.

    Attributes:
        cards: by adapter id.
        usage: ids of usage domains.
        control: ids of control domains.
    """

    def __init__(self, description: Mapping[str, object] = DEFAULT_HARDWARE) -> None:
        """Build the hardware of `description`, in the form of `DEFAULT_HARDWARE`; left out keys mean none.

        Raises:
            HardwareError: `description` has another form.
        """
        _refuse_unknown(description, DEFAULT_HARDWARE)
        self.max_adapter = _number(description.get("max_adapter", 255), "max_adapter", 255)
        self.max_domain = _number(description.get("max_domain", 84), "max_domain", 255)
        self.cards: dict[int, Card] = {}
        for key, card in _mapping(description.get("adapters", {}), "adapters").items():
            self._plug(_number(key, "adapter", self.max_adapter), _mapping(card, f"adapter {key}"))
        self.usage = self._domains(description.get("usage_domains", []))
        self.control = self._domains(description.get("control_domains", []))
        self._initial = (dict(self.cards), self.usage, self.control)

    @classmethod
    def from_file(cls, path: Path) -> "ApHardware":
        """The hardware described in a JSON file, or a YAML file where PyYAML is installed.

        Raises:
            HardwareError: the file has another form.
            OSError: it cannot be read.
        """
        text = path.read_text(encoding="utf-8")
        if path.suffix in {".yaml", ".yml"}:
            import yaml  # only here: the lab needs nothing but Python itself

            return cls(_mapping(yaml.safe_load(text), str(path)))
        try:
            return cls(_mapping(json.loads(text), str(path)))
        except json.JSONDecodeError as error:
            raise HardwareError(f"{path}: {error}") from None

    def description(self) -> dict[str, object]:
        """The present state, in the form that builds it."""
        return {
            "max_adapter": self.max_adapter,
            "max_domain": self.max_domain,
            "adapters": {str(number): card._asdict() for number, card in sorted(self.cards.items())},
            "usage_domains": sorted(self.usage),
            "control_domains": sorted(self.control),
        }

    def change(self, request: Mapping[str, object]) -> dict[str, object]:
        """Carry out one request and return what the asker is told, empty for most.

        ``op`` is one of: ``plug`` and ``set`` (with ``adapter`` and fields of `Card`), ``unplug`` (with ``adapter``),
        ``domains`` (with ``usage``, ``control`` or both: lists), ``restore`` (everything as at the start), ``show``.

        Raises:
            HardwareError: the request makes no sense; nothing has changed.
        """
        details = {key: value for key, value in request.items() if key != "op"}
        match request.get("op"):
            case "show":
                return self.description()
            case "restore":
                cards, self.usage, self.control = self._initial
                self.cards = dict(cards)
            case "domains":
                self._set_domains(details)
            case "plug" | "unplug" | "set" as operation:
                self._change_card(operation, details)
            case other:
                raise HardwareError(f"unknown operation {other!r}")
        return {}

    def _set_domains(self, details: Mapping[str, object]) -> None:
        _refuse_unknown(details, ("usage", "control"))
        usage = self._domains(details["usage"]) if "usage" in details else self.usage
        control = self._domains(details["control"]) if "control" in details else self.control
        self.usage, self.control = usage, control

    def _change_card(self, operation: str, details: dict[str, object]) -> None:
        adapter = _number(details.pop("adapter", None), "adapter", self.max_adapter)
        if operation == "plug":
            self._plug(adapter, details)
        elif adapter not in self.cards:
            raise HardwareError(f"there is no adapter {adapter}")
        elif operation == "unplug":
            del self.cards[adapter]
        else:
            self.cards[adapter] = _card(adapter, details, self.cards[adapter])

    def _plug(self, adapter: int, details: Mapping[str, object]) -> None:
        self.cards[adapter] = _card(adapter, details, Card())

    def _domains(self, values: object) -> frozenset[int]:
        if not isinstance(values, list):
            raise HardwareError(f"domains: {values!r} is not a list")
        return frozenset(_number(value, "domain", self.max_domain) for value in values)


def _card(adapter: int, details: Mapping[str, object], before: Card) -> Card:
    _refuse_unknown(details, Card._fields)
    kind = details.get("type", before.type)
    mode = details.get("mode", before.mode)
    if mode not in MODES:
        raise HardwareError(f"adapter {adapter}: mode {mode!r} is none of {', '.join(MODES)}")
    return Card(
        TYPES[kind] if isinstance(kind, str) and kind in TYPES else _number(kind, "type", 255),
        str(mode),
        _number(details.get("depth", before.depth), "depth", 256),
        _truth(details.get("configured", before.configured), "configured"),
        _truth(details.get("checkstopped", before.checkstopped), "checkstopped"),
    )


def _truth(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise HardwareError(f"{what}: {value!r} is neither true nor false")
    return value


def _number(value: object, what: str, highest: int) -> int:
    try:
        number = int(value, 0) if isinstance(value, str) else value
    except ValueError:
        raise HardwareError(f"{what}: {value!r} is not a number") from None
    if not isinstance(number, int) or isinstance(number, bool):
        raise HardwareError(f"{what}: {value!r} is not a number")
    if not 0 <= number <= highest:
        raise HardwareError(f"{what} {number} is not within 0 to {highest}")
    return number


def _mapping(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise HardwareError(f"{what}: {value!r} is not a mapping")
    return {str(key): item for key, item in value.items()}


def _refuse_unknown(given: Iterable[str], known: Iterable[str]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise HardwareError(f"unknown: {', '.join(unknown)}")
