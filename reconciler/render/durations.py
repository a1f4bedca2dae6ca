"""How long something took or has been so, as people say it."""

from typing import Final

from reconciler.render.diagnostics import counted

_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def duration_text(seconds: float) -> str:
    """`seconds` in at most two units, rounded down: ``2 hours 5 minutes``, ``250 milliseconds``.

    What lies in the future by a clock that was set back counts as no time at all.
    """
    if seconds < 1:
        return counted(int(seconds * 1000), "millisecond") if seconds > 0 else "0 seconds"
    left = int(seconds)
    largest = next(number for number, (_noun, size) in enumerate(_UNITS) if left >= size)
    words = []
    for noun, size in _UNITS[largest : largest + 2]:
        count, left = divmod(left, size)
        words += [counted(count, noun)] if count else []
    return " ".join(words)
