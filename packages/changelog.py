"""CHANGELOG.md as a release reads it: what is unreleased, the version that it asks for, and the notes made of it.

Pure: texts in, texts out. The form is that of Keep a Changelog; a release is headed ``## [1.2.3] — 2026-11-30``.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple, Self

KINDS: Final = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
"""The headings that a section may have."""

_UNRELEASED: Final = "## [Unreleased]"
_RELEASED: Final = re.compile(r"^## \[(\d+\.\d+\.\d+)\] [—–-] \d{4}-\d{2}-\d{2}$", re.MULTILINE)
_LONG: Final = 40
"""Characters from which on a line that begins as another one is no coincidence."""


class Version(NamedTuple):
    """A version of Semantic Versioning, without words for releases that come before."""

    major: int
    minor: int
    patch: int

    @classmethod
    def read(cls, text: str) -> Self:
        """The version that `text` is.

        Raises:
            ValueError: it is none.
        """
        if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", text, re.ASCII):
            raise ValueError(f"{text!r} is no version such as 1.2.3")
        return cls(*map(int, text.split(".")))

    def __str__(self) -> str:
        return ".".join(map(str, self))


def unreleased(text: str) -> str:
    """What stands below the heading of what is unreleased; empty where there is no such heading."""
    after = f"\n{text}".partition(f"\n{_UNRELEASED}\n")[2]
    return re.split(r"^## ", after, maxsplit=1, flags=re.MULTILINE)[0].strip("\n")


def released(text: str) -> list[Version]:
    """The versions that have a section, in the order of the file."""
    return [Version.read(found) for found in _RELEASED.findall(text)]


def problems(text: str) -> Iterator[str]:
    """Why no release can be made of this changelog; nothing where one can."""
    if f"\n{_UNRELEASED}\n" not in f"\n{text}":
        yield f"has no section '{_UNRELEASED}'"
        return
    section = unreleased(text)
    if not re.search(r"^- ", section, re.MULTILINE):
        yield "has no entry in its section of what is unreleased"
    kinds = re.findall(r"^### (.*)", section, re.MULTILINE)
    for kind in kinds:
        if kind not in KINDS:
            yield f"has a heading '{kind}' that is none of {', '.join(KINDS)}"
    yield from (f"has the heading '{kind}' twice" for kind in KINDS if kinds.count(kind) > 1)
    yield from _odd_lines(section)
    if (versions := released(text)) != sorted(versions, reverse=True):
        yield "does not have its versions from the newest to the oldest"


def _odd_lines(section: str) -> Iterator[str]:
    """Lines that are not part of an entry, and those that a merge has left twice."""
    kind, before = "", ""
    lines = section.splitlines()
    for line in lines:
        if line.startswith("### "):
            kind = line
        elif line.startswith("- ") and not kind:
            yield f"has an entry below no heading: {line[:_LONG]}"
        elif line and not line.startswith(("- ", "  ")):
            yield f"has a line that is no entry: {line[:_LONG]}"
        elif line.startswith("  ") and not before:
            yield f"has a line that continues no entry: {line.strip()[:_LONG]}"
        before = line
    long = sorted(line.removeprefix("- ").strip() for line in lines if len(line) > _LONG)
    for one, following in pairwise(long):
        if following.startswith(one):
            yield f"has a line twice: {one[:_LONG]}"


def next_version(text: str, current: Version) -> Version:
    """The version that the unreleased entries ask for.

    Args:
        text: the changelog.
        current: the version that the files have: the one to come, where none was released yet.
    """
    if not released(text):
        return current
    kinds = set(re.findall(r"^### (.*)", unreleased(text), re.MULTILINE))
    if "Removed" in kinds and current.major:
        return Version(current.major + 1, 0, 0)
    if kinds <= {"Fixed", "Security"}:
        return Version(current.major, current.minor, current.patch + 1)
    return Version(current.major, current.minor + 1, 0)


def with_release(text: str, version: Version, date: str) -> str:
    """The changelog in which what was unreleased is `version`, and nothing is unreleased."""
    return text.replace(f"{_UNRELEASED}\n", f"{_UNRELEASED}\n\n## [{version}] — {date}\n", 1)


def notes(text: str, version: Version, date: str) -> str:
    """The release notes: the unreleased entries, each on one line, without links into the repository."""
    section = re.sub(r"\n  +(?=\S)", " ", unreleased(text))
    section = re.sub(r"\[([^\]]+)\]\((?!https?:)([^)\s]+)\)", _plain, section).replace("\n### ", "\n## ")
    return f"# reconcile {version} — {date}\n\n{section.removeprefix('#').strip()}\n"


def _plain(link: re.Match[str]) -> str:
    return f"`{link[1]}`" if link[1] == link[2] else f"{link[1]} (`{link[2]}`)"
