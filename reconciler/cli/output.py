"""Where output goes: results to stdout, everything else to stderr, colours to a terminal only."""

import os
import sys
from collections.abc import Sequence

from reconciler.cli.exit_codes import Exit
from reconciler.kernel.lock_wait import AtWork
from reconciler.model.outcome import Result
from reconciler.model.problems import Problem
from reconciler.planning.plan import PlannedStep
from reconciler.render.diagnostics import problems_text
from reconciler.render.paint import Paint, coloured, plain

EXIT_OF = {
    Result.NOTHING: Exit.DONE,
    Result.APPLIED: Exit.DONE,
    Result.ROLLED_BACK: Exit.ROLLED_BACK,
    Result.DEGRADED: Exit.DEGRADED,
}


def paint_for_stdout() -> Paint:
    """Colours if stdout is a terminal and the user has not said NO_COLOR."""
    return coloured if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else plain


def paint_for_stderr() -> Paint:
    """The same for stderr."""
    return coloured if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else plain


def result(text: str) -> None:
    """Write a result to stdout; `text` ends with its newline."""
    sys.stdout.write(text)


def tell(text: str) -> None:
    """Tell the user something on stderr."""
    sys.stderr.write(f"{text}\n")


def tell_problems(problems: Sequence[Problem]) -> None:
    """Show problems on stderr."""
    if problems:
        sys.stdout.flush()
        sys.stderr.write(f"{problems_text(problems, paint_for_stderr())}\n")


class TerminalProgress:
    """Shows which step is being made, on one line of a terminal."""

    def __init__(self) -> None:
        self._shows = sys.stderr.isatty()

    def step(self, number: int, total: int, step: PlannedStep) -> None:
        """See `reconciler.transaction.apply.Progress`."""
        if self._shows:
            sys.stderr.write(f"\r\033[K[{number}/{total}] {step.holder}: {step.step.action.value}")
            if number == total:
                sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def going_back(self, reason: str) -> None:
        """See `reconciler.transaction.apply.Progress`."""
        if self._shows:
            sys.stderr.write(f"\r\033[Kfailed ({reason}); putting everything back ...\n")

    def waiting(self, holder: AtWork) -> None:
        """See `reconciler.transaction.apply.Progress`."""
        tell(f"waiting for {holder}")
