"""Who has which queue, cell by cell: adapters times domains, as a picture or a program shows them.

A cell is made of what the devices hold now, of what the manifests claim, and of the host pool, by the same rules by
which `reconciler.planning.conflicts` finds problems. It is pure, and knows nothing of letters, colours or widths.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from reconciler.model.desired import Activation, DesiredGuest
from reconciler.model.ids import ID_COUNT, IdSet
from reconciler.model.matrix import EMPTY_MATRIX, Matrix, Queue
from reconciler.model.observed import Observed, ObservedMdev
from reconciler.planning.plan import GuestPlan, Plan


class CellState(StrEnum):
    """How one queue stands."""

    CONFLICT = "conflict"  # several have it or claim it, of whom only one can
    PENDING = "pending"  # its holder has it, and it is not there yet
    PLANNED = "planned"  # the next apply gives it to its holder
    LEAVING = "leaving"  # the next apply takes it from its holder
    ON_DEMAND = "on-demand"  # claimed for while a VM runs, and no device has it now
    HELD = "held"  # its holder has it
    HOST = "host"  # the host's own drivers have it
    FREE = "free"  # it is there, and neither a device nor the host's drivers have it


class Holder(NamedTuple):
    """A guest, or a device that no manifest names.

    Attributes:
        name: of the guest, or the uuid of the device.
        uuid: of its device, which need not exist.
        guest: what its manifest says; None where there is none.
        held: what its device has now.
        keeps: what it has once the plan is done.
        claims: what its manifest claims; for a device that is to stay without one, what it has.
        is_built: whether its device exists.
    """

    name: str
    uuid: str
    guest: DesiredGuest | None
    held: Matrix
    keeps: Matrix
    claims: Matrix
    is_built: bool


class Cell(NamedTuple):
    """One queue.

    Attributes:
        queue: which.
        state: how it stands.
        holder: who has it, or is the first to claim it; None for the host, and where no holder does.
        others: who else claims it or has it, in the order of their names, of very many the first ones.
        of_host: whether the host's drivers have it now.
        is_kept: whether the manifest of the host keeps it for them.
        is_there: whether the hardware is there.
    """

    queue: Queue
    state: CellState
    holder: Holder | None
    others: tuple[Holder, ...]
    of_host: bool
    is_kept: bool
    is_there: bool

    @property
    def contenders(self) -> tuple[str, ...]:
        """The names of all who have it or claim it; ``the host`` where its drivers have it too, or are to keep it."""
        holders = (self.holder, *self.others) if self.holder else ()
        is_host = self.is_kept or (self.of_host and any(one.held.has(self.queue) for one in holders))
        return (*(one.name for one in holders), *(["the host"] if is_host else []))


class Grid(NamedTuple):
    """All queues that are there, held or claimed.

    Attributes:
        holders: ascending by name.
        rows: the cells by adapter and by domain, both ascending.
        counts: how many cells there are in each state.
        present: how many queues are there.
    """

    holders: tuple[Holder, ...]
    rows: Mapping[int, Mapping[int, Cell]]
    counts: Mapping[CellState, int]
    present: int

    @property
    def cells(self) -> Iterator[Cell]:
        """Every cell, ascending by queue."""
        return (cell for row in self.rows.values() for cell in row.values())

    def only(self, uuids: Iterable[str], queues: Iterable[Queue] = (), cards: Iterable[int] = ()) -> "Grid":
        """The cells of those holders that have one of `uuids`, and those of `queues` and of `cards`, whoever has them.

        Holders and counts stay those of the host.
        """
        chosen, named, whole = set(uuids), set(queues), set(cards)
        rows = {
            adapter: {
                domain: cell
                for domain, cell in row.items()
                if adapter in whole
                or cell.queue in named
                or (cell.holder and any(one.uuid in chosen for one in (cell.holder, *cell.others)))
            }
            for adapter, row in self.rows.items()
        }
        return self._replace(rows={adapter: row for adapter, row in rows.items() if row})


_NO_NAMES: Final[Mapping[str, str]] = {}


def grid_of(plan: Plan) -> Grid:
    """The grid of the host that `plan` is for, compared with its manifests."""
    holders = [*map(_of_guest, plan.guests), *map(_of_device, plan.foreign)]
    return _grid([one.queue for one in plan.observed.queues], plan.observed.pool, holders, _reserved(plan))


def _reserved(plan: Plan) -> list[Matrix]:
    """What the manifest of the host keeps for its own drivers."""
    host = plan.desired.host
    kept = [keep.matrix for keep in host.keep]
    return kept if host.given_up is None else [*kept, plan.pool]


def grid_as_found(observed: Observed, names: Mapping[str, str] = _NO_NAMES) -> Grid:
    """The grid of a host of which it is not known what is wanted; `names` are those of guests, by uuid."""
    holders = [_of_device(one, names.get(one.uuid, "")) for one in observed.mdevs]
    return _grid([one.queue for one in observed.queues], observed.pool, holders, [])


def grids_of(plan: Plan) -> tuple[Grid, Grid]:
    """The grids of the host before `plan` and after it: what devices and masks hold; and afterwards what is claimed.

    What the manifests claim and the plan does not give, as where it cannot be applied, is in the second one only.
    """
    holders = [*map(_of_guest, plan.guests), *map(_of_device, plan.foreign)]
    queues = [one.queue for one in plan.observed.queues]
    return grids_between(queues, (plan.observed.pool, plan.pool), holders, _reserved(plan))


def grids_between(
    queues: Sequence[Queue], pools: tuple[Matrix, Matrix], holders: Sequence[Holder], reserved: Sequence[Matrix] = ()
) -> tuple[Grid, Grid]:
    """The grids of a host on which `holders` come from what they hold to what they keep.

    Args:
        queues: those that are there.
        pools: the host pool before and after.
        holders: all of them.
        reserved: what is kept for the host's own drivers afterwards.
    """
    before = [one._replace(keeps=one.held, claims=one.held) for one in holders]
    after = [one._replace(held=one.keeps, is_built=not one.keeps.is_empty) for one in holders]
    return _grid(queues, pools[0], before, []), _grid(queues, pools[1], after, reserved)


def changes_of(plan: Plan) -> Mapping[int, int]:
    """By adapter, the domains (as bits) of the queues of which `plan` changes who has them."""
    return changes_between((plan.observed.pool, plan.pool), map(_of_guest, plan.guests))


def changes_between(pools: tuple[Matrix, Matrix], holders: Iterable[Holder]) -> Mapping[int, int]:
    """The same where the host pool becomes another one, and `holders` come from what they hold to what they keep."""
    found: dict[int, int] = {}
    for before, after in (pools, *((one.held, one.keeps) for one in holders)):
        for adapter in before.adapters | after.adapters if before != after else ():
            bits = [one.domains.bits if adapter in one.adapters else 0 for one in (before, after)]
            found[adapter] = found.get(adapter, 0) | bits[0] ^ bits[1]
    return found


def _of_guest(plan: GuestPlan) -> Holder:
    guest = plan.guest
    claims = guest.config.matrix if guest and guest.activation is not Activation.INACTIVE else EMPTY_MATRIX
    return Holder(
        name=plan.name,
        uuid=plan.uuid,
        guest=guest,
        held=plan.before.matrix if plan.before else EMPTY_MATRIX,
        keeps=plan.after.matrix if plan.after else EMPTY_MATRIX,
        claims=claims,
        is_built=plan.before is not None,
    )


def _of_device(mdev: ObservedMdev, name: str = "") -> Holder:
    held = mdev.config.matrix
    return Holder(name or mdev.uuid, mdev.uuid, None, held, held, held, is_built=True)


MOST_NAMED: Final = 8
"""How many holders one cell names at most."""


def _grid(queues: Sequence[Queue], pool: Matrix, holders: Iterable[Holder], reserved: Sequence[Matrix]) -> Grid:
    ordered = sorted(holders, key=lambda one: (one.name, one.uuid))
    layers = _Layers(queues, pool, ordered, reserved)
    rows = {adapter: row for adapter in range(ID_COUNT) if (row := layers.row(adapter))}
    counts = dict.fromkeys(CellState, 0)
    for row in rows.values():
        for cell in row.values():
            counts[cell.state] += 1
    return Grid(tuple(ordered), rows, counts, len(queues))


class _Masks:
    """The domains of one adapter, as bits, in which each kind of holder has or claims a queue."""

    def __init__(self) -> None:
        self.there = self.reserved = self.pool = 0
        self.held = self.held_twice = self.keeps = 0
        self.active = self.active_twice = self.built = self.built_twice = self.waiting = self.foreign = 0
        self.holders: dict[int, list[Holder]] = {}
        self._full = 0

    def add(self, one: Holder, domains: "_Domains") -> None:
        """Add what `one` has and claims."""
        self.held_twice |= self.held & domains.held
        self.held |= domains.held
        self.keeps |= domains.keeps
        if one.guest is None:
            # A device that is to go claims nothing.
            self.foreign |= domains.claims
        elif one.guest.activation is Activation.ACTIVE:
            self.active_twice |= self.active & domains.claims
            self.active |= domains.claims
        elif one.is_built:
            self.built_twice |= self.built & domains.claims
            self.built |= domains.claims
        else:
            self.waiting |= domains.claims
        # Where all claim the same, as thousands of on-demand guests may, not every one of them is named.
        for domain in IdSet.from_bits((domains.held | domains.claims) & ~self._full):
            named = self.holders.setdefault(domain, [])
            named.append(one)
            if len(named) == MOST_NAMED:
                self._full |= 1 << domain

    @property
    def conflict(self) -> int:
        """Where only one of several can have it; the rules are those of `reconciler.planning.conflicts`."""
        firm = self.active | self.built
        claimed = firm | self.waiting
        return (
            (self.active_twice | self.built_twice | self.held_twice)
            | (self.active & (self.built | self.waiting))
            | (firm & self.foreign)
            | ((claimed | self.foreign) & self.reserved)
            | (self.held & self.pool)
        )


class _Domains(NamedTuple):
    """What one holder has, keeps and claims of one adapter: domains as bits."""

    held: int
    keeps: int
    claims: int


class _Layers:
    """What all cells of a grid are made of, by adapter."""

    def __init__(
        self, queues: Iterable[Queue], pool: Matrix, holders: Iterable[Holder], reserved: Sequence[Matrix]
    ) -> None:
        self._masks: dict[int, _Masks] = {}
        for queue in queues:
            self._of(queue.adapter).there |= 1 << queue.domain
        for holder in holders:
            self._add(holder)
        for adapter, masks in self._masks.items():
            masks.pool = pool.domains.bits if adapter in pool.adapters else 0
            for matrix in reserved:
                masks.reserved |= matrix.domains.bits if adapter in matrix.adapters else 0

    def _of(self, adapter: int) -> _Masks:
        return self._masks.setdefault(adapter, _Masks())

    def _add(self, one: Holder) -> None:
        for adapter in one.held.adapters | one.claims.adapters:
            held, keeps, claims = (
                matrix.domains.bits if adapter in matrix.adapters else 0 for matrix in (one.held, one.keeps, one.claims)
            )
            if held | claims:
                self._of(adapter).add(one, _Domains(held, keeps, claims))

    def row(self, adapter: int) -> dict[int, Cell]:
        """The cells of `adapter`, by domain; empty where there is nothing of it."""
        masks = self._masks.get(adapter)
        if masks is None:
            return {}
        taken = masks.held | masks.active | masks.built | masks.waiting | masks.foreign
        conflict = masks.conflict
        return {
            domain: self._cell(Queue(adapter, domain), masks, is_conflict=bool(conflict >> domain & 1))
            for domain in IdSet.from_bits(masks.there | taken)
        }

    def _cell(self, queue: Queue, masks: _Masks, *, is_conflict: bool) -> Cell:
        is_there = bool(masks.there >> queue.domain & 1)
        of_host = bool(masks.pool >> queue.domain & 1)
        is_kept = bool(masks.reserved >> queue.domain & 1)
        holders = masks.holders.get(queue.domain, [])
        if len(holders) > 1:  # who has it comes first
            holders = sorted(holders, key=lambda one: not one.held.has(queue))
        if not holders:
            state = CellState.HOST if of_host else CellState.FREE
            return Cell(queue, state, None, (), of_host, is_kept, is_there)
        holder, *others = holders
        state = CellState.CONFLICT if is_conflict else self._state(queue, holder, is_there=is_there)
        return Cell(queue, state, holder, tuple(others), of_host, is_kept, is_there)

    @staticmethod
    def _state(queue: Queue, one: Holder, *, is_there: bool) -> CellState:
        if one.held.has(queue):
            if not one.keeps.has(queue):
                return CellState.LEAVING
            return CellState.HELD if is_there else CellState.PENDING
        if one.keeps.has(queue):
            return CellState.PLANNED
        if one.guest and one.guest.activation is Activation.ON_DEMAND and not one.is_built:
            return CellState.ON_DEMAND
        # Before 6.0 a device takes only what is there.
        return CellState.PENDING
