"""The write-ahead journal: what was there before the first write, until the last one is verified.

One JSON value a line: first the start, the steps with what is there before and after each, the inventory before and
after and the plan's fingerprint; then a line before each step is begun, and one when all of them are verified. The file
is removed when the transaction has ended at the target or at the start, and replaced by ``degraded.json`` otherwise.
sysfs starts afresh at boot, so a journal of another boot is history.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from reconciler.model.codec import BadRecord
from reconciler.model.desired import Activation, Ignored
from reconciler.model.ids import Uuid
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.outcome import Unconfirmed
from reconciler.model.printable import error_text
from reconciler.model.steps import FileChange, Holdings, Step, holdings_after
from reconciler.planning.plan import GuestPlan, Plan, RolledBack, RollsBack
from reconciler.planning.planner import NOTHING_APPLIED, Applied
from reconciler.transaction.records import RECORDS, naming_file, read_record, write_record
from reconciler.transaction.state_directory import StateDirectory

JOURNAL: Final = "journal.jsonl"
INVENTORY: Final = "inventory.json"
DEGRADED: Final = "degraded.json"
_VERIFIED: Final = b'{"verified": true}'


class FirstLine(NamedTuple):
    """What a journal begins with: all that the rollback to `start` needs.

    Attributes:
        boot_id: the boot in which the transaction was begun.
        generation: its number in the history; 0 where it has none.
        fingerprint: of its plan.
        start: what was there before it.
        steps: what it is to do.
        files: the files of other tools that it is to change.
        interruptible: the uuids of devices that rolling it back may take queues from for a while.
        before: the inventory before it.
        after: the inventory that it is to lead to.
    """

    boot_id: str
    generation: int
    fingerprint: str
    start: Holdings
    steps: tuple[Step, ...]
    files: tuple[FileChange, ...]
    interruptible: frozenset[Uuid]
    before: Applied
    after: Applied


class _Degraded(NamedTuple):
    """What an apply has left that is neither start nor target, and the boot in which it did."""

    boot_id: str
    differences: tuple[str, ...]


class Unfinished(NamedTuple):
    """A transaction that was begun and not ended.

    Attributes:
        start: what was there before it.
        steps: what it was to do.
        before: the inventory before it.
        after: the inventory that it was to lead to.
        begun: the last step that was begun, from 1; 0 where none was.
        verified: whether all steps were made and seen to have worked, so that only the journal was not closed.
        same_boot: whether the host has not been booted since.
        generation: its number in the history; 0 where it has none.
        files: the files of other tools that it was to change.
        interruptible: the uuids of devices that rolling it back may take queues from for a while.
    """

    start: Holdings
    steps: tuple[Step, ...]
    before: Applied
    after: Applied
    begun: int
    verified: bool
    same_boot: bool
    generation: int
    files: tuple[FileChange, ...] = ()
    interruptible: frozenset[str] = frozenset()

    @property
    def target(self) -> Holdings:
        """What was to be there after it."""
        return holdings_after(self.start, self.steps)

    @property
    def touched(self) -> frozenset[str]:
        """The uuids that it may have changed."""
        return frozenset(step.uuid for step in self.steps if step.uuid)


class Journal:
    """Journal and inventory in a state directory.

    Args:
        state: the directory.
        boot_id: names the present boot of the host.
        generation: the number that the next transaction has in the history.
    """

    def __init__(self, state: StateDirectory, boot_id: str, generation: int = 0) -> None:
        self._state = state
        self._boot_id = boot_id
        self._generation = generation

    def begin(self, plan: Plan, start: Holdings) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        # On disk before the first write: from then on a crash at any moment leaves what leads to the start or to the
        # target (I4). A plan without kernel writes has nothing to recover from.
        if plan.changes:
            self.reopen(self.first_line(plan, start))

    def first_line(self, plan: Plan, start: Holdings) -> FirstLine:
        """What the journal of `plan` begins with: all that the rollback to `start` needs."""
        return FirstLine(
            boot_id=self._boot_id,
            generation=self._generation,
            fingerprint=plan.fingerprint,
            start=start,
            steps=tuple(one.step for one in plan.steps),
            files=plan.files,
            interruptible=plan.interruptible,
            before=self.applied(),
            after=applied_by(plan, self._generation, self.applied()),
        )

    def reopen(self, first_line: FirstLine) -> None:
        """Make the journal one that was begun, and not ended, with `first_line`."""
        write_record(self._state, JOURNAL, first_line)

    def step(self, number: int) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        # Before the write, not after it: what was begun may have happened.
        self._state.append(JOURNAL, _step_line(number) + b"\n")

    def verified(self) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        self._state.append(JOURNAL, _VERIFIED + b"\n")

    def commit(self, plan: Plan) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        before = self.applied()
        applied = applied_by(plan, self._generation or before.generation, before)
        if plan.changes or applied != before:
            self.finish(applied)

    def finish(self, applied: Applied) -> None:
        """Record that the transaction reached its target, and that `applied` is ours."""
        # The journal goes after the inventory: killed in between, the next run finds all steps verified and does this
        # again. The other way round, devices of ours could be left that no record names (I5).
        write_record(self._state, INVENTORY, applied)
        self._state.remove(JOURNAL)
        self._state.remove(DEGRADED)

    def rolled_back(self) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        if unfinished := self.unfinished():
            self.keep_start(unfinished)
        self.close()

    def keep_start(self, unfinished: Unfinished, unconfirmed: Unconfirmed | None = None) -> None:
        """Record that what was ours before `unfinished` is ours again; `unconfirmed`: why. The journal stays."""
        before = _before_unconfirmed(unfinished, unconfirmed) if unconfirmed else unfinished.before
        # A commit that ended between inventory and journal has recorded as ours what is gone again.
        if not self._has(before):
            write_record(self._state, INVENTORY, before)

    def close(self) -> None:
        """Remove the journal: everything else is recorded."""
        self._state.remove(JOURNAL)

    def _has(self, applied: Applied) -> bool:
        try:
            return self.applied() == applied
        except BadRecord:  # what it said is in the journal, too
            return False

    def degraded(self, differences: tuple[str, ...]) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        self.keep_degraded(self.unfinished(), differences)
        self.close()

    def keep_degraded(self, unfinished: Unfinished | None, differences: tuple[str, ...]) -> None:
        """Record that `unfinished` has left `differences`; the journal stays."""
        # Some of the old may be left and some of the new: all of it is ours, and corrected by the next apply.
        if unfinished:
            before, after = unfinished.before, unfinished.after
            write_record(self._state, INVENTORY, before._replace(guests={**after.guests, **before.guests}))
        write_record(self._state, DEGRADED, _Degraded(self._boot_id, differences))

    def left_degraded(self) -> tuple[str, ...]:
        """What an apply of this boot left that was neither start nor target, a sentence each; mostly nothing.

        Raises:
            BadRecord: the file is not as we write it.
        """
        found = read_record(self._state, DEGRADED, _Degraded)
        return found.differences if found and found.boot_id == self._boot_id else ()

    def applied(self) -> Applied:
        """What was applied last.

        Raises:
            BadRecord: the inventory is not as we write it.
        """
        content = self._state.read(INVENTORY)
        if content is None:
            return Applied(None, {})
        return naming_file(self._state, INVENTORY, lambda: _inventory_of(content))

    def unfinished(self) -> Unfinished | None:
        """The transaction that was begun and not ended, if there is one.

        Raises:
            BadRecord: the journal is not as we write it.
        """
        content = self._state.read(JOURNAL)
        return (
            None if content is None else naming_file(self._state, JOURNAL, lambda: read_journal(content, self._boot_id))
        )


class JournalIfPossible:
    """Journal and inventory of an apply that is made also where nothing can be recorded.

    That is right only where whatever a crash leaves is as good as the start: on a host that was just booted.

    Args:
        journal: what records while it can.
        obstacle: why nothing can be recorded, where that is known already.

    Attributes:
        obstacle: why something could not be recorded; empty as long as all was.
    """

    def __init__(self, journal: Journal, obstacle: str) -> None:
        self._journal = journal
        self._is_begun = False
        self.obstacle = obstacle

    def begin(self, plan: Plan, start: Holdings) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        known = self.obstacle
        self._tried(lambda: self._journal.begin(plan, start))
        # A journal may be there although it is not known to be on the disk.
        self._is_begun = not known and self._journal.unfinished() is not None

    def step(self, number: int) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        self._tried(lambda: self._journal.step(number))

    def verified(self) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        self._tried(self._journal.verified)

    def commit(self, plan: Plan) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`; fails only where the next run would undo what was done."""
        self._tried(lambda: self._journal.commit(plan))
        if self.obstacle and self._is_begun:
            self._journal.close()  # needs no space

    def rolled_back(self) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        if self._is_begun:
            self._journal.rolled_back()

    def degraded(self, differences: tuple[str, ...]) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        if self._is_begun:
            self._journal.degraded(differences)

    def _tried(self, record: Callable[[], object]) -> None:
        # After one failure nothing is added: a line that is torn may be the last of a journal, and no other.
        if self.obstacle:
            return
        try:
            record()
        except OSError as error:
            self.obstacle = error_text(error)


def applied_by(plan: Plan, generation: int = 0, before: Applied = NOTHING_APPLIED) -> Applied:
    """What is ours once `plan` is applied as `generation`: the devices of its guests that exist then.

    A plan that is confined to some devices changes nothing in what was ours `before` but these.
    """
    # Masks that drifted and are left so are still to be as they were wanted.
    pool = (plan.wanted_pool or plan.pool) if plan.pool_reason else None
    ours = {one.uuid: (one.name, one.guest.config if one.guest else one.after) for one in plan.guests if one.after}
    ours.update((one.uuid, before.guests[one.uuid]) for one in plan.guests if _may_be_gone(one, before))
    # What the plan does not touch is as much ours as it was.
    ours = {uuid: one for uuid, one in ours.items() if uuid not in plan.untouched}
    ours.update((uuid, before.guests[uuid]) for uuid in sorted(plan.untouched & before.guests.keys()))
    unclaimed = {one.uuid: one.name for one in plan.desired.guests}
    if plan.only is None:
        after = Applied(pool, ours, generation, plan.desired.digest, plan.desired.host.persistence)
    else:
        others = {uuid: one for uuid, one in before.guests.items() if uuid not in plan.only}
        chosen = {uuid: name for uuid, name in unclaimed.items() if uuid in plan.only}
        unclaimed = {**before.unclaimed, **chosen}
        after = before._replace(guests={**others, **ours}, generation=generation, pool=_pool_left(plan, before))
    unclaimed = {uuid: name for uuid, name in unclaimed.items() if uuid not in after.guests}
    return after._replace(unclaimed=unclaimed, rolled_back=_rolled_back(plan.rolls_back, before, after))


def _pool_left(plan: Plan, before: Applied) -> Matrix | None:
    """The host pool as `plan`, which is confined to some devices, leaves it: without what it has the host give up.

    What drifted before still has drifted. Otherwise what we took would be called the work of another program.
    """
    now = plan.observed.pool
    if plan.pool == now:
        return before.pool
    known = before.pool or now
    return Matrix(
        known.adapters - (now.adapters - plan.pool.adapters), known.domains - (now.domains - plan.pool.domains)
    )


def _rolled_back(where: RollsBack | None, before: Applied, after: Applied) -> RolledBack | None:
    """What rollbacks have undone, and what is not applied again `after` a plan that itself leads `where`, if it does.

    Several rollbacks in a row count as one: the manifests want what there was before the first.
    """
    known = before.rolled_back
    if where is None and after.digest != before.digest:
        return None  # other manifests were applied as a whole
    had, has = _configs(before), _configs(after)
    changed = {uuid: had.get(uuid) for uuid in sorted(had.keys() | has.keys()) if had.get(uuid) != has.get(uuid)}
    if where and (changed or before.pool != after.pool):
        made = RolledBack(after.generation, where.to, where.undone, before.pool, changed)
        known = made._replace(pool=known.pool, guests={**changed, **known.guests}) if known else made
    if known is None:
        return None
    guests = {uuid: one for uuid, one in known.guests.items() if one != has.get(uuid)}
    return known._replace(guests=guests) if guests or known.pool != after.pool else None


def _before_unconfirmed(unfinished: Unfinished, unconfirmed: Unconfirmed) -> Applied:
    """What was ours before an apply that was not confirmed, with what rolling that back has undone."""
    before, after = unfinished.before, unfinished.after
    # What an earlier rollback has undone still is, unless the apply was to bring all of it back.
    if before.rolled_back and after.rolled_back:
        return before
    had, wanted = _configs(before), _configs(after)
    changed = {one: wanted.get(one) for one in sorted(had.keys() | wanted.keys()) if had.get(one) != wanted.get(one)}
    if not changed and before.pool == after.pool:
        return before
    number = unfinished.generation
    return before._replace(rolled_back=RolledBack(number, 0, number, after.pool, changed, unconfirmed))


def _configs(applied: Applied) -> dict[str, ApConfig]:
    return {uuid: one for uuid, (_, one) in applied.guests.items()}


def _may_be_gone(one: GuestPlan, before: Applied) -> bool:
    """Whether another program has removed the device of a guest that says this is to be ignored."""
    guest = one.guest
    if guest is None or one.after is not None or Ignored.DEVICE not in guest.ignored:
        return False
    return guest.activation is Activation.ACTIVE and before.guests.get(one.uuid, ("", None))[1] == guest.config


@lru_cache(maxsize=2)  # one command asks several times, a loop again and again
def _inventory_of(content: bytes) -> Applied:
    return RECORDS.read_content(Applied, content)


def _step_line(number: int) -> bytes:
    return b'{"step": %d}' % number


def read_journal(content: bytes, boot_id: str) -> Unfinished:
    """The transaction of a journal with `content`; `boot_id` names the present boot.

    Raises:
        BadRecord: it is no journal.
    """
    # The first line is written by rename, so it is whole; a torn last line is a step that was not begun.
    first, *lines = content.split(b"\n")
    first_line = RECORDS.read_content(FirstLine, first)
    whole_lines = lines[:-1]
    verified = whole_lines[-1:] == [_VERIFIED]
    begun = len(whole_lines) - verified
    if begun > len(first_line.steps) or whole_lines[:begun] != [_step_line(number) for number in range(1, begun + 1)]:
        raise BadRecord("what follows its first line is not its steps in their order")
    return unfinished_of(first_line, boot_id, begun, verified=verified)


def unfinished_of(first_line: FirstLine, boot_id: str, begun: int = 0, *, verified: bool = False) -> Unfinished:
    """The transaction that began with `first_line`, so many steps of which were `begun`; `boot_id` as in `Journal`."""
    return Unfinished(
        start=first_line.start,
        steps=first_line.steps,
        before=first_line.before,
        after=first_line.after,
        begun=begun,
        verified=verified,
        same_boot=first_line.boot_id == boot_id,
        generation=first_line.generation,
        files=first_line.files,
        interruptible=first_line.interruptible,
    )
