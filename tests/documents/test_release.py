"""A release is one command: what it refuses, what it changes, and that a dry run changes nothing."""

import hashlib
import re
import subprocess
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

import pytest

from packages import changelog, versions
from packages.changelog import Version
from packages.release import BRANCH, Refused, Release, make, proposed
from packages.source import BuildFailed
from testing.programs import needs

ROOT: Final = Path(__file__).parents[2]
DAY: Final = date(2026, 11, 30)
ENTRIES: Final = """\
### Added

- A picture of the host
  that fits on one page ([docs/report.md](docs/report.md)).

### Fixed

- The loop ends in time, as [the page](docs/loop.md#end) says.
"""
TEXT: Final = f"# Changelog\n\nWhat changed.\n\n## [Unreleased]\n\n{ENTRIES}"
BEFORE: Final = "\n## [0.1.0] — 2026-11-01\n\n### Added\n\n- Everything.\n"
FILES: Final = {
    "CHANGELOG.md": TEXT + BEFORE,
    "reconciler/__init__.py": '"""The API."""\n\n__version__ = "0.1.0"\n',
    "ansible/galaxy.yml": "namespace: reconcile\nversion: 0.1.0\n",
    "docs/gitops.md": "```yaml\n  - repo: https://git.example/x\n    rev: v0.1.0\n```\n",
    "packaging/debian/changelog": "reconcile (0.1.0-1) unstable; urgency=medium\n\n  * First package.\n\n"
    " -- The project <p@example.org>  Sat, 28 Nov 2026 12:00:00 +0000\n",
    "packaging/rpm/one.spec": "Name: one\nVersion:        0.1.0\n\n%changelog\n"
    "* Sat Nov 28 2026 The project <p@example.org> - 0.1.0-1\n- First package\n",
}


def git(folder: Path, *words: str) -> str:
    """What git says."""
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A small repository with every file that carries the version."""
    root = tmp_path / "repository"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    git(root.parent, "init", "--quiet", "--initial-branch", BRANCH, str(root))
    settings = {"user.name": "A person", "user.email": "p@example.org", "commit.gpgsign": "false"}
    for name, value in settings.items():
        git(root, "config", name, value)
    commit(root)
    return root


def commit(root: Path, **texts: str) -> None:
    """Commit all files as they are, with these texts; `_` stands for `/` and `__` for `.` in a name."""
    for name, text in texts.items():
        (root / name.replace("__", ".").replace("_", "/")).write_text(text, encoding="utf-8")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "change")


def build(clone: Path, target: Path, kinds: Sequence[str]) -> None:
    """A wheel that says of which version it is."""
    target.mkdir()
    (target / "one.whl").write_text(f"{versions.read(clone)['ansible/galaxy.yml']} {kinds}", encoding="utf-8")


def state(root: Path) -> tuple[str, ...]:
    """All that a release may change."""
    files = sorted(str(one.relative_to(root)) for one in root.rglob("*") if ".git" not in one.parts)
    return git(root, "rev-parse", "HEAD"), git(root, "tag", "--list"), git(root, "status", "--porcelain"), *files


def release(root: Path, version: str = "0.2.0", *, is_dry_run: bool = False) -> list[str]:
    """What the release says that it has done."""
    return list(make(Release(root, Version.read(version), DAY), build, is_dry_run=is_dry_run))


def refusals(root: Path, version: str = "0.2.0", *, is_dry_run: bool = True) -> str:
    """Why it is refused; and then nothing has changed."""
    before = state(root)
    with pytest.raises(Refused) as refused:
        release(root, version, is_dry_run=is_dry_run)
    assert state(root) == before
    return "\n".join(refused.value.reasons)


def test_a_release_is_a_commit_with_one_version_everywhere(repository: Path) -> None:
    """And the work tree is that commit."""
    release(repository)

    assert set(versions.read(repository).values()) == {"0.2.0"}
    assert git(repository, "status", "--porcelain", "--untracked-files=no") == ""
    assert git(repository, "log", "-1", "--format=%s by %an") == "Release 0.2.0 by A person"
    text = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]\n\n## [0.2.0] — 2026-11-30\n\n### Added\n\n- A picture" in text
    assert changelog.released(text) == [Version(0, 2, 0), Version(0, 1, 0)]


def test_the_changelogs_of_packages_get_an_entry(repository: Path) -> None:
    """Above those of the versions before, signed by the same and with the day."""
    release(repository)

    debian = (repository / "packaging/debian/changelog").read_text(encoding="utf-8")
    assert re.findall(r"^reconcile.*|>  .*", debian, re.MULTILINE) == [
        "reconcile (0.2.0-1) unstable; urgency=medium",
        ">  Mon, 30 Nov 2026 12:00:00 +0000",
        "reconcile (0.1.0-1) unstable; urgency=medium",
        ">  Sat, 28 Nov 2026 12:00:00 +0000",
    ]
    spec = (repository / "packaging/rpm/one.spec").read_text(encoding="utf-8")
    assert spec.partition("%changelog\n")[2] == (
        "* Mon Nov 30 2026 The project <p@example.org> - 0.2.0-1\n- New release; see CHANGELOG.md\n\n"
        "* Sat Nov 28 2026 The project <p@example.org> - 0.1.0-1\n- First package\n"
    )


def test_the_first_release_has_the_version_that_the_files_carry(repository: Path) -> None:
    """It gets the day, and no second entry in the changelogs of packages."""
    commit(repository, CHANGELOG__md=TEXT)

    assert proposed(repository) == Version(0, 1, 0)
    release(repository, "0.1.0")

    assert (repository / "packaging/debian/changelog").read_text(encoding="utf-8").count("reconcile (") == 1
    assert "* Mon Nov 30 2026" in (repository / "packaging/rpm/one.spec").read_text(encoding="utf-8")


def test_artefacts_are_built_of_the_release_and_have_hashes(repository: Path) -> None:
    """Beside the notes: the entries, each on one line, without links into the repository."""
    release(repository)

    folder = repository / "build/release"
    assert (folder / "one.whl").read_text(encoding="utf-8") == "0.2.0 ('python',)"
    notes = (folder / "NOTES.md").read_text(encoding="utf-8")
    assert notes == (
        "# reconcile 0.2.0 — 2026-11-30\n\n## Added\n\n"
        "- A picture of the host that fits on one page (`docs/report.md`).\n\n## Fixed\n\n"
        "- The loop ends in time, as the page (`docs/loop.md#end`) says.\n"
    )
    hashes = dict(line.split("  ")[::-1] for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines())
    assert hashes == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("NOTES.md", "one.whl")
    }


def test_the_tag_is_annotated_with_the_notes(repository: Path) -> None:
    """With their headings, which git would take for comments."""
    release(repository)

    assert git(repository, "cat-file", "-t", "v0.2.0") == "tag"
    assert git(repository, "rev-parse", "v0.2.0^{commit}") == git(repository, "rev-parse", "HEAD")
    assert git(repository, "tag", "--list", "--format=%(contents)", "v0.2.0").splitlines()[:3] == [
        "# reconcile 0.2.0 — 2026-11-30",
        "",
        "## Added",
    ]


def test_the_tag_is_signed_where_git_has_a_key(repository: Path, tmp_path: Path) -> None:
    """Also where the repository alone names the key."""
    needs("ssh-keygen")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    git(repository, "config", "gpg.format", "ssh")
    git(repository, "config", "user.signingkey", f"{key}.pub")

    said = release(repository)

    assert said[-1] == "tag v0.2.0, signed"
    assert "BEGIN SSH SIGNATURE" in git(repository, "cat-file", "tag", "v0.2.0")


def test_a_dry_run_shows_it_all_and_changes_nothing(repository: Path) -> None:
    """It needs no branch and no name, as in CI, and says which files would change."""
    git(repository, "checkout", "--quiet", "--detach")
    before = state(repository)

    said = release(repository, is_dry_run=True)

    assert state(repository) == before
    assert [line for line in said if line.startswith(("artefacts", "tag"))] == [
        "artefacts (python), in build/release",
        "tag v0.2.0, not signed: git has no user.signingkey",
    ]
    assert sum(name in line for line in said for name in FILES if " | " in line) == len(FILES)


def test_a_release_needs_a_clean_main(repository: Path) -> None:
    """So that what is released is what a person looked at."""
    (repository / "note.txt").write_text("later", encoding="utf-8")
    git(repository, "checkout", "--quiet", "-b", "trial")

    assert refusals(repository, is_dry_run=False).splitlines() == [
        "a release is made on the branch main, and this is trial",
        "1 files are not as committed, such as note.txt",
    ]


@pytest.mark.parametrize(
    ("version", "reason"),
    [("0.1.0", "0.1.0 is not higher than 0.1.0"), ("0.0.9", "0.0.9 is not higher than 0.1.0")],
)
def test_versions_only_grow(repository: Path, version: str, reason: str) -> None:
    """Beyond those of the changelog and of the tags."""
    assert reason in refusals(repository, version)


def test_a_version_is_released_once(repository: Path) -> None:
    """Also one that only a tag has."""
    git(repository, "tag", "v0.3.0")

    assert "there is a tag v0.3.0 already" in refusals(repository, "0.3.0")
    assert "0.2.0 is not higher than 0.3.0" in refusals(repository, "0.2.0")


def test_a_first_release_is_not_lower_than_what_the_files_carry(repository: Path) -> None:
    """Which packages of trials may have had."""
    commit(repository, CHANGELOG__md=TEXT)

    assert "0.0.1 is lower than 0.1.0" in refusals(repository, "0.0.1")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("# Changelog\n", "has no section '## [Unreleased]'"),
        ("## [Unreleased]\n\n### Added\n", "has no entry"),
        ("## [Unreleased]\n\n### New\n\n- One.\n", "has a heading 'New' that is none of Added, Changed"),
        ("## [Unreleased]\n\n### Fixed\n\n- One.\n\n### Fixed\n\n- Two.\n", "has the heading 'Fixed' twice"),
        ("## [Unreleased]\n\n- One.\n", "has an entry below no heading: - One."),
        ("## [Unreleased]\n\n### Fixed\n\n- One.\nTwo.\n", "has a line that is no entry: Two."),
        ("## [Unreleased]\n\n### Fixed\n\n- One.\n\n  Two.\n", "has a line that continues no entry: Two."),
        (
            "## [Unreleased]\n\n### Fixed\n\n- One\n  {0}\n- Two\n  {0} and more.\n".format(
                "that a merge has left " * 2
            ),
            "has a line twice: that a merge has left",
        ),
        (f"{TEXT}\n## [0.0.1] — 2026-10-01\n{BEFORE}", "does not have its versions from the newest to the oldest"),
    ],
)
def test_a_changelog_that_cannot_be_released(repository: Path, text: str, reason: str) -> None:
    """Its reason says where to look."""
    commit(repository, CHANGELOG__md=text)

    assert f"CHANGELOG.md {reason}" in refusals(repository, "1.0.0")


def test_files_that_carry_another_version_are_named(repository: Path) -> None:
    """And so are those that carry none, all in one run."""
    (repository / "ansible/galaxy.yml").write_text("version: 0.0.9\n", encoding="utf-8")
    (repository / "docs/gitops.md").unlink()
    commit(repository)

    said = refusals(repository)

    assert "docs/gitops.md carries no version where one is expected" in said
    assert "reconciler/__init__.py 0.1.0, ansible/galaxy.yml 0.0.9" in said


def test_what_cannot_be_built_leaves_nothing(repository: Path) -> None:
    """No commit, no tag, no artefacts."""

    def fail(_clone: Path, _target: Path, _kinds: Sequence[str]) -> None:
        raise BuildFailed("no compiler")

    before = state(repository)
    with pytest.raises(BuildFailed, match="no compiler"):
        list(make(Release(repository, Version(0, 2, 0), DAY), fail, is_dry_run=False))

    assert state(repository) == before


def test_a_commit_that_comes_meanwhile_is_not_overwritten(repository: Path) -> None:
    """The release is refused, and its tag does not stay."""

    def build_slowly(clone: Path, target: Path, kinds: Sequence[str]) -> None:
        build(clone, target, kinds)
        (repository / "note.txt").write_text("meanwhile", encoding="utf-8")
        commit(repository)

    with pytest.raises(BuildFailed, match="merge"):
        list(make(Release(repository, Version(0, 2, 0), DAY), build_slowly, is_dry_run=False))

    assert git(repository, "tag", "--list") == ""
    assert git(repository, "log", "-1", "--format=%s") == "change"


@pytest.mark.parametrize(
    ("headings", "current", "proposal"),
    [
        ("Fixed", "0.1.2", "0.1.3"),
        ("Fixed Security", "1.1.2", "1.1.3"),
        ("Added Fixed", "0.1.2", "0.2.0"),
        ("Changed", "1.1.2", "1.2.0"),
        ("Removed", "0.1.2", "0.2.0"),
        ("Added Removed", "1.1.2", "2.0.0"),
    ],
)
def test_the_changelog_proposes_the_version(headings: str, current: str, proposal: str) -> None:
    """By Semantic Versioning, where what is removed needs a new major version from 1.0.0 on."""
    sections = "".join(f"### {heading}\n\n- One.\n\n" for heading in headings.split())

    assert str(changelog.next_version(f"## [Unreleased]\n\n{sections}{BEFORE}", Version.read(current))) == proposal


@pytest.mark.parametrize("text", ["1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.3-rc1", "", "1.2.٣"])
def test_what_is_no_version_is_refused(text: str) -> None:
    """With three numbers, and nothing else."""
    with pytest.raises(ValueError, match="is no version"):
        Version.read(text)


def test_this_repository_can_be_released() -> None:
    """Its changelog is well-formed, and all files carry one version."""
    assert list(changelog.problems((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))) == []
    assert len(set(versions.read(ROOT).values())) == 1


def test_no_file_carries_the_version_unknown_to_a_release() -> None:
    """One that comes new has to be added to PLACES in packages/versions.py."""
    (version,) = set(versions.read(ROOT).values())
    known = {file for file, _ in versions.files(ROOT)}
    since = re.compile(r"version_added: .*|sample: .*")
    folders = ("ansible", "cockpit", "docs", "packaging", "reconciler")
    files = [one for folder in folders for one in (ROOT / folder).rglob("*") if one.suffix not in {".pyc", ".svg"}]

    carried = {
        file
        for file in [*files, ROOT / "README.md", ROOT / "pyproject.toml"]
        if file.is_file()
        and re.search(rf"(?<![\d.]){re.escape(version)}(?![\d.])", since.sub("", file.read_text(encoding="utf-8")))
    }

    assert carried <= known
