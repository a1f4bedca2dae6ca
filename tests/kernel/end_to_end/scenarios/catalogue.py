"""All scenarios by name."""

from collections.abc import Callable
from typing import Final

from .examples import EXAMPLE_SCENARIOS
from .hook import HOOK_SCENARIOS
from .others import OTHER_SCENARIOS
from .reboot import REBOOT_SCENARIOS
from .running import RUNNING_SCENARIOS
from .scenario import Scenario
from .watch import WATCH_SCENARIOS
from .watch_unit import UNIT_SCENARIOS

SCENARIOS: Final = {
    one.name: one
    for one in (
        *EXAMPLE_SCENARIOS,
        *OTHER_SCENARIOS,
        *RUNNING_SCENARIOS,
        *HOOK_SCENARIOS,
        *WATCH_SCENARIOS,
        *REBOOT_SCENARIOS,
        *UNIT_SCENARIOS,
    )
}
"""In the order in which they are run."""


def chosen(wanted: Callable[[Scenario], bool]) -> list[str]:
    """The names of the scenarios that are `wanted`, in order."""
    return [name for name, one in SCENARIOS.items() if wanted(one)]
