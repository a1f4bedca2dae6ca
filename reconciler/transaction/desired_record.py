"""What the manifests asked for, as JSON, so that a generation can be gone back to without its manifests."""

from collections.abc import Mapping
from typing import Any, Final

from reconciler.kernel.text_forms import ap_config_text, mask_text, parse_ap_config, parse_mask
from reconciler.model.desired import (
    Activation,
    Desired,
    DesiredGuest,
    DesiredHost,
    GivenUp,
    Ignored,
    Keep,
    Persistence,
    Presence,
    Unmanaged,
)
from reconciler.model.ids import IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.problems import Position
from reconciler.model.strict_json import chosen, field, flag, listed, mapped, members, nullable, parsed, text, whole
from reconciler.transaction.records import device_uuid

_NOWHERE: Final = (1, 1)


def desired_record(desired: Desired) -> dict[str, Any]:
    """`desired` as plain values for JSON; positions are left out, since the files may change."""
    return {
        "digest": desired.digest,
        "host": _host_record(desired.host),
        "guests": [_guest_record(guest) for guest in desired.guests],
    }


def read_desired(record: object, source: str) -> Desired:
    """What `desired_record` made `record` of; `source` stands where the names of the manifests' files stood.

    Raises:
        BadRecord: it is no such record.
    """
    position = Position(source, *_NOWHERE)
    found = members(record, ("digest", "host", "guests"))
    host = field(found, "host", lambda one: _read_host(one, position))
    guests = field(found, "guests", listed(lambda one: _read_guest(one, host.name, position)))
    return Desired(host, guests, field(found, "digest", text))


def _host_record(host: DesiredHost) -> dict[str, Any]:
    return {
        "name": host.name,
        "pool": None if host.given_up is None else _ids(host.given_up.adapters, host.given_up.domains),
        "keep": [{**_ids(*keep.matrix), "number": keep.number} for keep in host.keep],
        "unmanaged": host.unmanaged.value,
        "persistence": host.persistence.value,
    }


def _read_host(record: object, position: Position) -> DesiredHost:
    known = members(record, ("name", "pool", "keep", "unmanaged"), ("persistence",))
    found = {"persistence": Persistence.NONE.value, **known}  # older records lack it
    pool = field(found, "pool", nullable(_read_ids))
    return DesiredHost(
        name=field(found, "name", text),
        given_up=None if pool is None else GivenUp(*pool),
        keep=field(found, "keep", listed(_read_keep)),
        unmanaged=field(found, "unmanaged", chosen(Unmanaged)),
        position=position,
        persistence=field(found, "persistence", chosen(Persistence)),
    )


def _read_keep(record: object) -> Keep:
    found = members(record, (*_AXES, "number"))
    return Keep(Matrix(*_axes(found)), field(found, "number", whole))


def _guest_record(guest: DesiredGuest) -> dict[str, Any]:
    return {
        "name": guest.name,
        "uuid": guest.uuid,
        "ap_config": ap_config_text(guest.config),
        "activation": guest.activation.value,
        "presence": guest.presence.value,
        "labels": dict(guest.labels),
        "queuesListed": guest.queues_listed,
        "disruptionAllowed": guest.disruption_allowed,
        "ignored": sorted(guest.ignored),
    }


_GUEST: Final = (
    "name",
    "uuid",
    "ap_config",
    "activation",
    "presence",
    "labels",
    "queuesListed",
    "disruptionAllowed",
)


def _read_guest(record: object, host: str, position: Position) -> DesiredGuest:
    found = members(record, _GUEST, ("ignored",))
    return DesiredGuest(
        name=field(found, "name", text),
        host=host,
        uuid=field(found, "uuid", device_uuid),
        config=field(found, "ap_config", parsed(parse_ap_config)),
        activation=field(found, "activation", chosen(Activation)),
        presence=field(found, "presence", chosen(Presence)),
        labels=tuple(field(found, "labels", mapped(text)).items()),
        position=position,
        queues_listed=field(found, "queuesListed", flag),
        disruption_allowed=field(found, "disruptionAllowed", flag),
        ignored=frozenset(field(found, "ignored", listed(chosen(Ignored)))) if "ignored" in found else frozenset(),
    )


def _ids(adapters: IdSet, domains: IdSet) -> dict[str, str]:
    return {"adapters": mask_text(adapters), "domains": mask_text(domains)}


_AXES: Final = ("adapters", "domains")


def _read_ids(record: object) -> tuple[IdSet, IdSet]:
    return _axes(members(record, _AXES))


def _axes(found: Mapping[str, Any]) -> tuple[IdSet, IdSet]:
    return field(found, "adapters", parsed(parse_mask)), field(found, "domains", parsed(parse_mask))
