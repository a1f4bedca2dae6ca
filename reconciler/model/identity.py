"""Which machine (CPC), which LPAR of it, and which virtual machine in that a host is, as its kernel says.

`reconciler.kernel.sysinfo` reads it from ``/proc/sysinfo`` (docs/kernel-rules.md, "The machine").
"""

import re
from typing import Annotated, Final, NamedTuple, TypeAlias

from reconciler.model.printable import quoted

SEQUENCE_LENGTH: Final = 16
"""How many characters the sequence code of a machine has."""

LONGEST_LPAR: Final = 8
"""The most characters of an ``LPAR Name``."""

LONGEST_EXTENDED: Final = 256
"""The most bytes of an extended name, in UTF-8 (asm/sysinfo.h)."""

NO_SYSINFO: Final = "there is no /proc/sysinfo"
"""Why a host is not identified that is no s390x host, or a simulated one whose description names no machine."""

_EXAMPLE: Final = "IBM-3931-00000000000829E7"
_MACHINE_ID: Final = "[A-Za-z0-9]{1,16}-[A-Za-z0-9]{1,4}-[A-Za-z0-9]{16}"


def machine_id_of(text: str) -> str:
    """The machine id that is written as `text`, in upper case, so that ids compare without case.

    Raises:
        ValueError: it is none.
    """
    if re.fullmatch(_MACHINE_ID, text):
        return text.upper()
    parts = text.split("-")
    why = ""
    if len(parts) == 3 and len(parts[2]) != SEQUENCE_LENGTH:
        why = f" (this sequence has {len(parts[2])} characters)"
    raise ValueError(
        f"{quoted(text)} is no machine id: MANUFACTURER-TYPE-SEQUENCE is expected, letters and digits as in "
        f"/proc/sysinfo, the sequence with exactly {SEQUENCE_LENGTH} of them{why}, for example {_EXAMPLE}"
    )


def _require_machine_id(text: str) -> None:
    if machine_id_of(text) != text:
        raise ValueError("a machine id is kept in upper case")


def _require_lpar(text: str) -> None:
    if len(text) > LONGEST_LPAR:
        raise ValueError(f"an LPAR Name has at most {LONGEST_LPAR} characters")


def _require_extended(text: str) -> None:
    if len(text.encode("utf-8", "surrogateescape")) > LONGEST_EXTENDED:
        raise ValueError(f"an extended name has at most {LONGEST_EXTENDED} bytes")


MachineId: TypeAlias = Annotated[str, _require_machine_id]
"""A machine id as `machine_id_of` gives it."""

_LparName: TypeAlias = Annotated[str, _require_lpar]
_ExtendedName: TypeAlias = Annotated[str, _require_extended]


class VirtualMachine(NamedTuple):
    """A virtual machine that a host runs in.

    Attributes:
        name: of the virtual machine, its extended name where it has one.
        control_program: what runs it: ``z/VM 7.4.0`` or ``KVM/Linux``.
    """

    name: _ExtendedName
    control_program: _ExtendedName

    def __str__(self) -> str:
        """For people: ``virtual machine LINUX1 of z/VM 7.4.0``."""
        return f"virtual machine {self.name or 'without a name'} of {self.control_program}"


class MachineIdentity(NamedTuple):
    """Where a host runs. Names come from outside: bytes that are no UTF-8 are kept as in names of files.

    Attributes:
        machine_id: MANUFACTURER-TYPE-SEQUENCE in upper case, as `machine_id_of` has it.
        lpar: the ``LPAR Name``: in classic mode the name of the LPAR, in DPM the short name of the partition; empty
            where there is none.
        extended_lpar: the ``LPAR Extended Name``: in DPM the name of the partition; empty where there is none.
        vm: the virtual machine that the host runs in, the innermost one; None where it runs in the LPAR itself.
    """

    machine_id: MachineId
    lpar: _LparName = ""
    extended_lpar: _ExtendedName = ""
    vm: VirtualMachine | None = None

    @property
    def lpar_name(self) -> str:
        """What people call the LPAR: its extended name where it has one, otherwise its ``LPAR Name``."""
        return self.extended_lpar or self.lpar

    def is_lpar(self, name: str) -> bool:
        """Whether people mean this LPAR by `name`.

        An ``LPAR Name`` has no lower case on the machine, so that it compares without case; names of DPM have both.
        """
        if self.extended_lpar:
            return name == self.extended_lpar
        return bool(name) and name.upper() == self.lpar.upper()

    def __str__(self) -> str:
        """For people: ``machine IBM-3931-00000000000829E7, LPAR LPAR7``."""
        parts = [f"machine {self.machine_id}"]
        parts += [f"LPAR {self.lpar_name}"] if self.lpar_name else []
        parts += [str(self.vm)] if self.vm else []
        return ", ".join(parts)
