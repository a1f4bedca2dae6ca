"""The host of the lab, mounted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.mounted_hosts import MountedHost, mounted_host, why_not_mounted
from testing.simulated_hosts import LAB


@pytest.fixture(scope="session")
def mounting(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where this machine cannot mount."""
    why_not = why_not_mounted(tmp_path_factory.mktemp("trial"))
    if why_not:
        pytest.skip(f"NOT TESTED: mounting the simulated host ({why_not})")


@pytest.fixture
def lab(mounting: None, tmp_path: Path) -> Iterator[MountedHost]:
    """A host with the hardware of the lab and kernel 6.12, mounted."""
    with mounted_host(tmp_path, LAB) as host:
        yield host
