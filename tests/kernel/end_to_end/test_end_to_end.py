"""``./run lab-tests``: the installed tool on every kernel of the lab; one boot runs all scenarios of one machine."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from kernel.end_to_end.boots import Result, boot, boot_twice
from kernel.end_to_end.installation import CannotInstall
from kernel.end_to_end.scenarios.catalogue import SCENARIOS
from lab.cache import CACHE_VARIABLE, DEFAULT_CACHE, KERNELS, Cache
from lab.guest_system import is_current
from lab.packages import PackageError

SHORT: Final = "RECONCILE_LAB_SHORT"
"""The environment variable: where set, only the short scenarios run, and only on `SHORT_KERNEL`."""
SHORT_KERNEL: Final = "6.12"

CACHE: Final = Cache(Path(os.environ.get(CACHE_VARIABLE, DEFAULT_CACHE)).expanduser())
_IS_SHORT: Final = bool(os.environ.get(SHORT))
_NAMES: Final = [name for name, one in SCENARIOS.items() if one.short or not _IS_SHORT]

pytestmark = pytest.mark.lab

Boot = Callable[[str, bool], dict[str, Result]]


@pytest.fixture(scope="session")
def booted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Boot:
    """The results of a kernel's boot on the small or the large machine; booted when first asked for, then remembered.

    Only the scenarios that pytest was asked for are run.
    """
    ours = [item for item in request.session.items if isinstance(item, pytest.Function) and item.obj is test_scenario]
    selected = {(item.callspec.params["kernel"], item.callspec.params["scenario"]) for item in ours}
    done: dict[tuple[str, bool], dict[str, Result]] = {}

    def results(kernel: str, large: bool) -> dict[str, Result]:
        if (kernel, large) not in done:
            names = [name for name in _NAMES if SCENARIOS[name].large == large and not SCENARIOS[name].reboot]
            names = [name for name in names if (kernel, name) in selected]
            directory = tmp_path_factory.mktemp("boot")
            with open(1, "wb", 0, closefd=False) as stdout:
                done[kernel, large] = boot(CACHE, kernel, names, directory, large=large, out=stdout)
        return done[kernel, large]

    return results


@pytest.mark.parametrize("scenario", _NAMES)
@pytest.mark.parametrize("kernel", [SHORT_KERNEL] if _IS_SHORT else KERNELS)
def test_scenario(kernel: str, scenario: str, booted: Boot, tmp_path: Path) -> None:
    """What the scenario's docstring says is so on this kernel."""
    if kernel not in CACHE.ready_kernels():
        pytest.skip(f"NOT TESTED: {scenario} on kernel {kernel}; it is not there: ./run lab setup --kernel {kernel}")
    if SCENARIOS[scenario].reboot and not is_current(CACHE.guest_system(KERNELS[kernel])):
        pytest.skip(
            f"NOT TESTED: {scenario} on kernel {kernel}; it has no systemd yet: ./run lab setup --kernel {kernel}"
        )
    try:
        if SCENARIOS[scenario].reboot:
            with open(1, "wb", 0, closefd=False) as stdout:
                result: Result | None = boot_twice(CACHE, kernel, scenario, tmp_path, out=stdout)
        else:
            result = booted(kernel, SCENARIOS[scenario].large).get(scenario)
    except (CannotInstall, PackageError) as error:
        pytest.skip(f"NOT TESTED: {scenario} on kernel {kernel}; {error}")

    assert result is not None, "the guest did not get to this scenario"
    assert result.failure == "", "\n".join([result.failure, *result.story])
