"""Problems as text, in the manner of a good compiler."""

import re

import pytest

from reconciler.model.printable import in_encoding
from reconciler.model.problems import WRONG_DIRECTORY, Place, Position, Problem, ProblemList, Severity
from reconciler.render.diagnostics import count_text, problem_record, problem_text, problems_text
from reconciler.render.table import columns_of
from reconciler.render.text import Paint, Painter, plain

OVERLAP = Problem(
    "guest-overlap",
    Severity.ERROR,
    "guests 'a' and 'b' claim the same queue, and both are active",
    (
        Place(Position("guests.yaml", 9, 13), "claimed by 'a' here", ("spec", "domains"), "  domains: [4, 0x47]", 9),
        Place(Position("more.yaml", 123, 3), "and by 'b' here", (), "\tqueues: []", 99),
        Place(Position("unread.yaml", 1, 1), "and here"),
    ),
    ("05.0047 (adapter 0x05 (5) × domain 0x47 (71))",),
    "Take the queue from one of them.\nOr wait.",
)
WARNING = Problem("x", Severity.WARNING, "Something.")


def test_a_problem_is_shown_with_its_places() -> None:
    """What, where with a caret, which queues, and what to do; columns stay in line whatever the line's number."""
    assert problem_text(OVERLAP) == (
        "error[guest-overlap]: guests 'a' and 'b' claim the same queue, and both are active\n"
        "   --> guests.yaml:9:13\n"
        "    |\n"
        "  9 |   domains: [4, 0x47]\n"
        "    |             ^^^^^^^^ claimed by 'a' here\n"
        "   --> more.yaml:123:3\n"
        "    |\n"
        "123 |  queues: []\n"
        "    |   ^^^^^^^^^ and by 'b' here\n"
        "   --> unread.yaml:1:1  and here\n"
        "    = 05.0047 (adapter 0x05 (5) × domain 0x47 (71))\n"
        "    = help: Take the queue from one of them.\n"
        "            Or wait.\n"
    )


def test_a_problem_without_place_is_one_line() -> None:
    """Nothing is made up."""
    assert problem_text(WARNING) == "warning[x]: Something.\n"


def test_problems_are_counted() -> None:
    """An empty line between two, the count last; nothing where there are none."""
    assert problems_text([WARNING, WARNING]) == ("warning[x]: Something.\n\nwarning[x]: Something.\n\n2 warnings\n")
    assert problems_text([]) == ""
    assert count_text([OVERLAP, WARNING]) == "1 error, 1 warning"


def test_colours_change_nothing_but_colours() -> None:
    """Without the escape sequences the text is the same."""
    painted = problem_text(OVERLAP, Painter())
    for code in ("1;31", "2", "1", "0"):
        painted = painted.replace(f"\033[{code}m", "")

    assert painted == problem_text(OVERLAP)


@pytest.mark.parametrize("problem", [OVERLAP, WARNING])
def test_a_record_has_everything_but_the_field(problem: Problem) -> None:
    """Programs get the exact place instead."""
    record = problem_record(problem)

    assert [record[key] for key in ("id", "severity", "message", "help")] == [
        problem.id,
        problem.severity.value,
        problem.message,
        problem.help,
    ]
    assert [(one["file"], one["line"], one["column"]) for one in record["places"]] == [
        tuple(place.position) for place in problem.places
    ]


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("paint", [plain, Painter()], ids=["plain", "colour"])
def test_sentences_fit_the_width(width: int, paint: Paint) -> None:
    """No word is lost; a place, an excerpt and a command are never divided."""
    place = Place(Position("a long name/" * 9, 1, 1), "here", (), "adapters: [05, 6]", 8)
    line = f"reconcile plan -f {'x' * 90} --host lpar7"
    long = Problem("x", Severity.ERROR, "word " * 40, (place,), ("more " * 40,), f"{'Do it. ' * 20}Then run: {line}")

    shown = re.sub(r"\033\[[0-9;]*m", "", problem_text(long, paint, width))

    lines = shown.splitlines()
    assert max(len(one) for one in lines if "long name" not in one and line not in one) <= width
    assert f"--> {place}" in shown
    assert line in shown
    assert shown.split() == problem_text(long).split()


def many(count: int, severity: Severity = Severity.ERROR) -> list[Problem]:
    """So many problems, each with a message of its own."""
    return [Problem("x", severity, f"{severity} number {number}.") for number in range(count)]


@pytest.mark.parametrize(("count", "shown"), [(20, 20), (21, 21), (22, 20), (200, 20)])
def test_a_text_shows_the_first_problems_and_counts_the_rest(count: int, shown: int) -> None:
    """Of each severity by itself; the last line counts all of them."""
    text = problems_text([*many(count, Severity.WARNING), *many(count), WARNING])

    left = count - shown
    assert text.count("error[x]") == shown
    assert (f"error[more-problems]: {left} more errors are not shown" in text) == bool(left)
    assert text.endswith(f"\n{count} errors, {count + 1} warnings\n")


def test_problems_that_were_only_counted_are_counted_once() -> None:
    """Those that the run did not explain come to those that the text leaves out."""
    text = problems_text(ProblemList(many(1000)).all)

    assert text.count("error[") == 21
    assert "980 more errors are not shown" in text
    assert text.endswith("\n1,000 errors\n")


@pytest.mark.parametrize("id", sorted(WRONG_DIRECTORY))
def test_that_the_directory_is_the_wrong_one_stands_first(id: str) -> None:
    """Three of the others are enough of an example, and nobody is to fix them."""
    text = problems_text([Problem(id, Severity.ERROR, "It is another one."), *many(50)])

    assert text.count("error[x]") == 3
    assert "Fix those" not in text
    assert text.startswith(f"error[{id}]: It is another one.\n\nerror[x]")
    assert text.endswith("47 more errors are not shown\n\n51 errors\n")


LINE = "".join(f"{number:03} " for number in range(60))


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("column", [1, 5, 60, 121, 200, 240])
@pytest.mark.parametrize("label", ["", "first written here"])
@pytest.mark.parametrize("marked", [1, 4, 300])
def test_a_long_line_is_cut_around_its_caret(width: int, column: int, label: str, marked: int) -> None:
    """Both lines fit the terminal, so that the caret stands below what it marks."""
    problem = WARNING._replace(places=(Place(Position("f", 7, column), label, (), LINE, marked),))

    lines = problem_text(problem, width=width).splitlines()
    place = next(number for number, line in enumerate(lines) if "^" in line)
    shown, caret, *below = lines[place - 1 :]

    assert all(len(line) <= width for line in lines)
    at = caret.index("^")
    assert shown[at] == LINE[column - 1] or (shown[at] == "…" and column > len(LINE) - 2)
    assert caret.endswith(label) or [one[4:].strip() for one in below] == [label]
    cut = shown.partition("| ")[2]
    assert cut.strip("…").strip() in LINE
    assert cut.startswith(("…", "000"))
    assert cut.endswith(("…", "059 "))


def test_a_line_that_fits_is_whole() -> None:
    """So is each line where no width is known, as in a file."""
    problem = WARNING._replace(places=(Place(Position("f", 7, 200), "", (), LINE, 4),))

    for width in (None, 4 + len(LINE)):
        assert f"7 | {LINE}\n" in problem_text(problem, width=width)
    assert "…" in problem_text(problem, width=3 + len(LINE))


def test_what_is_counted_stands_behind_its_like() -> None:
    """Not behind the notes, where it reads as if it belonged to them."""
    errors = [Problem("e", Severity.ERROR, f"Error {number}.") for number in range(30)]
    note = Problem("not-checked", Severity.NOTE, "Not checked.")

    heads = re.findall(r"^(?:error|note)\[[a-z-]*\]", problems_text([*errors, note]), re.MULTILINE)

    assert heads == ["error[e]"] * 20 + ["error[more-problems]", "note[not-checked]"]


def test_details_and_help_are_indented_alike() -> None:
    """Each further line begins below the first word of the sentence."""
    problem = WARNING._replace(details=("word " * 30,), help="word " * 30)

    lines = problem_text(problem, width=60).splitlines()[1:]

    assert {line[:4] for line in lines if not line.startswith("  = help")} <= {"  = ", "    ", "  = h"}
    assert {len(line) - len(line.lstrip()) for line in lines if "=" not in line} == {4, 10}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_sentences_fit_the_width_as_the_encoding_shows_them(encoding: str) -> None:
    """What it lacks becomes an escape, which is wider."""
    reason = "Prüfung der 漢漢漢漢 Schlüssel é漢, " * 5
    problem = Problem("suspended", Severity.WARNING, reason, details=(reason,), help=reason)

    text = problems_text([problem], plain, 80, lambda text: in_encoding(text, encoding))

    assert text.isascii() == (encoding == "ascii")
    assert all(columns_of(line) <= 80 for line in text.splitlines())


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("line", ["adapters: [日本語, 0777, 5]", "é: [0777]", f"{'日本語, ' * 20}0777, {'é, ' * 40}"])
@pytest.mark.parametrize("width", [None, 40, 80])
def test_carets_stand_below_what_they_mark_as_it_is_shown(encoding: str, line: str, width: int | None) -> None:
    """Whatever stands before it: characters of double width, and those that become escapes."""
    at = line.index("0777")
    problem = WARNING._replace(places=(Place(Position("f", 7, at + 1), "in decimal", (), line, 4),))

    text = problem_text(problem, width=width, shown=lambda text: in_encoding(text, encoding))
    *_, shown, carets = text.splitlines()

    shown = in_encoding(shown, encoding)
    assert columns_of(carets.partition("^")[0]) == columns_of(shown.partition("0777")[0])
    assert carets.endswith("^^^^ in decimal")
    assert width is None or columns_of(shown) <= width
