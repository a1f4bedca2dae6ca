"""What libvirt's XML says of a virtual machine's mediated devices.

It comes from people, from libvirt's files and, in a hook, through a pipe; whatever its origin it is read as text of an
unknown writer: no document type, no entities, bounded in size and depth. The form of the elements is in libvirt's
*Domain XML format*, "Host device assignment"; ``domstatus`` is the root of the files in which libvirt keeps the state
of running machines. What goes past libvirt to QEMU (``qemu:commandline``, ``qemu:override``) counts as well.
"""

import json
import re
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Final, NamedTuple
from xml.parsers import expat

from reconciler.model.printable import escaped
from reconciler.model.problems import Place, Position, Problem, Severity

_HEX: Final = "[0-9a-fA-F]"
_UUID_FORM: Final = re.compile(f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}")
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
    return name.lower() if _UUID_FORM.fullmatch(name) else ""


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


LARGEST: Final = 1 << 20
"""The most bytes of a domain's XML that are read; libvirt's own seldom has more than a hundredth of it."""

DEEPEST: Final = 64
"""How many elements may stand inside one another."""

_LONGEST_NAME: Final = 200
_DOMAIN: Final = ("domain",)
_STATUS: Final = "domstatus"
_HOSTDEV: Final = ("domain", "devices", "hostdev")
_ADDRESS: Final = (*_HOSTDEV, "source", "address")
_NAME: Final = ("domain", "name")
_UUID: Final = ("domain", "uuid")
_TEXTS: Final = (_NAME, _UUID)
_ALIAS: Final = (*_HOSTDEV, "alias")
_UNNAMED: Final = re.compile("hostdev([0-9]{1,9})")
_CPU: Final = ("domain", "cpu")
_MODEL: Final = (*_CPU, "model")
_FEATURE: Final = (*_CPU, "feature")
_ARGUMENT: Final = ("domain", "qemu:commandline", "qemu:arg")
_OVERRIDDEN: Final = ("domain", "qemu:override", "qemu:device")
_PROPERTY: Final = (*_OVERRIDDEN, "qemu:frontend", "qemu:property")
_QEMU: Final = "http://libvirt.org/schemas/domain/qemu/1.0"
_PASSED: Final = ("commandline", "override")
_OFF: Final = ("disable", "forbid")


class DomainMdev(NamedTuple):
    """A mediated device that a virtual machine is to have.

    Attributes:
        uuid: lower case with dashes.
        model: ``vfio-ap`` for the queues of crypto cards; ``vfio-ccw``, ``vfio-pci`` for others; empty if left out.
        managed: whether the XML asks libvirt to look after the device, which it does not do for mediated devices.
        position: of the element.
    """

    uuid: str
    model: str
    managed: bool
    position: Position


class Unread(NamedTuple):
    """A part of a virtual machine's description that may give it crypto queues, and cannot be looked into.

    Attributes:
        what: fit to be shown.
        position: of the element.
    """

    what: str
    position: Position


class Cpu(NamedTuple):
    """What a virtual machine's CPU is to be.

    Attributes:
        mode: ``custom``, ``host-model`` or ``host-passthrough``, for example; empty where nothing is said.
        model: of a custom CPU; empty where nothing is said.
        features: whether it is to have a feature, by the feature's name; those that nothing is said of are left out.
        position: of what says so; None where nothing does.
    """

    mode: str = ""
    model: str = ""
    features: Mapping[str, bool] = {}
    position: Position | None = None


_ANY_CPU: Final = Cpu()


class Domain(NamedTuple):
    """A virtual machine as libvirt describes it.

    Attributes:
        name: fit to be shown, at most 200 characters.
        uuid: of the machine, lower case with dashes; empty where it has none yet.
        mdevs: its mediated devices, in the order of the text.
        state: ``running`` or ``paused``, for example; empty where the text does not say.
        cpu: its CPU.
        unread: what may give it more devices, in the order of the text.
    """

    name: str
    uuid: str
    mdevs: tuple[DomainMdev, ...]
    state: str = ""
    cpu: Cpu = _ANY_CPU
    unread: tuple[Unread, ...] = ()


class _Hostdev(NamedTuple):
    """An element ``hostdev`` of any kind; without a uuid if it is no mediated device."""

    attributes: Mapping[str, str]
    position: Position
    alias: str = ""
    uuid: str = ""

    @property
    def is_mdev(self) -> bool:
        return self.attributes.get("type") == "mdev" and self.attributes.get("mode", "subsystem") == "subsystem"


class _Changes(NamedTuple):
    """What is changed of the device with an alias, past libvirt."""

    position: Position
    properties: dict[str, str]


class _Refused(Exception):
    """The text is not one that we read; says why."""


def read_domain(content: bytes, file: str) -> Domain | Problem:
    """The virtual machine that `content` describes; `file` names it in positions.

    Nothing but the text is looked at: no other file is read for it, whatever it says.
    """
    reading = _Reading(file)
    try:
        return reading.domain(content)
    except _Refused as refused:
        reason = str(refused)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8 from byte {error.start} on"
    place = Place(reading.position())
    advice = "Write what 'virsh dumpxml' prints into the file; it needs nothing of what is refused here."
    return Problem("bad-domain-xml", Severity.ERROR, f"{file} is no domain XML: {reason}", (place,), (), advice)


class _Reading:
    """One text being read."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._path: list[str] = []
        self._found = False
        self._state = ""
        self._texts: dict[tuple[str, ...], str] = {}
        self._scopes = [ChainMap({"qemu": _QEMU})]
        self._hostdevs: list[_Hostdev] = []
        self._arguments: list[str] = []
        self._argument_positions: list[Position] = []
        self._overridden = ""
        self._changes: dict[str, _Changes] = {}
        self._unread: list[Unread] = []
        self._cpu = _ANY_CPU
        self._parser = _parser(self)

    def domain(self, content: bytes) -> Domain:
        if len(content) > LARGEST:
            raise _Refused(f"it has more than {LARGEST:,} bytes")
        content.decode("utf-8")
        self._parser.Parse(content, True)
        if not self._found:
            raise _Refused("its outermost element is not 'domain'")
        name = _fit_to_show(self._texts.get(_NAME, "").strip())
        if not name:
            raise _Refused("the domain has no name")
        self._use_arguments()
        mdevs = (*self._devices_of_libvirt(), *self._devices_of_arguments())
        uuid = _uuid(self._texts.get(_UUID, ""))
        return Domain(name, uuid, mdevs, self._state, self._cpu, tuple(self._unread))

    def position(self) -> Position:
        return Position(self._file, max(1, self._parser.CurrentLineNumber), self._parser.CurrentColumnNumber + 1)

    def declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding and encoding.lower() not in ("utf-8", "utf8", "us-ascii"):
            raise _Refused(f"it says that it is in {_fit_to_show(encoding)}, and only UTF-8 is read")

    def refused_document_type(self, *_: object) -> None:
        raise _Refused("it has a document type (DOCTYPE), which could define entities or name other files")

    def started(self, element: str, attributes: Mapping[str, str]) -> None:
        self._path.append(self._usual_name(element, attributes))
        if len(self._path) > DEEPEST:
            raise _Refused(f"more than {DEEPEST} elements stand inside one another")
        if len(self._path) == 1 and element == _STATUS:
            self._state = _fit_to_show(attributes.get("state", ""))
        path = self._inner()
        if path == _DOMAIN:
            self._begin_domain()
        elif path in _TEXTS:
            if path in self._texts:
                raise _Refused(f"there are two elements '{element}'")
            self._texts[path] = ""
        elif path == _HOSTDEV:
            self._hostdevs.append(_Hostdev(dict(attributes), self.position()))
        elif path == _ADDRESS:
            self._add_address(attributes)
        else:
            self._started_more(path, attributes)

    def _started_more(self, path: tuple[str, ...], attributes: Mapping[str, str]) -> None:
        """What decides beside the devices themselves whether they work."""
        if path == _ALIAS:
            self._hostdevs[-1] = self._hostdevs[-1]._replace(alias=attributes.get("name", ""))
        elif path == _CPU:
            self._cpu = self._cpu._replace(mode=attributes.get("mode", "custom"), position=self.position())
        elif path == _FEATURE and attributes.get("policy", "require") != "optional":
            self._set_features({attributes.get("name", ""): attributes.get("policy") not in _OFF})
        elif path == _ARGUMENT:
            self._arguments.append(attributes.get("value", ""))
            self._argument_positions.append(self.position())
        elif path == _OVERRIDDEN:
            self._overridden = attributes.get("alias", "")
        elif path == _PROPERTY:
            changes = self._changes.setdefault(self._overridden, _Changes(self.position(), {}))
            changes.properties[attributes.get("name", "")] = attributes.get("value", "")

    def _usual_name(self, element: str, attributes: Mapping[str, str]) -> str:
        """The name of `element` with the prefix that libvirt writes, however the text declares QEMU's namespace."""
        declared = {name[6:]: value for name, value in attributes.items() if name == "xmlns" or name[:6] == "xmlns:"}
        self._scopes.append(self._scopes[-1].new_child(declared) if declared else self._scopes[-1])
        prefix, colon, local = element.rpartition(":")
        namespace = self._scopes[-1].get(prefix, "")
        if namespace == _QEMU and (colon or local in _PASSED or (self._path and self._path[-1].startswith("qemu:"))):
            return f"qemu:{local}"
        return f"{{}}{element}" if prefix == "qemu" else element

    def _set_features(self, features: Mapping[str, bool]) -> None:
        self._cpu = self._cpu._replace(features={**self._cpu.features, **features}, position=self.position())

    def _use_arguments(self) -> None:
        """Note which of QEMU's arguments cannot be looked into, and what they say of the CPU."""
        for place, file in files_of_arguments(self._arguments):
            what = f"a file with arguments of QEMU, -readconfig {_fit_to_show(file)}"
            self._unread.append(Unread(what, self._argument_positions[place]))
        found = cpu_features(self._arguments)
        if found:
            place, model, features = found
            mode = "host-passthrough" if model in ("host", "max") else "custom"
            self._cpu = Cpu(mode, model, features, self._argument_positions[place])

    def _devices_of_libvirt(self) -> Iterator[DomainMdev]:
        """The mediated devices that libvirt knows, with what is changed of them past it."""
        given = [int(found[1]) for one in self._hostdevs if (found := _UNNAMED.fullmatch(one.alias))]
        numbers = count(max(given, default=-1) + 1)
        arguments = settings(self._arguments)
        for hostdev in self._hostdevs:
            # libvirt gives those without an alias the next ones when the VM starts.
            alias = hostdev.alias or f"hostdev{next(numbers)}"
            overridden = self._changes.pop(alias, None)
            properties = {**(overridden.properties if overridden else {}), **arguments.get(alias, {})}
            model = _fit_to_show(properties.get("driver", hostdev.attributes.get("model", "")))
            uuid = hostdev.uuid
            if "sysfsdev" in properties and (hostdev.is_mdev or model == DRIVER):
                uuid = self._device(properties["sysfsdev"], hostdev.position)
            if uuid:
                managed = hostdev.is_mdev and hostdev.attributes.get("managed", "no") != "no"
                yield DomainMdev(uuid, model, managed, hostdev.position)
        for position, properties in self._changes.values():
            if properties.get("driver") == DRIVER and (uuid := self._device(properties.get("sysfsdev", ""), position)):
                yield DomainMdev(uuid, DRIVER, managed=False, position=position)

    def _devices_of_arguments(self) -> Iterator[DomainMdev]:
        for place, path in ap_devices(self._arguments):
            position = self._argument_positions[place]
            if uuid := self._device(path, position):
                yield DomainMdev(uuid, DRIVER, managed=False, position=position)

    def _device(self, path: str, position: Position) -> str:
        """The uuid of the device at `path`; where it names none that is noted."""
        uuid = device_of(path)
        if not uuid:
            named = f"by the path {_fit_to_show(path)}" if path else "by no path (sysfsdev)"
            self._unread.append(Unread(f"a device of {DRIVER} that is given {named}", position))
        return uuid

    def text(self, text: str) -> None:
        path = self._inner()
        if path in _TEXTS:
            self._texts[path] += text
        elif path == _MODEL:
            self._cpu = self._cpu._replace(model=self._cpu.model + text.strip())

    def ended(self, _element: str) -> None:
        if self._inner() == _HOSTDEV and self._hostdevs[-1].is_mdev and not self._hostdevs[-1].uuid:
            raise _Refused("a mediated device has no address with a uuid")
        self._path.pop()
        self._scopes.pop()

    def _inner(self) -> tuple[str, ...]:
        """Where we are, from the element ``domain`` on."""
        return tuple(self._path[1:] if self._path[:1] == [_STATUS] else self._path)

    def _begin_domain(self) -> None:
        if self._found:
            raise _Refused("there are two domains")
        self._found = True

    def _add_address(self, attributes: Mapping[str, str]) -> None:
        if not self._hostdevs[-1].is_mdev or self._hostdevs[-1].uuid:
            return
        uuid = _uuid(attributes.get("uuid", ""))
        if not uuid:
            raise _Refused("the address of a mediated device has no uuid of 32 hex digits")
        self._hostdevs[-1] = self._hostdevs[-1]._replace(uuid=uuid)


def _parser(reading: _Reading) -> expat.XMLParserType:
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.XmlDeclHandler = reading.declared
    parser.StartDoctypeDeclHandler = reading.refused_document_type
    parser.EntityDeclHandler = reading.refused_document_type
    parser.StartElementHandler = reading.started
    parser.CharacterDataHandler = reading.text
    parser.EndElementHandler = reading.ended
    return parser


def _uuid(text: str) -> str:
    """As libvirt reads a uuid: dashes anywhere, either case; empty where it is none."""
    digits = text.strip().replace("-", "").lower()
    if len(digits) != 32 or not set(digits) <= set("0123456789abcdef"):
        return ""
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _fit_to_show(text: str) -> str:
    return escaped(text)[:_LONGEST_NAME]
