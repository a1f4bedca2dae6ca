"""What commands print, kept in files: a change of it shows in review."""

import os
from pathlib import Path
from typing import Final

GOLDEN: Final = Path(__file__).parents[1] / "tests" / "golden"
REWRITE: Final = "REWRITE_GOLDEN"
"""The environment variable with which the tests write the files instead of comparing with them."""


def assert_golden(name: str, text: str) -> None:
    """`text` is what the file `name` has; `REWRITE_GOLDEN=1 ./run tests ...` writes it anew."""
    file = GOLDEN / name
    if os.environ.get(REWRITE):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    assert file.read_bytes().decode() == text
