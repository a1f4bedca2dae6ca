"""The plan for a pull request: short enough, and nothing in it has a meaning of its own."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel.observe import observe
from reconciler.model.desired import GivenUp
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.problems import Place, Position, Problem, Severity
from reconciler.model.steps import Holdings
from reconciler.planning.plan import Consent, Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.render.plan_markdown import LONGEST, escaped, plan_markdown
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.profiles import PROFILES
from worlds import config, desired, guest, host_holding, uuid

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


def outside_code(markdown: str) -> list[str]:
    """The lines that are not within a code fence, as GitHub divides them."""
    lines, fence = [], ""
    for line in re.split(r"\r\n|\r|\n", markdown):
        mark = re.match(r" {0,3}(`{3,})", line)
        if mark and not fence:
            fence = mark[1]
        elif mark and fence and len(mark[1]) >= len(fence) and not line.strip(" `"):
            fence = ""
        elif not fence:
            lines.append(line)
    assert not fence, "a fence was not closed"
    return lines


def test_a_small_plan_in_full() -> None:
    """Summary, changes and steps, each folded."""
    host = host_holding(Holdings(FREE, {uuid(1): config([5, 6], [4])}), PROFILES["6.12"])
    host.start_vm(uuid(1))
    made = make_plan(desired([guest("a", config([5], [4]), 1)], GIVES_UP), observe(host))

    assert plan_markdown(made) == (
        "### reconcile: host `lpar7`\n"
        "\n"
        "**Plan: 1 to change; 1 kernel write, 1 guest interrupted.**\n"
        "\n"
        "> **Needs consent** (`--allow-disruption`)\n"
        ">\n"
        "> * a: its VM runs and loses a whole adapter\n"
        "\n"
        "<details>\n"
        "<summary>Changes (1)</summary>\n"
        "\n"
        f"* `~` guest a  {uuid(1)} (intentional)\n"
        "  * - adapter 0x06 (6)\n"
        "  * sees 1 of its 1 queue afterwards, 2 now\n"
        "  * its VM runs and loses a whole adapter\n"
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
    assert text.count("<details>") == text.count("</details>")
    outside_code(text)
    if problems == 2000 or guests == 3000 or consents:
        assert "more" in text


def test_one_item_that_is_too_long_is_left_out() -> None:
    """A line of a megabyte does not push out the rest."""
    made = plan()._replace(problems=(problem("Something.", "x" * 1_000_000),))

    text = plan_markdown(made)

    assert "… and 1 more" in text
    assert "guest-0000" in text


NASTY = st.text(alphabet="`~*_[]()<>&|#\\!@ \t\r\na-", max_size=30)


@given(NASTY, NASTY, st.integers(0, 12))
def test_no_text_breaks_out_of_its_code(message: str, excerpt: str, ticks: int) -> None:
    """Messages, excerpts and file names may hold fences and tags; they stay within their fence."""
    nasty = f"{message}\n{'`' * ticks}\n</details><script>{excerpt}\r{'`' * ticks}\r<img>"
    clean, odd = plan(), plan()._replace(problems=(problem(nasty, excerpt, nasty),))

    outside = [line for line in outside_code(plan_markdown(odd)) if "Problems" not in line]

    assert not any("<script>" in line or "<img>" in line for line in outside)
    assert (
        outside[4:8] == ["<details>", "", "", "</details>"]
        or len(outside) == len(outside_code(plan_markdown(clean))) + 4
    )


@given(NASTY)
def test_names_are_text_only(name: str) -> None:
    """Whatever an inventory calls a device, it is neither Markdown nor HTML."""
    host = host_holding(Holdings(FREE, {uuid(1): config([5], [4])}), PROFILES["6.12"])
    ours = Applied(FREE, {uuid(1): (name, config([5], [4]))})

    lines = outside_code(plan_markdown(make_plan(desired([], GIVES_UP), observe(host), ours)))

    (line,) = [one for one in lines if one.startswith("* `-` ")]
    assert escaped(name) in line


@given(st.text())
def test_escaping_can_be_undone_by_a_reader(text: str) -> None:
    """Every character that has a meaning is preceded by a backslash or is an entity; nothing else changes."""
    shown = re.sub(r"\\([\\`*_\[\]|#~])", r"\1", escaped(text))
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        shown = shown.replace(entity, character)

    assert shown == text.replace("\n", " ").replace("\r", " ")
    assert not re.search(r"(?<!\\)[<>]", escaped(text))
