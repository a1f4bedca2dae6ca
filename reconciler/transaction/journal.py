"""The write-ahead journal: what was there before the first write, until the last one is verified.

One JSON value a line: first the start, the inventory before and after and the plan's fingerprint, then a line before
each step. The file is removed when the transaction has ended at the target or at the start, and replaced by
``degraded.json`` otherwise. sysfs starts afresh at boot, so a journal of another boot is history.
"""

import json
from typing import Final, NamedTuple

from reconciler.model.steps import Holdings
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Applied
from reconciler.transaction.records import (
    BadRecord,
    holdings_record,
    inventory_record,
    inventory_text,
    read_holdings,
    read_inventory,
    read_inventory_record,
)
from reconciler.transaction.state_directory import StateDirectory

JOURNAL: Final = "journal.jsonl"
INVENTORY: Final = "inventory.json"
DEGRADED: Final = "degraded.json"
JOURNAL_VERSION: Final = 1


class Unfinished(NamedTuple):
    """A transaction that was begun and not ended.

    Attributes:
        start: what was there before it.
        before: the inventory before it.
        after: the inventory that it was to lead to.
        touched: the uuids that it may have changed.
        step: the last step that was begun, from 1; 0 where none was.
        same_boot: whether the host has not been booted since.
    """

    start: Holdings
    before: Applied
    after: Applied
    touched: frozenset[str]
    step: int
    same_boot: bool


class Books:
    """Journal and inventory in a state directory; `boot_id` names the present boot of the host."""

    def __init__(self, state: StateDirectory, boot_id: str) -> None:
        self._state = state
        self._boot_id = boot_id

    def begin(self, plan: Plan, start: Holdings) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        if not plan.steps:
            return
        first = {
            "journalVersion": JOURNAL_VERSION,
            "bootId": self._boot_id,
            "fingerprint": plan.fingerprint,
            "start": holdings_record(start),
            "before": inventory_record(self.applied()),
            "after": inventory_record(applied_by(plan)),
            "touched": sorted({one.step.uuid for one in plan.steps if one.step.uuid}),
        }
        self._state.replace(JOURNAL, _line(first))

    def step(self, number: int) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        self._state.append(JOURNAL, _line({"step": number}))

    def commit(self, plan: Plan) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        applied = applied_by(plan)
        if not plan.steps and applied == self.applied():
            return
        self._state.replace(INVENTORY, inventory_text(applied))
        self._state.remove(JOURNAL)
        self._state.remove(DEGRADED)

    def rolled_back(self) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        # A commit that ended between inventory and journal has recorded as ours what is gone again.
        unfinished = self.unfinished()
        if unfinished and unfinished.before != self.applied():
            self._state.replace(INVENTORY, inventory_text(unfinished.before))
        self._state.remove(JOURNAL)

    def degraded(self, differences: tuple[str, ...]) -> None:
        """See `reconciler.transaction.apply.Bookkeeping`."""
        # Some of the old may be left and some of the new: all of it is ours to put in order.
        if unfinished := self.unfinished():
            before, after = unfinished.before, unfinished.after
            self._state.replace(INVENTORY, inventory_text(Applied(before.pool, {**after.guests, **before.guests})))
        self._state.replace(DEGRADED, _line({"bootId": self._boot_id, "differences": differences}))
        self._state.remove(JOURNAL)

    def applied(self) -> Applied:
        """What was applied last.

        Raises:
            BadRecord: the inventory is not as we write it.
        """
        content = self._state.read(INVENTORY)
        return Applied(None, {}) if content is None else read_inventory(content)

    def unfinished(self) -> Unfinished | None:
        """The transaction that was begun and not ended, if there is one.

        Raises:
            BadRecord: the journal is not as we write it.
        """
        content = self._state.read(JOURNAL)
        return None if content is None else _read_journal(content, self._boot_id)


def applied_by(plan: Plan) -> Applied:
    """What is ours once `plan` is carried out: the devices of its guests that exist then."""
    pool = plan.pool if plan.pool_reason else None
    return Applied(
        pool, {one.uuid: (one.name, one.guest.config if one.guest else one.after) for one in plan.guests if one.after}
    )


def _line(record: object) -> bytes:
    return (json.dumps(record) + "\n").encode()


def _read_journal(content: bytes, boot_id: str) -> Unfinished:
    # The first line is written by rename, so it is whole; a torn last line is a step that was not begun.
    lines = content.split(b"\n")
    try:
        first = json.loads(lines[0])
        if first["journalVersion"] != JOURNAL_VERSION:
            raise BadRecord(f"journal version {first['journalVersion']} is not known here")
        start = read_holdings(first["start"])
        before, after = read_inventory_record(first["before"]), read_inventory_record(first["after"])
        touched = frozenset(map(str, first["touched"]))
        same_boot = first["bootId"] == boot_id
    except (ValueError, KeyError, TypeError) as error:
        raise BadRecord(f"not a journal: {error}") from error
    return Unfinished(start, before, after, touched, len([line for line in lines[1:-1] if line]), same_boot)
