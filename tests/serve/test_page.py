"""The page of ``reconcile serve``, its API and its events, from what a loop publishes."""

import grp
import json
import os
import re
import socket
import stat
from collections.abc import Callable, Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from jsonschema import Draft202012Validator

from reconciler.picture.cells import NO_CARD, Band, Holder, Picture, Row, Run, Shown, Side, State
from reconciler.serve import feed
from reconciler.serve.addresses import bound
from reconciler.serve.page import MOST_GUESTS
from reconciler.watch import run_directory
from reconciler.watch.events import Kind, Level
from reconciler.watch.host_view import (
    EVENTS,
    HISTORY,
    HOST,
    VIEWS,
    ConsentView,
    EventsView,
    EventView,
    GenerationView,
    GuestView,
    HistoryView,
    HostView,
    PlanView,
    ProblemView,
)
from reconciler.watch.published import LoopPublisher
from reconciler.watch.report import Changed, Condition, RefusedConfiguration, Report, SourceReport, Suspended
from reconciler.watch.run_directory import RunDirectory
from testing.clocks import FakeClock
from testing.publishing import Server, publishing
from testing.reports import NOW, guest, report

SCHEMAS: Final = Path(__file__).parents[2] / "schemas"
UUID: Final = guest().uuid


def picture(name: str = "payments") -> Picture:
    """One held queue and one that is pending."""
    runs = (Run(0, 0, Shown(State.HELD, 0)), Run(1, 1, Shown(State.PENDING, 0, is_there=False)))
    return Picture(
        host="lpar7",
        side=Side.NOW,
        about="",
        holders=(Holder(name, UUID, "pa", "active"),),
        columns=(Band(4, 4), Band(71, 71)),
        rows=(Row(Band(5, 5), NO_CARD, runs),),
        counts={"held": 1, "pending": 1},
        present=1,
    )


def plan(**changes: Any) -> PlanView:
    """A plan that needs consent."""
    made = PlanView(
        summary="1 to change",
        is_valid=True,
        created=0,
        changed=1,
        removed=0,
        writes=2,
        interrupted=1,
        consents=(ConsentView("payments", "loses 05.0004"),),
        problems=(ProblemView("warning", "the card is old"),),
        suspended=(),
        diff="--- a\n+++ b\n@@ guest payments @@\n-domain 0x04\n+domain 0x47\n",
        is_cut=False,
    )
    return made._replace(**changes)


def planned() -> HostView:
    """A host with a plan."""
    return HostView(picture(), {UUID: GuestView({"tenant": "a"}, "active")}, plan(), is_cut=False)


def generation(number: int = 7, **changes: Any) -> GenerationView:
    """One that was applied."""
    made = GenerationView(
        number=number,
        stamp=(1, 2),
        id="",
        started=NOW,
        ended=NOW + 1,
        by="loop",
        what="payments",
        extent="whole",
        commit="0123456789abcdef",
        subject="Grant payments 05.0004",
        author="Ann",
        result="applied",
        failure="",
        summary="1 to create",
        diff="+domain 0x04\n",
        is_cut=False,
    )
    return made._replace(**changes)


def event(text: str = "in sync", **changes: Any) -> EventView:
    """Something that has happened."""
    return EventView(NOW, Kind.CONDITION, Level.INFO, text, (), ("more",))._replace(**changes)


class Shows(NamedTuple):
    """A loop, what it publishes, and a server that shows it."""

    directory: RunDirectory
    clock: FakeClock
    loop: LoopPublisher
    server: Server

    def publish(
        self,
        made: Report | None = None,
        *,
        host: HostView | None = None,
        history: HistoryView | None = None,
        events: EventsView | None = None,
    ) -> None:
        """Publish what is given, and something harmless in place of the rest."""
        host = host or HostView(picture(), {UUID: GuestView({"tenant": "a"}, "active")}, None, is_cut=False)
        for name, view in (
            (HOST, host),
            (HISTORY, history or HistoryView("1", (generation(),), 3)),
            (EVENTS, events or EventsView((event(),))),
        ):
            self.directory.replace(name, VIEWS.content(view))
        self.loop.publish(made or report())

    def page(self, path: str = "/") -> str:
        answer, text = self.server.ask(path)
        assert answer.status == 200
        return text

    def json(self, path: str) -> Any:
        answer, text = self.server.ask(path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
        found = json.loads(text)
        schema = json.loads((SCHEMAS / f"{path.strip('/').replace('/', '-')}.schema.json").read_text(encoding="utf-8"))
        Draft202012Validator.check_schema(schema)
        Draft202012Validator(schema).validate(found)
        return found


@pytest.fixture
def shows(tmp_path: Path) -> Iterator[Shows]:
    """A loop that has just been started, and a server."""
    clock = FakeClock()
    loop = publishing(tmp_path / "run", clock)
    made = Shows(RunDirectory(tmp_path / "run", is_public=True), clock, loop, Server(tmp_path / "run", clock))
    yield made
    made.server.close()


class _Text(HTMLParser):
    """What a page says, and what it is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> _Text:
    """`page` as a browser reads it."""
    made = _Text()
    made.feed(page)
    return made


def text_of(page: str) -> str:
    """What `page` says, in one line."""
    return " ".join(" ".join(read(page).words).split())


def test_the_page_shows_what_is_published(shows: Shows) -> None:
    """State, guests, matrix, drift, events and history."""
    shows.publish(
        report(guests=(guest(),), drifting=("payments", "masks"), differing=(Changed("payments", "", "05.0004"),)),
        host=planned(),
    )

    text = text_of(shows.page())

    for words in (
        "lpar7", "in sync", "payments", "tenant=a", "held by the guest", "1 to change", "loses 05.0004",
        "the card is old", "-domain 0x04", "payments: another program set no device; wanted is 05.0004",
        "masks: another program has changed it", "Grant payments 05.0004", "+domain 0x04",
        "3 earlier generations", "2027-01-15 08:00:00 UTC",
    ):  # fmt: skip
        assert words in text
    assert "The loop" not in text.partition("State")[0]


def test_nothing_in_the_page_is_against_its_own_policy(shows: Shows) -> None:
    """No style and no script within it, and nothing from elsewhere."""
    shows.publish(report(guests=(guest(),)), host=HostView(picture(), {}, plan(), is_cut=False))
    answer, page = shows.server.ask("/")

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    for name, value in (
        ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer")
    ):  # fmt: skip
        assert answer.headers[name] == value
    assert answer.headers["Set-Cookie"] is None
    assert answer.headers["Access-Control-Allow-Origin"] is None
    for tag, attributes in read(page).tags:
        assert tag != "style"
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            assert (attributes.get(name) or "/")[0] in "/#?"
    assert read(page).tags.count(("script", {"src": "/static/page.js", "defer": None})) == 1
    assert [tag for tag, _ in read(page).tags].count("script") == 1


@pytest.mark.parametrize("path", ["/static/page.css", "/static/page.js", "/static/icon.svg"])
def test_static_files_are_there(shows: Shows, path: str) -> None:
    """Each with its type and the same headers."""
    answer, text = shows.server.ask(path)

    assert answer.status == 200
    assert text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"].split(";")[0] in ("text/css", "text/javascript", "image/svg+xml")


def test_what_the_page_is_made_of_travels_in_the_wheel() -> None:
    """As the build back end collects it."""
    builders = pytest.importorskip("hatchling.builders.wheel", reason="NOT TESTED: the wheel, without hatchling")
    found = {one.distribution_path for one in builders.WheelBuilder(str(SCHEMAS.parent)).recurse_included_files()}

    for name in ("templates/page.html", "static/page.css", "static/page.js", "static/icon.svg"):
        assert f"reconciler/serve/{name}" in found


def test_the_script_is_short() -> None:
    """Whoever runs it can read it."""
    script = (Path(feed.__file__).parent / "static/page.js").read_text(encoding="utf-8")
    lines = [line for line in script.splitlines() if line.strip() and not line.strip().startswith("//")]

    assert len(lines) <= 45
    assert "innerHTML =" not in script.replace("===", "")
    assert "eval" not in script


HOSTILE: Final = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "a\u202eb\u2066c",
    "a\x00\x1b[31mb",
    "x" * 10_000,
    "</svg></pre></title>",
    "javascript:alert(1)",
    "a\udcffb",
    "##[error]a",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_shown_as_text(shows: Shows, name: str) -> None:
    """Wherever they stand: the page has the same elements as with a harmless name."""

    def publish(text: str) -> str:
        source = SourceReport(
            text, text, RefusedConfiguration(text, (text,), NOW), text, (), "", text, text, text, text
        )
        one = guest(text, why=(text,), suspended=Suspended(text, text, None), drifted=True)
        shows.publish(
            report(
                host=text,
                summary=text,
                source=source,
                guests=(one,),
                differences=(text,),
                stopped={text: NOW},
                drifting=(text,),
                differing=(Changed(text, text, text),),
                suspended=Suspended(text, text, NOW),
                queues={text: 1},
            ),
            host=HostView(
                picture(text)._replace(host=text, about=text),
                {UUID: GuestView({text: text}, "active")},
                plan(
                    summary=text,
                    consents=(ConsentView(text, text),),
                    problems=(ProblemView("error", text),),
                    diff=text,
                ),
                is_cut=False,
            ),
            history=HistoryView(
                "1",
                (
                    generation(
                        by=text,
                        what=text,
                        commit=text,
                        subject=text,
                        result=text,
                        failure=text,
                        summary=text,
                        diff=f"+{text}\n",
                    ),
                ),
                0,
            ),
            events=EventsView((event(text, details=(text,), guests=(text,)),)),
        )
        return shows.page()

    harmless, hostile = publish("harmless"), publish(name)

    assert [tag for tag, _ in read(hostile).tags] == [tag for tag, _ in read(harmless).tags]
    assert "49" not in text_of(hostile).replace("0149", "") or "7 * 7" in text_of(hostile)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b\udcff]", hostile)
    for tag, attributes in read(hostile).tags:
        assert (tag, [one for one in attributes if one.startswith("on")]) == (tag, [])
        assert not (attributes.get("href") or "").startswith("javascript:")
    for path in ("/api/status", "/api/plan", "/api/history"):
        assert "##[" not in shows.server.ask(path)[1]
        assert "\\ud" not in shows.server.ask(path)[1]
        assert name[:500] in json.dumps(shows.json(path), ensure_ascii=False) or not name.isprintable() or '"' in name


def test_the_api_has_the_same_as_the_page(shows: Shows) -> None:
    """By its published schemas."""
    shows.publish(
        report(guests=(guest(),)),
        host=planned(),
    )

    status, plans, history = (shows.json(f"/api/{one}") for one in ("status", "plan", "history"))

    assert status["loop"]["alive"] is True
    assert status["status"]["guests"][0]["labels"] == {"tenant": "a"}
    assert status["matrix"]["rows"][0]["cells"][0]["holder"] == "payments"
    assert status["events"][0]["text"] == "in sync"
    assert plans["plan"]["change"] == 1
    assert history["generations"][0]["number"] == 7
    assert status["id"] == plans["id"] == history["id"]


def test_the_api_of_an_empty_directory_is_valid(shows: Shows) -> None:
    """Nothing is known, and that is said by its schemas, too."""
    for path in ("/api/status", "/api/plan", "/api/history"):
        shows.json(path)
    assert shows.json("/api/status")["status"] is None
    assert "No report is published" in text_of(shows.page())


def test_a_full_report_is_valid(shows: Shows) -> None:
    """With everything that may be there."""
    refused = RefusedConfiguration("def", ("a.yaml:3: overlaps",), NOW)
    shows.publish(
        report(
            condition=Condition.STOPPED,
            source=SourceReport("x", "abc", refused, "timeout", (), "", "s", "a", "s", "a", NOW),
            suspended=Suspended("why", "kim", NOW),
            stopped={"payments": NOW},
            rolled_back=NOW,
            guests=(guest(authorised=None, effective=None, suspended=Suspended("why", "kim", None)),),
        )
    )

    status = shows.json("/api/status")["status"]
    text = text_of(shows.page())

    assert status["source"]["refused"]["reasons"] == ["a.yaml:3: overlaps"]
    for words in ("commit def is refused", "a.yaml:3: overlaps", "cannot be reached: timeout", "suspended by kim: why"):
        assert words in text


@pytest.mark.parametrize("name", [HOST, HISTORY, EVENTS])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b'{"formatVersion": 9}', b'{"formatVersion": 1, "x": 1}', b" " * (9 << 20)]
)
def test_a_damaged_file_hides_no_other(shows: Shows, name: str, content: bytes) -> None:
    """It is named; the rest is shown."""
    shows.publish()
    (shows.directory.path / name).write_bytes(content)

    text = text_of(shows.page())

    assert str(shows.directory.path / name) in text
    assert "the host is as the manifests say" in text
    assert len(shows.json("/api/status")["troubles"]) == 1


def test_a_directory_that_cannot_be_trusted_is_said_in_large_letters(shows: Shows) -> None:
    """And nothing of it is shown."""
    shows.publish()
    shows.directory.path.chmod(0o777)

    page = shows.page()

    assert "What is published cannot be read" in text_of(page)
    assert "the host is as the manifests say" not in text_of(page)


@pytest.mark.parametrize(
    ("how", "title"),
    [("ended", "The loop has ended"), ("killed", "The loop is dead"), ("hangs", "The loop hangs")],
)
def test_a_loop_that_is_dead_is_said_in_large_letters(shows: Shows, how: str, title: str) -> None:
    """With from when what is shown is; what it has found last is shown still."""
    shows.publish(report(cycle_ended=NOW, due=NOW + 1))
    assert "alarm" not in str([one for tag, one in read(shows.page()).tags if tag == "div" and one.get("class")])
    match how:
        case "ended":
            shows.loop.close(3, "by an error")
        case "killed":
            os.close(shows.loop._lock)
        case _:
            shows.clock.sleep(1000)

    page = shows.page()

    assert title in text_of(page)
    assert "what you see is from 2027-01-15 08:00:00 UTC" in text_of(page)
    assert ("div", {"class": "alarm"}) in read(page).tags
    assert "the host is as the manifests say" in text_of(page)
    assert shows.json("/api/status")["loop"]["alive"] is False


def rows(page: str) -> list[str]:
    """The names of the guests that are listed, in their order."""
    return re.findall(r'<th scope="row">([^<]+)<small>', page)


def test_guests_are_searched_sorted_and_chosen_by_label(shows: Shows) -> None:
    """By the address alone, without a script; trouble stands first."""
    guests = [guest(name, uuid=UUID[:-1] + str(number)) for number, name in enumerate(("a", "b", "c"))]
    guests[2] = guests[2]._replace(drifted=True, wanted=9)
    views = {one.uuid: GuestView({"tenant": "x" if one.name == "b" else "y"}, "active") for one in guests}
    shows.publish(report(guests=tuple(guests)), host=HostView(picture(), views, None, is_cut=False))

    assert rows(shows.page()) == ["c", "a", "b"]
    assert rows(shows.page("/?sort=name")) == ["a", "b", "c"]
    assert rows(shows.page("/?sort=-wanted")) == ["c", "b", "a"]
    assert rows(shows.page("/?label=tenant%3Dx")) == ["b"]
    assert rows(shows.page("/?q=DRIFT")) == ["c"]
    assert rows(shows.page("/?q=tenant%3Dy+a")) == ["c", "a"]
    assert rows(shows.page("/?sort=nonsense&q=%00%ff")) == []
    assert "0 of 3 guests" in text_of(shows.page("/?q=nothing"))


def test_of_very_many_guests_the_first_are_listed(shows: Shows) -> None:
    """A search finds the others."""
    count = MOST_GUESTS + 5
    shows.publish(report(guests=tuple(guest(f"g{number:04}", uuid=f"{number:036}") for number in range(count))))

    assert len(rows(shows.page())) == MOST_GUESTS
    assert f"{count} of {count} guests; the first {MOST_GUESTS} are listed" in text_of(shows.page())
    assert rows(shows.page(f"/?q=g{count - 1:04}")) == [f"g{count - 1:04}"]


# Events --------------------------------------------------------------------------------------------------------------


class Stream:
    """One client of the events."""

    def __init__(self, server: Server, seen: str = "") -> None:
        self.socket = server.connect()
        port = server.listener.getsockname()[1]
        last = f"Last-Event-ID: {seen}\r\n" if seen else ""
        self.socket.sendall(f"GET /api/events HTTP/1.1\r\nHost: localhost:{port}\r\n{last}\r\n".encode())
        self._lines = self.socket.makefile("r", encoding="utf-8", newline="\n")
        self.status = int(self._lines.readline().split()[1])

    def event(self) -> dict[str, Any]:
        """The next event."""
        return next(json.loads(line[6:]) for line in self._lines if line.startswith("data: "))

    def event_with(self, summary: str) -> dict[str, Any]:
        """The next event that says this; one of a report that is not published whole may come before it."""
        return next(one for one in iter(self.event, None) if one["summary"] == summary)

    def ends(self) -> bool:
        """Whether it ends."""
        try:
            return not [line for line in self._lines if line.startswith("data: ")]
        except OSError:
            return True

    def close(self) -> None:
        self._lines.close()
        self.socket.close()


@pytest.fixture
def listening(shows: Shows) -> Iterator[Callable[..., Stream]]:
    """Opens streams."""
    opened: list[Stream] = []

    def listen(seen: str = "") -> Stream:
        opened.append(Stream(shows.server, seen))
        return opened[-1]

    yield listen
    for one in opened:
        one.close()


def test_an_event_comes_with_each_cycle(shows: Shows, listening: Callable[..., Stream]) -> None:
    """And when the loop ends; its id is that of the state, which the API has, too."""
    shows.publish()
    stream = listening()
    first = stream.event()
    shows.publish(report(condition=Condition.DRIFT, cycle_ended=NOW + 1))
    second = stream.event()
    shows.loop.close(0, "by a signal")
    third = stream.event()

    assert (first["condition"], second["condition"]) == ("in-sync", "drift")
    assert (second["alive"], third["alive"]) == (True, False)
    assert len({one["id"] for one in (first, second, third)}) == 3
    assert third["id"] == shows.json("/api/status")["id"]


def test_who_comes_back_hears_what_it_has_missed(
    shows: Shows, listening: Callable[..., Stream], tmp_path: Path
) -> None:
    """Nothing where it has missed nothing; also from a server that was started since."""
    shows.publish()
    first = listening().event()
    other = Server(tmp_path / "run", shows.clock)
    try:
        again = Stream(other, first["id"])
        shows.publish(report(cycle_ended=NOW + 1, summary="another one"))
        assert again.event_with("another one")
        again.close()
        late = Stream(other, first["id"])
        assert late.event_with("another one")
        late.close()
    finally:
        other.close()


def test_streams_are_bounded(shows: Shows, listening: Callable[..., Stream], monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is told to come back; when one has ended, there is room again."""
    monkeypatch.setattr(feed, "MOST_STREAMS", 2)
    shows.publish()
    streams = [listening(), listening()]
    for one in streams:
        one.event()

    assert listening().status == 503
    streams[0].close()
    until = (listening().status for _ in range(500))
    assert 200 in until


def test_a_client_that_does_not_read_is_closed(
    shows: Shows, listening: Callable[..., Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little is sent to it; others go on."""
    monkeypatch.setattr(feed, "SLOW_SECONDS", 1.0)
    monkeypatch.setattr(feed, "event_text", lambda beat: f"id: {beat.id}\ndata: {json.dumps('x' * 30_000)}\n\n")
    shows.publish()
    slow, quick = listening(), listening()
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sizes = []
    for number in range(30):
        shows.publish(report(cycle_ended=NOW + number))
        sizes.append(len(next(line for line in quick._lines if line.startswith("data: "))))
    found = _all_of(slow.socket)

    assert len(sizes) == 30
    assert found < 20 * 30_000


def _all_of(closed: socket.socket) -> int:
    """How many bytes are still to be had from a connection that the other side has closed."""
    found = 0
    try:
        while more := closed.recv(1 << 20):
            found += len(more)
    except ConnectionResetError:
        pass
    return found


def test_a_stream_ends_with_the_server(tmp_path: Path) -> None:
    """At once, and not only when its client goes."""
    clock = FakeClock()
    publishing(tmp_path / "run", clock).publish(report())
    server = Server(tmp_path / "run", clock)
    stream = Stream(server)
    stream.event()
    server.close()

    assert stream.ends()
    stream.close()


# Who is answered -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:PORT", 200),
        ("127.0.0.1:PORT", 200),
        ("[::1]:PORT", 200),
        ("LOCALHOST:PORT", 200),
        ("crypto.example", 200),
        ("crypto.example:443", 421),
        ("localhost", 421),
        ("localhost:1", 421),
        ("evil.example:PORT", 421),
        ("localhost:PORT.evil.example", 421),
        ("localhost:PORT@evil.example", 421),
        ("<script>", 421),
    ],
)
def test_only_expected_hosts_are_answered(tmp_path: Path, host: str, status: int) -> None:
    """So that a site whose name leads to this machine reads nothing."""
    clock = FakeClock()
    publishing(tmp_path / "run", clock).publish(report())
    server = Server(tmp_path / "run", clock, names=("crypto.example",))
    port = str(server.listener.getsockname()[1])
    try:
        for path in ("/", "/api/status", "/static/page.js", "/healthz"):
            answer, text = server.ask(path, Host=host.replace("PORT", port))
            assert answer.status == status
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert (status == 200) or "--allowed-host" in text
    finally:
        server.close()


@pytest.mark.parametrize(
    ("host", "status"), [("localhost", 200), ("localhost:9750", 200), ("127.0.0.1:1", 200), ("evil.example", 421)]
)
def test_at_a_unix_socket_this_machine_may_have_any_port(tmp_path: Path, host: str, status: int) -> None:
    """One that ssh forwards, for example."""
    clock = FakeClock()
    publishing(tmp_path / "run", clock).publish(report())
    server = Server(tmp_path / "run", clock, str(tmp_path / "s"))
    try:
        assert server.ask("/", Host=host)[0].status == status
    finally:
        server.close()


def test_metrics_alone_name_no_guest(tmp_path: Path) -> None:
    """For any host; there is no page and no API."""
    clock = FakeClock()
    refused = RefusedConfiguration("def", ("payments overlaps",), NOW)
    source = SourceReport("x", "abc", refused)
    publishing(tmp_path / "run", clock).publish(
        report(summary="payments differs", stopped={"payments": NOW}, source=source, condition=Condition.DRIFT)
    )
    server = Server(tmp_path / "run", clock, only_metrics=True)
    try:
        asked = partial(server.ask, Host="prometheus.example")
        texts = [asked(path)[1] for path in ("/metrics", "/healthz", "/readyz")]

        assert texts[1:] == ["alive\n", "not ready\n"]
        assert "payments" not in "".join(texts)
        for path in ("/", "/api/status", "/api/events", "/static/page.js"):
            assert asked(path)[0].status == 404
    finally:
        server.close()


PATHS: Final = ("/", "/api/status", "/api/plan", "/api/history", "/api/events", "/static/page.css", "/metrics")


def test_only_get_and_head(shows: Shows) -> None:
    """There is nothing to change; HEAD has the headers alone."""
    for path in PATHS:
        head, text = shows.server.ask(path, "HEAD")
        assert (head.status, text) == (200, "")
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            answer, _ = shows.server.ask(path, method)
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_the_socket_is_for_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner and the group that may read what is published, whatever the umask is."""
    before = os.umask(0)
    monkeypatch.setattr(run_directory, "GROUP", "daemon")
    try:
        with bound(str(tmp_path / "s")):
            found = (tmp_path / "s").stat()
    finally:
        os.umask(before)

    assert stat.S_IMODE(found.st_mode) == 0o660
    if os.geteuid() == 0:
        assert found.st_gid == grp.getgrnam("daemon").gr_gid
