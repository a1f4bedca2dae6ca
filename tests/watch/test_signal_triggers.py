"""Signals as triggers and as the end, with real signals."""

import asyncio
import os
import signal
import time
from collections.abc import Callable

import pytest

from reconciler.model.stopping import Abandoned, StopToken
from reconciler.watch.trigger_inbox import HANDLED, Inbox, signals
from reconciler.watch.triggers import Trigger


def handled(send: Callable[[], object], stop: StopToken | None = None) -> list[Trigger]:
    """The triggers of the signals that `send` sends to this process; afterwards nothing is left of the handlers."""

    async def run() -> list[Trigger]:
        inbox = Inbox(time.monotonic)
        with signals(inbox, stop or StopToken()):
            send()
            await inbox.wait(1.0)
        return [trigger for trigger, _ in inbox.take()]

    before = {number: signal.getsignal(number) for number in HANDLED}
    with asyncio.Runner() as runner:
        found = runner.run(run())
    assert {number: signal.getsignal(number) for number in HANDLED} == before
    assert signal.set_wakeup_fd(-1) == -1
    return found


def test_sighup_is_a_trigger() -> None:
    """And ends nothing."""
    stop = StopToken()
    assert handled(lambda: os.kill(os.getpid(), signal.SIGHUP), stop) == [Trigger("signal", "SIGHUP")]
    assert not stop.is_set


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_ends_processes_sets_the_token(number: signal.Signals) -> None:
    """It ends the wait, and raises nothing but where the token is asked."""
    stop = StopToken()
    assert handled(lambda: os.kill(os.getpid(), number), stop) == []
    assert stop.is_set
    with pytest.raises(Abandoned, match="the loop ends"):
        stop.check()


def test_many_signals_do_not_hide_the_one_that_stops() -> None:
    """Though the event loop is busy meanwhile."""

    def send() -> None:
        for _ in range(2000):
            os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)

    stop = StopToken()
    assert Trigger("signal", "SIGHUP") in handled(send, stop)
    assert stop.is_set


def test_an_ignored_signal_stays_ignored() -> None:
    """As nohup(1) wants it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert handled(lambda: os.kill(os.getpid(), signal.SIGHUP)) == []
    finally:
        signal.signal(signal.SIGHUP, before)
