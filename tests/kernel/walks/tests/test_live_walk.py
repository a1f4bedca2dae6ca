"""A short walk on real kernels, now: needs ``./run lab setup`` first, and ``./run tests -m lab``."""

import os
from pathlib import Path

import pytest

from kernel.walks.corpus import load
from kernel.walks.recording import record
from lab.cache import CACHE_VARIABLE, DEFAULT_CACHE, KERNELS, Cache
from testing.recorded_walks import Walk

pytestmark = pytest.mark.lab

CACHE = Cache(Path(os.environ.get(CACHE_VARIABLE, DEFAULT_CACHE)).expanduser())


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernel_and_the_simulator_walk_alike(kernel: str, tmp_path: Path) -> None:
    """From the boot to the kept file to the comparison."""
    if kernel not in CACHE.ready_kernels():
        pytest.skip(f"kernel {kernel} is not there: ./run lab setup --kernel {kernel}")
    recorded = load(record(CACHE, kernel, seed=0, count=50, seconds=200, folder=tmp_path).path)
    walk = Walk(recorded)

    assert len(recorded.steps) >= 50
    assert recorded.state == walk.state
    for step in recorded.steps:
        walk.check(step)
