"""Runs of a controller on models of hosts, which answer as ``history state`` does, and faults drawn by a seed.

The same faults happen to real hosts over real ssh in ``./run trials ansible``, with equal results (`replayed`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from random import Random
from typing import Any, Final, NamedTuple, Protocol

from reconciler.fleet.plan_file import FleetPlan, fleet_commit_of
from reconciler.fleet.run import PROGRESS, Kind, Progress, Reply, Request, Stage, advanced, result_of
from testing.fleet_plans import fleet_plan
from testing.ssh_hosts import Link

HOSTS: Final = ("a", "b", "c")


class Host:
    """What one host keeps: of each apply how it stands, and which commit it is a part of."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.applies: dict[str, str] = {}
        self.fleets: dict[str, dict[str, Any]] = {}
        self.mode = "none"
        self.fingerprint = ""
        self.seconds = 1800
        self.coming: list[Link] = []
        self.late: list[Callable[[], object]] = []

    def state(self, fleet: str) -> dict[str, Any]:
        """As ``history state -o json`` prints it; `fleet` is empty for the newest commit."""
        which = next((one for one in reversed(self.fleets) if not fleet or self.fleets[one]["id"] == fleet), fleet)
        state = self.applies.get(which, "unknown")
        waits = [one for one, how in self.applies.items() if how == "pending" and one != which]
        return {
            "id": which or None,
            "state": state,
            "secondsLeft": self.seconds if state == "pending" else None,
            "bootId": "boot",
            "fingerprint": self.fingerprint if which in self.fleets else None,
            "isDrifted": False if state == "pending" else None,
            "mode": self.mode,
            "pending": {"id": waits[0]} if waits else None,
            "fleet": self.fleets.get(which),
        }

    def received(self, request: Request, plan: FleetPlan) -> Reply | None:
        """What becomes of `request` by the next link; None where no answer comes."""
        link = self.coming[0] if self.coming else "good"
        if link != "down":
            self.coming = self.coming[1:]
        if link == "delayed":
            self.late.append(lambda: self.asked(request, plan))
        if link in {"lost", "down", "delayed"}:
            return None
        reply = self.asked(request, plan)
        return None if link == "answer lost" else reply

    def asked(self, request: Request, plan: FleetPlan) -> Reply:
        """Do what is asked."""
        planned = next((one for one in plan.hosts if one.name == self.name), None)
        refusal = ""
        if request.kind in {Kind.APPLY, Kind.CHECK} and request.id not in self.applies:
            assert planned
            now = self.applies.values()
            is_there = "confirmed" in now and self.fingerprint == planned.fingerprint
            refusal = "busy" if "pending" in now else "stale" if is_there else ""
            if request.kind is Kind.APPLY and not refusal:
                self.applies[request.id] = "pending"
                self.fleets[request.id] = fleet_commit_of(plan, request.fleet).record
                self.fingerprint = planned.fingerprint
        if request.kind is Kind.EXTEND:
            self.seconds = 1800
        if request.kind is Kind.CONFIRM and self.applies.get(request.id) == "pending":
            self.applies[request.id] = "confirmed"
        if request.kind is Kind.CANCEL and self.applies.get(request.id, "pending") == "pending":
            self.applies[request.id] = "cancelled"
        fingerprint = planned.fingerprint if planned and request.kind is Kind.CHECK else ""
        return Reply("", self.state(request.fleet), refusal, fingerprint)

    def expire(self) -> None:
        """The time of what waits is over."""
        self.applies = {name: "expired" if how == "pending" else how for name, how in self.applies.items()}


class Fleet:
    """Hosts, and the runs of controllers."""

    def __init__(self, *names: str) -> None:
        self.hosts = {name: Host(name) for name in names or HOSTS}
        self.stages: list[Stage] = []
        self.numbers = count(1)

    def run(self, plan: FleetPlan, until: Callable[[Progress], bool] = lambda _: False) -> Progress:
        """A run to its end, or until it is killed: before it sends the requests for which `until` holds."""
        here = [one.name for one in plan.hosts]
        progress, replies = Progress(f"night-{next(self.numbers)}"), dict[str, Reply]()
        for _ in range(60):
            progress = advanced(plan, progress, replies, here)
            carried = json.loads(json.dumps(PROGRESS.plain(progress)))
            assert PROGRESS.read(Progress, carried) == progress
            if progress.end or until(progress):
                return progress
            self.stages.append(progress.stage)
            assert progress.requests or progress.soak is not None
            sent = {one.host: self.hosts[one.host].received(one, plan) for one in progress.requests if one.host in here}
            replies = {name: reply for name, reply in sent.items() if reply}
        raise AssertionError(progress)

    def states(self, number: int) -> list[str]:
        """How the commit of a run stands on each host."""
        return [str(one.state(f"night-{number}")["state"]) for one in self.hosts.values()]

    def links(self, coming: Mapping[str, Sequence[Link]]) -> None:
        """See `Hosts`."""
        for name, links in coming.items():
            self.hosts[name].coming = [*links]

    def outcome(self) -> str:
        """See `Hosts`."""
        return str(result_of(self.run(fleet_plan()))["outcome"])

    def deliver(self) -> None:
        """See `Hosts`."""
        for host in self.hosts.values():
            late, host.late = host.late, []
            for request in late:
                request()

    def pass_an_hour(self) -> None:
        """See `Hosts`."""
        for host in self.hosts.values():
            host.expire()


class Hosts(Protocol):
    """Three hosts, models or real ones, of which nothing is known yet."""

    def links(self, coming: Mapping[str, Sequence[Link]]) -> None:
        """What becomes of the next requests to each host."""

    def outcome(self) -> str:
        """How a new run of a controller ends."""

    def deliver(self) -> None:
        """Requests that were delayed arrive."""

    def pass_an_hour(self) -> None:
        """What waits expires."""

    def states(self, number: int) -> list[str]:
        """How the commit of that run stands on each host."""


class Replayed(NamedTuple):
    """What has come of a seed: how both runs ended, and how the commit of each stands on each host."""

    outcomes: tuple[str, str]
    states: tuple[list[str], list[str]]


def replayed(hosts: Hosts, seed: int) -> Replayed:
    """A run with faults of links that `seed` draws; then what was late arrives, and a second run without faults."""
    chance = Random(seed)
    kinds: tuple[Link, ...] = ("good", "lost", "answer lost", "delayed")
    hosts.links({name: chance.choices(kinds, (14, 1, 1, 1), k=7) for name in HOSTS})
    first = hosts.outcome()
    hosts.links(dict.fromkeys(HOSTS, ()))
    if chance.random() < 0.5:
        hosts.deliver()
    if chance.random() < 0.3:
        hosts.pass_an_hour()
    hosts.deliver()
    return Replayed((first, hosts.outcome()), (hosts.states(1), hosts.states(2)))
