"""Where output goes: results to stdout, everything else to stderr, colours to a terminal only.

All of it passes through `Output`, which is the one place where text is made printable, and where a disk that is full or
a reader that went away is noticed: reporting a result never replaces the result. A review of problems and plans gets
them in the forms that it knows.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TextIO, cast

from reconciler.cli.exit_codes import Exit
from reconciler.model.printable import escaped, escaped_lines, in_encoding, lines_text
from reconciler.render.text import Paint, Painter, plain

if TYPE_CHECKING:
    import click

    from reconciler import Plan
    from reconciler.model.errors import ReconcileError
    from reconciler.model.problems import Problem
    from reconciler.render.table import Page

_CLOSED: Final = "it is closed"


class Output:
    """Standard output or standard error: only printable text leaves it, and writing to it never fails.

    Attributes:
        lost: why something could not be written, in the system's words; empty where everything was.
        reader_left: whether that is because the process that read it has ended (EPIPE).
        painter: gives text the colours that `write` shows.
        is_the_result: whether the command is there for what it writes here; where it changes something instead, its
            exit code says how that went, and nothing else.
        spare: takes each text that could not be written; None where nothing does.
    """

    def __init__(self, stream: TextIO, secret: str, *, closed: bool = False) -> None:
        """Write to `stream`.

        Args:
            stream: where text goes in the end.
            secret: what no text from outside can know; marks colours as ours.
            closed: whether the stream stands for a descriptor that was closed, so that everything is lost.
        """
        self._stream = stream
        self._closed = closed
        self.painter = Painter(f"\0{secret}[")
        self.lost = ""
        self.reader_left = False
        self.is_the_result = True
        self.spare: Callable[[str], object] | None = None

    @property
    def encoding(self) -> str:
        """The stream's."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def paint(self) -> Paint:
        """Colours that this output shows, where it is a terminal and the user has not said NO_COLOR."""
        return self.painter if self.isatty() and not os.environ.get("NO_COLOR") else plain

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return not self._closed and self._stream.isatty()

    def fileno(self) -> int:
        """The descriptor."""
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write `text`, in which line feeds and tabs are ours; the number of its characters."""
        self.write_printable(self.printable(text))
        return len(text)

    def printable(self, text: str) -> str:
        """`text` as it is shown: with escapes for what people cannot see, and with our colours."""
        first, *painted = text.split(self.painter.introducer)
        return escaped_lines(first) + "".join(map(_revealed, painted))

    def write_printable(self, text: str) -> int:
        """Write `text` as it is, but for characters that the encoding has not; the number of its characters."""
        if self._closed:
            self.lost = _CLOSED
        elif not self.lost or self.spare:
            with self._noticed():
                self._stream.write(in_encoding(text, self.encoding))
        if self.lost and self.spare:
            self.spare(text)
        return len(text)

    def begin_again(self) -> None:
        """Try to write again after something was lost; what the stream still has of it comes first."""
        self.lost = ""
        self.flush()

    def flush(self) -> None:
        """Have everything written."""
        if not self.lost and not self._closed:
            with self._noticed():
                self._stream.flush()

    @contextmanager
    def _noticed(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.lost = error.strerror or str(error)
            self.reader_left = error.errno == errno.EPIPE
        except ValueError:  # closed while we run
            self.lost = _CLOSED


def _revealed(part: str) -> str:
    code, _, text = part.partition("m")
    return f"\033[{code}m{escaped_lines(text)}"


class Printable:
    """Standard output or error for text that is printable already, colours included."""

    def __init__(self, stream: TextIO) -> None:
        output = _output(stream)
        self._write: Callable[[str], int] = output.write_printable if output else stream.write
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text` as it is; the number of its characters."""
        return self._write(text)

    def flush(self) -> None:
        """Have everything written."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The descriptor."""
        return self._stream.fileno()


def open_closed_descriptors() -> None:
    """Have standard input, output and error open, so that no file that we open takes the place of one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free
    if sys.stdin is None:
        sys.stdin = _opened(0, "r")


@contextmanager
def printable_output() -> Iterator[None]:
    """Have everything that the block writes to `sys.stdout` and `sys.stderr` pass through an `Output`."""
    before = sys.stdout, sys.stderr
    secret = os.urandom(8).hex()
    sys.stdout, sys.stderr = (
        Output(stream or _opened(number), secret, closed=stream is None) for number, stream in enumerate(before, 1)
    )
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


def exit_code(code: int) -> int:
    """The exit code of a command that would end with `code`, now that its output is written, or could not be.

    That the reader went away (``reconcile plan | head``) is no failure of ours.
    """
    sys.stdout.flush()
    output = _output(sys.stdout)
    if output is None or not output.lost or output.reader_left or not output.is_the_result:
        return code
    say(f"error: standard output cannot be written: {output.lost}")
    return Exit.FAILURE


def acts() -> None:
    """Say that the command is there for what it does: its exit code stays, even where nothing can be written."""
    if output := _output(sys.stdout):
        output.is_the_result = False


def paint_for_stdout() -> Paint:
    """Colours if stdout is a terminal and the user has not said NO_COLOR."""
    output = _output(sys.stdout)
    return output.paint if output else plain


def paint_for_stderr() -> Paint:
    """The same for stderr."""
    output = _output(sys.stderr)
    return output.paint if output else plain


def paint_for_terminal() -> Paint:
    """The same for a terminal that is neither; such text is made `printable` before it is written there."""
    output = _output(sys.stdout)
    return output.painter if output and not os.environ.get("NO_COLOR") else plain


def page_for_stdout() -> "Page":
    """What stdout is as a page: as wide as the terminal, or as COLUMNS says; without a limit where it is neither."""
    from reconciler.render.table import Page

    output = _output(sys.stdout)
    if output is None:
        return Page(_width(None))
    return _page(output.fileno if output.isatty() else None, output.paint, output.encoding)


def page_for_stderr() -> "Page":
    """The same for stderr, without colour, since `say` adds none."""
    from reconciler.render.table import Page

    output, width = _output(sys.stderr), _width_for_stderr()
    return _page_of(width, plain, output.encoding) if output else Page(width)


def page_for_terminal(descriptor: int) -> "Page":
    """The same for the terminal that `descriptor` is open for, whatever stdout is."""
    return _page(lambda: descriptor, paint_for_terminal(), sys.stderr.encoding or "utf-8")


def _page(terminal: Callable[[], int] | None, paint: Paint, encoding: str) -> "Page":
    return _page_of(_width(terminal), paint, encoding)


def _page_of(width: int | None, paint: Paint, encoding: str) -> "Page":
    from reconciler.render.table import Page

    def shown(text: str) -> str:
        return in_encoding(escaped(text), encoding)

    return Page(width, paint, shown, shown("…"))


def _width(terminal: Callable[[], int] | None) -> int | None:
    """How many columns the terminal with this descriptor has, or COLUMNS says; None where neither does."""
    given = os.environ.get("COLUMNS", "")
    if given.isascii() and given.isdigit() and int(given):
        return int(given)
    if terminal is None:
        return None
    try:
        return os.get_terminal_size(terminal()).columns or None
    except OSError:
        return None


def printable(text: str) -> str:
    """`text`, in which line feeds and tabs are ours, as it is shown: with our colours, but no others."""
    output = _output(sys.stdout)
    return output.printable(text) if output else escaped_lines(text)


def _opened(number: int, mode: str = "w") -> TextIO:
    return cast("TextIO", open(number, mode, encoding="utf-8", closefd=False))


def _output(stream: object) -> Output | None:
    return stream if isinstance(stream, Output) else None


def result(text: str) -> None:
    """Write a result to stdout; `text` ends with its newline."""
    sys.stdout.write(text)


def report(*lines: str) -> None:
    """Write what was done to stdout, a line each; see `report_text`."""
    report_text(lines_text(lines))


def report_text(text: str, summary: str = "") -> None:
    """Write what was done to stdout; where that cannot be, stderr has its `summary`, or all of `text`."""
    acts()
    sys.stdout.write(text)
    sys.stdout.flush()
    output = _output(sys.stdout)
    if output and output.lost:
        say(f"note: standard output cannot be written ({output.lost}); what was done:")
        sys.stderr.write(summary or text)


def say(*lines: str) -> None:
    """Write `lines` to stderr for the user: sentences on as many lines as they need at a terminal of this width.

    What begins with a space is a command to copy, or was divided already; for a remark behind such a command see
    `Page.with_remark`.
    """
    width = _width_for_stderr()
    sys.stderr.write(lines_text(part for line in lines for part in _divided(line, width)))


def _divided(line: str, width: int | None) -> list[str]:
    is_step = line.startswith("  next: ")
    if width is None or (not is_step and ((line.isascii() and len(line) <= width) or line.startswith(" "))):
        return [line]
    page = page_for_stderr()
    return page.with_remark(line) if is_step else page.wrapped("", line)


def _width_for_stderr() -> int | None:
    output = _output(sys.stderr)
    return _width(output.fileno if output and output.isatty() else None)


def note(text: str, lead: str = "note: ") -> None:
    """Write `text` to stderr behind `lead`, on as many lines as it needs at a terminal of this width."""
    say(*page_for_stderr().wrapped(lead, text, 0))


def say_elsewhere_too(spare: Callable[[str], object]) -> None:
    """Give `spare` what cannot be written to stderr, and try stderr again nevertheless: for a process that waits."""
    if output := _output(sys.stderr):
        output.spare = spare
        output.begin_again()


def say_remedy(error: "ReconcileError") -> None:
    """Say what to run next about `error`, where that is known."""
    if error.remedy:
        say(f"  next: {error.remedy}")


def show_problems(
    problems: "Sequence[Problem]", context: "click.Context | None" = None, *, at_the_end: bool = False
) -> None:
    """Show problems on stderr, and an empty line before what follows.

    Args:
        problems: nothing is shown where there are none.
        context: that of the command that has found them, left out where it runs still.
        at_the_end: whether nothing follows.
    """
    if problems:
        from reconciler.cli.command_lines import with_directory
        from reconciler.model.problems import MISSING_HOST, NOT_SIMULATED, PATH_MISSING
        from reconciler.render.diagnostics import problems_text

        shown = with_directory(problems, context)
        if any(one.id in {*MISSING_HOST, NOT_SIMULATED} for one in shown):
            from reconciler.cli.meant.hosts import with_hosts_beside

            shown = with_hosts_beside(shown, context)
        if any(one.id == PATH_MISSING for one in shown):
            from reconciler.cli.meant.names import with_file_elsewhere

            shown = with_file_elsewhere(shown, context)
        sys.stdout.flush()
        ending = "" if at_the_end else "\n"
        page = page_for_stderr()
        sys.stderr.write(f"{problems_text(shown, paint_for_stderr(), page.width, page.shown)}{ending}")


def control(stream: TextIO, sequence: str) -> None:
    """Write our own control `sequence` for a terminal to `stream`."""
    output = _output(stream)
    (output.write_printable if output else stream.write)(sequence)


REVIEW_FORMATS: Final = ("github", "sarif")


def show_for_review(what: "Plan | Sequence[Problem]", command: str, format: str) -> None:
    """Print `what` the `command` has found, in one of `REVIEW_FORMATS`; files are named from the repository's root."""
    from reconciler import Plan, __version__
    from reconciler.integrations.repositories import repository_above
    from reconciler.render.annotations import Origin, plan_github, plan_sarif, problems_github, problems_sarif

    here = os.path.realpath(os.curdir)
    repository = repository_above(here)
    origin = Origin(command, __version__, here, repository.top if repository else here)
    if format == "sarif":
        result(plan_sarif(what, origin) if isinstance(what, Plan) else problems_sarif(what, origin))
        return
    text = plan_github(what, origin) if isinstance(what, Plan) else problems_github(what, origin)
    # These lines are commands on purpose: what stands in them is printable already.
    Printable(sys.stdout).write(text)
