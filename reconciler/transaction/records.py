"""Holdings, configurations and the inventory as JSON, in the kernel's own text forms so that people can read them."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from reconciler.kernel.text_forms import UnknownText, ap_config_text, mask_text, parse_ap_config, parse_mask
from reconciler.model.desired import Persistence
from reconciler.model.files import FileChange
from reconciler.model.ids import IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.steps import MASK_ACTIONS, Action, Holdings, Step
from reconciler.planning.planner import Applied

INVENTORY_VERSION: Final = 1


class BadRecord(Exception):
    """A file of the state directory has content that we did not write like this."""


def holdings_record(holdings: Holdings) -> dict[str, Any]:
    """`holdings` as plain values for JSON."""
    return {
        "pool": _pool_record(holdings.pool),
        "mdevs": {uuid: ap_config_text(config) for uuid, config in holdings.mdevs.items()},
    }


def read_holdings(record: Mapping[str, Any]) -> Holdings:
    """The holdings that `holdings_record` made `record` of.

    Raises:
        BadRecord: it is no such record.
    """
    try:
        mdevs = {str(uuid): parse_ap_config(text) for uuid, text in record["mdevs"].items()}
        return Holdings(_read_pool(record["pool"]), mdevs)
    except (KeyError, TypeError, AttributeError, UnknownText) as error:
        raise BadRecord(f"not a record of holdings: {error}") from error


def step_record(step: Step) -> dict[str, str | None]:
    """`step` as plain values for JSON."""
    return {
        "action": step.action.value,
        "uuid": step.uuid,
        "before": _value_text(step.before),
        "after": _value_text(step.after),
    }


def read_step(record: Mapping[str, Any]) -> Step:
    """The step that `step_record` made `record` of.

    Raises:
        BadRecord: it is no such record.
    """
    try:
        action = Action(record["action"])
        parse = parse_mask if action in MASK_ACTIONS else parse_ap_config
        before, after = (None if text is None else parse(text) for text in (record["before"], record["after"]))
        return Step(action, str(record["uuid"]), before, after)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRecord(f"not a record of a step: {error}") from error


def file_record(change: FileChange) -> dict[str, str | None]:
    """`change` as plain values for JSON."""
    return {
        "path": change.path,
        "before": _content_text(change.before),
        "after": _content_text(change.after),
        "holder": change.holder,
    }


def read_file(record: Mapping[str, Any]) -> FileChange:
    """The change of a file that `file_record` made `record` of.

    Raises:
        BadRecord: it is no such record.
    """
    try:
        before, after = (
            None if text is None else b64decode(text, validate=True) for text in (record["before"], record["after"])
        )
        return FileChange(str(record["path"]), before, after, str(record["holder"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRecord(f"not a record of a file: {error}") from error


def _content_text(content: bytes | None) -> str | None:
    return None if content is None else b64encode(content).decode("ascii")


def _value_text(value: IdSet | ApConfig | None) -> str | None:
    if value is None:
        return None
    return mask_text(value) if isinstance(value, IdSet) else ap_config_text(value)


def inventory_record(applied: Applied) -> dict[str, Any]:
    """What is ours, and how it was applied last, as plain values for JSON."""
    return {
        "formatVersion": INVENTORY_VERSION,
        "generation": applied.generation,
        "digest": applied.digest,
        "persistence": applied.persistence.value,
        "pool": None if applied.pool is None else _pool_record(applied.pool),
        "guests": {
            uuid: {"name": name, "ap_config": ap_config_text(config)}
            for uuid, (name, config) in sorted(applied.guests.items())
        },
    }


def inventory_text(applied: Applied) -> bytes:
    """The inventory file."""
    return (json.dumps(inventory_record(applied), indent=1) + "\n").encode()


@lru_cache(maxsize=2)  # one command asks several times, a loop again and again
def read_inventory(content: bytes) -> Applied:
    """The inventory of a file that `inventory_text` made.

    Raises:
        BadRecord: it is no such file.
    """
    try:
        return read_inventory_record(json.loads(content))
    except ValueError as error:
        raise BadRecord(f"not an inventory: {error}") from error


def read_inventory_record(record: Mapping[str, Any]) -> Applied:
    """The inventory that `inventory_record` made `record` of.

    Raises:
        BadRecord: it is no such record.
    """
    try:
        if record["formatVersion"] != INVENTORY_VERSION:
            raise BadRecord(f"format version {record['formatVersion']} is not known here")
        pool = record["pool"]
        return Applied(
            None if pool is None else _read_pool(pool),
            {
                str(uuid): (str(one["name"]), parse_ap_config(one["ap_config"]))
                for uuid, one in record["guests"].items()
            },
            int(record["generation"]),
            str(record.get("digest", "")),
            Persistence(record.get("persistence", Persistence.NONE)),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRecord(f"not an inventory: {error}") from error


def _pool_record(pool: Matrix) -> dict[str, str]:
    return {"apmask": mask_text(pool.adapters), "aqmask": mask_text(pool.domains)}


def _read_pool(record: Mapping[str, str]) -> Matrix:
    return Matrix(parse_mask(record["apmask"]), parse_mask(record["aqmask"]))
