"""What puts back an apply that nobody confirms, also where the process that applied is gone."""

from typing import Protocol


class CannotArm(Exception):
    """There is no timer to be had; the text says why."""


class Timer(Protocol):
    """Something that goes on when the process that armed it, its terminal and its connection are gone."""

    def arm(self, generation: int, seconds: float) -> None:
        """See to it that generation `generation` is put back in `seconds` where nobody has confirmed it.

        Raises:
            CannotArm: it cannot be done; nothing was armed.
        """
