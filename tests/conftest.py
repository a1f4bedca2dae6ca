"""Settings for all tests."""

import fcntl
import os
import termios
from collections.abc import Generator
from contextlib import suppress
from typing import Final

import coverage
import pytest
from hypothesis import settings

# The machines that run the tests are shared and slow at times: a deadline would fail for no fault of ours.
# A sample of the cases each time, other ones in each run; `./run trials laws` takes many.
settings.register_profile("ours", deadline=None, max_examples=60)
settings.register_profile("many", deadline=None, max_examples=500)
settings.load_profile("ours")

# No test may ask whoever has started the tests at a terminal: we, and what we start, do without it.
with suppress(OSError):
    fcntl.ioctl(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC), termios.TIOCNOTTY)

# Test processes that run side by side are given 80 columns, which tests that read whole lines do not expect.
os.environ.pop("COLUMNS", None)

# Whose tests have to cover the core: its own. A branch that only a test of a command reaches is not tested as a rule.
_MEASURED: Final = ("tests/model/", "tests/manifests/", "tests/kernel/", "tests/planning/", "tests/machines/")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure the coverage of the core's own tests alone: to measure takes as long again as the test."""
    measured = coverage.Coverage.current()
    if measured is None or item.nodeid.startswith(_MEASURED):
        return (yield)
    measured.stop()
    try:
        return (yield)
    finally:
        measured.start()
