"""The whole story: read the manifests, observe the host, plan, apply.

The command, and later the watch loop and the libvirt hook, all go through here.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from os import PathLike
from typing import TYPE_CHECKING, Final, NamedTuple

from reconciler.integrations.timers import CannotArm
from reconciler.kernel.observe import Seen, observe
from reconciler.manifests.site import Site, placed, read_site
from reconciler.model.commands import PLAN, Advised, history_of, resume
from reconciler.model.desired import Desired, Persistence
from reconciler.model.errors import ConflictError, InputError, StaleError
from reconciler.model.observed import Observed
from reconciler.model.outcome import Outcome, Result
from reconciler.model.printable import error_text
from reconciler.model.problems import InvalidManifests, Problem, ProblemList, Severity, completed
from reconciler.model.stopping import NEVER, Deadline, StopToken
from reconciler.model.strict_json import BadRecord
from reconciler.planning.fingerprint import BASIS_WORDS, fingerprint_of, texts_digest
from reconciler.planning.plan import Basis, Plan, unconfirmed_text
from reconciler.planning.planner import Applied as Inventory
from reconciler.planning.planner import holdings_of, make_plan
from reconciler.planning.target import FILES, NOTHING_SPARED, Spared
from reconciler.planning.vm_event import VmEvent
from reconciler.transaction.confirmation import Confirmations, Pending
from reconciler.transaction.journal import Journal
from reconciler.transaction.machine import LOCK_SECONDS, Machine, locked
from reconciler.transaction.recovery import Recovered, is_left, recover, refuse_pending, refuse_unrecorded
from reconciler.transaction.suspensions import Suspension, Suspensions, read_suspensions, suspended_devices

if TYPE_CHECKING:
    from reconciler.model.outcome import Generation, Origin
    from reconciler.planning.boot_stages import BootStage
    from reconciler.render.plan_json import SavedPlan
    from reconciler.transaction.apply import Progress

# What only an apply needs is imported when one begins: a plan is made far more often.


class Given(NamedTuple):
    """What is wanted, and the manifests that it was read from; None where it comes from a record.

    `commit` is the git commit that the record names; empty where it names none.
    """

    desired: Desired
    site: Site | None
    commit: str = ""


class Request(NamedTuple):
    """What is asked for: manifests in `paths`, for the Host named `host` (None: the machine's, or the only one).

    With `generation`, what that generation of the history wanted instead. With `enforced`, what the loop enforces, as
    its record in the state directory says at that moment, whether a loop runs or not. With `event`, only what a VM that
    starts or has ended needs of it. With `stage`, which goes with `generation`, what a boot needs of it. With
    `at_boot`, the problems also tell who else decides what the host boots into, as they always do where the manifests
    say how it is to boot. With `given`, what was read before stands for the manifests; `commit` is the git commit that
    they come from. The devices of `left_alone`, by uuid, stay as they are, and so does `spared` drift. `like` is
    how the host was last seen, which saves reading twice what has not changed.
    """

    paths: tuple[str | PathLike[str], ...]
    host: str | None
    generation: int | None = None
    event: VmEvent | None = None
    stage: "BootStage | None" = None
    at_boot: bool = False
    given: "Given | None" = None
    commit: str = ""
    left_alone: frozenset[str] = frozenset()
    spared: Spared = NOTHING_SPARED
    like: Observed | None = None
    enforced: bool = False


class Terms(NamedTuple):
    """On which terms an apply may be made.

    Attributes:
        consents: the flags of the consents that are given, for example ``--allow-disruption``.
        basis: what a plan that was shown or saved rests on; where anything of it has changed nothing is done.
        saved: the saved plan that is applied; None where none is.
        confirm_within: seconds in which somebody has to confirm the apply; None where nobody has to.
        lock_seconds: how long to wait for another run and for other tools, together.
        seconds: after how long, waiting included, no step is begun any more and everything is put back; None: never.
        on_any_disk: whether it is made also where it cannot be recorded. For a host that was just booted, where no VM
            runs: what a crash leaves there is as good as the start.
    """

    consents: frozenset[str] = frozenset()
    basis: Basis | None = None
    saved: "SavedPlan | None" = None
    confirm_within: float | None = None
    lock_seconds: float = LOCK_SECONDS
    seconds: float | None = None
    on_any_disk: bool = False


NO_TERMS: Final = Terms()


class NothingEnforced(InputError):
    """The loop has no record of what it enforces, or one of another Host; the text says which."""


class StalePlan(Advised, StaleError):
    """What a saved or shown plan rests on has changed; the text says what."""


class NotApplicable(ConflictError):
    """The plan has errors or needs consent that was not given."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("the plan cannot be applied")
        self.plan = plan


class Applied(NamedTuple):
    """What an apply did, after which plan, and what it found unfinished before.

    `generation` is its number in the history; 0 where it made no step. `seen` is how everything that it touched was
    found afterwards; None where it was not applied. `unrecorded` is why it could not be recorded, where the terms allow
    that; empty otherwise.
    """

    plan: Plan
    outcome: Outcome
    recovered: tuple[Recovered, ...]
    generation: int
    seen: "Seen | None" = None
    unrecorded: str = ""


def plan(request: Request, machine: Machine, observed: Observed | None = None, stop: StopToken = NEVER) -> Plan:
    """What would be done, on the host as it is or as it was `observed`; `stop` may end it.

    Raises:
        Abandoned: `stop` has ended it.
        InvalidManifests: the manifests cannot be used.
        NoSuchGeneration: the history does not have what is asked for.
        NothingEnforced: the loop enforces nothing, or another Host.
        UnreadableHost: the host cannot be read.
        BadRecord, UnsafeState: what we know of earlier runs cannot be used.
    """
    wanted, site, commit = given(request, machine, stop)
    applied = Journal(machine.state, machine.boot_id).applied()
    observed = observed or observe_host(machine, request.like)
    if request.stage is not None:
        from reconciler.planning.boot_stages import plan_stage

        return plan_stage(request.stage, wanted, observed, applied)
    made = make_plan(wanted, observed, applied, request.event, request.left_alone, request.spared, stop)
    made = made._replace(commit=request.commit or commit)
    if request.given is None and request.event is None:
        made = _with_suspensions(made, applied, machine)
    made = _persistent(made, applied, machine, request)
    if site is not None:
        texts = texts_digest(site.sources)
        fingerprint = fingerprint_of(made.desired.host.name, made.basis, texts)
        made = made._replace(problems=_placed(made, site), texts=texts, fingerprint=fingerprint)
    return made._replace(problems=tuple(completed(one, machine.here) for one in made.problems))


def _with_suspensions(made: Plan, applied: Inventory, machine: Machine) -> Plan:
    """`made`, with what the loop leaves alone, and whoever asks for this plan does not."""
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
            help="The loop leaves it alone; an apply by a person does not.",
            advice=resume(names),
        )
        for whose, one, names in holders
    )


def given(request: Request, machine: Machine, stop: StopToken = NEVER) -> Given:
    """What `request` wants of the `machine`, read now; `stop` may end it.

    Raises:
        Abandoned: `stop` has ended it.
        InvalidManifests: the manifests cannot be used.
        NoSuchGeneration: the history does not have what is asked for.
        NothingEnforced: the loop enforces nothing, or another Host.
        BadRecord: what we know of earlier runs cannot be used.
    """
    if request.given is not None:
        return request.given
    if request.generation is not None:
        from reconciler.transaction.history import History

        return Given(History(machine.state).desired(request.generation), None)
    if request.enforced:
        return _enforced(machine, request.host)
    site = read_site(request.paths, stop=stop)
    desired = site.desired(request.host, machine.name)
    if not isinstance(desired, Desired):
        raise InvalidManifests((*desired, *(one for one in site.problems if one not in desired)))
    return Given(desired, site)


def _enforced(machine: Machine, host: str | None) -> Given:
    from reconciler.transaction.last_good import read_last_good

    found = read_last_good(machine.state)
    if found is None:
        raise NothingEnforced(f"no loop has enforced anything yet with the state directory {machine.state.path}")
    if host not in (None, found.desired.host.name):
        raise NothingEnforced(f"the loop enforces the manifests of host {found.desired.host.name}, not of {host}")
    return Given(found.desired, None, found.commit)


def _persistent(made: Plan, applied: Inventory, machine: Machine, request: Request) -> Plan:
    if made.only is not None or FILES in (request.spared.holders or ()):
        return made
    wanted = made.desired.host.persistence
    if Persistence.MDEVCTL in (wanted, applied.persistence):
        from reconciler.planning.boot_stages import unconcerned_files
        from reconciler.transaction.persist import persistent

        kept = request.left_alone  # a suspended guest also boots as it did
        if request.spared.holders is None and machine.root is not None:
            kept |= unconcerned_files(made, applied, _applied_last(machine, applied))
        made = persistent(made, applied, machine.root, kept)
    if machine.root is not None and (request.at_boot or wanted is not Persistence.NONE):
        from reconciler.transaction.persist import boot_problems

        made = made._replace(problems=(*made.problems, *boot_problems(made, machine.root)))
    return made


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


def apply(
    request: Request,
    machine: Machine,
    progress: "Progress",
    origin: "Origin",
    terms: Terms = NO_TERMS,
    on_recovered: Callable[[tuple[Recovered, ...]], object] = lambda _: None,
    plan_by: Deadline | None = None,
) -> Applied:
    """Plan and carry it out, under the locks, after what an earlier run left has been put in order.

    Args:
        request: what is asked for.
        machine: what we work on.
        progress: who watches.
        origin: who asks, for the history and for whoever finds the lock held.
        terms: on which terms.
        on_recovered: is told at once what earlier runs had left, whatever becomes of this one.
        plan_by: ends it until the first write; the token of `machine` and the time that `terms` give also end it later.

    Raises:
        Abandoned: it was ended before the first write.
        Busy, ToolsBusy: another run, or another tool, held its lock all that time.
        AwaitsConfirmation: an earlier apply waits to be confirmed.
        StalePlan: the plan has become another.
        NotApplicable: it has errors, or needs consent.
        and what `plan` raises.
    """
    ends = None if terms.seconds is None else _deadline(terms.seconds, machine.clock.monotonic())
    # What was left is rolled back on any disk; only what begins after that needs one that can be written.
    recording = not terms.on_any_disk and not is_left(machine.state, machine.boot_id, machine.clock.monotonic())
    with locked(machine, progress, origin.command, terms.lock_seconds, recording=recording) as token:
        stop = token.by(ends, machine.clock.monotonic)
        planning = stop.by(plan_by, machine.clock.monotonic)
        recovered = recover(machine)
        on_recovered(recovered)
        _refuse_left(recovered, machine, terms)
        made = plan(request, machine, stop=planning)
        refuse_stale(made, terms, machine, request.paths)
        made = with_terms(made, terms)
        if not made.is_valid or not terms.consents.issuperset(made.flags):
            raise NotApplicable(made)
        found: list[Seen] = []
        if terms.on_any_disk:
            return _on_any_disk(made, machine, progress, origin, stop, recovered)
        outcome, generation = _carried_out(made, machine, progress, origin, terms, stop, found.append)
        return Applied(made, outcome, recovered, generation, found[0] if found else None)


def _deadline(seconds: float, now: float) -> Deadline:
    return Deadline(now + seconds, f"reading and planning took more than {seconds:.0f} s; nothing was changed")


def with_terms(made: Plan, terms: Terms) -> Plan:
    """`made` with a note of what its guests lose where it has to be confirmed and is not."""
    note = "" if terms.confirm_within is None else unconfirmed_text(made.guests)
    return made._replace(notes=(*made.notes, note)) if note else made


def _refuse_left(recovered: tuple[Recovered, ...], machine: Machine, terms: Terms) -> None:
    """Return if an apply may begin, on these `terms`, after what was `recovered`."""
    if not terms.on_any_disk:
        refuse_unrecorded(recovered)
        machine.state.prepare()
        refuse_pending(machine)
        return
    # What an earlier boot left is recovered without a write to the kernel, as often as it takes; of this one, the next
    # run would undo what is done now.
    refuse_unrecorded(one for one in recovered if one.unfinished.same_boot)
    if not any(one.unrecorded for one in recovered):
        refuse_pending(machine)


def _on_any_disk(
    made: Plan,
    machine: Machine,
    progress: "Progress",
    origin: "Origin",
    stop: StopToken,
    recovered: tuple[Recovered, ...],
) -> Applied:
    from reconciler.render.plan_json import plan_record
    from reconciler.transaction.apply import apply_plan
    from reconciler.transaction.history import History
    from reconciler.transaction.journal import JournalIfPossible

    history, is_recorded = History(machine.state), made.changes or made.is_news
    number = history.next_number() if is_recorded else 0
    obstacle = next((one.unrecorded for one in recovered if one.unrecorded), "")
    if is_recorded and not obstacle:
        obstacle = machine.state.obstacle()
    if is_recorded and not obstacle:
        try:
            history.begin(number, _wanted(made), origin, plan_record(made, only_changes=True), confined=True)
        except OSError as error:
            obstacle = error_text(error)
    journal = JournalIfPossible(Journal(machine.state, machine.boot_id, number), obstacle)
    outcome = apply_plan(made, machine.sysfs, machine.clock, journal, progress, stop, machine.root)
    if is_recorded and journal.obstacle:
        # What was begun and has no end would be taken for what was rolled back.
        with suppress(OSError):
            history.forget(number)
        return Applied(made, outcome, recovered, 0, None, journal.obstacle)
    try:
        history.end(number, outcome, machine.clock.time())
    except OSError as error:
        return Applied(made, outcome, recovered, number, None, error_text(error))
    return Applied(made, outcome, recovered, number, None, journal.obstacle)


def _carried_out(
    made: Plan,
    machine: Machine,
    progress: "Progress",
    origin: "Origin",
    terms: Terms,
    stop: StopToken,
    on_verified: "Callable[[Seen], object]",
) -> tuple[Outcome, int]:
    from reconciler.transaction.apply import apply_plan

    # What is wanted otherwise than before is a generation even where nothing has to be done for it: boot applies the
    # last one, and what is there can be gone back to.
    if not made.changes and not made.is_news:
        journal = Journal(machine.state, machine.boot_id)
        return apply_plan(made, machine.sysfs, machine.clock, journal, progress, stop, on_verified=on_verified), 0
    from reconciler.render.plan_json import plan_record
    from reconciler.transaction.history import History

    history = History(machine.state)
    number = history.next_number()
    journal = Journal(machine.state, machine.boot_id, number)
    try:
        history.begin(
            number, _wanted(made), origin, plan_record(made, only_changes=True), confined=made.only is not None
        )
        if terms.confirm_within is not None:
            _await_confirmation(made, machine, journal, number, terms.confirm_within)
    except (OSError, CannotArm) as error:
        return Outcome(Result.ROLLED_BACK, failure=f"nothing was begun: {error_text(error)}"), number
    outcome = apply_plan(made, machine.sysfs, machine.clock, journal, progress, stop, machine.root, on_verified)
    try:
        if terms.confirm_within is not None and outcome.result is not Result.APPLIED:
            Confirmations(machine.state).clear()
        history.end(number, outcome, machine.clock.time())
    except OSError as error:
        outcome = outcome._replace(notes=(*outcome.notes, f"the history could not be written: {error_text(error)}"))
    return outcome, number


def _wanted(made: Plan) -> Desired:
    """What the history keeps of the manifests: of a VM's start or end only its own guests."""
    only, desired = made.only, made.desired
    return (
        desired if only is None else desired._replace(guests=tuple(one for one in desired.guests if one.uuid in only))
    )


def _await_confirmation(made: Plan, machine: Machine, journal: Journal, number: int, seconds: float) -> None:
    if machine.timer is None:
        raise CannotArm("there is no timer here that could put it back")
    first_line = journal.first_line(made, holdings_of(made.observed))
    confirmations = Confirmations(machine.state)
    confirmations.put(Pending(number, machine.boot_id, machine.clock.monotonic() + seconds, first_line))
    try:
        machine.timer.arm(number, seconds)
    except CannotArm:
        confirmations.clear()
        raise


def refuse_stale(made: Plan, terms: Terms, machine: Machine, paths: Sequence[str | PathLike[str]]) -> None:
    """Return if `made`, of the manifests in `paths`, is the plan that was shown or saved.

    Raises:
        StalePlan: it rests on something else, or the saved one shows something else.
    """
    if terms.basis is not None and made.basis != terms.basis:
        if done := _applied_already(terms.basis, machine):
            ended = datetime.fromtimestamp(done.origin.started, UTC).strftime("%Y-%m-%d %H:%M:%S")
            number = done.number
            raise StalePlan(f"the plan was applied already, as generation {number}, at {ended} UTC", history_of(number))
        raise StalePlan(stale_text(terms.basis, made.basis), PLAN)
    if terms.saved is not None:
        from reconciler.render.plan_json import differences

        # Who changed the steps that a reviewer reads could also have made a digest that fits to them.
        if changed := differences(terms.saved, made, paths):
            raise StalePlan(f"the saved plan is not applied: {'; '.join(changed)}", PLAN)


def _applied_already(basis: Basis, machine: Machine) -> "Generation | None":
    """The newest generation that applied a plan with this basis; None where there is none that can be read."""
    from reconciler.transaction.history import History

    history = History(machine.state)
    targets = [one for one in history.generations() if one.is_target]
    for one in targets[::-1]:
        shown = history.record(one.number)["plan"]
        if shown["basis"] == basis._asdict():
            return one
    return None


def stale_text(before: Basis, now: Basis) -> str:
    """What has changed between two bases, for people."""
    changed = [BASIS_WORDS[part] for part in Basis._fields if getattr(before, part) != getattr(now, part)]
    return f"since the plan was made {' and '.join(changed)} changed"
