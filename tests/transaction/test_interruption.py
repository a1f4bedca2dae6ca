"""Signals while a transaction goes on."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from reconciler.cli.main import end_alike
from reconciler.transaction.lock import SIGNALS, stopped_by_signals


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Leave the signal handlers as they were."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_told_not_obeyed(number: signal.Signals) -> None:
    """The process goes on until it asks."""
    with stopped_by_signals() as stop:
        assert not stop.is_set
        os.kill(os.getpid(), number)
        assert stop.is_set


def test_afterwards_signals_mean_what_they_meant() -> None:
    """Also when the block fails."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(RuntimeError), stopped_by_signals():
        raise RuntimeError
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """Under nohup(1) a lost terminal is no reason to stop."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stopped_by_signals() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop.is_set
    end_alike()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_other_threads_leave_signals_alone() -> None:
    """Only the main thread can handle them."""
    told = []

    def work() -> None:
        with stopped_by_signals() as stop:
            told.append(stop.is_set)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert told == [False]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ended_by_others_is_ended_as_by_ctrl_c(number: signal.Signals) -> None:
    """Everything that cleans up after Ctrl-C does so then, too."""
    end_alike()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
