"""The page: what is published, for people. It is whole without a script, which only has it follow the loop.

A template has no decision in it but what is left out. Every text is shown as text: Jinja2 escapes what markup means
something by, and what people cannot see, or what turns the direction of a line, is shown as an escape before that.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.resources import files
from itertools import islice
from operator import attrgetter
from threading import Lock
from typing import Any, Final, NamedTuple

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from reconciler.model.ids import IdSet
from reconciler.model.outcome import commit_words
from reconciler.model.printable import escaped
from reconciler.picture.cells import Picture
from reconciler.picture.sheet import key_of_holders, key_of_signs
from reconciler.picture.svg import STYLE, Parts, parts
from reconciler.picture.words import summary, why
from reconciler.render.text import counted, iso_time, moment
from reconciler.serve.api import json_text, status_record
from reconciler.serve.snapshot import Snapshot
from reconciler.watch.events import Level, commit_text, enforced_text
from reconciler.watch.host_view import GuestView, HostView
from reconciler.watch.report import Condition, GuestReport, Report, Suspended

MOST_GUESTS: Final = 500
"""How many guests one page lists; a search finds the others."""

_MOST_LABELS: Final = 200
_MOST_RUNS: Final = 1000
_LONGEST_QUERY: Final = 200
_SORTS: Final = ("name", "state", "wanted", "held", "seen")
_TONES: Final = {
    Condition.IN_SYNC: "good",
    Condition.CHANGES: "warning",
    Condition.DRIFT: "warning",
    Condition.NEEDS_PERSON: "warning",
    Condition.WAITING: "quiet",
    Condition.SUSPENDED: "quiet",
    Condition.SUSPENDED_OUT_OF_SYNC: "warning",
    Condition.FAILED: "bad",
    Condition.DEGRADED: "bad",
    Condition.STOPPED: "bad",
}
_LEVELS: Final = {Level.INFO: "quiet", Level.WARNING: "warning", Level.ERROR: "bad", Level.CRITICAL: "bad"}


class Asked(NamedTuple):
    """What the query of the page's address asks for: guests with these words or this label, in this order."""

    words: str
    label: str
    sort: str

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Asked":
        """What `query` asks for; what makes no sense in it is passed over."""
        words, label = (query.get(name, "")[:_LONGEST_QUERY].strip() for name in ("q", "label"))
        sort = query.get("sort", "")
        return cls(words, label, sort if sort.removeprefix("-") in _SORTS else "state")


class GuestRow(NamedTuple):
    """One guest, as the table shows it.

    Attributes:
        name: of the guest.
        uuid: of its device.
        labels: of its manifest, as ``key=value``.
        state: in a word or two.
        tone: how much that matters.
        wanted: how many queues its manifest grants.
        held: how many its device has; -1 where there is none.
        seen: how many the guest sees; -1 where that is not known.
        why: why these differ, and why it is suspended, a sentence each.
    """

    name: str
    uuid: str
    labels: tuple[str, ...]
    state: str
    tone: str
    wanted: int
    held: int
    seen: int
    why: tuple[str, ...]


class Pages:
    """Makes pages, and the answers of the API, once for each state and query; for several threads."""

    def __init__(self) -> None:
        """Read what pages are made of."""
        own = files("reconciler.serve")
        template = own.joinpath("templates/page.html").read_text(encoding="utf-8")
        environment = Environment(
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_shown,
            loader=DictLoader({"page.html": template}),
        )
        environment.filters.update(moment=_moment, iso=iso_time, commit=commit_words, lines=_diff_lines)
        self._template = environment.get_template("page.html")
        static = own.joinpath("static")
        self.static: Final = {
            "page.css": (static.joinpath("page.css").read_bytes() + STYLE.encode() + b"\n", "text/css"),
            "page.js": (static.joinpath("page.js").read_bytes(), "text/javascript"),
            "icon.svg": (static.joinpath("icon.svg").read_bytes(), "image/svg+xml"),
        }
        self._lock = Lock()
        self._made: dict[object, bytes] = {}
        self._id = ""

    def page(self, snapshot: Snapshot, asked: Asked) -> bytes:
        """The page of `snapshot` with what is `asked` for."""
        return self._once(snapshot, asked, lambda: self._template.render(_values(snapshot, asked)).encode())

    def json(self, made: Callable[[Snapshot], dict[str, Any]], snapshot: Snapshot) -> bytes:
        """What `made` makes of `snapshot`, as JSON; how old that is, is not kept."""

        def make() -> bytes:
            return f"{json_text(made(snapshot))}\n".encode()

        return make() if made is status_record else self._once(snapshot, made, make)

    def _once(self, snapshot: Snapshot, key: object, make: Callable[[], bytes]) -> bytes:
        """What `make` makes; of one state that is done once for each `key`, for as many clients as there are."""
        with self._lock:
            if self._id != snapshot.id or len(self._made) > _MOST_KEPT:
                self._id = snapshot.id
                self._made.clear()
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]


_MOST_KEPT: Final = 16


def _values(snapshot: Snapshot, asked: Asked) -> dict[str, Any]:
    report, host = snapshot.published.report, snapshot.host
    guests = tuple(_rows(report, host)) if report else ()
    chosen = sorted(
        (one for one in guests if _is_asked(one, asked)), key=_order(asked.sort), reverse=asked.sort.startswith("-")
    )
    return {
        "id": snapshot.id,
        "name": (report.host if report else "") or "unknown host",
        "report": report,
        "banner": _banner(snapshot),
        "alarm": _alarm(snapshot),
        "troubles": snapshot.troubles,
        "enforced": enforced_text(report) if report else "",
        "commit": _commit(report) if report else "",
        "asked": asked,
        "sorts": _sort_links(asked),
        "labels": sorted({label for one in guests for label in one.labels})[:_MOST_LABELS],
        "total": len(guests) + (report.guests_left_out if report else 0),
        "found": len(chosen),
        "guests": chosen[:MOST_GUESTS],
        "picture": _Shown(host.picture) if host and host.picture else None,
        "plan": host.plan if host else None,
        "drift": list(_drift(report)) if report else [],
        "is_cut": host.is_cut if host else False,
        "events": snapshot.events.events if snapshot.events else (),
        "levels": _LEVELS,
        "history": snapshot.history,
        "counted": counted,
    }


class _Banner(NamedTuple):
    """How the host is: in a word or two, how much that matters, and one sentence."""

    words: str
    tone: str
    text: str


def _banner(snapshot: Snapshot) -> _Banner:
    report = snapshot.published.report
    if report is None:
        return _Banner("nothing is known", "bad", "No report on this host is published.")
    if not snapshot.health.good:
        return _Banner(f"last known: {report.condition.text}", "old", report.summary)
    return _Banner(report.condition.text, _TONES[report.condition], report.summary)


class _Alarm(NamedTuple):
    """What is said in large letters, why, and from when what is shown is (seconds since 1970; None: unknown)."""

    title: str
    text: str
    since: float | None


def _alarm(snapshot: Snapshot) -> _Alarm | None:
    """That the loop is dead, or what is shown is old; None while all is well."""
    if snapshot.health.good:
        return None
    published = snapshot.published
    loop, report = published.loop, published.report
    since = report.cycle_ended if report else None
    if snapshot.troubles and loop is None:
        return _Alarm("What is published cannot be read", snapshot.troubles[0], since)
    if loop is None:
        return _Alarm("No loop runs", snapshot.health.text, since)
    if loop.ended:
        return _Alarm("The loop has ended", snapshot.health.text, since)
    if not published.is_locked:
        return _Alarm("The loop is dead", snapshot.health.text, since)
    return _Alarm("The loop hangs", "the next cycle is overdue, and what is shown may be old", since)


def _commit(report: Report) -> str:
    source = report.source
    return commit_text(source.commit[:12], source.subject, source.author) if source.commit else ""


def _drift(report: Report) -> Iterator[str]:
    """What another program has changed and what is not corrected yet, a sentence each."""
    names = dict.fromkeys((*report.drifting, *(one.name for one in report.guests if one.drifted)))
    known = {one.name: one for one in report.differing}
    for name in names:
        if one := known.get(name):
            absent = "no device"
            yield f"{name}: another program set {one.before or absent}; wanted is {one.after or absent}"
        else:
            yield f"{name}: another program has changed it"


# Guests --------------------------------------------------------------------------------------------------------------


def _rows(report: Report, host: HostView | None) -> Iterable[GuestRow]:
    views = host.guests if host else {}
    for one in report.guests:
        view = views.get(one.uuid)
        state, tone = _state(one, view)
        yield GuestRow(
            one.name,
            one.uuid,
            tuple(f"{key}={value}" for key, value in sorted(view.labels.items())) if view else (),
            state,
            tone,
            one.wanted,
            -1 if one.authorised is None else one.authorised,
            -1 if one.effective is None else one.effective,
            (*one.why, *([_suspended(one.suspended)] if one.suspended else ())),
        )


def _suspended(one: Suspended) -> str:
    until = "until it is resumed" if one.until is None else f"until {moment(one.until)} UTC"
    return f"suspended by {one.by} {until}: {one.reason}"


def _state(one: GuestReport, view: GuestView | None) -> tuple[str, str]:
    """How a guest stands, and how much that matters."""
    activation = view.activation if view else "active"
    if one.drifted:
        return "drift", "bad"
    if one.suspended:
        return "suspended", "quiet"
    if one.authorised is None:
        return (activation.replace("-", " "), "quiet") if activation != "active" else ("missing", "warning")
    if not one.wanted:
        return ("inactive", "quiet") if activation == "inactive" else ("leaving", "warning")
    if one.authorised != one.wanted:
        return "changes", "warning"
    if one.effective is not None and one.effective != one.authorised:
        return "pending", "warning"
    return "in sync", "good"


def _is_asked(one: GuestRow, asked: Asked) -> bool:
    if asked.label and asked.label not in one.labels:
        return False
    text = " ".join((one.name, one.uuid, one.state, *one.labels)).casefold()
    return all(word in text for word in asked.words.casefold().split())


_RANK: Final = ("bad", "warning", "quiet", "good")


def _order(sort: str) -> Callable[[GuestRow], Any]:
    field = sort.removeprefix("-")
    if field == "state":
        return lambda one: (_RANK.index(one.tone), one.state, one.name)
    return attrgetter(field, "name")


class _Sort(NamedTuple):
    """The head of a column, which sorts by it.

    Attributes:
        head: what the column is called.
        sort: what the query says, to sort by it, or the other way round.
        order: for ``aria-sort``.
    """

    head: str
    sort: str
    order: str


def _sort_links(asked: Asked) -> list[_Sort]:
    heads = {"name": "Guest", "state": "State", "wanted": "Wanted", "held": "Has", "seen": "Sees"}
    orders = {name: "ascending" if asked.sort == name else "descending" for name in heads}
    return [
        _Sort(
            head,
            f"-{name}" if asked.sort == name else name,
            orders[name] if asked.sort.removeprefix("-") == name else "none",
        )
        for name, head in heads.items()
    ]


# The picture ---------------------------------------------------------------------------------------------------------


class _Run(NamedTuple):
    """A line of the table beside the picture."""

    adapters: str
    domains: str
    state: str
    why: str


class _Shown:
    """A picture, as the template shows it."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self.summary = summary(picture)

    @cached_property
    def parts(self) -> Parts:
        """The SVG in four parts, which is markup."""
        return Parts(*map(Markup, parts(self._picture, "matrix")))  # type: ignore[arg-type]

    @cached_property
    def keys(self) -> list[tuple[Markup, str]]:
        """What its signs mean, and who its initials are."""
        every = [*key_of_signs([self._picture]), *key_of_holders(self._picture)[:MOST_GUESTS]]
        return [(Markup(one.swatch), one.words) for one in every]  # noqa: S704 - made by our own functions

    @cached_property
    def runs(self) -> list[_Run]:
        """The same as a table, of very many cells the first ones."""
        return list(islice(self._every_run(), _MOST_RUNS))

    def _every_run(self) -> Iterable[_Run]:
        for row in self._picture.rows:
            adapters = _ids(IdSet(range(row.band.first, row.band.last + 1)))
            for run in row.runs:
                state = run.shown.state.value.replace("-", " ")
                yield _Run(adapters, _ids(self._picture.domains_of(run)), state, why(self._picture, row, run.shown))


def _ids(ids: IdSet) -> str:
    """``0x04-0x06 (4-6), 0x47 (71)``."""
    return ", ".join(
        f"0x{first:02x} ({first})" if first == last else f"0x{first:02x}-0x{last:02x} ({first}-{last})"
        for first, last in ids.ranges()
    )


# Filters -------------------------------------------------------------------------------------------------------------


def _shown(value: object) -> object:
    """`value` with an escape for what people cannot see; markup of ours stays."""
    return escaped(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _moment(seconds: float) -> Markup:
    """`seconds` since 1970 as an element for people and programs."""
    return Markup('<time datetime="{}">{} UTC</time>').format(iso_time(seconds), moment(seconds))


def _diff_lines(diff: str) -> Sequence[tuple[str, str]]:
    """The lines of a diff, each with what it is."""
    kinds = {"+": "added", "-": "removed", "@": "heading"}
    return [
        ("file" if line.startswith(("---", "+++")) else kinds.get(line[:1], "same"), line) for line in diff.splitlines()
    ]
