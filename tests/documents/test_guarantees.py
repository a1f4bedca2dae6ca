"""Every promise names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")


def test_the_tests_of_each_promise_are_there() -> None:
    """A test that was renamed, or trials that are no more, would leave a promise without proof."""
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", TEXT))
    trials = (ROOT / "trials/__main__.py").read_text(encoding="utf-8")

    assert len(named) > 15
    assert [one for one in sorted(named) if not (ROOT / one).exists()] == []
    assert [one for one in re.findall(r"`\./run trials (\w+)`", TEXT) if f'"{one}"' not in trials] == []
    for row in re.findall(r"^\| .* \|$", TEXT.split("## What happens")[0], re.MULTILINE)[1:]:
        assert "`" in row.rsplit("|", 2)[1], row
