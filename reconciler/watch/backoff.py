"""When to try again what has failed: later and later, and not all hosts in the same second."""

from typing import Final, NamedTuple

FIRST_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 600.0

JITTER: Final = 0.1
"""The part of a wait by which it differs at most, so that a thousand hosts don't ask a server in the same second."""

_MOST_DOUBLINGS: Final = 64


def backoff(first: float, failures: int, longest: float) -> float:
    """Seconds to wait: `first`, doubled for each of `failures` in a row, `longest` at most."""
    return min(first * 2.0 ** min(failures, _MOST_DOUBLINGS), longest)


def spread_wait(interval: float, failures: int, longest: float, chance: float) -> float:
    """Seconds until a server is asked again: about `interval`, later after `failures`, as `backoff` and `JITTER` say.

    An interval above `longest` is not shortened. `chance` is a number from 0 to 1 that differs each time.
    """
    return backoff(interval, failures, max(longest, interval)) * (1 + JITTER * (2 * chance - 1))


class Backoff(NamedTuple):
    """How often it has failed in a row, and when it may be tried again (on a monotonic clock)."""

    failures: int = 0
    at: float = 0.0

    def failed(self, now: float) -> "Backoff":
        """What becomes of this after one more failure."""
        return Backoff(self.failures + 1, now + backoff(FIRST_SECONDS, self.failures, LONGEST_SECONDS))

    def wait(self, now: float) -> float:
        """How long to wait; 0 where it may be tried now."""
        return max(0.0, self.at - now) if self.failures else 0.0
