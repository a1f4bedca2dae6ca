"""Words such as guest or card before a name, as other programs have them, where a name alone is enough."""

from collections.abc import Container, Iterator, Sequence
from itertools import islice, product
from typing import Final, NamedTuple

from reconciler.planning.misread import ids_meant

GUESTS: Final = ("guest", "guests", "vm", "vms")
HOSTS: Final = ("host", "hosts")
_QUEUES: Final = ("queue", "queues", "apqn", "apqns")
_CARDS: Final = ("card", "cards", "adapter", "adapters")
_DOMAINS: Final = ("domain", "domains")
NEWEST: Final = ("latest", "newest", "last")
"""What other programs call the newest generation."""

NOUNS: Final = (*GUESTS, *_QUEUES, *_CARDS, *_DOMAINS)

_MOST_READINGS: Final = 4
"""How many commands are offered where numbers may be in hex or in decimal."""


class Reading(NamedTuple):
    """What may have been meant.

    Attributes:
        words: without nouns.
        domains: which domains are meant, of all cards.
    """

    words: tuple[str, ...]
    domains: tuple[int, ...]


def first_noun(words: Sequence[str], known: Container[str]) -> str:
    """The first of `words` that says of what kind the next one is, and that is not `known` as a name; else empty."""
    return next((word for word in words if word.lower() in NOUNS and word not in known), "")


def without_nouns(words: Sequence[str], known: Container[str]) -> list[Reading]:
    """What `words` may mean without nouns; what is `known` is the name of a guest, and no noun.

    A number behind a card or a domain may be in hex or in decimal.
    """
    parts: list[list[tuple[str, int | None]]] = []
    noun = ""
    for word in words:
        if word.lower() in NOUNS and word not in known:
            noun = word.lower()
            continue
        parts.append(_readings(noun, word))
    return [
        Reading(
            tuple(word for word, domain in reading if domain is None),
            tuple(domain for _, domain in reading if domain is not None),
        )
        for reading in islice(product(*parts), _MOST_READINGS)
    ]


def _readings(noun: str, word: str) -> list[tuple[str, int | None]]:
    ids = ids_meant(word) if noun in _CARDS or noun in _DOMAINS else ()
    if noun in _CARDS and ids:
        return [(f"card{one:02x}", None) for one in ids]
    return [(word, one) for one in ids] or [(word, None)]


_OPTIONS: Final = {f"--{noun}": noun for noun in (*GUESTS, *_QUEUES, *_CARDS)}


def without_options(words: Sequence[str]) -> Iterator[str]:
    """`words` with what follows an option such as ``--card`` as a word of its own; such numbers are read as hex."""
    given = iter(words)
    for word in given:
        name, equals, value = word.partition("=")
        noun = _OPTIONS.get(name.lower())
        if noun is None:
            yield word
            continue
        behind = value if equals else next(given, None)
        if behind is not None:
            yield _readings(noun, behind)[0][0]
