"""How long to wait before the repository is asked again."""

from typing import Final

JITTER: Final = 0.1
"""The part of a wait by which it differs at most, so that a thousand hosts don't ask a server in the same second."""


def wait(interval: float, failures: int, longest: float, chance: float) -> float:
    """Seconds until the next question: about `interval`, doubled for each of `failures` in a row, `longest` at most.

    They are about that, as `JITTER` says. An interval above `longest` is not shortened. `chance` is a number from 0 to
    1 that differs each time.
    """
    doubled = interval * 2.0 ** min(failures, 64)
    return min(doubled, max(longest, interval)) * (1 + JITTER * (2 * chance - 1))
