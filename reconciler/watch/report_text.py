"""What the loop knows, for a person: ``reconcile status --watch``."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from reconciler.model.codec import VERSION, Codec
from reconciler.model.commands import (
    APPLY,
    DOCTOR,
    DRIFT,
    ENFORCED,
    HISTORY,
    LOAD,
    LOOP_STATUS,
    NOWHERE,
    PLAN,
    REFUSED,
    STATUS,
    TRIGGER,
    TRIGGER_OLDER,
    VALIDATE,
    WATCH,
    Command,
    Here,
    Takes,
    history_of,
    resume,
)
from reconciler.model.durations import duration_text
from reconciler.model.printable import lines_text
from reconciler.model.suspending import left_text, until_text
from reconciler.render.text import Paint, counted, moment, plain
from reconciler.watch.events import Event, Kind, enforced_text
from reconciler.watch.report import (
    Condition,
    GuestReport,
    Mode,
    Obstacle,
    RefusedConfiguration,
    Report,
    SourceReport,
    Suspended,
)


class _Step(NamedTuple):
    """What a person runs, and why."""

    command: Command
    remark: str = ""

    @property
    def reads(self) -> bool:
        """Whether it reads the manifests."""
        return self.command.takes is Takes.MANIFESTS


_STYLE: Final = {
    Condition.IN_SYNC: "good",
    Condition.FAILED: "error",
    Condition.DEGRADED: "error",
    Condition.STOPPED: "error",
}
_NEXT: Final[Mapping[Condition, tuple["_Step", ...]]] = {
    Condition.CHANGES: (_Step(PLAN), _Step(APPLY)),
    Condition.DRIFT: (_Step(DRIFT), _Step(APPLY, "makes the host as the manifests say")),
    Condition.NEEDS_PERSON: (_Step(PLAN, "says what is in the way"),),
    Condition.SUSPENDED: (_Step(resume()),),
    Condition.SUSPENDED_OUT_OF_SYNC: (_Step(DRIFT, "shows what differs"),),
    Condition.FAILED: (_Step(DOCTOR), _Step(HISTORY)),
    Condition.DEGRADED: (_Step(DOCTOR), _Step(HISTORY), _Step(APPLY, "tries again")),
    Condition.STOPPED: (_Step(DRIFT, "find out who changes this"), _Step(TRIGGER, "begins again")),
}
_START: Final = "systemctl start reconcile-watch"
_KILLED: Final = "killed, or the machine went down: it has left no word"
_AS_THE_LOOP: Final = "asks the repository as the loop does; run it as the same user"
_MOST_GUESTS: Final = 50
_MOST_RESUMED: Final = 8
_LATE_SECONDS: Final = 60.0
"""How long after its time a cycle may end before a person should look."""


class Ended(NamedTuple):
    """The end of a loop.

    Attributes:
        moment: when, in seconds since 1970.
        how: in words.
        command: what starts it again; empty where that is not known.
        is_published: whether it is known from what is published for everybody, which has no command.
    """

    moment: float
    how: str = ""
    command: str = ""
    is_published: bool = False


def report_text(
    report: Report, now: float, paint: Paint = plain, ended: Ended | None = None, here: Here = NOWHERE
) -> str:
    """The whole report as text, ended by a newline.

    Args:
        report: what the loop has found.
        now: seconds since 1970.
        paint: colours.
        ended: how the loop has ended; None where it runs.
        here: the options that lead to this machine and state, for the commands to run next.
    """
    lines = [
        paint("bold", f"{report.host or 'this host'}: ") + _heading(report, now, paint, ended),
        f"  {report.summary}" if ended is None else f"  when it last looked: {report.condition.text}: {report.summary}",
        "",
    ]
    lines += _liveness_lines(report, now, paint, ended)
    lines += _source_lines(report, now, paint)
    lines += [f"  generation    {report.generation or 'none was applied'}", *_success_lines(report, now)]
    lines += _seen_lines(report, now, paint)
    lines += [f"  counted       {_counted(report)}"]
    if report.suspended:
        lines.append(paint("warning", f"  suspended     {_suspended(report.suspended, now)}"))
    lines += [
        paint("error", f"  stopped       {name}: not healed until {moment(until)} UTC or {here.line(TRIGGER)}")
        for name, until in sorted(report.stopped.items())
    ]
    lines += [f"  different     {sentence}" for sentence in report.differences]
    for number, guest in enumerate(one for one in report.guests if _is_odd(one)):
        if number == _MOST_GUESTS:
            lines += ["", "  there are remarks on more guests; all of them with -o json"]
            break
        lines += ["", *_guest_lines(guest, now, paint)]
    if steps := next_steps(report, ended, here):
        lines += ["", paint("bold", "Next:"), *(f"  {step}" for step in steps)]
    return lines_text(lines)


def report_record(report: Report, ended: Ended | None = None) -> dict[str, Any]:
    """The same as plain values; times are seconds since 1970.

    The condition of a loop that has ended is ``ended``: the one that it found last is in ``lastCondition``.
    """
    record = {VERSION: 1, **Codec().plain(report)}
    if ended is None:
        return {**record, "ended": None}
    end = {"condition": "ended", "lastCondition": record["condition"], "ended": ended.moment}
    return {**record, **end, "how": ended.how or _KILLED, "command": ended.command or None}


def loop_text(report: Report, now: float, ended: Ended | None = None) -> tuple[str, str]:
    """How the loop is, in one line, and the style of that; see `report_text`."""
    if ended is not None:
        ago = duration_text(now - ended.moment)
        return f"ended {ago} ago ({ended.how or _KILLED}): no loop enforces the manifests", "error"
    refused = f"; refuses {report.source.refused.subject}" if report.source.refused else ""
    text = f"{report.condition.text} for {duration_text(now - report.since)}{refused}; {_mode(report)}"
    if report.due is not None and now > report.due + _LATE_SECONDS:
        return f"late: a cycle was due {duration_text(now - report.due)} ago; {text}", "error"
    return text, "warning" if refused else _style(report)


def loop_record(report: Report, ended: Ended | None = None) -> dict[str, Any]:
    """The same as plain values; times are seconds since 1970."""
    refused = report.source.refused
    return {
        "condition": "ended" if ended else report.condition.value,
        "since": report.since,
        "lastCycle": report.cycle_ended,
        "due": report.due,
        "applies": report.applies,
        "heals": report.heals,
        "mode": report.mode.value if report.mode else None,
        "changeMode": report.change_mode or None,
        "commit": report.source.commit or None,
        "refused": {"commit": refused.commit or None, "reasons": list(refused.reasons)} if refused else None,
        "ended": {"at": ended.moment, "how": ended.how or _KILLED} if ended else None,
    }


def next_steps(report: Report, ended: Ended | None = None, here: Here = NOWHERE) -> tuple[str, ...]:
    """What a person runs next, `here`; empty where nothing is to be done."""
    if ended is not None:
        # What it found last may have changed since: first it has to look again.
        if ended.is_published:
            return (_typed(f"sudo {here.line(LOOP_STATUS)}", "says how the loop is started again"),)
        again = here.line(WATCH) if here.machine else _START
        return (_typed(ended.command or again, "starts the loop again"),)
    refused, steps = report.source.refused, list(_NEXT.get(report.condition, ()))
    if report.source.paths and not refused:
        here = here.reading(report.source.paths)
    else:
        # Files that are there are not what is enforced; those of a commit are nowhere on disk.
        here = here.recorded(ENFORCED)
        steps = [step for step in steps if report.enforces or not step.reads]
    suspended = [one.name for one in report.guests if one.suspended][:_MOST_RESUMED]
    if report.suspended and report.condition is not Condition.SUSPENDED:
        steps.append(_Step(resume(), "when the reason is gone"))
    elif suspended:
        steps.append(_Step(resume(suspended), "when the reason is gone"))
    lines = [_typed(here.line(step.command), step.remark) for step in steps]
    first = _against_obstacles(report.source, refused, here) if refused else []
    if report.source.unreachable and report.source.reach:
        first.append(_typed(report.source.reach, _AS_THE_LOOP))
    return (*first, *(one for one in lines if one not in first))


def with_next(found: Iterable[Event], report: Report, here: Here = NOWHERE) -> tuple[Event, ...]:
    """Events that `report` has brought, each with the command that a person runs next about it, `here`."""
    return tuple(event._replace(next=_next_about(event, report, here)) for event in found)


def _next_about(event: Event, report: Report, here: Here) -> str:
    source = report.source
    enforced = here.reading(source.paths) if source.paths and not source.refused else here.recorded(ENFORCED)
    match event.kind:
        case Kind.REFUSED if source.refused:
            return next(iter(_against_obstacles(source, source.refused, here)), "")
        case Kind.UNREACHABLE if source.reach:
            return _typed(source.reach, _AS_THE_LOOP)
        case Kind.DRIFT if not report.heals:
            return _typed(enforced.line(DRIFT), "shows what differs")
        case Kind.HEALED | Kind.FIGHT | Kind.DRIFT:
            return _typed(here.line(DOCTOR), "finds other programs that set masks or devices")
        case Kind.ROLLED_BACK:
            return _typed(here.line(history_of(report.generation)) if report.generation else here.line(HISTORY), "")
        case Kind.DEGRADED:
            return _typed(here.line(DOCTOR), "shows what is left")
        case Kind.LOST:
            return _typed(enforced.line(STATUS), "shows which queues are missing, and why")
        case Kind.SUSPENDED:
            return _typed(here.line(resume(event.guests[:_MOST_RESUMED])), "when the reason is gone")
        case Kind.CONDITION | Kind.STARTED:
            return next(iter(next_steps(report, None, here)), "")
        case _:
            return ""


def _against_obstacles(source: SourceReport, refused: RefusedConfiguration, here: Here) -> list[str]:
    """What a person runs about a configuration that is refused, for each obstacle once."""
    commit = shlex.quote(refused.commit) if refused.commit else "HEAD"
    shown = here.reading(source.paths) if source.paths else here.recorded(REFUSED)
    validate = NOWHERE.reading(source.paths).line(VALIDATE) if source.paths else shown.line(PLAN)
    fix = "then fix it; the loop notices" if source.paths else "then fix or revert the commit, and push"
    module = here.line(LOAD) if "--simulate" in here.machine else "modprobe vfio_ap"
    steps: Mapping[Obstacle, tuple[str, str]] = {
        Obstacle.MANIFESTS: (validate, fix),
        Obstacle.HOST: (shown.line(PLAN), "shows what is in the way on this host, and what to do about it"),
        Obstacle.PLACE: (shown.line(PLAN), "shows where this host runs, and where the manifests have it"),
        Obstacle.MODULE: (module, "the loop notices"),
        Obstacle.CONSENT: (refused.command, "gives the consent; otherwise revert the commit"),
        Obstacle.DRIFT: (refused.command, "corrects what another program has changed"),
        Obstacle.SUSPENSION: (refused.command, "when the reason of the suspension is gone; the loop notices"),
        Obstacle.SIGNATURE: (
            "git commit --amend --no-edit --gpg-sign && git push --force-with-lease",
            "in a clone, by a signer whom the loop trusts",
        ),
        Obstacle.OLDER: (
            here.line(TRIGGER_OLDER),
            "follows the commit this once, if the push was meant; otherwise push one that comes after",
        ),
        Obstacle.COMMIT: (f"git revert --no-edit {commit} && git push", "in a clone"),
        Obstacle.SOURCE: (here.line(TRIGGER), "looks again, once what the reason names is done"),
        Obstacle.BRANCH: (source.reach, "shows whether the branch is there; push it, or name another with --branch"),
    }
    return [_typed(*steps[one]) for one in refused.obstacles if steps[one][0]]


def _typed(command: str, remark: str) -> str:
    return f"{command}    # {remark}" if remark else command


def _style(report: Report) -> str:
    return _STYLE.get(report.condition, "warning")


def _heading(report: Report, now: float, paint: Paint, ended: Ended | None) -> str:
    if ended is not None:
        ago = f"{duration_text(now - ended.moment)} ago (at {moment(ended.moment)} UTC)"
        return paint("error", f"the loop ended {ago}; no loop enforces the manifests")
    text = f"{report.condition.text} for {duration_text(now - report.since)} (since {moment(report.since)} UTC)"
    return paint(_style(report), text)


def _mode(report: Report) -> str:
    if report.mode is Mode.HELD:
        return _held(report)
    if not report.enforces:
        return "enforces nothing: it has no configuration yet"
    if not report.applies:
        return "only reports"
    if report.heals:
        return "applies what the manifests change, and corrects what other programs change"
    return "applies what the manifests change; what other programs change is only reported"


def _held(report: Report) -> str:
    if not report.enforces:
        return "held: enforces nothing until something is applied and confirmed here"
    if report.applies and report.heals:
        return "held: enforces what was applied and confirmed last, and corrects what other programs change"
    return "held: compares the host with what was applied and confirmed last, and only reports drift"


def _liveness_lines(report: Report, now: float, paint: Paint, ended: Ended | None) -> Iterator[str]:
    if ended is not None:
        yield f"  loop          last cycle {duration_text(now - report.cycle_ended)} ago"
        yield paint("error", f"  ended         {ended.how or _KILLED}")
        return
    yield f"  loop          {_mode(report)}; last cycle {duration_text(now - report.cycle_ended)} ago"
    if report.due is not None and now > report.due + _LATE_SECONDS:
        late = f"a cycle was due {duration_text(now - report.due)} ago: look whether the loop still runs"
        yield paint("error", f"  late          {late}")
    if report.mode and report.change_mode:
        yield f"  mode          {report.mode.value}; {report.mode.other.value} by: {report.change_mode}"


def _source_lines(report: Report, now: float, paint: Paint) -> Iterator[str]:
    source = report.source
    yield f"  source        {source.location}"
    if source.commit:
        yield f"  commit        {source.commit}"
    if source.unreachable:
        yield paint("warning", f"  unreachable   {source.unreachable}")
    yield from (paint("warning", f"  polled        {reason}") for _, reason in sorted(report.polled.items()))
    if source.refused:
        which = source.refused.subject
        since = duration_text(now - source.refused.since)
        yield paint("error", f"  refused       {which}, for {since}; {enforced_text(report)}")
        yield from (f"                {reason}" for reason in source.refused.reasons)


def _success_lines(report: Report, now: float) -> Iterator[str]:
    if report.succeeded is None:
        yield "  last success  never"
    elif report.condition is not Condition.IN_SYNC:
        yield f"  last success  {duration_text(now - report.succeeded)} ago ({moment(report.succeeded)} UTC)"


def _seen_lines(report: Report, now: float, paint: Paint) -> Iterator[str]:
    if report.looked is None:
        yield paint("warning", "  looked        never: nothing is known of this host's queues and guests")
        return
    if report.looked < report.cycle_ended:
        ago = duration_text(now - report.looked)
        yield paint("warning", f"  looked        {ago} ago, and could not since: queues and guests are as of then")
    yield f"  queues        {_queues(report)}"
    yield f"  guests        {_guests(report)}"


def _queues(report: Report) -> str:
    words = {"host": "with the host's drivers", "effective": "seen by guests"}
    return ", ".join(f"{count:,} {words.get(state, state)}" for state, count in report.queues.items()) or "none"


def _guests(report: Report) -> str:
    odd = sum(_is_odd(one) for one in report.guests)
    return f"{len(report.guests):,}, {f'{odd:,} with a remark below' if odd else 'all as they should be'}"


def _counted(report: Report) -> str:
    counters = report.counters
    words = [counted(counters.cycles, "cycle")]
    words += [f"{count:,} {how}" for how, count in sorted(counters.applies.items()) if how != "nothing to do"]
    words += [f"{counters.healed:,} healed"] if counters.healed else []
    words += [f"{counters.refused:,} refused"] if counters.refused else []
    return f"{', '.join(words)} since the loop was started"


def _is_odd(guest: GuestReport) -> bool:
    return bool(guest.drifted or guest.suspended or guest.why)


def _guest_lines(guest: GuestReport, now: float, paint: Paint) -> Iterator[str]:
    words = ["changed by another program"] if guest.drifted else []
    words += ["no manifest names it"] if not guest.wanted else []
    remark = paint("warning", f"  ({', '.join(words)})") if words else ""
    yield f"  {paint('bold', guest.name)}  {guest.uuid}{remark}"
    if guest.authorised is None:
        yield f"    wanted {guest.wanted}, no device"
    else:
        sees = "" if guest.effective is None else f", effective {guest.effective}"
        yield f"    wanted {guest.wanted}, authorised {guest.authorised}{sees}"
    yield from (f"    why         {reason}" for reason in guest.why)
    if guest.suspended:
        yield f"    suspended   {_suspended(guest.suspended, now)}"


def _suspended(suspended: Suspended, now: float) -> str:
    until = f"{until_text(suspended.until)}{left_text(suspended.until, now)}"
    return f"by {suspended.by}, {until}: {suspended.reason}"
