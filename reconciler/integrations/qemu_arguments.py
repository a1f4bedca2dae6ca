"""What arguments of QEMU say of crypto queues: devices of vfio-ap, and the features of the CPU (qemu(1))."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

_HEX: Final = "[0-9a-fA-F]"
_UUID: Final = re.compile(f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}")
DRIVER: Final = "vfio-ap"
"""What QEMU calls the device that gives a guest crypto queues."""

_SET: Final = re.compile(r"device\.([^.]+)\.([^=]+)=(.*)", re.DOTALL)
_GLOBAL: Final = re.compile(r"vfio-ap\.([^.=]+)=(.*)", re.DOTALL)
_STRING: Final = re.compile(r""" "(?:[^"\\]|\\.)*" | '((?:[^'\\]|\\.)*)' """, re.DOTALL | re.VERBOSE)
_TRUE: Final = ("on", "yes", "true", "y")
_FALSE: Final = ("off", "no", "false", "n")


class ApDevice(NamedTuple):
    """A device of vfio-ap that QEMU makes.

    Attributes:
        place: which of the arguments asks for it.
        path: of its mediated device (``sysfsdev``); empty where none is given.
    """

    place: int
    path: str


def device_of(path: str) -> str:
    """The mediated device whose directory in sysfs `path` names, lower case; empty where it names none."""
    name = path.rstrip("/").rpartition("/")[2]
    return name.lower() if _UUID.fullmatch(name) else ""


def ap_devices(arguments: Sequence[str]) -> list[ApDevice]:
    """The devices that QEMU makes of vfio-ap by `arguments`.

    ``-device`` has properties in QEMU's own form or as JSON; ``-set`` changes those of a device with an id, and
    ``-global`` gives those that are not written.
    """
    changes = settings(arguments)
    common = dict(_common(arguments))
    devices = []
    for place, value in _values(arguments, "device"):
        properties = {**common, **_properties(value, "driver")}
        properties |= changes.get(properties.get("id", ""), {})
        if properties.get("driver") == DRIVER:
            devices.append(ApDevice(place, properties.get("sysfsdev", "")))
    return devices


def settings(arguments: Sequence[str]) -> dict[str, dict[str, str]]:
    """The properties that ``-set`` changes, by the id of the device; QEMU takes the last value of each."""
    changes: dict[str, dict[str, str]] = {}
    for _, value in _values(arguments, "set"):
        if found := _SET.fullmatch(value):
            changes.setdefault(found[1], {})[found[2]] = found[3]
    return changes


def files_of_arguments(arguments: Sequence[str]) -> list[tuple[int, str]]:
    """The files with more arguments (``-readconfig``), and where each is named."""
    return list(_values(arguments, "readconfig"))


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


def _common(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The properties that ``-global`` gives every device of vfio-ap."""
    for _, value in _values(arguments, "global"):
        if found := _GLOBAL.fullmatch(value):
            yield found[1], found[2]
        else:
            given = _properties(value, "")
            if given.get("driver") == DRIVER:
                yield given.get("property", ""), given.get("value", "")


def _values(arguments: Sequence[str], option: str) -> Iterator[tuple[int, str]]:
    """The values of `option`, which begins with one dash or two, and where they stand.

    QEMU refuses ``-option=value``, and who wrote it means the same.
    """
    names = (f"-{option}", f"--{option}")
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if equals and name in names:
            yield place, value
        elif place and arguments[place - 1] in names:
            yield place, argument


def _properties(text: str, first: str) -> Mapping[str, str]:
    """The properties in `text`; one without a name at the beginning is that of `first`."""
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(_STRING.sub(_double_quoted, text))
        except (ValueError, RecursionError):
            return {}
        return {name: value for name, value in found.items() if isinstance(value, str)}
    properties: dict[str, str] = {}
    # Two commas are one within a value.
    for number, word in enumerate(re.split(r"(?<!,),(?!,)", text)):
        name, equals, value = word.replace(",,", ",").partition("=")
        properties[name if equals or number else first] = value if equals or number else name
    return properties


def _double_quoted(string: re.Match[str]) -> str:
    """A string as JSON has it; QEMU also reads single quotes."""
    inside: str | None = string[1]
    return string[0] if inside is None else '"' + inside.replace("\\'", "'").replace('"', '\\"') + '"'
