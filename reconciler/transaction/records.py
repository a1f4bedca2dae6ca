"""Holdings, configurations and the inventory as JSON, in the kernel's own text forms so that people can read them."""

import json
import re
import shlex
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import PurePath
from typing import Any, Final, TypeVar

from reconciler.kernel.text_forms import ap_config_text, mask_text, parse_ap_config, parse_mask
from reconciler.model.boot_files import FileChange
from reconciler.model.desired import Persistence
from reconciler.model.ids import IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.steps import MASK_ACTIONS, Action, Holdings, Step
from reconciler.model.strict_json import (
    BadRecord,
    chosen,
    field,
    mapped,
    members,
    nullable,
    parsed,
    read_json,
    text,
    version,
    whole,
)
from reconciler.planning.planner import Applied
from reconciler.transaction.state_directory import StateDirectory

INVENTORY_VERSION: Final = 1


_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_Value = TypeVar("_Value")


def read_kept(state: StateDirectory, name: str, read: Callable[[Any], _Value]) -> _Value | None:
    """What `read` makes of the JSON in file `name` of `state`; None where there is no file.

    Raises:
        BadRecord: the file is not as we write it; it names the file.
        UnsafeState: it cannot be trusted.
    """
    content = state.read(name)
    return None if content is None else told_of(state, name, lambda: read(read_json(content)))


def told_of(state: StateDirectory, name: str, read: Callable[[], _Value]) -> _Value:
    """What `read` gives; what is wrong is said of file `name` of `state`.

    Raises:
        BadRecord: `read` raises it.
    """
    try:
        return read()
    except BadRecord as error:
        file = state.path / name
        raise error.of_file(str(file), _remedy(file)) from error


_WITHOUT: Final[Mapping[str, str]] = {
    "journal.jsonl": "the apply that was not finished is then not rolled back",
    "pending.json": "the apply that waits to be confirmed then stays",
    "inventory.json": "devices of guests that have left the manifests then no longer count as ours, and stay",
    "degraded.json": "it only says what an apply that failed has left",
    "suspended.json": "nothing is suspended then",
    "guarded.json": "the loop then enforces only manifests that it can use",
    "watch.json": "the loop writes it again when it looks next",
}


def _remedy(file: PurePath) -> str:
    """What to run so that the commands that need the damaged `file` work again, and what that costs."""
    cost = _WITHOUT.get(file.name, "that generation can then not be shown or rolled back to")
    moved = shlex.quote(f"{file}.damaged")
    return f"mv {shlex.quote(str(file))} {moved}    # {cost}; then run the command again"


def device_uuid(value: object) -> str:
    """`value`, which is the uuid of a device: it becomes a part of paths."""
    found = text(value)
    if not _UUID.fullmatch(found):
        raise BadRecord(f"{found[:80]!a} is no uuid")
    return found


def holdings_record(holdings: Holdings) -> dict[str, Any]:
    """`holdings` as plain values for JSON."""
    return {
        "pool": _pool_record(holdings.pool),
        "mdevs": {uuid: ap_config_text(config) for uuid, config in holdings.mdevs.items()},
    }


def read_holdings(record: object) -> Holdings:
    """The holdings that `holdings_record` made `record` of.

    Raises:
        BadRecord: it is no such record.
    """
    found = members(record, ("pool", "mdevs"))
    return Holdings(
        field(found, "pool", _read_pool), field(found, "mdevs", mapped(parsed(parse_ap_config), device_uuid))
    )


def step_record(step: Step) -> dict[str, str | None]:
    """`step` as plain values for JSON."""
    return {
        "action": step.action.value,
        "uuid": step.uuid,
        "before": _value_text(step.before),
        "after": _value_text(step.after),
    }


def read_step(record: object) -> Step:
    """The step that `step_record` made `record` of.

    Raises:
        BadRecord: it is no such record.
    """
    found = members(record, ("action", "uuid", "before", "after"))
    action = field(found, "action", chosen(Action))
    if action in MASK_ACTIONS:
        mask = parsed(parse_mask)
        return Step(action, field(found, "uuid", _no_uuid), field(found, "before", mask), field(found, "after", mask))
    config, nothing = parsed(parse_ap_config), _null
    return Step(
        action,
        field(found, "uuid", device_uuid),
        field(found, "before", nothing if action is Action.CREATE else config),
        field(found, "after", nothing if action is Action.REMOVE else config),
    )


def _no_uuid(value: object) -> str:
    if value != "":
        raise BadRecord("a step of a mask has no uuid")
    return ""


def _null(value: object) -> None:
    if value is not None:
        raise BadRecord("null is expected")


def file_record(change: FileChange) -> dict[str, str | None]:
    """`change` as plain values for JSON."""
    return {
        "path": change.path,
        "before": _content_text(change.before),
        "after": _content_text(change.after),
        "holder": change.holder,
    }


def read_file(record: object) -> FileChange:
    """The change of a file that `file_record` made `record` of.

    Raises:
        BadRecord: it is no such record.
    """
    found = members(record, ("path", "before", "after", "holder"))
    content = nullable(parsed(_content))
    return FileChange(
        field(found, "path", _relative_path),
        field(found, "before", content),
        field(found, "after", content),
        field(found, "holder", text),
    )


def _content(encoded: str) -> bytes:
    return b64decode(encoded, validate=True)


def _relative_path(value: object) -> str:
    found = text(value)
    if "\0" in found or any(part in {"", ".", ".."} for part in found.split("/")):
        raise BadRecord("a path below the root directory is expected")
    return found


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
    return read_inventory_record(read_json(content))


def read_inventory_record(record: object) -> Applied:
    """The inventory that `inventory_record` made `record` of.

    Raises:
        BadRecord: it is no such record.
    """
    known = members(
        version(record, "formatVersion", INVENTORY_VERSION),
        ("formatVersion", "generation", "pool", "guests"),
        ("digest", "persistence"),  # older records lack them
    )
    found = {"digest": "", "persistence": Persistence.NONE.value, **known}
    return Applied(
        field(found, "pool", nullable(_read_pool)),
        field(found, "guests", mapped(_read_device, device_uuid)),
        field(found, "generation", whole),
        field(found, "digest", text),
        field(found, "persistence", chosen(Persistence)),
    )


def _read_device(record: object) -> tuple[str, ApConfig]:
    found = members(record, ("name", "ap_config"))
    return field(found, "name", text), field(found, "ap_config", parsed(parse_ap_config))


def _pool_record(pool: Matrix) -> dict[str, str]:
    return {"apmask": mask_text(pool.adapters), "aqmask": mask_text(pool.domains)}


def _read_pool(record: object) -> Matrix:
    found = members(record, ("apmask", "aqmask"))
    return Matrix(field(found, "apmask", parsed(parse_mask)), field(found, "aqmask", parsed(parse_mask)))
