"""Reports on machines: who of the LPARs listed has which queues, in which a conflict is what two active LPARs have."""

from collections.abc import Iterable, Mapping, Sequence

from reconciler.model.ids import IdSet
from reconciler.model.machines import DesiredLpar, DesiredMachine, LparName
from reconciler.model.problems import Problem
from reconciler.picture.cells import (
    UNKNOWN_CARD,
    Band,
    Holder,
    Picture,
    Row,
    Shown,
    Side,
    State,
    initials_of,
    runs_of,
)
from reconciler.render.redaction import Names
from reconciler.render.reports import Report, Table, problem_listings

_HEADS = ("LPAR", "State", "Host", "Adapters", "Usage domains", "Control domains", "Queues")


def machine_report(machine: DesiredMachine, problems: Sequence[Problem], names: Names) -> Report:
    """The report on `machine`: its picture, its LPARs, and what is wrong with them.

    Args:
        machine: as the manifests describe it; standbys have what their originals have.
        problems: of this machine.
        names: how names are shown.
    """
    about = "as the manifests describe it, for the LPARs listed: one that is not listed is invisible"
    picture = _picture(machine, names, about)
    facts = [
        *([("Machine id", machine.id)] if names.are_shown else []),
        ("Mode", machine.mode.value),
        ("LPARs listed", f"{len(machine.lpars):,}"),
        ("Queues", f"{picture.present:,}"),
    ]
    lines = tuple(_line(machine, lpar, names) for lpar in machine.lpars)
    return Report(
        names.machine(machine.name),
        about,
        tuple(facts),
        (picture,),
        (Table("LPARs", _HEADS, lines), *problem_listings(problems, names)),
        "Machine",
    )


def _line(machine: DesiredMachine, lpar: DesiredLpar, names: Names) -> tuple[str, ...]:
    adapters, domains, control_domains = (str(ids) if ids else "-" for ids in lpar.config)
    host = names.host(lpar.host) if lpar.host else "-"
    return (
        _name(machine.named(lpar), names),
        _kind(lpar, names),
        host,
        adapters,
        domains,
        control_domains,
        f"{lpar.matrix.size:,}",
    )


def _name(name: LparName, names: Names) -> str:
    return name.lpar if names.are_shown else names.lpar(str(name.folded))


def _kind(lpar: DesiredLpar, names: Names) -> str:
    state = "active" if lpar.is_active else "inactive"
    if lpar.standby_of is None:
        return state
    original = str(lpar.standby_of) if names.are_shown else names.lpar(str(lpar.standby_of.folded))
    return f"{state}, standby of {original}"


def _picture(machine: DesiredMachine, names: Names, about: str) -> Picture:
    """Adapters down, usage domains across: what some LPAR has. Initials say no more than the names that are shown."""
    lpars = sorted(machine.lpars, key=lambda one: (one.name.casefold(), one.name))
    shown = [_name(machine.named(one), names) for one in lpars]
    letters = initials_of(shown if names.are_shown else [one.partition("-")[2] for one in shown])
    holders = tuple(
        Holder(name, "", initials, _kind(lpar, names))
        for lpar, name, initials in zip(lpars, shown, letters, strict=True)
    )
    rows, columns = _members(one.config.adapters for one in lpars), _members(one.config.domains for one in lpars)
    active = sum(1 << place for place, one in enumerate(lpars) if one.is_active)
    # Thousands of cells have few different sets of LPARs.
    looks = {
        both: _look(both, active) for both in {row & column for row in rows.values() for column in columns.values()}
    }
    counts: dict[str, int] = {}
    for row in rows.values():
        for column in columns.values():
            state = looks[row & column].state.value
            counts[state] = counts.get(state, 0) + 1
    return Picture(
        host=names.machine(machine.name),
        side=Side.MACHINE,
        about=about,
        holders=holders,
        columns=tuple(Band(one, one) for one in sorted(columns)),
        rows=tuple(
            Row(Band(adapter, adapter), UNKNOWN_CARD, runs_of(looks[row & columns[one]] for one in sorted(columns)))
            for adapter, row in sorted(rows.items())
            if columns
        ),
        counts=counts,
        present=sum(count for state, count in counts.items() if state != State.FREE.value),
    )


def _members(axis: Iterable[IdSet]) -> Mapping[int, int]:
    """For each id the LPARs that have it, one bit each in their order."""
    found: dict[int, int] = {}
    for place, ids in enumerate(axis):
        for one in ids:
            found[one] = found.get(one, 0) | 1 << place
    return found


def _look(members: int, active: int) -> Shown:
    """What a queue shows that these LPARs have, of which so many are `active`."""
    having, waiting = list(IdSet.from_bits(members & active)), list(IdSet.from_bits(members & ~active))
    if len(having) > 1:
        return Shown(State.CONFLICT, having[0], tuple(having[1:]))
    if not having and not waiting:
        return Shown(State.FREE)
    first, *rest = [*having, *waiting]
    return Shown(State.HELD if having else State.STANDBY, first, tuple(rest))
