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
settings.register_profile("ours", deadline=None)
settings.load_profile("ours")

# No test may ask whoever has started the tests at a terminal: we, and what we start, do without it.
with suppress(OSError):
    fcntl.ioctl(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC), termios.TIOCNOTTY)

# Test processes that run side by side are given 80 columns, which tests that read whole lines do not expect.
os.environ.pop("COLUMNS", None)

# What neither is about the core nor covers any of it that its own tests leave out.
_NOT_MEASURED: Final = (
    "tests/browser/", "tests/documents/", "tests/examples/", "tests/fleet/", "tests/mount/", "tests/picture/",
    "tests/serve/", "trials/", "lab/",
)  # fmt: skip


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run what is not about the core without measuring its coverage, which takes as long again as the test."""
    measured = coverage.Coverage.current()
    if measured is None or not item.nodeid.startswith(_NOT_MEASURED):
        return (yield)
    measured.stop()
    try:
        return (yield)
    finally:
        measured.start()
