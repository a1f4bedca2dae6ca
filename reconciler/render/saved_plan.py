"""Saved plans: what was shown and what it rests on, so that exactly this is applied or nothing."""

import json
import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from os import PathLike
from typing import Annotated, Any, Final, NamedTuple, TypeGuard

from reconciler.model.codec import LARGEST, BadRecord, Codec, newer_version, read_json
from reconciler.model.commands import ENFORCED, OBSERVE, OF_MACHINE, PLAN, REFUSED, Advised
from reconciler.model.errors import InputError
from reconciler.model.observed import unread_texts
from reconciler.planning.basis import FORMAT_VERSION, Basis, fingerprint_of
from reconciler.planning.plan import Plan
from reconciler.render.plan_json import plan_record

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
_RUN: Final = "Run: reconcile "
_ELSEWHERE: Final = OF_MACHINE | {"-f"}


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
    return {**problem, "places": places, "help": _without_host(problem.get("help"))}


def _without_host(help: object) -> object:
    """`help` without the options that say where the host and the manifests are, which each run names as it likes."""
    text, run, line = help.partition(_RUN) if isinstance(help, str) else ("", "", "")
    if not run:
        return help
    words = iter(_words_of(line))
    kept = [word for word in words if word not in _ELSEWHERE or next(words, None) is None]
    return text + run + shlex.join(kept)


def _words_of(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # it was changed after it was saved
        return [line]


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
