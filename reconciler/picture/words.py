"""What a picture says in words: whose queues are whose and why, for the pointer, a screen reader and a table."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from reconciler.model.ids import IdSet
from reconciler.picture.cells import NO_CARD, UNKNOWN_CARD, Band, Picture, Row, Shown, Side, State
from reconciler.picture.markup import cut

LONGEST_NAME: Final = 64
"""How many characters of a name are shown."""

SIDES: Final = {Side.NOW: "Now", Side.BEFORE: "Before", Side.AFTER: "After", Side.MACHINE: "LPARs listed"}


def moment_text(picture: Picture) -> str:
    """Which moment `picture` is of, or that it is of LPARs, behind the name of the host or machine."""
    words = SIDES[picture.side]
    return words if picture.side is Side.MACHINE else words.lower()


def title_of(pictures: Sequence[Picture]) -> str:
    """What `pictures` are of, in a line."""
    first = pictures[0]
    if first.side is Side.MACHINE:
        return f"Crypto queues of the LPARs listed of machine {cut(first.host, LONGEST_NAME)}"
    sides = " and ".join(SIDES[one.side].lower() for one in pictures)
    return f"Crypto queues of host {cut(pictures[0].host, LONGEST_NAME)}, {sides}"


def description_of(pictures: Sequence[Picture]) -> str:
    """How many queues there are of each state in each of `pictures`."""
    return " ".join(f"{SIDES[one.side]}: {summary(one)}" for one in pictures)


WORDS: Final = {
    State.HELD: "held",
    State.HOST: "of the host",
    State.FREE: "free",
    State.PENDING: "pending",
    State.PLANNED: "planned",
    State.LEAVING: "leaving",
    State.ON_DEMAND: "on demand",
    State.CONFLICT: "in conflict",
    State.STANDBY: "of inactive LPARs",
}
_MACHINE_WORDS: Final = {
    State.HELD: "of one active LPAR",
    State.STANDBY: "of inactive LPARs only",
    State.CONFLICT: "of several active LPARs, which is a conflict",
}


def words_of(state: State, side: Side) -> str:
    """How a queue stands, in a few words."""
    return (_MACHINE_WORDS if side is Side.MACHINE else WORDS)[state]


def summary(picture: Picture) -> str:
    """How many queues there are of each state, in one sentence."""
    if picture.side is Side.MACHINE:
        parts = [
            f"{count:,} {words}" for state, words in _MACHINE_WORDS.items() if (count := picture.counts.get(state, 0))
        ]
        return f"{', '.join(parts) or 'no LPAR has a queue'}; an LPAR that is not listed is invisible."
    parts = [f"{count:,} {words}" for state, words in WORDS.items() if (count := picture.counts.get(state, 0))]
    queues = "queue is" if picture.present == 1 else "queues are"
    return f"{picture.present:,} {queues} present; {', '.join(parts) or 'none is held or claimed'}."


def hex_text(band: Band) -> str:
    """The ids of `band` in hex, for a head."""
    return f"{band.first:02x}–{band.last:02x}" if band.is_folded else f"0x{band.first:02x}"


def decimal_text(band: Band) -> str:
    """The id of `band` in decimal, for a head."""
    return f"({band.first})"


def ids_text(band: Band) -> str:
    """The ids of `band` in hex and in decimal."""
    return str(IdSet(range(band.first, band.last + 1)))


def queues_text(band: Band, domains: IdSet) -> str:
    """Queues in hex and decimal: ``05.0047 (5.71)``, ``05.0004-0006 (5.4-6)``."""
    adapters = f"{band.first:02x}-{band.last:02x}" if band.is_folded else f"{band.first:02x}"
    numbers = f"{band.first}-{band.last}" if band.is_folded else f"{band.first}"
    ranges = domains.ranges()
    in_hex = ",".join(f"{one:04x}" if one == last else f"{one:04x}-{last:04x}" for one, last in ranges)
    decimal = ",".join(f"{one}" if one == last else f"{one}-{last}" for one, last in ranges)
    return f"{adapters}.{in_hex} ({numbers}.{decimal})"


def why(picture: Picture, row: Row, shown: Shown) -> str:
    """Whose cells of `row` are that are as `shown`, and why: a phrase for people."""
    names = [cut(picture.holders[one].name, LONGEST_NAME) for one in (*_holder(shown), *shown.others)]
    if picture.side is Side.MACHINE:
        return _why_of_machine(shown, names)
    also = f"; also claimed by {' and '.join(names[1:])}" if names[1:] else ""
    match shown.state:
        case State.CONFLICT:
            return f"conflict: {' and '.join([*names, *(['the host'] if shown.of_host else [])])}"
        case State.HOST:
            return f"of the host's own drivers{_changing(picture.side, 'takes it from them') if shown.changes else ''}"
        case State.FREE:
            return f"free{_changing(picture.side, 'gives it to the host') if shown.changes else ''}"
        case State.ON_DEMAND:
            return f"{names[0]}: on-demand, claimed while its VM runs{also}"
        case State.PLANNED:
            return f"{names[0]}: planned, {_next_apply(picture, shown)} gives it{_absent(row, shown)}{also}"
        case State.LEAVING:
            return f"{names[0]}: leaving, {_next_apply(picture, shown)} takes it away{_absent(row, shown)}{also}"
    if shown.state is State.PENDING or not shown.is_there:
        return f"{names[0]}: pending{_absent(row, shown)}{_sided(picture, shown)}{also}"
    return f"{names[0]}: held{_sided(picture, shown)}{also}"


def _next_apply(picture: Picture, shown: Shown) -> str:
    holder = None if shown.holder is None else picture.holders[shown.holder]
    return "the next apply after a resume" if holder and holder.is_suspended else "the next apply"


_MOST_NAMES: Final = 5


def _several(names: Sequence[str]) -> str:
    """`names`, of very many the first ones: each of thousands of cells says them."""
    more = len(names) - _MOST_NAMES
    return " and ".join([*names[:_MOST_NAMES], *([f"{more} more"] if more > 0 else [])])


def _why_of_machine(shown: Shown, names: Sequence[str]) -> str:
    if not names:
        return "no LPAR that is listed has it"
    if shown.state is State.CONFLICT:
        return f"conflict: {_several(names)} are active"
    also = f"; also defined for {_several(names[1:])}, not active" if names[1:] else ""
    return f"{names[0]}: {'defined, not active' if shown.state is State.STANDBY else 'active'}{also}"


def _holder(shown: Shown) -> Sequence[int]:
    return () if shown.holder is None else (shown.holder,)


def _changing(side: Side, what: str) -> str:
    return f"; the next apply {what}" if side is Side.NOW else "; this plan changes it"


def _sided(picture: Picture, shown: Shown) -> str:
    if not shown.changes:
        return ""
    return {Side.BEFORE: ", until the plan takes it", Side.AFTER: ", given by this plan"}.get(picture.side, "")


def _absent(row: Row, shown: Shown) -> str:
    if shown.is_there:
        return ""
    if row.card == UNKNOWN_CARD:
        return ", the hardware is not there yet"
    return ", the card is not there yet" if row.card == NO_CARD else ", the domain is not there yet"


def short(picture: Picture, row: Row, shown: Shown) -> str:  # noqa: ARG001 - as `why` has it
    """The same in as few characters as possible: initials and state."""
    words = _several([picture.holders[one].initials for one in (*_holder(shown), *shown.others)])
    state = "pending" if shown.state is State.HELD and not shown.is_there else shown.state.value
    return f"{words} {state}".lstrip()


# How much is said ---------------------------------------------------------------------------------------------------


class Density(IntEnum):
    """How small a document of pictures has to be made."""

    USUAL = 0
    DENSE = 1  # what runs of a row have in common is said once, and outlines that touch are one
    SHORT = 2  # and each run says as little as it can: the initials of its holders, as in the legend, and its state


def density_of(pictures: Sequence[Picture]) -> Density:
    """How a document of `pictures` is drawn, so that it stays below 1 MB for 64 adapters and 85 domains."""
    runs = sum(len(row.runs) for one in pictures for row in one.rows)
    if runs < _MANY_RUNS:
        return Density.USUAL
    names = [min(len(one.name), LONGEST_NAME) for one in pictures[0].holders]
    each = _RUN_LENGTH + (sum(names) // len(names) if names else 0)
    return Density.SHORT if runs * each > _LONGEST else Density.DENSE


_MANY_RUNS: Final = 1000
_RUN_LENGTH: Final = 85
"""About how many characters a run takes, without the name of its holder."""
_LONGEST: Final = 700_000
