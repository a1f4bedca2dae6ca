"""A simulated host from the description that a person writes, in the form of schemas/simulated-host.schema.json."""

import re
from errno import errorcode
from typing import Final

from reconciler.kernel import paths
from reconciler.kernel.text_forms import ap_config_text, parse_queue
from reconciler.model.identity import LONGEST_EXTENDED, LONGEST_LPAR, MachineIdentity, machine_id_of
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.printable import first_unprintable, quoted
from reconciler.simulator.faults import BindingDelayed, Fault, WriteBlocked, WriteRefused
from reconciler.simulator.fields import (
    FieldError,
    Fields,
    hwtype_of,
    id_of,
    mode_of,
    number_of,
    one_of,
    text_of,
)
from reconciler.simulator.hardware import (
    DEFAULT_HARDWARE,
    Card,
    Hardware,
    HardwareError,
)
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import DEFAULT_PROFILE, PROFILES

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ERRNOS: Final = {name: number for number, name in errorcode.items()}
_DOCUMENT: Final = ("apiVersion", "kind", "metadata", "spec")
_SPEC: Final = (
    "kernel",
    "machineId",
    "lpar",
    "maxAdapter",
    "maxDomain",
    "adapters",
    "usageDomains",
    "controlDomains",
    "pool",
    "mdevs",
    "vms",
    "busyQueues",
    "vfioAp",
    "faults",
)
_SHORT_NAME: Final = "PART0007"
"""The ``LPAR Name`` of a partition in DPM, whose own name is longer."""

_ADAPTER: Final = ("id", "type", "mode", "configured", "checkstopped")
_FAULT: Final = ("write", "errno", "blocked", "bindingReads")
_MDEV: Final = ("uuid", "adapters", "domains", "controlDomains")


def host_of(document: object) -> SimulatedHost:
    """The host that `document`, a SimulatedHost document as plain data, describes, as it is after its start.

    Raises:
        FieldError: something in it cannot be; `field` says where. Also where the kernel would refuse to make one of
            the mediated devices.
    """
    fields = Fields(document, _DOCUMENT)
    fields.get("apiVersion", one_of({"reconciler/v1": True}))
    fields.get("kind", one_of({"SimulatedHost": True}))
    spec = fields.below("spec", _SPEC)
    pool = spec.below("pool", ("adapters", "domains"))
    try:
        host = SimulatedHost(
            _hardware(spec),
            spec.get("kernel", one_of(PROFILES), DEFAULT_PROFILE),
            pool=Matrix(pool.ids("adapters", ALL_IDS), pool.ids("domains", ALL_IDS)),
            vfio_ap=spec.truth("vfioAp", default=True),
        )
    except HardwareError as error:
        raise FieldError(("spec",), str(error)) from None
    _make_mdevs(host, spec)
    _start_vms(host, spec)
    _make_busy(host, spec)
    return host


def name_of(document: object) -> str:
    """The name of the host that `document` describes.

    Raises:
        FieldError: it has none.
    """
    return Fields(document, _DOCUMENT).below("metadata", ("name",)).text("name")


def faults_of(document: object) -> list[Fault]:
    """What goes wrong on the host that `document` describes, while one command runs.

    Raises:
        FieldError: a fault says nothing, or more than one thing.
    """
    spec = Fields(document, _DOCUMENT).below("spec", _SPEC)
    return [_fault(fields) for fields in spec.each("faults", _FAULT)]


def _fault(fields: Fields) -> Fault:
    nth = fields.get("write", _count)
    match [key for key in _FAULT[1:] if key in fields]:
        case ["errno"]:
            return WriteRefused(nth, fields.get("errno", one_of(_ERRNOS)))
        case ["blocked"]:
            return WriteBlocked(nth, fields.get("blocked", one_of({"done": True, "not-done": False})))
        case ["bindingReads"]:
            return BindingDelayed(nth, fields.get("bindingReads", _count))
    raise FieldError(fields.place, f"a fault has one of: {', '.join(_FAULT[1:])}")


def _count(value: object) -> int:
    count = number_of(value)
    if count < 1:
        raise ValueError("counting begins with 1")
    return count


def _hardware(spec: Fields) -> Hardware:
    cards: dict[int, Card] = {}
    for fields in spec.each("adapters", _ADAPTER):
        adapter = fields.get("id", id_of)
        if adapter in cards:
            raise FieldError((*fields.place, "id"), f"adapter {adapter} is there twice")
        cards[adapter] = _card(fields)
    usage = spec.ids("usageDomains", IdSet())
    return Hardware(
        max_adapter=spec.number("maxAdapter", DEFAULT_HARDWARE.max_adapter),
        max_domain=spec.number("maxDomain", DEFAULT_HARDWARE.max_domain),
        cards=cards,
        usage=usage,
        control=spec.ids("controlDomains", usage),
        identity=_identity(spec),
    )


def _identity(spec: Fields) -> MachineIdentity | None:
    lpar = spec.get("lpar", _lpar_of, "")
    if "machineId" in spec:
        machine_id = spec.get("machineId", lambda value: machine_id_of(text_of(value)))
        if _is_classic(lpar):
            return MachineIdentity(machine_id, lpar)
        return MachineIdentity(machine_id, _SHORT_NAME, lpar)
    if lpar:
        raise FieldError((*spec.place, "lpar"), "/proc/sysinfo names an LPAR only of a machine: add machineId")
    return None


def _lpar_of(written: object) -> str:
    name = text_of(written)
    if not name or name != name.strip() or first_unprintable(name):
        raise ValueError(f"{quoted(name)} is no name of an LPAR: it has printable characters, and no blank at its ends")
    if len(name.encode()) > LONGEST_EXTENDED:
        raise ValueError(f"the name of an LPAR has at most {LONGEST_EXTENDED} bytes")
    return name


def _is_classic(lpar: str) -> bool:
    return len(lpar) <= LONGEST_LPAR and lpar.isascii()


def _card(fields: Fields) -> Card:
    usual = Card()
    return Card(
        hwtype=fields.get("type", hwtype_of, usual.hwtype),
        mode=fields.get("mode", mode_of, usual.mode),
        configured=fields.truth("configured", default=True),
        checkstopped=fields.truth("checkstopped", default=False),
    )


def _make_mdevs(host: SimulatedHost, spec: Fields) -> None:
    for fields in spec.each("mdevs", _MDEV):
        uuid = fields.text("uuid").lower()
        if not _UUID.fullmatch(uuid):
            raise FieldError((*fields.place, "uuid"), f"{uuid!r} is not a uuid")
        domains = fields.ids("domains", IdSet())
        config = ApConfig(fields.ids("adapters", IdSet()), domains, fields.ids("controlDomains", domains))
        try:
            host.write(paths.CREATE, uuid)
            _assign(host, uuid, config)
        except OSError as error:
            code = errorcode.get(error.errno or 0, "an error")
            reason = f"the kernel would refuse mediated device {uuid}: {code} ({error.strerror})"
            raise FieldError(fields.place, f"{reason}. {_ADVICE.get(code, '')}".rstrip()) from None


_ADVICE: Final = {
    "EADDRNOTAVAIL": "A queue of it is the host's: take its adapters or domains out of pool.",
    "EADDRINUSE": "A mediated device before it has one of its queues.",
    "EEXIST": "Two devices have this uuid.",
    "ENODEV": "An id is above maxAdapter or maxDomain.",
    "ENOENT": "The module is not loaded (vfioAp).",
}


def _assign(host: SimulatedHost, uuid: str, config: ApConfig) -> None:
    directory = paths.mdev(uuid)
    if "ap_config" in host.list(directory):
        host.write(f"{directory}/ap_config", ap_config_text(config))
        return
    for name, ids in zip(("adapter", "domain", "control_domain"), config, strict=True):
        for one in ids:
            host.write(f"{directory}/assign_{name}", str(one))


def _start_vms(host: SimulatedHost, spec: Fields) -> None:
    for index, uuid in enumerate(spec.texts("vms")):
        try:
            host.start_vm(uuid.lower())
        except OSError as error:
            raise FieldError(("spec", "vms", index), f"no VM can start with {uuid}: {error.strerror}") from None


def _make_busy(host: SimulatedHost, spec: Fields) -> None:
    for index, name in enumerate(spec.texts("busyQueues")):
        try:
            host.set_pending(parse_queue(name), 1)
        except (OSError, ValueError):
            reason = f"queue {name} cannot be busy: the host's driver does not have it"
            raise FieldError(("spec", "busyQueues", index), reason) from None
