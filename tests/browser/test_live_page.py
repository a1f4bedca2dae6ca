"""The page of ``reconcile serve`` as people see it, and that it follows what happens on the host."""

import itertools
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from selenium.webdriver.common.by import By

from reconciler.kernel import paths
from reconciler.model.printable import escaped
from reconciler.picture.cells import Band, Card, Holder, Picture, Row, Shown, Side, State, runs_of
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
)  # fmt: skip
from reconciler.watch.published import LoopPublisher
from reconciler.watch.report import Condition, RefusedConfiguration, Report, SourceReport, Suspended
from reconciler.watch.run_directory import RunDirectory
from testing.browsers import Browser, Scheme, invalid
from testing.clocks import FakeClock
from testing.git_repositories import Repository
from testing.hostile_text import unsafe_characters
from testing.loop_processes import GUEST, SIMULATED, Loop, enforcing
from testing.loop_processes import HOST as HOST_MANIFEST
from testing.mounted_hosts import MountedHost, mounted_host, text_of, why_not_mounted
from testing.publishing import Server, publishing
from testing.reports import NOW, guest, report
from testing.serving import serving

SEEN_WITHIN: Final = 2.0
"""Seconds from the end of the loop's cycle until people see what it has found."""
LOOKS: Final[tuple[tuple[int, Scheme], ...]] = ((360, "light"), (1280, "dark"), (360, "dark"), (1280, "light"))
UUIDS: Final = tuple(f"62177883-f1bb-47f0-914d-32a22e3a88{one:02}" for one in range(3))
HOSTILE: Final = (
    "<script>document.title='run'</script>", "</title></svg></pre><img src=x onerror=document.title='run'>",
    "&lt;b&gt;&#60;", "{{7*7}} ${7*7} {% x %}", "javascript:document.title='run'", "\"' onmouseover=alert(1) x='",
    "\u202eevil\u2066\u200f", "\x00\x1b[31m", "x" * 10_000,
)  # fmt: skip


# What is published, as it is drawn ------------------------------------------------------------------------------------


def picture(names: tuple[str, ...]) -> Picture:
    """Three guests on three adapters, of which one is not there yet."""
    held, pending, host = Shown(State.HELD, 0), Shown(State.PENDING, 1, is_there=False), Shown(State.HOST)
    rows: list[list[Shown | None]] = [
        [held, held, host, None], [pending, pending, None, pending], [Shown(State.HELD, 2), host, host, host]
    ]  # fmt: skip
    cards = [Card("CEX8", "CCA", state) for state in ("online", "not there", "standby")]
    return Picture(
        "lpar7", Side.NOW, "compared with the manifests",
        tuple(Holder(name, uuid, f"{name[:1]}{uuid[-1]}", "active") for name, uuid in zip(names, UUIDS, strict=True)),
        tuple(Band(one, one) for one in (4, 5, 71, 72)),
        tuple(Row(Band(one, one), cards[one - 5], runs_of(row)) for one, row in enumerate(rows, 5)),
        {"held": 3, "pending": 3, "host": 4}, 7,
    )  # fmt: skip


class Live(NamedTuple):
    """A loop that publishes, and the server of its page."""

    directory: RunDirectory
    clock: FakeClock
    loop: LoopPublisher
    server: Server

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server.listener.getsockname()[1]}/"

    def publish(self, made: Report, names: tuple[str, ...], text: str) -> None:
        """Publish `made`, with guests that have these `names`, and whatever people write as `text`."""
        labels = {UUIDS[0]: GuestView({"tenant": text}, "active")}
        plan = PlanView(
            text, is_valid=True, created=0, changed=1, removed=0, writes=2, interrupted=1,
            consents=(ConsentView(names[0], text),), problems=(ProblemView("warning", text),), suspended=(),
            diff=f"--- a\n+++ b\n@@ {text} @@\n-domain 0x04\n+domain 0x47\n", is_cut=False,
        )  # fmt: skip
        one = GenerationView(
            7, (1, 2), "", NOW, NOW + 1, text, text, "whole", "0123456789abcdef", text, text, "applied", "", text,
            f"+{text}\n", is_cut=False,
        )  # fmt: skip
        events = EventsView((EventView(NOW, Kind.CONDITION, Level.INFO, text, (), (text,)),))
        for name, view in (
            (HOST, HostView(picture(names), labels, plan, is_cut=False)),
            (HISTORY, HistoryView("1", (one,), 3)),
            (EVENTS, events),
        ):
            self.directory.replace(name, VIEWS.content(view))
        self.loop.publish(made)


GUESTS: Final = (
    guest("payments", uuid=UUIDS[0]),
    guest("ledger", uuid=UUIDS[1], authorised=3, effective=0, why=("pending: adapter 0x06 (6) is not there yet",)),
    guest("batch", uuid=UUIDS[2], suspended=Suspended("maintenance", "Ann", None)),
)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """A page of a host whose guests want one thing that is not there."""
    clock = FakeClock()
    loop = publishing(tmp_path / "run", clock)
    server = Server(tmp_path / "run", clock)
    made = Live(RunDirectory(tmp_path / "run", is_public=True), clock, loop, server)
    made.publish(report(guests=GUESTS), ("payments", "ledger", "batch"), "Grant payments 05.0004")
    yield made
    server.close()


def looked_at(page: Browser, name: str, looks: tuple[tuple[int, Scheme], ...] = LOOKS) -> None:
    """No wider than the window, without a fault, and as it was looked at; narrow and wide, light and dark."""
    for width, scheme in looks:
        page.show(width, scheme)
        assert width == page.ask("return document.documentElement.scrollWidth")
        page.assert_looks_like(f"page-{name}-{width}-{scheme}")
        if (width, scheme) in looks[:2]:
            assert [] == page.faults()


def test_the_page_is_for_everybody(page: Browser, live: Live, tmp_path: Path, validator: None) -> None:
    """Valid, silent, without a fault, no wider than the window, and as it was looked at."""
    page.open(live.address)
    looked_at(page, "alive")

    file = tmp_path / "page.html"
    file.write_text(live.server.ask("/")[1])
    assert [] == invalid([file])


@pytest.mark.parametrize(
    ("how", "title"), [("ended", "The loop has ended"), ("hangs", "The loop hangs")]
)  # fmt: skip
def test_a_dead_loop_is_seen_in_large_letters(page: Browser, live: Live, how: str, title: str) -> None:
    """Larger than all else on the page, and while people look."""
    page.open(live.address)
    if how == "ended":
        live.loop.close(3, "by an error")
    else:
        live.clock.sleep(1000)

    page.until(lambda: title in page.text("#alarm"), title)
    sizes = page.ask("return ['#alarm strong', 'h1', 'body'].map("
                     "one => parseFloat(getComputedStyle(document.querySelector(one)).fontSize))")  # fmt: skip
    assert sizes == sorted(sizes, reverse=True)
    if how == "ended":
        looked_at(page, "ended", LOOKS[:2])


def test_guests_are_searched_while_people_write(page: Browser, live: Live) -> None:
    """The table has those guests only, and the address can be kept."""
    page.open(live.address)
    page.driver.find_element(By.ID, "q").send_keys("ledg")

    page.until(lambda: len(page.texts("#guest-table tbody tr")) == 1, "one guest")
    assert page.text("#guest-table tbody th").startswith("ledger")
    assert "q=ledg" in page.driver.current_url


def test_hostile_texts_are_text_when_the_page_opens_and_when_it_follows(page: Browser, live: Live) -> None:
    """In every place of the page: no element, no attribute and no script of theirs, no wider than the window."""
    page.show(360, "light")
    page.open(live.address)
    elements = names_of_elements(page)
    for name in HOSTILE:
        source = SourceReport(
            name, name, RefusedConfiguration(name, (name,), NOW), name, (), "", name, name, name, name
        )
        guests = tuple(one._replace(name=name, why=(name,)) for one in GUESTS)
        made = report(
            host=name, summary=name, source=source, guests=guests, differences=(name,), stopped={name: NOW},
            suspended=Suspended(name, name, NOW), queues={name: 1}, condition=Condition.DRIFT,
        )  # fmt: skip
        live.publish(made, (name, name, name), name)
        shown = escaped(name)

        page.until(partial(is_of_host, page, shown[:60]), f"the host {shown[:60]}")

        text = page.ask("return document.body.textContent")
        assert text.count(shown) >= 12, shown[:60]
        assert set() == unsafe_characters(text) - {"\n"}
        assert names_of_elements(page) <= elements | {"li", "ul", "p", "strong"}
        assert "run" != page.driver.title
        assert 360 == page.ask("return document.documentElement.scrollWidth")
    page.open(live.address)
    assert escaped(HOSTILE[-1])[:60] in page.text("h1")


def test_an_answer_that_is_late_does_not_hide_a_newer_one(page: Browser, live: Live) -> None:
    """Whatever happens while the page asks for the news is asked for after it."""
    page.open(live.address)
    page.ask(
        "const real = window.fetch;"
        "window.fetch = async (...asked) => {"
        "  const answer = await real(...asked), text = await answer.text();"
        "  await new Promise(done => { window.held = done; });"
        "  setTimeout(() => { window.shown = true; }, 100);"
        "  window.fetch = real;"
        "  return new Response(text, {status: answer.status});"
        "};"
    )
    live.publish(report(host="first", guests=GUESTS), ("payments", "ledger", "batch"), "first")
    page.until(lambda: page.ask("return Boolean(window.held)"), "the first question")
    live.publish(report(host="second", guests=GUESTS), ("payments", "ledger", "batch"), "second")
    page.ask("setTimeout(window.held, 300)")

    page.until(lambda: page.ask("return Boolean(window.shown)"), "the late answer")
    page.until(partial(is_of_host, page, "second"), "the newest")
    assert is_of_host(page, "second")


def is_of_host(page: Browser, name: str) -> bool:
    """Whether the page is that of the host `name`."""
    return name in page.text("h1")


def names_of_elements(page: Browser) -> set[str]:
    """The elements that the page is made of."""
    return set(page.ask("return [...document.querySelectorAll('*')].map(one => one.localName)"))


# A loop on a host -----------------------------------------------------------------------------------------------------


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[MountedHost]:
    """A host with the cards 4 and 5, as a file system that any program can write to."""
    (tmp_path / "trial").mkdir()
    if why_not := why_not_mounted(tmp_path / "trial"):
        pytest.skip(f"NOT TESTED: the page of a loop on the mounted host ({why_not})")
    with mounted_host(tmp_path, SIMULATED) as host:
        yield host


class Watcher:
    """Looks at the page as a person does, each time in another way, and notes how long each thing took to be seen."""

    def __init__(self, page: Browser) -> None:
        self._page = page
        self._looks = itertools.cycle(LOOKS)
        self.seconds: dict[str, float] = {}

    def sees(self, what: str, condition: Callable[[], object]) -> None:
        """Return once `condition` holds, at the latest after `SEEN_WITHIN` seconds."""
        started = time.monotonic()
        self._page.until(condition, what, SEEN_WITHIN)
        self.seconds[what] = round(time.monotonic() - started, 2)
        self._page.assert_silent()

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look in the next way; what is seen in the block fits into the window."""
        width, scheme = next(self._looks)
        self._page.show(width, scheme)
        yield
        assert width == self._page.ask("return document.documentElement.scrollWidth")


def cell(page: Browser, queue: str) -> str:
    """What the picture says of a queue, such as ``09.0004``."""
    found: list[str] = page.ask(
        "return [...document.querySelectorAll('#matrix-picture .cells rect > title')].map(one => one.textContent)"
    )
    return next((one for one in found if one.startswith(queue)), "")


def test_what_happens_on_the_host_is_seen_within_two_seconds(
    page: Browser, mounted: MountedHost, tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """A card is plugged, a commit pushed, a mask changed by another hand, the loop killed, loop and server started."""
    repository = Repository(tmp_path / "repository")
    repository.commit(
        {"host.yaml": HOST_MANIFEST, "payments.yaml": GUEST.format(name="payments", adapters="5, 9", domains="4")}
    )
    run_directory = tmp_path / "state.run"
    person = Watcher(page)
    with serving(run_directory) as address:
        with enforcing(repository, mounted, "--self-heal") as loop:
            page.open(address)
            assert "in sync" in page.text("#banner").lower()
            assert "pending" in cell(page, "09.0004")

            with person.looking():
                mounted.request(("plug", "9", "type=CEX8", "mode=cca"))
                loop.turn()
                person.sees("a card", lambda: "held" in cell(page, "09.0004"))
            with person.looking():
                repository.commit(
                    {"web.yaml": GUEST.format(name="web", adapters="5", domains="5")}, "Grant web 05.0005"
                )
                loop.turn()
                person.sees(
                    "a commit",
                    lambda: (
                        "web" in cell(page, "05.0005")
                        and "web" in page.text("#guest-table")
                        and "Grant web 05.0005" in page.text("#history-live")
                    ),
                )
            with person.looking():
                before = text_of(mounted.root / paths.APMASK)
                mounted.store(paths.APMASK, "+7")
                loop.turn()
                person.sees("a mask", lambda: "healed" in page.text("#events-live").lower())
                assert before == text_of(mounted.root / paths.APMASK)
            with person.looking():
                kill(loop)
                person.sees("a dead loop", lambda: "The loop is dead" in page.text("#alarm"))
                assert page.driver.find_element(By.CSS_SELECTOR, "#alarm strong").is_displayed()
        with enforcing(repository, mounted) as loop, person.looking():
            person.sees("a new loop", lambda: page.text("#alarm") == "")
            mounted.store(paths.APMASK, "+7")
            loop.turn()
            person.sees("drift", lambda: "drift" in page.text("#banner").lower())
            assert "0x07 (7)" in page.text("#drift-live")
    page.until(lambda: "No connection" in page.text("#lost"), "a server that is gone", SEEN_WITHIN)
    drop_network_errors(page)
    with serving(run_directory, address.removeprefix("http://").rstrip("/")):
        page.until(lambda: not page.text("#lost"), "the new server")
        drop_network_errors(page)
    record_testsuite_property("seen within seconds", json.dumps(person.seconds))


def kill(loop: Loop) -> None:
    """Have the loop leave its last word, and no other."""
    loop.process.send_signal(signal.SIGKILL)
    loop.process.wait()


def drop_network_errors(page: Browser) -> None:
    """That a server cannot be reached is on the console, whoever asks for it."""
    for line in page.console():
        assert "net::ERR" in line
