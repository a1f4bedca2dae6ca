"""A plan whose search for the fewest writes was cut says so, and is the same each time."""

import json
from pathlib import Path

import pytest

from reconciler.model import stopping
from testing.commands import Command, example
from testing.hostile_sites import cycles

NOTE = "more writes than needed may be planned"


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """A host on which guests have what the manifests of seed 1 say, and manifests of seed 2 beside it."""
    made = example("three-guests", tmp_path, capsys)
    first, second = (made.directory / f"{seed}.yaml" for seed in (1, 2))
    first.write_text(cycles(1, 1, 8), encoding="utf-8")
    second.write_text(cycles(2, 1, 8), encoding="utf-8")
    assert made("apply", "--yes", manifests=first).code == 0
    return made


def test_every_form_of_a_cut_plan_says_so(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """In text, JSON and Markdown, and beside the diff; and the plan stays valid."""
    manifests = command.directory / "2.yaml"
    whole = command("plan", "-o", "json", manifests=manifests)
    assert whole.code == 0, whole.err
    others = json.loads(whole.out)["notes"]
    assert not any(NOTE in one for one in others)
    monkeypatch.setattr(stopping.Budget.__init__, "__defaults__", (10, lambda: None))

    plans = {form: command("plan", "-o", form, manifests=manifests) for form in ("text", "diff", "json", "markdown")}

    assert {one.code for one in plans.values()} == {0}
    assert all(NOTE in (one.err if form == "diff" else one.out) for form, one in plans.items())
    record = json.loads(plans["json"].out)
    assert [one for one in record["notes"] if NOTE not in one] == others
    assert len(record["notes"]) == len(others) + 1
    assert len(record["steps"]) >= len(json.loads(whole.out)["steps"])
    assert command("plan", "-o", "json", manifests=manifests).out == plans["json"].out
    assert command("apply", "--yes", "--allow-disruption", manifests=manifests).code == 0
