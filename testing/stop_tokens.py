"""Tokens that are set at a moment that a test chooses."""

from reconciler.model.stopping import StopToken


class SetAt(StopToken):
    """A token that is set when it is asked for the `nth` time, from 1."""

    def __init__(self, nth: int) -> None:
        super().__init__()
        self._left = nth

    @property
    def is_set(self) -> bool:
        """See `StopToken`."""
        self._left -= 1
        return self._left <= 0
