"""The socket of a loop, without a loop: requests are noticed and answered as a test says."""

import asyncio
from pathlib import Path

from reconciler.watch.request_triggers import RequestTriggers
from reconciler.watch.triggers import Trigger
from testing.event_loops import PATIENCE, Noticing


class ServedRequests:
    """Requests in a state directory."""

    def __init__(self, directory: Path) -> None:
        """Listen."""
        self.source = RequestTriggers(directory)
        self._noticing = Noticing(self.source)

    def next(self, seconds: float = PATIENCE) -> list[Trigger]:
        """The next triggers; empty where there is none in `seconds`."""
        return list(self._noticing.next(seconds))

    def now(self) -> list[Trigger]:
        """All that has been asked for."""
        return self._noticing.now()

    def begin(self, cycle: int) -> None:
        """See `RequestTriggers`."""
        self._noticing.run(lambda: self.source.begin(cycle))

    def answer(self, cycle: int, condition: str, summary: str) -> None:
        """See `RequestTriggers`."""
        self._noticing.run(lambda: self.source.answer(cycle, condition, summary))

    def silence(self) -> None:
        """Have the event loop say nothing of trouble that it gets over by itself."""
        self._noticing.run(lambda: asyncio.get_running_loop().set_exception_handler(lambda *_: None))

    def close(self) -> None:
        """End, as a loop does."""
        self._noticing.close()
        self.source.close()
