"""Guests that would get another device only because the names changed that their uuid is derived from.

Such a change is easily made without being noticed: a guest that gets ``hosts`` in place of ``host``, or a Host with
another name. The device that its VM names would be removed, and another one made. A uuid that is written in the
manifest is meant so. A plan compares with what was applied last, `reconcile validate` with another commit, which also
says where a guest was that is on another host now.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from reconciler.model.desired import DesiredGuest
from reconciler.model.ids import Uuid
from reconciler.model.problems import Place, Problem, Severity, explained, several


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


def moved_uuids(
    now: Sequence[DesiredGuest], had: Sequence[DesiredGuest], since: str, host: str | None = None
) -> Iterator[Problem]:
    """An error for each guest that left its host for another one, and would lose its device with the name of its host.

    Which guest it was is decided by its name. Where guests of several hosts have this name, as many may have gone as
    have come: then it is the one with the same queues. Where that leaves a choice, none is made.

    Args:
        now: all guests of all hosts.
        had: those that there were.
        since: when there were these, for a sentence: "it had OLD `since`".
        host: the one that is looked at, of those that a guest left or came to; None: all.
    """
    were, are = {(one.name, one.host) for one in had}, {(one.name, one.host) for one in now}
    old, new = {one.uuid for one in had}, {one.uuid for one in now}
    gone = _by_name(one for one in had if (one.name, one.host) not in are and one.uuid not in new)
    come = _by_name(one for one in now if (one.name, one.host) not in were and one.uuid not in old)
    pairs = [pair for name, guests in come.items() for pair in _pairs(gone.get(name, ()), guests)]
    moved = [
        (after, before)
        for after, before in pairs
        if not after.uuid_written and host in {None, after.host, before.host, *after.hosts, *before.hosts}
    ]
    yield from explained(moved, lambda pair: _moved(*pair, since))


def _by_name(guests: Iterable[DesiredGuest]) -> dict[str, list[DesiredGuest]]:
    """Those of one name together, each uuid once: a guest with several hosts is one guest."""
    found: dict[str, dict[Uuid, DesiredGuest]] = {}
    for one in guests:
        found.setdefault(one.name, {}).setdefault(one.uuid, one)
    return {name: list(own.values()) for name, own in found.items()}


def _pairs(gone: Sequence[DesiredGuest], come: Sequence[DesiredGuest]) -> Iterator[tuple[DesiredGuest, DesiredGuest]]:
    """Of each guest that has come and that surely is one that has gone: what it is, and what it was."""
    if len(gone) == 1 and len(come) == 1:
        yield come[0], gone[0]
        return
    for one in come:
        same = [other for other in gone if other.config == one.config]
        if len(same) == 1 and sum(other.config == one.config for other in come) == 1:
            yield one, same[0]


def _moved(guest: DesiredGuest, old: DesiredGuest, since: str) -> Problem:
    here, there = _on(guest), _on(old)
    message = (
        f"guest '{guest.name}' {here} would have the uuid {guest.uuid}, which is derived from names; {there} it had "
        f"{old.uuid} {since}"
    )
    made = f"The mediated device {old.uuid} would be removed {there}, and {guest.uuid} made {here}."
    return _problem(guest, old.uuid, message, made)


def _on(guest: DesiredGuest) -> str:
    return f"on {several(guest.hosts or (guest.host,))}"


def _changed(guest: DesiredGuest, old: Uuid, since: str) -> Problem:
    message = (
        f"guest '{guest.name}' would have the uuid {guest.uuid}, which is derived from names; it had {old} {since}"
    )
    return _problem(
        guest, old, message, f"The mediated device {old} would be removed, and {guest.uuid} made in its place."
    )


def _problem(guest: DesiredGuest, old: Uuid, message: str, made: str) -> Problem:
    return Problem(
        "uuid-would-change",
        Severity.ERROR,
        message,
        (Place(guest.position, "", ("spec",)),),
        (made, f"The domain XML of its VM names {old}, so that the VM could not start with the new device."),
        f"Add this line to its spec, so that it keeps its device:\n  uuid: {old}\n"
        f"If another device is meant, write that one: 'uuid: {guest.uuid}'.",
    )
