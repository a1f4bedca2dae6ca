"""Programs that some tests need, and that not every machine has."""

import shutil

import pytest


def needs(program: str) -> None:
    """Skip the test where `program` is not installed."""
    if shutil.which(program) is None:
        pytest.skip(f"NOT TESTED: {program} is not installed")
