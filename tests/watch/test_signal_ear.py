"""Signals as triggers, with real signals."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from reconciler.watch.ears import Ears
from reconciler.watch.signal_ear import HEARD, SignalEar
from reconciler.watch.triggers import Trigger


@pytest.fixture
def ears() -> Iterator[Ears]:
    """Ears that hear signals, and nothing left of them."""
    before = {number: signal.getsignal(number) for number in HEARD}
    with Ears(time, lambda _: None) as made:
        made.add("signal", SignalEar)
        yield made
    assert {number: signal.getsignal(number) for number in HEARD} == before
    assert signal.set_wakeup_fd(-1) == -1


def test_sighup_is_a_trigger(ears: Ears) -> None:
    """Once, however often it was sent."""
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGHUP)
    assert ears.wait(60) == (Trigger("signal", "SIGHUP"),)
    assert not ears.stopping


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_ends_processes_ends_the_wait(ears: Ears, number: signal.Signals) -> None:
    """And raises nothing."""
    os.kill(os.getpid(), number)
    assert ears.wait(60) == ()
    assert ears.stopping


def test_many_signals_do_not_hide_the_one_that_stops(ears: Ears) -> None:
    """Though nobody listens meanwhile."""
    for _ in range(2000):
        os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGTERM)
    assert ears.should_stop()
    assert ears.wait(0) == (Trigger("signal", "SIGHUP"),)


def test_closing_closes_the_pipe() -> None:
    """Nothing is written to a descriptor that belongs to somebody else by then."""
    ear = SignalEar()
    ear.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(ear.fileno())


def test_an_ignored_signal_stays_ignored() -> None:
    """As nohup(1) wants it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Ears(time, lambda _: None) as ears:
            ears.add("signal", SignalEar)
            os.kill(os.getpid(), signal.SIGHUP)
            assert ears.wait(0) == ()
    finally:
        signal.signal(signal.SIGHUP, before)
