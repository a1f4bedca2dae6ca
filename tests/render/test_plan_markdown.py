"""The plan for a pull request: short enough, and nothing in it has a meaning of its own."""

import re
from html import unescape
from html.parser import HTMLParser
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reconciler.kernel.observe import observe
from reconciler.model.desired import GivenUp
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.printable import escaped, escaped_lines
from reconciler.model.problems import Place, Position, Problem, Severity
from reconciler.model.steps import Holdings
from reconciler.planning.plan import Consent, Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.render.diff_text import plan_diff
from reconciler.render.plan_text import LONGEST, code, plan_markdown
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import config, desired, guest, host_holding, uuid

FREE = Matrix(ALL_IDS, ~IdSet([4, 0x47]))
GIVES_UP = GivenUp(NO_IDS, IdSet([4, 0x47]))


def plan(guests: int = 1) -> Plan:
    """A plan that makes so many guests."""
    wanted = [guest(f"guest-{number:04}", config([number % 200], [number // 200]), number) for number in range(guests)]
    return make_plan(desired(wanted, GivenUp(NO_IDS, IdSet(range(100)))), observe(SimulatedHost()))


def problem(message: str, excerpt: str = "", file: str = "guests.yaml") -> Problem:
    """A warning with text that somebody else chose."""
    place = Place(Position(file, 3, 1), "here", (), excerpt)
    return Problem("x", Severity.WARNING, message, (place,), (message,), message)


class Rendered(NamedTuple):
    """What a reader of the Markdown sees: HTML as a browser would divide it, and the text of it."""

    html: str
    text: str


class _Text(HTMLParser):
    """Collects the text of HTML, and which tags there are."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def rendered(markdown: str, dialect: str = "commonmark") -> Rendered:
    """`markdown` as a renderer that follows CommonMark, or GitHub's dialect of it, shows it."""
    renderer = MarkdownIt(dialect, {"html": True})
    if dialect != "commonmark":
        renderer.enable(["table", "strikethrough"])
    html = renderer.render(markdown)
    reader = _Text()
    reader.feed(html)
    assert reader.tags <= {"h3", "p", "strong", "code", "blockquote", "ul", "li", "details", "summary", "pre", "sub"}
    return Rendered(html, "".join(reader.parts))


def marked(text: str) -> list[str]:
    """The lines of `text` that say what is given or taken, and from whom."""
    signs = ("+", "-", "@@")
    return [line for line in text.splitlines() if line.startswith(signs) and not line.startswith(("+++", "---"))]


def test_a_small_plan_in_full() -> None:
    """Summary, changes and steps, each folded."""
    host = host_holding(Holdings(FREE, {uuid(1): config([5, 6], [4])}), PROFILES["6.12"])
    host.start_vm(uuid(1))
    made = make_plan(desired([guest("a", config([5], [4]), 1)], GIVES_UP), observe(host))

    assert plan_markdown(made) == (
        "### reconcile: host `lpar7`\n"
        "\n"
        "**Plan: 1 to change; 1 kernel write, 1 guest interrupted; 1 guest needs consent.**\n"
        "\n"
        "> **Needs consent** (`--allow-disruption`)\n"
        ">\n"
        "> * `a: its VM runs and loses a whole adapter`\n"
        "\n"
        "<details>\n"
        "<summary>Changes (1)</summary>\n"
        "\n"
        "```diff\n"
        f"@@ guest a  {uuid(1)} (new in the manifests) @@\n"
        " adapter 0x05 (5)\n"
        "-adapter 0x06 (6)\n"
        " domain 0x04 (4)\n"
        "    sees 1 queue instead of 2\n"
        "    its VM runs and loses a whole adapter\n"
        "```\n"
        "\n"
        "</details>\n"
        "\n"
        "<details>\n"
        "<summary>Steps (1)</summary>\n"
        "\n"
        "```text\n"
        "1. a: adapter 0x05 (5), domain 0x04 (4)\n"
        "```\n"
        "\n"
        "</details>\n"
        "\n"
        f"<sub>fingerprint `{made.fingerprint[:16]}`</sub>\n"
    )


def test_a_refused_plan_shows_its_errors() -> None:
    """They are not folded, stand below, and nothing is shown as planned."""
    text = plan_markdown(
        make_plan(desired([guest("a", config([5], [4]), 1), guest("b", config([5], [4]), 2)]), observe(SimulatedHost()))
    )

    assert "**No plan: fix the errors below, then run again.**" in text
    assert "<details open>\n<summary>Problems (1)</summary>" in text
    assert text.count("<summary>") == 1


@pytest.mark.parametrize("problems", [0, 1, 50, 2000])
@pytest.mark.parametrize("guests", [0, 1, 400, 3000])
@pytest.mark.parametrize("consents", [0, 5000])
def test_a_plan_of_any_size_is_short_enough_for_a_comment(problems: int, guests: int, consents: int) -> None:
    """What does not fit is counted, and every section is still closed."""
    made = plan(guests)._replace(
        problems=(problem("Something that is to be told.", "x" * 200),) * problems,
        consents=tuple(Consent(f"guest-{number}", "its VM runs") for number in range(consents)),
    )

    text = plan_markdown(made)

    assert len(text) <= LONGEST
    html = rendered(text).html
    assert html.count("<details") == html.count("</details>") == text.count("<details")
    if problems == 2000 or guests == 3000 or consents:
        assert "more" in text


def test_one_item_that_is_too_long_is_left_out() -> None:
    """A line of a megabyte does not push out the rest."""
    made = plan()._replace(problems=(problem("Something.", "x" * 1_000_000),))

    text = plan_markdown(made)

    assert "… and 1 more" in text
    assert "guest-0000" in text


DIALECTS = ("commonmark", "js-default")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_reader_can_tell_given_from_taken(dialect: str) -> None:
    """A renderer shows the same lines with + and - as the diff for a terminal."""
    config_before = {uuid(1): config([5, 6], [4]), uuid(2): config([7], [4]), uuid(9): config([8], [4])}
    host = host_holding(Holdings(FREE, config_before), PROFILES["6.12"])
    ours = Applied(FREE, {uuid(9): ("gone", config([8], [4]))})
    wanted = [
        guest("a", config([5], [4, 0x47]), 1),
        guest("b", config([7, 9], [4]), 2),
        guest("c", config([10], [4]), 3),
    ]
    made = make_plan(desired(wanted, GivenUp(NO_IDS, IdSet([4, 0x47, 0x48]))), observe(host), ours)

    shown = rendered(plan_markdown(made), dialect).text

    assert {line[0] for line in marked(plan_diff(made))} == {"+", "-", "@"}
    assert marked(shown) == marked(plan_diff(made))


NASTY = st.text(alphabet="`~*_[]()<>&|#\\!@:/. \t\r\na-+wh\u202e\x1b", max_size=30) | st.sampled_from(
    (
        "@everyone", "https://evil.example", "www.evil.example", "[x](https://evil.example)", "![x](y)", "<b>x</b>",
        "</details>", "```", "``````\n# x", "~~~", "| a | b |\n|---|---|\n| c | d |", "* x", "1. x", "> x", "#1",
        "</code></pre><script>x</script>", "`a`", "` ", "-->", "\n\n# heading", "--- \n===", "&lt;b&gt;", "\\",
    )
)  # fmt: skip


@example("", "##[", 0, "commonmark")
@given(NASTY, NASTY, st.integers(0, 12), st.sampled_from(DIALECTS))
def test_no_text_breaks_out_of_its_code(message: str, excerpt: str, ticks: int, dialect: str) -> None:
    """Messages, excerpts, file names, names of guests and reasons are shown as they are, and mean nothing."""
    nasty = f"{message}\n{'`' * ticks}\n</details><script>{excerpt}\r{'`' * ticks}\r<img>"
    host = host_holding(Holdings(FREE, {uuid(1): config([5], [4])}), PROFILES["6.12"])
    ours = Applied(FREE, {uuid(1): (f"name{nasty}", config([5], [4]))})
    made = make_plan(desired([], GIVES_UP), observe(host), ours)
    made = made._replace(
        problems=(problem(f"message{nasty}", excerpt, nasty),),
        consents=(Consent(f"holder{nasty}", f"reason{nasty}"),),
        commit=f"commit{nasty}",
    )

    shown = rendered(plan_markdown(made), dialect)

    for text in (f"name{nasty}", f"message{nasty}", f"holder{nasty}", f"reason{nasty}", f"commit{nasty}"):
        assert " ".join(escaped_lines(escaped(text)).split()) in " ".join(escaped_lines(shown.text).split())
    outside = re.sub(r"<code.*?</code>", "", shown.html, flags=re.DOTALL)
    assert "evil" not in outside
    assert "@" not in outside


@given(NASTY)
def test_code_is_shown_as_it_is(text: str) -> None:
    """By a span of code, on one line, also in the cell of a table or a list."""
    (shown,) = re.findall(r"<code>(.*?)</code>", rendered(f"* a {code(text)} b\n").html, flags=re.DOTALL)

    assert unescape(shown).strip() == escaped(text).strip()
