"""The text of a definition of mdevctl, in both directions.

A definition is a JSON object: ``mdev_type``, ``start`` (``auto`` or ``manual``) and ``attrs``, a list of objects with
one key each, which mdevctl writes to the attributes of that name in this order (mdevctl(8); its own files).
"""

import json
from typing import Any, Final

from reconciler.integrations.written_ids import NotWrittenRight, absolute_mask, number, quoted
from reconciler.model.definition import Definition
from reconciler.model.ids import IdSet
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig

MDEV_TYPE: Final = "vfio_ap-passthrough"
"""The only type of mediated device that the parent ``matrix`` has."""

_START: Final = {"auto": True, "manual": False}
_AXES: Final = {"assign_adapter": "adapters", "assign_domain": "domains", "assign_control_domain": "control_domains"}
_WHOLE: Final = "ap_config"


class NotADefinition(ValueError):
    """A text that is no usable definition of a device of vfio_ap; says why."""


def parse_definition(uuid: str, content: bytes) -> Definition:
    """The definition of device `uuid` that a file with `content` holds.

    Numbers are read as the kernel will read them. A definition without ``start`` counts as ``auto``, as for ap-check
    of the s390-tools. Keys that mdevctl does not look at are passed over.

    Raises:
        NotADefinition: it is broken, of another type, or has what the kernel would refuse.
    """
    data = _json(content)
    if not isinstance(data, dict):
        raise NotADefinition("it is no JSON object")
    if data.get("mdev_type") != MDEV_TYPE:
        raise NotADefinition(f"its mdev_type is {quoted(data.get('mdev_type'))}, not {MDEV_TYPE}")
    start = data.get("start", "auto")
    if not isinstance(start, str) or start not in _START:
        raise NotADefinition(f"its start is {quoted(start)}, neither auto nor manual")
    attributes = data.get("attrs", [])
    if not isinstance(attributes, list):
        raise NotADefinition("its attrs are no list")
    config = EMPTY_CONFIG
    for place, entry in enumerate(attributes):
        try:
            config = _with(config, entry)
        except NotWrittenRight as error:
            raise NotADefinition(f"attrs[{place}]: {error}") from error
    return Definition(uuid, config, _START[start])


def definition_bytes(definition: Definition) -> bytes:
    """`definition` as mdevctl writes it, byte for byte: adapters, domains, control domains, each ascending, decimal.

    Every version of mdevctl, ap-check and kernel can read these entries; ``ap_config`` needs a kernel from 6.10.
    """
    config = definition.config
    record = {
        "mdev_type": MDEV_TYPE,
        "start": "auto" if definition.autostart else "manual",
        "attrs": [{name: str(one)} for name, axis in _AXES.items() for one in getattr(config, axis)],
    }
    return json.dumps(record, indent=2).encode()


def _json(content: bytes) -> Any:
    try:
        return json.loads(content.decode())
    except UnicodeDecodeError as error:
        raise NotADefinition("it is not UTF-8") from error
    except RecursionError as error:
        raise NotADefinition("it is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise NotADefinition(f"it is not JSON: {error.msg}, line {error.lineno}") from error
    except ValueError as error:  # a number of some thousand digits
        raise NotADefinition("it is not JSON that can be read") from error


def _with(config: ApConfig, entry: object) -> ApConfig:
    """What becomes of `config` when mdevctl writes the attribute of `entry`."""
    if not isinstance(entry, dict) or len(entry) != 1:
        raise NotWrittenRight("not an object with one key")
    ((name, value),) = entry.items()
    if not isinstance(value, str):
        raise NotWrittenRight(f"the value of {quoted(name)} is no text")
    if name == _WHOLE:
        return _whole(value)  # the kernel replaces everything that was assigned before
    if name not in _AXES:
        raise NotWrittenRight(f"{quoted(name)} is not known; there are: {', '.join([*_AXES, _WHOLE])}")
    axis = _AXES[name]
    return config._replace(**{axis: getattr(config, axis) | IdSet([number(value)])})


def _whole(value: str) -> ApConfig:
    fields = value.removesuffix("\n").split(",")
    if len(fields) != len(ApConfig._fields):
        raise NotWrittenRight(f"{_WHOLE} has {len(fields)} masks, not {len(ApConfig._fields)}")
    return ApConfig(*(absolute_mask(field) for field in fields))
