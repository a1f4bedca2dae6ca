"""``./run release [X.Y.Z]``: changelog, versions, commit, artefacts, notes, hashes and tag from one command.

All of it is done in a clone of the commit that is released. The repository gets commit and tag from there at the end,
both or none, so that a release that fails leaves nothing. A dry run ends before that.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, NamedTuple

from packages import changelog, versions
from packages.changelog import Version
from packages.python_files import write_hashes
from packages.source import ROOT, BuildFailed, run

BRANCH: Final = "main"
CHANGELOG: Final = "CHANGELOG.md"
ARTEFACTS: Final = "build/release"
"""Where the artefacts of a release are, below the repository."""

_LOCAL_SETTINGS: Final = r"^(user|gpg|commit|tag)\."
"""Settings of git that may stand in the repository alone, and that a commit and a tag depend on."""

Build = Callable[[Path, Path, Sequence[str]], None]
"""Fills a directory with the artefacts of a clone, of these kinds; raises `BuildFailed` where it cannot."""


class Refused(Exception):
    """No release can be made; `reasons` has a sentence for each cause."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


class Release(NamedTuple):
    """What is to be released.

    Attributes:
        root: the clone in which a person works.
        version: the version that it gets.
        day: the day that changelogs and notes name.
        kinds: the kinds of artefacts (`packages.__main__.KINDS`).
    """

    root: Path
    version: Version
    day: date
    kinds: tuple[str, ...] = ("python",)

    @property
    def tag(self) -> str:
        """The name of the tag."""
        return f"v{self.version}"


def proposed(root: Path) -> Version:
    """The version that the changelog of HEAD asks for.

    Raises:
        Refused: the version that HEAD has now is none.
    """
    with tempfile.TemporaryDirectory(prefix="reconcile-release-") as folder:
        clone = _clone(root, Path(folder) / "clone")
        try:
            current = Version.read(versions.read(clone)["reconciler/__init__.py"])
        except ValueError as error:
            raise Refused([f"reconciler/__init__.py: {error}"]) from error
        return changelog.next_version(_text(clone / CHANGELOG), current)


def place_problems(root: Path) -> list[str]:
    """Why no release is made in this clone, whatever is in its commit: the branch and the work tree."""
    branch = _git(root, "rev-parse", "--abbrev-ref", "HEAD")
    changed = _git(root, "status", "--porcelain").splitlines()
    where = "no branch is checked out" if branch == "HEAD" else f"this is {branch}"
    found = [] if branch == BRANCH else [f"a release is made on the branch {BRANCH}, and {where}"]
    return found + ([f"{len(changed)} files are not as committed, such as {changed[0][3:]}"] if changed else [])


def problems(clone: Path, release: Release) -> Iterator[str]:
    """Why the commit in `clone` cannot be released as it is said; a sentence for each cause."""
    text = _text(clone / CHANGELOG)
    yield from (f"{CHANGELOG} {problem}" for problem in changelog.problems(text))
    carried = versions.read(clone)
    yield from (f"{file} carries no version where one is expected" for file, found in carried.items() if not found)
    if len(set(carried.values())) > 1:
        yield "not all files carry one version: " + ", ".join(f"{file} {found}" for file, found in carried.items())
    if release.tag in _git(release.root, "tag", "--list").splitlines():
        yield f"there is a tag {release.tag} already"
    before = [*changelog.released(text), *_tagged(release.root)]
    if before and release.version <= max(before):
        yield f"{release.version} is not higher than {max(before)}, which was released"
    current = carried["reconciler/__init__.py"]
    if not before and current and release.version < Version.read(current):
        yield f"{release.version} is lower than {current}, which the files carry"


def _tagged(root: Path) -> Iterator[Version]:
    for name in _git(root, "tag", "--list", "v*").splitlines():
        if re.fullmatch(r"v\d+\.\d+\.\d+", name):
            yield Version.read(name[1:])


def make(release: Release, build: Build, *, is_dry_run: bool) -> Iterator[str]:
    """Make the release, or rehearse it; a line for each thing that was done.

    Args:
        release: what is released.
        build: makes the artefacts.
        is_dry_run: change nothing in the repository. The artefacts are thrown away, and commit and tag are not signed.

    Raises:
        Refused: it cannot be released; nothing was changed.
        BuildFailed: an artefact could not be made; nothing was changed.
    """
    with tempfile.TemporaryDirectory(prefix="reconcile-release-") as folder:
        clone = _clone(release.root, Path(folder) / "clone")
        if reasons := [*([] if is_dry_run else place_problems(release.root)), *problems(clone, release)]:
            raise Refused(reasons)
        _settle_git(release.root, clone, is_dry_run=is_dry_run)
        text = _text(clone / CHANGELOG)
        notes = changelog.notes(text, release.version, release.day.isoformat())
        changed = changelog.with_release(text, release.version, release.day.isoformat())
        (clone / CHANGELOG).write_text(changed, encoding="utf-8")
        versions.write(clone, release.version, release.day)
        _run_git(clone, "commit", "--quiet", "--all", "--message", _message(release))
        yield f"commit {_git(clone, 'log', '-1', '--format=%h %s')}"
        yield from (f"  {line.strip()}" for line in _git(clone, "show", "--stat=100", "--format=").splitlines())
        artefacts = Path(folder) / "artefacts"
        build(clone, artefacts, release.kinds)
        (artefacts / "NOTES.md").write_text(notes, encoding="utf-8")
        sums = write_hashes(artefacts)
        yield f"artefacts ({', '.join(release.kinds)}), in {ARTEFACTS}"
        yield from (f"  {line}" for line in _text(sums).splitlines())
        yield _tag(release, clone, artefacts, is_dry_run=is_dry_run)
        if not is_dry_run:
            _take_over(release, clone, artefacts)


def _message(release: Release) -> str:
    return f"Release {release.version}\n\nThe unreleased changes are of this version, which all files carry now."


def _tag(release: Release, clone: Path, artefacts: Path, *, is_dry_run: bool) -> str:
    """Make the annotated tag, with the notes; what was done."""
    is_signed = bool(_setting(release.root, "user.signingkey"))
    kind = "--sign" if is_signed and not is_dry_run else "--annotate"
    words = ["--cleanup=whitespace", "--file", str(artefacts / "NOTES.md"), release.tag]
    _run_git(clone, "tag", kind, *words)
    return f"tag {release.tag}, {'signed' if is_signed else 'not signed: git has no user.signingkey'}"


def _take_over(release: Release, clone: Path, artefacts: Path) -> None:
    """Bring commit and tag into the repository, and the artefacts beside them; all of it or nothing."""
    target = release.root / ARTEFACTS
    reference = f"refs/tags/{release.tag}"
    _run_git(release.root, "fetch", "--quiet", "--no-tags", str(clone), f"{reference}:{reference}")
    try:
        _run_git(release.root, "merge", "--quiet", "--ff-only", f"{release.tag}^{{commit}}")
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(artefacts, target)
    except BuildFailed:
        _run_git(release.root, "tag", "--delete", release.tag)
        raise


def _clone(root: Path, target: Path) -> Path:
    """A clone of HEAD of `root`, on the branch that is released."""
    _run_git(root, "clone", "--quiet", "--no-checkout", "--no-tags", str(root), str(target))
    _run_git(target, "checkout", "--quiet", "-B", BRANCH, _git(root, "rev-parse", "HEAD"))
    return target


def _settle_git(root: Path, clone: Path, *, is_dry_run: bool) -> None:
    """Have git make commits in `clone` as in `root`; a dry run signs nothing, and needs nobody's name."""
    local = _git(root, "config", "--local", "--get-regexp", _LOCAL_SETTINGS, is_optional=True)
    settings = dict(line.partition(" ")[::2] for line in local.splitlines())
    if is_dry_run:
        settings |= {"commit.gpgsign": "false", "tag.gpgsign": "false"}
        for name, value in (("user.name", "dry run"), ("user.email", "dry-run@localhost")):
            if not _setting(root, name):
                settings[name] = value
    for name, value in settings.items():
        _run_git(clone, "config", name, value)


def _setting(root: Path, name: str) -> str:
    return _git(root, "config", "--get", name, is_optional=True)


def _git(folder: Path, *words: str, is_optional: bool = False) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and not is_optional:
        raise BuildFailed(f"git {' '.join(words[:3])} ended with status {done.returncode}: {done.stderr.strip()}")
    return done.stdout.rstrip("\n")


def _run_git(folder: Path, *words: str) -> None:
    run(["git", *words], folder)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def build_packages(clone: Path, target: Path, kinds: Sequence[str]) -> None:
    """Run ``./run packages`` of `clone`, with the programs of this virtual environment.

    Raises:
        BuildFailed: something could not be built, or did not pass its checks.
    """
    environment = {**os.environ, "PYTHONPATH": str(clone)}
    words = [sys.executable, "-P", "-m", "packages", *kinds, "--to", str(target)]
    done = subprocess.run(words, cwd=clone, env=environment, check=False)
    if done.returncode:
        raise BuildFailed(f"./run packages {' '.join(kinds)} ended with status {done.returncode}; see above")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run release", description="Release the commit that is checked out.")
    parser.add_argument("version", nargs="?", metavar="X.Y.Z", help="left out: the one that the changelog asks for")
    parser.add_argument("--dry-run", action="store_true", help="do all of it in a clone, and change nothing here")
    parser.add_argument("--date", type=date.fromisoformat, help="the day of the release, YYYY-MM-DD (today, in UTC)")
    kinds = "as for ./run packages, repeatable; left out: all of them as root, else python; wheel for a dry run"
    parser.add_argument("--kind", action="append", metavar="KIND", help=kinds)
    return parser.parse_args()


def main() -> int:
    """Release what is asked for; the exit status is 1 where that is refused or fails."""
    given = _options()
    try:
        version = Version.read(given.version) if given.version else proposed(ROOT)
        release = Release(
            ROOT,
            version,
            given.date or datetime.now(UTC).date(),
            tuple(given.kind or _usual_kinds(is_dry_run=given.dry_run)),
        )
        print(f"{'Dry run of' if given.dry_run else 'Making'} {release.version}, {release.day}", flush=True)
        for line in make(release, build_packages, is_dry_run=given.dry_run):
            print(line, flush=True)
        notes = place_problems(ROOT) if given.dry_run else []
    except (Refused, BuildFailed, ValueError) as error:
        reasons = error.reasons if isinstance(error, Refused) else (str(error),)
        print(*(f"release: {reason}" for reason in reasons), "release: nothing was changed", sep="\n", file=sys.stderr)
        return 1
    print(
        *(f"note: here the release itself would be refused: {note}" for note in notes), sep="\n", end="\n" * bool(notes)
    )
    print("Dry run: nothing was changed." if given.dry_run else _next(release))
    return 0


def _usual_kinds(*, is_dry_run: bool) -> tuple[str, ...]:
    """What this user can build; for a dry run what takes seconds, and no program that is not here yet."""
    if is_dry_run:
        return ("wheel",)
    return ("python", "debian", "rpm") if os.geteuid() == 0 else ("python",)


def _next(release: Release) -> str:
    return (
        f"Released on this machine; nothing was published. Look at {ARTEFACTS}/NOTES.md, then:\n"
        f"  git push --atomic origin {BRANCH} {release.tag}\n"
        f"To undo it before: git tag --delete {release.tag} && git reset --keep HEAD~1"
    )


if __name__ == "__main__":
    sys.exit(main())
