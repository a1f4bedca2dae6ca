"""``reconcile status``: in every directory, for every user, on every page."""

import json
import os
import re
import shlex
import time
from pathlib import Path

import pytest
import yaml

from reconciler.cli.loop_seen import published_loop
from reconciler.cli.main import run
from reconciler.cli.output import Output
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.published import LoopPublisher, LoopStatus, PublishedReader
from reconciler.watch.report import Counters, RefusedConfiguration, SourceReport
from reconciler.watch.report_text import Ended
from reconciler.watch.request_triggers import RequestTriggers
from reconciler.watch.run_directory import RunDirectory
from reconciler.watch.status_file import StatusFile
from testing.commands import Command, Ran, change, example
from testing.golden import assert_golden
from testing.reports import report

HOST = """\
apiVersion: reconciler/v1
kind: SimulatedHost
metadata: {name: lpar7}
spec:
  kernel: "6.12"
  adapters:
    - {id: 4, type: CEX7}
    - {id: 5, type: CEX8}
    - {id: 6, type: CEX8, mode: ep11}
    - {id: 7, type: CEX8}
  usageDomains: [4, 5, 6, 0x47]
  controlDomains: [4, 5, 6, 0x47]
"""
MANIFESTS = """\
apiVersion: reconciler/v1
kind: Host
metadata: {name: lpar7}
spec: {}
"""
GUEST = """\
---
apiVersion: reconciler/v1
kind: Guest
metadata: {{name: {name}, labels: {{tenant: {tenant}, tier: gold}}}}
spec: {{host: lpar7, adapters: [{adapters}], domains: [{domains}]{more}}}
"""
GUESTS = (
    ("archive", "backup", "4", "0x47", ""),
    ("batch", "backup", "6", "6", ", activation: on-demand"),
    ("mail", "office", "6", "4", ""),
    ("payments-database-primary", "payments", "5, 9", "4", ""),
    ("payments-web", "payments", "5", "5", ", controlDomains: [5, 0x48]"),
    ("reports", "office", "7", "5", ""),
    ("spare", "office", "7", "6", ", activation: inactive"),
)
WHERE = ("--simulate", "simulated-host.yaml")


@pytest.fixture
def night(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """A host on which several things are wrong; its manifests are applied, and are in the working directory."""
    monkeypatch.setenv("SUDO_USER", "kim")
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    (tmp_path / "simulated-host.yaml").write_text(HOST)
    names = ("name", "tenant", "adapters", "domains", "more")
    guests = "".join(GUEST.format(**dict(zip(names, one, strict=True))) for one in GUESTS)
    (tmp_path / "guests.yaml").write_text(MANIFESTS + guests)
    monkeypatch.chdir(tmp_path)
    command = Command(tmp_path, capsys)
    assert command.bare("apply", "--yes", *WHERE).code == 0
    for request in (("set", "6", "checkstopped=true"), ("set", "7", "configured=false")):
        assert command.bare("simulate", *request, *WHERE).code == 0
    assert command.bare("suspend", "archive", "--reason", "ticket 4711", *WHERE).code == 0
    return command


def states(ran: Ran) -> dict[str, str]:
    """Of a table, the state of each guest, in its order."""
    lines = iter(ran.out.splitlines())
    next(line for line in lines if line.startswith("NAME "))
    rows = [line.split()[:2] for line in iter(lambda: next(lines), "")]
    return {row[0]: row[1] for row in rows}


STATES = {
    "mail": "failing",
    "reports": "failing",
    "payments-database-primary": "pending",
    "payments-web": "pending",
    "archive": "suspended",
    "batch": "on-demand",
    "spare": "inactive",
}


@pytest.mark.parametrize("columns", [40, 80, 120, 0])
@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
@pytest.mark.parametrize("words", ["table", "wide", "free", "guest", "labels", "applied", "alone"])
def test_it_is_shown_as_reviewed(
    night: Command, monkeypatch: pytest.MonkeyPatch, words: str, colour: bool, columns: int
) -> None:
    """On narrow and wide terminals and in a pipe, with colour and without; colour only adds."""
    if words in {"alone", "applied"}:
        Path("guests.yaml").unlink()
    if words == "alone":
        os.rename("simulated-host.yaml.state", "elsewhere")
    given = {
        "wide": ["-o", "wide"],
        "free": ["--free"],
        "guest": ["mail", "payments-web"],
        "labels": ["-l", "tenant=payments"],
    }.get(words, [])
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))
    if colour:
        monkeypatch.setattr(Output, "isatty", lambda self: True)
        monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: os.terminal_size((0, 0)))

    ran = night.bare("status", *given, *WHERE)

    assert ran.code == 0
    assert_golden(f"status/{words}-{columns or 'pipe'}{'-colour' if colour else ''}.txt", ran.out)
    if columns and not colour and words not in {"wide", "guest"}:
        compared = " " * 14  # its other lines; the last words in brackets stay together
        lines = [line for line in ran.out.splitlines() if not line.startswith(("  next: ", "  compared ", compared))]
        assert max(map(len, lines)) <= columns


def test_wide_is_worth_typing(night: Command) -> None:
    """It says where each guest is declared, who suspended it and until when, and cuts nothing, on the smallest host."""
    wide, table = night.bare("status", "-o", "wide", *WHERE).out, night.bare("status", *WHERE).out
    rows = {line.split()[0]: line for line in wide.splitlines() if "guests.yaml:" in line}
    records = json.loads(night.bare("status", "-o", "json", *WHERE).out)["guests"]

    assert rows.keys() == STATES.keys()
    lines = Path("guests.yaml").read_text().splitlines()
    for one in records:
        assert all(text in rows[one["name"]] for text in (one["uuid"], one["manifest"], one["activation"]))
        file, _, line = one["manifest"].rpartition(":")
        assert (file, lines[int(line) - 1]) == ("./guests.yaml", "apiVersion: reconciler/v1")
    assert "by kim until it is resumed: ticket 4711" in rows["archive"]
    assert {one["name"]: one["suspended"] for one in records if one["suspended"]} == {
        "archive": "suspended by kim until it is resumed: ticket 4711"
    }
    assert "adapter 0x06 (6) × domain 0x04 (4)" in rows["mail"]
    assert "0x05 (5), 0x48 (72)" in rows["payments-web"]
    cards = "CEX7 CCA: adapter 0x04 (4); CEX8 CCA: adapters 0x05 (5), 0x07 (7); CEX8 EP11: adapter 0x06 (6)"
    assert f"  cards       {cards}\n" in wide
    assert "…" not in wide
    assert "guests.yaml:" not in table


def test_without_manifests_no_place_of_one_is_shown(night: Command) -> None:
    """What was applied last is not where the manifests are now."""
    Path("guests.yaml").unlink()

    assert "guests.yaml" not in night.bare("status", "-o", "wide", *WHERE).out
    records = json.loads(night.bare("status", "-o", "json", *WHERE).out)["guests"]
    assert {one["manifest"] for one in records} == {None}


def test_what_is_wrong_comes_first_one_line_each(night: Command) -> None:
    """And counts of the whole host below."""
    ran = night.bare("status", *WHERE)

    assert states(ran) == STATES
    assert list(states(ran)) == list(STATES)
    assert "5 of 7 guests to look at: 2 failing, 2 pending, 1 suspended." in ran.out
    assert "by kim: ticket 4711" in ran.out
    assert "  card        adapter 0x06 (6) is check-stopped\n" in ran.out
    assert "  card        adapter 0x07 (7) is in standby (deconfigured)\n" in ran.out
    assert "control domain 0x48 (72), authorised in advance for payments-web" in ran.out


def test_without_manifests_it_is_what_was_applied_last(
    night: Command, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And that is said; every command that is printed works there."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))

    ran = night.bare("status", "--simulate", str(night.simulated_host))

    assert states(ran) == STATES
    assert (
        "  compared    with what was applied last: generation 1 (there are no manifests in this directory)\n" in ran.out
    )
    assert "Nothing to do: the host is as it was applied last.\n" in ran.out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("kind: Deployment\n", "the manifests in this directory cannot be used: ./guests.yaml:1:1: "),
        (f"{MANIFESTS}---\n{MANIFESTS}", "cannot be used: ./guests.yaml:8:18: the host 'lpar7' is described"),
    ],
)
def test_manifests_that_cannot_be_used_are_passed_over(night: Command, text: str, reason: str) -> None:
    """Where none were named; whoever names them is told what is wrong with them."""
    Path("guests.yaml").write_text(text)

    ran = night.bare("status", *WHERE)

    assert states(ran) == STATES
    assert reason in ran.out
    assert "The host is as it was applied last.\nThe manifests in this directory cannot be used.\n" in ran.out
    assert "Nothing to do" not in ran.out
    advised = "validate", *WHERE
    assert f"  next: reconcile {' '.join(advised)}    # shows every error in the manifests\n" in ran.out
    assert night.bare(*advised).code == 3
    assert night.bare("status", "-f", ".", *WHERE).code == 3


def test_where_manifests_cannot_be_used_and_nothing_was_applied_both_are_said(night: Command) -> None:
    """Then it is the host alone."""
    Path("guests.yaml").write_text("kind: Deployment\n")
    os.rename("simulated-host.yaml.state", "elsewhere")

    assert "    # shows every error in the manifests\n" in night.bare("status", *WHERE).out


def test_what_is_free_and_what_is_claimed_is_explained_where_it_is_claimed(night: Command) -> None:
    """Below the table."""
    assert "claimed: a guest is to have it" in night.bare("status", *WHERE).out
    file = Path("guests.yaml")
    file.write_text(file.read_text().replace("activation: on-demand", "activation: inactive"))
    assert "claimed" not in night.bare("status", *WHERE).out


def test_what_is_said_of_a_guest_a_queue_and_the_comparison_is_divided(
    night: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is cut, and no line is wider than the terminal."""
    monkeypatch.setenv("COLUMNS", "80")
    words = {one: night.bare("status", one, *WHERE).out for one in ("mail", "payments-web", "09.0047", "05.0005")}
    Path("guests.yaml").write_text("kind: Deployment\n")
    os.rename("simulated-host.yaml.state", "elsewhere")
    words["alone"] = night.bare("status", *WHERE).out

    for text in words.values():
        assert [line for line in text.splitlines() if len(line) > 80 and not line.startswith("  next: ")] == []
    assert "…" not in words["mail"] + words["payments-web"] + words["09.0047"]
    assert "nothing was applied yet; no loop enforces anything)" in " ".join(words["alone"].split())


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        (("-f", "."), "reconcile status -o wide -f . --simulate simulated-host.yaml"),
        (("-l", "tenant=office"), "reconcile status -l tenant=office -o wide --simulate simulated-host.yaml"),
    ],
)
def test_where_something_is_cut_the_command_that_shows_it_whole_is_last(
    night: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], whole: str
) -> None:
    """With the options that were given; on a page on which nothing is cut, and with ``-o wide``, it is not there."""
    monkeypatch.setenv("COLUMNS", "80")

    cut = night.bare("status", *words, *WHERE).out.splitlines()
    monkeypatch.setenv("COLUMNS", "200")
    enough = night.bare("status", *words, *WHERE).out
    monkeypatch.setenv("COLUMNS", "80")
    wide = night.bare(*shlex.split(whole)[1:]).out

    assert any(line.endswith("…") for line in cut)
    assert " ".join(cut[-2:]).endswith(f"  next: {whole}         # cuts nothing")
    for text in (enough, wide):
        assert "…" not in text
        assert "cuts nothing" not in text


def test_free_queues_of_which_something_is_cut_lead_to_all_of_it(
    night: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the table of guests."""
    monkeypatch.setenv("COLUMNS", "34")
    cut = night.bare("status", "--free", *WHERE).out
    monkeypatch.setenv("COLUMNS", "80")

    assert "…" in cut
    assert cut.endswith(
        "  next: reconcile status --free -o wide --simulate simulated-host.yaml\n        # cuts nothing\n"
    )
    assert "cuts nothing" not in night.bare("status", "--free", *WHERE).out


def test_two_numbers_of_queues_are_explained(night: Command) -> None:
    """Below the table, where a device has others than it is to have."""
    assert "QUEUES " not in night.bare("status", *WHERE).out.partition("WHY")[2]
    change(night, "adapters: [5], domains: [5]", "adapters: [5], domains: [5, 6]")

    out = night.bare("status", *WHERE).out

    name, _, numbers = next(line.split()[:3] for line in out.splitlines() if re.search(r" \d+/\d+ ", line))
    held, _, wanted = numbers.partition("/")
    assert f"QUEUES {numbers}: the device of {name} holds {held}, and is to hold {wanted}.\n" in out


def test_without_anything_it_is_the_host_alone(night: Command) -> None:
    """Devices by their uuid; nothing is said of what they should be."""
    Path("guests.yaml").unlink()
    os.rename("simulated-host.yaml.state", "elsewhere")

    ran = night.bare("status", *WHERE)
    record = json.loads(night.bare("status", "-o", "json", *WHERE).out)

    assert ran.code == 0
    assert "compared    with nothing: the host alone (" in ran.out
    assert "nothing was applied yet; no loop enforces anything)" in ran.out
    assert sorted(states(ran).values()) == ["failing", "failing", "pending", "pending", "unknown"]
    assert (record["inSync"], record["atBoot"], record["comparedWith"]["source"]) == (None, None, "host")


def test_of_another_host_nothing_that_was_applied_is_shown(night: Command) -> None:
    """The name is taken seriously in every fall-back."""
    Path("guests.yaml").unlink()

    ran = night.bare("status", "--host", "lpar9", *WHERE)

    assert "generation 1 was applied to host lpar7, not to lpar9" in ran.out
    assert "the host alone" in ran.out


@pytest.mark.parametrize("name", ["status", "matrix", "doctor"])
@pytest.mark.parametrize("named", [False, True], ids=["here", "named"])
def test_a_mistyped_host_is_refused_as_in_a_plan(night: Command, name: str, named: bool) -> None:
    """Where the manifests can be read and have no such Host, whether they are named or in this directory."""
    where = (*WHERE, *(["-f", "."] if named else []))

    ran = night.bare(name, "--host", "lpar8", *where)

    assert (ran.code, ran.out) == (3, "")
    assert ran.err == night.bare("plan", "--host", "lpar8", "-f", ".", *WHERE).err
    assert "Did you mean 'lpar7'?" in ran.err


def test_guests_are_chosen_by_name_uuid_and_label(night: Command) -> None:
    """Everything about them, or their rows; the counts stay those of the host."""
    record = json.loads(night.bare("status", "mail", "-o", "json", *WHERE).out)
    (mail,) = record["guests"]
    assert (mail["name"], mail["state"], mail["labels"]) == ("mail", "failing", {"tenant": "office", "tier": "gold"})
    assert night.bare("status", mail["uuid"], *WHERE).out == night.bare("status", "mail", *WHERE).out
    assert "  labels      tenant=office, tier=gold\n" in night.bare("status", "mail", *WHERE).out

    ran = night.bare("status", "-l", "tenant=payments", *WHERE)
    assert states(ran) == {name: state for name, state in STATES.items() if "payments" in name}
    assert "2 of 7 guests shown: -l tenant=payments\n" in ran.out
    assert "5 of 7 guests to look at" in ran.out
    for labels in (["-l", "tenant=office,tier=gold"], ["-l", "tenant=office", "-l", "tier=gold"]):
        assert night.bare("status", "-o", "name", *labels, *WHERE).out == "mail\nreports\nspare\n"
    assert night.bare("status", "-o", "name", "-l", "tenant=office,tier=tin", *WHERE).out == ""


def test_what_a_filter_leaves_out_is_said(night: Command) -> None:
    """Of guests that were named, and for programs: what was asked for, and how many guests there are."""
    asked = ("mail", "batch", "-l", "tenant=office")
    for words in (asked, (*asked, "-o", "wide")):
        out = night.bare("status", *words, *WHERE).out
        assert "mail" in out
        assert " guests shown: -l tenant=office; not shown: batch\n" in out
    record = json.loads(night.bare("status", *asked, "-o", "json", *WHERE).out)
    everything = json.loads(night.bare("status", "-o", "json", *WHERE).out)

    assert [one["name"] for one in record["guests"]] == ["mail"]
    total = len(everything["guests"]) + len(everything["foreign"])
    assert record["selection"] == {"words": ["mail", "batch"], "labels": {"tenant": "office"}, "total": total}
    assert everything["selection"] is None


def test_wrong_words_say_what_to_run(night: Command) -> None:
    """A name that is none, a label without a value, options that have nothing to say to each other."""
    for words, said in (
        (["mial"], "no guest called mial is known here. Did you mean 'mail'? There are: archive, "),
        (["-l", "tenant"], "'tenant' is no label; write key=value"),
        (["-l", "=x"], "'=x' is no label"),
        (["--free", "mail"], "leave out guests and labels"),
        (["--watch", "mail"], "GUEST has no effect"),
        (["--watch", "-o", "wide"], "-o wide has no effect"),
    ):
        ran = night.bare("status", *words, *WHERE)
        assert (ran.code, said in ran.err) == (64, True), ran


def test_the_formats_say_the_same(night: Command) -> None:
    """YAML is what JSON is; names are those of the table."""
    record = json.loads(night.bare("status", "-o", "json", *WHERE).out)

    assert yaml.safe_load(night.bare("status", "-o", "yaml", *WHERE).out) == record
    assert night.bare("status", "-o", "name", *WHERE).out.split() == list(STATES)
    assert {one["name"]: one["state"] for one in record["guests"]} == STATES
    free = json.loads(night.bare("status", "--free", "-o", "json", *WHERE).out)
    assert yaml.safe_load(night.bare("status", "--free", "-o", "yaml", *WHERE).out) == free
    assert [one["queue"] for one in free["free"]] == record["free"] != []
    assert (
        [{"queue": one["queue"], "claimedBy": one["claimedBy"]} for one in free["claimed"]] == record["claimed"] != []
    )
    assert night.bare("status", "--free", "-o", "name", *WHERE).out.split() == record["free"]


def test_free_means_the_same_everywhere(night: Command) -> None:
    """A queue that nobody has and nobody claims: in every command and form; one that is claimed is counted apart."""
    record = json.loads(night.bare("status", "-o", "json", *WHERE).out)
    claimed = {one["queue"] for one in record["claimed"]}
    assert claimed
    assert claimed.isdisjoint(record["free"])

    table = night.bare("status", "-o", "wide", *WHERE).out
    listed = night.bare("status", "--free", "-o", "wide", *WHERE).out.splitlines()
    cells = json.loads(night.bare("matrix", "-o", "json", *WHERE).out)
    shown = re.search(r"  free +\d+ queues \((\d+) more claimed\): (.*)", table)
    assert shown
    assert (int(shown[1]), shown[2].split(", ")) == (len(claimed), record["free"])
    assert {line.split()[0] for line in listed if line[2:3] == "."} == claimed | {*record["free"]}
    assert [one["queue"] for one in cells["cells"] if one["state"] == "free"] == record["free"]
    assert cells["counts"]["free"] == len(record["free"])


@pytest.mark.parametrize("width", [40, 61, 79, 80, 81, 97, 120, 300])
@pytest.mark.parametrize("domains", ["[0x47]", "[0x40-0x43]", "[0x40-0x47]", "[0x40-0x6f]"])
def test_the_line_of_free_queues_ends_with_a_whole_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, domains: str
) -> None:
    """However wide the page: where some are left out, they are counted, with the option that lists them."""
    command = example("three-guests", tmp_path, capsys)
    text = command.simulated_host.read_text(encoding="utf-8")
    command.simulated_host.write_text(text.replace("[4, 5, 6, 0x47, 0xab, 0xff]", domains), encoding="utf-8")
    assert command("apply", "--yes").code == 0
    monkeypatch.setenv("COLUMNS", str(width))

    found = re.search(r"^  free  .*$", command("status").out, re.MULTILINE)

    assert found
    shown = re.fullmatch(
        r"  free +(?:none|\d+ queues? \(--free\)|(\d+) queues?(?: \(\d+ more claimed\))?: "
        r"([0-9a-f]{2}\.[0-9a-f]{4}(?:, [0-9a-f]{2}\.[0-9a-f]{4})*)(?: and (\d+) more \(--free\))?)"
        r"(?: \(\d+ claimed\))?",
        found[0],
    )
    assert shown, found[0]
    assert not shown[1] or int(shown[1]) == len(shown[2].split(", ")) + int(shown[3] or 0)
    assert len(found[0]) <= width


def test_no_column_of_the_free_queues_says_what_another_one_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether a queue is claimed is said by whom, and without any trouble there is no column for it."""
    command = example("three-guests", tmp_path, capsys)
    assert command("apply", "--yes").code == 0
    change(command, "domains: [4, 0xab]", "domains: [4, 5]")

    lines = command("status", "--free").out.splitlines()

    assert [line.split() for line in lines[:3]] == [
        ["QUEUE", "CARD", "CLAIMED", "BY"],
        ["05.0005", "CEX5", "CCA", "guest1"],
        ["05.0006", "CEX5", "CCA", "-"],
    ]


@pytest.mark.parametrize("form", [[], ["-o", "wide"]])
def test_what_is_said_of_a_queue_stands_apart(night: Command, form: list[str]) -> None:
    """An empty line is below it, whatever follows."""
    lines = night.bare("status", "05.0005", *form, *WHERE).out.splitlines()

    assert lines[0].startswith("05.0005: ")
    assert (lines[1], lines[2] != "") == ("", True)


def test_all_free_queues_are_listed_with_what_is_wrong_with_them(night: Command) -> None:
    """Which guest claims them, and which card they are on."""
    lines = night.bare("status", "--free", *WHERE).out.splitlines()

    rows = {line.split()[0]: line for line in lines if line[2:3] == "."}
    assert "batch" in rows["06.0006"]
    assert "check-stopped" in rows["06.0006"]
    assert rows["07.0006"].split()[1:5] == ["CEX8", "CCA", "-", "in"]
    assert lines[0].split()[-1] == "TROUBLE"
    record = json.loads(night.bare("status", "-o", "json", *WHERE).out)
    assert len(rows) == len(record["free"]) + len(record["claimed"])


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("words", [[], ["-o", "wide"], ["--free"], ["mail"], ["-o", "yaml"]])
def test_every_terminal_can_show_it(night: Command, encoding: str, words: list[str]) -> None:
    """What the encoding lacks becomes an escape, and lines stay as long as the page is wide."""
    import subprocess
    import sys

    ran = subprocess.run(
        [sys.executable, "-m", "reconciler.cli", "status", *words, *WHERE],
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "70"},
        capture_output=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    text = ran.stdout.decode(encoding)
    if not words:
        lines = [line for line in text.splitlines() if not line.startswith("  next: ")]
        assert max(map(len, lines)) <= 70
        assert ("…" if encoding == "utf-8" else "...") in text


def test_the_hosts_suspension_and_an_ended_loop_are_seen(night: Command) -> None:
    """In the table and for programs."""
    assert night.bare("suspend", "--reason", "moving the rack", *WHERE).code == 0

    ran = night.bare("status", *WHERE)

    assert "  suspended   the whole host by kim until it is resumed: moving the rack\n" in ran.out
    record = json.loads(night.bare("status", "-o", "json", *WHERE).out)
    assert record["suspended"] == "suspended by kim until it is resumed: moving the rack"


def test_what_many_guests_wait_for_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host has some lines, however many guests there are; each guest has one."""
    (tmp_path / "simulated-host.yaml").write_text(HOST)
    guest = {"tenant": "x", "domains": "4", "more": ", controlDomains: [4, 0x50]"}
    guests = "".join(GUEST.format(name=f"g{one:03}", adapters=one, **guest) for one in range(20, 140))
    (tmp_path / "guests.yaml").write_text(MANIFESTS + guests)
    monkeypatch.chdir(tmp_path)
    command = Command(tmp_path, capsys)
    assert command.bare("apply", "--yes", *WHERE).code == 0

    ran = command.bare("status", *WHERE)

    assert len(states(ran)) == 120
    assert len(ran.out.splitlines()) < 120 + 20
    assert "118 more groups of adapters, authorised in advance for 118 guests" in ran.out


def test_an_example_reads_as_documented(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of three guests, two wait for a card that was pulled."""
    command = example("three-guests", tmp_path, capsys)
    assert command("apply", "--yes").code == 0
    assert command.bare("simulate", "unplug", "5", "--simulate", str(command.simulated_host)).code == 0

    assert states(command("status")) == {"guest1": "pending", "guest2": "pending", "guest3": "in-sync"}
    assert run(["status", "--help"]) == 0


REPORT = report(
    summary="the host is as the manifests say",
    since=1.0,
    source=SourceReport("/etc/reconciler", "abc123"),
    generation=1,
    guests=(),
    queues={},
    counters=Counters(),
    cycle_ended=2.0,
    looked=None,
    succeeded=2.0,
    apply_seconds=None,
    plan_seconds=0.1,
)


def loop_lines(ran: Ran) -> list[str]:
    """What a status says of the loop."""
    return [line for line in ran.out.splitlines() if line.startswith("  loop  ")]


def test_the_loop_is_seen_while_it_runs_and_when_it_has_ended(night: Command) -> None:
    """How it is, or how it ended; where none has been, nothing is said."""
    assert loop_lines(night.bare("status", *WHERE)) == []
    state = StateDirectory(Path("simulated-host.yaml.state"))
    file = StatusFile(state, os.getpid())
    file.write(REPORT._replace(due=2.0))
    loop = RequestTriggers(state.path)
    (line,) = loop_lines(night.bare("status", *WHERE))
    assert line.startswith("  loop        late: a cycle was due ")
    refused = RefusedConfiguration("def456", ("it conflicts",), 1.0)
    file.write(REPORT._replace(source=REPORT.source._replace(refused=refused)))
    (line,) = loop_lines(night.bare("status", *WHERE))
    assert "in sync for " in line
    assert "; refuses commit def456; applies what the manifests change" in line
    loop.close()
    (line,) = loop_lines(night.bare("status", *WHERE))
    assert "(killed, or the machine went down: it has left no word): no loop enforces the manifests" in line

    file.close(3.0, "SIGTERM")
    ran = night.bare("status", *WHERE)

    (line,) = loop_lines(ran)
    assert line.endswith(" ago (SIGTERM): no loop enforces the manifests")
    assert "  next: reconcile watch --simulate simulated-host.yaml    # starts the loop again\n" in ran.out
    record = json.loads(night.bare("status", "-o", "json", *WHERE).out)["loop"]
    assert (record["condition"], record["ended"]) == ("ended", {"at": 3.0, "how": "SIGTERM"})
    assert record["refused"] == {"commit": "def456", "reasons": ["it conflicts"]}


def test_a_damaged_record_of_the_loop_keeps_no_status(night: Command) -> None:
    """It is named, and all else is shown; so is a history that cannot be read."""
    state = Path("simulated-host.yaml.state")
    (state / "watch.json").write_text("{")
    ran = night.bare("status", *WHERE)
    assert states(ran) == STATES
    assert "warning: what the loop found last cannot be used: " in ran.err
    (step,) = (line for line in ran.err.splitlines() if line.startswith("  next: "))
    assert os.system(step.removeprefix("  next: ")) == 0
    assert "cannot be used" not in night.bare("status", *WHERE).err

    (state / "generations/000001.json").write_text("{")
    Path("guests.yaml").unlink()
    ran = night.bare("status", *WHERE)
    assert ran.code == 0
    assert "the record of what was applied last cannot be used" in ran.out


def test_a_published_loop_is_seen_by_others(tmp_path: Path) -> None:
    """It runs while it holds its lock in this boot, and has ended as it said; only commands have published: no loop."""
    directory = RunDirectory(tmp_path / "run", is_public=True)
    publisher = LoopPublisher(directory, time, 300.0, 60.0)
    reader = PublishedReader(directory.path)
    assert published_loop(reader.read()) is None
    publisher.publish(REPORT)
    found = published_loop(reader.read())
    assert found is not None
    assert found.ended is None
    publisher.close(1, "out of memory")
    found = published_loop(reader.read())
    assert found is not None
    assert found.ended is not None
    assert found.ended.how == "exit code 1: out of memory"
    earlier = LoopStatus(1, "an earlier boot", 1, 0.0, 0.0, None, None, None)
    killed = published_loop(reader.read()._replace(loop=earlier))
    assert killed is not None
    assert killed.ended == Ended(2.0, is_published=True)


def test_one_guest_is_counted_as_well_as_several(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A state that is no adjective gets words around it."""
    command = example("three-guests", tmp_path, capsys)
    assert command("apply", "--yes").code == 0
    summaries = []
    for old, new in (("adapters: [5, 6]", "adapters: [6]"), ("domains: [0x47, 0xff]", "domains: [0x47]")):
        change(command, old, new)
        ran = command("status")
        summaries += [line for line in ran.out.splitlines() if "to look at" in line]

    assert summaries == [
        "1 of 3 guests to look at: 1 with changes.",
        "2 of 3 guests to look at: 2 with changes.",
    ]
