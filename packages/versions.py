"""Every place of the repository that carries the version: read, compared, and set by a release."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

from packages.changelog import Version

PLACES: Final = {
    "reconciler/__init__.py": r'^__version__ = "(.+)"$',
    "ansible/galaxy.yml": r"^version: (.+)$",
    "docs/gitops.md": r"^    rev: v(.+)$",
    "packaging/debian/changelog": r"\Areconcile \((.+)-[^-)]+\)",
    "packaging/rpm/*.spec": r"^Version: +(.+)$",
}
"""Files, and where the version stands in them. Python's metadata has it from the first one."""

_DEBIAN: Final = "packaging/debian/changelog"
_DEBIAN_DATE: Final = re.compile(r"^( -- .*>  ).*$", re.MULTILINE)
_RPM_ENTRY: Final = re.compile(r"(?<=^%changelog\n)\* \w+ \w+ \d+ \d+ (.*>) - (\S+)-\d+$", re.MULTILINE)


def files(root: Path) -> Iterator[tuple[Path, str]]:
    """Each file below `root` that carries the version, and its expression."""
    for name, expression in PLACES.items():
        found = sorted(root.glob(name))
        yield from ((one, expression) for one in found or [root / name])


def read(root: Path) -> dict[str, str]:
    """The version that each file carries, by its path below `root`; empty where it carries none."""
    found = {}
    for file, expression in files(root):
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        match = re.search(expression, text, re.MULTILINE)
        found[str(file.relative_to(root))] = match[1] if match else ""
    return found


def write(root: Path, version: Version, day: date) -> None:
    """Have each file carry `version`, released on `day`; all of them have to carry one now (`read`)."""
    for file, expression in files(root):
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".spec":
            text = _spec_with_entry(text, version, day)
        if str(file.relative_to(root)) == _DEBIAN:
            text = _debian_with_entry(text, version, day)
        else:
            match = re.search(expression, text, re.MULTILINE)
            assert match is not None
            text = text[: match.start(1)] + str(version) + text[match.end(1) :]
        file.write_text(text, encoding="utf-8")


def _debian_with_entry(text: str, version: Version, day: date) -> str:
    """The first entry of `version` gets the date; where the newest one is of another version, a new one is made."""
    if not text.startswith(f"reconcile ({version}-"):
        signed = _DEBIAN_DATE.search(text)
        assert signed is not None
        entry = f"reconcile ({version}-1) unstable; urgency=medium\n\n  * New release; see CHANGELOG.md.\n\n"
        text = f"{entry}{signed[0]}\n\n{text}"
    return _DEBIAN_DATE.sub(lambda line: f"{line[1]}{day:%a, %d %b %Y} 12:00:00 +0000", text, count=1)


def _spec_with_entry(text: str, version: Version, day: date) -> str:
    newest = _RPM_ENTRY.search(text)
    assert newest is not None, "a spec has a changelog"
    head = f"* {day:%a %b %d %Y} {newest[1]} - {version}-1"
    if newest[2] != str(version):
        head += f"\n- New release; see CHANGELOG.md\n\n{newest[0]}"
    return text[: newest.start()] + head + text[newest.end() :]
