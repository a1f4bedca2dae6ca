"""Settings for all tests."""

import fcntl
import os
import termios
from contextlib import suppress

from hypothesis import settings

# The machines that run the tests are shared and slow at times: a deadline would fail for no fault of ours.
settings.register_profile("ours", deadline=None)
settings.load_profile("ours")

# No test may ask whoever has started the tests at a terminal: we, and what we start, do without it.
with suppress(OSError):
    fcntl.ioctl(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC), termios.TIOCNOTTY)

# Test processes that run side by side are given 80 columns, which tests that read whole lines do not expect.
os.environ.pop("COLUMNS", None)
