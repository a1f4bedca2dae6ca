"""The plan for a host: a pure function of what is wanted, the host as it is, and what was applied last.

What is read around it stands here: the inventory, suspensions, and the files that the host boots from. All of it is
asked of a `PlannedHost`: a machine, or the record of one (`reconciler.operations.host_record`).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

from reconciler.kernel.observe import observe
from reconciler.manifests.site import Site, placed
from reconciler.model.codec import BadRecord, NewerRecord
from reconciler.model.commands import OBSERVE, Here
from reconciler.model.desired import Desired, Persistence, Selector
from reconciler.model.errors import InputError
from reconciler.model.machines import ACCEPT_MACHINE
from reconciler.model.observed import Observed, Unread, unread_texts
from reconciler.model.printable import error_text
from reconciler.model.problems import Problem, ProblemList, Severity, completed, several
from reconciler.model.similar import nearest, no_guest_text
from reconciler.model.stopping import NEVER, StopToken
from reconciler.operations.suspended import but_suspended, suspensions_now, with_suspensions
from reconciler.operations.wanted import Wanted
from reconciler.planning.basis import fingerprint_of, texts_digest
from reconciler.planning.changed_uuids import changed_uuids
from reconciler.planning.plan import Plan, RollsBack, partial_text, rolling_back
from reconciler.planning.planner import NOTHING_APPLIED, make_plan
from reconciler.planning.planner import Applied as Inventory
from reconciler.planning.scope import (
    FILES,
    WHOLE,
    AllBut,
    BootStage,
    Scope,
    Targets,
    VmEvent,
    Whole,
    labels_of,
    no_label_text,
    wrong_labels,
)
from reconciler.transaction.journal import Journal
from reconciler.transaction.loop_records import NONE, Suspensions, read_suspensions
from reconciler.transaction.open_host import OpenHost

if TYPE_CHECKING:
    from reconciler.integrations.persistence import BootFiles

_Value = TypeVar("_Value")


class PlannedHost(Protocol):
    """What a plan rests on, besides what is wanted; each is read when it is asked for, and only then."""

    @property
    def here(self) -> Here:
        """The options that lead another command to this host and its manifests."""

    @property
    def unread(self) -> tuple[Unread, ...]:
        """What could not be read, so that the plan may not be the one that the host needs."""

    @property
    def damaged(self) -> tuple[BadRecord, ...]:
        """Which records of ours are damaged, of what could not be read."""

    def host_now(self) -> Observed:
        """The host as it is.

        Raises:
            UnreadableHost: it cannot be read.
        """

    def inventory(self) -> Inventory:
        """What was applied last.

        Raises:
            BadRecord, UnsafeState: that cannot be read.
        """

    def suspensions_now(self) -> Suspensions:
        """What is suspended.

        Raises:
            BadRecord: that cannot be read.
        """

    def boot_files(self) -> "BootFiles | None":
        """What the host boots from; None where it is not known where that is."""

    def applied_last(self, applied: Inventory) -> Desired | None:
        """The manifests that were `applied`; None where the history does not have them, or cannot be read."""


class _Present(NamedTuple):
    """A machine as it is now; what was `observed` of it already is not read again."""

    machine: OpenHost
    observed: Observed | None = None

    @property
    def here(self) -> Here:
        return self.machine.here

    @property
    def unread(self) -> tuple[Unread, ...]:
        return ()

    @property
    def damaged(self) -> tuple[BadRecord, ...]:
        return ()

    def host_now(self) -> Observed:
        return self.observed or observe_host(self.machine)

    def inventory(self) -> Inventory:
        return Journal(self.machine.state, self.machine.boot_id).applied()

    def suspensions_now(self) -> Suspensions:
        return read_suspensions(self.machine.state).at(self.machine.clock.time())

    def boot_files(self) -> "BootFiles | None":
        from reconciler.integrations.persistence import read_boot_files

        return None if self.machine.root is None else read_boot_files(self.machine.root)

    def applied_last(self, applied: Inventory) -> Desired | None:
        from reconciler.transaction.history import History, NoSuchGeneration

        history = History(self.machine.state)
        try:
            numbers = [one.number for one in history.generations() if one.is_target and one.digest == applied.digest]
            return history.desired(numbers[-1]) if numbers else None
        except (BadRecord, NoSuchGeneration):
            return None


class Readable:
    """A machine as far as this user can read it: for commands that change nothing, and no apply.

    What may not be read counts as if there were none, and is named in `unread`.
    """

    def __init__(self, machine: OpenHost, reported: Suspensions | None = None, *, skips_damaged: bool = False) -> None:
        """Nothing is read yet of `machine`.

        Args:
            machine: which.
            reported: what is suspended where the record of that may not be read; None where it is not known.
            skips_damaged: whether a damaged record counts as one that may not be read: for what is shown and not agreed
                to.
        """
        self._present = _Present(machine)
        self._reported = reported
        self._skips_damaged = skips_damaged
        self._damaged: list[BadRecord] = []
        self._unread: dict[Unread, None] = {}
        self._uuids: tuple[str, ...] = ()

    @property
    def here(self) -> Here:
        """See `PlannedHost`."""
        return self._present.here

    @property
    def unread(self) -> tuple[Unread, ...]:
        """See `PlannedHost`."""
        if not self._unread:
            return ()
        return (*self._unread, *self._present.machine.unseen(self._uuids))

    @property
    def damaged(self) -> tuple[BadRecord, ...]:
        """See `PlannedHost`."""
        return tuple(self._damaged)

    def host_now(self) -> Observed:
        """See `PlannedHost`."""
        found = self._present.host_now()
        self._uuids = tuple(one.uuid for one in found.mdevs)
        return found

    def inventory(self) -> Inventory:
        """See `PlannedHost`."""
        return self._readable("what was applied last", self._present.inventory, NOTHING_APPLIED)

    def suspensions_now(self) -> Suspensions:
        """See `PlannedHost`."""
        try:
            return suspensions_now(self._present.machine, self._reported)
        except PermissionError as error:
            self._unread[Unread("what is suspended", error_text(error))] = None
            return NONE

    def boot_files(self) -> "BootFiles | None":
        """See `PlannedHost`."""
        found = self._readable("what the host boots from", self._present.boot_files, None)
        for name in found.denied if found else ():
            assert found
            self._unread[Unread("a file that the host boots from", found.unusable[name])] = None
        return found

    def applied_last(self, applied: Inventory) -> Desired | None:
        """See `PlannedHost`."""
        return self._readable("the history", lambda: self._present.applied_last(applied), None)

    def _readable(self, what: str, read: Callable[[], _Value], otherwise: _Value) -> _Value:
        try:
            return read()
        except PermissionError as error:
            self._unread[Unread(what, error_text(error))] = None
        except BadRecord as error:
            if not self._skips_damaged:
                raise
            self._damaged.append(error)
            self._unread[Unread(what, str(error))] = None
        return otherwise


_MOST_NAMES: Final = 20


class NoSuchGuest(InputError):
    """A plan is asked for guests of which one is not there, or none; the text says which there are.

    Attributes:
        word: the name or the label that is wrong; empty where no single one is.
        meant: the name or the label that was probably meant; empty where that is not known.
        corrections: of each name or label that is wrong, the one that was probably meant, as far as that is known.
    """

    def __init__(self, text: str, word: str = "", corrections: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.word = word
        self.corrections = corrections or {}
        self.meant = self.corrections.get(word, "")


def plan(
    wanted: Wanted,
    machine: OpenHost | PlannedHost,
    scope: Scope = WHOLE,
    observed: Observed | None = None,
    stop: StopToken = NEVER,
    consents: Collection[str] = (),
) -> Plan:
    """What would be done so that the host becomes as it is `wanted`; nothing is written.

    Args:
        wanted: see `reconciler.operations.wanted`.
        machine: what we work on, or the record of it (`HostRecord`).
        scope: how much of the host.
        observed: the host as it was observed; left out, it is observed now.
        stop: may end it.
        consents: with ``--accept-machine`` among these flags, the host may run in any LPAR.

    Raises:
        Abandoned: `stop` has ended it.
        UnreadableHost: the host cannot be read.
        BadRecord, UnsafeState: what we know of earlier runs cannot be used.
    """
    host = _Present(machine, observed) if isinstance(machine, OpenHost) else machine
    applied = host.inventory()
    found = host.host_now()
    if isinstance(scope, BootStage):
        from reconciler.planning.boot_stages import plan_stage

        return plan_stage(scope, wanted.desired, found, applied)
    if isinstance(scope, VmEvent):
        scope = but_suspended(scope, wanted.desired, applied, host)
    if isinstance(scope, Targets):
        _refuse_unknown(scope, wanted.desired, applied)
    known = _changed_uuids(wanted, applied, scope)
    made = make_plan(wanted.desired, found, applied, scope, stop, known)._replace(commit=wanted.commit)
    if wanted.generation or wanted.undone:
        made = rolling_back(made, RollsBack(wanted.generation, wanted.undone))
    if not isinstance(scope, VmEvent):  # no VM is kept from its start by where the host runs
        made = _at_its_place(made, found, wanted.site, is_accepted=ACCEPT_MACHINE in consents)
    if isinstance(scope, Whole | Targets):
        made = with_suspensions(made, applied, host)
    if isinstance(scope, Whole | AllBut):
        made = _persistent(made, applied, host, scope)
    if made.rolled_back and not made.changes:
        made = made._replace(rolled_back=None)
    elif made.rolled_back and not isinstance(scope, VmEvent):
        made = made._replace(notes=(*made.notes, made.rolled_back.text))
    if made.targets is not None:
        made = made._replace(notes=(*made.notes, partial_text(made.targets)))
    made = _beside_unread(made, host)
    if wanted.site is not None:
        made = made if isinstance(scope, VmEvent) else _with_misread(made, wanted.site)
        texts = texts_digest(wanted.site.sources)
        fingerprint = fingerprint_of(made.desired.host.name, made.basis, texts)
        made = made._replace(problems=_placed(made, wanted.site), texts=texts, fingerprint=fingerprint)
    return made._replace(problems=tuple(completed(one, host.here) for one in made.problems))


def _changed_uuids(wanted: Wanted, applied: Inventory, scope: Whole | AllBut | VmEvent | Targets) -> Iterable[Problem]:
    """The guests that would lose the device that their VM names; what was wanted before, and VMs, may have others."""
    if wanted.is_earlier or isinstance(scope, VmEvent):
        return ()
    only = scope.chosen(wanted.desired, applied.guests) if isinstance(scope, Targets) else None
    return changed_uuids(wanted.desired.guests, applied.names, "when it was applied last", only)


def _at_its_place(made: Plan, found: Observed, site: Site | None, *, is_accepted: bool) -> Plan:
    """`made`, with what is wrong with the LPAR that the host runs in, and with what the manifests say of that LPAR."""
    desired = made.desired
    if not desired.places:
        return made
    from reconciler.machines.location import located, location_note, location_problems
    from reconciler.machines.proof import Proven, prove

    location = located(desired.places, found)
    problems = [*location_problems(desired.host, location, is_accepted=is_accepted)]
    if site is not None:
        proof = prove(Proven(site.machines, (desired.host,), site.guests), desired.host.name)
        problems += [one for one in proof.problems if one.severity is not Severity.NOTE]
    note = location_note(location)
    return made._replace(problems=(*made.problems, *problems), notes=(*made.notes, note) if note else made.notes)


_MOST_READ_AGAIN: Final = 100
"""How many documents are read again to see how their ids are written."""


def _with_misread(made: Plan, site: Site) -> Plan:
    """`made`, with notes on ids that may have been meant in the other base, decimal or hex."""
    from reconciler.planning.misread import misread_ids, suspects

    doubtful = [*islice(suspects(made), _MOST_READ_AGAIN)]
    if not doubtful:
        return made
    from reconciler.manifests.pinpoint import ReadAgain
    from reconciler.manifests.written_ids import written_ids

    documents = ReadAgain(site.sources)
    misread = misread_ids(((one, written_ids(one.position, documents)) for one in doubtful), made)
    return made._replace(notes=(*made.notes, *(one.text for one in misread)), misread=misread)


def _refuse_unknown(targets: Targets, desired: Desired, applied: Inventory) -> None:
    """Return if all guests that were chosen are there, and at least one is.

    Raises:
        NoSuchGuest: otherwise.
    """
    if unknown := targets.unknown(desired, applied.guests):
        known = {*(one.name for one in desired.guests), *(name for name, _ in applied.guests.values())}
        raise NoSuchGuest(no_guest_text(unknown[0], known), unknown[0], _corrections(unknown, sorted(known)))
    if not targets.chosen(desired, applied.guests):
        raise _no_such_label(targets.labels, desired)


def _no_such_label(asked: Selector, desired: Desired) -> NoSuchGuest:
    found = [one.labels for one in desired.guests]
    labels = labels_of(found)
    wrong = wrong_labels(asked, labels)
    word = wrong[0] if wrong else ""
    return NoSuchGuest(no_label_text(asked, found), word, _corrections(wrong, labels))


_MOST_CORRECTED: Final = 10
"""How many mistyped names or labels are compared with those that there are."""


def _corrections(wrong: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """Which of those that are `known` was probably meant by each of the first that are `wrong`, where one was."""
    return {word: near for word in wrong[:_MOST_CORRECTED] if (near := nearest(word, known))}


def _beside_unread(made: Plan, host: PlannedHost) -> Plan:
    """`made`, which says what of `host` it should rest on and could not be read."""
    if host.damaged:
        return _without_damaged(made, host.damaged, host.unread)
    return _incomplete(made, host.unread, is_record=not isinstance(host, Readable)) if host.unread else made


def _incomplete(made: Plan, unread: tuple[Unread, ...], *, is_record: bool) -> Plan:
    """`made`, which says that it rests on less than there is: in a record, or for this user."""
    what = "the host itself" if is_record else "root"
    problem = Problem(
        "incomplete-record" if is_record else "not-readable",
        Severity.WARNING,
        f"not everything that the plan rests on could be read, so that {what} may plan otherwise",
        (),
        unread_texts(unread),
        _recorded_again(unread) if is_record else "Run the same command as root to see all of it.",
        advice=OBSERVE if is_record else None,
    )
    record = "an incomplete record" if is_record else "what this user can read"
    note = f"it rests on {record} ({several(one.what[:_LONGEST_WHAT] for one in unread)} could not be read)"
    return made._replace(problems=(*made.problems, problem), notes=(*made.notes, note), unread=unread)


_LONGEST_WHAT: Final = 200
"""How much a note has of what could not be read, which a record may say at any length."""


def _recorded_again(unread: Iterable[Unread]) -> str:
    """What makes a record complete in which all of `unread` is missing."""
    damaged = [one.is_damaged for one in unread]
    if not any(damaged):
        return "Record the host again, as root."
    return f"Move the damaged file away on the host, then record it again{'.' if all(damaged) else ', as root.'}"


def _without_damaged(made: Plan, damaged: Iterable[BadRecord], unread: tuple[Unread, ...]) -> Plan:
    """`made`, which says that it rests on less than there is since records are `damaged`, and what is `unread`."""
    newer = [one for one in damaged if isinstance(one, NewerRecord)]
    verdict = newer[0].verdict if newer else BadRecord.verdict
    problem = Problem(
        "newer-record" if newer else "damaged-record",
        Severity.WARNING,
        f"a file that we keep {verdict}, so that this is shown without it, and nothing can be applied",
        (),
        unread_texts(unread),
        " ".join(("Update reconcile on this host.",) if newer else (_moving_away(one.remedy) for one in damaged)),
    )
    note = f"it rests on what can be read ({several(one.what[:_LONGEST_WHAT] for one in unread)} could not be)"
    return made._replace(problems=(*made.problems, problem), notes=(*made.notes, note), unread=unread)


def _moving_away(remedy: str) -> str:
    command, _, cost = remedy.partition("    # ")
    return f"Move the file away: {cost}. To do that, run: {command}"


def _persistent(made: Plan, applied: Inventory, host: PlannedHost, scope: Whole | AllBut) -> Plan:
    """`made`, with the files that it changes so that the host boots into it, and with who else decides about that."""
    spared = scope.spared.holders or frozenset() if isinstance(scope, AllBut) else frozenset()
    wanted = made.desired.host.persistence
    by_mdevctl = Persistence.MDEVCTL in (wanted, applied.persistence)
    with_boot = wanted is not Persistence.NONE or scope == Whole(with_boot=True)
    if FILES in spared or not (by_mdevctl or with_boot):
        return made
    from reconciler.transaction.persist import boot_problems, persistent

    files = host.boot_files()
    if by_mdevctl:
        made = persistent(made, applied, files, _kept_files(made, applied, host, scope, is_known=files is not None))
    if with_boot and files is not None:
        made = made._replace(problems=(*made.problems, *boot_problems(made, files)))
    return made


def _kept_files(
    made: Plan, applied: Inventory, host: PlannedHost, scope: Whole | AllBut, *, is_known: bool
) -> frozenset[str]:
    """Whose files stay as another program has left them: uuids, and `HOST` for the masks."""
    if isinstance(scope, Whole):
        return frozenset()
    kept = scope.suspended  # a suspended guest also boots as it did
    if scope.spared.holders is None and is_known:
        from reconciler.planning.boot_stages import unconcerned_files

        kept |= unconcerned_files(made, applied, host.applied_last(applied))
    return kept


def observe_host(machine: OpenHost, like: Observed | None = None) -> Observed:
    """The host as it is, with the names of VMs where they are known; for `like` see `observe`.

    Raises:
        UnreadableHost: it cannot be read.
    """
    return observe(machine.sysfs, like)._replace(vms=machine.vms())


def _placed(made: Plan, site: Site) -> tuple[Problem, ...]:
    return ProblemList((*site.problems, *placed(made.problems, site.sources))).all
