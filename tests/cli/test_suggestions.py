"""What is wrong on the command line is answered with the command that was probably meant."""

import datetime as dt
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

import reconciler
from reconciler.cli.loop_commands import suspend_command
from reconciler.cli.main import cli
from reconciler.cli.meant.elsewhere import with_duration
from testing.commands import Command, example, parsed


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` on a fresh copy of the three guests, beside the current directory."""
    monkeypatch.chdir(tmp_path)
    return example("three-guests", tmp_path, capsys)


WHERE = ("--simulate", "three-guests/simulated-host.yaml")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ((*WHERE, "plan", "-f", "three-guests"), "reconcile plan --simulate three-guests/simulated-host.yaml -f"),
        (("--apply", "--yes", "three-guests"), "reconcile apply --yes -f three-guests"),
        (("apply", "three-guests", "--yes"), "reconcile apply --yes -f three-guests"),
        (("three-guests",), "reconcile plan -f three-guests"),
        (("three-guests", "--apply", "--yes"), "reconcile apply -f three-guests --yes"),
        (("--apply", "three-guests", *WHERE), "reconcile apply -f three-guests --simulate"),
        (("--apply", "three-guests/host.yaml", "--yes"), "reconcile apply --yes -f three-guests/host.yaml"),
        (
            ("apply", "three-guests/host.yaml", "three-guests/guests.yaml"),
            "reconcile apply -f three-guests/host.yaml -f three-guests/guests.yaml",
        ),
        (("--plan", "lpar9", "-f", "three-guests"), "reconcile plan -f three-guests --host lpar7"),
        (("drift", "lpar9", "-f", "three-guests"), "reconcile drift -f three-guests --host lpar7"),
        (("validate", "lpar7", "-f", "three-guests"), "reconcile validate -f three-guests --host lpar7"),
        (("lpar7", "-f", "three-guests"), "reconcile plan --host lpar7 -f three-guests"),
        (("watch", "three-guests"), "reconcile watch -f three-guests"),
        (("watch", "three-guests", "--apply"), "reconcile watch --apply -f three-guests"),
        (("status", "lpar9", "-f", "three-guests", *WHERE), "reconcile status -f three-guests --host lpar7 --simulate"),
        (("status", "three-guests", *WHERE), "reconcile status -f three-guests --simulate"),
        (("status", "guest1", "three-guests", *WHERE), "reconcile status -f three-guests"),
        (("status", "guset1", *WHERE), "reconcile status --simulate three-guests/simulated-host.yaml guest1"),
        (("history", "3", *WHERE), "reconcile history --simulate three-guests/simulated-host.yaml show 3"),
        (("saved.plan", *WHERE), "reconcile apply saved.plan --simulate three-guests/simulated-host.yaml"),
        (("--plan", "saved.plan", *WHERE), "reconcile apply saved.plan --simulate"),
        (("validate", "saved.plan", *WHERE), "reconcile apply saved.plan --simulate"),
        (("plan", "status", *WHERE), "reconcile status --simulate"),
        (("plan", "upper", "-o", "wide"), "reconcile plan -o wide upper.YAML"),
        (("apply", "lpar7", "-f", "three-guests"), "reconcile apply -f three-guests --host lpar7"),
        (("Plan", "-f", "three-guests"), "reconcile plan -f three-guests"),
        (("STATUS", "-f", "three-guests"), "reconcile status -f three-guests"),
        (("Lpar-7", "--apply", "-f", "three-guests"), "reconcile apply --host lpar7 -f three-guests"),
        (("--apply", "upper.YAML"), "reconcile apply -f upper.YAML"),
        (("--apply", "guests.json", *WHERE), "reconcile apply -f guests.json --simulate"),
        (("--apply", "guests.txt", *WHERE), "reconcile apply -f guests.txt --simulate"),
        (("--watch", "--apply", "three-guests", *WHERE), "reconcile watch --apply -f three-guests --simulate"),
        (("--apply", "--watch", "upper.YAML"), "reconcile watch --apply -f upper.YAML"),
        (("-f", "three-guests"), "reconcile plan -f three-guests"),
        (("-f", "three-guests", "--plan"), "reconcile plan -f three-guests"),
        (("-f", "three-guests", "--apply"), "reconcile apply -f three-guests"),
        (("-f", "three-guests", "--watch"), "reconcile watch -f three-guests"),
        (("-f", "three-guests", "--apply", "--watch"), "reconcile watch --apply -f three-guests"),
        (("--yes", "--apply=saved.plan", *WHERE), "reconcile apply saved.plan --yes --simulate"),
        (("--apply", "-f", "three-guests", "--watch"), "reconcile watch --apply -f three-guests"),
        (("--plan", "-f", "three-guests", "--apply"), "reconcile apply -f three-guests"),
        (("apply", "-f", "three-guests", "--plan"), "reconcile plan -f three-guests"),
        (("watch", "-f", "three-guests", "--plan"), "reconcile plan -f three-guests"),
        (("drift", "--plan", "-f", "three-guests"), "reconcile plan -f three-guests"),
        (("--plan", "--watch", "three-guests"), "reconcile watch -f three-guests"),
        (("rollback", "3", "--apply", *WHERE), "reconcile rollback 3 --simulate"),
        (("trigger", "--watch", *WHERE), "reconcile trigger --simulate"),
        (("simulate", "--plan", *WHERE), "reconcile simulate --simulate"),
        (("service", "--apply", "install"), "reconcile apply"),
        (("watch", "install", "--enable", "--", "-f", "/etc"), "reconcile service install watch --enable -f /etc"),
        (("watch", "install", "-f", "/etc", "--apply"), "reconcile service install watch --apply -f /etc"),
        (("watch", "uninstall"), "reconcile service uninstall watch"),
        (("boot", "install", "--enable"), "reconcile service install boot --enable"),
        (("boot", "install"), "reconcile service install boot"),
        (("hook", "install", "-f", "three-guests"), "reconcile service install hook -f three-guests"),
        (("service", "install", "watch", "--", "-f", "/etc"), "reconcile service install watch -f /etc"),
        (("service", "watch", "install", "-f", "/etc"), "reconcile service install watch -f /etc"),
        (("install", "watch", "-f", "/etc"), "reconcile service install watch -f /etc"),
        (("diff", "-f", "three-guests"), "reconcile plan -f three-guests"),
        (("diff", "three-guests"), "reconcile plan -f three-guests"),
        (("get", "guests", "-o", "json", *WHERE), "reconcile status -o json --simulate"),
        (("get", "three-guests"), "reconcile status -f three-guests"),
        (("describe", "guest", "guest1", *WHERE), "reconcile status guest1 --simulate"),
        (("show", "saved.plan"), "reconcile status"),
        (("deploy", "saved.plan", *WHERE), "reconcile apply saved.plan --simulate"),
        (("delete", "-f", "three-guests", *WHERE), "reconcile plan -f three-guests --simulate"),
        (("destroy",), "reconcile plan"),
        (("record", *WHERE), "reconcile observe --simulate"),
        (("cordon", "guest1", *WHERE), "reconcile suspend guest1 --simulate"),
        (("freeze", "guest1", "--reason", "x"), "reconcile suspend guest1 --reason x"),
        (("uncordon", "guest1", *WHERE), "reconcile resume guest1 --simulate"),
        (("unlock", "guest1"), "reconcile resume guest1"),
        (("unfreeze",), "reconcile resume"),
        (("release", "guest1"), "reconcile resume guest1"),
        (("init", *WHERE), "reconcile import --simulate"),
        (("new", "guest", "vault"), "reconcile import"),
        (("create", "guest", "vault"), "reconcile import"),
        (("create", "-f", "three-guests"), "reconcile apply -f three-guests"),
        (("log", *WHERE), "reconcile history --simulate"),
        (("logs", *WHERE), "reconcile status --watch --simulate"),
        (("show", "guest1", *WHERE), "reconcile status guest1 --simulate"),
        (("show", "05.0047", *WHERE), "reconcile status 05.0047 --simulate"),
        (("help",), "reconcile --help"),
        (("help", "plan"), "reconcile plan --help"),
        (("help", "status"), "reconcile status --help"),
        (("version",), "reconcile --version"),
        (("-V",), "reconcile --version"),
        (("-v",), "reconcile --version"),
        (("--PLAN", "-F", "three-guests"), "reconcile plan -f three-guests"),
        (("--plan", "-F", "three-guests", *WHERE), "reconcile plan -f three-guests --simulate"),
        (("status", "--FORMAT=json", *WHERE), "reconcile status -o json --simulate"),
        (("plan", "--format", "markdown", *WHERE), "reconcile plan -o markdown --simulate"),
        (("observe", "-o", "new.json", *WHERE), "reconcile observe --out new.json --simulate"),
        (("--apply", "--dry-run", "-f", "three-guests", *WHERE), "reconcile plan -f three-guests --simulate"),
        (("--plan", "--dry-run", "-f", "three-guests"), "reconcile plan -f three-guests"),
        (("--apply", "-auto-approve"), "reconcile apply --yes"),
        (("rollback", "--to", "1"), "reconcile rollback 1"),
        (("--apply", "--force"), "reconcile apply --yes"),
        (("--plan", "-v"), "reconcile plan"),
        (("status", "--verbose"), "reconcile status"),
        (("-y", "--apply", *WHERE), "reconcile apply --yes --simulate"),
        (("-y", "rollback", *WHERE), "reconcile rollback --yes --simulate"),
        (("status", "--json", *WHERE), "reconcile status -o json --simulate"),
        (("plan", "-o", "md", *WHERE), "reconcile plan -o markdown --simulate"),
        (("plan", "-o", "markdwon", "three-guests", *WHERE), "reconcile plan -o markdown three-guests --simulate"),
        (("plan", "--output=mark"), "reconcile plan --output=markdown"),
        (("plan", "-oJSON"), "reconcile plan -ojson"),
        (("status", "guest1", "-o", "text"), "reconcile status guest1 -o table"),
        (("status", "-o", "tabel", *WHERE), "reconcile status -o table --simulate"),
        (("validate", "-o", "table"), "reconcile validate -o text"),
        (("matrix", "--free", *WHERE), "reconcile status --free --simulate"),
        (("matrix", "--free", "guest1", *WHERE), "reconcile status --free --simulate"),
        (("drift", "three-guests", "--free"), "reconcile status --free -f three-guests"),
        (("matrix", "--fre"), "reconcile status --free"),
        (("drift", "--target", "guest1"), "reconcile plan --target guest1"),
        (("validate", "--detailed-exitcode", "-f", "three-guests"), "reconcile plan --detailed-exitcode -f"),
        (("plan", "--confirm-within", "5m"), "reconcile apply --confirm-within 5m"),
        (("plan", "--allow-disruption", *WHERE), "reconcile apply --allow-disruption --simulate"),
        (("apply", "--detailed-exitcode"), "reconcile plan --detailed-exitcode"),
        (("doctor", "--enforced"), "reconcile status --enforced"),
        (("status", "--html", "x.html"), "reconcile report --html x.html"),
        (("plan", "--yes", *WHERE), "reconcile plan --simulate"),
        (("confirm", "-y"), "reconcile confirm"),
        (("rollback", "3", "--yes", "--dry-run"), "reconcile rollback 3"),
        (("history", "--limit", "3", *WHERE), "reconcile history -n 3 --simulate"),
        (("status", "--target", "guest1", *WHERE), "reconcile status guest1 --simulate"),
        (("matrix", "--guest=guest1"), "reconcile matrix guest1"),
        (("suspend", "--target=guest1", "--reason", "x"), "reconcile suspend guest1 --reason x"),
        (("apply", "--guest", "guest1"), "reconcile apply --target guest1"),
        (("suspend", "guest1", "--duration=2h", "--reason", "x"), "reconcile suspend guest1 --for 2h --reason x"),
        (("suspend", "--until", "tomorrow", "guest1", *WHERE), "reconcile suspend --for 2h guest1 --simulate"),
        (("suspend", "guest1", "--until"), "reconcile suspend guest1 --for 2h"),
        (("suspend", "--until", "1999-12-31", "guest1"), "reconcile suspend --for 2h guest1"),
        (("--validate", "-f", "three-guests"), "reconcile validate -f three-guests"),
        (("confirm", "Guest1", *WHERE), "reconcile history --simulate"),
        (("trigger", "guest1", *WHERE), "reconcile trigger --simulate"),
        (
            ("suspend", "three-guests/guests.yaml", "--reason", "x", *WHERE),
            "reconcile status -f three-guests/guests.yaml",
        ),
        (("resume", "three-guests/", *WHERE), "reconcile status -f three-guests/ --simulate"),
        (("apply", "--yess", *WHERE), "reconcile apply --yes --simulate"),
        (("apply", "--eys", *WHERE), "reconcile apply --yes --simulate"),
        (("apply", "-yes", *WHERE), "reconcile apply --yes --simulate"),
        (("status", "--fre", *WHERE), "reconcile status --free --simulate"),
        (("plan", "--simulat=three-guests/simulated-host.yaml"), "reconcile plan --simulate=three-guests/"),
        (("apply", "--confirm", "5m", "--yess", *WHERE), "reconcile apply --confirm-within 5m --yes --simulate"),
    ],
)
def test_the_command_that_was_meant_is_printed(command: Command, words: tuple[str, ...], meant: str) -> None:
    """Whole, with the rest of what was typed; wrong usage all the same."""
    command("--plan", "--out", "saved.plan")
    for name in ("upper.YAML", "guests.json", "guests.txt"):
        shutil.copy("three-guests/guests.yaml", name)

    ran = command.bare(*words)

    assert ran.code == 64
    last = ran.err.splitlines()[-1]
    line = last[last.rindex("reconcile ") :].partition("    #")[0]
    assert line.startswith(meant)
    if line.endswith((" -h", "--help", "--version")):
        assert command.bare(*shlex.split(line)[1:]).code == 0
    else:
        parsed(line)


@pytest.mark.parametrize(
    "words",
    [
        ("-zz",),
        ("status", "-zz"),
        ("status", "--dry-run"),
        ("--status", "-o", "xml"),
        ("status", "--confirm-within", "5m"),
        ("compare", "--free", "a", "b"),
        ("resume", "--reason", "x"),
    ],
)
def test_no_command_is_printed_that_would_be_refused(command: Command, words: tuple[str, ...]) -> None:
    """Where it is not known what was meant, nothing is advised."""
    ran = command.bare(*words)

    assert ran.code == 64
    assert "No such option" in ran.err
    assert "reconcile" not in ran.err.splitlines()[-1]


@pytest.mark.parametrize("option", ["--dry-run", "--plan", "--diff", "--check", "-n"])
@pytest.mark.parametrize("name", ["rollback", "rollback 3", "setup"])
def test_what_asks_first_is_said_to_show_what_it_would_do(command: Command, name: str, option: str) -> None:
    """And is printed without --yes, with which it would not ask."""
    ran = command.bare(*name.split(), option, "--yes", *WHERE)

    line = " ".join(ran.err.split("next: ")[1].split())
    assert (ran.code, line) == (64, f"reconcile {name} {' '.join(WHERE)} # shows what it would do, and asks first")
    parsed(line.partition(" #")[0])


@pytest.mark.parametrize("option", ["--rollback", "--rollback=3", "--rollback 3", "--undo", "--revert 3"])
def test_the_plan_of_a_rollback_is_shown_by_the_rollback(command: Command, option: str) -> None:
    """Which asks before it does anything."""
    ran = command.bare("plan", *option.split(), *WHERE)

    line = " ".join(ran.err.split("next: ")[1].split())
    words = ("rollback", *(["3"] if "3" in option else []), *WHERE)
    assert (ran.code, line) == (64, f"reconcile {' '.join(words)} # shows what it would do, and asks first")
    parsed(line.partition(" #")[0])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("apply", "--s"), "No such option '--s'. Did you mean '--sysfs' or '--simulate' or '--state-dir'?"),
        (("apply", "--lock-timeot"), "No such option '--lock-timeot'. Did you mean '--lock-timeout'?"),
        (("apply", "--yess=now"), "No such option '--yess'. Did you mean '--yes'?"),
        (("history", "--sysfz", "/", "--what"), "No such option '--sysfz'. Did you mean '--sysfs'?"),
        (("history", "--what"), "No such option '--what'."),
        (("apply", "-x"), "No such option '-x'."),
    ],
)
def test_only_options_that_are_near_are_suggested(command: Command, words: tuple[str, ...], said: str) -> None:
    """By name where several are, or where the command lacks something else."""
    assert command.bare(*words).err.splitlines()[-1] == f"Error: {said}"


@pytest.mark.parametrize(("words", "said"), [(("doctor", "-o", "yaml"), "'json'."), (("plan", "-o", "a"), "'sarif'.")])
def test_a_value_that_is_like_none_is_answered_with_all_of_them(
    command: Command, words: tuple[str, ...], said: str
) -> None:
    """And with no guess."""
    assert command.bare(*words).err.splitlines()[-1].endswith(said)


NOON = dt.datetime(2030, 5, 1, 12, 0, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))


@pytest.mark.parametrize(
    ("until", "duration"),
    [
        ("13:00", "1h"),
        ("12:02", "2m"),
        ("11:59", "23h59m"),
        ("2030-05-01T14:30", "2h30m"),
        ("2030-05-01T11:30+00:00", "1h30m"),
        ("2030-05-03", "36h"),
        ("90m", "90m"),
        ("25:00", "2h"),
        ("2030-05-01T11:00", "2h"),
    ],
)
def test_until_a_time_is_made_a_duration(until: str, duration: str) -> None:
    """In whole minutes, so that the suspension does not end before it; where it is no time to come, by an example."""
    said = ["--until", until, "guest1"]
    context = click.Context(suspend_command, parent=click.Context(cli), info_name="suspend")

    refused = with_duration(click.NoSuchOption("--until"), context, said, NOON)

    assert refused
    reason = "--reason 'key ceremony, ask Kim'    # with your own reason"
    assert refused.message.endswith(f": reconcile suspend --for {duration} guest1 {reason}")


@pytest.mark.parametrize("action", ["--plan", "--apply", "validate"])
@pytest.mark.parametrize("path", ["/dev/stdin", "/dev/fd/0", "/dev/null", "pipe"])
def test_manifests_are_read_from_files(command: Command, action: str, path: str) -> None:
    """A pipe or a device is no manifest, and it is said how to do it."""
    os.mkfifo("pipe")
    reading, writing = os.pipe()
    before = os.dup(0)
    try:
        os.dup2(reading, 0)
        ran = command.bare(action, "-f", path, *WHERE)
    finally:
        os.dup2(before, 0)
        for one in (reading, writing, before):
            os.close(one)

    assert ran.code == 3
    assert "error[not-a-file]" in ran.err + ran.out
    assert "does not exist" not in ran.err + ran.out
    assert "Manifests are read from files and directories" in ran.err + ran.out


def test_it_works(command: Command) -> None:
    """The one that is printed is run."""
    ran = command.bare(*WHERE, "plan", "-f", "three-guests")
    last = ran.err.splitlines()[-1]

    assert command.bare(*shlex.split(last[last.index("reconcile ") :])[1:]).code == 0


@pytest.mark.parametrize(
    ("words", "near"),
    [("statsu", "status"), ("validat", "validate"), ("rolback", "rollback"), ("aply", "apply"), ("docter", "doctor")],
)
def test_a_misspelt_command_is_recognised(command: Command, words: str, near: str) -> None:
    """By likeness."""
    assert f"Did you mean '{near}'?" in command.bare(words).err


@pytest.mark.parametrize("words", [("service", "instal"), ("service", "installed")])
def test_so_is_one_in_a_group(command: Command, words: tuple[str, str]) -> None:
    """Each group has its own."""
    ran = command.bare(*words)
    assert ran.code == 64
    assert "Did you mean 'install'?" in ran.err


def test_a_plan_that_was_applied_already_says_so(command: Command) -> None:
    """Not that hardware and masks have changed, which we did ourselves."""
    assert command("--plan", "--out", "plan.json").code == 0
    assert command.bare("--apply", "plan.json", "--yes", *WHERE).code == 0

    asked, ran = (command.bare("--apply", "plan.json", *yes, *WHERE) for yes in ([], ["--yes"]))

    for one in (asked, ran):
        assert one.code == 5
        assert "this plan was already applied as generation 1, at 20" in one.err
    for line in [one.removeprefix("  next: ") for one in ran.err.splitlines() if one.startswith("  next: ")]:
        assert command.bare(*shlex.split(line, comments=True)[1:]).code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: somebody else's files need root to be made")
def test_without_the_right_to_read_a_host_of_ones_own_is_advised(command: Command) -> None:
    """A command that only reads does not say that it wants to change anything."""
    assert command("--apply", "--yes").code == 0
    for folder in (command.directory, *command.directory.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o55)
    command.simulated_host.chmod(0o644)
    os.seteuid(65534)
    try:
        if not os.access(reconciler.__file__, os.R_OK, effective_ids=True):
            pytest.skip("NOT TESTED: another user's look at a host, who may not read this clone")
        ran = command.bare("status", "-f", "three-guests", *WHERE)
    finally:
        os.seteuid(0)

    assert ran.code == 1
    assert "belongs to root" in ran.err
    assert "change a host" not in ran.err
    assert ran.err.splitlines()[-1].startswith("  next: reconcile status -f three-guests --simulate ")


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: files of another user need root to be made")
@pytest.mark.parametrize(
    ("words", "mode"),
    [(("suspend", "guest1", "--reason", "x"), 0o644), (("resume",), 0o644), (("status", "-f", "three-guests"), 0o600)],
    ids=["suspend", "resume", "a host that cannot be read"],
)
def test_what_only_root_can_do_is_advised_with_sudo(command: Command, words: tuple[str, ...], mode: int) -> None:
    """Whether what we keep is root's, or the description of a simulated host."""
    kept = ("--state-dir", "kept")
    assert command("--apply", "--yes", *kept).code == 0
    for folder in (command.directory, *command.directory.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o55)
    Path("kept").chmod(0o755)
    command.simulated_host.chmod(mode)
    os.seteuid(65534)
    try:
        if not os.access(reconciler.__file__, os.R_OK, effective_ids=True):
            pytest.skip("NOT TESTED: another user's look at a host, who may not read this clone")
        ran = command.bare(*words, *WHERE, *kept)
    finally:
        os.seteuid(0)

    assert ran.code == 1
    assert ran.err.splitlines()[-1].startswith(f"  next: sudo reconcile {words[0]} ")


@pytest.mark.parametrize("name", ["--x", "a b", "line\nfeed", "\u202e it's \\n", "\udcff\x1b1", "\U000e0041b"])
def test_a_saved_plan_of_any_name_is_applied_by_what_is_printed(command: Command, name: str) -> None:
    """As a shell reads it: no character that people cannot see is in the line."""
    saved = command("--plan", f"--out={name}")
    line = saved.err.splitlines()[-1].removeprefix("  next: ").partition("    #")[0]
    words = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout

    assert line.isascii()
    assert command.bare(*map(os.fsdecode, words.split(b"\0")[1:-1]), "--yes").code == 0


@pytest.mark.parametrize("word", ["Foo_Bar", "LPAR7", "a@b", "a b", "lpar7.", "x" * 64, "ä", "a/b"])
@pytest.mark.parametrize("before", ["", "status", "doctor", "drift", "matrix", "apply", "validate"])
def test_what_can_be_no_name_of_a_host_is_not_taken_for_one(command: Command, before: str, word: str) -> None:
    """Whichever command it is given to; the Host that there is may be offered instead."""
    ran = command.bare(*before.split(), word, *(WHERE if before not in {"", "validate"} else ()))

    assert ran.code != 0
    assert ran.err.count("--host") == ran.err.count("--host lpar7")


@pytest.mark.parametrize(
    "line",
    [
        "status",
        "drift",
        "matrix -o wide",
        "plan -f three-guests",
        "observe",
        "doctor",
        "import",
        "report --html x.html",
    ],
)
def test_without_an_ap_bus_a_simulated_host_is_advised(
    command: Command, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """For the command that was typed, on a line of its own, which is never divided."""
    monkeypatch.setenv("COLUMNS", "40")
    words = (*line.split(), "--sysfs", "nowhere")

    ran = command.bare(*words)

    assert "no AP bus here" in " ".join((ran.out + ran.err).split())
    if line == "doctor":  # goes on, and says what to look at
        assert "--simulate" not in ran.out + ran.err
        return
    (advised,) = [one for one in ran.err.splitlines() if "reconcile" in one]
    file = "three-guests/simulated-host.yaml" if "-f" in line else "FILE"  # it lies beside the manifests
    assert advised == f"  next: reconcile {line} --simulate {file}"
    assert parsed(advised.removeprefix("  next: ")) == f"reconcile {line.split(maxsplit=1)[0]}"


def test_without_an_ap_bus_the_only_simulated_host_here_is_advised(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was forgotten; which of two was, is not known."""
    monkeypatch.chdir(command.directory)
    ran = command.bare("status", "--sysfs", "nowhere")
    assert "  next: reconcile status --simulate simulated-host.yaml" in ran.err

    shutil.copy("simulated-host.yaml", "another.yaml")
    ran = command.bare("status", "--sysfs", "nowhere")
    assert "  next: reconcile status --simulate FILE" in ran.err


@pytest.mark.parametrize(("said", "directory"), [((), ["-f", "DIR"]), (("-f", "site"), ["-f", "site"])])
def test_a_setup_of_a_simulated_host_is_advised_with_a_directory(
    command: Command, said: tuple[str, ...], directory: list[str]
) -> None:
    """Without one it is refused, since /etc/reconciler is for the manifests of this machine."""
    state = str(command.directory / "state")

    ran = command.bare("setup", *said, "--state-dir", state)

    assert ran.code == 1
    line = ran.err.partition("  next: ")[2].partition("    #")[0].partition("\n")[0]
    assert parsed(line) == "reconcile setup"
    words = shlex.split(line)
    assert words[words.index("-f") :][:2] == directory
    assert words[words.index("--simulate") + 1] == "FILE"


@pytest.mark.parametrize(
    "words",
    [
        ("--apply", "/nowhere/plan", "--yes"),
        ("--watch", "--notify-webhook-file", "/nowhere/plan"),
        ("service", "install", "hook", "--directory", "/nowhere/plan/qemu.d"),
    ],
)
def test_a_file_that_is_not_there_is_said_in_words(command: Command, words: tuple[str, ...]) -> None:
    """Without the number of an error."""
    ran = command.bare(*words)

    assert ran.code in {1, 64}
    assert "there is no " in ran.err
    assert "/nowhere/plan" in ran.err
    assert "Errno" not in ran.err


def test_a_saved_plan_may_have_any_name(command: Command) -> None:
    """Also that of a manifest: the command that `--out` prints works."""
    where = ("--simulate", str(command.simulated_host))
    plan = str(command.directory.parent / "plan.yaml")
    assert command("--plan", "--out", plan).code == 0

    assert command.bare("--apply", plan, "--yes", *where).code == 0


def test_a_plan_file_that_is_none_is_explained(command: Command, tmp_path: Path) -> None:
    """Standard input, manifests that are not there, and the option as a word."""
    saved = tmp_path / "p.plan"
    assert command("--plan", "--out", str(saved)).code == 0

    stdin = command.bare("--apply", "-", "--yes")
    missing = command.bare("--apply", "missing.yaml", "--yes")
    word = command.bare("plan", str(saved))

    assert (stdin.code, "reconcile plan --out PLANFILE" in stdin.err) == (64, True), stdin.err
    assert (missing.code, "reconcile apply --yes -f missing.yaml" in missing.err) == (64, True), missing.err
    assert f"reconcile apply {saved}" in word.err


@pytest.mark.parametrize(
    ("name", "words"),
    [(name, words) for name in ("status", "matrix") for words in ((), ("-f", "three-guests"))]
    + [("status", ("--free",)), ("status", ("05.0047",)), ("status", ("guest1", "--free"))],
)
def test_what_is_shown_of_a_recorded_host_is_its_report(
    name: str, words: tuple[str, ...], tmp_path: Path, command: Command
) -> None:
    """A report has what both show. The error and the help lead to it, and it can be made."""
    host = ("--simulate", "three-guests/simulated-host.yaml")
    assert command.bare("observe", *host, "--out", "z4.json").code == 0

    ran = command.bare(name, *words, "--observed", "z4.json")

    assert ran.code == 64
    start = "No such option '--observed'. Did you mean: "
    line = next(line.partition(start)[2] for line in ran.err.splitlines() if start in line)
    assert command.bare(*shlex.split(line, comments=True)[1:]).code == 0
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!")
    helped = " ".join(command.bare(name, "--help").out.split())
    (quoted,) = re.findall(r"use '(reconcile [^']*)'", helped)
    assert parsed(quoted) == "reconcile report"


def test_a_format_that_no_report_has_leads_to_the_plan_of_a_recorded_host(command: Command) -> None:
    """For programs."""
    ran = command.bare("status", "-o", "json", "--observed", "z4.json")

    assert "Did you mean: reconcile plan -o json --observed z4.json" in ran.err


def test_the_file_of_a_record_is_named_with_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not left out, as that would print the record."""
    ran = example("three-guests", tmp_path, capsys).bare("observe", "z4.json")

    assert (ran.code, "reconcile observe --out z4.json" in ran.err) == (64, True), ran


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (("apply", "--plan", "saved.plan", "--yes"), ["--yes"]),
        (("apply", "--plan=saved.plan", "--yes"), ["--yes"]),
        (("apply", "--yes", "--plan", "saevd.plan"), ["--yes"]),
        (("apply", "--planfile", "saved.plan"), []),
        (("apply", "--plan-file=saved.plan", "--confirm-within", "5m"), ["--confirm-within", "5m"]),
        (("apply", "-p", "saved.plan"), []),
        (("apply", "--from", "saved.plan"), []),
        (("apply", "--out", "saved.plan", "--yes"), ["--yes"]),
        (("apply", "plan", "saved.plan", "--yes"), ["--yes"]),
        (("apply", "saved.plan", "now"), []),
        (("apply", "-f", "saved.plan", "--yes"), ["--yes"]),
        (("apply", "-f", "saved.plan", "-f", "three-guests"), ["-f", "three-guests"]),
        (("--apply", "--plan", "saved.plan"), []),
        (("plan", "--plan", "saved.plan"), []),
        (("plan", "saved.plan", "-o", "wide"), []),
        (("plan", "-f", "saved.plan", "-o", "diff"), []),
        (("plan", "--apply", "saved.plan", "-o", "wide"), []),
        (("status", "-f", "saved.plan"), []),
        (("watch", "saved.plan"), []),
    ],
    ids=str,
)
def test_a_saved_plan_is_applied_however_it_was_named(
    command: Command, words: tuple[str, ...], kept: list[str]
) -> None:
    """The whole command is printed, and works; what an apply does not take is left out and said, the host is kept."""
    assert command("plan", "--out", "saved.plan").code == 0

    ran = command.bare(*words, *WHERE)

    last = ran.err.splitlines()[-1]
    assert ran.code == 64
    assert "saved.plan is a saved plan. To apply it: reconcile apply saved.plan" in last
    line = shlex.split(last[last.rindex("reconcile ") :], comments=True)
    assert sorted(line) == sorted(["reconcile", "apply", "saved.plan", *WHERE, *kept])
    where = () if kept[:1] == ["-f"] else ("-f", "three-guests")
    yes = () if "--yes" in kept else ("--yes",)
    if "5m" not in kept:
        assert command.bare(*line[1:], *where, *yes).code == 0


def test_a_record_of_a_host_is_no_saved_plan(command: Command) -> None:
    """Although it is JSON of ours."""
    assert command.bare("observe", "--out", "z4.json", *WHERE).code == 0

    ran = command.bare("plan", "z4.json", *WHERE)

    assert "is a saved plan" not in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("aply", "--yes", "--confirm-within", "5m", "--host", "lpar7", "-f", "."),
        ("service", "instal", "watch", "--enable", "-f", "/etc/reconciler", "--apply"),
        ("plan", "--dry-run", "--host", "lpar7", "-f", ".", "--target", "guest1", "--simulate", "simulated-host.yaml"),
        ("histroy", "--state-dir", "/var/lib/reconciler-of-another-lpar", "--simulate", "simulated-host.yaml"),
    ],
)
def test_a_command_that_was_meant_is_not_divided(
    command: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """On a narrow page it stands on a line of its own, to be copied."""
    monkeypatch.chdir(command.directory)
    monkeypatch.setenv("COLUMNS", "80")

    ran = command.bare(*words)

    (line,) = [
        one for one in ran.err.splitlines() if "reconcile " in one and "sage: " not in one and "Try '" not in one
    ]
    assert line.startswith("  reconcile ")
    assert line.split()[-1] == words[-1]
