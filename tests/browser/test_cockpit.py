"""Cockpit's page, in a real Cockpit and a real browser: what it shows, and that nothing of it is more than text."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from selenium.webdriver.common.by import By

from reconciler.cli.main import run
from reconciler.picture.cells import Shown, Side, State
from reconciler.picture.sheet import standalone
from reconciler.picture.svg import STYLE
from testing.browsers import Browser, needed
from testing.cockpit import PAGE, Cockpit, cockpit, packages, what_is_missing
from testing.commands import parsed as parsed_command
from testing.golden import REWRITE
from testing.pictures import SVG, parsed, picture

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "three-guests"
PICTURE: Final = """<svg xmlns="http://www.w3.org/2000/svg" class="crypto-matrix" width="40" height="20" role="img"
aria-labelledby="picture-title"><title id="picture-title">Crypto queues of host lpar7</title>
<defs><pattern id="picture-hatch" width="4" height="4" patternUnits="userSpaceOnUse"><path d="M0 0L4 4"/></pattern>
</defs>
<g class="held"><title>05.0004 guest1</title><rect class="tint0" x="1" y="1" width="18" height="9" fill="#a9d5f5"/>
<rect x="20" width="9" height="9" fill="url(#picture-hatch)"/><use href="#picture-title"/>
<text x="2" y="9">g1</text></g></svg>"""
STATUS: Final[dict[str, Any]] = {
    "host": "lpar7", "comparedWith": {"text": "the manifests in /etc"}, "inSync": True, "suspended": None, "loop": None,
    "unseen": [], "problems": [], "foreign": [],
    "guests": [
        {
            "name": "guest1", "state": "in-sync", "wantedQueues": 2, "why": [], "inUse": True, "openedBy": None,
            "authorised": {"adapters": [5], "domains": [4, 5]}, "effective": {"adapters": [5], "domains": [4]},
        }
    ],
}  # fmt: skip
GENERATION: Final = {
    "number": 1, "started": "2026-01-02T03:04:05Z", "user": "root", "summary": "Plan: 1 to create.", "result": "applied"
}  # fmt: skip
ANSWERS: Final = {
    "status": json.dumps(STATUS),
    "report": standalone([picture([[Shown(state, place) for place in range(3)] for state in State])]),
    "history": json.dumps({"generations": [GENERATION]}),
}
HOSTILE: Final = (
    "<script>document.title='run'</script>", "<img src=x onerror=document.title='run'>", "&lt;b&gt;",
    "{{7*7}} ${7*7} {%x%}",
    "javascript:document.title='run'", "\"><svg onload=document.title='run'>", "\u202eevil\u2066", "x" * 10_000,
)  # fmt: skip

MARK: Final = "/* Written by a test: tests/browser/test_cockpit.py. */\n"
BAD: Final = re.compile(r"on|style=|is=|nonce=|xml|.*(javascript:|127\.0|data:|u.72l)", re.IGNORECASE)
"""What an attribute that is not ours may be."""


@pytest.fixture(scope="session")
def _one_cockpit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cockpit]:
    needed("the page in Cockpit", what_is_missing())
    with cockpit(tmp_path_factory.mktemp("cockpit")) as one:
        yield one


@pytest.fixture
def host(_one_cockpit: Cockpit) -> Cockpit:
    """A Cockpit on a host with a stand-in for ``reconcile``."""
    _one_cockpit.have_printing(ANSWERS)
    return _one_cockpit


def opened(page: Browser, host: Cockpit) -> Browser:
    """The page, when it has read everything once."""
    page.open(host.address)
    settled(page)
    return page


def settled(page: Browser) -> None:
    """Return when the page has read everything."""
    page.until(lambda: page.ask("return document.querySelector('[aria-busy=false]') !== null"), "it is read")


def trouble(page: Browser) -> str:
    """What the page says in red, on one line."""
    return " ".join(page.text("#trouble").split())


def test_it_shows_the_host_as_reconcile_does(page: Browser, host: Cockpit, tmp_path: Path) -> None:
    """The real command on the example's host: state, guests and history, and nothing is wrong."""
    shutil.copytree(EXAMPLE, tmp_path / "site")
    file = tmp_path / "site" / "simulated-host.yaml"
    assert 0 == run(["apply", "--yes", "-f", str(tmp_path / "site"), "--simulate", str(file)])
    host.have_simulated(file)

    opened(page, host)

    assert "" == trouble(page)
    assert "Crypto queues of lpar7" == page.text("h1")
    assert "guest1" in page.text("#picture")
    assert "In sync: the host is as it should be." in page.text("#state")
    assert ["guest1", "in-sync", "4", "4"] == page.text("#guests tbody tr").split()[:4]
    assert "7 kernel writes" in page.text("#history")
    assert [] == page.faults()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_looks_as_it_was_looked_at(page: Browser, host: Cockpit, width: int, scheme: Any) -> None:
    """Narrow and wide, light and dark, and everybody can use it."""
    page.show(width, scheme)

    opened(page, host)
    page.ask("document.querySelector('#age').textContent = 'as of 12:00:00'")

    assert width == page.ask("return document.documentElement.scrollWidth")
    assert [] == page.faults()
    page.assert_looks_like(f"cockpit-{width}-{scheme}")


def test_all_of_a_picture_is_shown_but_its_style(page: Browser, host: Cockpit) -> None:
    """Each element and attribute that `reconcile` draws with, before a plan and after it, narrow and wide."""
    wide = picture([[Shown(state, 0, changes=True)] * 9 for state in State] * 5, side=Side.BEFORE)
    text = standalone([wide, picture([[Shown(State.HOST)] * 100])])
    host.have_printing({**ANSWERS, "report": text})

    opened(page, host)

    drawn = [one for one in parsed(text).iter() if one.tag != f"{SVG}style"]
    attributes = sorted(f"{name}={value}" for one in drawn for name, value in one.attrib.items())
    shown = page.ask("return [...document.querySelectorAll('svg, svg *')].flatMap(one => [...one.attributes])"
                     ".map(one => one.name + '=' + one.value)")  # fmt: skip
    assert attributes == sorted(shown)
    assert len(drawn) == page.ask("return document.querySelectorAll('svg, svg *').length")


def test_refresh_reads_again(page: Browser, host: Cockpit) -> None:
    """The button shows what is so by now; nothing else is there to press."""
    opened(page, host)
    host.have_printing({**ANSWERS, "status": json.dumps({**STATUS, "inSync": False})})

    page.driver.find_element(By.CSS_SELECTOR, "button").click()

    page.until(lambda: page.text("#state").startswith("Not in sync"), "the new state")
    assert "bad" == page.ask("return document.querySelector('#state').className")
    assert 1 == page.ask("return document.querySelectorAll('button, a, input, form, select').length")


def test_it_refreshes_by_itself_while_it_is_seen(page: Browser, host: Cockpit) -> None:
    """Every half minute, whose end is brought about here; not while the page is hidden."""
    kept = "window.setInterval = (run, ms) => { if (run.name === 'refreshIfSeen') window.every = [run, ms]; };"
    added = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": kept})
    try:
        opened(page, host)
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    assert 30_000 == page.ask("return window.every[1]")
    host.have_printing({**ANSWERS, "status": json.dumps({**STATUS, "host": "lpar8"})})

    page.ask("Object.defineProperty(document, 'hidden', {get: () => true, configurable: true}); window.every[0]()")
    assert "false" == page.ask("return document.querySelector('main').getAttribute('aria-busy')")
    page.ask("delete document.hidden; window.every[0]()")

    page.until(lambda: page.text("h1") == "Crypto queues of lpar8", "what it reads by itself")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'error: no host' >&2; exit 3", '"reconcile status -o json" failed with exit code 3: error: no host'),
        ("exit 7", "failed with exit code 7"),
        ("kill -9 $$", '"reconcile status -o json" was ended by the signal KILL'),
        ("echo nonsense", '"reconcile status -o json" printed something else than this page reads'),
        ("echo '{}'", '"reconcile history -n 20 -o json" printed something else'),
        ("echo 5", '"reconcile report --svg -" printed no picture'),
        ("""echo '{"guests": [5], "generations": []}'""", "This page cannot show what reconcile printed"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_said_in_plain_words(page: Browser, host: Cockpit, script: str, words: str) -> None:
    """A command that fails, is killed, or prints something else."""
    host.have(script)

    opened(page, host)

    assert words in trouble(page)
    assert [] == page.faults()
    drop_parser_errors(page)


@pytest.mark.skipif(Path("/usr/local/bin/reconcile").exists(), reason="reconcile is installed on this machine")
def test_a_host_without_reconcile_is_told(page: Browser, host: Cockpit) -> None:
    """Once, and with where it was looked for."""
    host.program.unlink()

    opened(page, host)

    words = "reconcile is not installed on this host: it is neither on the PATH nor in /usr/local/bin or /usr/bin."
    assert words == trouble(page)


def test_what_was_shown_stays_when_reading_fails(page: Browser, host: Cockpit) -> None:
    """With the words that it may be out of date."""
    opened(page, host)
    host.have("exit 1")

    page.driver.find_element(By.CSS_SELECTOR, "button").click()

    page.until(lambda: "may be incomplete or out of date" in trouble(page), "the trouble")
    assert "guest1" in page.text("#guests")


# What is hostile -----------------------------------------------------------------------------------------------------


def test_hostile_names_are_text_everywhere(page: Browser, host: Cockpit) -> None:
    """In each text of status and history."""
    guest, generation = STATUS["guests"][0], GENERATION
    status = {
        **STATUS, "host": HOSTILE[0], "comparedWith": {"text": HOSTILE[1]}, "suspended": HOSTILE[2], "unseen": HOSTILE,
        "guests": [{**guest, "name": one, "state": one, "why": [one], "openedBy": {"name": one}} for one in HOSTILE],
        "problems": [{"severity": one, "message": one} for one in HOSTILE], "loop": {"condition": HOSTILE[4]},
        "foreign": [{**guest, "uuid": one} for one in HOSTILE],
    }  # fmt: skip
    generations = [
        {**generation, "number": one, "started": one, "user": one, "summary": one, "result": one} for one in HOSTILE
    ]
    host.have_printing({**ANSWERS, "status": json.dumps(status), "history": json.dumps({"generations": generations})})

    opened(page, host)

    assert "" == trouble(page)
    shown = page.ask("return document.body.textContent")
    assert [] == [one[:50] for one in HOSTILE if shown.count(one) < 13]
    assert "Crypto queues" == page.driver.title
    assert 1280 == page.ask("return document.documentElement.scrollWidth")
    only_ours(page)


ATTACKS: Final = (
    "<script>document.title='run'</script>",
    '<script href="http://127.0.0.1:1/x.js"/>',
    "<g onload=\"document.title='run'\" onclick=\"document.title='run'\"><rect onmouseover=\"alert(1)\"/></g>",
    "<foreignObject><body xmlns='http://www.w3.org/1999/xhtml'><iframe src='javascript:1'/></body></foreignObject>",
    "<a href=\"javascript:document.title='run'\"><text>press</text></a>",
    '<a xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="http://127.0.0.1:1/"><text>press</text></a>',
    '<use href="http://127.0.0.1:1/x.svg#a"/>',
    '<use xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="data:image/svg+xml,x#a"/>',
    '<image href="http://127.0.0.1:1/x.png" width="9" height="9"/>',
    '<rect style="fill: url(http://127.0.0.1:1/x.svg#a); position: fixed" width="9" height="9"/>',
    "<style>@import 'http://127.0.0.1:1/x.css'; body { display: none }</style>",
    '<rect fill="url(http://127.0.0.1:1/x.svg#a)" width="9" height="9"/>',
    '<rect fill="u\\72l(http://127.0.0.1:1/x.svg#a)" width="9" height="9"/>',
    '<rect fill="URL( #picture-hatch)" filter="url(#x)" clip-path="url(#x)" mask="url(#x)" width="9" height="9"/>',
    "<animate attributeName='href' to='javascript:1'/><set attributeName='onclick' to='document.title=1'/>",
    '<h:form xmlns:h="http://www.w3.org/1999/xhtml"><h:input name="x"/></h:form>',
    '<h:script xmlns:h="http://www.w3.org/1999/xhtml">document.title="run"</h:script>',
    '<g id="page"/><g id="refresh" tabindex="0" contenteditable="true" autofocus="true"/><g id="cockpit"/>',
    '<g xml:base="http://127.0.0.1:1/" is="x-y" slot="s" part="p" nonce="n" role="img"/>',
    "<handler xmlns:ev='http://www.w3.org/2001/xml-events' ev:event='load'>document.title='run'</handler>",
    "<?xml-stylesheet href='http://127.0.0.1:1/x.css'?><!-- <script>1</script> -->",
    "<text><![CDATA[<script>1</script>]]></text>",
)  # fmt: skip


def test_of_a_picture_only_shapes_and_text_are_copied(page: Browser, host: Cockpit) -> None:
    """No script, no reference to elsewhere, no style, no HTML, and no id of the page; what is harmless stays."""
    host.have_printing({**ANSWERS, "report": PICTURE.replace("</g>", f"{''.join(ATTACKS)}</g>")})

    opened(page, host)

    assert "" == trouble(page)
    assert "g1" in page.text("#picture")
    assert "url(#picture-hatch)" in page.ask("return document.querySelector('#picture').innerHTML")
    assert "Crypto queues" == page.driver.title
    only_ours(page)


def only_ours(page: Browser) -> None:
    """The page has no element or attribute but those of its own and of pictures, and has asked nobody else."""
    elements, attributes, ids, asked = page.ask("""
        const all = [...document.querySelectorAll('*')];
        return [
            [...new Set(all.map(one => one.localName))],
            [...new Set(all.flatMap(one => [...one.attributes]).map(one => one.name + '=' + one.value))],
            all.map(one => one.id).filter(Boolean),
            performance.getEntriesByType('resource').map(one => new URL(one.name).pathname.split('/').pop()),
        ];""")
    assert set(elements) <= {
        "html", "head", "meta", "title", "link", "script", "body", "main", "header", "h1", "h2", "p", "button",
        "section", "div", "strong", "table", "thead", "tbody", "tr", "th", "td",
        "svg", "g", "defs", "desc", "pattern", "path", "circle", "rect", "text", "use",
    }  # fmt: skip
    assert [] == [one for one in attributes if BAD.match(one)]
    assert len(ids) == len(set(ids))
    assert set(asked) <= {"reconcile.css", "reconcile.js", "cockpit.js", "favicon.ico"}


HTML: Final = "<html xmlns='http://www.w3.org/1999/xhtml'><script>1</script></html>"


@pytest.mark.parametrize("text", ["", "<svg/>", HTML, PICTURE[:200], "<svg"])
def test_what_is_no_picture_is_none(page: Browser, host: Cockpit, text: str) -> None:
    """Nothing, another document, and one that ends too early."""
    host.have_printing({**ANSWERS, "report": text})

    opened(page, host)

    assert '"reconcile report --svg -" printed no picture' in trouble(page)
    assert "" == page.text("#picture")
    assert "guest1" in page.text("#guests")
    drop_parser_errors(page)


def drop_parser_errors(page: Browser) -> None:
    """The browser's own words about a document that is not well-formed have styles, which no page may have."""
    for line in page.console():
        assert "Applying inline style violates" in line


# Where it is ---------------------------------------------------------------------------------------------------------


def test_it_is_in_the_menu_where_the_installed_folder_is(tmp_path: Path) -> None:
    """A link into the installed package is enough, and when that is gone, the entry is."""
    needed("the menu of Cockpit", what_is_missing())
    share, installed = tmp_path / "share", tmp_path / "site-packages"
    (share / "cockpit").mkdir(parents=True)
    shutil.copytree(PAGE, installed)
    (share / "cockpit" / "reconcile").symlink_to(installed)

    assert re.search(r"^reconcile +Crypto queues ", packages(share), re.MULTILINE)
    shutil.rmtree(installed)
    assert "Crypto queues" not in packages(share)


def test_newer_cockpits_look_for_the_program() -> None:
    """Since Cockpit 286 its bridge in Python shows a page only where what it is about is installed, as README says."""
    manifest = json.loads((PAGE / "manifest.json").read_text())

    assert [{"path-exists": "/usr/local/bin/reconcile"}] == manifest["conditions"]
    assert " /usr/local/bin/reconcile\n" in (PAGE.parent / "README.md").read_text()


def test_every_command_that_it_runs_is_one() -> None:
    """With its options, as the program takes them now."""
    text = (PAGE / "reconcile.js").read_text()
    lines = [
        " ".join(["reconcile", *re.findall(r'"([^"]+)"', words), *(["-o json"] if name == "record" else [])])
        for name, words in re.findall(r"\(\) => (record|printed)\(([^)]+)\)", text)
    ]
    # The first word of what `record` gets is not an option but the field that the page reads.
    lines = [line.replace(" guests ", " ").replace(" generations ", " ") for line in lines]

    assert [f"reconcile {name}" for name in ("status", "report", "history")] == [parsed_command(line) for line in lines]


def test_pictures_have_the_colours_that_they_have_elsewhere() -> None:
    """The end of the style sheet is that of pictures; `REWRITE_GOLDEN=1 ./run tests tests/browser` writes it anew."""
    file = PAGE / "reconcile.css"
    own = file.read_text().partition(MARK)[0]
    if os.environ.get(REWRITE):
        file.write_text(f"{own}{MARK}{STYLE}\n")

    assert f"{own}{MARK}{STYLE}\n" == file.read_text()


def test_the_page_never_parses_markup_and_runs_no_words_of_a_shell() -> None:
    """What makes text into markup or programs is not in it."""
    text = (PAGE / "reconcile.js").read_text()

    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval", "Function(", "cockpit.script"):
        assert word not in text
    sources = re.findall(r"<script[^>]*>", (PAGE / "index.html").read_text())
    assert ['<script src="../base1/cockpit.js">', '<script src="reconcile.js" defer>'] == sources
