"""``reconcile matrix``: one grid, in every directory, on every terminal, and the same for programs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from testing.commands import Command, Ran, example, example_from_elsewhere

THREE = """\
         domain
         0   4 a f
adapter  4 : 7 b f
  04     · · · · ·
  05     a - b a b
  06     a - c a c

  a guest1   b guest2   c guest3
"""


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` on a fresh copy of the three guests, in an empty directory."""
    monkeypatch.delenv("COLUMNS", raising=False)
    return example_from_elsewhere("three-guests", tmp_path, capsys, monkeypatch)


def without_manifests(command: Command, *words: str) -> Ran:
    """``reconcile matrix`` without ``-f``."""
    return command.bare("matrix", *words, "--simulate", str(command.simulated_host))


def record(ran: Ran) -> dict[str, object]:
    """What a program reads."""
    assert ran.code == 0, ran.err
    read = json.loads(ran.out)
    assert isinstance(read, dict)
    return read


def states(ran: Ran) -> dict[str, tuple[str, str | None]]:
    """The state and the holder of each queue, as a program reads them."""
    cells = record(ran)["cells"]
    assert isinstance(cells, list)
    return {one["queue"]: (one["state"], one["holder"]) for one in cells}


def test_who_has_what(command: Command) -> None:
    """With a letter for each guest, and its name below."""
    command("apply", "--yes")

    ran = command("matrix")

    assert ran.code == 0
    assert THREE in ran.out
    assert ran.out.endswith("\n18 queues present: 8 held, 6 of the host, 4 free.\n")
    assert ran.err == ""


@pytest.mark.parametrize(
    ("domains", "folded"),
    [
        ("[4, 0x47, 0xab, 0xff]", "0xab (171), 0xff (255)"),
        ("[0, 4, 9, 0x47, 0xab-0xad, 0xff]", "0xab-0xad (171-173), 0xff (255)"),
        ("[1-3, 4, 6, 0x47, 0xff]", "0x01-0x03 (1-3)"),
    ],
)
def test_the_legend_names_the_folded_domains_that_there_are(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    domains: str,
    folded: str,
) -> None:
    """None of the gaps between them; by the sign that stands above their column."""
    command = example_from_elsewhere("three-guests", tmp_path, capsys, monkeypatch)
    command.simulated_host.write_text(
        command.simulated_host.read_text(encoding="utf-8").replace("[4, 5, 6, 0x47, 0xab, 0xff]", domains),
        encoding="utf-8",
    )
    guests = command.directory / "guests.yaml"
    text = guests.read_text(encoding="utf-8").replace("[4, 0xab]", "[4]").replace("[0x47, 0xff]", "[0x47]")
    guests.write_text(text, encoding="utf-8")

    lines = command("matrix").out.splitlines()

    assert f"  :  domains that no guest has or claims: {folded}" in " ".join(lines)
    header = lines[next(number for number, line in enumerate(lines) if line.startswith("adapter"))]
    assert header.count(":") == 1


def test_the_heading_is_divided_and_not_cut(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a status: with what the host is compared, and why with nothing nearer, can be read to its end."""
    monkeypatch.setenv("COLUMNS", "80")

    lines = without_manifests(command).out.split("\n\n")[0].splitlines()

    status = command.bare("status", "--simulate", str(command.simulated_host)).out
    assert " ".join(" ".join(lines[1:]).split()) in " ".join(status.split())
    assert max(map(len, lines)) <= 80
    assert len(lines) > 2


def test_folded_adapters_are_those_that_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row for each run of them, so that its label names none that is missing."""
    command = example_from_elsewhere("three-guests", tmp_path, capsys, monkeypatch)
    card = "    - {id: 4, type: CEX5, mode: cca}\n"
    text = command.simulated_host.read_text(encoding="utf-8")
    more = "".join(card.replace("4", str(number), 1) for number in (7, 8, 11))
    command.simulated_host.write_text(text.replace(card, card + more), encoding="utf-8")

    rows = [line.split()[0] for line in command("matrix").out.splitlines() if re.match(r"  [0-9a-f]{2}", line)]

    assert rows == ["04", "05", "06", "07-08", "0b"]


def test_programs_get_the_same(command: Command) -> None:
    """Each cell with its state and its holder, and the letters of the holders."""
    planned = states(command("matrix", "-o", "json"))
    command("apply", "--yes")
    command("simulate", "unplug", "5")
    pending = command("matrix", "-o", "json")

    assert planned["05.0047"] == ("planned", "guest2")
    assert planned["04.0004"] == ("host", None)
    assert states(pending)["05.0047"] == ("pending", "guest2")
    assert states(pending)["06.0047"] == ("held", "guest3")
    assert states(pending)["06.0005"] == ("free", None)
    found = record(pending)
    assert found["comparedWith"]["source"] == "manifests"  # type: ignore[index]
    assert found["counts"] == {
        "conflict": 0,
        "pending": 4,
        "planned": 0,
        "leaving": 0,
        "on-demand": 0,
        "held": 4,
        "host": 6,
        "free": 2,
    }
    assert (found["adapters"], found["present"]) == ([4, 5, 6], 12)
    assert [(one["letter"], one["name"], one["held"]) for one in found["holders"]] == [  # type: ignore[attr-defined]
        ("a", "guest1", 4),
        ("b", "guest2", 2),
        ("c", "guest3", 2),
    ]
    cell = next(one for one in found["cells"] if one["queue"] == "05.0047")  # type: ignore[attr-defined]
    assert cell == {
        "queue": "05.0047",
        "adapter": 5,
        "domain": 71,
        "state": "pending",
        "holder": "guest2",
        "others": [],
        "ofHost": False,
        "kept": False,
        "present": False,
    }


def test_without_manifests_it_shows_what_was_applied_last(command: Command) -> None:
    """Before the first apply the host alone; it says which."""
    alone = without_manifests(command)
    command("apply", "--yes")
    applied = without_manifests(command)

    assert alone.code == applied.code == 0
    assert "  compared    with nothing: the host alone (there are no manifests in this\n" in alone.out
    assert "18 queues present: 0 held, 18 of the host, 0 free." in alone.out
    assert "  compared    with what was applied last: generation 1" in applied.out
    assert THREE in applied.out


def test_some_guests_alone(command: Command) -> None:
    """By name, uuid or label, with the letters and the counts of the whole host; an unknown name is refused."""
    command("apply", "--yes")

    ran = command("matrix", "guest2")
    unknown = command("matrix", "gest2")
    labelled = command("matrix", "-l", "tenant=payments")

    assert "  05     b b\n" in ran.out
    assert "  06" not in ran.out
    assert "guest1" not in ran.out
    assert ran.out.endswith("\nOn the whole host 18 queues are present: 8 held, 6 of the host, 4 free.\n")
    assert states(command("matrix", "guest2", "-o", "json")).keys() == {"05.0047", "05.00ff"}
    assert unknown.code == 64
    assert "gest2" in unknown.err
    assert "guest1, guest2, guest3" in unknown.err
    assert "  05     a a\n  06     a a\n\n  a guest1\n" in labelled.out


def test_nothing_to_draw_is_said(command: Command, tmp_path: Path) -> None:
    """Where no guest has the label, and where the host has no queue at all."""
    bare = tmp_path / "bare.yaml"
    bare.write_text(
        "apiVersion: reconciler/v1\nkind: SimulatedHost\nmetadata: {name: lpar9}\nspec: {usageDomains: [4]}\n",
        encoding="utf-8",
    )

    labelled = command("matrix", "-l", "tenant=none")
    empty = command.bare("matrix", "--simulate", str(bare))

    assert (
        "\n\nNone of these guests has or claims a queue.\n\nOn the whole host 18 queues are present: " in labelled.out
    )
    assert empty.code == 0, empty.err
    assert empty.out.endswith(
        "\n\nNo queue is there, held or claimed.\n\n0 queues present: 0 held, 0 of the host, 0 free.\n"
    )


@pytest.mark.parametrize("columns", ["1", "20", "33", "1000"])
def test_every_width_has_a_grid(command: Command, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """However narrow or wide the terminal is said to be."""
    monkeypatch.setenv("COLUMNS", columns)

    ran = command("matrix", "-o", "wide")

    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= max(int(columns), 15)
    assert ran.out.count("  05 ") >= 1


def test_conflicts_are_marked_and_named(command: Command, tmp_path: Path) -> None:
    """Each error is reported as by ``plan``; the grid shows which queues it is about."""
    guests = command.directory / "guests.yaml"
    text = guests.read_text(encoding="utf-8")
    guests.write_text(text.replace("domains: [4, 0xab]", "domains: [4, 0x47]"), encoding="utf-8")

    ran = command("matrix")

    assert ran.code == 0
    assert ran.err.count("error[guest-overlap]") == 2
    assert "  05     a+· a!· b+\n" in ran.out
    legend = ran.out.partition("  !  conflict: only one of several can have it\n")[2]
    assert legend.startswith("     05.0047: guest1 and guest2\n     06.0047: guest1 and guest3\n")
    assert states(command("matrix", "-o", "json"))["05.0047"] == ("conflict", "guest1")


def test_each_sign_that_occurs_is_explained_once_below_the_grid(command: Command) -> None:
    """Also that of a letter alone, where others have a sign; before anything else is said of a sign, and no other."""
    signs = {"conflict": "!", "planned": "+", "leaving": ">", "pending": "?", "on-demand": "*", "free": "-"}
    shown = []
    for words in (("simulate",), ("apply", "--yes"), ("simulate", "unplug", "5")):
        command(*words)
        found, ran = states(command("matrix", "-o", "json")), command("matrix")
        names = {state for state, _ in found.values()}
        legend = ran.out.partition("c guest3\n")[2].splitlines()
        for state, sign in signs.items():
            explained = [line for line in legend if line.startswith(f"  {sign}  ")]
            assert [line[5:].partition(":")[0] for line in explained] == ([state] if state in names else [])
        is_alone = "     a letter alone: the guest has it" in legend
        assert is_alone == ("held" in names and not names.isdisjoint(set(signs) - {"free"}))
        shown.append(is_alone)

    assert shown == [False, False, True]


def test_a_page_is_as_wide_as_columns_says(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a row does not fit, there is another block of it."""
    monkeypatch.setenv("COLUMNS", "15")

    ran = command("matrix")

    assert ran.out.count("adapter  ") == 2
    assert "adapter  4 : 7\n" in ran.out
    assert "adapter  b f\n" in ran.out


@pytest.mark.parametrize(
    ("encoding", "host"), [("ascii", "."), ("latin-1:strict", "·"), ("utf-8", "·"), ("cp1252:strict", "·")]
)
def test_the_letters_stand_below_each_other_on_every_terminal(command: Command, encoding: str, host: str) -> None:
    """A terminal that has no middle dot gets a full stop; no escape widens a row."""
    command("apply", "--yes")
    name = encoding.partition(":")[0]
    words = ("matrix", "-f", str(command.directory), "--simulate", str(command.simulated_host))

    done = subprocess.run(
        [sys.executable, "-m", "reconciler.cli", *words],
        capture_output=True,
        env={"PYTHONIOENCODING": encoding, "PATH": "", "COLUMNS": "80"},
        cwd=Path(__file__).parents[2],
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert THREE.replace("·", host) in done.stdout.decode(name)
    assert b"Traceback" not in done.stderr


def first_line(ran: Ran) -> str:
    """What an answer about a queue begins with."""
    assert ran.code == 0, ran
    return ran.out.splitlines()[0]


@pytest.mark.parametrize("words", [("status",), ("status", "-o", "wide"), ("matrix",)])
def test_a_queue_is_looked_up(command: Command, words: tuple[str, ...]) -> None:
    """The first line repeats it and says who has it; one that no guest has is an answer too."""
    planned = first_line(command(*words, "05.0047"))
    command("apply", "--yes")

    assert planned == "05.0047: the host's own drivers have it; guest2 is to have it"
    for queue, answer in (
        ("05.0047", "05.0047: guest2 has it"),
        ("06.00AB", "06.00ab: guest1 has it"),
        ("04.0004", "04.0004: the host's own drivers have it"),
        ("06.0005", "06.0005: free, as no guest has it and none is to have it"),
    ):
        assert first_line(command(*words, queue)) == answer


@pytest.mark.parametrize("words", [("status",), ("matrix",)])
@pytest.mark.parametrize(
    ("queue", "why", "then"),
    [
        ("05.0033", "domain 0x33 (51) is not present", "no guest claims it"),
        ("07.0047", "adapter 0x07 (7) is not present", "no guest claims it; the host's own drivers get it if it comes"),
        ("07.0033", "adapter 0x07 (7) and domain 0x33 (51) are not present", "no guest claims it; the host's own"),
    ],
)
def test_a_queue_that_is_not_there_is_neither_free_nor_in_use(
    command: Command, words: tuple[str, ...], queue: str, why: str, then: str
) -> None:
    """It says what is missing, and who would get it."""
    command("apply", "--yes")

    line = first_line(command(*words, queue))

    assert line.startswith(f"{queue}: there is no such queue on this host now ({why}); {then}")
    assert "free" not in line


def test_a_queue_that_a_guest_waits_for_is_pending(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before and after its guest is authorised for it."""
    command = example("card-to-come", tmp_path, capsys)
    expected = (
        "09.0047: there is no such queue on this host now (adapter 0x09 (9) is not present); "
        "pending: payments gets it when it comes"
    )

    before = first_line(command("status", "09.0047"))
    command("apply", "--yes")

    assert (before, first_line(command("status", "09.0047"))) == (expected, expected)


@pytest.mark.parametrize("queue", ["04.0004", "06.0005", "07.0047", "05.0047"])
def test_programs_get_an_answer_about_every_queue(command: Command, queue: str) -> None:
    """Also where no guest has it: no row, and who has it."""
    command("apply", "--yes")

    ran = command("status", queue, "-o", "json")
    made = json.loads(ran.out)

    (answer,) = made["queues"]
    names = [one["name"] for one in made["guests"]]
    assert (ran.code, answer["queue"], answer["heldBy"]) == (0, queue, names)
    assert (answer["present"], answer["text"]) == (queue != "07.0047", first_line(command("status", queue)))
    assert command("status", queue, "-o", "name").out == "".join(f"{name}\n" for name in names)
    assert command("matrix", queue, "-o", "json").code == 0
    assert "queues" not in json.loads(command("status", "-o", "json").out)


@pytest.mark.parametrize("command_name", ["status", "matrix"])
@pytest.mark.parametrize(
    ("word", "form"),
    [
        ("5.47", "05.0047"),
        ("5.0047", "05.0047"),
        ("05.47", "05.0047"),
        ("0x05.0x47", "05.0047"),
        ("6:ab", "06.00ab"),
        ("5.147", "05.0093"),
        ("05.0147", "05.0093"),
        ("100.4", "64.0004"),
    ],
)
def test_a_queue_in_another_form_is_no_host(command: Command, command_name: str, word: str, form: str) -> None:
    """It is refused with the form that is right."""
    ran = command(command_name, word)

    assert (ran.code, "--host" in ran.err) == (64, False)
    said, first, *_ = ran.err.splitlines()
    assert said.endswith("write a queue as AA.DDDD, two ids in hex from 00 to ff")
    assert first.partition("    #")[0].endswith(f" {form}")
    assert command(command_name, form).code == 0


def test_a_queue_in_conflict_is_not_promised_to_both(command: Command) -> None:
    """The one that has it is to keep it, so that the other one only claims it."""
    command("apply", "--yes")
    guests = command.directory / "guests.yaml"
    guests.write_text(guests.read_text().replace("domains: [4, 0xab]", "domains: [4, 0x47]"))

    assert first_line(command("status", "05.0047")) == "05.0047: guest2 has it; guest1 claims it, too (conflict)"


def test_no_row_is_empty_where_rows_are_left_out(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each block has the rows in which something of it stands; those that stand in none of those shown are counted."""
    monkeypatch.setenv("COLUMNS", "80")
    guests = [
        "---\napiVersion: reconciler/v1\nkind: Guest\n"
        f"metadata: {{name: g{number:03}, labels: {{team: t{number % 9}}}}}\n"
        f"spec: {{host: lpar7, adapters: [{number % 40}], domains: [{number // 40 * 20 + number % 17}]}}\n"
        for number in range(400)
    ]
    (tmp_path / "many").mkdir()
    host = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\n"
    (tmp_path / "many/site.yaml").write_text(host + "".join(guests))

    def rows(*words: str) -> list[str]:
        out = command("matrix", "-l", "team=t0", *words, manifests=tmp_path / "many").out
        found = [line for line in out.splitlines() if re.match(r"  [0-9a-f]{2}(-[0-9a-f]{2})?( {3}|$)", line)]
        assert all(len(line.split()) > 1 for line in found)
        assert len(out.splitlines()) <= 60 or words
        return [line.split()[0] for line in found]

    shown = rows()
    assert len(shown) == len(set(shown)) > 20
    assert set(shown) < set(rows("-o", "wide"))
    assert len(set(rows("-o", "wide"))) == 40


@pytest.mark.parametrize(
    ("words", "answers", "drawn"),
    [
        (
            ["card04"],
            ["adapter 0x04 (4): CEX5 CCA coprocessor, 6 queues: the host's own drivers have all of them"],
            {"04": 6},
        ),
        (["04.0004"], ["04.0004: the host's own drivers have it"], {"04": 1}),
        (["06.0005"], ["06.0005: free, as no guest has it and none is to have it"], {"06": 1}),
        (
            ["card05"],
            ["adapter 0x05 (5): CEX5 CCA coprocessor, 6 queues: 4 of guest1 and guest2, 2 free"],
            {"05": 6},
        ),
        (
            ["card04", "06.0005"],
            [
                "06.0005: free, as no guest has it and none is to have it",
                "adapter 0x04 (4): CEX5 CCA coprocessor, 6 queues: the host's own drivers have all of them",
            ],
            {"04": 6, "06": 1},
        ),
        (["04.0004", "guest2"], ["04.0004: the host's own drivers have it"], {"04": 1, "05": 2}),
        (
            ["card09"],
            ["adapter 0x09 (9): there is no such card on this host now; no guest has it or is to have it"],
            {},
        ),
        (
            ["card09", "guest2"],
            ["adapter 0x09 (9): there is no such card on this host now; no guest has it or"],
            {"05": 2},
        ),
    ],
)
def test_cards_and_queues_are_drawn_whoever_has_them(
    command: Command, words: list[str], answers: list[str], drawn: dict[str, int]
) -> None:
    """Those of the host, and free ones, as well as those of guests; what each is stands above."""
    command("apply", "--yes")

    ran = command("matrix", *words)

    assert [line.startswith(answer) for line, answer in zip(ran.out.splitlines(), answers, strict=False)] == [
        True for _ in answers
    ]
    assert "None of these guests" not in ran.out
    cells = states(command("matrix", *words, "-o", "json"))
    assert {card: sum(one.startswith(card) for one in cells) for card in sorted({one[:2] for one in cells})} == drawn


@pytest.mark.parametrize(
    ("words", "rows", "is_explained"),
    [((), 3, False), (("card05",), 1, False), (("guest1",), 2, False), (("guest1", "guest2"), 2, True)],
)
def test_a_part_says_what_it_leaves_out_and_that_its_numbers_are_of_the_host(
    command: Command, words: tuple[str, ...], rows: int, is_explained: bool
) -> None:
    """A blank place is explained where a queue was not asked for."""
    command("apply", "--yes")

    *_, last = out = command("matrix", *words).out.splitlines()

    assert sum(line.startswith("  0") for line in out) == rows
    assert ("     blank: there is no such queue, or it was not asked for" in out) == is_explained
    assert last.startswith("On the whole host 18 queues are present: " if words else "18 queues present")


def test_a_domain_is_not_said_to_have_no_guest_where_one_has_it_on_another_card(command: Command) -> None:
    """Only what no guest has on the whole host is folded."""
    command("apply", "--yes")

    out = command("matrix", "card04").out

    assert "domains that no guest has or claims: 0x05-0x06 (5-6)\n" in out


def test_a_card_that_a_guest_waits_for_is_not_said_to_be_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before and after its guest is authorised for it."""
    command = example("card-to-come", tmp_path, capsys)
    expected = "adapter 0x09 (9): there is no such card on this host now: payments waits for 2 queues"

    before = first_line(command("matrix", "card09"))
    command("apply", "--yes")

    assert (before, first_line(command("matrix", "card09"))) == (expected, expected)


def test_who_is_suspended_is_marked_where_the_letters_are_explained(command: Command) -> None:
    """At each guest; of the whole host it is said once, above the grid."""
    command("apply", "--yes")
    command("suspend", "guest1", "--reason", "key ceremony")
    one = command("matrix").out

    command("suspend", "--reason", "an audit", "--for", "3h")
    whole = command("matrix").out

    assert re.search(r"^  a guest1 \(suspended\) +b guest2 +c guest3$", one, re.MULTILINE)
    assert re.search(r"^  a guest1 +b guest2 +c guest3$", whole, re.MULTILINE)
    assert "  suspended   the whole host by " in whole
    assert "left): an audit" in " ".join(whole.split())
