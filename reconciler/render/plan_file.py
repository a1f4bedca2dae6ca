"""Saved plans: what was shown, and what it rests on, so that exactly this is applied or nothing.

A saved plan is data. Nothing in it is executed and no path into sysfs is taken from it: applying one means planning
again from the same manifests, and refusing where anything that the plan rests on has changed. People read and approve
it all the same, so that nothing in it may have been changed since it was saved: a digest covers the whole content; and
what the new plan shows is compared with what the file shows, since whoever changes a file can make a digest as well.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from os import PathLike
from typing import Any, Final, NamedTuple

from reconciler.model.commands import PLAN, Advised
from reconciler.model.strict_json import LARGEST, BadRecord, field, listed, members, read_json, text
from reconciler.planning.fingerprint import FORMAT_VERSION, fingerprint_of
from reconciler.planning.plan import Basis, Plan
from reconciler.render.plan_json import plan_record

_DIGEST: Final = "contentDigest"
_TEXTS: Final = "texts"
_SAVE: Final = PLAN.with_flags("--out", "plan.json")

# The commit may be another one with the same manifests; the rest of these say where the plan comes from, or belong to
# the basis, which is compared before.
_NOT_COMPARED: Final = frozenset({_DIGEST, _TEXTS, "manifests", "commit", "formatVersion", "fingerprint", "basis"})
_SUSPENDED: Final = "suspended"
_SUMMARY: Final = "summary"
_WORDS: Final[Mapping[str, str]] = {
    "host": "the host",
    _SUMMARY: "the summary",
    "kernel": "the kernel",
    "pool": "the host's masks",
    "problems": "the problems",
    "notes": "the notes",
    "consents": "the consents",
    "guests": "the guests",
    "foreign": "the devices of others",
    "steps": "the steps",
    "files": "the files",
}
_COMMENT: Final = " #"


class BadPlanFile(Advised):
    """The file is no saved plan; the text says why."""


class SavedPlan(NamedTuple):
    """A saved plan.

    Attributes:
        manifests: absolute paths.
        host: the name of the Host.
        basis: what the plan rests on.
        record: everything that the file says, as it was read.
    """

    manifests: tuple[str, ...]
    host: str
    basis: Basis
    record: Mapping[str, Any]


def plan_file_text(plan: Plan, manifests: Sequence[str | PathLike[str]]) -> str:
    """The text of the file in which `plan`, made from `manifests`, is saved: JSON in ASCII, ended by a newline."""
    # Paths that are not UTF-8 stay as Python has them: they are read again.
    record = {**plan_record(plan), "manifests": [os.path.abspath(path) for path in manifests], _TEXTS: plan.texts}
    for place in _places(record):
        # It may be applied from another directory.
        place["file"] = os.path.abspath(place["file"]) if _below(place["file"], record["manifests"]) else place["file"]
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


def differences(saved: SavedPlan, plan: Plan, manifests: Sequence[str | PathLike[str]]) -> tuple[str, ...]:
    """What `saved` shows otherwise than `plan`, which was made anew from `manifests`: a clause each; empty if nothing.

    Left out is what may differ between two plans with one basis: the commit, where the manifests are, the number of a
    process, and what the one who saved the plan had no right to see. Lines and columns may differ only where the text
    of the manifests does, as after a comment was added.
    """
    record = json.loads(json.dumps(plan_record(plan)))  # as it comes back from a file
    moved = saved.record.get(_TEXTS) != plan.texts
    before = _compared(saved.record, saved.manifests, moved=moved)
    now = _compared(record, [os.path.abspath(path) for path in manifests], moved=moved)
    _forget_unknown(before.get("guests"), now.get("guests"))
    changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    found = []
    if _SUSPENDED in changed:
        told = "; ".join(one.message for one in plan.problems if one.id == _SUSPENDED)
        found.append(f"what is suspended changed since it was saved (now: {told or 'nothing is suspended'})")
        changed = [name for name in changed if name not in {_SUSPENDED, _SUMMARY}]  # the summary counts them
    if changed:
        parts = ", ".join(_WORDS.get(name, name) for name in changed)
        found.append(
            f"it does not show what would be done now ({parts} differ): it was changed after it was saved, or another "
            "version of reconcile made it"
        )
    return tuple(found)


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
    saved = SavedPlan(manifests, field(record, "host", text), field(record, "basis", _basis), record)
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


def _compared(record: Mapping[str, Any], manifests: Sequence[str], *, moved: bool) -> dict[str, Any]:
    """What is compared of `record`, by its parts, with the suspensions as one; `moved`: without lines and columns."""
    found = {name: value for name, value in record.items() if name not in _NOT_COMPARED}
    problems = _each(found.get("problems"), lambda one: _with_places(one, manifests, moved=moved))
    suspended, others = problems, problems
    if isinstance(problems, list):
        suspended = [one for one in problems if isinstance(one, dict) and one.get("id") == _SUSPENDED]
        others = [one for one in problems if one not in suspended]
    found["problems"], found[_SUSPENDED] = others, [found.get(_SUSPENDED, []), suspended]
    found["steps"] = _each(found.get("steps"), lambda one: _with_reason(one, manifests, moved=moved))
    return found


def _each(values: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """The list `values` with its objects changed; what is none of this, as it is."""
    if not isinstance(values, list):
        return values
    return [change(one) if isinstance(one, dict) else one for one in values]


def _with_places(problem: dict[str, Any], manifests: Sequence[str], *, moved: bool) -> dict[str, Any]:
    places = _each(problem.get("places"), lambda one: _place(one, manifests, moved=moved))
    return {**problem, "places": places}


def _with_reason(step: dict[str, Any], manifests: Sequence[str], *, moved: bool) -> dict[str, Any]:
    return {**step, "reason": _each([step.get("reason")], lambda one: _place(one, manifests, moved=moved))}


def _place(place: dict[str, Any], manifests: Sequence[str], *, moved: bool) -> dict[str, Any]:
    """`place` with its file as it is found below `manifests`, which may be elsewhere when the plan is applied."""
    file = place.get("file")
    found = {**place, "file": (isinstance(file, str) and "\0" not in file and _below(file, manifests)) or file}
    if moved:
        found = {name: value for name, value in found.items() if name not in {"line", "column"}}
        if isinstance(excerpt := found.get("excerpt"), str):
            found["excerpt"] = excerpt.partition(_COMMENT)[0].strip()
    return found


def _places(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every place in the `record` of a plan."""
    for problem in record["problems"]:
        yield from problem["places"]
    for step in record["steps"]:
        yield step["reason"]


def _below(file: str, manifests: Sequence[str]) -> tuple[int, str] | None:
    """In which of `manifests`, absolute paths, `file` is, and where there; None where in none of them."""
    whole = os.path.abspath(file)
    for number, root in enumerate(manifests):
        if whole == root or whole.startswith(os.path.join(root, "")):
            return number, whole[len(root) :]
    return None


def _forget_unknown(before: Any, now: Any) -> None:
    """Take out of both lists of guests who opened a device, as far as that may differ."""
    if not isinstance(before, list) or not isinstance(now, list) or len(before) != len(now):
        return
    for one, other in zip(before, now, strict=True):
        if not isinstance(one, dict):
            continue
        for name in ("openedBy", "vm"):
            if one.get(name) is None:  # who saved the plan had no right to see it
                one.pop(name, None)
                other.pop(name, None)
        for process in (one.get("openedBy"), other.get("openedBy")):
            if isinstance(process, dict):
                process.pop("process", None)  # a VM that was started again has another one
