"""Says what was expected and what was found instead."""

from typing import Any


def same(what: str, found: Any, expected: Any) -> None:
    """Require that `found` is `expected`.

    Raises:
        AssertionError: it is not.
    """
    if found != expected:
        raise AssertionError(f"{what}: expected {expected!r}, found {found!r}")


def holds(what: str, truth: object) -> None:
    """Require that `truth` is true.

    Raises:
        AssertionError: it is not.
    """
    if not truth:
        raise AssertionError(f"not so: {what}")
