"""What arguments of QEMU say of crypto queues: devices of vfio-ap, and the features of the CPU (qemu(1))."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

_HEX: Final = "[0-9a-fA-F]"
_UUID: Final = re.compile(f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}")
_DRIVER: Final = "vfio-ap"
_SET: Final = re.compile(r"device\.([^.]+)\.sysfsdev=(.*)", re.DOTALL)
_TRUE: Final = ("on", "yes", "true", "y")
_FALSE: Final = ("off", "no", "false", "n")


def device_of(path: str) -> str:
    """The mediated device whose directory in sysfs `path` names, lower case; empty where it names none."""
    name = path.rstrip("/").rpartition("/")[2]
    return name.lower() if _UUID.fullmatch(name) else ""


def ap_devices(arguments: Sequence[str]) -> list[tuple[int, str]]:
    """The devices that QEMU makes of vfio-ap by `arguments`: where each stands, and the uuid.

    ``-device`` has properties in QEMU's own form or as JSON; ``-set`` changes those of a device with an id. A device
    whose ``sysfsdev`` ends in no uuid is left out.
    """
    changed = {found[1]: found[2] for _, value in _values(arguments, "set") if (found := _SET.fullmatch(value))}
    devices = []
    for place, value in _values(arguments, "device"):
        properties = _properties(value, "driver")
        if properties.get("driver") == _DRIVER:
            uuid = device_of(changed.get(properties.get("id", ""), properties.get("sysfsdev", "")))
            devices += [(place, uuid)] if uuid else []
    return devices


def cpu_features(arguments: Sequence[str]) -> tuple[int, str, Mapping[str, bool]] | None:
    """Where the last ``-cpu`` in `arguments` stands, its model and its features; None where there is none."""
    found = list(_values(arguments, "cpu"))
    if not found:
        return None
    place, value = found[-1]
    model, _, rest = value.partition(",")
    features: dict[str, bool] = {}
    for word in rest.split(","):
        name, equals, setting = word.partition("=")
        if equals and setting.lower() in (*_TRUE, *_FALSE):
            features[name.strip().replace("_", "-")] = setting.lower() in _TRUE
        elif not equals and word[:1] in ("+", "-"):
            features[word[1:].replace("_", "-")] = word[0] == "+"
        elif not equals and word:
            features[word] = True
    return place, model, features


def _values(arguments: Sequence[str], option: str) -> Iterator[tuple[int, str]]:
    """The values of `option`, which begins with one dash or two, and where they stand."""
    names = (f"-{option}", f"--{option}")
    for place in range(1, len(arguments)):
        if arguments[place - 1] in names:
            yield place, arguments[place]


def _properties(text: str, first: str) -> Mapping[str, str]:
    """The properties in `text`; one without a name at the beginning is that of `first`."""
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return {}
        return {name: value for name, value in found.items() if isinstance(value, str)}
    properties: dict[str, str] = {}
    # Two commas are one within a value.
    for number, word in enumerate(re.split(r"(?<!,),(?!,)", text)):
        name, equals, value = word.replace(",,", ",").partition("=")
        properties[name if equals or number else first] = value if equals or number else name
    return properties
