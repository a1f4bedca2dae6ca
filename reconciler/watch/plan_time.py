"""How long a cycle may read and plan.

Time only ever abandons a cycle, as a whole and before its first write; no result depends on it.
"""

from typing import Final

from reconciler.model.stopping import Abandoned, Deadline

PLAN_SECONDS: Final = 60.0
"""How long reading and planning one configuration may take, if nothing else is said."""


class TookTooLong(Abandoned):
    """Reading or planning a configuration has used up its time."""


def plan_deadline(seconds: float, now: float) -> Deadline:
    """When reading and planning that begins `now` is abandoned: after `seconds`."""
    return Deadline(
        now + seconds,
        f"reading and planning took more than {seconds:g} s and was abandoned; make the manifests smaller, or "
        "allow more time with --plan-timeout",
        TookTooLong,
    )
