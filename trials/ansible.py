"""Commits to five hosts by the real ansible-playbook over real ssh: a table of how they end.

The outcomes have the names of the simulation. Each scenario has hosts of its own; a run that ends mixed, or is
killed, is followed by a second one.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Final, NamedTuple

from testing.ansible_fleet import MANIFESTS, Ended, begun, committed, ended, id_of, planned
from testing.fleet_runs import HOSTS, Replayed, replayed
from testing.fleet_runs import Fleet as Models
from testing.ssh_hosts import DESCRIPTION, Link, SshFleet, killed, ssh_hosts

NAMES: Final = ("a", "b", "c", "d", "e")

SESSIONS: Final = {"find": 1, "check": 2, "apply": 3, "confirm": 4}
"""Which ssh session of a host has the request of each stage: of the host that decides, and of the others."""


class Scenario(NamedTuple):
    """What happens.

    Attributes:
        name: in the table.
        outcomes: how its runs are to end, one after the other.
        confirmed: how many hosts are at the target in the end.
        play: lets it happen on the hosts, with the plan for all of them; gives how the runs ended.
        faults: of the kernel of the host `c`, as in its description.
        mounted: whether each host is mounted, as a real sysfs is.
    """

    name: str
    outcomes: tuple[str, ...]
    confirmed: int
    play: Callable[[SshFleet, Path], Sequence[str]]
    faults: str = ""
    mounted: bool = False


class Row(NamedTuple):
    """What has come of a scenario."""

    scenario: Scenario
    outcomes: tuple[str, ...]
    confirmed: int
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether it is what was expected."""
        return (self.outcomes, self.confirmed) == (self.scenario.outcomes, self.scenario.confirmed)

    def __str__(self) -> str:
        """A line of the table."""
        found = f"{', then '.join(self.outcomes):<16} {self.confirmed} of {len(NAMES)}"
        line = f"{self.scenario.name:<52} {found}   {self.seconds:5.0f} s"
        if self.is_right:
            return line
        return f"{line}  EXPECTED {', then '.join(self.scenario.outcomes)}, {self.scenario.confirmed}"


def scenarios() -> Iterator[Scenario]:
    """All of them."""
    yield Scenario("nothing fails", ("all",), 5, _once)
    yield Scenario("nothing fails, on mounted hosts", ("all",), 5, _once, mounted=True)
    yield Scenario("canaries, two at one time", ("all",), 5, _once_in_batches)
    yield Scenario("one has changed since it was planned", ("stale",), 0, _changed_before)
    yield Scenario("another apply waits on one", ("busy",), 0, _busy)
    yield Scenario("one fails while it applies", ("none",), 0, _once, "  faults: [{write: 2, errno: EADDRINUSE}]\n")
    for stage, outcomes, targets in (
        ("find", ("none", "all"), 5),
        ("check", ("none", "all"), 5),
        ("apply", ("none", "all"), 5),
        ("confirm", ("mixed", "all"), 5),
    ):
        yield Scenario(
            f"one is unreachable from {stage} on, then reachable", outcomes, targets, _unreachable("c", stage)
        )
    yield Scenario("the first is unreachable from confirm on", ("mixed", "all"), 5, _unreachable("a", "confirm"))
    for stage, how in (("find", "before"), ("check", "before"), ("apply", "before"), ("apply", "after")):
        name = f"the controller is killed {how} {stage} of one"
        yield Scenario(name, ("killed", "all"), 5, _killed("c", stage, f"stop {how}"))  # type: ignore[arg-type]
    yield Scenario("the controller is killed before the first confirm", ("killed", "all"), 5, _killed("a", "confirm"))
    yield Scenario("... after it", ("killed", "all"), 5, _killed("a", "confirm", "stop after"))
    yield Scenario("... before the confirm of another one", ("killed", "all"), 5, _killed("c", "confirm"))
    yield Scenario("... and that one expires before the second run", ("killed", "all"), 5, _expired)
    yield Scenario("a second controller while the first applies", ("none", "all"), 5, _second("apply"))
    yield Scenario("a second controller between two confirms", ("all", "all"), 5, _second("confirm"))


def rows(chosen: Sequence[Scenario]) -> Iterator[Row]:
    """What comes of each."""
    with tempfile.TemporaryDirectory(prefix="reconcile-trials-") as folder:
        with ssh_hosts(Path(folder) / "plan", NAMES) as fleet:
            plans = {}
            for canaries, batch in (((), None), (("d",), 2)):
                plan = planned(fleet, canaries=canaries, batch=batch)
                plans[batch] = Path(folder) / f"plan-{batch}.json"
                plans[batch].write_bytes(plan.read_bytes())
        for number, one in enumerate(chosen):
            begun_at = time.monotonic()
            descriptions = {name: DESCRIPTION % name + (one.faults if name == "c" else "") for name in NAMES}
            with ssh_hosts(Path(folder) / str(number), descriptions, mounted=one.mounted) as fleet:
                outcomes = tuple(one.play(fleet, plans[2 if one.play is _once_in_batches else None]))
                confirmed = sum(at_target(fleet, name) for name in NAMES)
                yield Row(one, outcomes, confirmed, time.monotonic() - begun_at)


def at_target(fleet: SshFleet, name: str) -> bool:
    """Whether the host is as the manifests say.

    Raises:
        AssertionError: something waits there, or it is neither at its start nor at its target.
    """
    manifests = fleet.folder / f"{name}.yaml"
    manifests.write_text(MANIFESTS.format(name=name, remark="none"))
    fleet[name].run("confirm")  # recovers what a killed command has left; what waits would be confirmed
    ran = fleet[name].run("plan", "--detailed-exitcode", "-f", str(manifests))
    assert ran.returncode in {0, 2}, ran.stderr
    return ran.returncode == 0


def _once(fleet: SshFleet, plan: Path) -> Sequence[str]:
    return [committed(fleet, plan).outcome]


def _once_in_batches(fleet: SshFleet, plan: Path) -> Sequence[str]:
    return _once(fleet, plan)


def _changed_before(fleet: SshFleet, plan: Path) -> Sequence[str]:
    return _applied_on_c(fleet, plan)


def _busy(fleet: SshFleet, plan: Path) -> Sequence[str]:
    found = _applied_on_c(fleet, plan, "--confirm-within", "1h", "--id", "other")
    fleet["c"].run("cancel", "other")
    return found


def _applied_on_c(fleet: SshFleet, plan: Path, *words: str) -> Sequence[str]:
    other = fleet.folder / "other.yaml"
    other.write_text(MANIFESTS.format(name="c", remark="none").replace("[5]", "[6]"))
    fleet["c"].run("apply", "--yes", "-f", str(other), *words)
    return _once(fleet, plan)


def _unreachable(name: str, stage: str) -> Callable[[SshFleet, Path], Sequence[str]]:
    def play(fleet: SshFleet, plan: Path) -> Sequence[str]:
        good: list[Link] = ["good"] * (SESSIONS[stage] - 1)
        fleet[name].links(*good, "down")
        first = committed(fleet, plan)
        fleet[name].links()
        return [first.outcome, committed(fleet, plan, 2).outcome]

    return play


def _killed(name: str, stage: str, how: Link = "stop before") -> Callable[[SshFleet, Path], Sequence[str]]:
    def play(fleet: SshFleet, plan: Path) -> Sequence[str]:
        first = _until_killed(fleet, plan, name, stage, how)
        fleet[name].go_on()  # what was on the way arrives
        return [first.outcome, committed(fleet, plan, 2).outcome]

    return play


def _until_killed(fleet: SshFleet, plan: Path, name: str, stage: str, how: Link) -> Ended:
    good: list[Link] = ["good"] * (SESSIONS[stage] - 1)
    fleet[name].links(*good, how)
    run = begun(fleet, plan)
    fleet[name].wait_until_stopped()
    killed(run.process)
    return Ended(-9, "", {})


def _expired(fleet: SshFleet, plan: Path) -> Sequence[str]:
    first = _until_killed(fleet, plan, "c", "confirm", "stop before")
    fleet["c"].pass_time(3600)
    assert fleet["c"].state(id_of(1)) == "expired"
    return [first.outcome, committed(fleet, plan, 2).outcome]


def _second(stage: str) -> Callable[[SshFleet, Path], Sequence[str]]:
    def play(fleet: SshFleet, plan: Path) -> Sequence[str]:
        good: list[Link] = ["good"] * (SESSIONS[stage] - 1)
        fleet["e"].links(*good, "stop before")
        first = begun(fleet, plan)
        fleet["e"].wait_until_stopped()
        second = committed(fleet, plan, 2)
        fleet["e"].go_on()
        return [ended(first).outcome, second.outcome]

    return play


SEEDS: Final = 8
"""How many seeds of the simulation are replayed."""


class _OverSsh:
    """Three hosts over ssh, as `testing.fleet_runs` has them."""

    def __init__(self, fleet: SshFleet, plan: Path) -> None:
        self.fleet, self.plan, self.runs = fleet, plan, 0

    def links(self, coming: Mapping[str, Sequence[Link]]) -> None:
        for name, links in coming.items():
            self.fleet[name].links(*links)

    def outcome(self) -> str:
        self.runs += 1
        return committed(self.fleet, self.plan, self.runs).outcome

    def deliver(self) -> None:
        for host in self.fleet.hosts.values():
            host.deliver()

    def pass_an_hour(self) -> None:
        for host in self.fleet.hosts.values():
            host.pass_time(3600)

    def states(self, number: int) -> list[str]:
        return [host.state(id_of(number)) for host in self.fleet.hosts.values()]


def seeds(first: int, number: int) -> Iterator[tuple[int, Replayed, Replayed]]:
    """Seeds whose faults change something, with what comes of them in the simulation and over ssh."""
    with tempfile.TemporaryDirectory(prefix="reconcile-trials-") as folder:
        plan = Path(folder) / "plan.json"
        with ssh_hosts(Path(folder) / "plan", HOSTS) as fleet:
            plan.write_bytes(planned(fleet).read_bytes())
        chosen = (seed for seed in count(first) if replayed(Models(), seed).outcomes[0] != "all")
        for seed in islice(chosen, number):
            with ssh_hosts(Path(folder) / str(seed), HOSTS) as fleet:
                yield seed, replayed(Models(), seed), replayed(_OverSsh(fleet, plan), seed)


def table(short: bool, seed: int) -> list[str]:
    """Print the table; what is wrong in it."""
    chosen = list(scenarios())
    wrong = []
    print(f"{'what happens':<52} {'outcome':<16} at the target")
    for row in rows(chosen[:: 5 if short else 1]):
        print(row, flush=True)
        if not row.is_right:
            wrong.append(str(row))
    for number, simulated, real in seeds(seed, 1 if short else SEEDS):
        same = simulated == real
        what = f"seed {number} of the simulation"
        print(
            f"{what:<52} {', then '.join(real.outcomes):<16} {'as simulated' if same else f'NOT {simulated}: {real}'}",
            flush=True,
        )
        if not same:
            wrong.append(what)
    return wrong
