"""Which one of the names that there are was probably meant by a mistyped one."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from reconciler.model.printable import shortened
from reconciler.model.problems import several

MOST_COMPARED: Final = 100
"""With how many names one is compared as a whole: that takes some 60 µs each."""

MOST_RANKED: Final = 10_000
"""Of how many names the beginnings and ends are looked at: that takes some 3 µs each."""

MOST_OF_EACH: Final = 1_000
"""Of how many names where a run may look for hundreds of mistyped ones."""

_MOST_LISTED: Final = 20

_LONGEST: Final = 100
"""How many characters of a mistyped name are compared."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``Did you mean 'x'? `` for the one of `known` that is most like `word`, printable on one line; else empty."""
    near = nearest(word, known)
    return f"Did you mean {near!r}? " if near else ""


def no_guest_text(word: str, known: Iterable[str]) -> str:
    """That no guest is called `word`, which one was probably meant, and the first of those that are `known`."""
    names = sorted(known)
    there = several(names, _MOST_LISTED) or "none"
    return f"no guest called {shortened(word)} is known here. {did_you_mean(word, names)}There are: {there}"


def nearest(word: object, known: Iterable[str]) -> str:
    """The one of `known` that is most like the text `word`, whatever the case; empty where none is like it.

    Of more than `MOST_RANKED` names the first are looked at.
    """
    if not isinstance(word, str):
        return ""
    from difflib import get_close_matches

    typed = word[:_LONGEST].lower()
    by_lower = {one.lower(): one for one in islice(known, MOST_RANKED)}
    close = get_close_matches(typed, _few(typed, by_lower), n=1)
    return by_lower[close[0]] if close else ""


def _few(word: str, known: Iterable[str]) -> list[str]:
    """The `MOST_COMPARED` of `known` that `word` differs from in the fewest characters, if it is one slip in one place.

    A slip leaves what stands before and after it. So the right one is found among names that all begin alike, as those
    of a site mostly do, and `word` need not be compared with each of them as a whole.
    """
    names = list(known)
    if len(names) <= MOST_COMPARED:
        return names
    backwards = word[::-1]

    def kept(name: str) -> int:
        most = min(len(word), len(name))
        return min(_common(word, name) + _common(backwards, name[::-1]), most) - abs(len(word) - len(name))

    return sorted(names, key=kept, reverse=True)[:MOST_COMPARED]


def _common(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    for at, (character, another) in enumerate(zip(one, other, strict=False)):
        if character != another:
            return at
    return min(len(one), len(other))
