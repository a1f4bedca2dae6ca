"""The plan as JSON: an interface that other programs read (schemas/plan.schema.json), and saved plans.

A saved plan is what was shown and what it rests on, so that exactly this is applied or nothing.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from os import PathLike
from typing import Annotated, Any, Final, NamedTuple, TypeGuard

from reconciler.kernel.text_forms import ap_config_text, mask_text
from reconciler.kernel.writes import writes_of
from reconciler.model.codec import LARGEST, BadRecord, Codec, newer_version, read_json
from reconciler.model.commands import ENFORCED, OBSERVE, PLAN, REFUSED, Advised
from reconciler.model.errors import InputError
from reconciler.model.ids import IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.observed import Process, VmName, unread_texts
from reconciler.model.printable import decodable
from reconciler.model.steps import FileChange
from reconciler.planning.basis import FORMAT_VERSION, Basis, fingerprint_of
from reconciler.planning.plan import GuestPlan, Plan, PlannedStep
from reconciler.render.changes import counts_of, summary_text
from reconciler.render.diagnostics import problem_record


def plan_json(plan: Plan) -> str:
    """The plan as JSON text, ended by a newline; the same plan gives the same bytes."""
    return json_text(plan_record(plan))


def json_text(record: object) -> str:
    r"""`record` as JSON text in ASCII, ended by a newline, that every program can read.

    A byte of a file name that is not UTF-8 is shown as an escape within its string, ``\\xff`` for instance.
    """
    text = json.dumps(record, indent=2)
    if "\\ud" in text:  # half of a surrogate pair, or a whole one
        text = json.dumps(decodable(record), indent=2)
    return without_commands(text) + "\n"


def without_commands(text: str) -> str:
    """The same JSON `text`, but that CI systems find none of their commands (``##[name]``) in it."""
    return text.replace("##", "#\\u0023")


def plan_record(plan: Plan, *, only_changes: bool = False) -> dict[str, Any]:
    """The plan as plain values; with `only_changes` only of guests for which it does something."""
    return {
        "formatVersion": FORMAT_VERSION,
        "host": plan.desired.host.name,
        "commit": plan.commit or None,
        "fingerprint": plan.fingerprint,
        "basis": plan.basis._asdict(),
        "summary": _summary(plan),
        "kernel": {"release": plan.observed.release, "abilities": plan.abilities._asdict()},
        "pool": {
            "before": pool_record(plan.observed.pool),
            "after": pool_record(plan.pool),
            "reason": plan.pool_reason.value if plan.pool_reason else None,
            "cause": plan.pool_cause.value if plan.pool_cause else None,
        },
        "problems": [problem_record(problem) for problem in plan.problems],
        "notes": list(plan.notes),
        "rolledBack": rolled_back_record(plan),
        "suspended": list(plan.suspended_names),
        "targets": None if plan.targets is None else list(plan.targets),
        "consents": [{"holder": one.holder, "reason": one.reason, "flag": one.flag} for one in plan.consents],
        "guests": [_guest(guest) for guest in plan.guests if guest.changes or not only_changes],
        "foreign": [{"uuid": one.uuid, "authorised": config_record(one.config)} for one in plan.foreign],
        "steps": list(_steps(plan)),
        "files": [file_record(one) for one in plan.files],
    }


def rolled_back_record(plan: Plan | None) -> dict[str, Any] | None:
    """The rollback that stands between the host and the manifests, as plain values; None where none does."""
    one = plan.rolled_back if plan else None
    if one is None:
        return None
    return {
        "generation": one.generation,
        "to": one.to or None,
        "before": one.before or None,
        "unconfirmed": one.unconfirmed and one.unconfirmed.value,
        "text": one.text,
    }


def _summary(plan: Plan) -> dict[str, Any]:
    counts = counts_of(plan)
    return {
        "text": summary_text(plan),
        "valid": plan.is_valid,
        "inSync": plan.in_sync,
        "create": counts.created,
        "change": counts.changed,
        "remove": counts.removed,
        "kernelWrites": counts.writes,
        "guestsInterrupted": counts.interrupted,
        "needsConsent": bool(plan.consents),
    }


def pool_record(pool: Matrix) -> dict[str, str]:
    """The host pool as the kernel writes its two masks."""
    return {"apmask": mask_text(pool.adapters), "aqmask": mask_text(pool.domains)}


def _guest(guest: GuestPlan) -> dict[str, Any]:
    wanted = guest.guest
    return {
        "name": guest.name,
        "uuid": guest.uuid,
        "activation": wanted.activation.value if wanted else None,
        "presence": wanted.presence.value if wanted else None,
        "labels": dict(wanted.labels) if wanted else {},
        "wanted": config_record(wanted.config) if wanted else None,
        "authorised": {"before": config_record(guest.before), "after": config_record(guest.after)},
        "effective": {"before": matrix_record(guest.sees_before), "after": matrix_record(guest.sees_after)},
        "effect": guest.effect.value,
        "inUse": guest.in_use,
        "openedBy": process_record(guest.opened_by),
        **vm_record(guest.vm),
        "interrupted": guest.interrupted,
        "rollbackTakes": [matrix_record(one) for one in guest.rollback_takes],
        "because": list(guest.because),
        "cause": guest.cause.value if guest.cause else None,
        "causes": [one.value for one in guest.causes],
    }


def config_record(config: ApConfig | None) -> dict[str, list[int]] | None:
    """A configuration as lists of ids."""
    if config is None:
        return None
    return {
        "adapters": list(config.adapters),
        "domains": list(config.domains),
        "controlDomains": list(config.control_domains),
    }


def file_record(change: FileChange) -> dict[str, str | None]:
    """A file that changes: its path, whose it is, and its text before and after; null where there is no file."""
    before, after = (
        None if content is None else content.decode("utf-8", "replace") for content in (change.before, change.after)
    )
    return {"path": f"/{change.path}", "holder": change.holder, "before": before, "after": after}


def matrix_record(matrix: Matrix | None) -> dict[str, list[int]] | None:
    """A matrix as lists of ids."""
    return None if matrix is None else {"adapters": list(matrix.adapters), "domains": list(matrix.domains)}


def process_record(process: Process | None) -> dict[str, Any] | None:
    """A process: its number, and the name of its program."""
    return {"process": process.number, "command": process.command} if process else None


def vm_record(vm: VmName | None) -> dict[str, dict[str, str]]:
    """The field ``vm`` where libvirt's files name one."""
    return {"vm": vm._asdict()} if vm else {}


def _steps(plan: Plan) -> Iterator[dict[str, Any]]:
    for planned in plan.steps:
        yield {
            "action": planned.step.action.value,
            "holder": planned.holder,
            "uuid": planned.step.uuid or None,
            "reason": {"file": planned.position.file, "line": planned.position.line},
            "precondition": _precondition(planned),
            "effect": planned.effect,
            "writes": [{"path": one.path, "value": one.value} for one in writes_of(planned.step, plan.abilities)],
        }


def _precondition(planned: PlannedStep) -> dict[str, Any]:
    before = planned.step.before
    if before is None:
        return {"exists": False}
    return (
        {planned.step.action.value: mask_text(before)}
        if isinstance(before, IdSet)
        else {
            "exists": True,
            "ap_config": ap_config_text(before),
        }
    )


_DIGEST: Final = "contentDigest"
_TEXTS: Final = "texts"
_MANIFESTS: Final = "manifests"
_RECORDED: Final = "recorded"
_SAVE: Final = PLAN.with_flags("--out", "plan.json")

# The commit may be another one with the same manifests; the rest of these say where the plan comes from, or belong to
# the basis, which is compared before.
_NOT_COMPARED: Final = frozenset(
    {_DIGEST, _TEXTS, _MANIFESTS, _RECORDED, "commit", "formatVersion", "fingerprint", "basis"}
)
_SUSPENDED: Final = "suspended"
_ROLLED_BACK: Final = "rolledBack"
_MOST_NOTED: Final = 3
_SUMMARY: Final = "summary"
_WORDS: Final[Mapping[str, str]] = {
    "host": "the host",
    _SUMMARY: "the summary",
    "kernel": "the kernel",
    "pool": "the host's masks",
    "problems": "the problems",
    "notes": "the notes",
    "targets": "the guests that were chosen",
    "consents": "the consents",
    "guests": "the guests",
    "foreign": "the devices of others",
    "steps": "the steps",
    "files": "the files",
}
_COMMENT: Final = " #"


class BadPlanFile(Advised, InputError):
    """The file is no saved plan; the text says why."""


class IncompletePlan(Advised, InputError):
    """The plan rests on less than it should, so that it is not saved; the text says what is missing."""


class SavedPlan(NamedTuple):
    """A saved plan.

    Attributes:
        manifests: absolute paths; empty where it was made from a record of the loop.
        host: the name of the Host.
        basis: what the plan rests on.
        record: everything that the file says, as it was read.
        recorded: the option that names the record of the loop; empty where there are paths.
        targets: the names of the guests that were chosen; None where the plan is not partial.
    """

    manifests: tuple[str, ...]
    host: str
    basis: Basis
    record: Mapping[str, Any]
    recorded: str
    targets: tuple[str, ...] | None = None


def plan_file_text(plan: Plan, manifests: Sequence[str | PathLike[str]], recorded: str = "") -> str:
    """The text of the file in which `plan` is saved: JSON in ASCII, ended by a newline.

    It was made from `manifests`, or from the record of the loop that the option `recorded` names.

    Raises:
        IncompletePlan: not everything that it rests on could be read.
    """
    if plan.unread:
        missing = "; ".join(unread_texts(plan.unread))
        is_record = any(one.id == "incomplete-record" for one in plan.problems)
        text = f"the plan is not saved, since not everything could be read: {missing}"
        raise IncompletePlan(text, OBSERVE if is_record else None)
    # Paths that are not UTF-8 stay as Python has them: they are read again.
    paths = [os.path.abspath(path) for path in manifests]
    record = {**plan_record(plan), _MANIFESTS: paths, _RECORDED: recorded, _TEXTS: plan.texts}
    for place in _places(record):
        # It may be applied from another directory.
        place["file"] = os.path.abspath(place["file"]) if _below(place["file"], paths) else place["file"]
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
    process, how commands in helps name the host, and what the one who saved the plan had no right to see. Lines and
    columns may differ only where the text of the manifests does, as after a comment was added.
    """
    record = json.loads(json.dumps(plan_record(plan)))  # as it comes back from a file
    moved = saved.record.get(_TEXTS) != plan.texts
    roots = [os.path.abspath(path) for path in manifests]
    before = _compared(saved.record, _Named(saved.manifests), moved=moved)
    now = _compared(record, _Named(roots), moved=moved)
    if before["steps"] != now["steps"] or before["problems"] != now["problems"]:
        # The same files may be there in another directory of those that were named: 'site' here, 'site/lpar7' there.
        before = _compared(saved.record, _Named(saved.manifests, _files(saved.record)), moved=moved)
        now = _compared(record, _Named(roots, _files(record)), moved=moved)
    _forget_unknown(before.get("guests"), now.get("guests"))
    changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    found = []
    if _SUSPENDED in changed:
        shown = "; ".join(one.message for one in plan.problems if one.id == _SUSPENDED)
        found.append(f"what is suspended changed since it was saved (now: {shown or 'nothing is suspended'})")
    elif _ROLLED_BACK in changed:  # the causes of what changes follow from it
        since = plan.rolled_back.text if plan.rolled_back else "other manifests were applied after a rollback"
        found.append(f"meanwhile {since}")
    elif noted := _found_otherwise(before["problems"], now["problems"]):
        found.append(f"what it reports has changed since it was saved ({noted})")
    elif changed:  # otherwise these may follow from the suspensions
        parts = ", ".join(_WORDS.get(name, name) for name in changed)
        found.append(
            f"it does not show what would be done now ({parts} differ): it was changed after it was saved, or another "
            "version of reconcile made it"
        )
    return tuple(found)


def _found_otherwise(before: Any, now: Any) -> str:
    """Which messages of problems are new, and which are gone, in words; empty where they are the same."""
    had, has = (Counter(str(one["message"]) for one in problems if "message" in one) for problems in (before, now))
    new, gone = (islice((only - others).elements(), _MOST_NOTED) for only, others in ((has, had), (had, has)))
    return "; ".join([*(f"now: {one}" for one in new), *(f"no longer: {one}" for one in gone)])


def _checked(record: Any, file: str) -> SavedPlan:
    if not isinstance(record, dict) or "formatVersion" not in record:
        raise BadPlanFile(f"{file} is no saved plan", _SAVE)
    version = record["formatVersion"]
    if type(version) is int and version > FORMAT_VERSION:
        newer = newer_version(version, FORMAT_VERSION)
        raise BadPlanFile(f"{file} {newer.verdict}: {newer}")
    if type(version) is not int or version != FORMAT_VERSION:
        raise BadPlanFile(f"{file} has format version {version!r}, not {FORMAT_VERSION}", _SAVE)
    if not record.keys() >= {_MANIFESTS, _RECORDED, "host", "basis", "fingerprint", _TEXTS, _DIGEST}:
        raise BadPlanFile(f"{file} is damaged or was printed rather than saved", _SAVE)
    if record[_DIGEST] != _content_digest({name: value for name, value in record.items() if name != _DIGEST}):
        raise BadPlanFile(f"{file} was changed after it was saved", _SAVE)
    read = _SAVED.read(_Saved, record)
    if bool(read.manifests) is bool(read.recorded) or read.recorded not in {"", ENFORCED, REFUSED}:
        raise BadRecord("there is none", _MANIFESTS)
    saved = SavedPlan(read.manifests, read.host, read.basis, record, read.recorded, read.targets)
    if record["fingerprint"] != fingerprint_of(saved.host, saved.basis, read.texts):
        raise BadPlanFile(f"{file} was changed after it was saved: its fingerprint does not fit", _SAVE)
    return saved


def _require_path(text: str) -> None:
    if "\0" in text:
        raise ValueError("a path is expected")


class _Saved(NamedTuple):
    """What is needed of a saved plan to make it anew; there is more in it, for people and for other programs."""

    manifests: tuple[Annotated[str, _require_path], ...]
    host: str
    basis: Basis
    texts: str
    recorded: str
    targets: tuple[str, ...] | None


_SAVED: Final = Codec(partial=True)


def _content_digest(record: Mapping[str, Any]) -> str:
    # Indenting or sorting it anew, as jq does, changes nothing that a person reads.
    return sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


class _Named:
    """What files are called wherever the manifests are.

    Args:
        manifests: absolute paths; what is below none of them keeps its name.
        files: where they are given a file is called by its way from the directory that has all of those which are
            below `manifests`, else by its way from that one of `manifests`.
    """

    def __init__(self, manifests: Sequence[str], files: Iterable[str] | None = None) -> None:
        self._manifests = manifests
        below = {os.path.dirname(os.path.abspath(one)) for one in files or () if _below(one, manifests)}
        self._shared = os.path.commonpath(below) if below else None

    def name(self, file: object) -> object:
        """What `file` is called."""
        if not _is_path(file) or (found := _below(file, self._manifests)) is None:
            return file
        return os.path.relpath(os.path.abspath(file), self._shared) if self._shared else found


def _below(file: str, manifests: Sequence[str]) -> tuple[int, str] | None:
    """In which of `manifests`, absolute paths, `file` is, and where there; None where in none of them."""
    whole = os.path.abspath(file)
    for number, root in enumerate(manifests):
        if whole == root or whole.startswith(os.path.join(root, "")):
            return number, whole[len(root) :]
    return None


def _files(record: Mapping[str, Any]) -> Iterator[str]:
    """The files that the `record` of a plan names, as far as it has the form of one."""
    for part in (record.get("problems"), record.get("steps")):
        for one in _objects(part):
            places = [*_objects([one.get("reason")]), *_objects(one.get("places"))]
            yield from (file for place in places if _is_path(file := place.get("file")))


def _objects(values: Any) -> list[dict[str, Any]]:
    return [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []


def _is_path(file: object) -> TypeGuard[str]:
    return isinstance(file, str) and "\0" not in file


def _compared(record: Mapping[str, Any], named: _Named, *, moved: bool) -> dict[str, Any]:
    """What is compared of `record`, by its parts, with the suspensions as one; `moved`: without lines and columns."""
    found = {name: value for name, value in record.items() if name not in _NOT_COMPARED}
    problems = _each(found.get("problems"), lambda one: _with_places(one, named, moved=moved))
    suspended, others = problems, problems
    if isinstance(problems, list):
        suspended = [one for one in problems if isinstance(one, dict) and one.get("id") == _SUSPENDED]
        others = [one for one in problems if one not in suspended]
    found["problems"], found[_SUSPENDED] = others, [found.get(_SUSPENDED, []), suspended]
    found["steps"] = _each(found.get("steps"), lambda one: _with_reason(one, named, moved=moved))
    return found


def _each(values: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """The list `values` with its objects changed; what is none of this, as it is."""
    if not isinstance(values, list):
        return values
    return [change(one) if isinstance(one, dict) else one for one in values]


def _with_places(problem: dict[str, Any], named: _Named, *, moved: bool) -> dict[str, Any]:
    places = _each(problem.get("places"), lambda one: _place(one, named, moved=moved))
    # A command in its help names the host as it was typed, which another directory or a record may do otherwise.
    return {**{name: value for name, value in problem.items() if name != "help"}, "places": places}


def _with_reason(step: dict[str, Any], named: _Named, *, moved: bool) -> dict[str, Any]:
    return {**step, "reason": _each([step.get("reason")], lambda one: _place(one, named, moved=moved))}


def _place(place: dict[str, Any], named: _Named, *, moved: bool) -> dict[str, Any]:
    """`place` with its file as it is `named` below the manifests, which may be elsewhere when the plan is applied."""
    found = {**place, "file": named.name(place.get("file"))}
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
