"""A commit to several hosts for people and programs: its plan, how it ended, how the hosts stand, and the history."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from reconciler.fleet.answers import Ended, NotReached, Refused, Standings, Stands
from reconciler.fleet.commit import Outcome, Refusal
from reconciler.fleet.host_plan import ALLOW_DISRUPTION, NeededConsent, read_host_plan
from reconciler.fleet.plan_file import FleetHost, FleetPlan
from reconciler.model.codec import Codec
from reconciler.model.durations import duration_text
from reconciler.model.matrix import Queue
from reconciler.model.outcome import FleetCommit
from reconciler.model.printable import lines_text
from reconciler.render.plan_json import json_text
from reconciler.render.table import Page, Row, table_lines
from reconciler.render.text import counted

NO_ANSWER: Final = "no answer"
"""What stands in place of a plan for a host that Ansible did not find."""


class PlannedFleet(NamedTuple):
    """What each host said when it was asked for a plan.

    Attributes:
        plan: the plan, with the hosts that have one.
        refused: why each of the others has none, by name, in order.
    """

    plan: FleetPlan
    refused: Mapping[str, Refused | NotReached]


def reason_of(one: Refused | NotReached) -> str:
    """Why a host cannot take part, for people."""
    if isinstance(one, NotReached):
        return f"it cannot be reached: {one.unreachable}"
    words: dict[str, str] = {
        Refusal.STALE: "it is another one than was planned for",
        Refusal.INVALID: "it cannot do this",
        Refusal.CONSENT: "consent is needed",
        Refusal.BUSY: "another apply waits there or is at work",
        Refusal.FOLLOWING: "its loop follows manifests of its own",
    }
    word = words.get(one.refusal, f"it has refused ({one.refusal})")
    return f"{word}: {one.why}" if one.why else word


def missing_consents(plan: FleetPlan) -> dict[str, tuple[NeededConsent, ...]]:
    """The consents that were not given, by host."""
    found = {one.name: plan.missing(one) for one in plan.hosts}
    return {name: missing for name, missing in found.items() if missing}


def consent_options(missing: Mapping[str, Iterable[NeededConsent]]) -> dict[str, tuple[str, ...]]:
    """The options of ``reconcile fleet plan`` that give the `missing` consents, by host: the values of each."""
    found: dict[str, dict[str, None]] = {}
    for host, needed in missing.items():
        for one in needed:
            whole = one.flag != ALLOW_DISRUPTION or one.holder == "host"
            found.setdefault(one.flag, {})[host if whole else f"{host}/{one.holder}"] = None
    return {flag: tuple(values) for flag, values in found.items()}


def plan_text(fleet: PlannedFleet, page: Page) -> str:
    """A line for each host, what needs consent, and the totals."""
    plan = fleet.plan
    rows = [Row((one.name, _goes(one), one.summary), {2: "changed"} if one.has_changes else {}) for one in plan.hosts]
    rows += [Row((name, "", reason_of(one)), {2: "error"}) for name, one in fleet.refused.items()]
    lines = table_lines(("HOST", "GOES", "PLAN"), rows, page._replace(width=None), ())
    for host in plan.hosts:
        missing = plan.missing(host)
        for one in read_host_plan(host.plan).consents:
            word = "needs consent" if one in missing else "consent is given"
            lines += page.wrapped(f"{host.name}: ", f"{word}: {one.holder}: {one.reason}")
    return lines_text([*lines, "", *page.wrapped("", _totals(fleet), style="bold")])


def _goes(host: FleetHost) -> str:
    if not host.has_changes:
        return "-"
    return "first" if host.is_canary else "early" if host.only_gives_up else "then"


def _totals(fleet: PlannedFleet) -> str:
    plan = fleet.plan
    sums = [read_host_plan(one.plan).summary for one in plan.hosts]
    changed = sum(one.has_changes for one in plan.hosts)
    count = counted(len(plan.hosts) + len(fleet.refused), "host")
    writes = counted(sum(one.kernel_writes for one in sums), "kernel write")
    guests = counted(sum(one.guests_interrupted for one in sums), "guest")
    lost = f", {counted(len(fleet.refused), 'host')} without a plan" if fleet.refused else ""
    without = f"; left out: {', '.join(plan.without)}" if plan.without else ""
    return f"Fleet plan: {count}, {changed} with changes{lost}; {writes}, {guests} interrupted{without}."


def plan_json(fleet: PlannedFleet) -> str:
    """The same for programs, without the manifests and plans of the hosts, which the saved plan has."""
    plan = fleet.plan
    hosts = [
        {
            "name": one.name,
            "isCanary": one.is_canary,
            "onlyGivesUp": one.only_gives_up,
            "hasChanges": one.has_changes,
            "fingerprint": one.fingerprint,
            "summary": one.plan["summary"],
            "missingConsents": [missing._asdict() for missing in plan.missing(one)],
            "refusal": None,
            "why": None,
        }
        for one in plan.hosts
    ]
    hosts += [
        {
            "name": name,
            "isCanary": None,
            "onlyGivesUp": None,
            "hasChanges": None,
            "fingerprint": None,
            "summary": None,
            "missingConsents": [],
            "refusal": one.refusal if isinstance(one, Refused) else "unreachable",
            "why": one.why if isinstance(one, Refused) else one.unreachable,
        }
        for name, one in fleet.refused.items()
    ]
    record = {
        "formatVersion": 1,
        "commit": plan.commit and plan.commit._asdict(),
        "operator": plan.operator,
        "settings": Codec().plain(plan.settings),
        "without": list(plan.without),
        "hosts": hosts,
        "hmc": plan.hmc and plan.hmc.get("changes"),
    }
    return json_text(record)


_ENDINGS: Final = {
    Outcome.ALL: "all hosts have what was planned",
    Outcome.STALE: "no host was touched: not all are as they were when the plan was made",
    Outcome.NONE: "no host has changed: what was applied is cancelled, or rolled back by the timer of the host",
    Outcome.DEGRADED: "a host is degraded: it could not be rolled back",
    Outcome.BUSY: "no host was touched: another commit or apply is under way, or a loop follows a branch",
    Outcome.MIXED: "some hosts have changed and others have not, each of them wholly",
}


def ended_text(ended: Ended, plan: FleetPlan, page: Page) -> str:
    """How a commit ended: a line for each host, then what that means, and what is to be done on the HMC."""
    rows = [Row((one.name, one.state, one.why)) for one in ended.hosts]
    lines = table_lines(("HOST", "STATE", "WHY"), rows, page._replace(width=None), ()) if rows else []
    style = "good" if ended.outcome is Outcome.ALL else "error"
    ending = page.wrapped("", f"{ended.id}: {ended.outcome}: {_ENDINGS[ended.outcome]}", style=style)
    without = [f"left out: {', '.join(plan.without)}"] if plan.without else []
    return lines_text([*lines, *ending, *without]) + hmc_work(ended, plan)


def hmc_work(ended: Ended, plan: FleetPlan) -> str:
    """What has to be changed on the HMC now; empty where nothing was confirmed, or there is nothing to do."""
    hmc = plan.hmc or {}
    if ended.outcome is not Outcome.ALL or not hmc.get("changes", {}).get("steps"):
        return ""
    return lines_text(["", "To be done on the HMC now:", "", *str(hmc.get("text", "")).splitlines()])


def ended_json(ended: Ended, plan: FleetPlan) -> str:
    """The same for programs."""
    work = hmc_work(ended, plan)
    record = {
        "formatVersion": 1,
        "id": ended.id,
        "outcome": ended.outcome.value,
        "hosts": [one._asdict() for one in ended.hosts],
        "without": list(plan.without),
        "hmc": plan.hmc["changes"] if plan.hmc and work else None,
    }
    return json_text(record)


class LeftOut(NamedTuple):
    """A host that a commit has left out and that has not caught up with it since."""

    host: str
    id: str
    operator: str


def left_out(standings: Standings) -> tuple[LeftOut, ...]:
    """The hosts that were left out of the newest commit of any host that answered, and do not have that commit since.

    A host has caught up where its newest apply is of the same git commit, or where it was a part of a later commit of
    the hosts that have left it out.
    """
    stands = {name: one for name, one in standings.hosts.items() if isinstance(one, Stands)}
    found: dict[str, LeftOut] = {}
    for name in sorted(stands):
        fleet = stands[name].state.fleet
        for host in fleet.without if fleet else ():
            assert fleet
            if not _has_caught_up(stands.get(host), fleet):
                found.setdefault(host, LeftOut(host, fleet.id, fleet.operator))
    return tuple(found[host] for host in sorted(found))


def _has_caught_up(one: Stands | None, fleet: FleetCommit) -> bool:
    if one is None:
        return False
    newest = one.history.generations[-1] if one.history.generations else None
    wanted = fleet.commit.id if fleet.commit else None
    return wanted is not None and newest is not None and newest.result == "applied" and wanted == _commit(newest)


def _commit(newest: Any) -> str | None:
    fleet = newest.fleet
    found: str | None = fleet.commit.id if fleet and fleet.commit else newest.commit
    return found


def pending_queues(standings: Standings) -> list[tuple[str, str, str]]:
    """Each queue that a guest may have and does not see: host, guest and queue, in order."""
    return [
        (name, guest.name, str(Queue(*queue)))
        for name, one in sorted(standings.hosts.items())
        if isinstance(one, Stands)
        for guest in one.status.guests
        for queue in guest.pending
    ]


def status_text(standings: Standings, page: Page, *, most: int = 20) -> str:
    """A line for each host, then what is pending, which VMs are concerned, and who was left out."""
    rows = [_standing_row(name, one) for name, one in sorted(standings.hosts.items())]
    lines = table_lines(("HOST", "LOOP", "LAST COMMIT", "STATE", "NOTE"), rows, page._replace(width=None), ())
    lines += [line for name, one in sorted(standings.hosts.items()) for line in _notes(name, one, page)]
    for out in left_out(standings):
        text = f"left out of {out.id} by {out.operator}, and has not caught up since"
        lines += page.wrapped(f"{out.host}: ", text, style="warning")
    pending = pending_queues(standings)
    lines += [f"pending: {host}: {guest} does not see {queue} yet" for host, guest, queue in pending[:most]]
    if len(pending) > most:
        lines.append(f"pending: {len(pending) - most:,} queues more; -o json lists all")
    return lines_text(lines)


def _standing_row(name: str, one: Stands | Refused | NotReached) -> Row:
    if not isinstance(one, Stands):
        return Row((name, "-", "-", "-", reason_of(one)), {4: "error"})
    fleet = one.state
    left = f"rolled back in {duration_text(fleet.seconds_left)}" if fleet.seconds_left is not None else ""
    differs = "" if one.status.in_sync is not False else "differs from what is wanted"
    state = fleet.state if fleet.fleet else "-"
    note = "; ".join(part for part in (left, differs) if part)
    return Row((name, fleet.mode, fleet.fleet.id if fleet.fleet else "-", state, note))


def _notes(name: str, one: Stands | Refused | NotReached, page: Page) -> Iterator[str]:
    if not isinstance(one, Stands):
        return
    if one.state.mode == "following" and one.state.change_mode:
        yield from page.wrapped(f"{name}: ", f"no commit takes it; to change that, run there: {one.state.change_mode}")
    if other := one.state.pending:
        seconds = "" if other.seconds_left is None else f", for {duration_text(other.seconds_left)}"
        yield from page.wrapped(
            f"{name}: ", f"another apply waits to be confirmed{seconds}: {other.id or 'without an id'}"
        )
    for guest in in_window(one):
        text = f"VM {guest} has its device open, which the pending commit changes: a rollback takes queues from it"
        yield from page.wrapped(f"{name}: ", text, style="warning")


def in_window(one: Stands) -> tuple[str, ...]:
    """The guests whose VMs have a device open that an apply has made or changed which waits to be confirmed."""
    newest = one.history.generations[-1] if one.history.generations else None
    if newest is None or not (one.state.state == "pending" or one.state.pending):
        return ()
    return tuple(guest.name for guest in one.status.guests if guest.in_use and guest.name in newest.guests)


def status_json(standings: Standings) -> str:
    """The same for programs."""
    codec = Codec()
    hosts = {}
    for name, one in sorted(standings.hosts.items()):
        if isinstance(one, Stands):
            guests = [
                {"name": guest.name, "pending": [str(Queue(*queue)) for queue in guest.pending]}
                for guest in one.status.guests
            ]
            record = {**codec.plain(one.state), "inSync": one.status.in_sync, "inWindow": list(in_window(one))}
            hosts[name] = {**record, "guests": guests, "unreachable": None}
        else:
            hosts[name] = {"unreachable": reason_of(one)}
    record = {"formatVersion": 1, "hosts": hosts, "leftOut": [one._asdict() for one in left_out(standings)]}
    return json_text(record)


class PastCommit(NamedTuple):
    """A commit in the histories of the hosts: when it began there first, and how it ended on each."""

    fleet: FleetCommit
    started: str
    results: Mapping[str, str]


def past_commits(standings: Standings) -> list[PastCommit]:
    """The commits to several hosts in the histories of all hosts that answered, the newest first."""
    found: dict[str, PastCommit] = {}
    for name, one in sorted(standings.hosts.items()):
        for past in one.history.generations if isinstance(one, Stands) else ():
            if past.fleet:
                known = found.get(past.fleet.id, PastCommit(past.fleet, past.started, {}))
                results = {**known.results, name: past.result}
                found[past.fleet.id] = PastCommit(past.fleet, min(known.started, past.started), results)
    return sorted(found.values(), key=lambda one: (one.started, one.fleet.id), reverse=True)


def history_text(commits: Sequence[PastCommit], page: Page) -> str:
    """A line for each of `commits`."""
    rows = []
    for one in commits:
        fleet = one.fleet
        source = f"{fleet.commit.id[:12]} {fleet.commit.subject}".rstrip() if fleet.commit else "-"
        rows.append(Row((fleet.id, one.started[:16].replace("T", " "), fleet.operator, _counts(one), source)))
    heading = ("COMMIT", "STARTED (UTC)", "BY", "HOSTS", "OF")
    return lines_text(table_lines(heading, rows, page._replace(width=None), ()))


def _counts(one: PastCommit) -> str:
    counts: dict[str, int] = {}
    for host in one.fleet.hosts:
        result = one.results.get(host, "unknown")
        counts[result] = counts.get(result, 0) + 1
    return ", ".join(f"{count} {result}" for result, count in sorted(counts.items()))


def history_json(commits: Sequence[PastCommit]) -> str:
    """The same for programs."""
    listed = [
        {
            **one.fleet.record,
            "started": one.started,
            "results": {host: one.results.get(host) for host in one.fleet.hosts},
        }
        for one in commits
    ]
    return json_text({"formatVersion": 1, "commits": listed})
