"""Which ids a document has in decimal."""

import pytest

from reconciler.manifests.decimals import decimal_ids
from reconciler.manifests.pinpoint import ReadAgain
from reconciler.model.ids import IdSet
from reconciler.model.problems import Position

TEXT = """\
# a comment
kind: Host
spec:
  pool: {adapters: [10], domains: [0x47, 4]}
  keep:
    - {adapters: [11], domains: [12]}
    - domains: [13]
---
kind: Guest
spec:
  adapters: [5, 0x10, "16"]
  domains:
    - 4
    - 47  # decimal
    - 8-10
    - 0x40-47
    - 100
    - 0-255
  controlDomains: [48]
---
kind: Guest
spec: {queues: ["05.0047", "16.0071"]}
---
kind: Guest
spec: {adapters: 10, domains: {a: 10}, controlDomains: [[10]]}
---
spec: [
"""


def written(line: int, text: str = TEXT) -> list[tuple[str, str]]:
    """Each id in decimal of the document at `line`, behind the name of its list."""
    return [(one.axis, one.text) for one in decimal_ids(Position("f", line, 1), ReadAgain({"f": text}))]


@pytest.mark.parametrize(
    ("line", "ids"),
    [
        (2, [("adapters", "10"), ("adapters", "11"), ("domains", "12"), ("domains", "13")]),
        (9, [("adapters", "16"), ("domains", "47"), ("domains", "8-10"), ("controlDomains", "48")]),
        (21, []),
        (24, []),
        (27, []),
    ],
)
def test_ids_are_found_that_are_others_in_hex(line: int, ids: list[tuple[str, str]]) -> None:
    """In every list of every kind; neither hex, nor one digit, nor what no id is in hex, nor queues."""
    assert written(line) == ids


def test_both_readings_are_given() -> None:
    """As decimal, and as hex."""
    one, *_ = decimal_ids(Position("f", 1, 1), ReadAgain({"f": "spec: {adapters: [8-10]}"}))

    assert (one.ids, one.in_hex) == (IdSet([8, 9, 10]), IdSet(range(8, 17)))


def test_of_a_file_that_is_not_there_nothing_is_known() -> None:
    """As of what a record says."""
    assert decimal_ids(Position("generation 3", 0, 0), ReadAgain({})) == ()
