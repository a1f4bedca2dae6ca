"""docs/operations.md says what the code does."""

import json
import re
from pathlib import Path

from reconciler.watch.events import Event, Kind, Level
from reconciler.watch.metrics import BUILD_INFO, METRICS
from reconciler.watch.notices import notice_record
from reconciler.watch.report import Condition
from testing.reports import report

TEXT = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[tuple[str, ...]]:
    """The cells of the first table below `heading`, without its head."""
    table = re.search(r"(?:^\|.*\|\n)+", TEXT.split(f"## {heading}\n")[1], re.MULTILINE)
    assert table
    lines = table[0].splitlines()[2:]
    return [tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]) for line in lines]


def test_the_metrics_are_those_of_the_code() -> None:
    """Every one, in order, with its kind, labels and meaning."""
    told = [(f"`{one.name}`", one.kind, ", ".join(one.labels), one.help) for one in METRICS]

    assert rows("Metrics") == [(f"`{BUILD_INFO}`", "info", "version", "The version of reconcile"), *told]


def test_every_condition_and_kind_is_explained() -> None:
    """As the code has them."""
    assert [row[0] for row in rows("Looking")] == [f"`{one}`" for one in Condition]
    assert re.findall(r"`([a-z-]+)`", TEXT.split("happened: ")[1].split(". What")[0]) == [one.value for one in Kind]


def test_the_example_of_a_message_is_one() -> None:
    """With the same fields in the same order."""
    example = json.loads(TEXT.split("```json\n")[1].split("```")[0])

    made = notice_record(Event(Kind.DRIFT, Level.WARNING, "x"), report())

    assert list(example) == list(made)
    assert example["kind"] in set(Kind)
