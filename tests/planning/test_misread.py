"""Ids that may have been meant in the other base, on a host with adapters 5, 6, 0x10 and domains 4, 0x44, 0x47."""

from collections.abc import Iterable
from typing import Any

import pytest

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, Desired, GivenUp, Keep, WrittenIds
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.matrix import Matrix, Queue
from reconciler.model.observed import Observed
from reconciler.model.problems import Position
from reconciler.planning.misread import Suspect, decimal_queue, ids_meant, misread_ids, queues_meant, suspects
from reconciler.planning.plan import Misread, Plan
from reconciler.planning.planner import make_plan
from reconciler.planning.scope import Targets
from reconciler.simulator.host import SimulatedHost
from testing.holdings import config, desired, guest, hardware

GUESTS = Position("guests.yaml", 10, 1)


def found() -> Observed:
    """The host as it is found."""
    return observe(SimulatedHost(hardware([5, 6, 0x10], [4, 0x44, 0x47])))


def plan(what: Desired, **fields: Any) -> Plan:
    """The plan for it."""
    return make_plan(what, found(), **fields)


def decimal(text: str, axis: str = "domains") -> WrittenIds:
    """What a manifest has as `text`."""
    first, _, last = text.partition("-")
    read, otherwise = (IdSet(range(int(first, base), int(last or first, base) + 1)) for base in (10, 16))
    return WrittenIds(axis, text, read, otherwise)


def said(*written: tuple[str, Iterable[WrittenIds]]) -> list[str]:
    """What is said of ids in decimal, by guest; an empty name is the Host."""
    pairs = [(Suspect(name, GUESTS), tuple(ids)) for name, ids in written]
    return [one.text for one in misread_ids(pairs, plan(desired()))]


def test_an_id_in_hex_may_be_meant_in_decimal() -> None:
    """The other way round; what is written in each base has a note of its own."""
    host = observe(SimulatedHost(hardware([5, 10], [4, 44, 0x47])))
    guests = [guest("a", config([0x10], [0x44, 47]), 1), guest("b", config([10], [4]), 2)]
    made = make_plan(desired(guests), host)
    ids = (
        WrittenIds("adapters", "0x10", IdSet([0x10]), IdSet([10]), is_hex=True),
        WrittenIds("domains", "0x44", IdSet([0x44]), IdSet([44]), is_hex=True),
        decimal("47"),
        WrittenIds("domains", "0x47", IdSet([0x47]), IdSet([47]), is_hex=True),
    )

    notes = [one.text for one in misread_ids([(Suspect("a", GUESTS), ids)], made)]

    assert [one.name for one in suspects(made)] == ["a"]
    assert notes == [
        "adapter 0x10 of guest 'a' is 16, which this host does not have; it has 10 (0x0a): write 10 if that is meant",
        "domain 47 of guest 'a' is 0x2f, which this host does not have; it has 0x47: write 0x47 if that is meant",
        "domain 0x44 of guest 'a' is 68, which this host does not have; it has 44 (0x2c): write 44 if that is meant",
    ]


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        (
            [decimal("47")],
            "domain 47 of guest 'a' is 0x2f, which this host does not have; it has 0x47: write 0x47 if that is meant",
        ),
        (
            [decimal("10", "adapters")],
            "adapter 10 of guest 'a' is 0x0a, which this host does not have; it has 0x10: write 0x10 if that is meant",
        ),
        (
            [decimal("47", "controlDomains")],
            (
                "control domain 47 of guest 'a' is 0x2f, which this host does not have; it has 0x47: "
                "write 0x47 if that is meant"
            ),
        ),
        (
            [decimal("4"), decimal("44"), decimal("47")],
            (
                "domains 44, 47 of guest 'a' are 0x2c, 0x2f, which this host does not have; it has 0x44, 0x47: "
                "write 0x44, 0x47 if these are meant"
            ),
        ),
        (
            [decimal("40-47")],
            (
                "domains 40-47 of guest 'a' are 0x28-0x2f, which this host does not have; it has 0x44, 0x47: "
                "write 0x40-0x47 if these are meant"
            ),
        ),
    ],
)
def test_a_note_says_what_was_read_and_what_to_write(ids: list[WrittenIds], text: str) -> None:
    """For each list, for one id, several, and ranges."""
    assert said(("a", ids)) == [text]


def test_an_id_that_is_there_or_whose_digits_are_nowhere_is_no_mistake() -> None:
    """Of a range one id that is there is enough: ids are authorised in advance."""
    assert said(("a", [decimal("68"), decimal("71"), decimal("50"), decimal("10-84")])) == []


def test_guests_with_the_same_ids_share_a_note_and_the_host_has_its_own() -> None:
    """So does whatever else is written alike; the Host is named as one."""
    texts = said(("a", [decimal("47")]), ("b", [decimal("47")]), ("c", [decimal("44")]), ("", [decimal("47")]))

    assert [text.partition(" is ")[0].partition(" are ")[0] for text in texts] == [
        "domain 47 of guests 'a', 'b'",
        "domain 44 of guest 'c'",
        "domain 47 of host 'lpar7'",
    ]


def test_a_note_knows_its_guests() -> None:
    """A status of one of them shows it."""
    pairs = [(Suspect(name, GUESTS), (decimal("47"),)) for name in ("a", "b", "")]

    assert [one.guests for one in misread_ids(pairs, plan(desired()))] == [("a", "b"), ()]
    assert isinstance(misread_ids(pairs, plan(desired()))[0], Misread)


def test_there_are_few_notes_however_many_mistakes() -> None:
    """Each guest has others."""
    there = [f"{one:x}" for one in range(0x10, 0x30) if f"{one:x}".isdecimal() and one != 0x10]
    host = observe(SimulatedHost(hardware([5], [int(one, 16) for one in there if int(one) not in range(16, 48)])))
    pairs = [(Suspect(f"g{one}", GUESTS), (decimal(one),)) for one in there]

    assert len(misread_ids(pairs, make_plan(desired(), host))) <= 5


def test_guests_and_the_host_with_doubtful_ids_are_looked_at() -> None:
    """An inactive guest claims nothing; other ids raise no doubt in whichever base they are written."""
    guests = [
        guest("a", config([5], [47]), 1),
        guest("b", config([10], [4]), 2),
        guest("c", config([5], [4], [47]), 3),
        guest("d", config([5], [47]), 4, activation=Activation.INACTIVE),
        guest("e", config([5, 200], [4, 0x47, 50, 68]), 5),
    ]

    assert [one.name for one in suspects(plan(desired(guests)))] == ["a", "b", "c"]
    for fields in (
        {"given_up": GivenUp(NO_IDS, IdSet([47]))},
        {"keep": (Keep(Matrix(IdSet([10]), IdSet([4])), 0),)},
    ):
        assert [one.name for one in suspects(plan(desired(**fields)))] == [""]


def test_a_plan_for_chosen_guests_looks_at_these_alone() -> None:
    """Neither at the others nor at the Host."""
    guests = [guest("a", config([5], [47]), 1), guest("b", config([6], [47]), 2)]
    made = plan(desired(guests, GivenUp(NO_IDS, IdSet([47]))), scope=Targets(frozenset({"b"})))

    assert [one.name for one in suspects(made)] == ["b"]


@pytest.mark.parametrize(
    ("queue", "meant"),
    [
        ("05.0071", "05.0047"),
        ("16.0047", "10.0047"),
        ("16.0071", "10.0047"),
        ("05.0047", None),  # it is there
        ("05.0050", None),  # neither 0x50 nor 50 is
        ("05.00ab", None),  # no decimal number
        ("07.0071", None),  # adapter 7 is not there, whichever domain is meant
        ("05.0004", None),
    ],
)
def test_a_queue_that_is_not_there_may_be_meant_in_decimal(queue: str, meant: str | None) -> None:
    """Where the queue with the same digits in decimal is."""
    adapter, domain = (int(part, 16) for part in queue.split("."))
    read = decimal_queue(Queue(adapter, domain), found())

    assert (read and str(read)) == meant


def test_where_no_id_has_two_digits_in_any_base_nothing_is_doubtful() -> None:
    """On a host with the first few adapters and domains."""
    host = observe(SimulatedHost(hardware([5, 6], [4])))

    assert [*suspects(make_plan(desired([guest("a", config([5], [47]), 1)]), host))] == []


@pytest.mark.parametrize(
    ("typed", "ids"),
    [("5", [5]), ("05", [5]), ("71", [0x71, 71]), ("0x71", [0x71]), ("0X2F", [0x2F]), ("ab", [0xAB]), ("ff", [255])],
)
def test_an_id_may_mean_what_its_digits_are_in_hex_and_in_decimal(typed: str, ids: list[int]) -> None:
    """Hex first, since tools show ids like that; 0x leaves no doubt."""
    assert list(ids_meant(typed)) == ids


@pytest.mark.parametrize(("typed", "ids"), [("171", [171]), ("100", [100]), ("256", []), ("0x100", []), ("x", [])])
def test_no_id_is_above_255(typed: str, ids: list[int]) -> None:
    """In the one base it may be, in the other not."""
    assert list(ids_meant(typed)) == ids


@pytest.mark.parametrize(
    ("typed", "queues"),
    [
        (("5", "71"), ["05.0047", "05.0071"]),  # the host has it in decimal
        (("5", "44"), ["05.0044", "05.002c"]),  # the host has it in hex
        (("5", "50"), ["05.0050", "05.0032"]),  # the host has neither
        (("10", "71"), ["10.0047", "10.0071", "0a.0047"]),  # in two bases only what the host has
        (("5", "4"), ["05.0004"]),
        (("0x5", "0x47"), ["05.0047"]),
        (("5", "171"), ["05.00ab"]),
        (("0a", "171"), ["0a.00ab"]),  # in one base it is none
        (("5", "999"), []),
        (("300", "4"), []),
    ],
)
def test_a_queue_may_mean_several_that_the_host_has_first(typed: tuple[str, str], queues: list[str]) -> None:
    """Both ids in the same base."""
    assert [str(one) for one in queues_meant(*typed, found())] == queues
