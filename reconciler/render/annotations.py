"""Problems and plans where a review shows them: GitHub's workflow commands, and SARIF 2.1.0 for whatever reads that.

Both point at lines of manifests, by names that are relative to the root of the checked-out repository. Text from
outside is made printable first, and then written so that it is no command, no link and no placeholder.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import chain
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from reconciler.model.printable import escaped, escaped_lines
from reconciler.model.problems import Place, Position, Problem, Severity
from reconciler.planning.plan import GuestPlan, Plan
from reconciler.render.changes import Change, guest_change, pool_change, summary_text
from reconciler.render.diagnostics import problem_record
from reconciler.render.plan_json import json_text
from reconciler.render.text import counted

MOST_NOTICES: Final = 9
"""How many changes are shown, the host pool first; GitHub shows ten notices of a step, and one is the summary."""

_CONSENT: Final = "needs-consent"
_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_GITHUB_KINDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})
_LINK: Final = re.compile(r"[\[\]\\]")
_PLACEHOLDER: Final = re.compile(r"[{}]")


class Origin(NamedTuple):
    """What has found the problems, and where.

    Attributes:
        command: ours.
        release: ours.
        here: the absolute path of the directory in which it was run.
        root: of the root of the repository, which files are named from.
    """

    command: str
    release: str
    here: str
    root: str


def problems_github(problems: Iterable[Problem], origin: Origin) -> str:
    """A workflow command for each problem; the text is printable, and empty where there is none."""
    return "".join(
        _command(_GITHUB_KINDS[one.severity], one.id, _words(one), one.places[:1], origin) for one in problems
    )


def plan_github(plan: Plan, origin: Origin) -> str:
    """The same for `plan`: also a warning for each consent, a notice for the summary and one for each change."""
    lines = [problems_github(plan.problems, origin)]
    lines += [_command("warning", _CONSENT, one.message, one.places, origin) for one in _consents(plan)]
    lines.append(_command("notice", f"reconcile plan of {plan.desired.host.name}", _summary(plan), (), origin))
    pool, changed = _changed(plan)
    if pool:
        lines.append(_command("notice", *_texts(pool), (Place(plan.desired.host.position),), origin))
    for guest in changed[: MOST_NOTICES - bool(pool)]:
        place = (Place(guest.guest.position),) if guest.guest else ()
        lines.append(_command("notice", *_texts(guest_change(guest, plan)), place, origin))
    return "".join(lines)


def _changed(plan: Plan) -> tuple[Change | None, list[GuestPlan]]:
    """The change of the host pool, if there is one, and the guests that change; nothing where there is no plan."""
    if not plan.is_valid:
        return None, []
    return pool_change(plan), [one for one in plan.guests if one.changes]


def _summary(plan: Plan) -> str:
    pool, changed = _changed(plan)
    more = len(changed) + bool(pool) - MOST_NOTICES
    rest = [f"… and {counted(more, 'more changed guest')}"] if more > 0 else []
    return "\n".join([summary_text(plan, ""), *(f"Note: {note}." for note in plan.notes), *rest])


def _texts(change: Change) -> tuple[str, str]:
    return f"{change.kind.symbol} {change.heading}", "\n".join(change.lines)


def _command(kind: str, title: str, message: str, places: Sequence[Place], origin: Origin) -> str:
    properties = {**_github_place(places[0], origin), "title": title} if places else {"title": title}
    shown = ",".join(
        f"{name}={escaped_lines(escaped(value)).translate(_PROPERTY)}" for name, value in properties.items()
    )
    return f"::{kind} {shown}::{escaped_lines(message).translate(_DATA)}\n"


def _github_place(place: Place, origin: Origin) -> dict[str, str]:
    line, column = place.position.line, place.position.column
    file = {"file": _relative(place.position.file, origin)}
    if place.is_whole:
        return file
    return {**file, "line": str(line), "col": str(column), "endColumn": str(column + place.width)}


def _words(problem: Problem) -> str:
    parts = [problem.message, *problem.details]
    parts += [f"help: {problem.help}"] if problem.help else []
    parts += [f"also: {place} {place.label}".rstrip() for place in problem.places[1:]]
    return "\n".join(parts)


def _consents(plan: Plan) -> Iterator[Problem]:
    """What needs consent, as problems of the guests that it is for."""
    positions = {one.uuid: one.guest.position for one in plan.guests if one.guest}
    for one in plan.consents:
        position = positions.get(one.uuid, plan.desired.host.position)
        message = f"{one.holder}: {one.reason}"
        yield Problem(_CONSENT, Severity.WARNING, message, (Place(position),), (), f"An apply needs {one.flag}.")


def problems_sarif(problems: Sequence[Problem], origin: Origin) -> str:
    """`problems` as a SARIF log with one run: JSON in ASCII, ended by a newline.

    GitHub's code scanning takes no result without a place. What is about no line is shown at the beginning of the first
    file that there is a problem with, or at the directory of the run.
    """
    first = next((place.position.file for one in problems for place in one.places), ".")
    return _sarif(_with_places(problems, Position(first, 1, 1)), origin, {})


def plan_sarif(plan: Plan, origin: Origin) -> str:
    """The same for `plan`: its problems, and what needs consent; its summary is a property of the run."""
    properties = {"host": plan.desired.host.name, "summary": summary_text(plan, ""), "fingerprint": plan.fingerprint}
    # Where no manifest is to blame, the Host's place.
    problems = _with_places([*plan.problems, *_consents(plan)], plan.desired.host.position)
    return _sarif(problems, origin, {**properties, "notes": list(plan.notes)})


def _with_places(problems: Iterable[Problem], position: Position) -> list[Problem]:
    """`problems`, those without a place at `position`."""
    return [one if one.places else one._replace(places=(Place(position),)) for one in problems]


def _sarif(problems: Sequence[Problem], origin: Origin, properties: Mapping[str, Any]) -> str:
    ids = sorted({one.id for one in problems})
    category = ("reconcile", origin.command, escaped(properties.get("host", "")))
    run = {
        "tool": {"driver": {"name": "reconcile", "version": origin.release, "rules": list(map(_rule, ids))}},
        "automationDetails": {"id": "".join(f"{one}/" for one in category if one)},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"%SRCROOT%": {"description": _message("The root of the checked-out repository.")}},
        "results": [_result(one, ids.index(one.id), origin) for one in problems],
        "properties": {name: _printable(value) for name, value in properties.items()},
    }
    return json_text({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _printable(value: Any) -> Any:
    return list(map(escaped, value)) if isinstance(value, list) else escaped(value)


def _rule(id: str) -> dict[str, Any]:
    words = id.replace("-", " ")
    where = _message(f"docs/problems.md of reconcile says what {id} means, and how to fix it.")
    return {
        "id": id,
        "shortDescription": _message(f"{words[:1].upper()}{words[1:]}."),
        "fullDescription": where,
        "help": where,
    }


def _result(problem: Problem, rule: int, origin: Origin) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": problem.id,
        "ruleIndex": rule,
        "level": problem.severity.value,
        "message": _message(_words(problem)),
        "partialFingerprints": {"reconcileProblem/v1": _fingerprint(problem, origin)},
    }
    first, *others = problem.places
    result["locations"] = [_location(first, origin)]
    if others:
        result["relatedLocations"] = [{**_location(one, origin), "id": at} for at, one in enumerate(others, 1)]
    return result


def _fingerprint(problem: Problem, origin: Origin) -> str:
    """The same where only lines have moved, so that a review does not show an old problem as a new one."""
    record = problem_record(problem)
    files = (_relative(place.position.file, origin) for place in problem.places)
    excerpts = [place["excerpt"].strip() for place in record["places"]]
    words = "\n".join(chain((problem.id,), files, excerpts, () if any(excerpts) else (problem.message,)))
    return sha256(words.encode("utf-8", "backslashreplace")).hexdigest()


def _location(place: Place, origin: Origin) -> dict[str, Any]:
    region = {"startLine": 1} if place.is_whole else _region(place.position, place)
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": _artifact(place.position.file, origin), "region": region}
    }
    if place.label:
        location["message"] = _message(place.label)
    return location


def _region(position: Position, place: Place) -> dict[str, Any]:
    region: dict[str, Any] = {
        "startLine": position.line,
        "startColumn": position.column,
        "endLine": position.line,
        "endColumn": position.column + place.width,
    }
    return {**region, "snippet": {"text": escaped(place.excerpt)}} if place.excerpt else region


def _artifact(file: str, origin: Origin) -> dict[str, str]:
    name = _relative(file, origin)
    if os.path.isabs(name):
        return {"uri": f"file://{_encoded(name)}"}
    return {"uri": _encoded(name), "uriBaseId": "%SRCROOT%"}


def _encoded(name: str) -> str:
    return quote(name.encode("utf-8", "surrogateescape"))


def _relative(file: str, origin: Origin) -> str:
    """`file` as it is named from the root; an absolute path where it is not below that."""
    path = os.path.normpath(os.path.join(origin.here, file))
    below = os.path.join(origin.root, "")
    return os.path.relpath(path, origin.root) if f"{path}/".startswith(below) else path


def _message(text: str) -> dict[str, str]:
    """`text` as a plain text message, in which brackets and braces mean nothing (SARIF 2.1.0, 3.11.5 and 3.11.6)."""
    shown = escaped_lines(text)
    if "](" in shown:
        shown = _LINK.sub(lambda found: f"\\{found[0]}", shown)
    return {"text": _PLACEHOLDER.sub(lambda found: found[0] * 2, shown) if re.search(r"\{\d+\}", shown) else shown}
