"""What libvirt's XML says of a virtual machine's mediated devices.

It comes from people, from libvirt's files and, in a hook, through a pipe; whatever its origin it is read as text of an
unknown writer: no document type, no entities, bounded in size and depth. The form of the elements is in libvirt's
*Domain XML format*, "Host device assignment"; ``domstatus`` is the root of the files in which libvirt keeps the state
of running machines.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple
from xml.parsers import expat

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


class Domain(NamedTuple):
    """A virtual machine as libvirt describes it.

    Attributes:
        name: fit to be shown, at most 200 characters.
        uuid: of the machine, lower case with dashes; empty where it has none yet.
        mdevs: its mediated devices, in the order of the text.
        state: ``running`` or ``paused``, for example; empty where the text does not tell.
    """

    name: str
    uuid: str
    mdevs: tuple[DomainMdev, ...]
    state: str = ""


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
        return Domain(name, _uuid(self._texts.get(_UUID, "")), tuple(self._mdevs), self._state)

    def position(self) -> Position:
        return Position(self._file, max(1, self._parser.CurrentLineNumber), self._parser.CurrentColumnNumber + 1)

    def declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding and encoding.lower() not in ("utf-8", "utf8", "us-ascii"):
            raise _Refused(f"it says that it is in {_fit_to_show(encoding)}, and only UTF-8 is read")

    def refused_document_type(self, *_: object) -> None:
        raise _Refused("it has a document type (DOCTYPE), which could define entities or name other files")

    def started(self, element: str, attributes: Mapping[str, str]) -> None:
        self._path.append(element)
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

    def text(self, text: str) -> None:
        path = self._inner()
        if path in _TEXTS:
            self._texts[path] += text

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
