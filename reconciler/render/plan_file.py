"""Saved plans: what was shown, and what it rests on, so that exactly this is applied or nothing.

A saved plan is data. Nothing in it is executed and no path into sysfs is taken from it: applying one means planning
again from the same manifests, and refusing where anything that the plan rests on has changed.
"""

import json
import os
from collections.abc import Sequence
from os import PathLike
from typing import Any, Final, NamedTuple

from reconciler.planning.fingerprint import FORMAT_VERSION, fingerprint_of
from reconciler.planning.plan import Basis, Plan
from reconciler.render.plan_json import json_text, plan_record

LARGEST: Final = 256 * 1024 * 1024
"""The most bytes of a saved plan that are read; one of 10,000 guests has about 30 MB."""


class BadPlanFile(Exception):
    """The file is no saved plan; the text says why."""


class SavedPlan(NamedTuple):
    """What a saved plan rests on: manifests (absolute paths), the Host's name and the basis."""

    manifests: tuple[str, ...]
    host: str
    basis: Basis


def save_plan(plan: Plan, manifests: Sequence[str | PathLike[str]], file: str) -> None:
    """Save `plan`, made from `manifests`, in `file`; the old content or the new is there at any moment.

    Raises:
        OSError: it cannot be written.
    """
    record = {**plan_record(plan), "manifests": [os.path.abspath(path) for path in manifests]}
    temporary = f"{file}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, 0o666), "w", encoding="ascii") as stream:
        stream.write(json_text(record))
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, file)


def load_plan(file: str) -> SavedPlan:
    """What the plan saved in `file` rests on.

    Raises:
        BadPlanFile: it is no saved plan, or not of this version.
        OSError: it cannot be read.
    """
    with open(file, "rb") as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise BadPlanFile(f"{file} is larger than any plan")
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadPlanFile(f"{file} is not JSON, so it is no saved plan: {error}") from error
    return _checked(record, file)


def _checked(record: Any, file: str) -> SavedPlan:
    if not isinstance(record, dict) or "formatVersion" not in record:
        raise BadPlanFile(f"{file} is no saved plan; 'reconcile --plan --out FILE' makes one")
    if record["formatVersion"] != FORMAT_VERSION:
        raise BadPlanFile(f"{file} has format version {record['formatVersion']!r}, not {FORMAT_VERSION!r}")
    manifests, host, basis = record.get("manifests"), record.get("host"), record.get("basis")
    if not (
        isinstance(manifests, list)
        and manifests
        and all(isinstance(path, str) and "\0" not in path for path in manifests)
        and isinstance(host, str)
        and isinstance(basis, dict)
        and basis.keys() == set(Basis._fields)
        and all(isinstance(digest, str) for digest in basis.values())
    ):
        raise BadPlanFile(f"{file} is damaged or was printed rather than saved with --out")
    saved = SavedPlan(tuple(manifests), host, Basis(**basis))
    if record.get("fingerprint") != fingerprint_of(host, saved.basis):
        raise BadPlanFile(f"{file} was changed after it was saved: its fingerprint does not fit")
    return saved
