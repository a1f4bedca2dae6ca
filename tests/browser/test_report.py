"""The report as people see it: in a real browser, narrow and wide, light and dark, whatever the names are."""

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.model.printable import escaped
from reconciler.picture.cells import Band, Card, Holder, Picture, Row, Shown, Side, State, runs_of
from reconciler.picture.sheet import standalone
from reconciler.render.report_html import ascii_text, report_html
from reconciler.render.reports import Listing, Report, Table
from testing.browsers import Browser, Scheme, invalid
from testing.commands import Command, example
from testing.hostile_text import unsafe_characters

HOSTILE: Final = (
    "<script>document.title='run'</script>", "</title></style><img src=x onerror=document.title='run'>",
    "&lt;b&gt;&#60;",
    "{{7*7}} ${7*7} {% x %} #{7*7}", "javascript:document.title='run'", "\"' onmouseover=document.title='run' x='",
    "\u202eevil\u2066\u200f", "]]><!--", "\x00\x1b[31m\udcff", "x" * 10_000,
)  # fmt: skip


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` on a fresh copy of the three guests."""
    return example("three-guests", tmp_path, capsys)


def reported(command: Command, *words: str) -> Path:
    """The page that ``reconcile report`` writes with `words`."""
    file = command.directory.with_name("report.html")
    ran = command("report", "--html", str(file), *words)
    assert ran.code in (0, 2), ran.err
    html = file.read_text(encoding="utf-8").replace(str(command.directory), "/srv/three-guests")
    file.write_text(re.sub(r"20\d\d-\d\d-\d\dT[\d:]+[+-][\d:]+", "2026-01-02T03:04:05+00:00", html), encoding="utf-8")
    return file


def present(command: Command) -> Path:
    """The host as it is: one guest waits for its card, one is to have more, a mask was changed by hand."""
    assert 0 == command("apply", "--yes").code
    simulate = ("simulate", "--simulate", str(command.simulated_host))
    command.bare(*simulate, "unplug", "5")
    guests = command.directory / "guests.yaml"
    guests.write_text(guests.read_text().replace("domains: [4, 0xab]", "domains: [4, 5, 0xab]", 1))
    return reported(command)


def planned(command: Command) -> Path:
    """What an apply would do, before and after it."""
    return reported(command, "--plan")


def many(command: Command) -> Path:
    """A hundred guests of 64 domains and 85 adapters, of which some are not there."""
    adapters = ", ".join(f"{{id: {one}, type: CEX8, mode: cca}}" for one in range(80))
    command.simulated_host.write_text(
        "apiVersion: reconciler/v1\nkind: SimulatedHost\nmetadata: {name: lpar7}\nspec:\n"
        f"  kernel: '6.12'\n  adapters: [{adapters}]\n  usageDomains: [0-84]\n  maxDomain: 255\n"
    )
    guests = (
        f"---\napiVersion: reconciler/v1\nkind: Guest\nmetadata: {{name: tenant-{one:03}}}\n"
        f"spec: {{adapters: [{one % 25 * 3}-{one % 25 * 3 + 2}], domains: [{one // 25 * 20}-{one // 25 * 20 + 19}]}}\n"
        for one in range(100)
    )
    command.bare("simulate", "--simulate", str(command.simulated_host), "reset")
    (command.directory / "guests.yaml").write_text("".join(guests))
    (command.directory / "host.yaml").write_text("apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\n")
    return reported(command, "--plan")


def hostile(command: Command) -> Path:
    """Names, sentences and cells that others chose to do harm, in every place of a report."""
    file = command.directory.with_name("report.html")
    pictures = (hostile_picture(Side.BEFORE), hostile_picture(Side.AFTER))
    parts: tuple[Table | Listing, ...] = (
        Table("Guests", ("Guest",) * len(HOSTILE), (HOSTILE, tuple(reversed(HOSTILE)))),
        *(Listing("Steps", HOSTILE) for _ in range(9)),
    )
    facts = tuple(("Commit", one) for one in HOSTILE)
    file.write_text(report_html(Report(HOSTILE[0], HOSTILE[1], facts, pictures, parts), HOSTILE[2]))
    return file


def hostile_picture(side: Side) -> Picture:
    """A picture whose every word is hostile."""
    holders = tuple(Holder(one, one, one[:3], one) for one in HOSTILE)
    words = itertools.cycle(HOSTILE)
    rows = tuple(
        Row(
            Band(one, one),
            Card(next(words), next(words), next(words)),
            runs_of([Shown(State.CONFLICT, one, (0, 1))] * 3),
        )
        for one in range(len(HOSTILE))
    )
    columns = tuple(Band(one, one) for one in range(3))
    return Picture(HOSTILE[3], side, HOSTILE[1], holders, columns, rows, {"held": 1}, 1)


REPORTS: Final = (present, planned, many, hostile)
LOOKED_AT: Final = {
    (present, 360, "light"), (present, 360, "dark"), (present, 1280, "light"), (present, 1280, "dark"),
    (planned, 360, "light"), (planned, 1280, "dark"), (many, 1280, "light"), (many, 360, "dark"),
    (hostile, 360, "light"),
}  # fmt: skip


@pytest.mark.parametrize("made", REPORTS, ids=lambda made: made.__name__)
def test_a_report_is_for_everybody(page: Browser, command: Command, made: Callable[[Command], Path]) -> None:
    """Silent, without a fault, no wider than the window, and as it was looked at."""
    page.open(made(command).as_uri())
    nothing_runs_or_loads(page)
    # Where the manifests are is another place in each run.
    page.ask(
        "const about = document.querySelector('.about'); about.textContent = about.textContent.replace(/.tmp.*/, '…')"
    )

    schemes: tuple[Scheme, ...] = ("light", "dark")
    for width, scheme in itertools.product((360, 1280), schemes):
        page.show(width, scheme)
        assert width == page.ask("return document.documentElement.scrollWidth")
        if (made, width, scheme) in LOOKED_AT:
            page.assert_looks_like(f"report-{made.__name__}-{width}-{scheme}")
        # Widths differ in layout, schemes in contrast: both are seen in two of the four, which takes half the time.
        if (width, scheme) in {(360, "dark"), (1280, "light")} and not (made is many and width == 360):
            assert [] == page.faults()


def test_reports_are_valid(command: Command, validator: None) -> None:
    """Pages, and pictures that stand alone."""
    files: list[Path] = []
    for words in ((), ("--plan",)):
        files += [command.directory.with_name(f"picture{len(files)}.svg")]
        assert command("report", "--svg", str(files[-1]), *words).code in (0, 2)
    for made in REPORTS:
        page = made(command)
        files += [page.rename(page.with_name(f"{made.__name__}.html"))]
    files += [command.directory.with_name("hostile.svg")]
    pictures = [hostile_picture(Side.BEFORE), hostile_picture(Side.AFTER)]
    files[-1].write_text(ascii_text(standalone(pictures)))

    assert [] == invalid(files)


def nothing_runs_or_loads(page: Browser) -> None:
    """The page has no script, no form, no link, no handler, and asks nobody for anything."""
    assert 0 == page.ask("return document.querySelectorAll('script, iframe, img, image, a, form, object, base').length")
    assert 0 == page.ask("return performance.getEntriesByType('resource').length")
    attributes = page.ask("return [...document.querySelectorAll('*')].flatMap(one => one.getAttributeNames())")
    assert [] == [one for one in attributes if one.startswith("on") or one in {"style", "href", "src", "xlink:href"}]


def test_hostile_names_are_text(page: Browser, command: Command) -> None:
    """All of each is read by people, with an escape for what they cannot see; nothing of it is markup."""
    page.open(hostile(command).as_uri())

    text = page.ask("return document.body.textContent")
    assert [] == [one[:50] for one in HOSTILE if text.count(escaped(one)) < 12]
    assert set() == unsafe_characters(text) - {"\n"}
    assert escaped(HOSTILE[0])[:80] in page.driver.title
    assert 0 == page.ask("return document.querySelectorAll('script, img, [onmouseover], [onerror]').length")


def test_hostile_names_are_text_in_a_picture_that_stands_alone(page: Browser, tmp_path: Path, validator: None) -> None:
    """As a document of its own, which could run scripts."""
    file = tmp_path / "picture.svg"
    file.write_text(ascii_text(standalone([hostile_picture(Side.BEFORE), hostile_picture(Side.AFTER)])))

    page.open(file.as_uri())

    elements: list[Any] = page.ask("return [...new Set([...document.querySelectorAll('*')].map(one => one.localName))]")
    text = page.ask("return document.documentElement.textContent")
    assert {"script", "img", "a", "foreignObject", "image"}.isdisjoint(elements)
    assert [] == [one[:50] for one in HOSTILE[:5] if escaped(one) not in text]


def test_the_heads_stay_where_the_picture_scrolls(page: Browser, command: Command) -> None:
    """At the far corner of a wide picture, the adapter's and the domain's numbers are still in sight."""
    page.show(360, "light")
    page.open(many(command).as_uri())

    places = page.ask("""
        const scrolled = document.querySelector('.crypto-scroll');
        scrolled.scrollIntoView(); scrolled.scrollTo(1e6, 1e6);
        const box = scrolled.getBoundingClientRect();
        return [...scrolled.querySelectorAll('.crypto-rows, .crypto-columns')].map(one => {
            const own = one.getBoundingClientRect();
            return [own.right > box.left && own.left < box.right, own.bottom > box.top && own.top < box.bottom,
                    scrolled.scrollLeft > 0, scrolled.scrollTop > 0];
        });""")

    assert [[True] * 4] * 2 == places
