"""The history says who suspended and resumed what, when and why, between the generations and without a number."""

import json
import time
from pathlib import Path

import pytest

from testing.commands import Command, Ran, change, example

NOON = 1_800_000_000.0
"""2027-01-15 08:00:00 UTC."""


class Site:
    """The three guests on a simulated host, at a time that only passes when `wait` is called."""

    def __init__(self, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        self.command = command
        self.now = NOON
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(time, "time", lambda: self.now)
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def run(self, *words: str, user: str = "pat", code: int = 0) -> Ran:
        """Run ``reconcile`` with `words` for the simulated host, as `user`."""
        self._monkeypatch.setenv("SUDO_USER", user)
        ran = self.command.bare(*words, "--simulate", str(self.command.simulated_host))
        assert ran.code == code, ran.err
        return ran

    def listed(self, *words: str) -> list[list[str]]:
        """The lines of the history: number, result, who and what."""
        heading, *lines = self.run("history", *words).out.splitlines()
        at = [heading.index(name) for name in ("GEN", "RESULT", "BY", "WHAT")]
        ends = [at[0] + 4, at[2], at[3], None]
        return [
            [line[start:end].strip() for start, end in zip(at, ends, strict=True)]
            for line in lines
            if line[0] not in "… "
        ]

    @property
    def state(self) -> Path:
        """The state directory."""
        return Path(f"{self.command.simulated_host}.state")


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Site:
    """The three guests, applied; a minute has passed."""
    monkeypatch.delenv("COLUMNS", raising=False)
    made = Site(example("three-guests", tmp_path, capsys), monkeypatch)
    made.run("apply", "--yes", "-f", str(made.command.directory))
    made.wait(60)
    return made


def night(site: Site) -> None:
    """What happened last night: a suspension of each kind, an apply between them, and each kind of end."""
    site.run("suspend", "guest1", "guest2", "--reason", "key ceremony", "--for", "2h")
    site.wait(60)
    site.run("suspend", "--reason", "reboot", "--for", "10m", user="sam")
    site.wait(1200)
    change(site.command, "domains: [0x47, 0xff]\n---", "domains: [0x47]\n---")
    site.run("apply", "--yes", "--allow-suspended", "-f", str(site.command.directory), user="kim")
    site.wait(60)
    site.run("resume", "guest1", user="kim")


def test_what_happened_is_between_the_generations(site: Site) -> None:
    """Each in its place in time, with who did it and why, and without a number."""
    night(site)

    assert [row[:3] for row in site.listed()] == [
        ["-", "resumed", "kim"],
        ["2", "applied", "kim"],
        ["-", "ended", "-"],
        ["-", "suspended", "sam"],
        ["-", "suspended", "pat"],
        ["1", "applied", "pat"],
    ]
    whats = [row[3].split("  ")[0] for row in site.listed()]
    assert whats[0] == "guest1: key ceremony"
    assert whats[2:5] == [
        "the whole host: reboot",
        "the whole host until 2027-01-15 08:12: reboot",
        "guest1, guest2 until 2027-01-15 10:01: key ceremony",
    ]


def test_a_suspension_that_ends_by_itself_ends_in_the_history(site: Site) -> None:
    """Without anybody doing anything; that of a guest that was resumed before does not end twice."""
    night(site)
    site.wait(7200)

    newest = site.listed()[0]

    assert newest[:3] == ["-", "ended", "-"]
    assert newest[3].startswith("guest2: key ceremony")


def test_generations_are_counted_without_them(site: Site) -> None:
    """By -n, of which each counts one apply, and by a rollback."""
    night(site)

    newest = site.run("history", "-n", "1")
    assert [row[:2] for row in site.listed("-n", "1")] == [["-", "resumed"], ["2", "applied"]]
    assert "\n… and 1 earlier generation and 3 earlier lines about suspensions\n  next: " in newest.out
    assert "earlier" not in site.run("history", "-n", "2").out
    site.wait(60)
    back = site.run("rollback", "--yes", "--allow-suspended", user="kim")
    assert "rollback to 1" in " ".join(site.listed()[0]), back.err


def test_one_that_replaces_another_says_so_and_until_when(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also at 80 columns, however long the reason is; not after a resume, nor for guests of which one is new."""
    why = ("--reason", "firmware update of the card in slot four, ask operations")
    for words in (
        ("suspend", "guest1", *why, "--for", "1h"),
        ("suspend", "guest1", *why, "--for", "2h"),
        ("suspend", "guest1", "guest2", *why, "--for", "3h"),
        ("suspend", *why),
        ("suspend", "--reason", "another"),
        ("resume", "guest1"),
        ("suspend", "guest1", *why),
    ):
        site.run(*words)
        site.wait(1)
    monkeypatch.setenv("COLUMNS", "80")

    whats = [what for _, result, _, what in site.listed() if result == "suspended"]

    starts = [
        "guest1: firmware",
        "the whole host (again): another",
        "the whole host: firmware",
        "guest1, guest2 until 2027-01-15 11:01",
        "guest1 (again) until 2027-01-15 10:01: ",
        "guest1 until 2027-01-15 09:01: ",
    ]
    assert [what[: len(start)] for what, start in zip(whats, starts, strict=True)] == starts


def test_many_are_cut(site: Site) -> None:
    """To the newest 20, which are counted; all of them are listed by the command that is printed."""
    for number in range(25):
        site.run("suspend", "guest1", "--reason", f"reason {number}")
        site.wait(1)

    cut, whole = site.run("history").out, site.run("history", "-n", "0").out

    assert "reason 24" in cut
    assert "reason 4" not in cut
    assert "\n… and 5 earlier lines about suspensions\n  next: reconcile history -n 0" in cut
    assert whole.count("suspended") == 25
    assert "earlier" not in whole


def test_those_of_guests_with_a_label(site: Site) -> None:
    """And those of the host, which every guest shares."""
    night(site)
    labelled = site.run("history", "-l", "tenant=payments").out

    assert "guest1: key ceremony" in labelled
    assert "the whole host: reboot" in labelled
    assert "the whole host until 2027-01-15 08:12: reboot" in labelled
    site.wait(60)
    site.run("suspend", "guest3", "--reason", "moves")
    assert "moves" not in site.run("history", "-l", "tenant=payments").out


def test_programs_get_them_beside_the_generations(site: Site) -> None:
    """With every name and each moment in ISO 8601."""
    night(site)

    record = json.loads(site.run("history", "-o", "json").out)

    assert [one["number"] for one in record["generations"]] == [1, 2]
    assert [(one["what"], one["wholeHost"], one["guests"], one["by"]) for one in record["suspensions"]] == [
        ("suspended", False, ["guest1", "guest2"], "pat"),
        ("suspended", True, [], "sam"),
        ("ended", True, [], None),
        ("resumed", False, ["guest1"], "kim"),
    ]
    assert record["suspensions"][0] == {
        "at": "2027-01-15T08:01:00Z",
        "what": "suspended",
        "wholeHost": False,
        "guests": ["guest1", "guest2"],
        "more": 0,
        "by": "pat",
        "reason": "key ceremony",
        "until": "2027-01-15T10:01:00Z",
    }
    newest = json.loads(site.run("history", "-n", "1", "-o", "json").out)
    assert [one["what"] for one in newest["suspensions"]] == ["resumed"]


def test_what_an_older_version_suspended_is_listed_without_a_time(site: Site) -> None:
    """First, since it goes on; when it began was not recorded."""
    site.run("suspend", "guest1", "--reason", "key ceremony")
    (site.state / "suspension-log.json").unlink()

    listed = site.run("history").out.splitlines()

    assert listed[1].split() == ["-", "-", "suspended", "pat", "guest1:", "key", "ceremony"]


def test_a_history_begins_with_a_suspension(tmp_path: Path, site: Site) -> None:
    """Where nothing has been applied yet."""
    ran = site.run("suspend", "guest1", "--reason", "new", "--state-dir", str(tmp_path / "new"))
    assert ran.code == 0

    listed = site.run("history", "--state-dir", str(tmp_path / "new")).out

    assert "guest1: new" in listed
    assert listed.endswith("Nothing has been applied yet.\n")


def test_a_damaged_log_hides_no_generation_and_stops_no_suspension(site: Site) -> None:
    """It is named, with what moves it away."""
    (site.state / "suspension-log.json").write_text("{")

    listed = site.run("history")
    suspended = site.run("suspend", "guest1", "--reason", "x")

    assert "applied" in listed.out
    for ran, text in ((listed, "the history lacks suspensions"), (suspended, "the history will not show this")):
        assert f"warning: {text}: " in ran.err
        assert f"  next: mv {site.state / 'suspension-log.json'} " in ran.err
    assert "guest1" in (site.state / "suspended.json").read_text()


def test_a_disk_that_is_full_stops_no_suspension(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The history lacks it then, and that is said."""

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device", "suspension-log.json")

    monkeypatch.setattr("reconciler.cli.loop_commands.log_suspensions", refuse)

    ran = site.run("suspend", "guest1", "--reason", "x")

    assert "warning: the history will not show this: suspension-log.json: No space left on device" in ran.err
