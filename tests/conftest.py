"""Settings for all tests."""

from hypothesis import settings

# The machines that run the tests are shared and slow at times: a deadline would fail for no fault of ours.
settings.register_profile("ours", deadline=None)
settings.load_profile("ours")
