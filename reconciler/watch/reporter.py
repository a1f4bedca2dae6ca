"""Makes reports of cycles: what a plan says of a host, and what is counted and remembered from one to the next."""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.outcome import Result
from reconciler.planning.plan import Cause, Plan
from reconciler.planning.status import WITHHELD, status_of
from reconciler.render.changes import config_text
from reconciler.transaction.loop_records import Suspension, Suspensions
from reconciler.watch.configurations import Configuration
from reconciler.watch.cycle_result import CycleResult
from reconciler.watch.decisions import drifted
from reconciler.watch.differences import MOST_DIFFERENCES, changes_of, differences
from reconciler.watch.report import (
    NO_REPORT,
    Changed,
    Condition,
    Counters,
    GuestReport,
    Mode,
    Report,
    SourceReport,
    Suspended,
)
from reconciler.watch.triggers import Trigger


class Moment(NamedTuple):
    """When a cycle ended (seconds since 1970), when the next has ended at the latest, and what is polled then."""

    now: float
    due: float | None
    polled: Mapping[str, str] = {}


Words = Callable[[str], tuple[str, str]]
"""What a commit says of itself: its subject, and the name of its author; empty where that is not known."""


def no_words(_commit: str) -> tuple[str, str]:
    """Nothing, of any commit."""
    return "", ""


_RESTART_SECONDS: Final = 300.0
"""How long no loop has run at most if what was wrong before and after counts as not interrupted."""


class Reporter:
    """Keeps what goes on from report to report."""

    def __init__(
        self,
        location: str,
        before: Report | None,
        *,
        applies: bool,
        heals: bool = False,
        words: Words = no_words,
        grace: float = 0.0,
        mode: Mode = Mode.FOLLOWING,
        change_mode: str = "",
        ended: float | None = None,
    ) -> None:
        """Begin with what an earlier run has reported last.

        Args:
            location: where manifests come from, for people.
            before: the last report of an earlier run; None where there is none.
            applies: whether the loop applies.
            heals: whether it corrects what other programs change.
            words: what a commit says of itself; it is asked once for each commit that comes.
            grace: how many seconds the repository may be out of reach before that is reported.
            mode: whether it follows its manifests, or is held.
            change_mode: the command that makes it the other one.
            ended: when the earlier run ended (seconds since 1970); None where it has left no word of that.
        """
        self._ended = ended
        self._mode = mode
        self._change_mode = change_mode
        self._words = words
        self._grace = grace
        self._heals = heals
        self._is_first = True
        self._location = location
        self._applies = applies
        self._counters = Counters()
        self._last = before
        self._apply_seconds = before.apply_seconds if before else None

    def _lasts(self, last: Report, now: float) -> bool:
        """Whether the condition of an earlier run, whose `last` report this is, has lasted until `now`.

        Nothing is known of the time in which no loop ran, so that nothing was in sync then. What is wrong before and
        after a restart has not begun anew with it.
        """
        left = last.cycle_ended if self._ended is None else self._ended
        return last.condition is not Condition.IN_SYNC and now - left <= _RESTART_SECONDS

    def report(
        self, result: CycleResult, enforced: Configuration | None, triggers: Collection[Trigger], moment: Moment
    ) -> Report:
        """What is known after `result`, which `triggers` have led to, while `enforced` is enforced."""
        last = self._last
        self._counters = self._counted(result, triggers)
        condition, now = result.ending.condition, moment.now
        offer = result.offer
        plan = result.plan
        paths = (offer and offer.paths) or (last.source.paths if last else ())
        same = last is not None and last.condition is condition and (not self._is_first or self._lasts(last, now))
        self._is_first = False
        self._apply_seconds = self._apply_seconds if result.apply_seconds is None else result.apply_seconds
        is_rolled_back = result.outcome is not None and result.outcome.result is Result.ROLLED_BACK
        report = Report(
            host=plan.desired.host.name if plan else last.host if last else "",
            condition=condition,
            summary=result.ending.summary,
            since=last.since if last and same else now,
            source=self._source(result, enforced.commit if enforced else "", paths, now),
            generation=result.generation,
            guests=guest_reports(plan, result.suspensions) if plan else last.guests if last else (),
            queues=queue_counts(plan) if plan else last.queues if last else {},
            differences=differences(plan) if plan else (),
            suspended=suspended(result.suspensions.host),
            counters=self._counters,
            cycle_ended=now,
            succeeded=now if condition is Condition.IN_SYNC else last.succeeded if last else None,
            apply_seconds=self._apply_seconds,
            plan_seconds=result.seconds,
            applies=self._applies,
            due=moment.due,
            appeared=result.appeared,
            stopped=result.stopped,
            heals=self._heals,
            enforces=enforced is not None,
            looked=now if plan else last.looked if last else None,
            rolled_back=now if is_rolled_back else last.rolled_back if last else None,
            polled=dict(moment.polled),
            changed=changes_of(result.applied) if result.applied else (),
            differing=changes_of(plan) if plan else (),
            corrected=(last.corrected if last else {}) if result.corrected is None else result.corrected,
            drifting=result.drifting,
            mode=self._mode,
            change_mode=self._change_mode,
        )
        report = report._replace(fought=_fought(last.fought if last else (), report, result))
        self._last = report
        return report

    def seconds_to_news(self, now: float) -> float:
        """In how many seconds there is something to report although nothing happens; infinite where there is not."""
        source = self._last.source if self._last else None
        if source is None or source.unreachable_since is None or source.is_long_unreachable:
            return math.inf
        return max(0.0, source.unreachable_since + self._grace - now)

    def _source(self, result: CycleResult, commit: str, paths: tuple[str, ...], now: float) -> SourceReport:
        last = self._last.source if self._last else SourceReport(self._location)
        unreachable, refused = result.offer.unreachable if result.offer else "", result.refused
        since = (now if last.unreachable_since is None else last.unreachable_since) if unreachable else None
        subject, author = self._words_of(commit, last)
        refused_subject, refused_author = self._words_of(refused.commit if refused else "", last)
        return SourceReport(
            self._location,
            commit,
            refused,
            unreachable,
            paths,
            result.offer.reach if result.offer else "",
            subject,
            author,
            refused_subject,
            refused_author,
            since,
            since is not None and now - since >= self._grace,
        )

    def _words_of(self, commit: str, last: SourceReport) -> tuple[str, str]:
        if not commit:
            return "", ""
        if commit == last.commit and last.subject:
            return last.subject, last.author
        if last.refused and commit == last.refused.commit and last.refused_subject:
            return last.refused_subject, last.refused_author
        return self._words(commit)

    def _counted(self, result: CycleResult, triggers: Collection[Trigger]) -> Counters:
        counters = self._counters
        applies, by_source = dict(counters.applies), dict(counters.triggers)
        for source in {trigger.source for trigger in triggers}:
            by_source[source] = by_source.get(source, 0) + 1
        # What needed no write was applied, too: it is a generation.
        if result.outcome and (result.recorded or result.outcome.result is not Result.NOTHING):
            ended = result.outcome.result.value
            applies[ended] = applies.get(ended, 0) + 1
        new = result.refused and (self._last is None or self._last.source.refused != result.refused)
        return Counters(
            cycles=counters.cycles + 1,
            applies=applies,
            triggers=by_source,
            refused=counters.refused + bool(new),
            healed=counters.healed + result.healed,
        )


def guest_reports(plan: Plan, suspensions: Suspensions) -> tuple[GuestReport, ...]:
    """Suspended guests that no manifest names any more, then every guest of `plan`, in its order."""
    wanted = {guest.uuid: guest.config.matrix.size for guest in plan.desired.guests}
    statuses = {one.uuid: one.why for one in status_of(plan).guests}
    going = tuple(
        _unnamed(uuid, name, plan, suspensions) for uuid, name in plan.withheld.items() if uuid not in statuses
    )
    return going + tuple(
        GuestReport(
            name=one.name,
            uuid=one.uuid,
            wanted=wanted.get(one.uuid, 0),
            authorised=None if one.before is None else one.before.matrix.size,
            effective=None if one.sees_before is None else one.sees_before.size,
            why=statuses[one.uuid],
            drifted=one.changes and one.cause is Cause.HOST,
            suspended=suspended(suspensions.guests.get(one.name)),
            sees=_seen(one.sees_before),
        )
        for one in plan.guests
    )


def _unnamed(uuid: str, name: str, plan: Plan, suspensions: Suspensions) -> GuestReport:
    """A suspended guest that no manifest names any more, and whose device is there still."""
    found = {one.uuid: one for one in plan.observed.mdevs}[uuid]
    return GuestReport(
        name=name,
        uuid=uuid,
        wanted=0,
        authorised=found.config.matrix.size,
        effective=None if found.effective is None else found.effective.size,
        why=(WITHHELD,),
        drifted=False,
        suspended=suspended(suspensions.guests.get(name)),
        sees=_seen(found.effective),
    )


def queue_counts(plan: Plan) -> Mapping[str, int]:
    """How many queues there are by state; see `reconciler.watch.report.Report`."""
    effective = sum(one.sees_before.size for one in plan.guests if one.sees_before)
    authorised = sum(one.before.matrix.size for one in plan.guests if one.before)
    status = status_of(plan)
    claimed = len(status.claims())
    return {
        "host": sum(plan.observed.pool.has(one.queue) for one in plan.observed.queues),
        "effective": effective,
        "pending": authorised - effective,
        "claimed": claimed,
        "free": len(status.unheld) - claimed,
    }


def _fought(known: tuple[Changed, ...], report: Report, result: CycleResult) -> tuple[Changed, ...]:
    """What another program has set last in the holders that `report` has as corrected; the newest come last.

    `known` is what was so before this cycle, whose `result` it is.
    """
    corrected = drifted(result.applied).values() if result.applied and result.healed else ()
    seen = [one for one in report.changed if one.name in corrected]
    seen += [one for one in report.differing if one.name in report.drifting]
    newest = {one.name: one for one in seen}
    older = (one for one in known if one.name not in newest)
    return tuple(one for one in (*older, *newest.values()) if one.name in report.corrected)[-MOST_DIFFERENCES:]


def _seen(matrix: Matrix | None) -> str:
    if matrix is None:
        return ""
    return config_text(ApConfig(matrix.adapters, matrix.domains, matrix.domains)) if matrix.size else "no queue"


def suspended(one: Suspension | None) -> Suspended | None:
    """A suspension as it is reported."""
    return Suspended(*one) if one else None


class Finding(NamedTuple):
    """What a command found of a host that it has changed, or whose suspensions it has changed.

    Attributes:
        plan: of what was applied last, on the host as it is now; None where that cannot be made.
        condition: how the host stands.
        summary: one sentence about it.
        suspensions: what is suspended now.
        generation: what was applied last; 0 where nothing was.
        commit: the git commit that this came from; empty where there is none.
        is_rolled_back: whether an apply was just rolled back.
    """

    plan: Plan | None
    condition: Condition
    summary: str
    suspensions: Suspensions
    generation: int
    commit: str
    is_rolled_back: bool


def report_of_command(finding: Finding, before: Report | None, now: float) -> Report:
    """The report after a command, at `now` (seconds since 1970).

    What only a loop knows stays as it said it `before`, which is the newest report; None where there is none.
    """
    plan, condition, suspensions = finding.plan, finding.condition, finding.suspensions
    base = before or NO_REPORT._replace(condition=condition, since=now, cycle_ended=now)
    if not base.counters.cycles:  # no loop has said where manifests come from
        base = base._replace(
            source=SourceReport(f"generation {finding.generation} of the history", finding.commit), cycle_ended=now
        )
    seen = (
        base._replace(guests=tuple(_suspended_now(one, suspensions) for one in base.guests))
        if plan is None
        else base._replace(
            host=plan.desired.host.name,
            guests=guest_reports(plan, suspensions),
            queues=queue_counts(plan),
            differences=differences(plan),
            looked=now,
        )
    )
    return seen._replace(
        condition=condition,
        summary=finding.summary,
        since=base.since if base.condition is condition else now,
        generation=finding.generation,
        suspended=suspended(suspensions.host),
        succeeded=now if condition is Condition.IN_SYNC else base.succeeded,
        appeared=(),
        rolled_back=now if finding.is_rolled_back else base.rolled_back,
    )


def _suspended_now(one: GuestReport, suspensions: Suspensions) -> GuestReport:
    return one._replace(suspended=suspended(suspensions.guests.get(one.name)))
