"""Everything that the doctor can find is explained in docs/doctor.md, and nothing else."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MADE = re.compile(r'\b(?:error|warning|make)\(\s*"([a-z0-9.-]+)"')


def test_every_finding_is_documented() -> None:
    """Whoever looks an id up finds what it means and what to do."""
    made = {found for module in (ROOT / "reconciler/doctor").glob("*.py") for found in MADE.findall(module.read_text())}
    explained = re.findall(r"^### (\S+)$", (ROOT / "docs/doctor.md").read_text(), re.MULTILINE)

    assert len(made) > 25
    assert made == set(explained)
    assert len(set(explained)) == len(explained)


def test_every_finding_has_a_test() -> None:
    """From something that is ill in that way."""
    tests = "".join(module.read_text() for module in (ROOT / "tests/doctor").glob("*.py"))
    explained = re.findall(r"^### (\S+)$", (ROOT / "docs/doctor.md").read_text(), re.MULTILINE)

    assert [one for one in explained if f'{one}"' not in tests] == []
