"""Reports on a host: pictures, and the tables and lists beside them, of a status, a plan, or a recorded plan.

They are values; `reconciler.render.report_html` makes a page of one, `reconciler.picture.sheet` an SVG of its pictures.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple

from reconciler.kernel.text_forms import parse_mask
from reconciler.model.codec import BadRecord, Codec
from reconciler.model.desired import Activation, DesiredGuest, Presence, Selector
from reconciler.model.ids import ID_COUNT, IdSet
from reconciler.model.matrix import EMPTY_MATRIX, ApConfig, Matrix, Queue
from reconciler.model.outcome import commit_words
from reconciler.model.problems import Position, Problem
from reconciler.picture.cells import Picture, initials_of
from reconciler.planning.grid import Grid, Holder
from reconciler.planning.plan import Plan
from reconciler.planning.status import GuestStatus, Status
from reconciler.render.changes import summary_text
from reconciler.render.pictures import picture_of, pictures_between, pictures_of
from reconciler.render.plan_text import step_text
from reconciler.render.redaction import Names
from reconciler.render.status_text import compared_text, guest_cells, pool_text


class Table(NamedTuple):
    """A table whose first column names its rows."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Listing(NamedTuple):
    """Lines of text below a title."""

    title: str
    lines: tuple[str, ...]


class Report(NamedTuple):
    """What is said of a host or a machine.

    Attributes:
        host: its name.
        about: what the report is about, in a line.
        facts: what is worth knowing, each with its name.
        pictures: one of the host as it is, or one before and one after a plan.
        parts: what stands below the pictures.
        kind: what it is about: ``Host`` or ``Machine``.
    """

    host: str
    about: str
    facts: tuple[tuple[str, str], ...]
    pictures: tuple[Picture, ...]
    parts: tuple[Table | Listing, ...]
    kind: str = "Host"

    @property
    def notes(self) -> list[str]:
        """When it was made, where it was read and of which commit, as far as is known: to stand below a picture."""
        return [f"{name}: {value}" for name, value in self.facts if name in {MADE, READ_FROM, COMMIT}]


MADE: Final = "Made"
READ_FROM: Final = "Read from"
COMMIT: Final = "Commit"
_WHOLE: Final = 64
"""How long the id of a commit is at most."""
"""The names of facts that a picture is shown with, too."""

_GUESTS: Final = ("Guest", "State", "Queues", "Sees", "VM", "Why")
_WITHHELD: Final = "left out"


def status_report(
    status: Status,
    grid: Grid,
    names: Names,
    rows: Sequence[GuestStatus] | None = None,
    unseen: Sequence[str] = (),
) -> Report:
    """The report on a host as it is.

    Args:
        status: of the host.
        grid: of the whole host.
        names: how names are shown.
        rows: the guests that are shown; None: all of them, and whatever else there is.
        unseen: what could not be seen, a sentence each.
    """
    shown = grid if rows is None else grid.only(one.uuid for one in rows)
    picture = picture_of(status, grid, shown)
    source = compared_text(status) if names.are_shown else f"with what is known from: {status.compared.source.value}"
    about = f"as it is, compared {source}"
    observed = status.observed
    facts = [
        ("Kernel", observed.release),
        ("Cards", f"{len(observed.cards):,}"),
        ("Queues", f"{len(observed.queues):,}"),
        ("Mediated devices", f"{len(observed.mdevs):,}"),
        ("Host pool", pool_text(observed.pool)),
    ]
    if rows is not None:
        facts.append(("Guests", _part_of(len(rows), len(status.rows))))
    if status.compared.commit:
        facts.append((COMMIT, commit_words(status.compared.commit, _WHOLE)))
    lines = tuple(_guest_row(one, names) for one in (status.rows if rows is None else rows))
    return Report(
        names.host(status.host),
        about,
        tuple(facts),
        _named([picture], names, about),
        (
            *([Table("Guests", _GUESTS, lines)] if lines else []),
            *([Listing("Not seen", tuple(unseen) if names.are_shown else (_WITHHELD,))] if unseen else []),
            *(problem_listings(status.plan.problems, names) if status.plan else []),
        ),
    )


def _part_of(shown: int, total: int) -> str:
    return f"{shown:,} of {total:,} shown"


def _parts_shown(
    chosen: Collection[str] | None, guests: Collection[str], steps: Sequence[str], total: int
) -> list[tuple[str, str]]:
    """How many of the `guests`, by uuid, and of the `total` of steps are shown; nothing where all guests are.

    Args:
        chosen: the guests that are shown; None: all of them.
        guests: all of them.
        steps: those that are shown.
        total: how many there are.
    """
    if chosen is None:
        return []
    return [("Guests", _part_of(len(chosen), len(guests))), ("Steps", _part_of(len(steps), total))]


def _guest_row(one: GuestStatus, names: Names) -> tuple[str, ...]:
    name, *cells = guest_cells(one)
    if not names.are_shown:
        cells = [*cells[:-2], _WITHHELD if one.vm else "-", _WITHHELD if one.why else "-"]
    return (names.guest(name, one.uuid), *cells)


def plan_report(plan: Plan, names: Names, selector: Selector = Selector()) -> Report:  # noqa: B008 - a value
    """The report on what `plan` changes: before and after it.

    Args:
        plan: which.
        names: how names are shown.
        selector: the labels of the guests that are shown; without any, all of them.
    """
    chosen = _chosen(plan, selector)
    pictures = pictures_of(plan, chosen)
    about = "before and after this plan" if plan.is_valid else "this plan has errors, and cannot be applied"
    observed = plan.observed
    facts = [("Kernel", observed.release), ("Queues", f"{len(observed.queues):,}")]
    facts += [("Summary", summary_text(plan))] if names.are_shown and plan.is_valid else []
    facts += [(COMMIT, commit_words(plan.commit, _WHOLE))] if plan.commit else []
    facts.append(("Fingerprint", plan.fingerprint[:16]))
    steps = [
        f"{number}. {step_text(one._replace(holder=names.guest(one.holder, one.step.uuid)))}"
        for number, one in enumerate(plan.steps, 1)
        if chosen is None or one.step.uuid in chosen
    ]
    facts += _parts_shown(chosen, [one.uuid for one in plan.guests], steps, len(plan.steps))
    consents = [
        f"{_holder(one.holder, one.uuid, names)}: {one.reason if names.are_shown else one.flag}"
        for one in plan.consents
    ]
    notes = plan.notes if names.are_shown else ()
    parts = (("Needs consent", consents), ("Notes", notes), ("Steps, in this order", steps))
    return Report(
        names.host(plan.desired.host.name),
        about,
        tuple(facts),
        _named(pictures, names, about),
        (*problem_listings(plan.problems, names), *(Listing(title, tuple(lines)) for title, lines in parts if lines)),
    )


def _chosen(plan: Plan, selector: Selector) -> frozenset[str] | None:
    if not selector.pairs:
        return None
    return frozenset(one.uuid for one in plan.guests if one.guest and selector.takes(one.guest.labels))


def _holder(name: str, uuid: str, names: Names) -> str:
    return name if name == "host" and not uuid else names.guest(name, uuid)


def problem_listings(problems: Sequence[Problem], names: Names) -> Iterator[Listing]:
    """Each with its places; without names only which they are: docs/problems.md says what they mean."""
    lines = []
    for one in problems:
        head = f"{one.severity.value}[{one.id}]"
        if not names.are_shown:
            lines.append(head)
            continue
        lines.append(f"{head}: {one.message}")
        lines += [f"{place} {place.label}".rstrip() for place in one.places]
        lines += [*one.details, *([one.help] if one.help else [])]
    if lines:
        yield Listing("Problems", tuple(lines))


def _named(pictures: Sequence[Picture], names: Names, about: str) -> tuple[Picture, ...]:
    """`pictures` with names as they are shown, and initials that say no more than these."""
    first = pictures[0].holders
    shown = [names.guest(one.name, one.uuid) for one in first]
    initials = [one.initials for one in first]
    if not names.are_shown:
        initials = initials_of(one.partition("-")[2] for one in shown)
    holders = tuple(
        one._replace(name=name, uuid=names.uuid(one.uuid), initials=letters)
        for one, name, letters in zip(first, shown, initials, strict=True)
    )
    return tuple(one._replace(host=names.host(one.host), about=about, holders=holders) for one in pictures)


# A plan that was recorded --------------------------------------------------------------------------------------------


def _require_id(one: int) -> None:
    if one >= ID_COUNT:
        raise ValueError(f"ids are 0 to {ID_COUNT - 1}")


_Ids = tuple[Annotated[int, _require_id], ...]


class _Rectangle(NamedTuple):
    adapters: _Ids
    domains: _Ids

    @property
    def matrix(self) -> Matrix:
        return Matrix(IdSet(self.adapters), IdSet(self.domains))


class _Between(NamedTuple):
    before: _Rectangle | None
    after: _Rectangle | None


class _Guest(NamedTuple):
    name: str
    uuid: str
    activation: Activation | None
    labels: Mapping[str, str]
    wanted: _Rectangle | None
    authorised: _Between
    effective: _Between


class _Foreign(NamedTuple):
    uuid: str
    authorised: _Rectangle


class _Masks(NamedTuple):
    apmask: str
    aqmask: str


class _Pool(NamedTuple):
    before: _Masks
    after: _Masks


class _Summary(NamedTuple):
    text: str


class _Step(NamedTuple):
    holder: str
    uuid: str | None
    effect: str


class _Plan(NamedTuple):
    """What is needed of a plan that was saved, or recorded in the history."""

    host: str
    commit: str | None
    summary: _Summary
    pool: _Pool
    guests: tuple[_Guest, ...]
    foreign: tuple[_Foreign, ...]
    steps: tuple[_Step, ...]


_RECORDED: Final = Codec(partial=True)


def recorded_report(
    record: Mapping[str, Any],
    about: str,
    names: Names,
    selector: Selector = Selector(),  # noqa: B008 - a value
    unchanged: Sequence[DesiredGuest] = (),
    facts: Sequence[tuple[str, str]] = (),
) -> Report:
    """The report on a plan that was saved, or recorded in the history: before and after it.

    Which hardware was there is not recorded. What a guest did not see was not there, or not given to the LPAR.

    Args:
        record: the plan as `reconciler.render.plan_json` gives it.
        about: which plan it is.
        names: how names are shown.
        selector: the labels of the guests that are shown; without any, all of them.
        unchanged: guests that the plan may have left as they were, and that are not in `record`.
        facts: what else is worth knowing.

    Raises:
        BadRecord: it is no record of a plan.
    """
    plan = _RECORDED.read(_Plan, record)
    pools = (_pool(plan.pool.before), _pool(plan.pool.after))
    listed = {one.uuid for one in plan.guests}
    rest = [one for one in unchanged if one.uuid not in listed and one.activation is not Activation.INACTIVE]
    holders = [*map(_changed, plan.guests), *map(_unchanged, rest), *map(_foreign, plan.foreign)]
    chosen = None
    if selector.pairs:
        labels = [(one.uuid, tuple(one.labels.items())) for one in plan.guests]
        labels += [(one.uuid, one.labels) for one in rest]
        chosen = frozenset(uuid for uuid, has in labels if selector.takes(has))
    pictures = pictures_between(plan.host, pools, holders, _queues(plan, holders), chosen)
    summary = [("Summary", plan.summary.text)] if names.are_shown else []
    steps = [
        f"{number}. {_holder(one.holder, one.uuid or '', names)}: {one.effect if names.are_shown else 'changes'}"
        for number, one in enumerate(plan.steps, 1)
        if chosen is None or one.uuid in chosen
    ]
    every = [*listed, *(one.uuid for one in rest)]
    summary += _parts_shown(chosen, every, steps, len(plan.steps))
    return Report(
        names.host(plan.host),
        about,
        (*facts, *summary, *([(COMMIT, commit_words(plan.commit, _WHOLE))] if plan.commit else [])),
        _named(pictures, names, about),
        (Listing("Steps, in this order", tuple(steps)),) if steps else (),
    )


def _pool(masks: _Masks) -> Matrix:
    try:
        return Matrix(parse_mask(masks.apmask), parse_mask(masks.aqmask))
    except ValueError as error:
        raise BadRecord(str(error), "pool") from None


def _matrix(one: _Rectangle | None) -> Matrix:
    return one.matrix if one else EMPTY_MATRIX


def _changed(one: _Guest) -> Holder:
    before, after = one.authorised
    guest, wanted = None, _matrix(after)
    if one.activation is not None:
        wanted = EMPTY_MATRIX if one.activation is Activation.INACTIVE else _matrix(one.wanted)
        config = ApConfig(wanted.adapters, wanted.domains, wanted.domains)
        labels = tuple(one.labels.items())
        guest = DesiredGuest(one.name, "", one.uuid, config, one.activation, Presence.ANY, labels, Position("", 0, 0))
    return Holder(one.name, one.uuid, guest, _matrix(before), _matrix(after), wanted, is_built=before is not None)


def _unchanged(one: DesiredGuest) -> Holder:
    claims = one.config.matrix
    held = claims if one.activation is Activation.ACTIVE else EMPTY_MATRIX
    return Holder(one.name, one.uuid, one, held, held, claims, is_built=not held.is_empty)


def _foreign(one: _Foreign) -> Holder:
    held = one.authorised.matrix
    return Holder(one.uuid, one.uuid, None, held, held, held, is_built=True)


def _queues(plan: _Plan, holders: Sequence[Holder]) -> list[Queue]:
    """The queues that were there, as far as a record shows: all beside those that their holder did not see."""
    absent: set[Queue] = set()
    for one in plan.guests:
        for held, seen in zip(one.authorised, one.effective, strict=True):
            absent.update(queue for part in _matrix(held).minus(_matrix(seen)) for queue in part.queues())
    adapters = IdSet(adapter for one in holders for adapter in one.held.adapters | one.keeps.adapters)
    domains = IdSet(domain for one in holders for domain in one.held.domains | one.keeps.domains)
    return [one for one in Matrix(adapters, domains).queues() if one not in absent]
