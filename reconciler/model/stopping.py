"""How work that writes nothing is ended early: by a check that it is given and asks every now and then.

Reading manifests and planning are pure, so they can be ended anywhere without harm. They know neither signals nor
clocks: whoever starts them passes a `Check`, which raises `Abandoned` when the result is no longer wanted.
"""

from collections.abc import Callable
from typing import TypeAlias

from reconciler.model.errors import InputError


class Abandoned(InputError):
    """The work was ended before it had a result, and nothing was written; the text says why, in one line."""


Check: TypeAlias = Callable[[], object]
"""Asked often (it should take about a microsecond); raises `Abandoned` where the work is to end now."""


def unchecked() -> None:
    """Let the work go on: for callers whose signals end the process anyway, and who wait as long as it takes."""
