"""A mistyped name is answered with the one that was probably meant, among however many there are."""

import difflib
from collections.abc import Iterator, Sequence
from itertools import count

import pytest

from reconciler.model.printable import first_unprintable
from reconciler.model.similar import MOST_COMPARED, MOST_RANKED, did_you_mean, nearest, no_guest_text

FEW = ["archive", "batch", "mail", "payments-1", "payments-2"]
MANY = [f"lnxprod{number:05}" for number in range(MOST_RANKED)]


def slips(name: str) -> Iterator[str]:
    """`name` with one slip of a finger, in every fourth place: a letter too many, missing, wrong, or two exchanged."""
    for at in range(0, len(name), 4):
        yield name[:at] + name[at + 1 :]
        yield f"{name[:at]}q{name[at:]}"
        yield f"{name[:at]}q{name[at + 1 :]}"
        yield name[:at] + name[at : at + 2][::-1] + name[at + 2 :]


@pytest.mark.parametrize(
    ("word", "meant"),
    [("mial", "mail"), ("MAIL", "mail"), ("Payment-2", "payments-2"), ("achive", "archive"), ("xyzzy", ""), ("", "")],
)
def test_a_slip_is_understood(word: str, meant: str) -> None:
    """Whatever the case; a word that is like none gets no answer."""
    assert nearest(word, FEW) == meant
    assert did_you_mean(word, FEW) == (f"Did you mean {meant!r}? " if meant else "")


@pytest.mark.parametrize("word", [None, 5, ["mail"]])
def test_only_text_is_compared(word: object) -> None:
    """What stands in a file may be anything."""
    assert nearest(word, FEW) == ""


@pytest.mark.parametrize("name", [MANY[0], "lnxprod04711", MANY[-1]])
def test_a_slip_is_understood_among_thousands_of_names(name: str) -> None:
    """Names of one site, which all begin alike; a wrong digit may have been meant as one of several."""
    for slip in slips(name):
        assert slip in MANY or slip in slips(nearest(slip, MANY)), slip


def test_the_effort_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names there are, and however long a word is."""
    compared: list[tuple[str, int]] = []

    def close(word: str, known: Sequence[str], n: int) -> list[str]:
        compared.append((word, len(known)))
        return list(known)[:n]

    monkeypatch.setattr(difflib, "get_close_matches", close)
    endless = (f"name{number}" for number in count())

    assert nearest("n" * 5000, endless).startswith("name")

    assert compared == [("n" * 100, MOST_COMPARED)]
    assert next(endless) == f"name{MOST_RANKED}"


def test_what_is_proposed_is_printable() -> None:
    """Also where a name has a character that people cannot see."""
    text = did_you_mean("mail", ["ma\x1bil\u202e"])

    assert text
    assert first_unprintable(text) is None


def test_a_guest_that_is_not_there_is_answered_with_those_that_are() -> None:
    """And with the one that was probably meant."""
    assert no_guest_text("mial", FEW) == (
        "no guest called mial is known here. Did you mean 'mail'? "
        "There are: archive, batch, mail, payments-1, payments-2"
    )
    assert no_guest_text("mial", ()) == "no guest called mial is known here. There are: none"
