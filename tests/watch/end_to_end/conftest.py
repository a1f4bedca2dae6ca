"""A repository, and hosts that a loop is to enforce as it says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.git_repositories import Repository
from testing.loop_processes import GUEST, HOST, SIMULATED
from testing.mounted_hosts import MountedHost, mounted_host, why_not_mounted


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """One commit: a host, and the guest payments with 05.0004 and, once card 9 is there, 09.0004."""
    made = Repository(tmp_path / "repository")
    made.commit({"host.yaml": HOST, "payments.yaml": GUEST.format(name="payments", adapters="5, 9", domains="4")})
    return made


@pytest.fixture
def simulated(tmp_path: Path) -> Path:
    """The description of a host with the cards 4 and 5."""
    file = tmp_path / "simulated.yaml"
    file.write_text(SIMULATED, encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def mounting(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where this machine cannot mount."""
    if why_not := why_not_mounted(tmp_path_factory.mktemp("trial")):
        pytest.skip(f"NOT TESTED: a loop on the mounted host ({why_not})")


@pytest.fixture
def mounted(mounting: None, tmp_path: Path) -> Iterator[MountedHost]:
    """The same host as a file system that any program can write to."""
    with mounted_host(tmp_path, SIMULATED) as host:
        yield host
