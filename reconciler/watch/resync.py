"""When to look without a trigger: regularly, since not every change is told (docs/kernel-rules.md, "Uevents")."""

from collections.abc import Callable
from random import Random
from typing import Final

RESYNC_SECONDS: Final = 300.0
"""How often where triggers are heard."""

UNTOLD_RESYNC_SECONDS: Final = 10.0
"""How often where the host itself tells nothing: a sysfs root that is not this machine's."""

JITTER: Final = 0.1


def every(seconds: float, random: Random, jitter: float = JITTER) -> Callable[[], float]:
    """A function that says how long it is to the next time.

    Args:
        seconds: on average.
        random: chance.
        jitter: by which part of `seconds` a time is shorter or longer, so that hosts that were started together do not
            ask the same server together for ever.
    """
    return lambda: seconds * random.uniform(1 - jitter, 1 + jitter)
