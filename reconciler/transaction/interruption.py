"""SIGINT, SIGTERM and SIGHUP while a transaction is going on: told at its next step, never in the middle of one."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def never() -> bool:
    """Whether somebody wants us to stop, where nobody can."""
    return False


@contextmanager
def held_back() -> Iterator[Callable[[], bool]]:
    """Hold back the signals that end a process while the block runs; gives a function that tells whether one came.

    A transaction asks it before each step, and goes back where one came; on the way back nobody asks, and at the end
    the signals mean what they meant before. Only the main thread can handle signals: in another one nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield never
        return
    came: list[int] = []
    heeded = [number for number in SIGNALS if _ends_us(number)]
    before = {number: signal.signal(number, lambda *which: came.append(which[0])) for number in heeded}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ends_us(number: int) -> bool:
    handler = signal.getsignal(number)
    if number == signal.SIGHUP:  # to the loop it says something else
        return handler in (signal.SIG_DFL, signal.default_int_handler)
    return handler is not signal.SIG_IGN  # nohup(1) ignores some


def end_alike() -> None:
    """From now on SIGTERM and SIGHUP end the process as Ctrl-C does: locks are given back, nothing is half done."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
