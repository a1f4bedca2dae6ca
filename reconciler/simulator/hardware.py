"""What is simulated: the crypto hardware of one LPAR, how it changes while the host runs, and how kernels differ.

Hardware is a value: a change gives new hardware. The host notices at its next scan (`reconciler.simulator.ap_bus`).

A rule of the kernel that changed has one switch in a profile, named for what it does; nothing compares version numbers.
The three newer profiles are proved against recordings of those kernels (tests/simulator/test_replay.py); ``5.15`` is
from reading only. docs/kernel-rules.md has each rule with its source.
"""

from collections.abc import Mapping
from enum import StrEnum
from errno import EPERM, EUSERS
from typing import Final, NamedTuple

from reconciler.model.errors import InputError
from reconciler.model.ids import ID_COUNT, IdSet

CARD_TYPES: Final = {"CEX4": 10, "CEX5": 11, "CEX6": 12, "CEX7": 13, "CEX8": 14}
"""Hardware types by the name of the card (ap.h)."""


class Mode(StrEnum):
    """What a card has been configured to be."""

    CCA = "cca"
    EP11 = "ep11"
    ACCELERATOR = "accelerator"


class HardwareError(InputError, ValueError):
    """Hardware, or a change of it, that cannot be."""


class Card(NamedTuple):
    """A crypto card (adapter).

    Attributes:
        hwtype: 10 (CEX4) to 14 (CEX8).
        mode: what it has been configured to be.
        configured: False where the LPAR has it but it is on stand-by.
        checkstopped: whether it has broken down.
        depth: how many requests one of its queues takes, 1 to 256.
    """

    hwtype: int = 13
    mode: Mode = Mode.CCA
    configured: bool = True
    checkstopped: bool = False
    depth: int = 8


class Hardware(NamedTuple):
    """What the LPAR has.

    Attributes:
        max_adapter: the highest adapter id of the machine, 0 to 255.
        max_domain: the highest domain id of the machine, 0 to 255.
        cards: the cards by adapter id.
        usage: its usage domains.
        control: its control domains.
    """

    max_adapter: int
    max_domain: int
    cards: Mapping[int, Card]
    usage: IdSet
    control: IdSet


class Plug(NamedTuple):
    """Card `card` appears as adapter `adapter`, in place of one that may be there."""

    adapter: int
    card: Card


class Unplug(NamedTuple):
    """Adapter `adapter` is gone."""

    adapter: int


class SetCard(NamedTuple):
    """The state of adapter `adapter` changes; None leaves it as it is."""

    adapter: int
    configured: bool | None = None
    checkstopped: bool | None = None


class SetDomains(NamedTuple):
    """The domains of the LPAR change; None leaves them as they are."""

    usage: IdSet | None = None
    control: IdSet | None = None


class Restore(NamedTuple):
    """Everything is as it was when the host was started."""


Request = Plug | Unplug | SetCard | SetDomains | Restore

_DEFAULT_DOMAINS: Final = (4, 5, 6, 0x47)
DEFAULT_HARDWARE: Final = Hardware(
    max_adapter=255,
    max_domain=84,
    cards={
        5: Card(13, Mode.CCA),
        6: Card(13, Mode.EP11),
        7: Card(14, Mode.ACCELERATOR),
        10: Card(14, Mode.CCA),
    },
    usage=IdSet(_DEFAULT_DOMAINS),
    control=IdSet((*_DEFAULT_DOMAINS, 0x48)),
)
"""The hardware on which the kernels were recorded (tests/kernel/transcripts)."""


def checked(hardware: Hardware) -> Hardware:
    """`hardware` itself.

    Raises:
        HardwareError: an id is above the machine's limits, or a limit is not 0 to 255.
    """
    for limit in (hardware.max_adapter, hardware.max_domain):
        if not 0 <= limit < ID_COUNT:
            raise HardwareError(f"{limit} cannot be the highest id: ids are 0 to 255")
    for adapter in hardware.cards:
        if not 0 <= adapter <= hardware.max_adapter:
            raise HardwareError(f"adapter {adapter} is not 0 to {hardware.max_adapter}")
    for domain in hardware.usage | hardware.control:
        if domain > hardware.max_domain:
            raise HardwareError(f"domain {domain} is not 0 to {hardware.max_domain}")
    return hardware


def changed(hardware: Hardware, request: Request, initial: Hardware) -> Hardware:
    """`hardware` after `request`; `initial` is what `Restore` leads back to.

    Raises:
        HardwareError: there is no such adapter, or an id is above the machine's limits.
    """
    match request:
        case Plug(adapter, card):
            return checked(hardware._replace(cards={**hardware.cards, adapter: card}))
        case Unplug(adapter):
            _card(hardware, adapter)
            return hardware._replace(cards={key: card for key, card in hardware.cards.items() if key != adapter})
        case SetCard(adapter, configured, checkstopped):
            card = _card(hardware, adapter)
            card = card if configured is None else card._replace(configured=configured)
            card = card if checkstopped is None else card._replace(checkstopped=checkstopped)
            return hardware._replace(cards={**hardware.cards, adapter: card})
        case SetDomains(usage, control):
            return checked(
                hardware._replace(
                    usage=hardware.usage if usage is None else usage,
                    control=hardware.control if control is None else control,
                )
            )
        case Restore():
            return initial


def _card(hardware: Hardware, adapter: int) -> Card:
    if adapter not in hardware.cards:
        raise HardwareError(f"there is no adapter {adapter}")
    return hardware.cards[adapter]


class InUseCheck(StrEnum):
    """When setting a mask bit is refused because a mediated device has a queue (ap_bus.c, vfio_ap_ops.c).

    ``none``: never. ``pair``: if the *other* mask as it is now would give the queue to the host. ``either``:
    whatever the other mask says.
    """

    NONE = "none"
    PAIR = "pair"
    EITHER = "either"


class Profile(NamedTuple):
    """The rules of one kernel era.

    Attributes:
        name: what descriptions call it, for example ``6.12``.
        release: a release string of such a kernel, for people.
        over_provision: absent queues can be assigned, a running VM's device can change, ``guest_matrix`` exists.
        in_use_check: see `InUseCheck`.
        ap_config: a mediated device has ``ap_config``.
        features: the bus and the parent of mediated devices have ``features``.
        driver_override: queues have ``driver_override``, the bus ``bindings_complete_count``.
        scans_writable: a write to ``scans`` makes the bus look at the hardware at once.
        queue_functions: queues have ``ap_functions``.
        card_chkstop: cards have ``chkstop``.
        checkstop_is_offline: a check-stopped card or queue reads ``online`` 0.
        depth_counts_from_one: ``depth`` is the depth; before, it was one less.
        effective_status: ``status`` says "in use" only for queues that the VM really sees.
        failed_reset_hides: an adapter is left out of ``guest_matrix`` while the last reset of one of its queues was
            refused because the card is in standby or check-stopped; later kernels let these pass.
        vfio_devices: a mediated device has ``vfio-dev``.
        newest_vfio_type: the newest hardware type that the vfio_ap driver takes (13 CEX7, 14 CEX8).
        no_instance_errno: the errno of ``create`` where 65536 devices exist.
        driverless_is_hosts: a mask write takes a queue without driver for one with the host's, and so binds it where
            the masks free it; otherwise for one with another driver, and binds it where it is the host's.
        numbers_wrap: a number of more than 64 bits in a mask or in ``ap_domain`` counts modulo 2**64.
        parameter_mode: permission bits of ``/sys/module/ap/parameters/*``.
    """

    name: str
    release: str
    over_provision: bool
    in_use_check: InUseCheck
    ap_config: bool
    features: bool
    driver_override: bool
    scans_writable: bool
    queue_functions: bool
    card_chkstop: bool
    checkstop_is_offline: bool
    depth_counts_from_one: bool
    effective_status: bool
    failed_reset_hides: bool
    vfio_devices: bool
    newest_vfio_type: int
    no_instance_errno: int
    driverless_is_hosts: bool
    numbers_wrap: bool
    parameter_mode: int


_V5_15: Final = Profile(
    name="5.15",
    release="5.15.0",
    over_provision=False,
    in_use_check=InUseCheck.NONE,
    ap_config=False,
    features=False,
    driver_override=False,
    scans_writable=False,
    queue_functions=False,
    card_chkstop=False,
    checkstop_is_offline=False,
    depth_counts_from_one=False,
    effective_status=False,
    failed_reset_hides=False,
    vfio_devices=False,
    newest_vfio_type=13,
    no_instance_errno=EPERM,
    driverless_is_hosts=False,
    numbers_wrap=True,
    parameter_mode=0o440,
)
_V6_1: Final = _V5_15._replace(
    name="6.1",
    release="6.1.176",
    over_provision=True,
    in_use_check=InUseCheck.PAIR,
    scans_writable=True,
    card_chkstop=True,
    effective_status=True,
    failed_reset_hides=True,
    vfio_devices=True,
    newest_vfio_type=14,
    no_instance_errno=EUSERS,
)
_V6_12: Final = _V6_1._replace(
    name="6.12",
    release="6.12.107",
    ap_config=True,
    features=True,
    queue_functions=True,
    failed_reset_hides=False,
    checkstop_is_offline=True,
    depth_counts_from_one=True,
)
_V7_2: Final = _V6_12._replace(
    name="7.2",
    release="7.2.13",
    in_use_check=InUseCheck.EITHER,
    driver_override=True,
    driverless_is_hosts=True,
    numbers_wrap=False,
    parameter_mode=0o444,
)

PROFILES: Final = {profile.name: profile for profile in (_V5_15, _V6_1, _V6_12, _V7_2)}
"""Every profile by name, oldest first."""

DEFAULT_PROFILE: Final = _V6_12
