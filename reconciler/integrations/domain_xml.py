"""What libvirt's XML says of a virtual machine's mediated devices.

It comes from people, from libvirt's files and, in a hook, through a pipe; whatever its origin it is read as text of an
unknown writer: no document type, no entities, bounded in size and depth. The form of the elements is in libvirt's
*Domain XML format*, "Host device assignment"; ``domstatus`` is the root of the files in which libvirt keeps the state
of running machines. What goes past libvirt to QEMU (``qemu:commandline``, ``qemu:override``) counts as well.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple
from xml.parsers import expat

from reconciler.integrations.qemu_arguments import ap_devices, cpu_features, device_of
from reconciler.model.printable import escaped
from reconciler.model.problems import Place, Position, Problem, Severity

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
_CPU: Final = ("domain", "cpu")
_MODEL: Final = (*_CPU, "model")
_FEATURE: Final = (*_CPU, "feature")
_ARGUMENT: Final = ("domain", "qemu:commandline", "qemu:arg")
_OVERRIDDEN: Final = ("domain", "qemu:override", "qemu:device")
_PROPERTY: Final = (*_OVERRIDDEN, "qemu:frontend", "qemu:property")
_QEMU: Final = "http://libvirt.org/schemas/domain/qemu/1.0"
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
        state: ``running`` or ``paused``, for example; empty where the text does not tell.
        cpu: its CPU.
    """

    name: str
    uuid: str
    mdevs: tuple[DomainMdev, ...]
    state: str = ""
    cpu: Cpu = _ANY_CPU


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
        self._mdevs: list[DomainMdev] = []
        self._aliases: dict[str, int] = {}
        self._arguments: list[str] = []
        self._argument_positions: list[Position] = []
        self._overridden = ""
        self._qemu = {"qemu"}
        self._overrides: dict[str, str] = {}
        self._cpu = _ANY_CPU
        self._hostdev: Mapping[str, str] = {}
        self._hostdev_position = Position(file, 1, 1)
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
        self._override_devices()
        self._add_arguments()
        return Domain(name, _uuid(self._texts.get(_UUID, "")), tuple(self._mdevs), self._state, self._cpu)

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
            self._begin_hostdev(attributes)
        elif path == _ADDRESS and self._hostdev:
            self._add_mdev(attributes)
        else:
            self._started_more(path, attributes)

    def _started_more(self, path: tuple[str, ...], attributes: Mapping[str, str]) -> None:
        """What decides beside the devices themselves whether they work."""
        if path == _ALIAS and self._mdevs:
            self._aliases.setdefault(attributes.get("name", ""), len(self._mdevs) - 1)
        elif path == _CPU:
            self._cpu = self._cpu._replace(mode=attributes.get("mode", "custom"), position=self.position())
        elif path == _FEATURE and attributes.get("policy", "require") != "optional":
            self._set_features({attributes.get("name", ""): attributes.get("policy") not in _OFF})
        elif path == _ARGUMENT:
            self._arguments.append(attributes.get("value", ""))
            self._argument_positions.append(self.position())
        elif path == _OVERRIDDEN:
            self._overridden = attributes.get("alias", "")
        elif path == _PROPERTY and attributes.get("name") == "sysfsdev":
            self._overrides[self._overridden] = device_of(attributes.get("value", ""))

    def _usual_name(self, element: str, attributes: Mapping[str, str]) -> str:
        """The name of `element` with the prefix that libvirt writes, whichever one the text declares for QEMU."""
        for name, value in attributes.items():
            if value == _QEMU and name.startswith("xmlns:"):
                self._qemu.add(name.removeprefix("xmlns:"))
        prefix, colon, local = element.partition(":")
        return f"qemu:{local}" if colon and prefix in self._qemu else element

    def _set_features(self, features: Mapping[str, bool]) -> None:
        self._cpu = self._cpu._replace(features={**self._cpu.features, **features}, position=self.position())

    def _override_devices(self) -> None:
        for alias, uuid in self._overrides.items():
            place = self._aliases.get(alias)
            if place is not None and uuid:
                self._mdevs[place] = self._mdevs[place]._replace(uuid=uuid)

    def _add_arguments(self) -> None:
        for place, uuid in ap_devices(self._arguments):
            self._mdevs.append(DomainMdev(uuid, "vfio-ap", managed=False, position=self._argument_positions[place]))
        found = cpu_features(self._arguments)
        if found:
            place, model, features = found
            mode = "host-passthrough" if model in ("host", "max") else "custom"
            self._cpu = Cpu(mode, model, features, self._argument_positions[place])

    def text(self, text: str) -> None:
        path = self._inner()
        if path in _TEXTS:
            self._texts[path] += text
        elif path == _MODEL:
            self._cpu = self._cpu._replace(model=self._cpu.model + text.strip())

    def ended(self, _element: str) -> None:
        if self._inner() == _HOSTDEV and self._hostdev:
            raise _Refused("a mediated device has no address with a uuid")
        self._path.pop()

    def _inner(self) -> tuple[str, ...]:
        """Where we are, from the element ``domain`` on."""
        return tuple(self._path[1:] if self._path[:1] == [_STATUS] else self._path)

    def _begin_domain(self) -> None:
        if self._found:
            raise _Refused("there are two domains")
        self._found = True

    def _begin_hostdev(self, attributes: Mapping[str, str]) -> None:
        is_mdev = attributes.get("type") == "mdev" and attributes.get("mode", "subsystem") == "subsystem"
        self._hostdev = dict(attributes) if is_mdev else {}
        self._hostdev_position = self.position()

    def _add_mdev(self, attributes: Mapping[str, str]) -> None:
        uuid = _uuid(attributes.get("uuid", ""))
        if not uuid:
            raise _Refused("the address of a mediated device has no uuid of 32 hex digits")
        model = _fit_to_show(self._hostdev.get("model", ""))
        managed = self._hostdev.get("managed", "no") != "no"
        self._mdevs.append(DomainMdev(uuid, model, managed, self._hostdev_position))
        self._hostdev = {}


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
