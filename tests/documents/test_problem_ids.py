"""Every problem that can be told is explained in docs/problems.md."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"\b(?:error|[Pp]roblem)\(\s*(_?[A-Z][A-Z_]+),")
CONSTANT = re.compile(r'^(_?[A-Z][A-Z_]+)(?:: Final)? = "([a-z0-9-]+)"', re.MULTILINE)
MADE = re.compile(r'(?:error|_Reason|NotAnId|_problem|_tell|_warning|Refused|RefusedPart|Problem)\(\s*"([a-z0-9-]+)"')


def named_ids() -> set[str]:
    """The ids that problems are made with by the names of constants, in any package."""
    texts = [module.read_text() for module in (ROOT / "reconciler").rglob("*.py")]
    constants = {name: text for one in texts for name, text in CONSTANT.findall(one)}
    used = {name for one in texts for name in NAMED.findall(one)}
    return {constants[name] for name in used if name in constants}


def test_ids_of_constants_are_found() -> None:
    """Among them those that only some formats print."""
    assert {"needs-consent", "more-problems", "no-manifests"} <= named_ids()


def test_every_problem_id_is_documented() -> None:
    """Whoever looks an id up finds when it appears and how to mend it."""
    packages = ("manifests", "planning", "integrations", "transaction", "cli")
    modules = [module for package in packages for module in (ROOT / "reconciler" / package).glob("*.py")]
    made = {found for module in modules for found in MADE.findall(module.read_text())}
    made |= named_ids()
    explained = re.findall(r"^### (\S+)$", (ROOT / "docs/problems.md").read_text(), re.MULTILINE)

    assert len(made) > 40
    assert made <= set(explained)
    assert len(set(explained)) == len(explained)
