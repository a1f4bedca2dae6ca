"""``reconcile report``: a page or a picture in one file, of a host, a plan, a generation or a record."""

import base64
import hashlib
import html
import os
import re
import shutil
import stat
from datetime import timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest

from reconciler.render.history_text import local_iso_time
from testing.clocks import FakeClock
from testing.commands import Command, Ran, change, example, example_from_elsewhere
from testing.git_repositories import Repository
from testing.pictures import tooltips, words

GIVEN: Final = "guest1: held, given by this plan"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """What reports take the time from."""
    clock = FakeClock()
    monkeypatch.setattr("reconciler.cli.report_command.time", clock)
    return clock


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` on a fresh copy of the three guests, in an empty directory."""
    return example_from_elsewhere("three-guests", tmp_path, capsys, monkeypatch)


def svg(ran: Ran) -> str:
    """The picture that went to standard output."""
    assert ran.code == 0, ran.err
    return ran.out


class Elements(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`."""
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """See `HTMLParser`."""
        self.text += data


def test_the_present_state_is_a_picture_of_the_grid(command: Command) -> None:
    """With the queues that the next apply gives and takes, and with those that wait for hardware."""
    planned = tooltips(svg(command("report", "--svg", "-")))
    command("apply", "--yes")
    command.bare("simulate", "--simulate", str(command.simulated_host), "unplug", "5")
    pending = svg(command("report", "--svg", "-"))

    assert "05.0004 (5.4) guest1: planned, the next apply gives it" in planned
    assert "05.0004 (5.4) guest1: pending, the card is not there yet" in tooltips(pending)
    assert {"0x05", "not there", "CEX5 CCA", "CEX5 accel.", "g1", "guest1"} <= set(words(pending))


def test_a_plan_is_shown_before_and_after(command: Command) -> None:
    """The same from manifests, from a saved plan, and, once it was applied, from the history."""
    command("plan", "--out", "plan.json")
    planned = svg(command("report", "--plan", "--svg", "-"))
    saved = svg(command.bare("report", "plan.json", "--svg", "-"))
    command("apply", "--yes", "--id", "first")
    where = ("--simulate", str(command.simulated_host))
    recorded = [svg(command.bare("report", "--generation", one, "--svg", "-", *where)) for one in ("1", "first")]

    for one in (planned, saved, *recorded):
        shown = tooltips(one)
        assert "05.0004 (5.4) guest1: held, given by this plan" in shown
        assert any("of the host's own drivers; this plan changes it" in text for text in shown)
        assert {"lpar7: before", "lpar7: after"} <= set(words(one))
    assert recorded[0] == recorded[1]


def test_a_recorded_host_is_shown_elsewhere(command: Command) -> None:
    """As it was found, compared with manifests, and with a plan for it."""
    command("apply", "--yes")
    command.bare("observe", "--out", "host.json", "--simulate", str(command.simulated_host))
    manifests = ("-f", str(command.directory))
    change(command, old="adapters: [5, 6]", new="adapters: [6]")

    found = svg(command.bare("report", "--observed", "host.json", "--svg", "-"))
    compared = svg(command.bare("report", "--observed", "host.json", "--svg", "-", *manifests))
    planned = svg(command.bare("report", "--plan", "--observed", "host.json", "--svg", "-", *manifests))

    assert "05.0004 (5.4) guest1: held" in tooltips(found)
    assert "05.0004 (5.4) guest1: leaving, the next apply takes it away" in tooltips(compared)
    assert "05.0004 (5.4) guest1: held, until the plan takes it" in tooltips(planned)


def test_a_page_is_one_file_that_a_strict_policy_lets_show(command: Command) -> None:
    """Its style has the digest that its policy names; it has no script, and nothing from elsewhere."""
    ran = command("report", "--plan", "--html", "-")
    page = Elements(ran.out)
    style = re.search("<style>(.*?)</style>", ran.out, re.DOTALL)

    assert style
    assert ran.out.startswith("<!DOCTYPE html>\n")
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = [one["content"] for tag, one in page.found if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy == [f"default-src 'none'; style-src 'sha256-{digest}'"]
    assert f'content="{policy[0]}"' in ran.out, "as it stands, also for who looks for it in the text"
    names = {name for _, one in page.found for name in one}
    assert not names & {"style", "src", "href", "srcset", "action"}
    assert not [name for name in names if name.startswith("on")]
    assert {tag for tag, _ in page.found} & {"script", "link", "img", "iframe", "object"} == set()
    assert ran.out.count("<style") == 1
    assert re.findall(r"url\((?!#)|https?:|@import", style[1]) == []
    ids = [one["id"] for _, one in page.found if "id" in one]
    assert len(set(ids)) == len(ids)


def test_a_page_says_in_a_table_what_its_picture_shows(command: Command) -> None:
    """Heads with their scope, a row for each guest, and the picture is named and described."""
    command("apply", "--yes")
    page = Elements(command("report", "--html", "-").out)
    scopes = [one["scope"] for tag, one in page.found if tag == "th"]

    assert {"col", "row"} == set(scopes)
    assert "0x05-0x06 (5-6)" in page.text
    assert "8 held, 6 of the host, 4 free" in page.text
    assert [one["role"] for tag, one in page.found if tag == "svg" and "role" in one] == ["img"]
    assert {"title", "desc", "caption", "main", "h1"} <= {tag for tag, _ in page.found}


def test_guests_are_chosen_by_label_and_counts_stay(command: Command) -> None:
    """As in status and matrix, for each kind of report."""
    command("plan", "--out", "plan.json")
    kinds = ((command, "report"), (command, "report", "--plan"), (command.bare, "report", "plan.json"))

    for run, *line in kinds:
        ran = run(*line, "-l", "tenant=payments", "--html", "-")
        assert ran.code == 0, ran.err
        titles = "".join(re.findall("<rect[^>]*><title>(.*?)</title>", ran.out))
        assert "guest1" in titles
        assert "guest2" not in titles
        assert "guests with -l tenant=payments only" in ran.out
        assert "8 " in ran.out


def test_what_a_label_leaves_out_is_counted(command: Command) -> None:
    """Guests, and the steps of a plan; nothing is counted where all are shown, and no queue is said to be missing."""
    command("plan", "--out", "plan.json")
    kinds = ((command, "report"), (command, "report", "--plan"), (command.bare, "report", "plan.json"))

    for run, *line in kinds:
        some, none = (
            Elements(run(*line, "-l", f"tenant={name}", "--html", "-").out).text for name in ("payments", "other")
        )
        assert "Guests1 of 3 shown" in some
        assert "Guests0 of 3 shown" in none
        assert ("Steps2 of 7 shown" in some) == ("Steps0 of 7 shown" in none) == (line != ["report"])
        assert "None of the guests that are shown has or claims a queue." in none
        assert "No queue is there" not in some + none
        assert " of 3 shown" not in run(*line, "--html", "-").out


def test_a_plan_with_a_conflict_is_shown_and_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report is written, and the exit code is that of a plan that cannot be applied."""
    monkeypatch.chdir(tmp_path)
    command = example("conflict", tmp_path, capsys)

    ran = command("report", "--plan", "--html", "r.html", "--svg", "r.svg")

    assert ran.code == 4
    assert "guest-overlap" in ran.err
    assert "guest-overlap" in Path("r.html").read_text(encoding="ascii")
    assert any("conflict: " in one for one in tooltips(Path("r.svg").read_text(encoding="ascii")))


def test_files_are_written_as_a_whole(command: Command) -> None:
    """A file that is there is replaced and keeps its permissions; where nothing can be written it stays as it was."""
    file = Path("report.html")
    file.write_text("before", encoding="utf-8")
    file.chmod(0o640)

    ran = command("report", "--html", str(file))

    assert (ran.code, ran.out, ran.err) == (0, "", "written to report.html\n")
    assert file.read_text(encoding="ascii").endswith("</html>\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert os.listdir() == ["report.html"]
    assert "cannot be written" in command("report", "--svg", "missing/report.svg").err


def test_the_same_host_gives_the_same_bytes(command: Command) -> None:
    """Of the same moment, so that two reports can be compared."""
    assert command("report", "--html", "-").out == command("report", "--html", "-").out


MADE: Final = local_iso_time(FakeClock().time())


def test_a_time_has_its_distance_from_utc() -> None:
    """As ISO 8601 writes it."""
    assert local_iso_time(1_800_000_000, timezone(timedelta(hours=1))) == "2027-01-15T09:00:00+01:00"


def facts(page: str) -> dict[str, str]:
    """What a page says of the whole host, by name."""
    pairs = re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", page)
    return {html.unescape(name): html.unescape(value) for name, value in pairs}


@pytest.mark.parametrize("given", [(), ("--plan",)], ids=["status", "plan"])
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_report_says_when_it_was_made_of_which_host_and_commit(
    command: Command, given: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For readers who are elsewhere, later: no path is one that depends on the directory."""
    site = Repository(Path.cwd() / "site")
    commit = site.commit({name: (command.directory / name).read_bytes() for name in ("host.yaml", "guests.yaml")})
    monkeypatch.chdir(site.path)
    where = ("--simulate", os.path.relpath(command.simulated_host))

    page = command.bare("report", *given, "--html", "-", *where, "-f", ".").out
    picture = command.bare("report", *given, "--svg", "-", *where, "-f", ".").out

    found = facts(page)
    assert found["Made"] == MADE
    assert found["Read from"] == f"the simulated host {command.simulated_host}"
    assert found["Commit"] == commit
    assert str(site.path) in Elements(page).text
    assert "manifests in ." not in Elements(page).text
    below = [f"Made: {MADE}", f"Read from: the simulated host {command.simulated_host}", f"Commit: {commit}"]
    assert words(picture)[-3:] == below


def test_every_report_says_what_it_was_made_of(command: Command, clock: FakeClock) -> None:
    """A saved plan, a generation and a record of a host, too."""
    command("plan", "--out", "plan.json")
    command.bare("observe", "--out", "host.json", "--simulate", str(command.simulated_host))
    command("apply", "--yes")
    clock.now = 60
    where = ("--simulate", str(command.simulated_host))

    saved = facts(command.bare("report", "plan.json", "--html", "-").out)
    applied = facts(command.bare("report", "--generation", "1", "--html", "-", *where).out)
    recorded = facts(command.bare("report", "--observed", "host.json", "--html", "-").out)

    assert {one["Made"] for one in (saved, applied, recorded)} == {local_iso_time(clock.time())}
    assert saved["Read from"] == str(Path.cwd() / "plan.json")
    assert saved["Manifests"] == str(command.directory)
    assert applied["Read from"] == f"the history in {command.simulated_host}.state"
    assert re.fullmatch(rf"{Path.cwd()}/host\.json, recorded 20\d\d-.*T.*[+-]\d\d:\d\d", recorded["Read from"])


def test_a_report_on_a_real_host_has_the_name_of_its_machine(command: Command, tmp_path: Path) -> None:
    """Which is not always that of the Host in the manifests."""
    root = tmp_path / "sys"
    bus = root / "bus" / "ap"
    (root / "devices" / "vfio_ap" / "matrix").mkdir(parents=True)
    for folder in ("devices", "drivers"):
        (bus / folder).mkdir(parents=True)
    for name in ("apmask", "aqmask", "ap_adapter_mask", "ap_usage_domain_mask", "ap_control_domain_mask"):
        (bus / name).write_text(f"0x{'f' * 64}\n")
    for name in ("ap_max_adapter_id", "ap_max_domain_id"):
        (bus / name).write_text("255\n")
    where = ("--sysfs", str(root), "--state-dir", str(tmp_path / "state"))

    found = facts(command.bare("report", "--html", "-", *where, "-f", str(command.directory)).out)

    assert found["Read from"] == f"{root} on {os.uname().nodename}"


USAGE: Final = {
    (): "--html report.html",
    ("--html", "a", "--svg", "a"): "the same file",
    ("--plan", "--generation", "1", "--svg", "a"): "--generation, --plan",
    ("--generation", "0", "--svg", "a"): "no number of a generation",
    (".", "--svg", "a"): "manifests are named with -f",
}


@pytest.mark.parametrize("given", USAGE)
def test_what_cannot_be_meant_is_refused(command: Command, given: tuple[str, ...]) -> None:
    """With what to do instead."""
    ran = command("report", *given)

    assert ran.code == 64
    assert USAGE[given] in ran.err
    assert os.listdir() == []


def test_what_is_read_is_not_written_over(command: Command) -> None:
    """Manifests, the simulated host, a saved plan, a record of a host."""
    command("plan", "--out", "plan.json")
    command.bare("observe", "--out", "host.json", "--simulate", str(command.simulated_host))
    where = ("--simulate", str(command.simulated_host))
    lines = [
        ("report", "--html", str(command.directory / "guests.yaml"), "-f", str(command.directory), *where),
        ("report", "--svg", str(command.simulated_host), *where),
        ("report", "plan.json", "--svg", "plan.json"),
        ("report", "--observed", "host.json", "--svg", "host.json"),
    ]

    for line in lines:
        ran = command.bare(*line)
        assert ran.code == 64, line
        assert "name another file" in ran.err


def test_a_missing_generation_or_file_is_reported(command: Command) -> None:
    """As by the commands that read them."""
    where = ("--simulate", str(command.simulated_host))
    Path("bad.json").write_text("{}", encoding="utf-8")

    assert command.bare("report", "--generation", "7", "--svg", "-", *where).code == 1
    assert "nothing has been applied yet" in command.bare("report", "--generation", "7", "--svg", "-", *where).err
    assert "is no saved plan" in command.bare("report", "bad.json", "--svg", "-").err
    assert command.bare("report", "--observed", "bad.json", "--svg", "-").code == 1


# Redacted ------------------------------------------------------------------------------------------------------------

SECRET: Final = re.compile("guest[123]|lpar7|[0-9a-f]{8}-[0-9a-f]{4}-|payments|examples|guests.yaml")


def redacted(command: Command, *words: str) -> str:
    """The page and the picture without names."""
    ran = command("report", *words, "--redact", "--html", "r.html", "--svg", "r.svg")
    assert ran.code in (0, 4)
    return Path("r.html").read_text(encoding="ascii") + Path("r.svg").read_text(encoding="ascii")


def test_a_redacted_report_has_no_names(command: Command) -> None:
    """Of every kind; and the same name has the same token in all of them."""
    kinds = [redacted(command), redacted(command, "--plan")]
    command("plan", "--out", "plan.json")
    kinds.append(redacted(command, "plan.json"))
    command("apply", "--yes")
    kinds += [redacted(command, "--generation", "1"), redacted(command, "-l", "tenant=payments")]

    assert [SECRET.findall(html.unescape(one)) for one in kinds] == [[]] * 5
    assert [one.count(MADE) for one in kinds] == [2] * 5
    tokens = [set(re.findall("guest-[0-9a-f]{8}", one)) for one in kinds]
    assert len(tokens[0]) == 3
    assert tokens[0] == tokens[1] == tokens[2] == tokens[3]


def test_tokens_depend_on_the_key(command: Command) -> None:
    """Who has not got it cannot try names; without one the command says what to do."""
    Path("key").write_bytes(b"k" * 32)
    Path("short").write_bytes(b"k")

    with_key = command("report", "--redact-key", "key", "--svg", "-")
    without = command("report", "--redact", "--svg", "-")

    assert "--redact-key FILE" in without.err
    assert with_key.err == ""
    assert not SECRET.search(with_key.out)
    assert set(re.findall("guest-[0-9a-f]{8}", with_key.out)).isdisjoint(re.findall("guest-[0-9a-f]{8}", without.out))
    assert command("report", "--redact-key", "short", "--svg", "-").code == 64


def test_a_redacted_conflict_has_no_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Problems are named, and their words are left out."""
    monkeypatch.chdir(tmp_path)
    command = example("conflict", tmp_path, capsys)

    page = redacted(command, "--plan")

    assert "error[guest-overlap]" in page
    assert re.findall("guests.yaml|guest[0-9]|payments|billing", html.unescape(page)) == []
