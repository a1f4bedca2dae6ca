"""An end for whatever takes too long while another program waits for us."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class TimeIsUp(BaseException):
    """The block has taken longer than it may; like Ctrl-C it ends whatever is going on."""


@contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    """Let the block run for `seconds` of real time at most; only in the main thread.

    Whatever a transaction has begun then is left in its journal, and recovered by the next run.

    Raises:
        TimeIsUp: it has taken longer.
    """
    before = signal.signal(signal.SIGALRM, _time_is_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _time_is_up(*_: object) -> None:
    raise TimeIsUp
