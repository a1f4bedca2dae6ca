"""Durations as people write them."""

from typing import Final

_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def duration_text(seconds: float) -> str:
    """`seconds` in at most two units, rounded down: ``2 hours 5 minutes``, ``less than a second``.

    What lies in the future by a clock that was set back counts as no time at all.
    """
    if seconds < 1:
        return "less than a second" if seconds > 0 else "0 seconds"
    left = int(seconds)
    largest = next(number for number, (_noun, size) in enumerate(_UNITS) if left >= size)
    words = []
    for noun, size in _UNITS[largest : largest + 2]:
        count, left = divmod(left, size)
        words += [f"{count:,} {noun}{'' if count == 1 else 's'}"] if count else []
    return " ".join(words)
