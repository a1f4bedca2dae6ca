"""Which hardware a host lacks that guests are to have, and for which of them it is authorised in advance already."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from reconciler.model.desired import Activation
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig
from reconciler.model.observed import Lpar
from reconciler.planning.status import GuestStatus, Status

_NOUNS: Final = ("adapter", "domain", "control domain")


class Pending(NamedTuple):
    """Hardware that is not there yet, and who waits for it.

    Attributes:
        noun: of which kind: ``adapter``, ``domain`` or ``control domain``.
        ids: which; all guests below wait for each of them.
        authorised: names of guests whose device has it already, ascending.
        claimed: names of guests whose manifest asks for it and whose device does not have it, ascending.
    """

    noun: str
    ids: IdSet
    authorised: tuple[str, ...]
    claimed: tuple[str, ...]


def pending_hardware(status: Status) -> dict[str, tuple[Pending, ...]]:
    """What is not there yet by its kind: adapters, domains, control domains; a kind without any has an empty tuple."""
    return {noun: _of_kind(status, kind) for kind, noun in enumerate(_NOUNS)}


def _of_kind(status: Status, kind: int) -> tuple[Pending, ...]:
    # Many guests wait for the same ids, so that names are collected by these first.
    alike: dict[tuple[int, bool], list[str]] = {}
    for one in status.guests:
        held = _lacking(one.authorised, status.observed.lpar)[kind]
        claimed = _lacking(_claims(one) or one.waiting, status.observed.lpar)[kind]
        if kind < len(_NOUNS) - 1:  # what is to leave a device is not waited for; of control domains it is shown
            held &= claimed
        for ids, is_held in ((held, True), (claimed - held, False)):
            if ids:
                alike.setdefault((ids.bits, is_held), []).append(one.name)
    by_id: dict[int, tuple[list[str], list[str]]] = {}
    for (bits, is_held), names in alike.items():
        for number in IdSet.from_bits(bits):
            by_id.setdefault(number, ([], []))[0 if is_held else 1].extend(names)
    return tuple(_grouped(_NOUNS[kind], by_id))


def _grouped(noun: str, by_id: dict[int, tuple[list[str], list[str]]]) -> Iterable[Pending]:
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[int]] = {}
    for number in sorted(by_id):
        held, claimed = by_id[number]
        groups.setdefault((tuple(sorted(held)), tuple(sorted(claimed))), []).append(number)
    return (Pending(noun, IdSet(ids), held, claimed) for (held, claimed), ids in groups.items())


def _claims(one: GuestStatus) -> ApConfig | None:
    return one.guest.config if one.guest and one.guest.activation is not Activation.INACTIVE else None


def _lacking(config: ApConfig | None, lpar: Lpar) -> tuple[IdSet, IdSet, IdSet]:
    """The adapters, domains and control domains of `config` that the LPAR lacks."""
    adapters, domains, control = config or EMPTY_CONFIG
    missing = domains - lpar.domains
    # A control domain that is missing as a usage domain as well is said already.
    return adapters - lpar.adapters, missing, (control - lpar.control_domains) - missing if control else NO_IDS
