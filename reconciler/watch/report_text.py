"""What the loop knows, for a person: ``reconcile status --watch``."""

import re
from collections.abc import Iterator
from typing import Final

from reconciler.render.diagnostics import counted
from reconciler.render.durations import duration_text
from reconciler.render.history_text import moment
from reconciler.render.paint import Paint, plain
from reconciler.render.plan_json import json_text
from reconciler.watch.report import Condition, GuestReport, Report, Suspended
from reconciler.watch.report_record import report_record

_STYLE: Final = {
    Condition.IN_SYNC: "good",
    Condition.FAILED: "error",
    Condition.DEGRADED: "error",
    Condition.STOPPED: "error",
}
_NEXT: Final = {
    Condition.CHANGES: ("reconcile --plan", "reconcile --apply"),
    Condition.DRIFT: ("reconcile drift", "reconcile --apply     (puts it back)"),
    Condition.NEEDS_PERSON: ("reconcile --plan      (says what is in the way)",),
    Condition.SUSPENDED: ("reconcile resume",),
    Condition.FAILED: ("reconcile doctor", "reconcile history"),
    Condition.DEGRADED: ("reconcile status", "reconcile doctor", "reconcile --apply     (tries again)"),
    Condition.STOPPED: ("reconcile drift       (find out who changes this)", "reconcile trigger     (begins again)"),
}
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MOST_GUESTS: Final = 50
_LATE_SECONDS: Final = 60.0
"""How long after its time a turn may end before somebody should look."""


def report_text(report: Report, now: float, paint: Paint = plain, ended: float | None = None) -> str:
    """The whole report as text, ended by a newline.

    Args:
        report: what the loop has found.
        now: seconds since 1970.
        paint: colours.
        ended: when the loop was ended; None where it runs.
    """
    lines = [
        paint("bold", f"{report.host}: ") + paint(_style(report), _heading(report, now)),
        f"  {report.summary}",
        "",
    ]
    lines += _liveness_lines(report, now, paint, ended)
    lines += _source_lines(report, now, paint)
    lines += [f"  generation    {report.generation or 'none was applied'}", *_success_lines(report, now)]
    lines += [f"  queues        {_queues(report)}", f"  guests        {_guests(report)}"]
    lines += [f"  counted       {_counted(report)}"]
    if report.suspended:
        lines.append(paint("warning", f"  suspended     {_suspended(report.suspended)}"))
    lines += [f"  different     {sentence}" for sentence in report.differences]
    for number, guest in enumerate(one for one in report.guests if _is_odd(one)):
        if number == _MOST_GUESTS:
            lines += ["", "  more guests are not as they should be; all of them with --format json"]
            break
        lines += ["", *_guest_lines(guest, paint)]
    if steps := next_steps(report, ended):
        lines += ["", paint("bold", "Next:"), *(f"  {step}" for step in steps)]
    return "\n".join(_seen(line) for line in lines) + "\n"


def report_json(report: Report, ended: float | None = None) -> str:
    """The same as JSON text, ended by a newline; times are seconds since 1970."""
    return json_text({**report_record(report), "ended": ended})


def next_steps(report: Report, ended: float | None = None) -> tuple[str, ...]:
    """What a person types next; empty where nothing is to be done."""
    steps = list(_NEXT.get(report.condition, ()))
    if report.source.refused:
        steps.insert(0, "reconcile validate    (in the repository; mend or revert the commit, then push)")
    if ended is not None:
        steps.insert(0, "systemctl start reconcile-watch")
    return tuple(steps)


def _seen(line: str) -> str:
    """`line` without characters that would move the cursor, but for our own colours."""
    return _UNSEEN.sub(lambda found: found[0] if _is_colour(line, found.start()) else "\N{REPLACEMENT CHARACTER}", line)


def _is_colour(line: str, at: int) -> bool:
    return re.match(r"\033\[[0-9;]{1,4}m", line[at:]) is not None


def _style(report: Report) -> str:
    return _STYLE.get(report.condition, "warning")


def _heading(report: Report, now: float) -> str:
    words = report.condition.value.replace("-", " ")
    return f"{words} for {duration_text(now - report.since)} (since {moment(report.since)} UTC)"


def _liveness_lines(report: Report, now: float, paint: Paint, ended: float | None) -> Iterator[str]:
    mode = "guards: what differs is applied" if report.applies else "only reports"
    yield f"  loop          {mode}; last turn {duration_text(now - report.turned)} ago"
    if ended is not None:
        yield paint("error", f"  ended         {duration_text(now - ended)} ago: nobody guards this host")
    elif report.due is not None and now > report.due + _LATE_SECONDS:
        late = f"a turn was due {duration_text(now - report.due)} ago: look whether the loop still runs"
        yield paint("error", f"  late          {late}")


def _source_lines(report: Report, now: float, paint: Paint) -> Iterator[str]:
    source = report.source
    yield f"  source        {source.location}"
    if source.commit:
        yield f"  commit        {source.commit}"
    if source.unreachable:
        yield paint("warning", f"  unreachable   {source.unreachable}")
    if source.refused:
        which = f"commit {source.refused.commit}" if source.refused.commit else "the newest configuration"
        since = duration_text(now - source.refused.since)
        yield paint("error", f"  refused       {which}, for {since}; the last good configuration is guarded")
        yield from (f"                {reason}" for reason in source.refused.reasons)


def _success_lines(report: Report, now: float) -> Iterator[str]:
    if report.succeeded is None:
        yield "  last success  never"
    elif report.condition is not Condition.IN_SYNC:
        yield f"  last success  {duration_text(now - report.succeeded)} ago ({moment(report.succeeded)} UTC)"


def _queues(report: Report) -> str:
    words = {"host": "with the host's drivers", "effective": "seen by guests"}
    return ", ".join(f"{count:,} {words.get(state, state)}" for state, count in report.queues.items()) or "none"


def _guests(report: Report) -> str:
    odd = sum(_is_odd(one) for one in report.guests)
    return f"{len(report.guests):,}, {f'{odd:,} not as it should be' if odd else 'all as they should be'}"


def _counted(report: Report) -> str:
    counters = report.counters
    words = [counted(counters.turns, "turn")]
    words += [f"{count:,} {how}" for how, count in sorted(counters.applies.items()) if how != "nothing to do"]
    words += [f"{counters.healed:,} healed"] if counters.healed else []
    words += [f"{counters.refused:,} refused"] if counters.refused else []
    return f"{', '.join(words)} since the loop was started"


def _is_odd(guest: GuestReport) -> bool:
    return bool(guest.drifted or guest.suspended or guest.why)


def _guest_lines(guest: GuestReport, paint: Paint) -> Iterator[str]:
    words = ["changed by somebody else"] if guest.drifted else []
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
        yield f"    suspended   {_suspended(guest.suspended)}"


def _suspended(suspended: Suspended) -> str:
    until = "until it is resumed" if suspended.until is None else f"until {moment(suspended.until)} UTC"
    return f"by {suspended.by}, {until}: {suspended.reason}"
