"""What is shown of a host with 500 guests: few lines by default, with the rest counted, and a command that shows it."""

import re
import shlex
from pathlib import Path

import pytest

from benchmarks.site import write_site
from reconciler.cli.main import run
from testing.commands import Ran

MOST_LINES = 60
GUESTS = 500


class Large:
    """``reconcile`` on a simulated host and the manifests of 500 guests."""

    def __init__(self, directory: Path, capture: pytest.CaptureFixture[str]) -> None:
        site = write_site(directory, GUESTS)
        self.where = ("-f", str(site.manifests), "--simulate", str(site.simulated_host))
        self._capture = capture

    def __call__(self, *words: str) -> Ran:
        return self.line(*words, *self.where)

    def line(self, *words: str) -> Ran:
        self._capture.readouterr()
        code = run(words)
        return Ran(code, *self._capture.readouterr())


@pytest.fixture
def large(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Large:
    """A host on which nothing was applied yet."""
    return Large(tmp_path, capsys)


def advised(text: str) -> list[str]:
    """The words of the command that `text` says shows all of it, without the program's name."""
    (line,) = re.findall(r"^  next: (.*?)\s+# shows all of it$", text, flags=re.MULTILINE)
    return shlex.split(line)[1:]


def test_a_plan_has_few_lines_and_says_what_shows_the_rest(large: Large) -> None:
    """Also while it is applied, and once it is; what it leads to shows every guest."""
    planned = large("plan")
    whole = large.line(*advised(planned.out))
    applied = large("apply", "--yes")
    shown = large.line(*advised(applied.out))

    assert [one.code for one in (planned, whole, applied, shown)] == [0] * 4
    for ran in (planned, applied):
        assert len((ran.out + ran.err).splitlines()) <= MOST_LINES + 2
        assert "more holders\n" in ran.out
        assert "more steps\n" in ran.out
    assert whole.out.count("  + guest ") == GUESTS
    assert all(f"guest-{number:05}" in shown.out for number in range(GUESTS))


def test_a_drift_has_few_lines_and_says_what_shows_the_rest(large: Large) -> None:
    """What it leads to shows every guest; the count is that of all."""
    ran = large("drift")
    whole = large.line(*advised(ran.out))

    assert (ran.code, whole.code) == (2, 2)
    assert len((ran.out + ran.err).splitlines()) <= MOST_LINES
    assert "more holders\n" in ran.out
    assert whole.out.count("  + guest ") == GUESTS
    said = "No drift, but the host pool and 500 guests differ from the manifests."
    assert ran.out.splitlines()[-2] == whole.out.splitlines()[-2] == said


@pytest.mark.parametrize("width", [36, 50, 57, 63])
def test_no_name_of_a_holder_that_a_matrix_leaves_out_is_cut(
    large: Large, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """The line that counts them is divided, and there are not more lines for that."""
    monkeypatch.setenv("COLUMNS", str(width))

    lines = large("matrix").out.splitlines()

    first = next(at for at, line in enumerate(lines) if "more holders, from" in line)
    said = " ".join(" ".join(lines[first : lines.index("", first)]).split())
    assert re.fullmatch(r"… and \d+ more holders, from [a-z]+ guest-\d{5} to [a-z]+ guest-\d{5}", said)
    assert max(len(line) for line in lines if "reconcile " not in line) <= width
    assert len(lines) <= MOST_LINES


def test_a_matrix_has_few_lines_and_says_what_shows_the_rest(large: Large) -> None:
    """What it leads to has a row for every adapter, and the name of every guest."""
    ran = large("matrix")
    whole = large.line(*advised(ran.out))

    assert (ran.code, whole.code) == (0, 0)
    assert len((ran.out + ran.err).splitlines()) <= MOST_LINES
    assert re.search(r"^  … and \d+ more rows$", ran.out, flags=re.MULTILINE)
    assert all(f"guest-{number:05}" in whole.out for number in range(GUESTS))
    assert len(re.findall(r"^  [0-9a-f]{2}     ", whole.out, flags=re.MULTILINE)) == 250


def test_a_matrix_names_the_holders_that_it_has_no_room_for(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the first and the last of them, whose letters are in the grid above."""
    monkeypatch.setenv("COLUMNS", "64")
    shown = large("matrix").out
    whole = large("matrix", "-o", "wide").out

    left = re.search(r"^  … and \d+ more holders, from (\w+) (\S+) to (\w+) (\S+)$", shown, flags=re.MULTILINE)
    assert left
    for letters, name in (left.groups()[:2], left.groups()[2:]):
        assert shown.count(name) == 1
        assert re.search(rf"  {letters} {name}\b", whole)
        assert re.search(rf"^  [0-9a-f]{{2}} .*\b{letters}\b", shown, flags=re.MULTILINE)
