"""What the doctor finds: a value for each thing that goes wrong in practice."""

from typing import NamedTuple

from reconciler.model.commands import Command
from reconciler.model.problems import Severity


class Finding(NamedTuple):
    """One thing that is wrong, or soon will be.

    Attributes:
        id: stable name, for example ``unbound-queues``.
        severity: error where guests do not get what they should, warning where they might not.
        what: what was found, one sentence.
        why: why it matters, one sentence.
        help: what to do, in words, or as a command of another tool.
        commands: commands of ours that help, in this order.
    """

    id: str
    severity: Severity
    what: str
    why: str
    help: str
    commands: tuple[Command, ...] = ()


def error(id: str, what: str, why: str, help: str, *commands: Command) -> Finding:
    """A finding that keeps guests from what they should have."""
    return Finding(id, Severity.ERROR, what, why, help, commands)


def warning(id: str, what: str, why: str, help: str, *commands: Command) -> Finding:
    """A finding that may do so."""
    return Finding(id, Severity.WARNING, what, why, help, commands)


def listed(names: list[str], most: int = 8) -> str:
    """Some of `names`, for a sentence: ``05.0004, 05.0005 and 7 more``."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
