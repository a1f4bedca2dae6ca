"""What was found on a host."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from reconciler.model.identity import NO_SYSINFO, MachineIdentity
from reconciler.model.ids import IdSet
from reconciler.model.matrix import ApConfig, Matrix, Queue


class Abilities(NamedTuple):
    """What this kernel can do, found out by looking, not by its version (docs/kernel-rules.md).

    Attributes:
        ap_config: a mediated device takes its whole configuration in one write (from 6.10).
        over_provision: absent queues can be assigned, and mediated devices can change while a VM runs (from 6.0).
        strict_in_use: setting a mask bit is refused as soon as any mediated device has a queue with that id,
            whatever the other mask says (from 6.19).
    """

    ap_config: bool
    over_provision: bool
    strict_in_use: bool


class CardMode(StrEnum):
    """What a card has been configured to be."""

    CCA = "CCA"
    ACCELERATOR = "accelerator"
    EP11 = "EP11"


MODE_BITS: Final[Mapping[int, CardMode]] = {
    1 << 28: CardMode.CCA,
    1 << 27: CardMode.ACCELERATOR,
    1 << 26: CardMode.EP11,
}
"""The bits of ``ap_functions`` that say it."""

_LETTERS: Final[Mapping[str, CardMode]] = {"A": CardMode.ACCELERATOR, "C": CardMode.CCA, "P": CardMode.EP11}


def mode_of(functions: int) -> CardMode | None:
    """What a card with these ``ap_functions`` is; None where they do not say."""
    return next((mode for bit, mode in MODE_BITS.items() if functions & bit), None)


def mode_of_type(name: str) -> CardMode | None:
    """What a card is that the kernel calls `name`, such as ``CEX7C``; None where that does not say."""
    return _LETTERS.get(name[-1:]) if name[:-1].startswith("CEX") else None


class ObservedCard(NamedTuple):
    """A present adapter.

    Attributes:
        adapter: its number.
        hwtype: its hardware type (10 to 14).
        configured: whether it is configured, or in standby.
        checkstopped: whether the hardware has failed.
        online: whether the host's drivers use it; guests do not depend on that.
    """

    adapter: int
    hwtype: int
    configured: bool
    checkstopped: bool
    online: bool = True

    @property
    def trouble(self) -> str:
        """Why every request on it fails, for a sentence; empty where none does for that reason."""
        if self.checkstopped:
            return "is check-stopped"
        return "" if self.configured else "is in standby (deconfigured)"


class ObservedQueue(NamedTuple):
    """A present queue.

    Attributes:
        queue: its numbers.
        driver: ``vfio_ap``, ``cex4queue`` or another name; None where no driver has it.
        busy: whether a host driver has requests in flight on it.
        overridden: whether a ``driver_override`` pins it (from 6.19).
    """

    queue: Queue
    driver: str | None
    busy: bool = False
    overridden: bool = False


class Process(NamedTuple):
    """A process of the host; `command` is the name of its program, empty where that is not known."""

    number: int
    command: str

    def __str__(self) -> str:
        """For people: ``qemu-system-s390x, process 4711``."""
        return f"{self.command}, process {self.number}" if self.command else f"process {self.number}"


SHUT_OFF: Final = "shut off"
"""What libvirt says of a VM that does not run."""


class VmName(NamedTuple):
    """What libvirt calls the VM that has a mediated device, and its state: ``running`` or ``shut off``, for example."""

    name: str
    state: str

    def __str__(self) -> str:
        """For people: ``VM payments-db, running``."""
        return f"VM {self.name}, {self.state}"

    @property
    def is_off(self) -> bool:
        """Whether it does not run, and is not about to."""
        return self.state == SHUT_OFF


NO_VMS: Final[Mapping[str, VmName]] = {}
"""No VM is known, as where there is no libvirt."""


NO_TYPES: Final[Mapping[int, str]] = {}
"""No card says what it is called."""

NO_FUNCTIONS: Final[Mapping[int, int]] = {}
"""No card says what it can do."""


def in_brackets(vm: VmName | None) -> str:
    """The VM to be put behind the name of its device: `` (VM payments-db, running)``; empty where none is known."""
    return f" ({vm})" if vm else ""


def its_vm(process: Process | None) -> str:
    """What the VM of a guest is called: ``its VM``, with the process where it is known."""
    return f"its VM ({process})" if process else "its VM"


class ObservedMdev(NamedTuple):
    """A mediated device.

    Attributes:
        uuid: lower case with dashes.
        config: what it is authorised for.
        effective: what its guest really sees, as the kernel shows; None where it does not show it (before 6.0) or may
            have cut its answer (over 512 queues).
        in_use: whether a VM has it open.
        complete: False where the kernel may have cut the text that `config` was read from (over 512 queues
            without ``ap_config``).
        opened_by: the process that has it open, where it is known.
    """

    uuid: str
    config: ApConfig
    effective: Matrix | None
    in_use: bool
    complete: bool = True
    opened_by: Process | None = None


MOVE_AWAY: Final = "; to move it away, run on the host: "
"""Leads from the reason why a damaged file could not be read to the command about it."""


class Unread(NamedTuple):
    """Something of a host that could not be read, and why: two phrases for people."""

    what: str
    reason: str

    @property
    def is_damaged(self) -> bool:
        """Whether that is because a file of ours is damaged, so that no other user can read it."""
        return MOVE_AWAY in self.reason

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


_MOST_UNREAD: Final = 10
_LONGEST_UNREAD: Final = 2000


def unread_texts(unread: Sequence[Unread]) -> tuple[str, ...]:
    """What could not be read, a text each: the first few of many, and of each at most its beginning."""
    shown = tuple(str(one) for one in unread[:_MOST_UNREAD])
    cut = tuple(one if len(one) <= _LONGEST_UNREAD else f"{one[:_LONGEST_UNREAD]}…" for one in shown)
    more = len(unread) - _MOST_UNREAD
    return (*cut, f"and {more:,} more") if more > 0 else cut


class Lpar(NamedTuple):
    """What the LPAR has been given, and the highest ids of the machine (0 to 255)."""

    adapters: IdSet
    domains: IdSet
    control_domains: IdSet
    max_adapter: int
    max_domain: int


class Observed(NamedTuple):
    """A host as it was found.

    Attributes:
        pool: the host pool, apmask times aqmask.
        lpar: what the LPAR has.
        cards: present adapters, ascending.
        queues: present queues, ascending.
        mdevs: mediated devices, ascending by uuid.
        abilities: what the kernel can do.
        release: the kernel's release, for people only.
        vfio_ap: whether the driver is loaded (without it no mediated device can be created).
        vms: the VM of each mediated device, by the device's uuid, as far as libvirt's files say; for people only.
        types: by adapter, what the kernel calls its card: ``CEX7C`` works as a CCA coprocessor, ``CEX7P`` as EP11,
            ``CEX7A`` as an accelerator; for people only.
        functions: by adapter, what its card can do: the 32 bits of ``ap_functions``, as far as cards show them.
        identity: which machine and which LPAR of it this is; None where that is not known.
        unidentified: why that is not known, a clause for a sentence; empty where it is.
    """

    pool: Matrix
    lpar: Lpar
    cards: tuple[ObservedCard, ...]
    queues: tuple[ObservedQueue, ...]
    mdevs: tuple[ObservedMdev, ...]
    abilities: Abilities
    release: str
    vfio_ap: bool
    vms: Mapping[str, VmName] = NO_VMS
    types: Mapping[int, str] = NO_TYPES
    functions: Mapping[int, int] = NO_FUNCTIONS
    identity: MachineIdentity | None = None
    unidentified: str = NO_SYSINFO

    def mode_of(self, adapter: int) -> CardMode | None:
        """What the card `adapter` has been configured to be; None where neither its functions nor its type say."""
        functions, name = self.functions.get(adapter, 0), self.types.get(adapter, "")
        return mode_of(functions) or mode_of_type(name)

    @property
    def idle(self) -> frozenset[str]:
        """The uuids of devices that no process has open, and whose VM does not run, as far as libvirt's files say."""
        return frozenset(
            one.uuid for one in self.mdevs if not one.in_use and (one.uuid not in self.vms or self.vms[one.uuid].is_off)
        )
