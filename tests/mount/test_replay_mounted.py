"""What another program sees through the mount is what the recorded kernels did, step by step."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.mounted_hosts import MountedHost, mounted_host
from testing.recordings import PROFILE_OF_FILE, Replay, Scenario, scenarios
from testing.simulated_hosts import lab_description

_FILE = "6.12.jsonl"

_LOOKS = 7


@pytest.fixture(scope="module")
def recorded_host(mounting: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MountedHost]:
    """The host of the recording, mounted."""
    folder: Path = tmp_path_factory.mktemp("recorded")
    with mounted_host(folder, lab_description(PROFILE_OF_FILE[_FILE])) as host:
        yield host


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [pytest.param(one, id=one.name) for one in scenarios(_FILE)])
def test_every_recorded_step_gets_the_kernels_answer_through_the_mount(
    recorded_host: MountedHost, scenario: Scenario
) -> None:
    """Each step gives the recorded result, also whether open or write failed, and leaves the recorded state.

    That state takes hundreds of reads through the mount: it is looked at after every few steps, and at the end.
    """
    recorded_host.request(("reset",))
    replay = Replay(recorded_host, tells_open=True)

    assert scenario.state == replay.state
    for at, step in enumerate(scenario.steps, start=1):
        replay.check(step, looks=at % _LOOKS == 0 or at == len(scenario.steps))
