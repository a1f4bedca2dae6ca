"""``./run lab-tests``: the installed tool on every kernel of the lab; one boot runs all scenarios of one group."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from kernel.end_to_end.boots import Result, boot, boot_twice
from kernel.end_to_end.installation import CannotInstall
from kernel.end_to_end.scenarios.catalogue import SCENARIOS
from kernel.end_to_end.scenarios.examples import EXAMPLE_SCENARIOS
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

Boot = Callable[[str, str], dict[str, Result]]


def _group(name: str) -> str:
    """Which scenarios share a boot: those of one machine, the examples apart from what others do to the host."""
    one = SCENARIOS[name]
    if one.reboot:
        return name
    return "large" if one.large else "examples" if one in EXAMPLE_SCENARIOS else "small"


@pytest.fixture(scope="session")
def booted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boot]:
    """The results of a kernel's boot with one group of scenarios: all are booted when the first one is asked for.

    An emulated machine takes one core, so that there are as many beside each other as there are cores. Only the
    scenarios that pytest was asked for are run.
    """
    ours = [item for item in request.session.items if isinstance(item, pytest.Function) and item.obj is test_scenario]
    groups: dict[tuple[str, str], list[str]] = {}
    for kernel, name in ((str(item.callspec.params[word]) for word in ("kernel", "scenario")) for item in ours):
        if kernel in CACHE.ready_kernels() and not SCENARIOS[name].reboot:
            groups.setdefault((kernel, _group(name)), []).append(name)

    def results(key: tuple[str, str]) -> dict[str, Result]:
        kernel, group = key
        names = sorted(groups[key], key=_NAMES.index)
        with open(1, "wb", 0, closefd=False) as stdout:
            return boot(CACHE, kernel, names, directories[key], large=group == "large", out=stdout)

    directories = {key: tmp_path_factory.mktemp("boot") for key in groups}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        started = {key: pool.submit(results, key) for key in groups}
        yield lambda kernel, group: started[kernel, group].result()
        pool.shutdown(cancel_futures=True)


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
            result = booted(kernel, _group(scenario)).get(scenario)
    except (CannotInstall, PackageError) as error:
        pytest.skip(f"NOT TESTED: {scenario} on kernel {kernel}; {error}")

    assert result is not None, "the guest did not get to this scenario"
    assert result.failure == "", "\n".join([result.failure, *result.story])
