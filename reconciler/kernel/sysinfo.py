"""``/proc/sysinfo`` of s390x: which machine and which LPAR this is, in both directions.

Source: arch/s390/kernel/sysinfo.c; docs/kernel-rules.md has the rules and how they were seen. The kernel prints what
the instruction STSI gives, in this order: the machine, the LPAR, the virtual machines from the innermost one outwards.
Names of DPM partitions and of virtual machines are free text, which their administrators choose: no line is taken for
the machine's or the LPAR's that stands where only those can be, and a line that is there twice is no answer.
"""

from collections.abc import Mapping
from typing import Final

from reconciler.kernel.text_forms import UnknownText
from reconciler.model.identity import (
    LONGEST_EXTENDED,
    LONGEST_LPAR,
    SEQUENCE_LENGTH,
    MachineIdentity,
    VirtualMachine,
    machine_id_of,
)
from reconciler.model.printable import quoted

LARGEST_SYSINFO: Final = 1 << 16
"""The most bytes that are of use. It can be longer than a page: a line for each CPU of the machine comes before the
LPAR."""

_MANUFACTURER: Final = "Manufacturer"
_TYPE: Final = "Type"
_SEQUENCE: Final = "Sequence Code"
_LPAR: Final = "LPAR Name"
_EXTENDED_LPAR: Final = "LPAR Extended Name"
_VM: Final = "VM00 Name"
_EXTENDED_VM: Final = "VM00 Extended Name"
_CONTROL_PROGRAM: Final = "VM00 Control Program"
_OF_LPAR: Final = {
    _MANUFACTURER: 16,
    _TYPE: 4,
    _SEQUENCE: SEQUENCE_LENGTH,
    _LPAR: LONGEST_LPAR,
    _EXTENDED_LPAR: LONGEST_EXTENDED,
}
"""What is read of the machine and the LPAR, and how many bytes it has at most."""
_OF_VM: Final = {_VM: 8, _CONTROL_PROGRAM: 16, _EXTENDED_VM: LONGEST_EXTENDED}
"""Likewise of the innermost virtual machine."""

_UUID: Final = "00000000-0000-4000-8000-000000000007"
_PADDING: Final = b" \0"
_FIRST_OF_VM: Final = b"\nVM00 "


def parse_sysinfo(content: bytes) -> MachineIdentity:
    """Where the host runs of which `content` is ``/proc/sysinfo``.

    Raises:
        UnknownText: it does not name the machine, or not clearly; the text says what is wrong.
    """
    if len(content) > LARGEST_SYSINFO:
        raise UnknownText(f"/proc/sysinfo has more than {LARGEST_SYSINFO:,} bytes")
    own, first, of_vms = content.partition(_FIRST_OF_VM)
    found = _fields(own, _OF_LPAR)
    if missing := [name for name in (_MANUFACTURER, _TYPE, _SEQUENCE) if not found.get(name)]:
        raise UnknownText(f"/proc/sysinfo has no {missing[0]}")
    if len(sequence := found[_SEQUENCE]) != SEQUENCE_LENGTH:
        raise UnknownText(
            f"the {_SEQUENCE} in /proc/sysinfo, {quoted(sequence)}, has {len(sequence)} characters "
            f"instead of {SEQUENCE_LENGTH}"
        )
    try:
        machine_id = machine_id_of("-".join(found[name] for name in (_MANUFACTURER, _TYPE, _SEQUENCE)))
    except ValueError as error:
        raise UnknownText(f"/proc/sysinfo: {error}") from None
    vm = _vm(_fields(first + of_vms, _OF_VM))
    return MachineIdentity(machine_id, found.get(_LPAR, ""), found.get(_EXTENDED_LPAR, ""), vm)


def _vm(found: Mapping[str, str]) -> VirtualMachine | None:
    program = " ".join(found.get(_CONTROL_PROGRAM, "").split())
    return VirtualMachine(found.get(_EXTENDED_VM) or found.get(_VM, ""), program) if program else None


def _fields(content: bytes, longest: Mapping[str, int]) -> dict[str, str]:
    """What stands in the lines that are named in `longest`, without the padding around it."""
    found: dict[str, str] = {}
    for line in content.split(b"\n"):
        label, _, value = line.partition(b":")
        name, value = label.decode("ascii", "replace"), value.strip(_PADDING)
        if name not in longest:
            continue
        if name in found:
            raise UnknownText(f"/proc/sysinfo has two lines {name}")
        if len(value) > longest[name]:
            raise UnknownText(f"the {name} in /proc/sysinfo has more than {longest[name]} bytes")
        found[name] = value.decode("utf-8", "surrogateescape")
    return found


def sysinfo_text(identity: MachineIdentity) -> str:
    """``/proc/sysinfo`` of a host with one CPU in the LPAR that `identity` names; shorter than a page."""
    manufacturer, kind, sequence = identity.machine_id.split("-")
    machine = {
        _MANUFACTURER: f"{manufacturer:<16}",
        _TYPE: f"{kind:<4}",
        "Model": f"{'A01':<16} {'A01':<16}",
        _SEQUENCE: sequence,
        "Plant": "02  ",
        "Model Capacity": f"{'A01':<16} 00000000",
    }
    lpar = {
        "LPAR Number": "7",
        "LPAR Characteristics": "Shared ",
        _LPAR: f"{identity.lpar:<8}",
        "LPAR Adjustment": "1000",
        **_cpus("LPAR CPUs"),
        "LPAR CPUs Dedicated": "0",
        "LPAR CPUs Shared": "1",
    }
    if identity.extended_lpar:
        lpar |= {_EXTENDED_LPAR: identity.extended_lpar, "LPAR UUID": _UUID}
    blocks = [machine, {**_cpus("CPUs"), "Capability": "821"}, *([lpar] if identity.lpar_name else [])]
    return "\n".join("".join(f"{f'{name}:':<22}{value}\n" for name, value in block.items()) for block in blocks)


def _cpus(of_what: str) -> dict[str, str]:
    counts = {"Total": "1", "Configured": "1", "Standby": "0", "Reserved": "0"}
    return {f"{of_what} {name}": count for name, count in counts.items()}
