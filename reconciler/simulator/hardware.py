"""The crypto hardware of one LPAR, and the ways in which it changes while the host runs.

These are values: a change gives new hardware. The host notices at its next scan (`reconciler.simulator.ap_bus`).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from reconciler.model.errors import InputError
from reconciler.model.identity import MachineIdentity
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
        configured: False where the LPAR has it but it is in standby.
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
        identity: which machine and LPAR it is; None where the host does not say, as one that is no s390x.
    """

    max_adapter: int
    max_domain: int
    cards: Mapping[int, Card]
    usage: IdSet
    control: IdSet
    identity: MachineIdentity | None = None


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
