"""How the simulated kernel says no: OSError with the errno that the real one gives."""

import os


def refusal(code: int, path: str | None = None) -> OSError:
    """The error for errno `code`, as open(2), read(2) or write(2) of `path` would give it; to be raised."""
    return OSError(code, os.strerror(code), path) if path else OSError(code, os.strerror(code))
