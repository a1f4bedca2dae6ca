"""Whether what is to be suspended or resumed is a guest, and what was meant where it is none."""

from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import product
from typing import NamedTuple

import click

from reconciler.cli.command_lines import changed_line
from reconciler.cli.meant.first_shown import LISTS
from reconciler.cli.meant.nouns import GUESTS, HOSTS
from reconciler.cli.meant.queues import ALMOST_A_QUEUE
from reconciler.cli.open_host import known_hosts, state_of, wanted_here
from reconciler.cli.options import HostOptions, seconds_in
from reconciler.cli.output import note
from reconciler.cli.tree import Refused
from reconciler.kernel.text_forms import UnknownText, parse_queue
from reconciler.model.commands import STATUS, status_of_guest
from reconciler.model.matrix import ApConfig, Queue
from reconciler.model.printable import shortened
from reconciler.model.similar import nearest
from reconciler.planning.misread import ids_meant
from reconciler.transaction.journal import Journal
from reconciler.transaction.loop_records import read_last_good


def require_known(host: HostOptions, guests: tuple[str, ...]) -> None:
    """Refuse a mistyped name, which would suspend no guest and go unnoticed; where none is known, say that."""
    found = recorded(host)
    known = {one.name for one in found}
    if not known.issuperset(guests):
        here = wanted_here(host)  # one may be new
        known |= {one.name for one in here.desired.guests} if here else set()
    _refuse_duration(guests, known)
    if known and not known.issuperset(guests):
        from reconciler.cli.meant.reasons import with_quotes

        if refused := with_quotes(sorted(known)):
            raise refused
    if _noun_in(guests, known)[0]:
        click.get_current_context().params["guests"] = others = _noun_in(guests, known)[1]
        require_known(host, others)  # so that the command without nouns is not refused
    refuse_nouns(host, guests, known)
    for name in guests:
        if name not in known and (refused := _no_guest_but(host, name, found)):
            raise refused
    if guests and not known:
        there = f"is a guest {guests[0]}" if len(guests) == 1 else "are such guests"
        note(f"{state_of(host)[0].path} has no record of any guest, so whether there {there} was not checked")
    unknown = [name for name in guests if name not in known]
    listed = [one for name in guests for one in name.split(",") if one]
    if unknown and known.issuperset(listed):
        line = changed_line(click.get_current_context(), guests=tuple(listed))
        raise Refused("guests stand one behind the other, without commas", line)
    if known and unknown:
        from reconciler.cli.meant.names import other_guests

        raise _refused_host(host, unknown, known) or other_guests(unknown, known)


def _refuse_duration(guests: tuple[str, ...], known: Container[str]) -> None:
    """Return if no one of `guests` says how long they are suspended.

    Raises:
        Refused: one does, and is not `known` as a guest; it has the command with ``--for``.
    """
    context = click.get_current_context()
    found = [one for one in guests if one not in known and seconds_in(one)]
    if context.params.get("seconds", "") is not None or len(found) != 1:  # given, or no command that takes it
        return
    others = tuple(one for one in guests if one != found[0])
    remark = "" if others else "    # the whole host"
    line = changed_line(context, guests=others or None, seconds=found[0])
    raise Refused(f"{found[0]} is no guest; how long guests are suspended is said with --for", f"{line}{remark}")


def refuse_nouns(host: HostOptions, guests: tuple[str, ...], known: Container[str]) -> None:
    """Return if no one of `guests` is a word such as guest before a name, host or list; those `known` are names.

    Raises:
        Refused: one is; it has the command without it, or the one that lists what is suspended.
    """
    if guests and guests[0] in LISTS and guests[0] not in known:
        line = f"{host.line(STATUS)}    # shows what is suspended"
        raise Refused(f"no guest called {guests[0]} is known here", line)
    noun, others = _noun_in(guests, known)
    if noun:
        remark = "" if others else "    # the whole host"
        line = changed_line(click.get_current_context(), guests=others)
        raise Refused(f"leave out '{noun}': guests are named without a word before them", f"{line}{remark}")


def _noun_in(guests: tuple[str, ...], known: Container[str]) -> tuple[str, tuple[str, ...]]:
    """The first of `guests` that is no name but a word for one, or empty; and those that are names."""
    nouns = tuple(one for one in guests if one.lower() in (*GUESTS, *HOSTS) and one not in known)
    others = tuple(one for one in guests if one not in nouns)
    is_clear = bool(others) or any(one.lower() in HOSTS for one in nouns)
    return (nouns[0], others) if nouns and is_clear else ("", guests)


def _refused_host(host: HostOptions, unknown: Sequence[str], known: Iterable[str]) -> Refused | None:
    """That the host was probably meant by the first of the `unknown` names; None where a guest was, or none of both."""
    near = host_meant(host, unknown[0], known)
    if not near:
        return None
    whole = changed_line(click.get_current_context(), guests=None)
    text = f"no guest called {shortened(unknown[0])} is known here. Did you mean the host '{near}'?"
    return Refused(f"{text} To suspend the whole host, name no guest", whole)


def host_meant(host: HostOptions, word: str, known: Iterable[str]) -> str:
    """The name of the host where `word` means it rather than one of the `known` guests; else empty."""
    guests, hosts = set(known), known_hosts(host)
    near = nearest(word, sorted({*guests, *hosts}))
    return near if near in hosts - guests else ""


class Recorded(NamedTuple):
    """A guest of which there is a record: its name, the uuid of its device, and what that holds or is to hold."""

    name: str
    uuid: str
    config: ApConfig


def recorded(host: HostOptions) -> list[Recorded]:
    """The guests that were applied last, and those that the loop enforces."""
    state, boot_id = state_of(host)
    good = read_last_good(state)
    applied = Journal(state, boot_id).applied().guests
    return [
        *(Recorded(name, uuid, config) for uuid, (name, config) in applied.items()),
        *(Recorded(one.name, one.uuid, one.config) for one in (good.desired.guests if good else ())),
    ]


def _no_guest_but(host: HostOptions, word: str, found: Sequence[Recorded]) -> Refused | None:
    """Why `word` cannot be suspended where it is no guest but the host, a device or a queue; None where it is none."""
    line = partial(_with_guests, word)
    if word in known_hosts(host):
        # The whole host has all guests that may be named besides.
        whole = changed_line(click.get_current_context(), guests=None)
        return Refused(f"{word} is the host, not a guest; to suspend the whole host, name no guest", whole)
    if names := [one.name for one in found if one.uuid == word.lower()]:
        return Refused(f"{word} is the device of {names[0]}; guests are suspended by name", line(names[:1]))
    queues = _queues(word)
    if not queues:
        return None
    holders = {queue: sorted({one.name for one in found if one.config.matrix.has(queue)}) for queue in queues}
    lines = [
        f"{line(names)}{'' if str(queue) == word.lower() else f'    # for {queue}'}"
        for queue, names in holders.items()
        if names
    ]
    who = "" if lines else ", and no guest is known to have it"
    return Refused(
        f"{word} is a queue{who}; what can be suspended is a guest, or the whole host",
        *(lines or [host.line(status_of_guest(word))]),
    )


def _with_guests(word: str, names: Sequence[str]) -> str:
    """The current command with the guests called `names` in place of `word`."""
    context = click.get_current_context()
    guests = [name for one in context.params["guests"] for name in (names if one == word else [one])]
    return changed_line(context, guests=tuple(dict.fromkeys(guests)))


def _queues(word: str) -> list[Queue]:
    """The queues that `word` may mean; none where it looks like none."""
    almost = ALMOST_A_QUEUE.fullmatch(word)
    with suppress(UnknownText):
        return [parse_queue(word.lower())]
    return [Queue(*pair) for pair in product(ids_meant(almost[1]), ids_meant(almost[2]))] if almost else []
