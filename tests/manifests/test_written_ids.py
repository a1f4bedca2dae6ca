"""Which ids of a document are others in the other base."""

import pytest

from reconciler.manifests.pinpoint import ReadAgain
from reconciler.manifests.written_ids import written_ids
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
    """Each such id of the document at `line`, behind the name of its list."""
    return [(one.axis, one.text) for one in written_ids(Position("f", line, 1), ReadAgain({"f": text}))]


@pytest.mark.parametrize(
    ("line", "ids"),
    [
        (
            2,
            [("adapters", "10"), ("domains", "0x47"), ("adapters", "11"), ("domains", "12"), ("domains", "13")],
        ),
        (
            9,
            [
                ("adapters", "0x10"),
                ("adapters", "16"),
                ("domains", "47"),
                ("domains", "8-10"),
                ("controlDomains", "48"),
            ],
        ),
        (21, []),
        (24, []),
        (27, []),
    ],
)
def test_ids_are_found_that_are_others_in_the_other_base(line: int, ids: list[tuple[str, str]]) -> None:
    """In every list of every kind; no digit alone, no id of one base only, no range in both, and no queue."""
    assert written(line) == ids


def test_both_readings_are_given() -> None:
    """As decimal and as hex, whichever it is written in."""
    one, *_ = written_ids(Position("f", 1, 1), ReadAgain({"f": "spec: {adapters: [8-10]}"}))

    assert (one.ids, one.otherwise, one.is_hex) == (IdSet([8, 9, 10]), IdSet(range(8, 17)), False)
    other, *_ = written_ids(Position("f", 1, 1), ReadAgain({"f": "spec: {adapters: [0x8-0x10]}"}))
    assert (other.ids, other.otherwise, other.is_hex) == (IdSet(range(8, 17)), IdSet([8, 9, 10]), True)


def test_of_a_file_that_is_not_there_nothing_is_known() -> None:
    """As of what a record says."""
    assert written_ids(Position("generation 3", 0, 0), ReadAgain({})) == ()
