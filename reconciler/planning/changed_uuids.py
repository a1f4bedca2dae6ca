"""Guests that would get another device only because the names changed that their uuid is derived from.

Such a change is easily made without being noticed: a guest that gets ``hosts`` in place of ``host``, or a Host with
another name. The device that its VM names would be removed, and another one made. A uuid that is written in the
manifest is meant so. A plan compares with what was applied last, `reconcile validate` with another commit.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from reconciler.model.desired import DesiredGuest
from reconciler.model.ids import Uuid
from reconciler.model.problems import Place, Problem, Severity, explained


def changed_uuids(
    guests: Sequence[DesiredGuest], had: Mapping[Uuid, str], since: str, only: Collection[Uuid] | None = None
) -> Iterator[Problem]:
    """An error for each guest that had another uuid before, which no guest has now, and does not write its own.

    Args:
        guests: all guests that one host is to have.
        had: the names of the guests that it had, by uuid; where a name has several uuids, the first one counts.
        since: when it had these, for a sentence: "it had OLD `since`".
        only: the uuids of those of `guests` that are looked at; None: all.
    """
    gone: dict[str, Uuid] = {}
    wanted = {guest.uuid for guest in guests}
    for uuid, name in had.items():
        if uuid not in wanted:
            gone.setdefault(name, uuid)
    changed = (
        guest
        for guest in guests
        if guest.name in gone and not guest.uuid_written and (only is None or guest.uuid in only)
    )
    yield from explained(changed, lambda guest: _changed(guest, gone[guest.name], since))


def _changed(guest: DesiredGuest, old: Uuid, since: str) -> Problem:
    return Problem(
        "uuid-would-change",
        Severity.ERROR,
        f"guest '{guest.name}' would have the uuid {guest.uuid}, which is derived from names; it had {old} {since}",
        (Place(guest.position, "", ("spec",)),),
        (
            f"The mediated device {old} would be removed, and {guest.uuid} made in its place.",
            f"The domain XML of its VM names {old}, so that the VM could not start with the new device.",
        ),
        f"Add this line to its spec, so that it keeps its device:\n  uuid: {old}\n"
        f"If another device is meant, write that one: 'uuid: {guest.uuid}'.",
    )
