"""Every problem that can be told is explained in docs/problems.md."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MADE = re.compile(r'(?:error|_Reason|NotAnId|_problem|_tell|_warning|Refused|RefusedPart|Problem)\(\s*"([a-z0-9-]+)"')


def test_every_problem_id_is_documented() -> None:
    """Whoever looks an id up finds when it appears and how to mend it."""
    packages = ("manifests", "planning", "integrations", "transaction", "cli")
    modules = [module for package in packages for module in (ROOT / "reconciler" / package).glob("*.py")]
    made = {found for module in modules for found in MADE.findall(module.read_text())}
    explained = re.findall(r"^### (\S+)$", (ROOT / "docs/problems.md").read_text(), re.MULTILINE)

    assert len(made) > 40
    assert made <= set(explained)
    assert len(set(explained)) == len(explained)
