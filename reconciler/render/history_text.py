"""The history, for people and for programs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final, NamedTuple

from reconciler.model.commands import HISTORY, NOWHERE, Here, history_of
from reconciler.model.desired import Activation, Desired, DesiredGuest
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.outcome import Actor, Extent, Generation, SuspendedThen, fleet_text, suspended_then
from reconciler.model.printable import lines_text
from reconciler.model.suspending import SuspensionChange
from reconciler.planning.plan import ALLOW_SUSPENDED, Plan
from reconciler.render.diff_text import Hunk, config_hunk, diff_text, folded, hunk_lines, plan_hunks, pool_hunk
from reconciler.render.history_choice import Choice, earlier_lines, in_time
from reconciler.render.history_list import Listed, listed_text, local_time, suspension_record, suspensions_listed
from reconciler.render.plan_json import json_text
from reconciler.render.table import Page
from reconciler.render.text import MOST_LINES, Paint, Section, counted, fitted, iso_time, local, plain

MOST_NAMES: Final[int | None] = 3
"""How many guests of a generation are named in a line, unless all are asked for."""


def local_iso_time(seconds: float, zone: tzinfo | None = None) -> str:
    """The same in ISO 8601, with the distance from UTC: ``2026-11-28T21:30:00+01:00``."""
    return local(seconds, zone).isoformat(timespec="seconds")


def history_text(
    generations: Sequence[Generation],
    page: Page = Page(),  # noqa: B008 - a value
    *,
    most_names: int | None = MOST_NAMES,
    earlier: int = 0,
    here: Here = NOWHERE,
    zone: tzinfo | None = None,
    flags: Sequence[str] = (),
    limits: Sequence[str] = (),
    since: float | None = None,
    suspensions: Sequence[SuspensionChange] = (),
    earlier_suspensions: int = 0,
) -> str:
    """A line for each generation, and for what happened to suspensions, the newest first, ended by a newline.

    Args:
        generations: ascending.
        page: what it is written on.
        most_names: how many guests of a generation are named, the rest counted; None: all.
        earlier: how many generations there are before these.
        here: where the command that lists them is run.
        zone: of the times; None: the one of this process.
        flags: with which options they were chosen, but for `limits`.
        limits: the options that leave earlier ones out.
        since: before which all earlier ones were, in seconds since 1970; None where that is not why they are left out.
        suspensions: what happened to suspensions, in the order of time.
        earlier_suspensions: how many such changes there are before these.
    """
    left_out = earlier_lines(Choice([*generations], earlier, [*suspensions], earlier_suspensions, since), page, zone)
    if earlier or earlier_suspensions:
        everything = here.line(HISTORY.with_flags("-n", "0", *flags))
        left_out += page.with_remark(f"  next: {everything}    # lists all")
    ending = lines_text(left_out)
    if not generations and not earlier and not flags:
        ending = "Nothing has been applied yet.\n"
    if not generations and not suspensions:
        return ending
    rows = in_time(
        [_listed(one, most_names) for one in reversed(generations)],
        suspensions_listed(suspensions, most_names, zone),
    )
    listed = listed_text(rows, page, zone)
    is_cut = listed != listed_text(rows, page._replace(width=None), zone)
    wide = here.line(HISTORY.with_flags("-o", "wide", *limits, *flags))
    whole = page.with_remark(f"  next: {wide}    # cuts nothing")
    return listed + ending + (lines_text(whole) if is_cut else "")


def _listed(one: Generation, most: int | None) -> Listed:
    interrupted = one.outcome.interrupted if one.outcome else ()
    remarks = [one.remark] if one.remark else []
    if interrupted:
        remarks.append(f"interrupted {', '.join(interrupted)}")
    result = f"{one.result} ({'; '.join(remarks)})" if remarks else one.result
    origin = one.origin
    # The commit that a rollback leads back to says nothing of what the rollback has changed.
    is_whole = one.extent is Extent.WHOLE and not origin.again and not origin.undone
    what, briefly = what_text(one, most), what_text(one, 1)
    commit = origin.commit, origin.subject, is_whole
    return Listed(one.number, origin.started, result, by_text(one), what, briefly, *commit)


def by_text(one: Generation) -> str:
    """Who applied it: the name of a person, or what works without one."""
    return one.origin.user if one.origin.actor is Actor.PERSON else one.origin.actor.value


def what_text(one: Generation, most: int | None = MOST_NAMES, *, says_partial: bool = True) -> str:
    """What it was about: its id, whether it rolled back, and whom it changed; `most` guests by name, others counted.

    Where it was of chosen guests it begins with `partial`, unless the reader knows that from elsewhere.
    """
    if one.is_damaged:
        return one.summary
    origin = one.origin
    about = [f"fleet {origin.fleet.id}"] if origin.fleet else []
    if origin.id and not (origin.fleet and origin.fleet.id == origin.id):
        about.append(origin.id)
    if one.extent is Extent.PARTIAL and says_partial:
        about.append("partial")
    if one.is_rollback:
        about.append(f"undo of {origin.undone}" if origin.undone else f"rollback to {origin.again}")
    if one.overridden:
        about.append(_overridden_text(one.overridden, most))
    return ": ".join([*about, _touched(one, most)])


def _overridden_text(names: Sequence[str], most: int | None = None) -> str:
    """Whose suspension was overridden; where there are more than `most`, how many."""
    is_few = most is None or len(names) <= most
    return f"suspension of {', '.join(names) if is_few else counted(len(names), 'guest')} overridden"


def _touched(one: Generation, most: int | None) -> str:
    names = one.guests if most is None or len(one.guests) <= most + 1 else one.guests[:most]
    parts = [
        *(["host pool"] if one.pool_changes else []),
        *names,
        *([f"{len(one.guests) - len(names):,} more"] if len(names) < len(one.guests) else []),
        *([counted(len(one.files), "file")] if one.files else []),
    ]
    but_for = f", but for {counted(len(one.suspended), 'suspended guest')}" if one.suspended else ""
    return (", ".join(parts) or "no change") + but_for


def commit_lines(commit: str, subject: str, author: str, page: Page) -> Iterator[str]:
    """What is known of the `commit` of a generation, a line each; its id may end with ``+``, see `Origin`."""
    yield f"  commit:    {commit.removesuffix('+')}{', with uncommitted changes' if commit.endswith('+') else ''}"
    yield from page.wrapped("  subject:   ", subject or "none, or git could not read it", 0)
    if author:
        yield from page.wrapped("  author:    ", author, 0)


def wants_lines(again: int, undone: int) -> Iterator[str]:
    """Where a rollback leads: to what generation `again` wanted, or to before `undone`; 0 for what it is not."""
    if again:
        yield f"  wants:     what generation {again} wanted"
    if undone:
        yield f"  wants:     what there was before generation {undone}"


def _commit_lines(record: Mapping[str, Any], page: Page) -> Iterator[str]:
    """The commit of `record` with its subject and author, or why there is none."""
    if record["commit"]:
        yield from commit_lines(record["commit"], record["subject"] or "", record["author"] or "", page)
    elif record["again"] or record["undone"]:
        yield "  commit:    none"
    else:
        yield from page.wrapped(
            "  commit:    ", "none (the manifests were in no git repository, or in one that git refused)", 0
        )


def history_json(
    generations: Iterable[Generation],
    suspensions: Iterable[SuspensionChange] = (),
    earlier: int = 0,
    earlier_suspensions: int = 0,
) -> str:
    """The same as JSON text, ended by a newline, ascending."""
    return json_text(
        {
            "formatVersion": 1,
            "generations": [_record(one) for one in generations],
            "earlier": earlier,
            "suspensions": [suspension_record(one) for one in suspensions],
            "earlierSuspensions": earlier_suspensions,
        }
    )


def _record(one: Generation) -> dict[str, Any]:
    origin = one.origin
    return {
        "number": one.number,
        "id": origin.id or None,
        "started": iso_time(origin.started),
        "user": origin.user,
        "actor": origin.actor,
        "command": origin.command,
        "commit": origin.commit or None,
        "subject": origin.subject or None,
        "author": origin.author or None,
        "rollbackTo": origin.again or None,
        "undone": origin.undone or None,
        "fleet": origin.fleet and origin.fleet.record,
        "host": one.host,
        "manifests": one.digest,
        "summary": one.summary,
        "guests": list(one.guests),
        "poolChanges": one.pool_changes,
        "files": list(one.files),
        "suspended": list(one.suspended),
        "overridden": list(one.overridden),
        "extent": one.extent,
        "target": one.is_target,
        "result": one.result,
        "remark": one.remark or None,
    }


def generation_text(
    record: Mapping[str, Any],
    page: Page = Page(),  # noqa: B008 - a value
    *,
    most: int | None = MOST_LINES,
    here: Here = NOWHERE,
    zone: tzinfo | None = None,
) -> str:
    """Everything that matters of one generation, with the diff of its plan, ended by a newline.

    Args:
        record: of the generation.
        page: what it is shown on; commands are not divided.
        most: how many lines it has at most, the rest counted; None: all, and each write that was planned.
        here: where the command that shows all is run.
        zone: of the times; None: the one of this process.
    """
    head = [*_head(record, page, zone), ""]
    hunks = hunks_of(record)
    items = (list(hunk_lines(folded(one, page), page.paint)) for one in hunks)
    parts = [Section("holder", len(hunks), items, is_spaced=False)]
    if most is None:
        steps = [_step_line(number, one) for number, one in enumerate(record["plan"]["steps"], 1)]
        parts.append(Section("step", len(steps), ([line] for line in steps), ["Steps:"]))
    wide = here.line(history_of(record["number"]).with_flags("-o", "wide"))
    hint = len(page.with_remark(f"  next: {wide}    # shows each write"))
    lines, is_cut = fitted(parts, None if most is None else most - len(head) - hint - 1)
    if most is not None:
        lines += page.with_remark(f"  next: {wide}    # shows {'all of it' if is_cut else 'each write'}")
    return lines_text([*head, *lines]).rstrip("\n") + "\n"


def _head(record: Mapping[str, Any], page: Page, zone: tzinfo | None) -> Iterator[str]:
    plan, outcome = record["plan"], record["outcome"] or {}
    yield f"Generation {record['number']}: {outcome.get('result', 'not finished')}"
    yield f"  started:   {local_time(record['started'], zone)}"
    if "ended" in outcome:
        yield f"  ended:     {local_time(outcome['ended'], zone)}"
    actor = "" if record["actor"] == Actor.PERSON else f" ({record['actor']})"
    yield f"  by:        {record['user']}{actor}"
    yield f"  command:   {record['command']}"
    if record["id"]:
        yield f"  id:        {record['id']}"
    yield from _commit_lines(record, page)
    if fleet := record["fleet"]:
        yield from page.wrapped("  fleet:     ", fleet_text(fleet), 0)
    yield from wants_lines(record["again"], record["undone"])
    if plan["targets"] is not None:
        yield from page.wrapped("  partial:   ", f"about {', '.join(plan['targets'])} only", 0)
    yield f"  host:      {record['desired']['host']['name']}"
    if outcome.get("failure"):
        yield from page.wrapped("  because:   ", outcome["failure"], 0)
    for label, field in (("left:     ", "differences"), ("note:     ", "notes")):
        yield from (line for one in outcome.get(field, ()) for line in page.wrapped(f"  {label} ", one, 0))
    then = suspended_in(record)
    if then.overridden:
        yield from page.wrapped("  consent:   ", f"{_overridden_text(then.overridden)} ({ALLOW_SUSPENDED})", 0)
    yield from (f"  suspended: {name}, and left as it was" for name in then.left)
    yield ""
    yield from page.wrapped("", plan["summary"]["text"])


def suspended_in(record: Mapping[str, Any]) -> SuspendedThen:
    """What the plan of a recorded generation did with what was suspended."""
    plan = record["plan"]
    consents = [one["holder"] for one in plan["consents"] if one["flag"] == ALLOW_SUSPENDED]
    return suspended_then(plan["suspended"], [one["name"] for one in plan["guests"]], consents)


def _step_line(number: int, step: Mapping[str, Any]) -> str:
    writes = "; ".join(f"{write['path']} <- {write['value']}" for write in step["writes"])
    return f"  {number:3}. {step['holder']}: {step['action']}: {writes}"


def generation_json(record: Mapping[str, Any]) -> str:
    """The same as JSON text, ended by a newline."""
    outcome = record["outcome"]
    ended = outcome and {**outcome, **({"ended": iso_time(outcome["ended"])} if "ended" in outcome else {})}
    return json_text({**record, "started": iso_time(record["started"]), "outcome": ended})


def diff_records(plan: Plan) -> list[dict[str, Any]]:
    """The diff of `plan` as plain values, which the history keeps."""
    return [_hunk_record(one) for one in plan_hunks(plan)]


def _hunk_record(one: Hunk) -> dict[str, Any]:
    return {"heading": one.heading, "lines": list(one.lines), "remarks": list(one.remarks)}


def hunks_of(record: Mapping[str, Any]) -> list[Hunk]:
    """The diff of the plan of the generation with this `record`."""
    return [Hunk(one["heading"], tuple(one["lines"]), tuple(one["remarks"])) for one in record["plan"]["diff"]]


def generation_diff(record: Mapping[str, Any], paint: Paint = plain, page: Page | None = None) -> str:
    """The same as a diff and nothing else, with the hunks of ``plan -o diff``; empty where nothing changed."""
    name, number = f"host {record['desired']['host']['name']}", record["number"]
    return diff_text(
        f"{name}, before generation {number}", f"{name}, after generation {number}", hunks_of(record), paint, page
    )


class Wish(NamedTuple):
    """What a generation wanted.

    Attributes:
        number: of the generation.
        desired: the Host and its Guests.
        pool: the host pool that was planned for them.
    """

    number: int
    desired: Desired
    pool: Matrix


def wish_hunks(old: Wish, new: Wish) -> list[Hunk]:
    """What one generation wanted otherwise than another one: a hunk for each holder, the host first."""
    hunks = [] if old.pool == new.pool else [pool_hunk("host pool", old.pool, new.pool)]
    before, after = ({one.uuid: one for one in wish.desired.guests} for wish in (old, new))
    named = {uuid: (after.get(uuid) or before[uuid]).name for uuid in {**before, **after}}
    for uuid in sorted(named, key=lambda one: (named[one], one)):
        was, becomes = before.get(uuid), after.get(uuid)
        remarks = tuple(_other_fields(was, becomes))
        if remarks or _claimed(was) != _claimed(becomes):
            heading = f"guest {named[uuid]}  {uuid}"
            hunks.append(config_hunk(heading, _claimed(was), _claimed(becomes), remarks))
    return hunks


def _claimed(guest: DesiredGuest | None) -> ApConfig | None:
    return None if guest is None or guest.activation is Activation.INACTIVE else guest.config


def _other_fields(was: DesiredGuest | None, becomes: DesiredGuest | None) -> Iterator[str]:
    if was is None or becomes is None:
        one = was or becomes
        assert one
        if one.activation is not Activation.ACTIVE:
            yield f"activation: {one.activation.value}"
        return
    if was.name != becomes.name:
        yield f"name: {becomes.name} instead of {was.name}"
    if was.activation is not becomes.activation:
        yield f"activation: {becomes.activation.value} instead of {was.activation.value}"
    if was.presence is not becomes.presence:
        yield f"presence: {becomes.presence.value} instead of {was.presence.value}"
    if was.disruption_allowed != becomes.disruption_allowed:
        yield f"disruption: {'allow instead of refuse' if becomes.disruption_allowed else 'refuse instead of allow'}"
    if was.labels != becomes.labels:
        yield f"labels: {_labels(becomes)} instead of {_labels(was)}"


def _labels(guest: DesiredGuest) -> str:
    return ", ".join(f"{key}={value}" for key, value in guest.labels) or "none"


def wish_diff(
    old: Wish,
    new: Wish,
    page: Page = Page(),  # noqa: B008 - a value
    *,
    most: int | None = None,
    whole: str = "",
) -> str:
    """What generation `new` wanted otherwise than `old`, as a diff; one sentence where that is nothing.

    Args:
        old: where it begins.
        new: where it leads.
        page: what it is written on.
        most: how many lines it has at most, the rest counted; None: all.
        whole: the command that shows what is left out.
    """
    hunks = wish_hunks(old, new)
    if not hunks:
        return f"Generations {old.number} and {new.number} want the same of every holder.\n"
    names = [f"host {one.desired.host.name}, as generation {one.number} wants" for one in (old, new)]
    if most is None:
        return diff_text(names[0], names[1], hunks, page.paint, page)
    section = Section("holder", len(hunks), (list(hunk_lines(folded(one, page), page.paint)) for one in hunks))
    lines, is_cut = fitted([section], most - 3)
    head = [page.paint("bold", f"--- {names[0]}"), page.paint("bold", f"+++ {names[1]}")]
    return lines_text(
        [*head, *lines[:-1], *(page.with_remark(f"  next: {whole}    # shows all of it") if is_cut else [])]
    )


def wish_diff_json(old: Wish, new: Wish) -> str:
    """The same as JSON text, ended by a newline."""
    hunks = [_hunk_record(one) for one in wish_hunks(old, new)]
    return json_text({"formatVersion": 1, "from": old.number, "to": new.number, "holders": hunks})
