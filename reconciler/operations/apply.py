"""An apply: plan under the locks, after recovering from what earlier runs left, and execute the plan.

locks → recover → read what is wanted → plan → still what was agreed to? → history → transaction → history
"""

from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple

from reconciler.integrations.timers import CannotArm
from reconciler.model.commands import history_of
from reconciler.model.desired import Desired
from reconciler.model.errors import ConflictError, InputError
from reconciler.model.outcome import Extent, Outcome, Result
from reconciler.model.printable import error_text
from reconciler.model.steps import Action
from reconciler.model.stopping import NEVER, Deadline, StopToken
from reconciler.operations.plan import observe_host, plan
from reconciler.operations.stale_plan import refuse_stale
from reconciler.operations.wanted import Wanted, WantedSource
from reconciler.planning.basis import Basis
from reconciler.planning.plan import Plan, unconfirmed_text
from reconciler.planning.planner import holdings_of
from reconciler.planning.scope import WHOLE, Scope, VmEvent
from reconciler.transaction.confirmation import Confirmations, Pending
from reconciler.transaction.journal import Journal, JournalIfPossible
from reconciler.transaction.open_host import LOCK_SECONDS, OpenHost, locked
from reconciler.transaction.recovery import Recovered, is_left, recover, refuse_pending, refuse_unrecorded

if TYPE_CHECKING:
    from reconciler.kernel.observe import Seen
    from reconciler.model.observed import Observed
    from reconciler.model.outcome import FleetCommit, Origin
    from reconciler.render.saved_plan import SavedPlan
    from reconciler.transaction.apply import Executed, Progress
    from reconciler.transaction.apply_ids import Standing
    from reconciler.transaction.history import History

# What only an apply needs is imported when one begins: a plan is made far more often.


class Recording(Enum):
    """Whether an apply has to be recorded.

    `IF_POSSIBLE` is for a host that was just booted, where no VM runs: what a crash leaves there is as good as the
    start, and no disk keeps the host from what its VMs need.
    """

    REQUIRED = auto()
    IF_POSSIBLE = auto()


class Terms(NamedTuple):
    """On which terms an apply may be made.

    Attributes:
        consents: the flags of the consents that are given, for example ``--allow-disruption``.
        agreed: what a person has agreed to: the basis of the plan that was shown, or a saved plan. Where anything of it
            has changed, nothing is done. None: whatever the plan is.
        confirm_within: seconds in which a person has to confirm the apply; None where it needs no confirmation.
        lock_seconds: how long to wait for another run and for other tools, together.
        seconds: after how long, waiting included, no step is begun any more and all is rolled back; None: never.
        recording: whether it has to be recorded.
    """

    consents: frozenset[str] = frozenset()
    agreed: "Basis | SavedPlan | None" = None
    confirm_within: float | None = None
    lock_seconds: float = LOCK_SECONDS
    seconds: float | None = None
    recording: Recording = Recording.REQUIRED


NO_TERMS: Final = Terms()


class OtherHosts(InputError):
    """The commit to several hosts that an apply is a part of has other hosts than this one; the text says which."""


class AppliedAlready(ConflictError):
    """An apply with this id and this plan stands: nothing was done, and nothing has to be.

    Attributes:
        standing: how it stands.
    """

    def __init__(self, standing: "Standing") -> None:
        super().__init__(
            f"nothing was done: the apply {standing.id} came already, as generation {standing.generation}, "
            f"which {standing}"
        )
        self.standing = standing


class NotApplicable(ConflictError):
    """The plan has errors or needs consent that was not given."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("the plan cannot be applied")
        self.plan = plan


class ApplyResult(NamedTuple):
    """What an apply did.

    Attributes:
        plan: what was executed.
        outcome: how that ended.
        recovered: what earlier runs had left, and what became of it.
        generation: its number in the history; 0 where it made no step.
        seen: how everything that it touched was found afterwards; None where it was not applied.
        unrecorded: why it could not be recorded, where the terms allow that; empty otherwise.
    """

    plan: Plan
    outcome: Outcome
    recovered: tuple[Recovered, ...]
    generation: int
    seen: "Seen | None" = None
    unrecorded: str = ""


def apply(
    source: WantedSource,
    machine: OpenHost,
    progress: "Progress",
    origin: "Origin",
    terms: Terms = NO_TERMS,
    scope: Scope = WHOLE,
    *,
    like: "Observed | None" = None,
    plan_by: Deadline | None = None,
) -> ApplyResult:
    """Make the host as it is wanted, wholly or not at all.

    Args:
        source: where what is wanted is read, under the locks; a `Wanted` is its own source.
        machine: what we work on.
        progress: is shown how it gets on; also at once what earlier runs had left, whatever becomes of this one.
        origin: who asks, for the history and for whoever finds the lock held.
        terms: on which terms.
        scope: how much of the host.
        like: how the host was last seen, which saves reading twice what has not changed.
        plan_by: ends it until the first write; the token of `machine` and the time that `terms` give also end it later.

    Raises:
        Abandoned: it was ended before the first write.
        Busy, ToolsBusy: another run, or another tool, held its lock all that time.
        AwaitsConfirmation: an earlier apply waits to be confirmed.
        AppliedAlready: an apply with its id and the same plan stands, or waits to be confirmed.
        IdTaken: its id was used or cancelled before; `OtherPlan`: it stands with another plan.
        OtherHosts: it is a part of a commit to several hosts, none of which this is.
        StalePlan: the plan has become another.
        NotApplicable: it has errors, or needs consent.
        and what reading `source` and `plan` raise.
    """
    ends = None if terms.seconds is None else _deadline(terms.seconds, machine.clock.monotonic())
    # What was left is rolled back on any disk; only what begins after that needs one that can be written.
    is_recorded = terms.recording is Recording.REQUIRED
    writable = is_recorded and not is_left(machine.state, machine.boot_id, machine.clock.monotonic())
    with locked(machine, progress, origin.command, terms.lock_seconds, recording=writable) as token:
        stop = token.by(ends, machine.clock.monotonic)
        planning = stop.by(plan_by, machine.clock.monotonic)
        recovered = recover(machine)
        progress.recovered(recovered)
        if is_recorded:
            refuse_unrecorded(recovered)
        refuse_repeated(source, machine, origin.id, terms, scope, planning, fleet=origin.fleet)
        _refuse_left(recovered, machine, terms, scope)
        wanted = source.read(machine, planning)
        _refuse_other_hosts(origin.fleet, wanted)
        made = agreed_plan(wanted, machine, terms, scope, observe_host(machine, like), planning)
        if not made.is_valid or not terms.consents.issuperset(made.flags):
            raise NotApplicable(made)
        if isinstance(scope, VmEvent) and is_recorded and not _may_run_beside(made, machine):
            refuse_pending(machine)
        origin = _completed(origin, wanted)
        return _Transaction(made, machine, progress, origin, terms, stop, recovered).result()


def _refuse_other_hosts(fleet: "FleetCommit | None", wanted: Wanted) -> None:
    name = wanted.desired.host.name
    if fleet and name not in fleet.hosts:
        hosts = ", ".join(fleet.hosts)
        raise OtherHosts(f"nothing was done: host {name} is none of the hosts of the commit {fleet.id}: {hosts}")


def _completed(origin: "Origin", wanted: Wanted) -> "Origin":
    """`origin` with what is known of it since it was read what is `wanted`."""
    return origin._replace(
        commit=origin.commit or wanted.commit,
        subject=origin.subject or wanted.subject,
        author=origin.author or wanted.author,
        parents=origin.parents or wanted.parents,
        again=wanted.generation,
        undone=wanted.undone,
    )


def refuse_repeated(
    source: WantedSource,
    machine: OpenHost,
    apply_id: str,
    terms: Terms,
    scope: Scope = WHOLE,
    stop: StopToken = NEVER,
    *,
    fleet: "FleetCommit | None" = None,
) -> None:
    """Return if an apply may begin that its caller calls `apply_id`; empty where it chose no id.

    A part of a commit to several hosts, `fleet`, begins only where no other part of it stands, by whatever id. The plan
    of an apply that comes again is the same where it wants the same of as much of the host, or is the same saved plan:
    what the host was like before is what the first one has changed.

    Raises:
        AppliedAlready: an apply with this id and the same plan stands, or waits to be confirmed.
        IdTaken: an earlier apply had it, or it was cancelled.
        BadRecord: it is not known whether one had.
    """
    if not apply_id:
        return
    from reconciler.transaction.apply_ids import STANDS, ApplyState, OtherPlan, newest_standing, refusal, standing
    from reconciler.transaction.history import History

    now = machine.clock.monotonic()
    found = standing(machine.state, apply_id, machine.boot_id, now)
    if is_again := found.state is ApplyState.UNKNOWN:
        other = newest_standing(machine.state, fleet.id, machine.boot_id, now) if fleet else found
        if other.state not in STANDS:
            return
        found = other
    if found.state not in STANDS:
        raise refusal(found)
    before, agreed = History(machine.state).record(found.generation)["plan"], terms.agreed
    if agreed is None or isinstance(agreed, Basis):
        made = plan(source.read(machine, stop), machine, scope, None, stop, terms.consents)
        same = made.basis.manifests == before["basis"]["manifests"]
        targets = made.targets
    else:
        # A plan that was made anew for the same commit rests on what the first one has changed.
        basis, targets = agreed.basis, agreed.targets
        same = basis.manifests == before["basis"]["manifests"] if is_again else basis._asdict() == before["basis"]
    if same and (None if targets is None else list(targets)) == before["targets"]:
        raise AppliedAlready(found)
    raise OtherPlan(
        f"nothing was done: the id {apply_id} has another plan, of generation {found.generation}, which {found}; "
        "this plan needs an id of its own",
        history_of(found.generation),
    )


def _deadline(seconds: float, now: float) -> Deadline:
    return Deadline(now + seconds, f"reading and planning took more than {seconds:.0f} s; nothing was changed")


def agreed_plan(
    wanted: Wanted,
    machine: OpenHost,
    terms: Terms = NO_TERMS,
    scope: Scope = WHOLE,
    observed: "Observed | None" = None,
    stop: StopToken = NEVER,
) -> Plan:
    """What an apply on these `terms` would execute, with a note of what is lost where it is not confirmed; see `plan`.

    Raises:
        StalePlan: it is another plan than the one that `terms` say was agreed to.
        and what `plan` raises.
    """
    made = plan(wanted, machine, scope, observed, stop, terms.consents)
    if terms.agreed is not None:
        refuse_stale(made, terms.agreed, wanted, machine)
    note = "" if terms.confirm_within is None else unconfirmed_text(made.guests)
    return made._replace(notes=(*made.notes, note)) if note else made


def _refuse_left(recovered: tuple[Recovered, ...], machine: OpenHost, terms: Terms, scope: Scope) -> None:
    """Return if an apply may begin, on these `terms`, after what was `recovered`."""
    if terms.recording is Recording.REQUIRED:
        machine.state.prepare()
        if not isinstance(scope, VmEvent):  # of which it depends on the plan
            refuse_pending(machine)
        return
    # What an earlier boot left is recovered without a write to the kernel, as often as it takes; of this one, the next
    # run would undo what is done now.
    refuse_unrecorded(one for one in recovered if one.unfinished.same_boot)
    if not any(one.unrecorded for one in recovered):
        refuse_pending(machine)


def _may_run_beside(made: Plan, machine: OpenHost) -> bool:
    """Whether `made`, for a VM that starts or has ended, and an apply that waits to be confirmed do not meet.

    It changes no mask, no file and no device that the other one has touched, makes only what was wanted just so before
    the other one, and takes nothing that was another holder's before: so whether that stays or is rolled back, both
    leave what they have planned.
    """
    from reconciler.transaction.history import History, NoSuchGeneration

    confirmations = Confirmations(machine.state)
    pending = confirmations.pending()
    if pending is None:
        return True
    begun, history = confirmations.begun_by(pending, machine.boot_id), History(machine.state)
    steps = [one.step for one in made.steps]
    if made.files or any(not one.uuid or one.uuid in begun.touched for one in steps):
        return False
    try:
        wishes = list(map(history.desired, (pending.generation, history.newest_target(pending.generation))))
    except NoSuchGeneration:  # it is partial, or nothing was applied before: what was wanted then is not known
        return False
    for guest in made.desired.guests:
        if any(one.uuid == guest.uuid and one.action is not Action.REMOVE for one in steps):
            before = [one for wish in wishes for one in wish.guests if one.uuid == guest.uuid]
            if [(one.config, one.activation) for one in before] != [(guest.config, guest.activation)] * len(wishes):
                return False
            others = [one.matrix for uuid, one in begun.start.mdevs.items() if uuid != guest.uuid]
            if any(one.overlaps(guest.config.matrix) for one in (begun.start.pool, *others)):
                return False
    return True


class _Transaction(NamedTuple):
    """A plan that is executed, and recorded as a generation of the history."""

    made: Plan
    machine: OpenHost
    progress: "Progress"
    origin: "Origin"
    terms: Terms
    stop: StopToken
    recovered: tuple[Recovered, ...]

    def result(self) -> ApplyResult:
        """Execute it.

        What is wanted otherwise than before is a generation even where nothing has to be done for it: boot applies the
        last one, and what is there can be rolled back to. So is what has an id, which is known by its generation.
        """
        from reconciler.transaction.history import History

        made, machine = self.made, self.machine
        history = History(machine.state) if made.changes or made.is_news or self.origin.id else None
        number = history.next_number() if history else 0
        journal = Journal(machine.state, machine.boot_id, number)
        if self.terms.recording is Recording.IF_POSSIBLE:
            return self._recorded_if_possible(history, number, journal)
        if obstacle := self._begun(history, number, journal):
            return self._applied(_not_begun(obstacle), number)
        executed = self._executed(journal)
        if self.terms.confirm_within is not None and number and executed.outcome.result is Result.NOTHING:
            # What is wanted is news, or has an id: it waits like any other, and what was confirmed is not cancelled.
            executed = executed._replace(outcome=executed.outcome._replace(result=Result.APPLIED))
        if obstacle := self._ended(history, number, executed.outcome):
            notes = (*executed.outcome.notes, f"the history could not be written: {obstacle}")
            executed = executed._replace(outcome=executed.outcome._replace(notes=notes))
        return self._applied(executed, number)

    def _recorded_if_possible(self, history: "History | None", number: int, journal: Journal) -> ApplyResult:
        obstacle = next((one.unrecorded for one in self.recovered if one.unrecorded), "")
        if history and not obstacle:
            obstacle = self.machine.state.obstacle() or self._begun(history, number, journal)
        kept = JournalIfPossible(journal, obstacle)
        executed = self._executed(kept)
        if kept.obstacle:
            # What was begun and has no end would be taken for what was rolled back.
            with suppress(OSError):
                if history:
                    history.forget(number)
            return self._applied(executed, 0, kept.obstacle)
        return self._applied(executed, number, self._ended(history, number, executed.outcome))

    def _executed(self, journal: Journal | JournalIfPossible) -> "Executed":
        from reconciler.transaction.apply import apply_plan

        machine = self.machine
        return apply_plan(self.made, machine.sysfs, machine.clock, journal, self.progress, self.stop, machine.root)

    def _applied(self, executed: "Executed", number: int, unrecorded: str = "") -> ApplyResult:
        return ApplyResult(self.made, executed.outcome, self.recovered, number, executed.seen, unrecorded)

    def _begun(self, history: "History | None", number: int, journal: Journal) -> str:
        """Record that it begins; why that cannot be done, or nothing."""
        if history is None:
            return ""
        from reconciler.render.history_text import diff_records
        from reconciler.render.plan_json import plan_record

        made = self.made
        try:
            shown = {**plan_record(made, only_changes=True), "diff": diff_records(made)}
            if self.origin.id:
                from reconciler.transaction.apply_ids import ApplyIds, FleetApplies

                ApplyIds(self.machine.state).claim(self.origin.id, number)
                if self.origin.fleet:
                    FleetApplies(self.machine.state).note(number, self.origin.fleet.id)
            history.begin(number, _recorded(made), self.origin, shown, _extent(made))
            if self.terms.confirm_within is not None:
                self._await_confirmation(number, journal, self.terms.confirm_within)
        except (OSError, CannotArm) as error:
            return error_text(error)
        return ""

    def _await_confirmation(self, number: int, journal: Journal, seconds: float) -> None:
        machine = self.machine
        if machine.timer is None:
            raise CannotArm("there is no timer here that could roll it back")
        first_line = journal.first_line(self.made, holdings_of(self.made.observed))
        confirmations = Confirmations(machine.state)
        confirmations.put(Pending(number, machine.boot_id, machine.clock.monotonic() + seconds, False, first_line))
        try:
            machine.timer.arm(number, seconds)
        except CannotArm:
            confirmations.clear()
            raise

    def _ended(self, history: "History | None", number: int, outcome: Outcome) -> str:
        """Record that it has ended; why that cannot be done, or nothing."""
        if history is None:
            return ""
        try:
            if self.terms.confirm_within is not None and outcome.result is not Result.APPLIED:
                Confirmations(self.machine.state).clear()
            history.end(number, outcome, self.machine.clock.time())
        except OSError as error:
            return error_text(error)
        return ""


def _not_begun(obstacle: str) -> "Executed":
    from reconciler.transaction.apply import Executed

    return Executed(Outcome(Result.ROLLED_BACK, failure=f"nothing was begun: {obstacle}"))


def _extent(made: Plan) -> Extent:
    if made.targets is not None:
        return Extent.PARTIAL
    return Extent.WHOLE if made.only is None else Extent.CONFINED


def _recorded(made: Plan) -> Desired:
    """What the history keeps of the manifests: of a VM's start or end only its own guests."""
    only, desired = made.only, made.desired
    return (
        desired if only is None else desired._replace(guests=tuple(one for one in desired.guests if one.uuid in only))
    )
