"""``history --since WHEN``: what was applied, suspended and resumed since then, and how much there is before."""

import json
import re
import time
from pathlib import Path

import pytest

from testing.commands import Command, Ran, change, example

NOON = 1_800_014_400.0
"""2027-01-15 12:00 UTC."""


RESUMED = "- resumed"
PAYMENTS = "tenant=payments"


class Site:
    """The three guests on a simulated host, at a time that only passes when `at` is called."""

    def __init__(self, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        self.command = command
        self.now = NOON
        monkeypatch.setattr(time, "time", lambda: self.now)
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()

    def at(self, hours: float) -> "Site":
        """Let it be so many hours after noon of that day."""
        self.now = NOON + hours * 3600
        return self

    def run(self, *words: str, code: int = 0) -> Ran:
        """Run ``reconcile`` with `words` for the simulated host."""
        ran = self.command.bare(*words, "--simulate", str(self.command.simulated_host))
        assert ran.code == code, ran.err
        return ran

    def apply(self, adapters: str) -> None:
        """Apply manifests that give guest1 other adapters than before."""
        change(self.command, self.adapters, f"adapters: {adapters}")
        self.adapters = f"adapters: {adapters}"
        self.run("apply", "--yes", "-f", str(self.command.directory))

    adapters = "adapters: [5, 6]"

    @property
    def state(self) -> Path:
        """The state directory."""
        return Path(f"{self.command.simulated_host}.state")


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Site:
    """Two days: generation 1 and a suspension on the first one, generations 2 and 3 and a resumption on the second."""
    monkeypatch.delenv("COLUMNS", raising=False)
    made = Site(example("three-guests", tmp_path, capsys), monkeypatch)
    made.at(-26).run("apply", "--yes", "-f", str(made.command.directory))
    made.at(-25).run("suspend", "guest3", "--reason", "key ceremony")
    made.at(-8).apply("[5]")
    made.at(-7).apply("[6]")
    made.at(-6).run("resume", "guest3")
    made.at(0)
    return made


def listed(ran: Ran) -> list[str]:
    """Number and result of each line of the table."""
    found = re.findall(r"^(\d+|-) +(?:\d{4}-\d\d-\d\d \d\d:\d\d|-) +(\w+)", ran.out, re.MULTILINE)
    return [" ".join(one) for one in found]


@pytest.mark.parametrize(
    ("when", "expected", "ending"),
    [
        (("1h",), [], "Nothing has changed since 2027-01-15 11:00 UTC.\n… and 3 earlier generations and 2 earlier "),
        (("6h",), [RESUMED], "… and 3 generations and 1 line about suspensions before 2027-01-15 06:00 UTC"),
        (("today",), [RESUMED, "3 applied", "2 applied"], "… and 1 generation and 1 line about suspensions bef"),
        (("yesterday",), [RESUMED, "3 applied", "2 applied", "- suspended", "1 applied"], ""),
        (("2027-01-15T04:30",), [RESUMED, "3 applied"], "before 2027-01-15 04:30 UTC"),
        (("2027-01-15T05:30+01:00",), [RESUMED, "3 applied"], "before 2027-01-15 04:30 UTC"),
        (("2027-01-14T10:30",), [RESUMED, "3 applied", "2 applied", "- suspended"], "… and 1 generation before 2027"),
        (("yesterday", "-n", "1"), [RESUMED, "3 applied"], "… and 2 earlier generations and 1 earlier line"),
        (("today", "-n", "1"), [RESUMED, "3 applied"], "… and 2 earlier generations and 1 earlier line"),
        (("today", "-n", "2"), [RESUMED, "3 applied", "2 applied"], "… and 1 generation and 1 line about suspensions "),
        (("today", "-l", PAYMENTS), ["3 applied", "2 applied"], "… and 1 generation before 2027-01-15 00:00 UTC"),
        (("5h", "-l", PAYMENTS), [], "Nothing has changed since 2027-01-15 07:00 UTC.\n… and 3 earlier generations"),
    ],
)  # fmt: skip
def test_what_began_since_then_is_listed_and_the_rest_counted(
    site: Site, when: tuple[str, ...], expected: list[str], ending: str
) -> None:
    """Generations and suspensions alike; what is left out says before when it was, unless -n left out more."""
    ran = site.run("history", "--since", *when)

    assert listed(ran) == expected
    assert ending in ran.out
    assert bool(ending) == ("lists all" in ran.out)


def test_programs_get_the_same_and_how_many_there_are_before(site: Site) -> None:
    """As numbers."""
    record = json.loads(site.run("history", "--since", "today", "-o", "json").out)
    newest = json.loads(site.run("history", "--since", "today", "-n", "1", "-o", "json").out)
    everything = json.loads(site.run("history", "-o", "json").out)

    assert [one["number"] for one in record["generations"]] == [2, 3]
    assert [one["what"] for one in record["suspensions"]] == ["resumed"]
    assert (record["earlier"], record["earlierSuspensions"]) == (1, 1)
    assert (newest["earlier"], newest["earlierSuspensions"]) == (2, 1)
    assert (everything["earlier"], everything["earlierSuspensions"]) == (0, 0)


def test_all_since_then_are_listed_however_many(site: Site) -> None:
    """Other than without it, where the newest 20 are."""
    for number in range(11):
        site.at(number / 100).apply("[5]")
        site.at(number / 100 + 0.001).apply("[6]")

    assert len([one for one in listed(site.run("history", "--since", "1h")) if "applied" in one]) == 22
    assert len([one for one in listed(site.run("history")) if "applied" in one]) == 20


def test_a_host_without_a_history_says_so(site: Site, tmp_path: Path) -> None:
    """As without it."""
    ran = site.run("history", "--since", "today", "--state-dir", str(tmp_path / "new"))

    assert ran.out == "Nothing has been applied yet.\n"


def test_a_damaged_generation_is_listed_unless_a_later_one_is_too_early(site: Site) -> None:
    """When it began is not known."""
    (site.state / "generations" / "000002.json").write_text("{")

    assert listed(site.run("history", "--since", "today"))[1:] == ["3 applied", "2 damaged"]
    assert listed(site.run("history", "--since", "6h")) == ["- resumed"]


def test_one_generation_has_no_since(site: Site) -> None:
    """The list has."""
    ran = site.run("history", "show", "2", "--since", "today", code=64)

    assert "--since goes with the list only" in ran.err
    assert "history --simulate" in ran.err


def test_the_command_that_cuts_nothing_lists_the_same(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all that limits the list."""
    monkeypatch.setenv("COLUMNS", "44")

    shown = site.run("history", "--since", "today", "-n", "2")

    assert "reconcile history -o wide -n 2 --since today --simulate" in shown.out


def test_what_is_no_time_is_answered_with_the_forms(site: Site) -> None:
    """And with an example that can be run."""
    ran = site.run("history", "--since", "last night", code=64)

    assert "'last night' is no such time. Write today, yesterday" in " ".join(ran.err.split())
