"""Which LPAR of a machine has which queues, as the HMC's Web Services API has it, and as zhmcclient writes it down.

A DPM configuration, which ``Cpc.export_dpm_configuration`` of zhmcclient returns, has all partitions and adapters of a
machine. In classic mode the image activation profiles have it from z16 on; what they say is of the next activation.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from reconciler.integrations.imported import (
    CONFLICT,
    Imported,
    ImportedLpar,
    ImportedMachine,
    Path,
    WrongField,
    WrongFields,
    id_at,
    list_at,
    mapping_at,
    missing,
    text_at,
)
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.machines import MachineMode
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig
from reconciler.model.printable import quoted

CRYPTO: Final = "crypto-configuration"
CRYPTOS: Final = "assigned-cryptos"
DOMAINS: Final = "assigned-crypto-domains"
PROFILES: Final = "image-activation-profiles"

MOST_LPARS: Final = 256
"""How many LPARs a Machine may have (schemas/machine.schema.json)."""

_STOPPED: Final = "stopped"
_CONTROL: Final = "control"
_CONTROL_AND_USAGE: Final = "control-usage"
_NOT_ACTIVATED: Final = "not-activated"
_NEXT_ACTIVATION: Final = (
    "What an image activation profile says is of the next activation of its LPAR: an LPAR that runs may have something "
    "else until then."
)
_ACTIVE_NOT_SAID: Final = "Whether an LPAR is active is not in a profile: write 'active: false' where one is not."


class _Card(NamedTuple):
    """A crypto adapter: its AP number, and what else is known of it, for people."""

    number: int
    words: str


def dpm_configuration(value: Any) -> Imported:
    """The machine of an exported DPM configuration, with all its partitions.

    Raises:
        WrongField: it is none.
    """
    top = mapping_at(value, (), "a DPM configuration")
    cards = dict(_cards(list_at(top.get("adapters", []), ("adapters",), "a list of adapters")))
    partitions = list_at(top.get("partitions"), ("partitions",), "a list of partitions")
    _refuse_number(partitions, ("partitions",), "partitions")
    lpars = []
    wrong = WrongFields()
    for index, one in enumerate(partitions):
        with wrong:
            lpars.append(_partition(one, ("partitions", index), cards))
    wrong.refuse()
    notes = [f"Adapter 0x{card.number:02x}: {card.words}." for card in sorted(cards.values()) if card.words]
    return Imported(machines=(ImportedMachine("", "", MachineMode.DPM, tuple(lpars), tuple(notes)),))


def _cards(adapters: list[Any]) -> Iterator[tuple[str, _Card]]:
    for index, one in enumerate(adapters):
        path: Path = ("adapters", index)
        fields = mapping_at(one, path, "an adapter")
        if fields.get("crypto-number") is not None:
            number = id_at(fields["crypto-number"], (*path, "crypto-number"), "crypto number")
            uri = text_at(fields.get("object-uri"), (*path, "object-uri"), "URI of an adapter")
            yield uri, _Card(number, _card_words(fields))


def _card_words(fields: Mapping[str, Any]) -> str:
    texts = {key: fields[key] for key in ("detected-card-type", "crypto-type") if isinstance(fields.get(key), str)}
    pchid = fields.get("adapter-id")
    return ", ".join([*texts.values(), *([f"PCHID {pchid}"] if isinstance(pchid, str) else [])])


def _refuse_number(found: list[Any], path: Path, what: str) -> None:
    if not 1 <= len(found) <= MOST_LPARS:
        message = f"there are {len(found):,} {what}, and a machine has 1 to {MOST_LPARS} LPARs"
        raise WrongField(path, message, "Check that it is the right file.")


def _partition(value: Any, path: Path, cards: Mapping[str, _Card]) -> ImportedLpar:
    fields = mapping_at(value, path, "a partition")
    name, config, crypto = "", EMPTY_CONFIG, fields.get(CRYPTO)
    wrong = WrongFields()
    with wrong:
        name = text_at(fields.get("name"), (*path, "name"), "name of a partition")
    with wrong:
        config = _crypto(crypto, (*path, CRYPTO), cards) if crypto else EMPTY_CONFIG
    wrong.refuse()
    is_stopped, is_reserved = fields.get("status") == _STOPPED, fields.get("reserve-resources") is True
    notes = []
    if is_stopped and is_reserved:
        notes.append("Stopped, but it reserves its resources, so that no other partition can have its queues.")
    elif is_stopped:
        notes.append("Stopped.")
    return ImportedLpar(name, config, not is_stopped or is_reserved, tuple(notes))


def _crypto(value: Any, path: Path, cards: Mapping[str, _Card]) -> ApConfig:
    fields = mapping_at(value, path, "a crypto configuration")
    adapters = []
    uris, where = "crypto-adapter-uris", "crypto-domain-configurations"
    usage = control = NO_IDS
    wrong = WrongFields()
    with wrong:
        for index, uri in enumerate(list_at(fields.get(uris, []), (*path, uris), "a list of URIs")):
            with wrong:
                adapters.append(_number(uri, (*path, uris, index), cards))
    with wrong:
        usage, control = _domains(fields.get(where, []), (*path, where))
    wrong.refuse()
    return ApConfig(IdSet(adapters), usage, control)


def _number(uri: Any, path: Path, cards: Mapping[str, _Card]) -> int:
    if not isinstance(uri, str) or uri not in cards:
        advice = "Export the configuration again; an export has each adapter that a partition uses."
        raise WrongField(path, f"{quoted(uri)} is no crypto adapter of this file", advice)
    return cards[uri].number


def _domains(value: Any, path: Path) -> tuple[IdSet, IdSet]:
    """The usage domains, and the control domains, which contain them."""
    usage, control = [], []
    wrong = WrongFields()
    for index, one in enumerate(list_at(value, path, "a list of domains")):
        with wrong:
            domain, is_used = _domain(one, (*path, index))
            control.append(domain)
            usage += [domain] if is_used else []
    wrong.refuse()
    return IdSet(usage), IdSet(control)


def _domain(value: Any, path: Path) -> tuple[int, bool]:
    """A domain, and whether it is a usage domain too."""
    fields = mapping_at(value, path, "a domain with 'domain-index' and 'access-mode'")
    domain, mode = 0, fields.get("access-mode")
    wrong = WrongFields()
    with wrong:
        domain = id_at(fields.get("domain-index"), (*path, "domain-index"), "domain")
    with wrong:
        if mode not in (_CONTROL, _CONTROL_AND_USAGE):
            where = (*path, "access-mode")
            message = missing(mode, where) or f"{quoted(mode)} is no access mode of a domain"
            raise WrongField(where, message, f"There are {_CONTROL_AND_USAGE!r} and {_CONTROL!r}.")
    wrong.refuse()
    return domain, mode == _CONTROL_AND_USAGE


def image_profiles(value: Any) -> Imported:
    """The machine whose image activation profiles `value` is: one, a list of them, or the HMC's list of a machine.

    Raises:
        WrongField: it is none of these, or has profiles of several machines.
    """
    profiles, path = _listed(value)
    _refuse_number(profiles, path or (), "profiles")
    found = [(one, (*path, index) if path is not None else ()) for index, one in enumerate(profiles)]
    lpars, without = [], []
    wrong = WrongFields()
    with wrong:
        _refuse_several_machines(found)
    for one, where in found:
        with wrong:
            fields = mapping_at(one, where, "an image activation profile")
            name = text_at(fields.get("name"), (*where, "name"), "name of an image activation profile")
            if CRYPTOS in fields or DOMAINS in fields:
                lpars.append(_profile(name, fields, where))
            else:
                without.append(name)
    wrong.refuse()
    if not lpars:
        advice = "Machines before z16 have not got these properties; else ask the HMC for all properties of a profile."
        raise WrongField(path or (), f"no profile here has {CRYPTOS!r} or {DOMAINS!r}", advice)
    notes = [
        _NEXT_ACTIVATION,
        _ACTIVE_NOT_SAID,
        *(f"Not in here, since it says nothing of crypto: {one!r}." for one in without),
    ]
    return Imported(machines=(ImportedMachine("", "", MachineMode.CLASSIC, tuple(lpars), tuple(notes)),))


def _listed(value: Any) -> tuple[list[Any], Path | None]:
    """The profiles in `value`, and where their list is; None where it is a single one."""
    if isinstance(value, list):
        return value, ()
    top = mapping_at(value, (), "an image activation profile, or a list of them,")
    if PROFILES in top:
        return list_at(top[PROFILES], (PROFILES,), "a list of image activation profiles"), (PROFILES,)
    return [top], None


def _refuse_several_machines(profiles: list[tuple[Any, Path]]) -> None:
    first: tuple[str, Path] | None = None
    for one, path in profiles:
        parent = one.get("parent") if isinstance(one, dict) else None
        if isinstance(parent, str):
            first = first or (parent, path)
            if parent != first[0]:
                message = f"there are profiles of two machines, {quoted(first[0])} and {quoted(parent)}"
                raise WrongField(
                    (*path, "parent"), message, "Import each machine by itself.", CONFLICT, (*first[1], "parent")
                )


def _profile(name: str, fields: Mapping[str, Any], path: Path) -> ImportedLpar:
    kinds: dict[str, list[int]] = {}
    usage = control = NO_IDS
    wrong = WrongFields()
    with wrong:
        for index, one in enumerate(list_at(fields.get(CRYPTOS, []), (*path, CRYPTOS), "a list of adapters")):
            with wrong:
                card = mapping_at(one, (*path, CRYPTOS, index), "an adapter with 'number' and 'activation-type'")
                number = id_at(card.get("number"), (*path, CRYPTOS, index, "number"), "number of an adapter")
                kind = card.get("activation-type")
                kinds.setdefault(kind if isinstance(kind, str) else "", []).append(number)
    with wrong:
        usage, control = _domains(fields.get(DOMAINS, []), (*path, DOMAINS))
    wrong.refuse()
    notes = [f"activation-type {kind!r}: {IdSet(kinds[kind]).text('adapter')}." for kind in kinds if kind]
    adapters = IdSet(number for numbers in kinds.values() for number in numbers)
    return ImportedLpar(name, ApConfig(adapters, usage, control), notes=tuple(notes))


def lpars_and_profiles(lpars: Any, profiles: Any) -> Imported:
    """The machine with these `lpars`, each with what the image activation profile of its next activation says.

    Raises:
        WrongField: the HMC does not write them so.
    """
    by_name: dict[str, ImportedLpar] = {}
    (machine,) = image_profiles(profiles).machines
    for one in machine.lpars:
        by_name[one.name] = one
    found, without = [], []
    for index, one in enumerate(list_at(lpars, ("lpars",), "a list of LPARs")):
        fields = mapping_at(one, ("lpars", index), "an LPAR")
        name = text_at(fields.get("name"), ("lpars", index, "name"), "name of an LPAR")
        following, last = fields.get("next-activation-profile-name"), fields.get("last-used-activation-profile")
        profile = by_name.get(following if isinstance(following, str) and following else name)
        if profile is None:
            without.append(name)
            continue
        notes = [*profile.notes]
        if isinstance(last, str) and last not in {"", profile.name}:
            notes.append(f"It was activated with the profile {last!r}; this is {profile.name!r}, which comes next.")
        is_active = fields.get("status") != _NOT_ACTIVATED
        found.append(ImportedLpar(name, profile.config, is_active, tuple(notes)))
    _refuse_number(found, ("lpars",), "LPARs with an image activation profile")
    notes = [_NEXT_ACTIVATION, *(f"Not in here, since no profile says what it has: {one!r}." for one in without)]
    return Imported(machines=(machine._replace(lpars=tuple(found), notes=tuple(notes)),))
