"""Local times, in whatever zone the environment names: also in one that Python cannot have, or that has no name."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.commands import Command, change, example

ZONES = [
    "Europe/Berlin",
    "",
    "ABC24",
    "ABC-24",
    "ABC-24:59:59",
    "<>",
    "<>-3",
    "nonsense/zone",
    ":/dev/null",
    "AAA0BBB",
    "\udcff",
]
NAMES = {"": "UTC", "ABC24": "UTC", "ABC-24": "UTC", "<>": "+0000"}


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """``reconcile`` on a host that was changed twice; the zone is set back at the end."""
    found = example("three-guests", tmp_path, capsys)
    assert found("apply", "--yes").code == 0
    change(found)
    assert found("apply", "--yes", "--confirm-within", "5m").code == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        yield found
    time.tzset()


@pytest.mark.parametrize("zone", ZONES)
def test_every_time_is_shown_in_every_zone(command: Command, monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    """Where Python has no such zone, in UTC; where it has no name, with its distance from UTC."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()

    html = str(command.directory / "report.html")
    simulated = ("--simulate", str(command.simulated_host))
    for words in (
        ("history",), ("history", "show", "1"), ("history", "diff", "1", "2"), ("history", "-o", "json"), ("confirm",),
        ("status",), ("rollback", "1"), ("report", "--html", html), ("report", "--generation", "1", "--html", html),
    ):  # fmt: skip
        ran = command.bare(*words, *simulated)
        assert "bug in reconcile" not in ran.err, (words, ran.err)
        assert ran.code in {0, 4, 8}, (words, ran)
        assert "()" not in ran.out, words
        assert " \n" not in ran.out, words
    ran = command.bare("suspend", "guest1", "--reason", "x", "--until", "23:59", *simulated)
    assert "bug in reconcile" not in ran.err, ran.err
    if zone in NAMES:
        assert f"STARTED ({NAMES[zone]})" in command("history").out
