"""docs/threat-model.md names code and tests that exist, and SECURITY.md leads to it."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
TEXT: Final = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")
CHECKS: Final = TEXT.split("\n## What is checked where\n")[1].split("\n## ")[0]
ROWS: Final = [
    line.removeprefix("| ").removesuffix(" |").split(" | ") for line in CHECKS.splitlines() if line[:2] == "| "
]


@pytest.mark.parametrize("row", ROWS[1:], ids=lambda row: row[0][:40])
def test_each_check_has_its_code_and_its_tests(row: list[str]) -> None:
    """A test that was renamed would leave a check without proof."""
    _, _, code, tests = row
    files = dict(re.findall(r"`(tests/[\w/]+\.py)`: ((?:`test_\w+`(?:, )?)+)", tests))

    assert [one for one in re.findall(r"`([^`]+)`", code) if not (ROOT / one).exists()] == []
    assert files
    assert re.sub(r"; ", "", tests) == "".join(f"`{file}`: {named}" for file, named in files.items())
    for file, named in files.items():
        text = (ROOT / file).read_text(encoding="utf-8")
        assert [one for one in re.findall(r"`(\w+)`", named) if f"def {one}(" not in text] == [], file


def test_every_directive_that_is_named_confines_the_loop() -> None:
    """The page claims no sandbox that the unit lacks."""
    units = (ROOT / "reconciler/integrations/units.py").read_text(encoding="utf-8")
    capabilities = re.findall(r"CAP_\w+", TEXT)

    assert f'"CapabilityBoundingSet={" ".join(capabilities)}"' in units
    assert all(
        one in units
        for one in ("NoNewPrivileges=yes", "ProtectSystem=strict", "DynamicUser=yes", 'MEMORY: Final = "1G"')
    )


def test_who_reports_a_hole_finds_what_counts_as_one() -> None:
    """Without an address that is nobody's."""
    security = (ROOT / "SECURITY.md").read_text(encoding="utf-8")

    assert "docs/threat-model.md" in security
    assert "@" not in security
    for page in ("README.md", "mkdocs.yml"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert {"SECURITY.md", "docs/threat-model.md"} <= set(re.findall(r"[\w/-]+\.md", text)), page
