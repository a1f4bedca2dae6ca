"""The whole story: read the manifests, observe the host, plan, apply.

The command, and later the watch loop and the libvirt hook, all go through here.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from reconciler.kernel.observe import observe
from reconciler.kernel.settle import Clock
from reconciler.kernel.sysfs import Sysfs
from reconciler.manifests.site import Site, placed, read_site
from reconciler.model.desired import Desired
from reconciler.model.outcome import Outcome
from reconciler.model.problems import Problem
from reconciler.planning.fingerprint import BASIS_WORDS
from reconciler.planning.plan import Basis, Plan
from reconciler.planning.planner import make_plan
from reconciler.transaction.journal import Books, Unfinished
from reconciler.transaction.state_directory import StateDirectory

if TYPE_CHECKING:
    from reconciler.kernel.lock_wait import Patience
    from reconciler.transaction.apply import Progress
    from reconciler.transaction.way_back import Return

# What only an apply needs is imported when one begins: a plan is made far more often.

LOCK_SECONDS: Final = 60.0
"""How long an apply waits for others that are at work, if nobody says otherwise."""


class Machine(NamedTuple):
    """What we work on.

    Attributes:
        sysfs: the host.
        clock: time.
        state: where we keep what must not be forgotten.
        boot_id: names the present boot of the host.
        name: the machine's host name, which picks the Host among several.
        tools_lock: the lock of ap-check and chzdev, or None where no such tool can reach the host.
    """

    sysfs: Sysfs
    clock: Clock
    state: StateDirectory
    boot_id: str
    name: str
    tools_lock: Path | None = None


class Request(NamedTuple):
    """What is asked for: manifests in `paths`, for the Host named `host` (None: the machine's, or the only one)."""

    paths: tuple[str | PathLike[str], ...]
    host: str | None


class InvalidManifests(Exception):
    """The manifests cannot be used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = tuple(problems)


class StalePlan(Exception):
    """What a saved or shown plan rests on has changed; the text says what."""


class NotApplicable(Exception):
    """The plan has errors or needs consent that was not given."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("the plan cannot be applied")
        self.plan = plan


class Recovered(NamedTuple):
    """What became of a transaction that an earlier run had begun and not ended."""

    unfinished: Unfinished
    returned: "Return"


class Applied(NamedTuple):
    """What an apply did, after which plan, and what it found unfinished before."""

    plan: Plan
    outcome: Outcome
    recovered: Recovered | None


def plan(request: Request, machine: Machine) -> Plan:
    """What would be done.

    Raises:
        InvalidManifests: the manifests cannot be used.
        UnreadableHost: the host cannot be read.
        BadRecord, UnsafeState: what we know of earlier runs cannot be used.
    """
    site = read_site(request.paths)
    desired = site.desired(request.host, machine.name)
    if not isinstance(desired, Desired):
        raise InvalidManifests((*desired, *(one for one in site.problems if one not in desired)))
    books = Books(machine.state, machine.boot_id)
    made = make_plan(desired, observe(machine.sysfs), books.applied())
    return made._replace(problems=_placed(made, site))


def _placed(made: Plan, site: Site) -> tuple[Problem, ...]:
    return (*site.problems, *placed(list(made.problems), site.sources))


def apply(
    request: Request,
    machine: Machine,
    progress: "Progress",
    *,
    command: str,
    consent: bool,
    basis: Basis | None = None,
    lock_seconds: float = LOCK_SECONDS,
) -> Applied:
    """Plan and carry it out, under the lock, after what an earlier run left has been put in order.

    Args:
        request: what is asked for.
        machine: what we work on.
        progress: who watches.
        command: told to whoever finds the lock held.
        consent: whether disruption is allowed.
        basis: what a plan that was shown or saved rests on; where anything of it has changed nothing is done.
        lock_seconds: how long to wait for another run and for other tools, together.

    Raises:
        Busy, ToolsBusy: another run, or another tool, held its lock all that time.
        StalePlan: the plan has become another.
        NotApplicable: it has errors, or needs consent.
        and what `plan` raises.
    """
    from reconciler.kernel.lock_wait import patience
    from reconciler.transaction.apply import apply_plan
    from reconciler.transaction.lock import locked

    machine.state.prepare()
    wait = patience(machine.clock, lock_seconds, progress.waiting)
    with locked(machine.state, command, wait), _tools_locked(machine, wait):
        recovered = recover(machine)
        made = plan(request, machine)
        if basis is not None and made.basis != basis:
            raise StalePlan(stale_text(basis, made.basis))
        if not made.is_valid or (made.consents and not consent):
            raise NotApplicable(made)
        books = Books(machine.state, machine.boot_id)
        return Applied(made, apply_plan(made, machine.sysfs, machine.clock, books, progress), recovered)


def _tools_locked(machine: Machine, wait: "Patience") -> AbstractContextManager[None]:
    if machine.tools_lock is None:
        return nullcontext()
    from reconciler.kernel.tools_lock import tools_locked

    return tools_locked(machine.tools_lock, wait)


def recover(machine: Machine) -> Recovered | None:
    """Lead the host back to the start of a transaction that was begun and not ended, if there is one.

    Only under the lock.
    """
    from reconciler.transaction.carry_out import Host
    from reconciler.transaction.way_back import Return, go_back

    books = Books(machine.state, machine.boot_id)
    unfinished = books.unfinished()
    if unfinished is None:
        return None
    returned = Return((), ())
    if unfinished.same_boot:
        observed = observe(machine.sysfs)
        host = Host(machine.sysfs, machine.clock, observed.abilities, observed.queues, lambda _: None)
        returned = go_back(unfinished.start, unfinished.touched, host)
    if returned.differences:
        books.degraded(returned.differences)
    else:
        books.rolled_back()
    return Recovered(unfinished, returned)


def stale_text(before: Basis, now: Basis) -> str:
    """What has changed between two bases, for people."""
    changed = [BASIS_WORDS[part] for part in Basis._fields if getattr(before, part) != getattr(now, part)]
    return f"since the plan was made {' and '.join(changed)} changed"
