"""The plan for a host: a pure function of what is wanted, the host as it is, and what was applied last.

What is read around it stands here: the inventory, suspensions, and the files that the host boots from.
"""

from collections.abc import Collection

from reconciler.kernel.observe import observe
from reconciler.manifests.site import Site, placed
from reconciler.model.commands import resume
from reconciler.model.desired import Desired, Persistence
from reconciler.model.observed import Observed
from reconciler.model.problems import Problem, ProblemList, Severity, completed
from reconciler.model.stopping import NEVER, StopToken
from reconciler.model.strict_json import BadRecord
from reconciler.operations.wanted import Wanted
from reconciler.planning.fingerprint import fingerprint_of, texts_digest
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Applied as Inventory
from reconciler.planning.planner import make_plan
from reconciler.planning.scope import FILES, WHOLE, AllBut, BootStage, Scope, VmEvent, Whole
from reconciler.transaction.journal import Journal
from reconciler.transaction.machine import Machine
from reconciler.transaction.suspensions import Suspension, Suspensions, read_suspensions, suspended_devices


def plan(
    wanted: Wanted,
    machine: Machine,
    scope: Scope = WHOLE,
    observed: Observed | None = None,
    stop: StopToken = NEVER,
) -> Plan:
    """What would be done so that the host becomes as it is `wanted`; nothing is written.

    Args:
        wanted: see `reconciler.operations.wanted`.
        machine: what we work on.
        scope: how much of the host.
        observed: the host as it was observed; left out, it is observed now.
        stop: may end it.

    Raises:
        Abandoned: `stop` has ended it.
        UnreadableHost: the host cannot be read.
        BadRecord, UnsafeState: what we know of earlier runs cannot be used.
    """
    applied = Journal(machine.state, machine.boot_id).applied()
    observed = observed or observe_host(machine)
    if isinstance(scope, BootStage):
        from reconciler.planning.boot_stages import plan_stage

        return plan_stage(scope, wanted.desired, observed, applied)
    if isinstance(scope, VmEvent):
        scope = _but_suspended(scope, wanted.desired, applied, machine)
    made = make_plan(wanted.desired, observed, applied, scope, stop)._replace(commit=wanted.commit)
    if isinstance(scope, Whole):
        made = _with_suspensions(made, applied, machine)
    if not isinstance(scope, VmEvent):
        made = _persistent(made, applied, machine, scope)
    if wanted.site is not None:
        texts = texts_digest(wanted.site.sources)
        fingerprint = fingerprint_of(made.desired.host.name, made.basis, texts)
        made = made._replace(problems=_placed(made, wanted.site), texts=texts, fingerprint=fingerprint)
    return made._replace(problems=tuple(completed(one, machine.here) for one in made.problems))


def _but_suspended(event: VmEvent, desired: Desired, applied: Inventory, machine: Machine) -> VmEvent:
    """`event`, which leaves suspended guests what they have; no damaged record keeps a VM from its start."""
    try:
        found = read_suspensions(machine.state).at(machine.clock.time())
    except BadRecord:
        return event
    return event._replace(suspended=suspended_devices(desired, applied.guests, found))


def _with_suspensions(made: Plan, applied: Inventory, machine: Machine) -> Plan:
    """`made`, with what is suspended: the loop leaves it as it is, and whoever asks for this plan does not."""
    try:
        found = read_suspensions(machine.state).at(machine.clock.time())
    except BadRecord as error:
        unknown = Problem("suspended", Severity.WARNING, f"who is suspended is not known: {error}")
        return made._replace(problems=(*made.problems, unknown))
    made = made._replace(suspended=suspended_devices(made.desired, applied.guests, found))
    return made._replace(problems=(*made.problems, *_suspended(found, made.suspended_names)))


def _suspended(found: Suspensions, differing: Collection[str]) -> tuple[Problem, ...]:
    holders: list[tuple[str, Suspension, tuple[str, ...]]] = [("the whole host", found.host, ())] if found.host else []
    holders += [(f"guest '{name}'", one, (name,)) for name, one in sorted(found.guests.items())]
    return tuple(
        Problem(
            "suspended",
            Severity.WARNING,
            f"{whose} is suspended by {one.by} {one.until_text}: {one.reason}"
            f"{'; it is not as its manifest says' if differing and {*names} & {*differing} else ''}",
            help="The loop leaves it as it is; an apply by a person does not.",
            advice=resume(names),
        )
        for whose, one, names in holders
    )


def _persistent(made: Plan, applied: Inventory, machine: Machine, scope: Whole | AllBut) -> Plan:
    """`made`, with the files that it changes so that the host boots into it, and with who else decides about that."""
    spared = scope.spared.holders or frozenset() if isinstance(scope, AllBut) else frozenset()
    if FILES in spared:
        return made
    wanted = made.desired.host.persistence
    if Persistence.MDEVCTL in (wanted, applied.persistence):
        from reconciler.transaction.persist import persistent

        made = persistent(made, applied, machine.root, _kept_files(made, applied, machine, scope))
    if machine.root is not None and (wanted is not Persistence.NONE or scope == Whole(with_boot=True)):
        from reconciler.transaction.persist import boot_problems

        made = made._replace(problems=(*made.problems, *boot_problems(made, machine.root)))
    return made


def _kept_files(made: Plan, applied: Inventory, machine: Machine, scope: Whole | AllBut) -> frozenset[str]:
    """Whose files stay as another program has left them: uuids, and `HOST` for the masks."""
    if isinstance(scope, Whole):
        return frozenset()
    kept = scope.suspended  # a suspended guest also boots as it did
    if scope.spared.holders is None and machine.root is not None:
        from reconciler.planning.boot_stages import unconcerned_files

        kept |= unconcerned_files(made, applied, _applied_last(machine, applied))
    return kept


def _applied_last(machine: Machine, applied: Inventory) -> Desired | None:
    """The manifests that were applied last; None where the history does not have them, or cannot be read."""
    from reconciler.transaction.history import History, NoSuchGeneration

    history = History(machine.state)
    try:
        numbers = [one.number for one in history.generations() if one.is_target and one.digest == applied.digest]
        return history.desired(numbers[-1]) if numbers else None
    except (BadRecord, NoSuchGeneration):
        return None


def observe_host(machine: Machine, like: Observed | None = None) -> Observed:
    """The host as it is, with the names of VMs where they are known; for `like` see `observe`.

    Raises:
        UnreadableHost: it cannot be read.
    """
    return observe(machine.sysfs, like)._replace(vms=machine.vms())


def _placed(made: Plan, site: Site) -> tuple[Problem, ...]:
    return ProblemList((*site.problems, *placed(made.problems, site.sources))).all
