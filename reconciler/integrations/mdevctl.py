"""The definitions of mdevctl for the parent ``matrix``: their text, their files, and whether they start at boot.

One file each, named by the uuid of its device, read and written as mdevctl(8) does.
"""

import json
import math
import re
import shlex
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple

from reconciler.integrations.boot_masks import NotWrittenRight, number, read_rules, rules_of, whole_config
from reconciler.integrations.files import NotReadable, read_limited
from reconciler.model.errors import InputError
from reconciler.model.ids import IdSet
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig
from reconciler.model.printable import quoted
from reconciler.model.steps import Definition

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
    DENIED = "mdevctl may read it, and this user may not"


class NotADefinition(InputError, ValueError):
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


FOLDER: Final = "etc/mdevctl.d/matrix"
_HEX: Final = "[0-9a-fA-F]"
_UUID: Final = re.compile(f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}")
_SIMPLE: Final = re.compile(f"{_HEX}{{32}}")
_WRAPPED: Final = re.compile(r"\{(.*)\}|urn:uuid:(.*)")
MOST_DEFINITIONS: Final = 65536
"""How many files are looked at: as many devices as there can be (``available_instances``)."""


class Unusable(NamedTuple):
    """A file, or the whole folder, that cannot be used as it is, why, and what mdevctl does with it."""

    file: str
    reason: str
    effect: Effect = Effect.UNKNOWN

    def __str__(self) -> str:
        """For people."""
        return f"{self.file}: {self.reason}"


class Definitions(NamedTuple):
    """What is defined, ascending by uuid, and which files could not be read, ascending by name."""

    found: tuple[Definition, ...]
    unusable: tuple[Unusable, ...]

    @property
    def starting(self) -> tuple[Definition, ...]:
        """Those that mdevctl starts at boot; none where some file keeps it from starting any."""
        if any(one.effect is Effect.STOPS_ALL for one in self.unusable):
            return ()
        return tuple(one for one in self.found if one.autostart)


def definition_file(root: Path, uuid: str) -> Path:
    """Where mdevctl below `root` writes the definition of device `uuid`."""
    return root / FOLDER / uuid


def uuid_of(name: str) -> str | None:
    """The device that mdevctl takes a file called `name` for, lower case with dashes; None where it skips the file.

    It reads names in capitals, without dashes, in braces and as a URN as well, but writes none of these.
    """
    wrapped = _WRAPPED.fullmatch(name)
    text = (wrapped[1] or wrapped[2] or "") if wrapped else name
    if wrapped and not _UUID.fullmatch(text):
        return None
    if not (_UUID.fullmatch(text) or _SIMPLE.fullmatch(text)):
        return None
    digits = text.replace("-", "").lower()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def read_definitions(root: Path) -> Definitions:
    """Every definition below `root`. Nothing is raised: what cannot be used is named, and the others are read.

    Files whose names begin with a dot are passed over, as mdevctl does with every name that is no uuid.
    """
    folder = root / FOLDER
    try:
        names = sorted(one.name for one in folder.iterdir())
    except FileNotFoundError:
        return Definitions((), ())
    except OSError as error:
        effect = Effect.DENIED if isinstance(error, PermissionError) else Effect.UNKNOWN
        return Definitions((), (Unusable(str(folder), error.strerror or str(error), effect),))
    found: dict[str, Definition] = {}
    unusable: list[Unusable] = []
    named = [name for name in names if not name.startswith(".")]
    if len(named) > MOST_DEFINITIONS:
        unusable.append(Unusable(str(folder), f"it has {len(named):,} files; the first {MOST_DEFINITIONS:,} are read"))
    for name in named[:MOST_DEFINITIONS]:
        try:
            one = read_definition(folder / name)
        except FileNotFoundError:
            continue  # removed meanwhile
        except NotADefinition as error:
            unusable.append(Unusable(str(folder / name), str(error), error.effect))
            continue
        if one.uuid in found:
            reason = f"another file defines device {one.uuid} as well, and mdevctl starts whichever it finds first"
            unusable.append(Unusable(str(folder / name), reason))
        found.setdefault(one.uuid, one)
    return Definitions(tuple(found[uuid] for uuid in sorted(found)), tuple(unusable))


def read_definition(file: Path) -> Definition:
    """The definition in `file`, by whose name mdevctl knows its device.

    Raises:
        FileNotFoundError: there is no such file.
        NotADefinition: mdevctl passes it over, cannot read it, or cannot start it.
    """
    uuid = uuid_of(file.name)
    if uuid is None:
        raise NotADefinition("its name is no uuid", Effect.PASSED_OVER)
    return parse_definition(uuid, definition_content(file))


def definition_content(file: Path) -> bytes:
    """What is in `file`, which mdevctl reads only where it is a regular file and no link.

    Raises:
        FileNotFoundError: there is no such file.
        NotADefinition: mdevctl passes it over, or it cannot be read.
    """
    if file.is_symlink():
        raise NotADefinition("it is a link", Effect.PASSED_OVER)
    if file.exists() and not file.is_file():
        raise NotADefinition("it is no regular file", Effect.PASSED_OVER)
    try:
        return read_limited(file)
    except NotReadable as error:
        is_denied = isinstance(error.__cause__, PermissionError)
        raise NotADefinition(str(error), Effect.DENIED if is_denied else Effect.UNKNOWN) from error


_INSTALL: Final = "install your distribution's package mdevctl"
_PLACES: Final = ("/usr/bin/mdevctl", "/usr/sbin/mdevctl", "/usr/local/bin/mdevctl", "/usr/local/sbin/mdevctl")
_STARTS: Final = re.compile(r"(/[^\s'\"{}]*) start-parent-mdevs\b")


class StartsNothing(NamedTuple):
    """Why no definition is started at boot, and what to do about it."""

    reason: str
    help: str


def starting_programs(files: Mapping[str, str]) -> tuple[str, ...]:
    """The programs that udev rules start definitions with, as absolute paths, each once.

    Args:
        files: the texts of udev's rules, by the names of their files.
    """
    return tuple(dict.fromkeys(program for text in files.values() for program in _programs(text)))


def _programs(text: str) -> Iterable[str]:
    for rule in rules_of(text):
        for key in rule.keys:
            if key.name.startswith("RUN"):
                yield from _STARTS.findall(key.value)


def why_nothing_starts(root: Path) -> StartsNothing | None:
    """Why no definition of mdevctl below `root` is started at boot; None where nothing speaks against it."""
    programs = starting_programs(read_rules(root))
    if not programs:
        return StartsNothing("no udev rule runs 'mdevctl start-parent-mdevs'", _INSTALL)
    missing = [one for one in programs if not _is_there(root, one)]
    if len(missing) < len(programs):
        return None
    place = next((one for one in _PLACES if _is_there(root, one)), None)
    return StartsNothing(
        f"mdevctl's udev rule runs {missing[0]}, which does not exist",
        f"ln -s {shlex.quote(place)} {shlex.quote(missing[0])}" if place else _INSTALL,
    )


def _is_there(root: Path, program: str) -> bool:
    return (root / program.lstrip("/")).exists()
