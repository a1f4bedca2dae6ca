"""What the exit codes mean (README, "Exit codes")."""

from enum import IntEnum


class Exit(IntEnum):
    """The exit code of the command."""

    DONE = 0
    FAILURE = 1
    CHANGES = 2
    INVALID = 3
    REFUSED = 4
    STALE = 5
    ROLLED_BACK = 6
    DEGRADED = 7
    BUSY = 8
    USAGE = 64
