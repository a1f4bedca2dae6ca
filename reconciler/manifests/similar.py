"""What somebody may have meant."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

MOST_COMPARED: Final = 100
"""With how many words one is compared: that takes some 20 µs each."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``Did you mean 'x'? `` for the one of `known` that is most like `word`; else empty."""
    from difflib import get_close_matches

    lower = {one.lower(): one for one in islice(known, MOST_COMPARED)}
    close = get_close_matches(word[:100].lower(), lower, n=1)
    return f"Did you mean {lower[close[0]]!r}? " if close else ""
