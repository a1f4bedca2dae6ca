"""A plan as a diff: a hunk for each holder, and signs that survive wherever it is pasted."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reconciler.kernel.observe import observe
from reconciler.model.desired import GivenUp
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig, Matrix
from reconciler.model.steps import FileChange, Holdings
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.render.diff_text import Hunk, config_hunk, diff_text, file_hunk, hunk_lines, plan_diff, pool_hunk
from reconciler.render.plan_text import plan_text
from reconciler.render.table import Page
from reconciler.render.text import Painter
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import config, desired, guest, hardware, host_holding, uuid

POOL = Matrix(ALL_IDS, ~IdSet([4, 0x47]))
GIVES_UP = GivenUp(NO_IDS, IdSet([4, 0x47, 0x48]))


def changing_plan() -> Plan:
    """A plan that changes the host pool, makes, changes and removes."""
    before = {uuid(1): config([5, 6], [4]), uuid(2): config([5], [0x47])}
    host = host_holding(Holdings(POOL, before), PROFILES["6.12"], hardware(domains=[4, 0x47]))
    ours = Applied(POOL, {uuid(1): ("a", before[uuid(1)]), uuid(2): ("gone", before[uuid(2)])})
    guests = [guest("a", config([5], [4, 0x47]), 1), guest("new", config([6], [4], [4, 5]), 3)]
    return make_plan(desired(guests, GIVES_UP), observe(host), ours)


def headings(text: str) -> list[str]:
    """The headings of the hunks in `text`."""
    return [line for line in text.splitlines() if line.startswith("@@")]


def test_a_refused_plan_has_no_diff() -> None:
    """Nothing of it is planned."""
    guests = [guest("a", config([5], [4]), 1), guest("b", config([5], [4]), 2)]
    made = make_plan(desired(guests, GIVES_UP), observe(host_holding(Holdings(POOL, {}), PROFILES["6.12"])))

    assert not made.is_valid
    assert plan_diff(made) == ""


def test_each_holder_has_one_hunk() -> None:
    """With what stays, what it loses and what it gets; what has no sign is no change."""
    assert plan_diff(changing_plan()) == (
        "--- host lpar7, as it is\n"
        "+++ host lpar7, as planned\n"
        "@@ host pool (the manifest changed) @@\n"
        " adapters 0x00-0xff (0-255)\n"
        " domains 0x00-0x03 (0-3), 0x05-0x46 (5-70), 0x49-0xff (73-255)\n"
        "-domain 0x48 (72)\n"
        "    given by the manifest\n"
        f"@@ guest a  {uuid(1)} (the manifest changed) @@\n"
        " adapter 0x05 (5)\n"
        "-adapter 0x06 (6)\n"
        " domain 0x04 (4)\n"
        "+domain 0x47 (71)\n"
        "    sees all 2 queues\n"
        f"@@ guest new  {uuid(3)} (new in the manifests) @@\n"
        "+mediated device\n"
        "+adapter 0x06 (6)\n"
        "+domain 0x04 (4)\n"
        "+control domains 0x04-0x05 (4-5)\n"
        "    sees its queue\n"
        "    pending: control domain 0x05 (5) is not in the LPAR yet\n"
        f"@@ device gone  {uuid(2)} (no manifest names it any more) @@\n"
        "-mediated device\n"
        "-adapter 0x05 (5)\n"
        "-domain 0x47 (71)\n"
    )


def test_nothing_changes_nothing() -> None:
    """No hunk, no heading: as a diff is where two files are alike."""
    host = host_holding(Holdings(POOL, {uuid(1): config([5], [4])}), PROFILES["6.12"])
    made = make_plan(
        desired([guest("a", config([5], [4]), 1)], GIVES_UP._replace(domains=IdSet([4, 0x47]))), observe(host)
    )

    assert plan_diff(made) == ""
    assert diff_text("a", "b", []) == ""


IDS = st.sets(st.integers(0, 255), max_size=6).map(IdSet)
CONFIGS = st.builds(ApConfig, IDS, IDS, IDS)
MAYBE = st.none() | CONFIGS


def side(hunk: Hunk, sign: str) -> dict[str, int]:
    """How many ids of each axis the lines of `hunk` without a sign and with `sign` name together."""
    found: dict[str, int] = {}
    for line in hunk.lines:
        noun, _, ids = line[1:].partition(" 0x")
        if line[0] in {" ", sign} and ids:
            found[noun.removesuffix("s")] = found.get(noun.removesuffix("s"), 0) + sum(map(_size, ids.split(", ")))
    return found


def _size(run: str) -> int:
    first, _, last = run.partition("(")[2].rstrip(")").partition("-")
    return int(last or first) - int(first) + 1


@given(MAYBE, MAYBE)
def test_both_states_can_be_read_off(before: ApConfig | None, after: ApConfig | None) -> None:
    """What has no sign together with ``-`` is the state before, and with ``+`` the one after."""
    hunk = config_hunk("guest a", before, after)

    shows = any(one and one.control_domains != one.domains for one in (before, after))
    for sign, state in (("-", before), ("+", after)):
        expected = dict(zip(("adapter", "domain", "control domain"), map(len, state or EMPTY_CONFIG), strict=True))
        if not shows:
            del expected["control domain"]
        assert side(hunk, sign) == {noun: count for noun, count in expected.items() if count}
    assert ("+mediated device" in hunk.lines) is (before is None and after is not None)
    assert ("-mediated device" in hunk.lines) is (before is not None and after is None)
    assert {line[0] for line in hunk.lines} <= {"+", "-", " "}


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (config([5], [4]), config([5], [4, 0x47]), False),
        (None, config([5], [4]), False),
        (config([5], [4]), None, False),
        (config([5], [4]), EMPTY_CONFIG, False),
        (config([5], [4]), config([5], [4], [4, 6]), True),
        (config([5], [4], [4, 6]), config([5], [4]), True),
        (config([5], [4], []), config([5], [4]), True),
        (config([5], [4], [4, 6]), config([5], [4, 5], [4, 6]), True),
    ],
)
def test_control_domains_are_shown_only_where_they_are_others(
    before: ApConfig | None, after: ApConfig | None, *, shown: bool
) -> None:
    """A guest whose control domains are its usage domains, before and after, has no line about them."""
    assert any("control" in line for line in config_hunk("guest a", before, after).lines) is shown


def test_control_domains_of_a_plan_for_people_follow_the_same_rule() -> None:
    """One domain more is one line more, not two."""
    text = plan_text(changing_plan())

    assert "+ domain 0x47 (71)\n" in text
    assert text.count("control domain") == len(["its own line of 'new'", "what the LPAR lacks", "its step"])


def test_signs_survive_where_there_is_no_block_of_code() -> None:
    """Raw Markdown makes no list, heading or rule of any line: each sign is still there to be read."""
    text = plan_diff(changing_plan())

    html = MarkdownIt("commonmark").render(text)

    assert "<li>" not in html
    assert "<h" not in html
    for line in text.splitlines():
        assert line.strip() in html


def test_a_file_is_compared_line_by_line() -> None:
    """Lines from outside stay one line each, and begin with a sign of ours."""
    before = b"one\ntwo\n+++ three\x1b[31m\r@@ four\n"
    after = b"one\n2\n+++ three\x1b[31m\r@@ four\n\xff\n"

    hunk = file_hunk(FileChange("etc/udev/rules.d/41-ap.rules", before, after, "host"))

    assert diff_text("a", "b", [hunk]).splitlines()[2:] == [
        "@@ file /etc/udev/rules.d/41-ap.rules (host) @@",
        " one",
        "-two",
        "+2",
        " +++ three\x1b[31m",
        " @@ four",
        "+\ufffd",
    ]
    assert file_hunk(FileChange("x", None, b"a\n", "b")).lines == ("+a",)
    assert file_hunk(FileChange("x", b"a\n", None, "b")).lines == ("-a",)


def test_colours_only_add() -> None:
    """The same characters with and without them."""
    text = diff_text("a", "b", [pool_hunk("host pool", POOL, POOL._replace(domains=~IdSet([5])), ["why"])], Painter())
    bare = text
    for code in ("1", "31", "32", "33", "0"):
        bare = bare.replace(f"\033[{code}m", "")

    assert bare == diff_text("a", "b", [pool_hunk("host pool", POOL, POOL._replace(domains=~IdSet([5])), ["why"])])
    assert "\033[31m-domain 0x05 (5)\033[0m" in text


def test_a_hunk_shows_what_it_is_given() -> None:
    """For whatever else has two states: its heading, its lines, its remarks."""
    assert list(hunk_lines(Hunk("guest a", ("+x", " y"), ("z",)))) == ["@@ guest a @@", "+x", " y", "    z"]


MANY = config(list(range(0, 256, 3)), list(range(0, 256, 2)), [1, 3])
LONG = Hunk(
    f"guest payments-of-the-head-office  {uuid(1)} (rolled back by generation 3)",
    config_hunk("", config([1], [2]), MANY).lines,
    ("because whole adapters are cleared, since clearing domains would take queues that the host keeps for itself",),
)


@pytest.mark.parametrize("columns", [60, 80, 100])
@pytest.mark.parametrize(
    "hunk", [LONG, pool_hunk("host pool", Matrix(ALL_IDS, MANY.domains), Matrix(ALL_IDS, ALL_IDS))]
)
def test_a_diff_fits_its_page(hunk: Hunk, columns: int) -> None:
    """No line is wider, each piece has its sign, and no word is lost; where there is no width, nothing is divided."""
    whole = diff_text("a", "b", [hunk])
    text = diff_text("a", "b", [hunk], page=Page(columns))

    assert max(map(len, text.splitlines())) <= columns < max(map(len, whole.splitlines()))
    for sign in "+-":
        shown, expected = (
            [word for line in one.splitlines()[2:] if line[0] == sign for word in line[1:].split()]
            for one in (text, whole)
        )
        assert shown == expected
    assert sorted(re.findall(r"[\w-]+", text)) == sorted(re.findall(r"[\w-]+", whole))
    assert diff_text("a", "b", [hunk], page=Page()) == whole


@pytest.mark.parametrize("columns", [60, 80])
def test_signs_survive_on_a_narrow_page(columns: int) -> None:
    """Also those of the pieces of a line that was divided."""
    text = diff_text("a", "b", [LONG], page=Page(columns))

    html = MarkdownIt("commonmark").render(text)

    assert "<li>" not in html
    assert "<h" not in html
    for line in text.splitlines():
        assert line.strip() in html
