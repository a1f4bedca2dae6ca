"""Calls that may never return."""

import os
import signal
import threading

import pytest

from reconciler.kernel.sysfs import BoundedCalls, TooSlow

PATIENCE = 30.0


def test_what_a_call_returns_or_raises_comes_back() -> None:
    """Whoever asks cannot tell that another thread made the call."""
    calls = BoundedCalls()
    assert calls(lambda: 5, PATIENCE) == 5
    assert calls(lambda: None, PATIENCE) is None
    with pytest.raises(PermissionError, match="no"):
        calls(lambda: refuse(PermissionError("no")), PATIENCE)
    assert calls(lambda: 6, PATIENCE) == 6


def refuse(error: Exception) -> None:
    """Raise `error`, which a lambda cannot."""
    raise error


def test_one_thread_serves_all_calls() -> None:
    """Starting a thread for each write is most of the cost of a write."""
    calls = BoundedCalls()
    served_by = {calls(threading.get_ident, PATIENCE) for _ in range(3)}
    assert len(served_by) == 1
    assert threading.get_ident() not in served_by


def test_a_call_that_does_not_come_back_is_left_and_the_next_one_is_served() -> None:
    """A blocked write must not block those that lead back."""
    calls, let_go, ended = BoundedCalls(), threading.Event(), threading.Event()

    def stuck() -> None:
        let_go.wait(PATIENCE)
        ended.set()

    with pytest.raises(TooSlow):
        calls(stuck, 0.001)
    assert calls(lambda: "next", PATIENCE) == "next"
    let_go.set()
    assert ended.wait(PATIENCE)


def test_a_signal_is_not_kept_waiting_by_a_call_that_does_not_come_back() -> None:
    """The call goes on by itself, and its thread ends after it."""
    calls, let_go = BoundedCalls(), threading.Event()
    threads = []

    def interrupt(*_: object) -> None:
        if not let_go.is_set():
            let_go.set()
            raise KeyboardInterrupt

    def stuck() -> None:
        threads.append(threading.current_thread())
        while not let_go.wait(0.01):  # again and again: it may come before anybody waits
            os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            calls(stuck, PATIENCE)
        threads[0].join(PATIENCE)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not threads[0].is_alive()


def test_no_thread_is_left_when_nobody_wants_calls_any_more() -> None:
    """A loop that runs for a year must not gather threads."""
    calls = BoundedCalls()
    thread = calls(threading.current_thread, PATIENCE)
    del calls
    thread.join(PATIENCE)
    assert not thread.is_alive()
