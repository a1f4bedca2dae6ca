"""Whether the guests of one LPAR can move to another, and what would be pending once a standby has taken over.

What is known of an LPAR is a `Side`, whether the manifests say it or a host was recorded. A guest keeps its queues by
their numbers when it moves, so that the other side has to have the same ones, given to vfio_ap and with no other
holder, on cards of the same mode, with the same functions, and not of an older type. Facts: docs/machines.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from reconciler.model.ids import NO_IDS, IdSet, Uuid
from reconciler.model.machines import LparName
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.observed import MODE_BITS, CardMode, mode_of

Queues: TypeAlias = tuple[tuple[int, IdSet], ...]
"""Queues that need not be a rectangle: for each adapter, ascending, its usage domains."""

NO_QUEUES: Final[Queues] = ()

_COMPARED: Final = 0xFFFF0000  # as the kernel does it where a card changes: the rest are states of queues
_FACILITIES: Final = _COMPARED & ~sum(MODE_BITS)

_NAMES: Final[Mapping[int, str]] = {
    1 << 31: "APSC",
    1 << 30: "4096-bit RSA with exponent",
    1 << 29: "4096-bit RSA with CRT",
    1 << 25: "APXA",
    1 << 24: "SLCF",
    1 << 23: "full function",
    1 << 22: "stateless function",
}


def facility_names(bits: int) -> list[str]:
    """The names of the facilities that are in `bits`, those of ``ap_functions``, from the left."""
    return [_NAMES.get(1 << at, f"bit {31 - at}") for at in range(31, -1, -1) if bits & 1 << at]


class KnownCard(NamedTuple):
    """A card, as far as it is known.

    Attributes:
        hwtype: its hardware type: 13 is a CEX7, 14 a CEX8.
        functions: the 32 bits of ``ap_functions``; None where they are not known.
        trouble: why every request on it fails, for a sentence; empty where none does.
    """

    hwtype: int
    functions: int | None
    trouble: str = ""


class Holder(NamedTuple):
    """A guest, or a device of which no more than its uuid is known, and the queues that it holds."""

    name: str
    uuid: str
    matrix: Matrix


class Rival(NamedTuple):
    """An active LPAR of the same machine, and its queues, with which no other LPAR can be activated."""

    lpar: LparName
    matrix: Matrix


class Side(NamedTuple):
    """One LPAR, as far as it is known.

    Attributes:
        name: what people call it: a Host, or an LPAR as ``machine/lpar``.
        host: the name of the Host that runs in it; empty where none does.
        machine_id: of the machine that it is on; empty where that is not known.
        lpar: the whole name of the LPAR in the manifests; None where no Machine lists it.
        recorded: when the host was recorded, in seconds since 1970; None where only the manifests say what there is.
        has: the queues that it has, by adapter: the domains.
        control: its control domains.
        cards: by adapter; None where nothing is known of cards.
        holders: who has queues there.
        ungiven: queues that its host's own drivers have or keep, or that vfio_ap does not have yet, by adapter.
        devices: the uuids of the mediated devices there; None where that is not known.
        lpar_name: the LPAR as the host itself calls it; empty where it does not say.
        rivals: the active LPARs beside one that is not active, without the one that it takes over from.
    """

    name: str
    host: str
    machine_id: str
    lpar: LparName | None
    recorded: float | None
    has: Mapping[int, IdSet]
    control: IdSet
    cards: Mapping[int, KnownCard] | None = None
    holders: tuple[Holder, ...] = ()
    ungiven: Mapping[int, IdSet] = {}
    devices: frozenset[str] | None = None
    lpar_name: str = ""
    rivals: tuple[Rival, ...] = ()


class Moving(NamedTuple):
    """A guest that is compared.

    Attributes:
        name: of the guest.
        uuid: of its device.
        config: what it is authorised for.
        hosts: all hosts that it may run on.
        always: whether its device has to be there also while its VM does not run.
    """

    name: str
    uuid: Uuid
    config: ApConfig
    hosts: tuple[str, ...] = ()
    always: bool = True


class Older(NamedTuple):
    """The card there is of an older type than here."""

    adapter: int
    here: int
    there: int


class OtherMode(NamedTuple):
    """The card there is configured to be something else than here."""

    adapter: int
    here: CardMode
    there: CardMode


class OtherFunctions(NamedTuple):
    """The card there lacks facilities of the one here, or has others: bits of ``ap_functions``."""

    adapter: int
    lacking: int
    besides: int


class Trouble(NamedTuple):
    """Every request on the card there fails; `reason` says why, for a sentence."""

    adapter: int
    reason: str


CardDifference: TypeAlias = Older | OtherMode | OtherFunctions | Trouble


class Held(NamedTuple):
    """Queues of the guest that `holder` has there."""

    holder: Holder
    queues: Queues


class Taken(NamedTuple):
    """Queues that the active LPAR `lpar` has there."""

    lpar: LparName
    queues: Queues


class Fit(NamedTuple):
    """One guest, and what the other side lacks of what it needs.

    Attributes:
        guest: the guest.
        queues: its queues that are not there.
        pending_here: those of them that the source does not have either, so that the guest does without them already.
        control_domains: those of its control domains that are not there.
        cards: how its cards there differ from those here, ascending by adapter.
        held: its queues that other holders have there.
        taken: its queues that other LPARs have there.
        ungiven: its queues there that vfio_ap does not have.
        lacks_device: whether its device has to be there already, and is not.
        unknown_cards: its adapters there of which type, mode or functions are not known on both sides.
        same_machine: whether both sides are on one machine, where a queue has one LPAR only.
    """

    guest: Moving
    queues: Queues
    pending_here: Queues
    control_domains: IdSet
    cards: tuple[CardDifference, ...]
    held: tuple[Held, ...]
    taken: tuple[Taken, ...]
    ungiven: Queues
    lacks_device: bool
    unknown_cards: IdSet
    same_machine: bool

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing, as far as is known."""
        return not (
            self.queues
            or self.control_domains
            or self.cards
            or self.held
            or self.taken
            or self.ungiven
            or self.lacks_device
            or self.same_machine
        )

    @property
    def missing(self) -> int:
        """How many of its queues are not there."""
        return size_of(self.queues)


class Purpose(StrEnum):
    """Why two LPARs are compared: guests move between two hosts, or one host starts in its other place."""

    MOVE = "move"
    TAKEOVER = "takeover"


class Comparison(NamedTuple):
    """What `compare` found.

    Attributes:
        purpose: what the sides are compared for.
        source: where the guests are.
        target: where they would be.
        partners: the guests that name both hosts, ascending by name; none in a takeover, where all go.
        others: the other guests of the source.
    """

    purpose: Purpose
    source: Side
    target: Side
    partners: tuple[Fit, ...]
    others: tuple[Fit, ...]

    @property
    def fits(self) -> tuple[Fit, ...]:
        """All guests."""
        return self.partners + self.others

    @property
    def taken(self) -> tuple[Taken, ...]:
        """What keeps the target from being activated with all its queues, whether or not a guest needs them."""
        target = self.target
        met = (Taken(one.lpar, _common(one.matrix, target.has)) for one in target.rivals)
        return tuple(one for one in met if one.queues)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing for any guest, as far as is known, and the target can be activated."""
        return not self.taken and all(one.is_whole for one in self.fits)


def compare(source: Side, target: Side, guests: Iterable[Moving]) -> Comparison:
    """What `guests` of the `source` need and the `target` lacks."""
    purpose = Purpose.TAKEOVER if source.host and source.host == target.host else Purpose.MOVE
    partners: list[Fit] = []
    others: list[Fit] = []
    for guest in sorted(guests, key=lambda one: (one.name, one.uuid)):
        names_both = purpose is Purpose.MOVE and {source.host, target.host} <= {*guest.hosts}
        fit = _fit(guest, source, target, purpose, names_both=names_both)
        (partners if names_both else others).append(fit)
    return Comparison(purpose, source, target, tuple(partners), tuple(others))


def size_of(queues: Queues) -> int:
    """How many `queues` there are."""
    return sum(len(domains) for _, domains in queues)


def rectangles_of(queues: Queues) -> list[Matrix]:
    """`queues` as rectangles, the adapters with the same domains together, ascending by the first adapter."""
    found: dict[IdSet, list[int]] = {}
    for adapter, domains in queues:
        found.setdefault(domains, []).append(adapter)
    return [Matrix(IdSet(adapters), domains) for domains, adapters in found.items()]


def _fit(guest: Moving, source: Side, target: Side, purpose: Purpose, *, names_both: bool) -> Fit:
    matrix = guest.config.matrix
    there = _common(matrix, target.has)
    met = ((one, _common(matrix, _by_adapter(one.matrix))) for one in target.holders if one.uuid != guest.uuid)
    present = IdSet(adapter for adapter, _ in there)
    missing = _without(_by_adapter(matrix), target.has)
    return Fit(
        guest=guest,
        queues=missing,
        pending_here=_without(dict(missing), source.has),
        control_domains=guest.config.control_domains - target.control,
        cards=tuple(_differences(present, source, target, purpose)),
        held=tuple(Held(one, queues) for one, queues in met if queues),
        taken=tuple(
            Taken(one.lpar, queues) for one in target.rivals if (queues := _common(matrix.meet(one.matrix), target.has))
        ),
        ungiven=_common(matrix, target.ungiven),
        lacks_device=names_both and guest.always and target.devices is not None and guest.uuid not in target.devices,
        unknown_cards=IdSet(one for one in present if not _is_known(one, source) or not _is_known(one, target)),
        same_machine=purpose is Purpose.MOVE and bool(source.machine_id) and source.machine_id == target.machine_id,
    )


def _by_adapter(matrix: Matrix) -> dict[int, IdSet]:
    return dict.fromkeys(matrix.adapters, matrix.domains)


def _common(matrix: Matrix, others: Mapping[int, IdSet]) -> Queues:
    pairs = ((adapter, matrix.domains & others.get(adapter, NO_IDS)) for adapter in matrix.adapters)
    return tuple((adapter, domains) for adapter, domains in pairs if domains)


def _without(queues: Mapping[int, IdSet], others: Mapping[int, IdSet]) -> Queues:
    pairs = ((adapter, domains - others.get(adapter, NO_IDS)) for adapter, domains in queues.items())
    return tuple((adapter, domains) for adapter, domains in pairs if domains)


def _is_known(adapter: int, side: Side) -> bool:
    card = side.cards.get(adapter) if side.cards is not None else None
    return card is not None and card.functions is not None


def _differences(adapters: IdSet, source: Side, target: Side, purpose: Purpose) -> Sequence[CardDifference]:
    found: list[CardDifference] = []
    for adapter in adapters:
        there = (target.cards or {}).get(adapter)
        here = (source.cards or {}).get(adapter)
        if there and there.trouble:
            found.append(Trouble(adapter, there.trouble))
        if here and there:
            found += _between(adapter, here, there, purpose)
    return found


def _between(adapter: int, here: KnownCard, there: KnownCard, purpose: Purpose) -> Iterable[CardDifference]:
    if there.hwtype < here.hwtype:
        yield Older(adapter, here.hwtype, there.hwtype)
    if here.functions is None or there.functions is None:
        return
    modes = mode_of(here.functions), mode_of(there.functions)
    if modes[0] and modes[1] and modes[0] is not modes[1]:
        yield OtherMode(adapter, modes[0], modes[1])
    lacking = here.functions & ~there.functions & _FACILITIES
    # A VM that starts anew may find more than it had; one that is moved while it runs may not.
    besides = there.functions & ~here.functions & _FACILITIES if purpose is Purpose.MOVE else 0
    if lacking or besides:
        yield OtherFunctions(adapter, lacking, besides)
