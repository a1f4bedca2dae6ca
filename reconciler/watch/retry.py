"""When to try again what has failed: later and later."""

from typing import Final, NamedTuple

FIRST_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 600.0


class Retry(NamedTuple):
    """How often it has failed in a row, and when it may be tried again (on a clock that never goes back)."""

    failures: int = 0
    at: float = 0.0

    def failed(self, now: float) -> "Retry":
        """What becomes of this after one more failure."""
        wait = min(FIRST_SECONDS * 2.0 ** min(self.failures, 30), LONGEST_SECONDS)
        return Retry(self.failures + 1, now + wait)

    def wait(self, now: float) -> float:
        """How long to wait; 0 where it may be tried now."""
        return max(0.0, self.at - now) if self.failures else 0.0
