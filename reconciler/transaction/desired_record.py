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
from reconciler.transaction.records import BadRecord

_NOWHERE: Final = (1, 1)


def desired_record(desired: Desired) -> dict[str, Any]:
    """`desired` as plain values for JSON; positions are left out, since the files may change."""
    return {
        "digest": desired.digest,
        "host": _host_record(desired.host),
        "guests": [_guest_record(guest) for guest in desired.guests],
    }


def read_desired(record: Mapping[str, Any], source: str) -> Desired:
    """What `desired_record` made `record` of; `source` stands where the names of the manifests' files stood.

    Raises:
        BadRecord: it is no such record.
    """
    position = Position(source, *_NOWHERE)
    try:
        host = _read_host(record["host"], position)
        guests = tuple(_read_guest(one, host.name, position) for one in record["guests"])
        return Desired(host, guests, str(record["digest"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRecord(f"not a record of what was wanted: {error}") from error


def _host_record(host: DesiredHost) -> dict[str, Any]:
    return {
        "name": host.name,
        "pool": None if host.given_up is None else _ids(host.given_up.adapters, host.given_up.domains),
        "keep": [{**_ids(*keep.matrix), "number": keep.number} for keep in host.keep],
        "unmanaged": host.unmanaged.value,
        "persistence": host.persistence.value,
    }


def _read_host(record: Mapping[str, Any], position: Position) -> DesiredHost:
    pool = record["pool"]
    return DesiredHost(
        name=str(record["name"]),
        given_up=None if pool is None else GivenUp(*_read_ids(pool)),
        keep=tuple(Keep(Matrix(*_read_ids(one)), int(one["number"])) for one in record["keep"]),
        unmanaged=Unmanaged(record["unmanaged"]),
        position=position,
        persistence=Persistence(record.get("persistence", Persistence.NONE)),
    )


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


def _read_guest(record: Mapping[str, Any], host: str, position: Position) -> DesiredGuest:
    return DesiredGuest(
        name=str(record["name"]),
        host=host,
        uuid=str(record["uuid"]),
        config=parse_ap_config(record["ap_config"]),
        activation=Activation(record["activation"]),
        presence=Presence(record["presence"]),
        labels=tuple((str(key), str(value)) for key, value in record["labels"].items()),
        position=position,
        queues_listed=bool(record["queuesListed"]),
        disruption_allowed=bool(record["disruptionAllowed"]),
        ignored=frozenset(map(Ignored, record.get("ignored", ()))),
    )


def _ids(adapters: IdSet, domains: IdSet) -> dict[str, str]:
    return {"adapters": mask_text(adapters), "domains": mask_text(domains)}


def _read_ids(record: Mapping[str, Any]) -> tuple[IdSet, IdSet]:
    return parse_mask(record["adapters"]), parse_mask(record["domains"])
