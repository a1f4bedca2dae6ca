"""What belongs to another user and cannot be read ends each command in a sentence that names it."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reconciler.cli.main import run
from reconciler.watch.published import LoopPublisher, PublishedReader
from reconciler.watch.run_directory import RunDirectory
from testing.commands import Ran
from testing.git_repositories import Repository

EXAMPLE = Path(__file__).parents[2] / "examples/three-guests"
ANOTHER = 65534
AS_A_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
"""Whoever runs this is user 1000 and has no rights over files of others; files of root stay readable as its own."""

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0
    or not shutil.which("unshare")
    or bool(subprocess.run([*AS_A_USER, "true"], check=False).returncode),
    reason="NOT TESTED: ordinary users, which needs root and user namespaces",
)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A simulated host, manifests and a sysfs root that everybody may read, and what only another user may."""
    shutil.copytree(EXAMPLE, tmp_path / "site")
    for name in ("closed", "kept"):
        (tmp_path / name).mkdir(mode=0o700)
        shutil.copy(EXAMPLE / "host.yaml", tmp_path / name)
        os.chown(tmp_path / name, ANOTHER, ANOTHER)
    devices = tmp_path / "sys/bus/ap/devices"
    devices.mkdir(mode=0o700, parents=True)
    (tmp_path / "sys/bus/ap/apmask").write_text(f"0x{'f' * 64}\n")
    os.chown(devices, ANOTHER, ANOTHER)
    return tmp_path


def as_a_user(site: Path, *words: str) -> Ran:
    """Run ``reconcile`` as an ordinary user in `site`."""
    ran = subprocess.run(
        [*AS_A_USER, sys.executable, "-m", "reconciler.cli", *words],
        cwd=site,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def as_root(site: Path, *words: str) -> Ran:
    """Run ``reconcile`` as the user of the tests in `site`."""
    ran = subprocess.run(
        [sys.executable, "-m", "reconciler.cli", *words],
        cwd=site,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def simulated_from(words: tuple[str, ...]) -> tuple[str, ...]:
    """The options `words`, for whoever is one directory further down."""
    return tuple(f"../{word}" if not word.startswith("--") else word for word in words)


def assert_named(ran: Ran, name: str, *, root: bool = True) -> None:
    """It has ended with a sentence about `name`, and with the command for root."""
    said = ran.out + ran.err
    assert ran.code in (1, 2, 3)
    assert f"{name}" in said
    assert "ermission denied" in said
    assert "Traceback" not in said
    assert "a bug in" not in said
    assert ("  next: sudo reconcile " in said) == root


@pytest.mark.parametrize("command", [("plan",), ("validate",), ("drift",), ("apply", "--yes")])
def test_manifests(site: Path, command: tuple[str, ...]) -> None:
    """It is one of the problems of the manifests."""
    where = () if command == ("validate",) else ("--simulate", "site/simulated-host.yaml")

    ran = as_a_user(site, *command, "-f", "closed", *where)

    assert_named(ran, "closed", root=False)
    assert ran.code == 3


@pytest.mark.parametrize(
    "command",
    [
        ("apply", "-f", "site"),
        ("apply", "--yes", "-f", "site"),
        ("plan", "--enforced"),
        ("plan", "-f", "site", "--out", "plan.json"),
        ("watch", "-f", "site"),
        ("status", "--watch"),
        ("history",),
        ("rollback", "--yes"),
        ("suspend", "guest1", "--reason", "x"),
        ("resume",),
        ("trigger",),
        ("import",),
        ("doctor",),
    ],
)
def test_the_state_directory(site: Path, command: tuple[str, ...]) -> None:
    """Only root may read it, as a rule: the same command is printed for root."""
    ran = as_a_user(site, *command, "--simulate", "site/simulated-host.yaml", "--state-dir", "kept/state")

    assert_named(ran, "kept")


@pytest.mark.parametrize("command", ["plan", "drift", "status"])
def test_reading_does_without_the_state_directory(site: Path, command: str) -> None:
    """What cannot be seen is named, and so is the command that shows all of it."""
    for words in ((command, "-f", "site"), (command, "-f", "site", "-o", "json")):
        ran = as_a_user(site, *words, "--simulate", "site/simulated-host.yaml", "--state-dir", "kept/state")

        assert ran.code in (0, 2), ran
        assert "guest1" in ran.out
        assert "what was applied last: " in ran.out + ran.err
        assert ran.err.splitlines()[-1].startswith(f"  next: sudo reconcile {command} -")


def test_a_status_without_manifests_has_names_from_the_published_report(site: Path) -> None:
    """As it was published for everybody; without it devices have their uuids alone."""
    simulated = ("--simulate", "site/simulated-host.yaml", "--state-dir", "kept/state", "--run-dir", "run")
    assert as_root(site, "apply", "--yes", "-f", "site", *simulated).code == 0
    os.chown(site / "kept/state", ANOTHER, ANOTHER)
    (site / "empty").mkdir()

    ran = as_a_user(site / "empty", "status", *simulated_from(simulated))

    assert ran.code == 0
    assert "compared    with the published report of " in ran.out
    assert [line.split()[:4] for line in ran.out.splitlines() if line.startswith("guest")] == [
        ["guest1", "in-sync", "4", "4"],
        ["guest2", "in-sync", "2", "2"],
        ["guest3", "in-sync", "2", "2"],
    ]
    assert "not seen    what was applied last: " in ran.out
    assert "what is suspended" not in ran.out
    loop = as_a_user(site / "empty", "status", "--watch", *simulated_from(simulated))
    assert "kept/state" in loop.err, "no loop has published"
    directory = RunDirectory(site / "run", is_public=True)
    publisher = LoopPublisher(directory, time, 300.0, 60.0)
    report = PublishedReader(directory.path).read().report
    assert report
    publisher.publish(report)
    loop = as_a_user(site / "empty", "status", "--watch", *simulated_from(simulated))
    assert loop.code == 0
    assert "lpar7: in sync for " in loop.out
    publisher.close(1, "out of memory")
    loop = as_a_user(site / "empty", "status", "--watch", *simulated_from(simulated))
    assert loop.code == 1
    assert "out of memory" in loop.out
    shutil.rmtree(site / "run")
    ran = as_a_user(site / "empty", "status", *simulated_from(simulated))
    assert ran.code == 0
    assert "the host alone" in ran.out
    assert "3783d4a7-df47-58ab-bed9-cee63c6e6f5e  unknown" in ran.out


def published(site: Path) -> tuple[str, ...]:
    """The options for a host with guest2 suspended and a published report, whose records only another user may read."""
    simulated = ("--simulate", "site/simulated-host.yaml", "--state-dir", "kept/state", "--run-dir", "run")
    assert as_root(site, "apply", "--yes", "-f", "site", *simulated).code == 0
    assert as_root(site, "suspend", "guest2", "--reason", "audit", "--for", "1h", *simulated).code == 0
    directory = RunDirectory(site / "run", is_public=True)
    publisher = LoopPublisher(directory, time, 300.0, 60.0)
    report = PublishedReader(directory.path).read().report
    assert report
    publisher.publish(report)
    publisher.close(0, "by a signal")
    os.chown(site / "kept/state", ANOTHER, ANOTHER)
    (site / "empty").mkdir()
    return simulated


def test_what_is_suspended_is_seen_as_it_is_published(site: Path) -> None:
    """Whatever the host is compared with; that it may not be read is said only where nothing is published."""
    simulated = published(site)
    with_manifests = as_a_user(site, "status", "-f", "site", *simulated)
    without = as_a_user(site / "empty", "status", *simulated_from(simulated))

    for ran in (with_manifests, without):
        assert ran.code == 0
        (row,) = (line for line in ran.out.splitlines() if line.startswith("guest2"))
        assert row.split()[1] == "suspended"
        assert "what is suspended" not in ran.out
    assert "  suspensions as the published report of " in with_manifests.out
    for command in ("plan", "drift", "matrix"):
        assert "guest 'guest2' is suspended by " in as_a_user(site, command, "-f", "site", *simulated).err
    shutil.rmtree(site / "run")
    assert "what is suspended: " in as_a_user(site, "status", "-f", "site", *simulated).out
    assert "and what is suspended: " in as_a_user(site / "empty", "status", *simulated_from(simulated)).out


def test_a_published_suspension_whose_time_is_over_is_none(site: Path) -> None:
    """The report is of an earlier moment."""
    simulated = published(site)
    file = site / "run/report.json"
    report = json.loads(file.read_text())
    for one in report["guests"]:
        if one["suspended"]:
            one["suspended"]["until"] = time.time() - 1
    file.write_text(json.dumps(report))

    for words in (("status", "-f", "../site"), ("status",)):
        assert "suspended by" not in as_a_user(site / "empty", *words, *simulated_from(simulated)).out


def test_guests_are_chosen_by_the_labels_that_are_published(site: Path) -> None:
    """Where no manifests are named; that labels are not known is said where they are not published either."""
    simulated = simulated_from(published(site))
    asked = ("status", "-l", "tenant=payments")
    ran = as_a_user(site / "empty", *asked, *simulated)

    assert "1 of 3 guests shown: -l tenant=payments\n" in ran.out
    assert [line.split()[0] for line in ran.out.splitlines() if line.startswith("guest")] == ["guest1"]
    loop = as_a_user(site / "empty", *asked, "--watch", *simulated)
    assert "guest1" in loop.out or "guests        1" in loop.out
    (site / "run/host.json").unlink()
    ran = as_a_user(site / "empty", *asked, *simulated)
    assert "0 of 3 guests shown: -l tenant=payments; which labels guests have is not known" in " ".join(ran.out.split())
    assert "the labels of guests are not published" in as_a_user(site / "empty", *asked, "--watch", *simulated).err


def test_what_cannot_be_seen_is_said_whole_and_beside_in_sync(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 80 columns the lines are divided and not cut; a drift does not say more than this user can see."""
    monkeypatch.setenv("COLUMNS", "80")
    simulated = published(site)

    ran = as_a_user(site, "status", "-f", "site", *simulated)
    head = ran.out.partition("\n  host pool")[0]
    assert "…" not in head
    assert all(len(line) <= 80 for line in head.splitlines())
    assert "Permission denied" in " ".join(head.split())
    assert "no loop enforces the manifests" in " ".join(head.split())
    drift = " ".join(as_a_user(site, "drift", "-f", "site", *simulated).out.split())
    assert "In sync, as far as this user can see; not seen: what was applied last" in drift


def test_who_may_not_read_how_a_loop_was_started_is_led_to_root(site: Path) -> None:
    """The command that starts it again has options that are not published."""
    simulated = published(site)
    for words in (("status",), ("status", "--watch")):
        ran = as_a_user(site, *words, *simulated)

        assert "sudo reconcile status --watch --simulate" in ran.out
        assert "reconcile watch" not in ran.out


def test_a_history_that_may_not_be_read_is_shown_as_it_is_published(site: Path) -> None:
    """The list, one generation by number and by id, for people and programs; the rest is for root, and is said so."""
    simulated = ("--simulate", "site/simulated-host.yaml", "--state-dir", "kept/state", "--run-dir", "run")
    for number in (1, 2):
        assert as_root(site, "apply", "--yes", "-f", "site", "--id", f"deploy-{number}", *simulated).code == 0
    shown = as_root(site, "history", *simulated).out
    os.chown(site / "kept/state", ANOTHER, ANOTHER)

    listed = as_a_user(site, "history", *simulated)
    assert (listed.code, listed.out) == (0, shown)
    assert "note: this is what is published, of the last 2 generations, since " in listed.err
    assert "  next: sudo reconcile history " in listed.err
    record = json.loads(as_a_user(site, "history", "-o", "json", *simulated).out)
    assert [one["id"] for one in record["generations"]] == ["deploy-1", "deploy-2"]
    for which in ("1", "deploy-1"):
        one = as_a_user(site, "history", "show", which, *simulated)
        assert one.code == 0
        assert one.out.startswith("Generation 1: applied\n  started:   ")
        assert "guest1" in one.out
    assert as_a_user(site, "history", "-n", "1", *simulated).out.splitlines()[-1] == "… and 1 earlier generation"
    newest = json.loads(as_a_user(site, "history", "-n", "1", "--since", "1h", "-o", "json", *simulated).out)
    assert (len(newest["generations"]), newest["earlier"], newest["earlierSuspensions"]) == (1, 1, 0)
    assert as_a_user(site, "history", "show", "9", *simulated).code == 1
    shutil.rmtree(site / "run")
    assert_named(as_a_user(site, "history", *simulated), "kept")


@pytest.mark.parametrize("columns", ["80", "120"])
def test_a_published_rollback_is_no_second_apply_of_its_commit(
    site: Path, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its line is that which root sees, and its record says where it leads; so does what it is shown as."""
    monkeypatch.setenv("COLUMNS", columns)
    simulated = ("--simulate", "site/simulated-host.yaml", "--state-dir", "kept/state", "--run-dir", "run")
    repository, guests = Repository(site / "site"), site / "site/guests.yaml"
    for text in (guests.read_text(), guests.read_text().replace("[4, 0xab]", "[4]")):
        guests.write_text(text)
        repository.commit(message="Move a queue of guest1")
        assert as_root(site, "apply", "--yes", "-f", "site", *simulated).code == 0
    assert as_root(site, "rollback", "--yes", *simulated).code == 0
    shown = as_root(site, "history", *simulated).out
    os.chown(site / "kept/state", ANOTHER, ANOTHER)

    listed = as_a_user(site, "history", *simulated).out
    record = json.loads(as_a_user(site, "history", "-n", "1", "-o", "json", *simulated).out)["generations"][0]

    assert listed.splitlines() == shown.splitlines()[:4]
    assert "rollback to 1: guest1" in listed.splitlines()[1]
    assert (record["rollbackTo"], record["undone"], len(record["commit"])) == (1, None, 40)
    assert "\n  wants:     what generation 1 wanted\n" in as_a_user(site, "history", "show", "3", *simulated).out


def test_the_published_history_has_the_suspensions(site: Path) -> None:
    """As the history itself: who suspended and resumed what, when and why."""
    simulated = ("--simulate", "site/simulated-host.yaml", "--state-dir", "kept/state", "--run-dir", "run")
    assert as_root(site, "apply", "--yes", "-f", "site", *simulated).code == 0
    suspended = as_root(site, "suspend", "guest1", "guest2", "--reason", "key ceremony", "--for", "2h", *simulated)
    assert suspended.code == as_root(site, "resume", "guest1", *simulated).code == 0
    shown = as_root(site, "history", *simulated).out
    recorded = json.loads(as_root(site, "history", "-o", "json", *simulated).out)["suspensions"]
    os.chown(site / "kept/state", ANOTHER, ANOTHER)

    listed = as_a_user(site, "history", *simulated)

    assert listed.out == shown == as_a_user(site, "history", "--since", "1h", *simulated).out
    assert [line.split()[0] for line in shown.splitlines()[1:4]] == ["-", "-", "1"]
    assert json.loads(as_a_user(site, "history", "-o", "json", *simulated).out)["suspensions"] == recorded
    assert [one["what"] for one in recorded] == ["suspended", "resumed"]


def test_the_published_history_may_be_of_guests_with_a_label(site: Path) -> None:
    """Also of one whose manifest has gone since, as root sees it; of those that are published."""
    simulated = ("--simulate", "site/simulated-host.yaml", "--state-dir", "kept/state", "--run-dir", "run")
    guests = site / "site/guests.yaml"
    first, _, rest = guests.read_text().partition("\n---\n")
    for text in (f"{first}\n---\n{rest}", f"{first}\n---\n{rest}".replace("[4, 0xab]", "[4]"), rest):
        guests.write_text(text)
        assert as_root(site, "apply", "--yes", "-f", "site", *simulated).code == 0
    asked = [("history", "-l", f"tenant={one}", *simulated) for one in ("payments", "nobody")]
    as_root_sees = [as_root(site, *one).out for one in asked]
    os.chown(site / "kept/state", ANOTHER, ANOTHER)

    seen = [as_a_user(site, *one) for one in asked]

    assert [one.out for one in seen] == as_root_sees
    assert "3 of 3 generations changed a guest with -l tenant=payments\n" in seen[0].out
    assert seen[1].out == "0 of 3 generations changed a guest with -l tenant=nobody\n"
    assert "note: this is what is published, of the last 3 generations, since " in seen[0].err
    record = json.loads(as_a_user(site, *asked[0], "-n", "1", "-o", "json").out)
    assert [one["number"] for one in record["generations"]] == [3]


def test_what_two_published_generations_differ_in_is_shown(site: Path) -> None:
    """By what each apply between them has changed; that what they wanted cannot be seen is said."""
    simulated = ("--simulate", "site/simulated-host.yaml", "--state-dir", "kept/state", "--run-dir", "run")
    guests = site / "site/guests.yaml"
    for change in ("", "domains: [4, 0xab]", "adapters: [5, 6]"):
        guests.write_text(guests.read_text().replace(change, change.replace(", 0xab", "").replace("5, ", "")))
        assert as_root(site, "apply", "--yes", "-f", "site", *simulated).code == 0
    second, third = (as_root(site, "history", "show", one, "-o", "diff", *simulated).out for one in ("2", "3"))
    os.chown(site / "kept/state", ANOTHER, ANOTHER)

    ran = as_a_user(site, "history", "diff", "1", "3", *simulated)
    assert (ran.code, ran.out) == (0, f"Generation 2: applied\n{second}\nGeneration 3: applied\n{third}\n")
    assert "note: what generations 1 and 3 wanted is for root; this is what each apply between them changed" in ran.err
    assert "  next: sudo reconcile history " in ran.err

    back = as_a_user(site, "history", "diff", "3", "2", *simulated)
    assert (back.code, back.out) == (0, f"Generation 3: applied\n{third}\n")
    assert "changed, to be read backwards" in back.err
    record = json.loads(as_a_user(site, "history", "diff", "1", "2", "-o", "json", *simulated).out)
    assert [(one["number"], one["diff"]) for one in record["applies"]] == [(2, second)]
    assert as_a_user(site, "history", "diff", "2", "2", *simulated).out == ""
    assert "generation 9 is not among" in as_a_user(site, "history", "diff", "1", "9", *simulated).err


@pytest.mark.parametrize("command", [("plan", "-f", "site"), ("status", "-f", "site"), ("import",), ("doctor",)])
def test_the_kernels_tree(site: Path, command: tuple[str, ...]) -> None:
    """Parts of it may be for root only."""
    ran = as_a_user(site, *command, "--sysfs", "sys", "--state-dir", "state")

    assert_named(ran, "sys/bus/ap/devices")


def test_the_description_of_a_simulated_host(site: Path) -> None:
    """It is named."""
    os.chown(site / "site/simulated-host.yaml", ANOTHER, ANOTHER)
    (site / "site/simulated-host.yaml").chmod(0o600)

    assert_named(as_a_user(site, "--plan", "-f", "site", "--simulate", "site/simulated-host.yaml"), "simulated-host")


def test_a_record_names_what_it_could_not_read(site: Path) -> None:
    """And is made all the same; a plan by it says so, and is not saved."""
    where = ("--simulate", "site/simulated-host.yaml", "--state-dir", "kept/state")
    ran = as_a_user(site, "observe", "--out", "lpar7.json", *where)
    (site / "lpar7.json").chmod(0o644)
    planned = as_a_user(site, "plan", "-f", "site", "--observed", "lpar7.json", "--out", "plan.json")

    assert ran.code == 0
    assert "what was applied last: " in ran.err
    assert "  next: sudo reconcile observe --out lpar7.json" in ran.err
    assert planned.code == 1
    assert "incomplete-record" in planned.err
    assert not (site / "plan.json").exists()


@pytest.mark.parametrize("command", ["status", "plan", "history", "matrix", "doctor"])
def test_a_simulated_host_of_another_user(site: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """It is said whose it is; what is advised makes one of one's own, and works without root."""
    kept = site / "site/simulated-host.yaml.state"
    kept.mkdir(mode=0o700)
    os.chown(kept, ANOTHER, ANOTHER)
    own = site / "home"
    own.mkdir()
    monkeypatch.setenv("HOME", str(own))
    monkeypatch.chdir(site)
    words = command.split()

    ran = as_a_user(site, *words, "--simulate", "site/simulated-host.yaml")

    assert ran.code == 1
    assert "error: the simulated host site/simulated-host.yaml belongs to nobody, who used it first" in " ".join(
        ran.err.split()
    )
    assert "sudo" not in ran.err
    copy, again = (line.removeprefix("  next: ") for line in ran.err.splitlines() if line.startswith("  next: "))
    assert again == f"reconcile {command} --simulate {own}/my-simulated-host.yaml"
    assert os.system(copy.partition("    # ")[0]) == 0
    where = () if command in ("history", "doctor") else ("-f", "site")
    done = as_a_user(site, *words, *where, "--simulate", f"{own}/my-simulated-host.yaml")
    assert done.code == 0, done.err


@pytest.mark.parametrize("mode", [0o755, 0o1777])
@pytest.mark.parametrize(
    "command", ["apply --yes", "rollback --yes", "confirm", "suspend --reason x", "resume", "simulate unplug 5"]
)
def test_a_simulated_host_of_another_user_that_may_be_read(
    site: Path, monkeypatch: pytest.MonkeyPatch, command: str, mode: int
) -> None:
    """What changes it says whose it is and how to have one of one's own, too, and asks for no rights of root."""
    monkeypatch.chdir(site)
    host = ("--simulate", "site/simulated-host.yaml")
    assert run(["apply", "--yes", "-f", "site", *host]) == 0
    for path in (site / "site", *(site / "site").rglob("*")):
        os.chown(path, ANOTHER, ANOTHER)
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))
    (site / "site").chmod(mode)

    ran = as_a_user(site, *command.split(), *host)

    said = " ".join(ran.err.split())
    assert ran.code == 1
    assert "host site/simulated-host.yaml belongs to nobody, who used it first, and only nobody can change" in said
    assert "# a simulated host of your own" in said
    assert "sudo" not in said


@pytest.mark.parametrize("home", ["home", "nowhere"])
def test_a_simulated_host_in_a_folder_of_root(site: Path, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    """The folder is named, and what is advised works without root, also where the home directory does not exist."""
    (site / "home").mkdir()
    (site / "home").chmod(0o777)
    (site / "site").chmod(0o555)
    monkeypatch.setenv("HOME", str(site / home))
    monkeypatch.setenv("TMPDIR", str(site / "home"))
    monkeypatch.chdir(site)

    ran = as_a_user(site, "apply", "-f", "site", "--yes", "--simulate", "site/simulated-host.yaml")

    assert ran.code == 1
    assert "error: the simulated host site/simulated-host.yaml lies in a folder that " in " ".join(ran.err.split())
    assert "sudo" not in ran.err
    copy, again = (line.removeprefix("  next: ") for line in ran.err.splitlines() if line.startswith("  next: "))
    assert copy.partition("    # ")[0] == f"cp -- site/simulated-host.yaml {site}/home/my-simulated-host.yaml"
    assert again == f"reconcile apply --yes -f site --simulate {site}/home/my-simulated-host.yaml"


@pytest.mark.parametrize(
    "name", ["mdevctl.d/matrix/3783d4a7-df47-58ab-bed9-cee63c6e6f5e", "mdevctl.d/matrix", "udev/rules.d/41-ap.rules"]
)
@pytest.mark.parametrize("words", [("plan",), ("drift",), ("apply", "--yes"), ("observe", "--out", "site/lpar7.json")])
def test_a_boot_file_that_only_root_may_read_is_not_to_be_moved(site: Path, name: str, words: tuple[str, ...]) -> None:
    """Nothing is wrong with it: who may read it is said, also of the record that was made without it."""
    description = site / "site/host.yaml"
    text = description.read_text(encoding="utf-8")
    description.write_text(text.replace("spec:\n", "spec:\n  persistence: mdevctl\n", 1), encoding="utf-8")
    host = ("--simulate", "site/simulated-host.yaml")
    assert as_root(site, "apply", "--yes", "-f", "site", *host).code == 0
    closed = site / "site/simulated-host.yaml.state/root/etc" / name
    closed.chmod(0)

    try:
        ran = as_a_user(site, *words, *host, *(("-f", "site") if words[0] != "observe" else ()))
        if words[0] == "observe":
            assert "sudo reconcile observe" in ran.err
            ran = as_a_user(site, "plan", "-f", "site", "--observed", "site/lpar7.json")
    finally:
        closed.chmod(0o755 if name.endswith("matrix") else 0o644)

    said = " ".join(ran.err.split())
    assert "a file that this host boots from may not be read by every user" in said
    assert f"{closed.relative_to(site)}: Permission denied" in said
    assert "help: Root may read it: run the same command with sudo" in said
    assert "move" not in ran.out + ran.err
    assert "mv " not in ran.out + ran.err
