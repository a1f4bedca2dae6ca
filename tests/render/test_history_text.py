"""The history as people read it: a line for each generation, and what one of them changed."""

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path

import pytest

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, Desired
from reconciler.model.outcome import Actor, Extent, Generation, Origin, Outcome, Result
from reconciler.planning.plan import Plan
from reconciler.planning.planner import NOTHING_APPLIED, Applied, make_plan
from reconciler.render.diff_text import plan_diff
from reconciler.render.history_list import NO_COMMIT, CommitSource, Listed, commit_notes, local_time
from reconciler.render.history_text import (
    Wish,
    diff_records,
    generation_diff,
    generation_text,
    history_json,
    history_text,
    what_text,
    wish_diff,
)
from reconciler.render.plan_json import plan_record
from reconciler.render.table import Page
from reconciler.render.text import MOST_LINES, Painter, plain
from reconciler.transaction.confirmation import Awaited
from reconciler.transaction.history import History
from reconciler.transaction.state_directory import StateDirectory
from testing.golden import assert_golden
from testing.holdings import config, desired, guest
from testing.plans import GIVES_UP, host_with

ZONE = timezone(timedelta(hours=2), "CEST")
DAY = 86_400
NOON = 1_800_000_000.0
COMMIT = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"
NAMES = tuple(f"guest-{number:02}" for number in range(30))


def generation(number: int, origin: Origin, result: Result | None = Result.APPLIED, **fields: object) -> Generation:
    """One apply, the `number`th day."""
    origin = origin._replace(started=NOON + number * DAY)
    outcome = None if result is None else Outcome(result)
    made = Generation(number, origin, "lpar7", "digest", "Plan: 1 to change.", outcome)
    return made._replace(**fields)  # type: ignore[arg-type]


KIM = Origin("kim", "reconcile apply", 0.0, COMMIT, subject="Move the payments queues to card 6, as agreed in CHG-4711")
LOOP = Origin("root", "reconcile watch", 0.0, f"{COMMIT}+", Actor.LOOP, subject="Fix ünïcode: 日本語のコミット")
GENERATIONS = [
    generation(1, KIM._replace(subject=""), guests=NAMES, pool_changes=True),
    generation(2, LOOP, guests=("payments", "web"), files=("/etc/mdevctl.d/matrix/a", "/etc/mdevctl.d/matrix/b")),
    generation(3, KIM._replace(commit="", subject="", id="deploy-42"), Result.ROLLED_BACK, guests=("payments",)),
    generation(4, KIM._replace(again=2, commit=""), guests=("payments",)),
    generation(5, Origin("", "", 0.0), None, summary="generations/000005.json: damaged", is_damaged=True),
    generation(6, KIM._replace(actor=Actor.HOOK), Result.DEGRADED, guests=("batch",), extent=Extent.CONFINED),
    generation(7, KIM, Result.NOTHING),
    generation(8, KIM, guests=("payments",), remark="waits to be confirmed"),
    generation(9, KIM._replace(undone=1, commit=""), None, guests=NAMES[:2]),
]


def sources_of(generations: Sequence[Generation]) -> list[CommitSource]:
    """Where they have their commits from."""
    return [CommitSource(one.origin.commit, bool(one.origin.undone), one.is_damaged) for one in generations]


@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
@pytest.mark.parametrize("columns", [40, 60, 80, 120, 0])
def test_the_list_is_shown_as_reviewed(columns: int, *, colour: bool) -> None:
    """On narrow and wide terminals and in a pipe, a line each; colour only adds."""
    page = Page(columns or None, Painter() if colour else plain)

    text = history_text(GENERATIONS, page, earlier=17, zone=ZONE)

    assert_golden(f"history/list-{columns or 'pipe'}{'-colour' if colour else ''}.txt", text)
    lines = text[: text.index("… and 17")].splitlines()
    assert len(lines) == len(GENERATIONS) + 1
    if columns and not colour:
        assert max(map(len, lines)) <= columns


class Berlin(tzinfo):
    """A zone with a summer, which begins on the 22nd."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        """An hour or two."""
        return timedelta(hours=2 if self.tzname(moment) == "CEST" else 1)

    def tzname(self, moment: datetime | None) -> str:
        """The name of the zone at `moment`."""
        return "CEST" if moment and moment.day > 21 else "CET"

    def dst(self, moment: datetime | None) -> timedelta:
        """What the summer adds."""
        return self.utcoffset(moment) - timedelta(hours=1)


@pytest.mark.parametrize("columns", [80, 120, None])
def test_the_zone_is_in_the_head_or_in_each_line_where_there_are_two(columns: int | None) -> None:
    """So that no time of day is read as another."""
    one = history_text(GENERATIONS, Page(columns), zone=ZONE).splitlines()
    two = history_text(GENERATIONS, Page(columns), zone=Berlin()).splitlines()

    assert one[0].startswith("GEN  STARTED (CEST)    RESULT ")
    assert not any("CEST" in line for line in one[1:])
    assert two[0].startswith("GEN  STARTED                RESULT ")
    assert two[1].startswith("9    2027-01-24 10:00 CEST  ")
    assert two[len(GENERATIONS)].startswith("1    2027-01-16 09:00 CET   ")


@pytest.mark.parametrize("with_commits", [True, False], ids=["commits", "no commits"])
@pytest.mark.parametrize("columns", [60, 65, 70, 80])
def test_on_a_page_of_60_columns_and_more_each_line_says_when_and_who(columns: int, *, with_commits: bool) -> None:
    """What was changed and the subject have what is left; the year is left out where there is one only."""
    every = [one for one in GENERATIONS if with_commits or not one.origin.commit]
    lines = history_text(every, Page(columns), zone=ZONE).splitlines()[: len(every) + 1]
    begun = re.compile(r"  (2027-)?01-\d\d 10:00  ")

    assert re.search(r"  (STARTED|AT) \(CEST\)  ", lines[0])
    assert "  BY  " in lines[0]
    assert all(begun.search(line) for line in lines[1:] if "damaged" not in line)
    assert all(re.search("  (kim|loop|hook) ", line) for line in lines[1:] if "damaged" not in line)
    assert max(map(len, lines)) <= columns


def test_a_narrow_list_of_two_years_has_the_year() -> None:
    """In each line; a time that is not known stays a sign."""
    old = GENERATIONS[0]._replace(origin=KIM._replace(started=NOON - 30 * DAY))
    unknown = GENERATIONS[4]._replace(origin=Origin("", "", 0.0))

    lines = history_text([old, *GENERATIONS[1:4], unknown, GENERATIONS[5]], Page(60), zone=ZONE).splitlines()

    assert lines[1].startswith("6    2027-01-21 10:00  ")
    assert lines[2].startswith("5    -  ")
    assert lines[6].startswith("1    2026-12-16 10:00  ")


@pytest.mark.parametrize(("columns", "length"), [(80, 15), (90, 25), (100, 29), (120, 29)])
def test_a_page_of_80_columns_and_more_has_guests_and_the_beginning_of_a_subject(columns: int, length: int) -> None:
    """However much else there is to say."""
    text = history_text([one._replace(number=50 + one.number) for one in GENERATIONS], Page(columns), zone=ZONE)

    lines = [one for one in text.splitlines() if KIM.subject[:length] in one]
    assert len(lines) >= 2
    assert "payments" in lines[0]
    assert text.count("1a2b3c4") == 5


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 120])
def test_how_a_generation_ended_is_never_cut(columns: int) -> None:
    """A word, where there is no place for more."""
    lines = history_text(GENERATIONS, Page(columns), zone=ZONE).splitlines()
    at = lines[0].index("RESULT")

    results = [one[at:].split("  ")[0] for one in lines[1 : len(GENERATIONS) + 1]]
    assert results == [
        "unfinished", "unconfirmed", "no change", "degraded", "damaged", "applied", "rolled back", "applied", "applied",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("awaited", "word"),
    [
        (Awaited(8, 5.0, rolled_back=False, obstacle=""), "unconfirmed"),
        (Awaited(8, 0.0, rolled_back=False, obstacle=""), "expired"),
        (Awaited(8, 0.0, rolled_back=True, obstacle=""), "rolled back"),
    ],
    ids=["waits", "expired", "rolled back"],
)
def test_what_waits_to_be_confirmed_has_a_word(awaited: Awaited, word: str) -> None:
    """Of every way in which it can stand, also where there is more to say."""
    outcome = Outcome(Result.ROLLED_BACK if awaited.rolled_back else Result.APPLIED, interrupted=("web",))
    text = history_text([GENERATIONS[7]._replace(remark=awaited.remark, outcome=outcome)], Page(80), zone=ZONE)

    assert f"  {word}  kim  1a2b3c4 payments: Move " in text


def test_on_a_narrow_page_a_commit_and_what_was_changed_share_a_column() -> None:
    """With the subject, where all of that was applied."""
    lines = history_text(GENERATIONS, Page(80), zone=ZONE).splitlines()
    ends = [one.split("  kim   ")[-1].split("  hook  ")[-1] for one in lines[: len(GENERATIONS) + 1]]

    assert lines[0].endswith("BY    COMMIT AND WHAT")
    assert ends[1] == "undo of 1: guest-00, guest-01"
    assert ends[4] == "1a2b3c4 batch"
    assert ends[9].startswith("1a2b3c4 host pool, guest-00")


@pytest.mark.parametrize("columns", [40, 80, 120, None])
def test_a_column_of_the_list_has_one_meaning(columns: int | None) -> None:
    """WHAT is what was changed, on every page; where a commit stands for it, the column has another name."""
    lines = history_text([GENERATIONS[7], GENERATIONS[3]], Page(columns), zone=ZONE).splitlines()
    headings = re.split("  +", lines[0])

    assert headings[-1] == ("COMMIT" if columns in (120, None) else "COMMIT AND WHAT")
    assert ("WHAT" in headings) == (columns in (120, None))


@pytest.mark.parametrize("columns", [40, 80, 120, None])
def test_without_any_commit_there_is_no_column_for_one(columns: int | None) -> None:
    """Nor a sign that would have to be explained."""
    generations = [GENERATIONS[2], GENERATIONS[3]]
    listed = history_text(generations, Page(columns), zone=ZONE)

    assert listed.splitlines()[0].endswith("  WHAT")
    assert commit_notes(listed, sources_of(generations)) == []


@pytest.mark.parametrize("columns", [40, 80, 120, None])
def test_a_line_without_a_commit_is_explained_where_it_is_shown(columns: int | None) -> None:
    """And only there: not where each has one, nor where there is no room for that column."""
    one, other = GENERATIONS[7], GENERATIONS[3]
    mixed, alike = (history_text(every, Page(columns), zone=ZONE) for every in ([other, one], [one]))

    is_wide = columns in (120, None)
    assert [note[:3] for note in commit_notes(mixed, sources_of([other, one]))] == ["'-'"] * is_wide
    assert any(line.endswith("  -") for line in mixed.splitlines()) == is_wide
    assert commit_notes(alike, sources_of([one])) == []


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ([1, 3], "manifests in no git repository, or in one that git refused"),
        ([1, 4], "manifests in no git repository, or in one that git refused"),  # what it rolled back to was in none
        ([1, 5], "a record that cannot be read"),
        ([1, 9], "an undo, which no commit describes"),
        (
            [1, 3, 9],
            "an undo, which no commit describes; or manifests in no git repository, or in one that git refused",
        ),
        ([1, 5, 9], "a record that cannot be read; or an undo, which no commit describes"),
    ],
)
def test_why_there_is_no_commit_is_said_of_the_lines_that_are_shown(numbers: list[int], why: str) -> None:
    """A cause that holds for none of them would mislead."""
    generations = [GENERATIONS[number - 1] for number in numbers]
    again = generation(10, KIM._replace(again=2), guests=("payments",))  # a rollback that has the commit it leads to
    listed = history_text([*generations, again], Page(None), zone=ZONE)

    assert commit_notes(listed, sources_of([*generations, again])) == [f"{NO_COMMIT}{why}"]


@pytest.mark.parametrize(
    ("guests", "subject", "shown"),
    [
        (("db2prod",), "db2prod: give up card 10", "db2prod: give up card 10"),
        (("db2prod",), "db2prod : give up card 10", "db2prod: give up card 10"),
        (("a", "b"), "a, b: swap", "a, b: swap"),
        (("a", "b"), "b a: swap", "a, b: swap"),
        (("a", "b", "c"), "a, b, c: rotate", "a, 2 more: rotate"),
        (("a", "b"), "a: move to card 6", "a, b: a: move to card 6"),
        (("a",), "CHG-4711: move a", "a: CHG-4711: move a"),
        (("a",), "a:", "a: a:"),
        (("a",), "a", "a: a"),
    ],
)
def test_a_subject_that_begins_with_the_guests_does_not_repeat_them(
    guests: tuple[str, ...], subject: str, shown: str
) -> None:
    """In the column that has both; programs get the subject as it is."""
    made = generation(1, KIM._replace(subject=subject), guests=guests)
    briefly = what_text(made, 1)

    for what, shortest in ((what_text(made), briefly), (f"host pool, {what_text(made)}", f"host pool, {briefly}")):
        one = Listed(1, NOON, "applied", "kim", what, shortest, COMMIT, subject, is_whole=True)
        assert one.in_short == f"{COMMIT[:7]} {shortest.removesuffix(briefly)}{shown}"
    assert json.loads(history_json([made]))["generations"][0]["subject"] == subject


@pytest.mark.parametrize("columns", [40, 80, 120, None])
def test_the_sign_of_uncommitted_changes_is_explained_where_it_is_shown(columns: int | None) -> None:
    """In each layout of the list; and only where a generation has it."""
    listed = history_text(GENERATIONS, Page(columns), zone=ZONE)

    notes = commit_notes(listed, sources_of(GENERATIONS))
    assert f"{COMMIT[:7]}+" in listed or f"{COMMIT[:12]}+" in listed
    assert notes[-1] == "'+' behind a commit: with uncommitted changes"


def test_where_something_is_cut_the_command_that_shows_all_is_named() -> None:
    """Only there."""
    short = history_text(GENERATIONS[1:2], Page(120), zone=ZONE)
    cut = history_text(GENERATIONS, Page(80), zone=ZONE, flags=["-l", "tenant=x"])

    assert "-o wide" not in short
    assert cut.endswith("\n  next: reconcile history -o wide -l tenant=x    # cuts nothing\n")


def test_every_time_is_local_and_for_programs_it_is_iso() -> None:
    """With the name of the zone where there is room for it."""
    assert local_time(NOON, ZONE) == "2027-01-15 10:00:00 CEST"
    record = json.loads(history_json(GENERATIONS))["generations"]
    assert record[0]["started"] == "2027-01-16T08:00:00Z"
    assert [one["rollbackTo"] for one in record if one["rollbackTo"]] == [2]
    assert record[0]["guests"] == list(NAMES)
    assert record[1]["subject"] == LOOP.subject


WANTED = desired([guest("a", config([5, 6], [4]), 1), guest("b", config([7], [4], [4, 0x47]), 2)], GIVES_UP)
OTHER = desired(
    [
        guest("a", config([5], [4, 0x47]), 1),
        guest("c", config([6], [4]), 3, activation=Activation.ON_DEMAND, labels=(("tenant", "x"),)),
    ],
    GIVES_UP,
)


def plan_to(wanted: Desired, applied: Applied = NOTHING_APPLIED) -> Plan:
    """What an apply of `wanted` does on a host with two devices."""
    return make_plan(wanted, observe(host_with(m1=config([5], [4]), m2=config([7], [4]))), applied)


@pytest.fixture
def history(tmp_path: Path) -> History:
    """One generation, as an apply leaves it."""
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    history = History(state)
    made = plan_to(WANTED)
    origin = KIM._replace(started=NOON, id="deploy-42", author="Kim")
    history.begin(1, WANTED, origin, {**plan_record(made, only_changes=True), "diff": diff_records(made)})
    history.end(1, Outcome(Result.APPLIED, 2), NOON + 61)
    return history


@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
@pytest.mark.parametrize("most", [MOST_LINES, 20, None], ids=["text", "short", "wide"])
def test_a_generation_is_shown_as_reviewed(history: History, most: int | None, *, colour: bool) -> None:
    """With the hunks of its plan, and with each write where all is asked for."""
    text = generation_text(history.record(1), Page(paint=Painter() if colour else plain), most=most, zone=ZONE)

    assert_golden(f"history/show-{most or 'wide'}{'-colour' if colour else ''}.txt", text)
    if most:
        assert len(text.splitlines()) <= most


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ({}, [f"commit:    {COMMIT}", f"subject:   {KIM.subject}", "author:    Kim"]),
        ({"commit": f"{COMMIT}+"}, [f"commit:    {COMMIT}, with uncommitted changes", f"subject:   {KIM.subject}"]),
        ({"subject": ""}, [f"commit:    {COMMIT}", "subject:   none, or git could not read it", "author:    Kim"]),
        ({"author": ""}, [f"commit:    {COMMIT}", f"subject:   {KIM.subject}"]),
    ],
    ids=["whole", "changed since", "no subject", "no author"],
)
def test_each_fact_of_a_commit_has_a_line_of_its_own(
    history: History, fields: dict[str, str], lines: list[str]
) -> None:
    """As ``git show`` has it, so that no one takes the author for a part of the subject; a sign is said in words."""
    shown = [one.strip() for one in generation_text({**history.record(1), **fields}, zone=ZONE).splitlines()]

    at = shown.index(lines[0])
    assert shown[at : at + len(lines)] == lines


def test_the_head_of_a_generation_says_nothing_that_only_a_program_needs(history: History) -> None:
    """The digest of the manifests is in the JSON; what was planned stands by itself below the head."""
    record = history.record(1)
    for most in (MOST_LINES, None):
        text = generation_text(record, most=most, zone=ZONE)
        assert record["desired"]["digest"] not in text
        assert f"\n\n{record['plan']['summary']['text']}\n\n@@ " in text


def test_a_generation_is_divided_at_the_width_of_the_page(history: History) -> None:
    """But for what is copied, and the headings of holders; the pieces of a line of the diff have its sign."""
    record = history.record(1)
    record["outcome"]["notes"] = ["a note that is long " * 8]
    record["plan"]["diff"][0]["lines"].append("+domains " + ", ".join(["0x04 (4)"] * 30))
    record["plan"]["diff"][0]["remarks"].append("a remark that is long " * 8)

    lines = generation_text(record, Page(80), zone=ZONE).splitlines()

    long = [one for one in lines if len(one) > 80]
    assert all(one.startswith(("@@ ", "  next: ")) for one in long)
    assert sum(one.startswith("+") and "0x04 (4)" in one for one in lines) > 2


def test_a_generation_has_the_diff_of_its_plan(history: History) -> None:
    """Byte for byte what ``plan -o diff`` showed, below a heading that says what is compared."""
    for paint in (plain, Painter()):
        before, after, *hunks = generation_diff(history.record(1), paint).splitlines()
        assert "before generation 1" in before
        assert "after generation 1" in after
        assert hunks == plan_diff(plan_to(WANTED), paint).splitlines()[2:]


@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
@pytest.mark.parametrize("most", [None, 10], ids=["whole", "short"])
def test_two_generations_are_compared_as_reviewed(most: int | None, *, colour: bool) -> None:
    """What the second wanted otherwise, holder by holder, with what is no queue below."""
    old, new = Wish(3, WANTED, plan_to(WANTED).pool), Wish(4, OTHER, plan_to(OTHER).pool)

    text = wish_diff(
        old, new, Page(paint=Painter() if colour else plain), most=most, whole="reconcile history diff 3 4 -o wide"
    )

    assert_golden(f"history/diff-{most or 'whole'}{'-colour' if colour else ''}.txt", text)
    if most:
        assert len(text.splitlines()) <= most


def test_a_generation_and_itself_are_the_same() -> None:
    """That is said in a sentence."""
    one = Wish(3, WANTED, plan_to(WANTED).pool)

    assert wish_diff(one, one._replace(number=4)) == "Generations 3 and 4 want the same of every holder.\n"


def test_a_diff_and_its_reverse_mirror_each_other() -> None:
    """What the one takes the other gives: rolling back shows the same lines with other signs."""
    old, new = Wish(3, WANTED, plan_to(WANTED).pool), Wish(4, OTHER, plan_to(OTHER).pool)

    mirrored = [("-" if line[0] == "+" else "+") + line[1:] for line in signed(wish_diff(old, new))]

    assert signed(wish_diff(new, old)) == sorted(mirrored)


def signed(text: str) -> list[str]:
    """The lines of a diff that say what is taken and given."""
    return sorted(line for line in text.splitlines()[2:] if line[0] in "+-")


def test_a_rollback_is_named_whatever_its_commit_says() -> None:
    """The commit that it leads back to was applied by another line of the list."""
    back = generation(4, KIM._replace(again=2), guests=("payments",))

    line = history_text([back], Page(80), zone=ZONE).splitlines()[1]

    assert f"{COMMIT[:7]} rollback to 2: payments" in line
