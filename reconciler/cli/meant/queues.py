"""What the words after ``status`` and ``matrix`` ask for: guests, queues and cards, however these are written."""

import os
import re
from collections.abc import Container, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import click

from reconciler.cli.command_lines import changed_line
from reconciler.cli.meant.files import given_in, of_another_kind
from reconciler.cli.meant.nouns import NOUNS, first_noun, without_nouns
from reconciler.cli.options import HostOptions
from reconciler.cli.output import say
from reconciler.cli.tree import Refused
from reconciler.kernel.text_forms import UnknownText, parse_queue
from reconciler.model.commands import STATUS
from reconciler.model.desired import Selector
from reconciler.model.ids import ID_COUNT, IdSet
from reconciler.model.matrix import Queue
from reconciler.model.printable import shortened
from reconciler.planning.misread import ids_meant, queues_meant
from reconciler.planning.queue_status import (
    CardStatus,
    DomainStatus,
    QueueStatus,
    card_status,
    domain_status,
    queue_status,
)
from reconciler.planning.status import GuestStatus, Status


def refuse_paths(host: HostOptions, guests: tuple[str, ...]) -> None:
    """Return if no one of `guests` is a path: a slash is in no name of a guest.

    Raises:
        click.UsageError: one is; it says what to run instead.
    """
    _refuse_kinds(guests)
    for path in (name for name in guests if "/" in name or (name.endswith((".yaml", ".yml")) and os.path.exists(name))):
        if given_in(path):
            raise of_another_kind(click.get_current_context(), path, "the name of a guest")
        # What is in the current directory is read anyway, with the Host that may be in another file of it.
        is_read = os.path.isfile(path) and not host.paths and os.path.dirname(os.path.abspath(path)) == os.getcwd()
        is_here = is_read or not os.path.exists(path)
        here = host.here if is_here else host.here.reading((*host.paths, path))
        raise click.UsageError(f"'{path}' is no name of a guest; guests are listed by: {here.line(STATUS)}")


def _refuse_kinds(words: tuple[str, ...]) -> None:
    """Return if no one of `words` is a kind and a name, as for kubectl: ``guest/NAME``.

    Raises:
        Refused: one is; it has the command without the kind.
    """
    parts: list[str] = []
    for word in words:
        kind, _, name = word.partition("/")
        is_one = kind.lower() in NOUNS and name and "/" not in name and not os.path.exists(word)
        parts += (kind, name) if is_one else (word,)
    readings = without_nouns(parts, ())
    if len(parts) == len(words) or any(one.domains for one in readings):
        return
    context = click.get_current_context()
    lines = [changed_line(context, guests=one.words) for one in readings]
    raise Refused("guests, queues and cards are named without a word before them", *lines)


class Asked(NamedTuple):
    """What the words after a command ask for: guests by name or uuid, queues, and cards by number."""

    names: tuple[str, ...]
    queues: tuple[Queue, ...]
    cards: tuple[int, ...]


def asked_for(found: Status, words: tuple[str, ...]) -> Asked:
    """The guests, queues and cards that `words` name.

    Raises:
        click.UsageError: one is no guest here, no queue and no card; it says what to run instead.
    """
    known = {key for one in found.rows for key in (one.name, one.uuid)}
    _refuse_nouns(found, words, known)
    names, queues, cards, unknown = [], [], [], []
    for word in words:
        if word in known:
            names.append(word)
        elif queue := _queue(found, word):
            queues.append(queue)
        elif (card := _card(found, word)) is not None:
            cards.append(card)
        else:
            _refuse_domain(found, word)
            unknown.append(word)
    if unknown:
        raise _no_such_guest(found, unknown)
    return Asked(tuple(names), tuple(queues), tuple(cards))


ALMOST_A_QUEUE: Final = re.compile(r"((?:0x)?[0-9a-f]+)[.:,]((?:0x)?[0-9a-f]+)", re.IGNORECASE | re.ASCII)
"""What looks like a queue, with its two ids as groups."""


_JOINED_QUEUE: Final = re.compile(
    r"(?:(?:queue|apqn)[\s_-]*)?(?:0x)?([0-9a-f]{2})[.:,_\s-]?(00[0-9a-f]{2})", re.IGNORECASE | re.ASCII
)
"""A queue with all digits of its ids, but in another form, such as 050047 or 'queue 05.0047'."""


def _queue(found: Status, word: str) -> Queue | None:
    """The queue that is called `word`; None where that looks like none.

    Raises:
        Refused: it looks like one, and is written in another way, or has an id above 255; it says what may be meant.
    """
    with suppress(UnknownText):
        return parse_queue(word.lower())
    if joined := _JOINED_QUEUE.fullmatch(word):
        queue = Queue(int(joined[1], 16), int(joined[2], 16))
        form = f"{word} is no queue: write a queue as AA.DDDD, two ids in hex from 00 to ff"
        raise Refused(form, _meant_line(word, str(queue), _queue_remark(found, queue)))
    almost = ALMOST_A_QUEUE.fullmatch(word)
    if almost is None:
        return None
    form = f"{word} is no queue: write a queue as AA.DDDD, two ids in hex from 00 to ff"
    meant = queues_meant(almost[1], almost[2], found.observed)
    if not meant:
        raise Refused(f"{form}, for example {next((one.queue for one in found.observed.queues), _EXAMPLE)}")
    raise Refused(form, *(_meant_line(word, str(one), _queue_remark(found, one)) for one in meant))


_EXAMPLE: Final = Queue(0x05, 0x47)


def _meant_line(word: str, meant: str, remark: str) -> str:
    """The current command with `meant` in place of `word`, and what that is."""
    context = click.get_current_context()
    words = tuple(meant if one == word else one for one in context.params["guests"])
    return f"{changed_line(context, guests=words)}    # {remark}"


def _queue_remark(found: Status, queue: Queue) -> str:
    is_there = any(one.queue == queue for one in found.observed.queues)
    return f"adapter {IdSet([queue.adapter])}, domain {IdSet([queue.domain])}: {_where(is_there=is_there)}"


def _where(*, is_there: bool) -> str:
    return "on this host" if is_there else "not on this host now"


_CARD: Final = re.compile(r"(?:card|0x)([0-9a-f]{1,2})", re.IGNORECASE | re.ASCII)
_CARD_NUMBER: Final = re.compile(r"[0-9][0-9a-f]{0,2}|[a-f][0-9]", re.IGNORECASE | re.ASCII)
"""Digits in either base; two letters are rather a name."""


def _card(found: Status, word: str) -> int | None:
    """The number of the card that is called `word`: ``card05`` as in /sys, 0x05, 5; None where that looks like none.

    Raises:
        Refused: it is one in hex and another one in decimal; it says which.
    """
    if named := _CARD.fullmatch(word):
        return int(named[1], 16)
    if named := _LIKE_A_CARD.fullmatch(word):
        _refuse_above(word, named[1], 16)
        card = int(named[1], 16)
        is_there = any(one.adapter == card for one in found.observed.cards)
        remark = f"adapter {IdSet([card])}: {_where(is_there=is_there)}"
        raise Refused(
            f"{word} is no card: write card and two digits in hex", _meant_line(word, f"card{card:02x}", remark)
        )
    if word.isascii() and word.isdigit():
        _refuse_above(word, word, 10)
    meant = ids_meant(word) if _CARD_NUMBER.fullmatch(word) else ()
    if len(meant) < 2:
        return meant[0] if meant else None
    there = {one.adapter for one in found.observed.cards}
    lines = [
        _meant_line(word, f"card{one:02x}", f"adapter {IdSet([one])}: {_where(is_there=one in there)}")
        for one in sorted(meant, key=lambda one: one not in there)
    ]
    raise Refused(f"{word} may be the number of a card in hex or in decimal; write card and two digits in hex", *lines)


def _refuse_above(word: str, digits: str, base: int) -> None:
    if len(digits) > _MOST_DIGITS or int(digits, base) >= ID_COUNT:
        raise Refused(f"{word} is no card: no card has a number above 255 (0xff)")


_MOST_DIGITS: Final = 9
_LIKE_A_CARD: Final = re.compile(r"(?:(?:card|adapter)[\s_-]*(?:0x)?|0x)([0-9a-f]+)", re.IGNORECASE | re.ASCII)
"""The number of a card behind a word for it, in another form than in /sys."""

_DOMAIN: Final = re.compile(r"(?:[*?]{0,2}\.)?(00[0-9a-f]{2})|[*?]{0,2}\.([0-9a-f]{1,2})", re.IGNORECASE | re.ASCII)
"""A domain in the form that it has in a queue, without a card."""

_MOST_MEANT: Final = 16


def _refuse_domain(found: Status, word: str) -> None:
    """Return if `word` is no domain alone.

    Raises:
        Refused: it is; it says which queues here have that domain.
    """
    named = _DOMAIN.fullmatch(word)
    if named is None:
        return
    domain = int(named[1] or named[2], 16)
    queues = [one.queue for one in found.observed.queues if one.queue.domain == domain]
    form = f"{word} is a domain alone; a queue is a card and a domain, AA.DDDD"
    if not queues:
        raise Refused(f"{form}. No queue of this domain is on this host now")
    first = queues[:_MOST_MEANT]
    remark = f"domain {IdSet([domain])} of {'each card' if first == queues else f'the first {_MOST_MEANT} cards'}"
    line = changed_line(click.get_current_context(), guests=tuple(map(str, first)))
    raise Refused(form, f"{line}    # {remark}")


def _refuse_nouns(found: Status, words: tuple[str, ...], known: Container[str], *, free: bool = False) -> None:
    """Return if no one of `words` says of what kind the next one is.

    Raises:
        Refused: one does; it has the command without it, or what is wrong with that.
    """
    noun = first_noun(words, known)
    if not noun:
        return
    context, lines = click.get_current_context(), []
    readings = without_nouns(words, known)
    for reading in readings:
        # A domain alone is taken beside --free only; of other lists it stands for its queues.
        there = [one.queue for one in found.observed.queues if one.queue.domain in reading.domains][:_MOST_MEANT]
        domains = [f"{one:04x}" for one in reading.domains] if free else list(map(str, there))
        if reading.domains and not domains:
            continue
        meant = (*reading.words, *domains)
        context.params["guests"] = meant  # for what is said where one of these is wrong
        if len(readings) == 1 and not free:
            asked_for(found, meant)
        ids = IdSet([*(int(one[4:], 16) for one in meant if _CARD.fullmatch(one)), *reading.domains])
        remark = f"    # {ids}" if len(readings) > 1 else ""
        lines.append(f"{changed_line(context, guests=meant or None)}{remark}")
    others = "guests, queues and cards are named without a word before them"
    raise Refused(f"leave out '{noun}': {others}", *lines)


def chosen(
    found: Status, words: tuple[str, ...], selector: Selector, *, by_card: bool = True
) -> tuple[GuestStatus, ...] | None:
    """The rows that were asked for, by name, uuid, queue or card, and by label; None where all of them were.

    Without `by_card` those that only a card has asked for are left out.

    Raises:
        click.UsageError: there is no such guest, queue or card; it says what to run instead.
    """
    if not words and not selector.pairs:
        return None
    asked = asked_for(found, words)
    if not by_card:
        asked = asked._replace(cards=())
    return tuple(
        one
        for one in found.rows
        if (not words or _is_asked_for(one, asked))
        and (not selector.pairs or (one.labels is not None and selector.takes(one.labels)))
    )


def others_named(found: Status, words: tuple[str, ...], rows: Sequence[GuestStatus]) -> tuple[str, ...]:
    """The names of what `words` ask for that is not among the `rows` that `chosen` has taken."""
    if not words:
        return ()
    asked, taken = asked_for(found, words), {one.uuid for one in rows}
    return tuple(one.name for one in found.rows if _is_asked_for(one, asked) and one.uuid not in taken)


def _is_asked_for(one: GuestStatus, asked: Asked) -> bool:
    return bool({one.name, one.uuid} & {*asked.names}) or any(
        (*map(one.has, asked.queues), *map(one.has_card, asked.cards))
    )


def cards_asked_for(found: Status, words: tuple[str, ...]) -> tuple[CardStatus, ...]:
    """Who has the queues of each of the cards among `words`, which `chosen` takes."""
    return tuple(card_status(found, card) for card in asked_for(found, words).cards)


def queues_asked_for(found: Status, words: tuple[str, ...]) -> tuple[QueueStatus, ...]:
    """Who has each of the queues among `words`, which `chosen` takes."""
    return tuple(queue_status(found, queue) for queue in asked_for(found, words).queues)


_FREE_LISTS: Final = "--free lists the queues that no guest has: of the host, or of the cards, queues and domains named"


def refuse_of_guests(words: Sequence[str], guests: Sequence[str]) -> Refused:
    """That ``--free`` was given with labels, or with `guests` among the `words`; it says what to run instead."""
    context = click.get_current_context()
    kept = tuple(one for one in words if one not in {*guests}) or None
    lines = [f"{changed_line(context, guests=kept, labels=None)}    # what is free"]
    if guests:
        lines.append(f"{changed_line(context, guests=tuple(guests), labels=None, free=None)}    # what the guests have")
    return Refused(f"{_FREE_LISTS}; leave out guests and labels", *lines)


class FreeAsked(NamedTuple):
    """A status of which only the free and claimed queues that were asked for are left.

    Attributes:
        status: that.
        queues: who has each queue that was named.
        cards: who has what of each card that was named.
        domains: who has what of each domain that was named.
    """

    status: Status
    queues: tuple[QueueStatus, ...] = ()
    cards: tuple[CardStatus, ...] = ()
    domains: tuple[DomainStatus, ...] = ()

    @property
    def every(self) -> tuple[QueueStatus, ...]:
        """Who has each queue of what was named, each of them once."""
        several = (self.queues, *(one.queues for one in self.cards), *(one.queues for one in self.domains))
        return tuple({one.queue: one for queues in several for one in queues}.values())


def free_asked_for(found: Status, words: tuple[str, ...]) -> FreeAsked:
    """The queues of `found` that neither a guest nor the host has, of the cards, queues and domains that `words` name.

    Raises:
        click.UsageError: one is a guest, or names nothing there is.
    """
    if not words:
        return FreeAsked(found)
    known = {key for one in found.rows for key in (one.name, one.uuid)}
    _refuse_nouns(found, words, known, free=True)
    if guests := [one for one in words if one in known]:
        raise refuse_of_guests(words, guests)
    domains = {word: int(named[1] or named[2], 16) for word in words if (named := _DOMAIN.fullmatch(word))}
    asked = asked_for(found, tuple(word for word in words if word not in domains))
    there = tuple(
        one
        for one in found.unheld
        if one in asked.queues or one.adapter in asked.cards or one.domain in domains.values()
    )
    return FreeAsked(
        found._replace(unheld=there),
        tuple(queue_status(found, one) for one in asked.queues),
        tuple(card_status(found, one) for one in asked.cards),
        tuple(domain_status(found, one) for one in dict.fromkeys(domains.values())),
    )


def say_unknown_labels(found: Status, selector: Selector) -> None:
    """Say which labels there are, where no guest has all those of the `selector`."""
    known = [one.labels for one in found.rows if one.labels is not None]
    if selector.pairs and known and not any(map(selector.takes, known)):
        from reconciler.planning.scope import no_label_text

        say(f"note: {no_label_text(selector, known)}")


def _no_such_guest(found: Status, unknown: Sequence[str]) -> Refused:
    from reconciler.cli.meant.dashes import with_dashes
    from reconciler.cli.meant.names import meant_host, other_guests

    name = unknown[0]
    context = click.get_current_context()
    others = tuple(one for one in context.params["guests"] if one != name) or None
    if given_in(name):
        return of_another_kind(context, name, "the name of a guest")
    if os.path.exists(name):
        line = changed_line(context, guests=others, file=(*context.params["file"], name))
        return Refused(f"no guest called {shortened(name)} is known here. Manifests are named with -f", line)
    refused = other_guests(unknown, (one.name for one in found.guests))
    if option := with_dashes(context, name, [key for one in found.rows for key in (one.name, one.uuid)]):
        return Refused(refused.message, option, *(f"{one}    # the guest" for one in refused.next))
    host = None if context.params["host_name"] else meant_host(name, context.params["file"])
    if host and (host.name == name or not refused.next):
        line = changed_line(context, guests=others, host_name=host.name)
        return Refused(f"no guest called {shortened(name)} is known here. {host.text.removesuffix(':')}", line)
    return refused
