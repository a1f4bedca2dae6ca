"""The simulator answers every recorded step as the real kernel did: same errno, same count, same state after it."""

from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.simulator.hardware import DEFAULT_HARDWARE
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from testing.recordings import PROFILE_OF_FILE, InProcess, Replay, Scenario, scenarios


def _every_scenario() -> Iterator[Any]:
    for file, profile in PROFILE_OF_FILE.items():
        for scenario in scenarios(file):
            yield pytest.param(profile, scenario, id=f"{profile}-{scenario.name}")


@pytest.mark.parametrize(("profile", "scenario"), list(_every_scenario()))
def test_every_recorded_step_gets_the_kernels_answer(profile: str, scenario: Scenario) -> None:
    """Each step of each recording gives the recorded result and leaves the recorded state."""
    replay = Replay(InProcess(SimulatedHost(DEFAULT_HARDWARE, PROFILES[profile])), tells_open=False)

    assert scenario.state == replay.state
    for step in scenario.steps:
        replay.check(step)
