"""SIGHUP is a trigger; SIGTERM and SIGINT set the token that ends the running cycle and then the loop."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from reconciler.model.stopping import StopToken
from reconciler.watch.trigger_sources import Inbox
from reconciler.watch.triggers import Noticed, Trigger

NAME: Final = Noticed.SIGNAL
HANDLED: Final = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
_ENDS: Final = "the loop ends"


@contextmanager
def signals(inbox: Inbox, stop: StopToken) -> Iterator[None]:
    """Handle signals in the event loop while the block runs; afterwards they mean what they meant before.

    Those that are ignored stay ignored: nohup(1) ignores some.
    """
    loop = asyncio.get_running_loop()
    before = {one: handler for one in HANDLED if (handler := signal.getsignal(one)) is not signal.SIG_IGN}
    for number in before:
        loop.add_signal_handler(number, _handle, number, inbox)
    # The event loop is woken by a pipe, which hundreds of signals fill: then it is not empty, which is enough.
    signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)
    for number in before.keys() - {signal.SIGHUP}:
        # At once, however busy the event loop is; it is woken all the same.
        signal.signal(number, lambda *_: stop.stop(_ENDS))
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _handle(number: signal.Signals, inbox: Inbox) -> None:
    if number is signal.SIGHUP:
        inbox.put((Trigger(NAME, number.name),))
    else:
        inbox.wake()
