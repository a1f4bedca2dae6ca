"""``status`` and ``matrix`` of a card, by its number or its name in /sys."""

import json
import re
import shlex
from pathlib import Path

import pytest

from testing.commands import Command, change, example

CARD_5 = """\
adapter 0x05 (5): CEX5 CCA coprocessor, 6 queues
  05.0004: guest1 has it
  05.0005: free, as no guest has it and none is to have it
  05.0006: free, as no guest has it and none is to have it
  05.0047: guest2 has it
  05.00ab: guest1 has it
  05.00ff: guest2 has it

compared with the manifests in {}
"""


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """The three guests, applied."""
    made = example("three-guests", tmp_path, capsys)
    assert made("apply", "--yes").code == 0
    return made


@pytest.mark.parametrize("word", ["5", "05", "0x5", "0x05", "card05", "Card5"])
def test_a_card_shows_who_has_each_of_its_queues(command: Command, word: str) -> None:
    """However its number is written; there are no details of the guests, which may be many."""
    ran = command("status", word)

    assert (ran.code, ran.out) == (0, CARD_5.format(command.directory))


def test_programs_get_each_queue_of_a_card(command: Command) -> None:
    """As if each had been asked for; and the guests that have any."""
    made = json.loads(command("status", "card05", "-o", "json").out)
    names = ("0004", "0005", "0006", "0047", "00ab", "00ff")
    queues = json.loads(command("status", *(f"05.{name}" for name in names), "-o", "json").out)["queues"]

    assert made["queues"] == queues
    assert {one["name"] for one in made["guests"]} == {"guest1", "guest2"}
    assert command("status", "card05", "-o", "name").out == "guest1\nguest2\n"
    assert "  b guest2" not in command("matrix", "card06").out


def test_guests_and_queues_beside_a_card_are_shown_as_ever(command: Command) -> None:
    """Everything about the guest that was named, and nothing about those on the card."""
    out = command("status", "card06", "05.0047", "guest1").out

    assert out.startswith(
        "05.0047: guest2 has it\n\nadapter 0x06 (6): CEX5 accelerator, 6 queues\n  06.0004: guest1 has it\n"
    )
    assert "\nguest1  3783d4a7-" in out
    assert "\nguest2  7c3b6979-" in out
    assert "\nguest3  " not in out
    assert "NAME " in command("status", "card06", "-o", "wide").out


def test_a_card_that_is_not_there_shows_who_waits_for_it(command: Command) -> None:
    """Or that no guest does."""
    change(command, "adapters: [5, 6]", "adapters: [5, 9]")

    waited, other = command("status", "9").out.splitlines(), command("status", "card08").out

    assert waited[0] == "adapter 0x09 (9): there is no such card on this host now"
    assert waited[1].startswith("  09.0004: there is no such queue on this host now ")
    assert waited[1].endswith("; pending: guest1 gets it when it comes")
    assert other.startswith(
        "adapter 0x08 (8): there is no such card on this host now; no guest has it or is to have it"
    )


def test_trouble_with_a_card_is_shown(command: Command) -> None:
    """Beside what it is."""
    command("simulate", "set", "5", "checkstopped=true")

    assert command("status", "5").out.startswith("adapter 0x05 (5): CEX5 CCA coprocessor, check-stopped, 6 queues\n")


@pytest.mark.parametrize("name", ["status", "matrix"])
def test_a_number_that_is_another_card_in_decimal_is_not_guessed(
    command: Command, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are printed, what the host has first, each as a command that works."""
    monkeypatch.setenv("COLUMNS", "1000")
    command("simulate", "plug", "0x0c")

    ran = command(name, "12")

    said, *lines = ran.err.splitlines()
    assert (ran.code, ran.out) == (64, "")
    assert said.startswith("Error: 12 may be the number of a card in hex or in decimal; write card and two digits")
    assert [line.partition(" card")[2] for line in lines] == [
        "0c    # adapter 0x0c (12): on this host",
        "12    # adapter 0x12 (18): not on this host now",
    ]
    for line in lines:
        assert command.bare(*shlex.split(line.removeprefix("  next: ").partition("    #")[0])[1:]).code == 0


def test_a_card_that_is_not_there_and_is_one_in_decimal_leads_to_that(command: Command) -> None:
    """As a queue does; not where the card in hex is there, or none is."""
    command("simulate", "plug", "0x0a")

    said = command("status", "card10").out.splitlines()[0]
    assert said.endswith(". Cards are in hex: if decimal is meant, write card0a")
    assert command("status", "card0a").out.startswith("adapter 0x0a (10): CEX")
    for word in ("card05", "card99"):
        assert "decimal" not in command("status", word).out


def test_programs_get_the_answer_before_the_numbers_of_the_host(command: Command) -> None:
    """The pool may have hundreds of numbers; without a queue the order is as ever."""
    asked, whole = (list(json.loads(command("status", *words, "-o", "json").out)) for words in (["05.0047"], []))

    assert asked.index("queues") < asked.index("pool")
    assert [one for one in asked if one != "queues"] == whole


def test_what_is_free_is_listed_of_the_cards_queues_and_domains_that_are_named(command: Command) -> None:
    """However a domain alone is written, and the same for programs; a named queue that is not free says who has it."""
    every = json.loads(command("status", "--free", "-o", "json").out)["free"]
    names = [one["queue"] for one in every]

    for words, expected in (
        (["card05"], [one for one in names if one.startswith("05.")]),
        (["6"], [one for one in names if one.startswith("06.")]),
        (["05.0005", "05.0047"], ["05.0005"]),
        ([".0006"], [one for one in names if one.endswith(".0006")]),
        (["0006"], [one for one in names if one.endswith(".0006")]),
        (["card05", "06.0006"], [one for one in names if one.startswith("05.") or one == "06.0006"]),
    ):
        assert command("status", "--free", *words, "-o", "name").out.split() == expected != []
        record = json.loads(command("status", "--free", *words, "-o", "json").out)
        assert [one["queue"] for one in record["free"]] == expected


@pytest.mark.parametrize(
    ("words", "answers", "free"),
    [
        (["05.0005", "05.0047"], ["05.0047: not free; guest2 has it"], 1),
        (["05.0047"], ["05.0047: not free; guest2 has it"], 0),
        (["04.0004"], ["04.0004: not free; the host's own drivers have it"], 0),
        (["07.0004"], ["07.0004: there is no such queue on this host now (adapter 0x07 (7) is not present)"], 0),
        (["card04"], ["adapter 0x04 (4): CEX5 CCA coprocessor, 6 queues: the host's own drivers have all of them"], 0),
        (["card05"], ["adapter 0x05 (5): CEX5 CCA coprocessor, 6 queues: 4 of guest1 and guest2, 2 free"], 2),
        (["card09"], ["adapter 0x09 (9): there is no such card on this host now; no guest has it"], 0),
        ([".47"], ["domain 0x47 (71): 3 queues: 2 of guest2 and guest3, 1 of the host's own drivers"], 0),
        (["0005"], ["domain 0x05 (5): 3 queues: 1 of the host's own drivers, 2 free"], 2),
        (["0009"], ["domain 0x09 (9): no queue of it is here now"], 0),
        (
            ["05.0047", "card04", "0009"],
            ["05.0047: not free; guest2", "adapter 0x04 (4): CEX5 CCA", "domain 0x09 (9): no queue"],
            0,
        ),
    ],
)
def test_what_is_asked_to_be_free_and_is_not_says_who_has_it(
    command: Command, words: list[str], answers: list[str], free: int
) -> None:
    """Each queue, card and domain that was named has an answer, for people and for programs."""
    out = command("status", "--free", *words).out

    assert [line[: len(answer)] for line, answer in zip(out.splitlines(), answers, strict=False)] == answers
    assert len(re.findall(r"^[0-9a-f]{2}\.[0-9a-f]{4}  ", out, re.MULTILINE)) == free
    assert "CLAIMED BY" not in out, "nothing here is claimed"
    record = json.loads(command("status", "--free", *words, "-o", "json").out)
    assert len(record["free"]) == free
    named = [word for word in words if word[2:3] == "."]
    assert [one["queue"] for one in record.get("queues", ())][: len(named)] == named


def test_no_number_of_claimed_queues_is_said_where_there_is_none(command: Command) -> None:
    """A zero says nothing."""
    of_free = command("status", "--free").out

    assert "claimed." not in of_free
    assert "4 free queues: neither a guest nor the host has them, and no guest claims them.\n" in of_free


def test_of_guests_and_labels_nothing_is_free(command: Command) -> None:
    """With what may be asked for instead."""
    for words, meant in (
        (["guest1"], ["status --free", "status guest1"]),
        (["-l", "a=b"], ["status --free"]),
        (["card05", "guest1"], ["status --free card05", "status guest1"]),
    ):
        ran = command("status", "--free", *words)

        assert (ran.code, ran.out) == (64, "")
        assert "--free lists the queues that no guest has: of the host, or of the cards, queues and domains named" in (
            ran.err
        )
        lines = [
            shlex.split(line.partition("next: ")[2], comments=True) for line in ran.err.splitlines() if "next: " in line
        ]
        where = ["-f", str(command.directory), "--simulate", str(command.simulated_host)]
        assert [" ".join(one for one in line[1:] if one not in where) for line in lines] == meant
        assert [command.bare(*line[1:]).code for line in lines] == [0] * len(meant)


def test_what_is_free_says_what_it_is_compared_with(command: Command) -> None:
    """For people and for programs: which queue is claimed depends on it."""
    record, whole = (json.loads(command("status", *words, "-o", "json").out) for words in (["--free"], []))

    assert record["comparedWith"] == whole["comparedWith"]
    assert f"\ncompared with the manifests in {command.directory}\n" in command("status", "--free").out


def test_a_label_that_no_guest_has_leads_to_those_there_are(command: Command) -> None:
    """As a plan does."""
    for form in ("table", "json"):
        ran = command("status", "-l", "tenant=paymentss", "-o", form)

        assert ran.code == 0
        assert ran.err.startswith(
            "note: no guest has the label tenant=paymentss. Did you mean 'tenant=payments'? Labels that guests have: "
        )
        assert "no guest has the label" not in command("status", "-l", "tenant=payments", "-o", form).err


def test_a_guest_may_be_called_like_a_card(command: Command) -> None:
    """What is known by that name is meant."""
    change(command, "name: guest1", 'name: "5"')

    assert command("status", "5").out.splitlines()[2].startswith("5  ")


@pytest.mark.parametrize("word", ["ab", "5g", "1e100", "card-x"])
def test_what_can_be_no_card_is_a_guest_that_is_not_there(command: Command, word: str) -> None:
    """Two letters are rather a name."""
    ran = command("status", word)

    assert (ran.code, f"no guest called {word} is known here" in ran.err) == (64, True)


@pytest.mark.parametrize("word", ["256", "300", "0x100", "card100", "card0x12c", "card 300"])
def test_a_number_above_the_highest_is_no_card(command: Command, word: str) -> None:
    """No name of a guest is looked for behind it."""
    ran = command("status", word)

    assert ran.code == 64
    assert f"Error: {word} is no card: no card has a number above 255 (0xff)" in " ".join(ran.err.split())


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("050047", "05.0047"),
        ("0x050047", "05.0047"),
        ("05-0047", "05.0047"),
        ("05_00AB", "05.00ab"),
        ("queue 05.0047", "05.0047"),
        ("queue05.0047", "05.0047"),
        ("apqn 05.0047", "05.0047"),
        ("card0x05", "card05"),
        ("card 05", "card05"),
        ("card-5", "card05"),
        ("adapter5", "card05"),
        ("adapter 0x05", "card05"),
    ],
)
@pytest.mark.parametrize("name", ["status", "matrix"])
def test_a_queue_or_card_in_another_form_leads_to_the_one_meant(
    command: Command, name: str, word: str, meant: str
) -> None:
    """With the whole command, which works."""
    ran = command(name, word)

    assert (ran.code, ran.out) == (64, "")
    line = next(line.removeprefix("  next: ") for line in ran.err.splitlines() if line.startswith("  next: "))
    words = shlex.split(line.partition("    #")[0])
    assert meant in words
    assert command.bare(*words[1:]).code == 0


@pytest.mark.parametrize(
    ("mode", "card", "row"),
    [
        ("cca", "CEX5 CCA coprocessor", "CEX5 CCA"),
        ("ep11", "CEX5 EP11 coprocessor", "CEX5 EP11"),
        ("accelerator", "CEX5 accelerator", "CEX5 accelerator"),
    ],
)
def test_the_mode_of_a_card_is_shown_where_the_card_is(command: Command, mode: str, card: str, row: str) -> None:
    """A guest may need one of the three: in words, in tables and for programs; a record of the host says it, too."""
    for adapter in ("5", "6"):
        command("simulate", "plug", adapter, "type=CEX5", f"mode={mode}", "replace=true")

    cards = json.loads(command("status", "-o", "json").out)["cards"]

    assert [(one["adapter"], one["type"], one["mode"]) for one in cards] == [
        (4, "CEX5", "CCA"),
        *((adapter, "CEX5", row.removeprefix("CEX5 ")) for adapter in (5, 6)),
    ]
    for words in (["status", "card05"], ["matrix", "card05"], ["status", "--free", "card05"]):
        assert command(*words).out.startswith(f"adapter 0x05 (5): {card}, 6 queues")
    table = command("status", "--free").out.splitlines()
    assert [line.split("  ")[1] for line in table if line.startswith("05.")] == [row] * 2
    wide = command("status", "-o", "wide").out
    assert f"{row}: adapter" in wide
    assert "CEX5 CCA: adapter" in wide


def test_who_claims_a_queue_has_a_column_where_one_is_claimed(command: Command) -> None:
    """Before the apply that gives it."""
    command("apply", "--yes")
    change(command, "domains: [4, 0xab]", "domains: [4, 5]")

    out = command("status", "--free").out

    assert "QUEUE    CARD              CLAIMED BY" in out
    assert re.search(r"^05\.0005  CEX5 CCA +guest1$", out, re.MULTILINE)
    assert re.search(r"^05\.0006  CEX5 CCA +-$", out, re.MULTILINE)
