"""Saved plans: what was shown, and what it rests on, so that exactly this is applied or nothing.

A saved plan is data. Nothing in it is executed and no path into sysfs is taken from it: applying one means planning
again from the same manifests, and refusing where anything that the plan rests on has changed. People read and approve
it all the same, so that nothing in it may have been changed since it was saved: a digest covers the whole content; and
what the new plan shows is compared with what the file shows, since whoever changes a file can make a digest as well.
"""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from os import PathLike
from typing import Any, Final, NamedTuple

from reconciler.model.commands import PLAN, Advised
from reconciler.model.strict_json import LARGEST, BadRecord, field, listed, members, read_json, text
from reconciler.planning.fingerprint import FORMAT_VERSION, fingerprint_of
from reconciler.planning.plan import Basis, Plan
from reconciler.render.plan_json import plan_record

_DIGEST: Final = "contentDigest"
_SAVE: Final = PLAN.with_flags("--out", "plan.json")

# What may differ between two plans with the same basis: places of files, and which processes and VMs there are.
_COMPARED: Final = ("host", "summary", "pool", "consents", "foreign", "files")
_COMPARED_BUT: Final[Mapping[str, Collection[str]]] = {
    "guests": {"openedBy", "vm"},
    "steps": {"reason"},
    "problems": {"places"},
}


class BadPlanFile(Advised):
    """The file is no saved plan; the text says why."""


class SavedPlan(NamedTuple):
    """A saved plan.

    Attributes:
        manifests: absolute paths.
        host: the name of the Host.
        basis: what the plan rests on.
        shown: a digest of what it shows, as `shown_digest` gives it for a plan.
    """

    manifests: tuple[str, ...]
    host: str
    basis: Basis
    shown: str


def plan_file_text(plan: Plan, manifests: Sequence[str | PathLike[str]]) -> str:
    """The text of the file in which `plan`, made from `manifests`, is saved: JSON in ASCII, ended by a newline."""
    # Paths that are not UTF-8 stay as Python has them: they are read again.
    record = {**plan_record(plan), "manifests": [os.path.abspath(path) for path in manifests]}
    record[_DIGEST] = _content_digest(record)
    return json.dumps(record, indent=2) + "\n"


def load_plan(file: str) -> SavedPlan:
    """What the plan saved in `file` rests on.

    Raises:
        BadPlanFile: it is no saved plan, or not of this version.
        OSError: it cannot be read.
    """
    with open(file, "rb") as stream:
        content = stream.read(LARGEST + 1)
    try:
        return _checked(read_json(content, LARGEST), file)
    except BadRecord as error:
        raise BadPlanFile(f"{file} is no saved plan, or is damaged: {error}", _SAVE) from error


def shown_digest(plan: Plan) -> str:
    """A digest of what `plan` shows, the places of files and the names of processes and VMs left out."""
    return _shown(plan_record(plan))


def _checked(record: Any, file: str) -> SavedPlan:
    if not isinstance(record, dict) or "formatVersion" not in record:
        raise BadPlanFile(f"{file} is no saved plan", _SAVE)
    if record["formatVersion"] != FORMAT_VERSION:
        raise BadPlanFile(f"{file} has format version {record['formatVersion']!r}, not {FORMAT_VERSION!r}", _SAVE)
    if not record.keys() >= {"manifests", "host", "basis", "fingerprint", _DIGEST}:
        raise BadPlanFile(f"{file} is damaged or was printed rather than saved", _SAVE)
    if record[_DIGEST] != _content_digest({name: value for name, value in record.items() if name != _DIGEST}):
        raise BadPlanFile(f"{file} was changed after it was saved", _SAVE)
    manifests = field(record, "manifests", listed(_path))
    if not manifests:
        raise BadRecord("there is none", "manifests")
    saved = SavedPlan(manifests, field(record, "host", text), field(record, "basis", _basis), _shown(record))
    if record["fingerprint"] != fingerprint_of(saved.host, saved.basis):
        raise BadPlanFile(f"{file} was changed after it was saved: its fingerprint does not fit", _SAVE)
    return saved


def _path(value: object) -> str:
    found = text(value)
    if "\0" in found:
        raise BadRecord("a path is expected")
    return found


def _basis(record: object) -> Basis:
    found = members(record, Basis._fields)
    return Basis(**{name: field(found, name, text) for name in Basis._fields})


def _content_digest(record: Mapping[str, Any]) -> str:
    # Indenting or sorting it anew, as jq does, changes nothing that a person reads.
    return sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _shown(record: Mapping[str, Any]) -> str:
    compared = {name: record.get(name) for name in _COMPARED}
    compared |= {name: _without(record.get(name), names) for name, names in _COMPARED_BUT.items()}
    return _content_digest(compared)


def _without(values: Any, names: Collection[str]) -> Any:
    """The objects in the list `values` without the members called `names`; what is none of this, as it is."""
    if not isinstance(values, list):
        return values
    return [
        {name: value for name, value in one.items() if name not in names} if isinstance(one, dict) else one
        for one in values
    ]
