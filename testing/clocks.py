"""Time that tests own."""


class FakeClock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """See `reconciler.kernel.observe.Clock`."""
        return self.now

    def time(self) -> float:
        """See `reconciler.kernel.observe.Clock`."""
        return 1_800_000_000.0 + self.now

    def sleep(self, seconds: float) -> None:
        """See `reconciler.kernel.observe.Clock`."""
        self.now += seconds


class NoTimer:
    """Arms nothing: no other process acts on the host, and what is late is rolled back by the next command."""

    def arm(self, generation: int, seconds: float) -> None:
        """See `reconciler.integrations.timers.Timer`."""
