"""All sources of triggers in one event loop: each in a task, and opened again with growing distance where it fails.

A source that fails ends nothing: that is reported, and until it is back the regular cycle finds what it would have
noticed. What is noticed goes into the `Inbox`, at which the loop waits. So does SIGHUP; SIGTERM and SIGINT set the
token that ends the running cycle and then the loop.
"""

import asyncio
import math
import signal
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import aclosing, contextmanager
from threading import Thread
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self, TypeVar

from reconciler.model.printable import error_text
from reconciler.model.stopping import StopToken
from reconciler.watch.schedule import backoff
from reconciler.watch.triggers import Listening, Noticed, Trigger, TriggerSource

RETRY_SECONDS: Final = 1.0
"""After how long a source that has failed is opened anew; then after twice as long, and so on."""

LONGEST_RETRY_SECONDS: Final = 300.0

_OPEN_SECONDS: Final = 30.0
"""How long the first cycle waits for a source to begin, such as one on a network file system that hangs."""

THREAD_NAME: Final = "trigger source"
"""Of each thread in which a source of triggers looks at something that may hang."""

_Result = TypeVar("_Result")


async def in_thread(work: Callable[[], _Result]) -> _Result:
    """The result of `work`, in a thread of its own: one that hangs in a dead file system keeps no process from ending.

    Raises:
        OSError: there is no thread left; and what `work` raises.
    """
    done: Future[_Result] = Future()
    done.set_running_or_notify_cancel()  # whoever waits may go; the thread ends all the same

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001 - it is raised where the result is awaited
            done.set_exception(error)

    try:
        Thread(target=run, name=THREAD_NAME, daemon=True).start()
    except RuntimeError as error:
        raise OSError(str(error)) from error
    return await asyncio.wrap_future(done)


class Inbox:
    """Triggers on their way to the loop, and whatever else wakes it; used in the thread of the event loop."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Nothing has come yet; `monotonic` says when something does."""
        self._monotonic = monotonic
        self._came: list[tuple[Trigger, float]] = []
        self._changed = asyncio.Event()

    def put(self, triggers: Iterable[Trigger]) -> None:
        """`triggers` were noticed now."""
        now = self._monotonic()
        self._came.extend((one, now) for one in triggers)
        self.wake()

    def wake(self) -> None:
        """End the wait: something else has happened."""
        self._changed.set()

    def take(self) -> Sequence[tuple[Trigger, float]]:
        """What has come since the last call, and when each of it did."""
        taken, self._came = self._came, []
        return taken

    async def wait(self, seconds: float) -> None:
        """Wait until something happens, at most `seconds`, which may be infinite."""
        timer = None
        if not math.isinf(seconds):
            timer = asyncio.get_running_loop().call_later(seconds, self.wake)
        try:
            await self._changed.wait()
        finally:
            if timer:
                timer.cancel()
        self._changed.clear()


class SourceStatus(NamedTuple):
    """How a source is.

    Attributes:
        deaf: why it notices nothing at present; empty where it does.
        limit: why it finds changes later than they happen; empty where it does not.
        failures: how often it has failed since it last noticed something.
    """

    deaf: str = ""
    limit: str = ""
    failures: int = 0

    def failed(self, reason: str) -> "SourceStatus":
        """What becomes of it when it fails for `reason`."""
        return SourceStatus(reason, "", self.failures + 1)

    @property
    def wait(self) -> float:
        """After how many seconds to open it again, once it has failed."""
        return backoff(RETRY_SECONDS, self.failures - 1, LONGEST_RETRY_SECONDS)


class TriggerSources:
    """All of them. An async context manager, within which they put what they notice into an inbox."""

    def __init__(self, sources: Iterable[TriggerSource], inbox: Inbox, say: Callable[[str], object]) -> None:
        """Nothing is noticed yet; `say` gets a sentence for people when a source fails and when it is back."""
        self._sources = tuple(sources)
        self._inbox = inbox
        self._say = say
        self._status = {one.name: SourceStatus() for one in self._sources}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def deaf(self) -> Mapping[str, str]:
        """The sources that notice nothing at present, and why."""
        return {name: one.deaf for name, one in list(self._status.items()) if one.deaf}

    @property
    def unnoticed(self) -> Mapping[str, str]:
        """The sources whose changes are not noticed as they happen, and why: those that are `deaf`, and slow ones."""
        limits = {name: one.limit for name, one in list(self._status.items()) if one.limit}
        return {**limits, **self.deaf}

    async def __aenter__(self) -> Self:
        """Begin: what changes from now on is noticed, by those sources that can."""
        begun = [asyncio.Event() for _ in self._sources]
        self._tasks = [
            asyncio.create_task(self._supervised(one, event)) for one, event in zip(self._sources, begun, strict=True)
        ]
        waits = [asyncio.create_task(event.wait()) for event in begun]
        if waits:
            _, late = await asyncio.wait(waits, timeout=_OPEN_SECONDS)
            for one in late:
                one.cancel()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _supervised(self, source: TriggerSource, begun: asyncio.Event) -> None:
        """Have `source` notice changes, whatever happens to it."""
        while True:
            try:
                async with aclosing(source.listen()) as found:
                    async for one in found:
                        self._noticed(source.name, one)
                        begun.set()
            except Exception as error:  # noqa: BLE001 - whatever it is, it must be known that nothing is noticed
                self._failed(source.name, error)
                begun.set()
            await asyncio.sleep(self._status[source.name].wait)

    def _noticed(self, name: str, found: Listening | tuple[Trigger, ...]) -> None:
        before = self._status[name]
        if not isinstance(found, Listening):
            self._status[name] = before._replace(failures=0)
            self._inbox.put(found)
            return
        # Only what it notices proves that it works: the failures stay.
        self._status[name] = before._replace(deaf="", limit=found.limit)
        if found.limit:
            self._say(found.limit)
        if before.deaf:
            self._say(f"{name}: changes are noticed again")
            # What happened meanwhile was not noticed.
            self._inbox.put((Trigger(name, "noticed again"),))

    def _failed(self, name: str, error: Exception) -> None:
        before = self._status[name]
        reason = error_text(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error_text(error)}"
        now = self._status[name] = before.failed(reason or type(error).__name__)
        if not before.deaf or now.failures == 1:
            what = f"{name}: changes are not noticed, only found at the next resync"
            self._say(f"{what}: {now.deaf}; trying again")


class Readable(Protocol):
    """Something with a descriptor that is readable while there is something to receive."""

    def fileno(self) -> int:
        """The descriptor."""

    def receive(self) -> Sequence[str]:
        """What there is, in a few words each, without waiting, and not endless.

        Raises:
            OSError: it is of no use any more.
        """

    def close(self) -> None:
        """Give the descriptor back."""


class DescriptorTriggers:
    """A source of triggers that the event loop waits for at a descriptor, such as a socket."""

    def __init__(self, name: str, opener: Callable[[], Readable]) -> None:
        """Triggers of the source `name`, of what `opener` opens, which may raise OSError."""
        self.name = name
        self._opener = opener

    async def listen(self) -> AsyncGenerator[Listening | tuple[Trigger, ...], None]:
        """See `reconciler.watch.triggers.TriggerSource`."""
        loop, readable, opened = asyncio.get_running_loop(), asyncio.Event(), self._opener()
        try:
            loop.add_reader(opened.fileno(), readable.set)
            try:
                yield Listening()
                while True:
                    await readable.wait()
                    readable.clear()
                    if found := tuple(Trigger(self.name, what) for what in opened.receive()):
                        yield found
            finally:
                loop.remove_reader(opened.fileno())
        finally:
            opened.close()


SIGNAL: Final = Noticed.SIGNAL
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
        inbox.put((Trigger(SIGNAL, number.name),))
    else:
        inbox.wake()
