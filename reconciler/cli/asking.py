"""The person at the controlling terminal, who may be asked.

Standard input and output say nothing about that: output may go into a pipe while a person watches, and input may be
manifests. Cron, `ssh HOST COMMAND` and services have no controlling terminal; a job in the background must not read
from it. All of these are answered with None by `terminal`.
"""

import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from select import select
from typing import TYPE_CHECKING, Final

import click

from reconciler.cli.output import page_for_terminal, paint_for_terminal, printable, result
from reconciler.model.printable import in_encoding
from reconciler.render.text import Paint

if TYPE_CHECKING:
    from reconciler.render.table import Page

TERMINAL: Final = "/dev/tty"
_LINE_BYTES: Final = 4096
"""The most that a terminal gives as one line."""


class GoneAway(click.Abort):
    """The terminal was closed, or its person ended the input; whoever does not catch it is stopped as by Ctrl-C."""


class Terminal:
    """The controlling terminal of this process, open for reading and writing as `descriptor`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @property
    def paint(self) -> Paint:
        """Colours, unless the user has said NO_COLOR."""
        return paint_for_terminal()

    @property
    def page(self) -> "Page":
        """Its width, its encoding, and `paint`."""
        return page_for_terminal(self._descriptor)

    def show(self, text: str) -> None:
        """Show `text` where the person sees it: on stdout or stderr where these are terminals, else right here."""
        sys.stdout.flush()
        sys.stderr.flush()
        if sys.stdout.isatty():
            result(text)
            sys.stdout.flush()
        elif sys.stderr.isatty():
            sys.stderr.write(text)
            sys.stderr.flush()
        else:
            self._write(text)

    def agrees(self, question: str) -> bool:
        """Ask `question` until the answer is yes or no; an empty line is no.

        Raises:
            GoneAway: there will be no answer.
        """
        self.forget_typed()
        while True:
            self._write(f"{question} [y/N]: ")
            answer = self._line().strip().lower()
            if answer in {"y", "yes"}:
                return True
            if answer in {"", "n", "no"}:
                return False
            self._write("Answer y (yes) or n (no); Enter alone is n.\n")

    def forget_typed(self) -> None:
        """Forget what was typed up to now: no answer to what is asked next."""
        with suppress(termios.error):  # hung up, which the next read finds
            termios.tcflush(self._descriptor, termios.TCIFLUSH)

    def entered(self, seconds: float) -> bool:
        """Whether a line is entered within `seconds`.

        Raises:
            GoneAway: there will be none.
        """
        ready, _, _ = select([self._descriptor], [], [], seconds)
        return bool(ready and self._line())

    def _line(self) -> str:
        try:
            line = os.read(self._descriptor, _LINE_BYTES)
        except OSError as error:  # EIO: hung up, or in the background without a job control to stop us
            raise GoneAway from error
        if not line:
            raise GoneAway
        return line.decode("utf-8", "replace")

    def _write(self, text: str) -> None:
        encoding = sys.stderr.encoding or "utf-8"
        left = in_encoding(printable(text), encoding).encode(encoding)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            raise GoneAway from error


@contextmanager
def terminal() -> Iterator[Terminal | None]:
    """The controlling terminal while this process is in its foreground; None where no person can be asked."""
    try:
        descriptor = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield Terminal(descriptor) if _in_foreground(descriptor) else None
    finally:
        os.close(descriptor)


def _in_foreground(descriptor: int) -> bool:
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False
