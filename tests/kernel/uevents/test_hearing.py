"""The ear on real kernels: needs ``./run lab setup`` first, and ``./run tests -m lab``."""

import io
import json
import os
from pathlib import Path

import pytest

from lab.ap_hardware import ApHardware
from lab.cache import CACHE_VARIABLE, DEFAULT_CACHE, KERNELS, Cache
from lab.machine import Job, Machine

pytestmark = pytest.mark.lab

HERE = Path(__file__).parent
CACHE = Cache(Path(os.environ.get(CACHE_VARIABLE, DEFAULT_CACHE)).expanduser())


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_ear_hears_a_real_kernel_and_nobody_else(kernel: str, tmp_path: Path) -> None:
    """Masks, cards and devices; no forged event; and that something was lost."""
    if kernel not in CACHE.ready_kernels():
        pytest.skip(f"kernel {kernel} is not there: ./run lab setup --kernel {kernel}")
    files = {"reconciler": HERE.parents[2] / "reconciler", "kernel/uevents": HERE}
    output, errors = io.BytesIO(), io.BytesIO()

    outcome = Machine(CACHE, kernel, ApHardware(), tmp_path).run(
        Job("python3 -m kernel.uevents.hearing", files), output, errors
    )

    assert outcome.status == 0, errors.getvalue().decode()
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    heard = {line["done"]: set(line["heard"]) for line in lines}
    assert {"apmask changed", "queue 05.0004 bind vfio_ap"} <= heard["mask"]
    assert {"card 09 add", "queue 09.0004 add"} <= heard["plug"]
    assert "device 00000000-0000-4000-8000-00000000000a add" in heard["create"]
    assert heard["forged"] == heard["nothing"] == set()
    assert "uevents were lost" in heard["too much"]
