"""The text of a definition of mdevctl, in both directions.

A definition is a JSON object: ``mdev_type``, ``start`` and ``attrs``, a list of objects with one key each, which
mdevctl writes to the attributes of that name in this order. What mdevctl makes of every other text was measured by
running it (docs/kernel-rules.md, "Definitions of mdevctl").
"""

import json
import math
import re
from enum import Enum
from typing import Any, Final

from reconciler.integrations.written_ids import NotWrittenRight, number, quoted, whole_config
from reconciler.model.boot_files import Definition
from reconciler.model.ids import IdSet
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig

MDEV_TYPE: Final = "vfio_ap-passthrough"
"""The only type of mediated device that the parent ``matrix`` has."""

_AXES: Final = {"adapter": "adapters", "domain": "domains", "control_domain": "control_domains"}
_CHANGE: Final = re.compile(r"(un)?assign_(adapter|domain|control_domain)")
_WHOLE: Final = "ap_config"
_OTHER_FILES: Final = frozenset(
    ("remove", "uevent", "driver", "subsystem", "iommu_group", "mdev_type", "power", "vfio-dev")
)
"""What else there is in the directory of a device, so that mdevctl may be able to write there."""
_READ_ONLY: Final = frozenset(("matrix", "guest_matrix", "control_domains"))
_PLAIN: Final = re.compile(r"\w+", re.ASCII)

_MOST_NESTED: Final = 127
"""How deep mdevctl's JSON reader goes."""
_NESTING: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


class Effect(Enum):
    """What mdevctl does with a file that holds no usable definition."""

    STOPS_ALL = "mdevctl starts, lists and changes no device at all"
    NOT_STARTED = "mdevctl does not start this device"
    PASSED_OVER = "mdevctl passes it over"
    UNKNOWN = "what mdevctl makes of it is not known"


class NotADefinition(ValueError):
    """A text that is no usable definition of a device of vfio_ap; says why, and with which `effect`."""

    def __init__(self, reason: str, effect: Effect = Effect.STOPS_ALL) -> None:
        super().__init__(reason)
        self.effect = effect


def parse_definition(uuid: str, content: bytes) -> Definition:
    """The definition of device `uuid` that a file with `content` holds, as mdevctl and the kernel will read it.

    mdevctl starts a device at boot whose ``start`` is the text ``auto``, and takes any other value for "by hand"; but
    there must be one. Keys that mdevctl does not look at are passed over.

    Raises:
        NotADefinition: mdevctl cannot read it, or the kernel would refuse it.
    """
    data = _json(content)
    if not isinstance(data, dict):
        raise NotADefinition("it is no JSON object")
    for key in ("mdev_type", "start"):
        if data.get(key) is None:
            raise NotADefinition(f'it has no "{key}"')
    attributes = _attributes(data)
    if not isinstance(data["mdev_type"], str):
        raise NotADefinition(f"its mdev_type is {quoted(data['mdev_type'])}, no text")
    if data["mdev_type"] != MDEV_TYPE:
        raise NotADefinition(f"its mdev_type is {quoted(data['mdev_type'])}, not {MDEV_TYPE}", Effect.NOT_STARTED)
    config = EMPTY_CONFIG
    for place, (name, value) in enumerate(attributes):
        try:
            config = _written(config, name, value)
        except NotWrittenRight as error:
            raise NotADefinition(f"attrs[{place}]: {error}", Effect.NOT_STARTED) from error
        except _UnknownAttribute as error:
            raise NotADefinition(f"attrs[{place}]: {error}", Effect.UNKNOWN) from error
    return Definition(uuid, config, data["start"] == "auto")


def definition_bytes(definition: Definition) -> bytes:
    """`definition` as mdevctl writes it, byte for byte: adapters, domains, control domains, each ascending, decimal.

    Every version of mdevctl, ap-check and kernel can read these entries; ``ap_config`` needs a kernel from 6.10.
    """
    config = definition.config
    record = {
        "mdev_type": MDEV_TYPE,
        "start": "auto" if definition.autostart else "manual",
        "attrs": [{f"assign_{name}": str(one)} for name, axis in _AXES.items() for one in getattr(config, axis)],
    }
    return json.dumps(record, indent=2).encode()


def _json(content: bytes) -> Any:
    """What mdevctl's JSON reader (serde_json) makes of `content`; it is stricter than Python's."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise NotADefinition("it is not UTF-8") from error
    if _is_too_deep(text):
        raise NotADefinition("it is nested too deeply")
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_number, parse_int=_whole_number)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise NotADefinition(f"it is not JSON: {error.msg}, line {error.lineno}") from error
    except UnicodeEncodeError as error:
        raise NotADefinition("it is not JSON: half of a surrogate pair") from error
    return value


def _is_too_deep(text: str) -> bool:
    depth = 0
    for found in _NESTING.finditer(text):
        depth += (found[0] in "[{") - (found[0] in "]}")
        if depth > _MOST_NESTED:
            return True
    return False


def _number(text: str) -> float:
    if math.isinf(float(text)):
        raise NotADefinition("it is not JSON: a number is out of range")
    return float(text)


def _whole_number(text: str) -> int:
    _number(text)
    return int(text)


def _no_number(text: str) -> float:
    raise NotADefinition(f"it is not JSON: {text}")


def _attributes(data: dict[str, Any]) -> list[tuple[str, str]]:
    attributes = data.get("attrs")
    if attributes is None:
        return []
    if not isinstance(attributes, list):
        raise NotADefinition("its attrs are no list")
    return [_attribute(place, entry) for place, entry in enumerate(attributes)]


def _attribute(place: int, entry: object) -> tuple[str, str]:
    if not isinstance(entry, dict) or len(entry) != 1:
        raise NotADefinition(f"attrs[{place}]: not an object with one key")
    ((name, value),) = entry.items()
    if not isinstance(value, str):
        raise NotADefinition(f"attrs[{place}]: the value of {quoted(name)} is no text")
    return name, value


class _UnknownAttribute(ValueError):
    """An attribute whose effect on a device is not known here."""


def _written(config: ApConfig, name: str, value: str) -> ApConfig:
    """What becomes of `config` when mdevctl writes `value` to the attribute `name`."""
    if change := _CHANGE.fullmatch(name):
        if not value:
            return config  # an empty write reaches the kernel as none at all
        axis, ids = _AXES[change[2]], IdSet([number(value)])
        before = getattr(config, axis)
        return config._replace(**{axis: before - ids if change[1] else before | ids})
    if name == _WHOLE:
        return whole_config(value) if value else config  # the kernel replaces everything that was assigned before
    if name in _READ_ONLY:
        raise NotWrittenRight(f"{quoted(name)} can only be read")
    if name in _OTHER_FILES or not _PLAIN.fullmatch(name):
        raise _UnknownAttribute(f"what {quoted(name)} does is not known")
    raise NotWrittenRight(f"a device has no attribute {quoted(name)}")
