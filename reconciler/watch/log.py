"""What the loop logs: lines for people at a terminal, JSON for the journal, and of reports only what has changed.

structlog takes about 60 ms to import, so this module is imported by whoever starts a loop, not by a plan.
"""

import os
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Protocol

import structlog

from reconciler.model.commands import NOWHERE, Here
from reconciler.model.printable import decodable, escaped_values
from reconciler.render.plan_json import without_commands
from reconciler.watch.events import Event, commit_of, events
from reconciler.watch.report import Report
from reconciler.watch.report_text import with_next

_PRIORITY: Final = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
"""As in syslog(3)."""

_SHORT: Final = 12

_Line = MutableMapping[str, Any]


class Format(StrEnum):
    """How lines look."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class Stream(Protocol):
    """Where lines go, made printable already."""

    def write(self, text: str, /) -> object:
        """Add `text`."""

    def flush(self) -> object:
        """Have everything written."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""

    def fileno(self) -> int:
        """Its descriptor."""


class Log:
    """Writes lines, each with host, commit and generation as soon as they are known."""

    def __init__(
        self,
        stream: Stream,
        wall_time: Callable[[], float],
        *,
        format: Format = Format.AUTO,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Write to `stream`.

        Args:
            stream: standard error; a closed one is no reason to end.
            wall_time: seconds since 1970.
            format: `AUTO` is for people where `stream` is a terminal, and JSON elsewhere.
            environment: that of the process. Where it says that `stream` is the journal (systemd.exec(5),
                ``$JOURNAL_STREAM``), each line begins with its priority, ``<4>`` for instance (sd-daemon(3)), which
                the journal takes off.
        """
        at_terminal = stream.isatty()
        people = format is Format.CONSOLE or (format is Format.AUTO and at_terminal)
        colours = at_terminal and not (environment or {}).get("NO_COLOR")
        processors = [
            structlog.processors.add_log_level,
            _time_stamp(wall_time),
            *((_printable, _for_people(colours)) if people else (_for_programs,)),
        ]
        if _is_journal(stream, environment or {}):
            processors[-1] = _with_priority(processors[-1])
        self._plain = structlog.wrap_logger(
            structlog.WriteLogger(_Forgiving(stream)),  # type: ignore[arg-type]  # all that it needs of a stream
            processors=processors,
            wrapper_class=structlog.make_filtering_bound_logger("info"),
            context_class=dict,
            cache_logger_on_first_use=False,
        )
        self._bound = self._plain
        self._fields: Mapping[str, object] = {}
        self._transaction = 0

    def bind(self, **fields: object) -> None:
        """Have `fields` in every line from now on, in place of those before; empty ones are left out."""
        self._fields = fields
        self._rebind()

    def enforcing(self, host: str, commit: str) -> None:
        """Have the Host's name and the git commit of what is about to be enforced in every line from now on."""
        self._fields = {**self._fields, "host": host, "commit": commit[:_SHORT]}
        self._rebind()

    def transaction(self, number: int) -> None:
        """Have the number of a transaction in every line from now on; 0: no longer."""
        self._transaction = number
        self._rebind()

    def _rebind(self) -> None:
        fields = {**self._fields, "transaction": self._transaction}
        self._bound = self._plain.bind(**{name: value for name, value in fields.items() if value})

    def info(self, text: str, **fields: object) -> None:
        """Log what is worth a line."""
        self._bound.info(text, **fields)

    def warning(self, text: str, **fields: object) -> None:
        """Log what a person should look at."""
        self._bound.warning(text, **fields)

    def error(self, text: str, **fields: object) -> None:
        """Log what has failed."""
        self._bound.error(text, **fields)

    def event(self, event: Event, commit: str | None = None) -> None:
        """Log what has happened; `commit` is the one that it is about, empty for none: else it is the enforced one."""
        bound = self._bound if commit is None else self._bound.try_unbind("commit")
        fields: dict[str, object] = {"kind": event.kind.value, **({"commit": commit[:_SHORT]} if commit else {})}
        if event.guests:
            fields["guests"] = list(event.guests)
        if event.details:
            fields["details"] = list(event.details)
        if event.next:
            fields["next"] = event.next
        getattr(bound, event.level.value)(event.text, **fields)

    def report(self, previous: Report | None, report: Report, here: Here = NOWHERE) -> tuple[Event, ...]:
        """Log what has happened since `previous`, with what to run next `here`, and return it.

        Nothing where nothing has changed.
        """
        self.bind(host=report.host, commit=report.source.commit[:_SHORT], generation=report.generation)
        found = with_next(events(previous, report), report, here)
        for event in found:
            about = commit_of(event, report.source).id
            self.event(event, None if about == report.source.commit else about)
        return found


class _Forgiving:
    """A stream whose failures are ignored: a full disk or a closed pipe must not end what enforces a host."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def _time_stamp(wall_time: Callable[[], float]) -> Callable[[Any, str, _Line], _Line]:
    def stamp(_logger: Any, _method: str, line: _Line) -> _Line:
        line["timestamp"] = datetime.fromtimestamp(wall_time(), UTC).isoformat(timespec="milliseconds")
        return line

    return stamp


def _for_people(colours: bool) -> Callable[[Any, str, _Line], str]:
    # The first parameter, the width of the event, has one name before structlog 26 and another one since.
    renderer = structlog.dev.ConsoleRenderer(
        0, colors=colours, exception_formatter=structlog.dev.plain_traceback, sort_keys=False
    )

    def render(logger: Any, method: str, line: _Line) -> str:
        details = list(line.pop("details", ()))
        details += [f"next: {line.pop('next')}"] if "next" in line else []
        text = str(renderer(logger, method, line))
        return "\n".join((text, *(f"    {detail}" for detail in details)))

    return render


def _for_programs(logger: Any, method: str, line: _Line) -> str:
    ordered = {name: line.pop(name) for name in ("timestamp", "level", "event")}
    return without_commands(str(structlog.processors.JSONRenderer()(logger, method, decodable({**ordered, **line}))))


def _printable(_logger: Any, _method: str, line: _Line) -> _Line:
    shown: _Line = escaped_values(line)
    return shown


def _is_journal(stream: Stream, environment: Mapping[str, str]) -> bool:
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _with_priority(render: Any) -> Callable[[Any, str, _Line], str]:
    def prefixed(logger: Any, method: str, line: _Line) -> str:
        prefix = f"<{_PRIORITY.get(str(line['level']), 6)}>"
        return "\n".join(prefix + one for one in str(render(logger, method, line)).split("\n"))

    return prefixed
