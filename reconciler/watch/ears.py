"""Waits for triggers: one selector in the main thread over all ears, with the times at which something is due.

An ear that fails ends nothing: that is told, and it is opened anew with growing distance. Until then the regular
resync finds what it would have heard.
"""

import selectors
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, Protocol, Self

from reconciler.model.printable import error_text
from reconciler.watch.triggers import Debounce, Ear, Trigger

STOP: Final = frozenset({Trigger("signal", "SIGTERM"), Trigger("signal", "SIGINT")})
"""Triggers that end the loop."""

RETRY_SECONDS: Final = 1.0
"""After how long an ear that has failed is opened anew; then after twice as long, and so on."""

LONGEST_RETRY_SECONDS: Final = 300.0


class Clock(Protocol):
    """Time: `time` of the standard library, or a test's."""

    def monotonic(self) -> float:
        """Seconds that never go back."""


class _Place:
    """Where an ear is: open, or to be opened at `opens_at`."""

    def __init__(self, source: str, opener: Callable[[], Ear]) -> None:
        self.source = source
        self.opener = opener
        self.ear: Ear | None = None
        self.descriptor = -1
        self.failures = 0
        self.reason = ""
        self.limit = ""
        self.opens_at = 0.0


class Ears:
    """All ears. A context manager that closes them; made and used in the main thread."""

    def __init__(
        self,
        clock: Clock,
        tell: Callable[[str], None],
        *,
        resync: Callable[[], float] | None = None,
        debounce: Debounce | None = None,
        selector: selectors.BaseSelector | None = None,
    ) -> None:
        """No ear yet.

        Args:
            clock: time.
            tell: told, in a sentence for people, when an ear fails and when it is back.
            resync: how long it is to the next resync; left out, there is none.
            debounce: joins triggers; left out, the usual one.
            selector: waits for descriptors; left out, the system's.
        """
        self.stopping = False
        """Whether SIGTERM or SIGINT came."""
        self._clock = clock
        self._tell = tell
        self._resync = resync
        self._debounce = debounce or Debounce()
        self._selector = selector or selectors.DefaultSelector()
        self._places: list[_Place] = []
        self._resync_at = clock.monotonic() + resync() if resync else None

    def add(self, source: str, opener: Callable[[], Ear]) -> None:
        """Open an ear with `opener` and listen to it; where that fails with OSError, it is tried again later."""
        place = _Place(source, opener)
        self._places.append(place)
        self._open(place)

    @property
    def deaf(self) -> Mapping[str, str]:
        """The sources that are not heard at present, and why."""
        return {place.source: place.reason for place in self._places if place.ear is None}

    @property
    def unheard(self) -> Mapping[str, str]:
        """The sources whose changes are not heard as they happen, and why: those that are `deaf`, and limited ones."""
        return {**{place.source: place.limit for place in self._places if place.limit}, **self.deaf}

    def limited(self, source: str, reason: str) -> None:
        """What an opener has to say: changes of `source` are found later than they happen, for `reason`."""
        for place in self._places:
            if place.source == source:
                place.limit = reason

    @property
    def dropped(self) -> int:
        """How many triggers were not given out since too many others were heard at the same time."""
        return self._debounce.dropped

    def wait(self, seconds: float) -> tuple[Trigger, ...]:
        """The triggers that were heard, each once, as soon as it has been quiet for a moment.

        Returns:
            () where nothing was heard in `seconds`; it comes at once, with or without any, where `stopping` is true.
        """
        end = self._clock.monotonic() + seconds
        timeout = 0.0
        while True:
            self._listen(timeout)
            now = self._clock.monotonic()
            if self.stopping:
                return self._debounce.take()
            self._keep_time(now)
            due = self._debounce.due()
            if now >= (end if due is None else due):
                return self._debounce.take()
            timeout = max(0.0, (min([end, *self._times()]) if due is None else due) - now)

    def should_stop(self) -> bool:
        """Whether SIGTERM or SIGINT came, asked without waiting, such as after an apply; other triggers are kept."""
        self._listen(0.0)
        return self.stopping

    def close(self) -> None:
        """Close all ears."""
        for place in self._places:
            self._close(place)
        self._places.clear()
        self._selector.close()

    def __enter__(self) -> Self:
        """The ears themselves."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all ears."""
        self.close()

    def _listen(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            place: _Place = key.data
            assert place.ear is not None
            try:
                for trigger in place.ear.hear():
                    self._heard(trigger)
                place.failures = 0
            except OSError as error:
                self._close(place)
                self._failed(place, error)

    def _heard(self, trigger: Trigger) -> None:
        if trigger in STOP:
            self.stopping = True
        else:
            self._debounce.add(trigger, self._clock.monotonic())

    def _times(self) -> list[float]:
        times = [place.opens_at for place in self._places if place.ear is None]
        return times if self._resync_at is None else [*times, self._resync_at]

    def _keep_time(self, now: float) -> None:
        if self._resync is not None and self._resync_at is not None and now >= self._resync_at:
            self._resync_at = now + self._resync()
            self._heard(Trigger("resync"))
        for place in self._places:
            if place.ear is None and now >= place.opens_at:
                self._open(place)

    def _open(self, place: _Place) -> None:
        place.limit = ""
        try:
            place.ear = place.opener()
            place.descriptor = place.ear.fileno()
            self._selector.register(place.descriptor, selectors.EVENT_READ, place)
        except OSError as error:
            self._close(place)
            self._failed(place, error)
            return
        if place.reason:
            place.reason = ""
            self._tell(f"{place.source}: changes are noticed again")
            # What happened meanwhile was heard by nobody.
            self._heard(Trigger(place.source, "heard again"))

    def _failed(self, place: _Place, error: OSError) -> None:
        wait = min(RETRY_SECONDS * 2**place.failures, LONGEST_RETRY_SECONDS)
        # An exponent that grows for a year would be a number that takes a while to work out.
        place.failures = min(place.failures + 1, 30)
        place.opens_at = self._clock.monotonic() + wait
        if not place.reason or place.failures == 1:
            what = f"{place.source}: changes are not noticed, only found at the next resync"
            self._tell(f"{what}: {error_text(error)}; trying again")
        place.reason = error_text(error) or type(error).__name__

    def _close(self, place: _Place) -> None:
        if place.ear is not None:
            with suppress(KeyError):  # the system may have refused to listen to it
                self._selector.unregister(place.descriptor)
            place.ear.close()
            place.ear = None
