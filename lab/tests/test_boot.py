"""Boots real kernels: needs ``./run lab setup`` first, and ``./run tests -m lab``."""

import io
import os
from pathlib import Path

import pytest

from lab.ap_hardware import ApHardware
from lab.cache import CACHE_VARIABLE, DEFAULT_CACHE, KERNELS, Cache
from lab.machine import GuestFailed, Job, Machine

pytestmark = pytest.mark.lab

CACHE = Cache(Path(os.environ.get(CACHE_VARIABLE, DEFAULT_CACHE)).expanduser())


@pytest.fixture(params=KERNELS)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    """A machine with the default hardware, for each kernel."""
    if request.param not in CACHE.ready_kernels():
        pytest.skip(f"kernel {request.param} is not there: ./run lab setup --kernel {request.param}")
    return Machine(CACHE, request.param, ApHardware(), tmp_path)


def test_the_driver_is_there_with_its_queues(machine: Machine) -> None:
    """Sixteen of them, and a matrix device; output, errors and status come back."""
    stdout, stderr = io.BytesIO(), io.BytesIO()
    command = "test -d /sys/devices/vfio_ap/matrix && ls /sys/bus/ap/devices; echo error >&2; exit 3"

    outcome = machine.run(Job(command), stdout, stderr)

    assert outcome.status == 3
    assert len([name for name in stdout.getvalue().split() if b"." in name]) == 16
    assert stderr.getvalue() == b"error\n"
    assert outcome.traps["pqap-4"] > 0


def test_hardware_changes_from_inside_and_results_come_back(machine: Machine, tmp_path: Path) -> None:
    """A card that is plugged appears at the next scan."""
    job = Job("aphw --rescan plug 9 type=CEX8 && ls /sys/bus/ap/devices > /results/devices", results=tmp_path / "out")

    outcome = machine.run(job, io.BytesIO(), io.BytesIO())

    assert outcome.status == 0
    assert "card09" in (tmp_path / "out/devices").read_text(encoding="utf-8")


def test_a_guest_that_does_not_end_is_ended(machine: Machine) -> None:
    """Whatever it was doing, and however far it got."""
    with pytest.raises(GuestFailed, match="did not end within 5 s"):
        machine.run(Job("sleep 1000", seconds=5), io.BytesIO(), io.BytesIO())
