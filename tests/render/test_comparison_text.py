"""A comparison as text: colour only adds, names from outside are escaped, and what is missing is in words."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.machines.compare import Holder, KnownCard, Moving, Purpose, Side, compare
from reconciler.model.ids import IdSet
from reconciler.model.machines import LparName
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.render.comparison_text import comparison_json, comparison_text
from reconciler.render.table import Page
from reconciler.render.text import Painter

UUID = "00000000-0000-4000-8000-00000000000{}"
FOUR = {5: IdSet([4, 5]), 6: IdSet([4, 5])}


def side(host: str, machine: str = "") -> Side:
    """An LPAR with four queues."""
    return Side(host, host, machine or host.upper(), LparName(f"cpc-{host}", "L1"), None, FOUR, IdSet([4, 5]))


def guest(name: str, *domains: int, hosts: tuple[str, ...] = ("a", "b")) -> Moving:
    """A guest with adapters 5 and 6."""
    found = IdSet(domains)
    return Moving(name, UUID.format(len(name) % 10), ApConfig(IdSet([5, 6]), found, found), hosts)


CARDS = {5: KnownCard(14, 0xF2000000), 6: KnownCard(14, 0xF2000000)}
OTHERS = {5: KnownCard(13, 0xE6000000), 6: KnownCard(14, 0x92800000, "is check-stopped")}
EVERYTHING = compare(
    side("a", "M")._replace(cards=CARDS),
    side("b", "M")._replace(
        cards=OTHERS,
        recorded=1_790_000_000.0,
        devices=frozenset(),
        holders=(Holder("other", UUID.format(9), Matrix(IdSet([5]), IdSet([4]))),),
        ungiven={6: IdSet([5])},
    ),
    [guest("payments", 4, 5, 9), guest("web", 4, hosts=("a",))],
)


def test_everything_that_can_be_missing_is_in_words() -> None:
    """In the table in short, and below it with adapters and domains."""
    text = comparison_text(EVERYTHING, Page(), most=None)

    (row,) = (line for line in text.splitlines() if line.startswith("  payments"))
    assert row == (
        "  payments  6       no     2 queues, 1 control domain, mode, older type, functions, card in trouble, "
        "held by another guest, not given to vfio_ap, device, same machine"
    )
    assert text.split("payments lacks on b\n")[1].startswith(
        "  queues           2 of 6: adapters 0x05-0x06 (5-6) with domain 0x09 (9)\n"
        "                   a lacks them, too\n"
        "  control domains  0x09 (9)\n"
        "  type             adapter 0x05 (5): CEX7 there is older than CEX8 here\n"
        "  mode             adapter 0x05 (5): EP11 there, CCA here\n"
        "  card             adapter 0x06 (6): the card there is check-stopped\n"
        "  functions        adapter 0x06 (6): lacks 4096-bit RSA with exponent, 4096-bit RSA with CRT; has full "
        "function besides\n"
        "  held             adapter 0x05 (5) with domain 0x04 (4): by guest other\n"
        "  not given        adapter 0x06 (6) with domain 0x05 (5): vfio_ap does not have them there\n"
        f"  device           {UUID.format(8)} is not there: apply the manifests there\n"
        "  machine          both are on M, where a queue belongs to one active LPAR only\n"
    )
    assert "Other guests of a\n" in text


@settings(max_examples=20)
@given(width=st.integers(40, 200))
def test_colour_only_adds_and_no_line_is_wider_than_the_page(width: int) -> None:
    """But for a command, which is never divided."""
    plain = comparison_text(EVERYTHING, Page(width), most=None)
    painted = comparison_text(EVERYTHING, Page(width, Painter()), most=None)

    assert re.sub(r"\033\[[0-9;]*m", "", painted) == plain != painted
    assert max(map(len, plain.splitlines())) <= max(width, len("  not given        ") + 40)


def test_what_the_source_lacks_too_is_named() -> None:
    """Where it has some of what is missing."""
    found = compare(side("a"), side("b")._replace(has={5: IdSet([4])}), [guest("payments", 4, 9)])

    assert "                   a lacks adapters 0x05-0x06 (5-6) with domain 0x09 (9), too\n" in comparison_text(
        found, Page()
    )


def test_without_guests_there_is_nothing_to_move() -> None:
    """It says so."""
    text = comparison_text(compare(side("a"), side("b"), []), Page())

    assert text.endswith("a has no guests.\n")


def test_a_takeover_of_records_without_a_place_names_machines() -> None:
    """As where no Machine lists the LPARs."""
    here = side("a", "M")._replace(lpar=None)
    found = compare(here, here._replace(machine_id=""), [guest("payments", 4)])

    assert found.purpose is Purpose.TAKEOVER
    assert comparison_text(found, Page()).startswith(
        "What would be pending once a on an unknown machine has taken over host a from a on M\n"
    )


def test_the_same_comparison_gives_the_same_bytes() -> None:
    """In ASCII."""
    assert comparison_json(EVERYTHING) == comparison_json(EVERYTHING)
    assert comparison_json(EVERYTHING).isascii()
