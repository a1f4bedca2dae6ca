"""A mistyped name is answered with the one that was probably meant, and with the whole command for it."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from reconciler.cli.meant import names
from testing.commands import Command, Ran, change, example, parsed


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The three guests, applied; the current directory is theirs."""
    made = example("three-guests", tmp_path, capsys)
    monkeypatch.chdir(made.directory)
    assert made("apply", "--yes").code == 0
    return made


WHERE = ("--simulate", "simulated-host.yaml")


def offered(ran: Ran) -> list[str]:
    """The commands that `ran` offers next, each on one line, which is never divided."""
    lines = [line.removeprefix("  next: ") for line in ran.err.splitlines() if line.startswith("  next: ")]
    return [line.partition("    #")[0] for line in lines]


TAKES_GUESTS = [
    ("status", "{}"),
    ("status", "guest1", "{}", "-o", "wide"),
    ("matrix", "{}"),
    ("suspend", "{}", "--reason", "key ceremony", "--for", "2h"),
    ("suspend", "guest1", "{}", "--reason", "key ceremony"),
    ("plan", "--target", "{}"),
    ("plan", "--target", "guest1", "--target", "{}", "-o", "json"),
    ("apply", "--target", "{}", "--yes"),
    ("simulate", "start", "{}"),
    ("simulate", "stop", "{}"),
]
"""Every command that takes guests by name."""


@pytest.mark.parametrize("words", TAKES_GUESTS, ids=" ".join)
@pytest.mark.parametrize("typed", ["guset2", "GUEST2", "guest-2", "gust2"])
@pytest.mark.parametrize("width", ["", "80"])
def test_a_mistyped_guest_is_recognised(
    command: Command, words: Sequence[str], typed: str, width: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is done, and how the command is called is not shown, since the rest of it was right."""
    monkeypatch.setenv("COLUMNS", width)
    change(command, "adapters: [5, 6]", "adapters: [6]")
    before = command("simulate").out

    ran = command.bare(*(word.format(typed) for word in words), *WHERE)

    said = " ".join(ran.err.split())
    assert (ran.code, ran.out) == (64, "")
    assert said.startswith(f"Error: no guest called {typed} is known here. Did you mean 'guest2'? There are: guest1, ")
    (line,) = offered(ran)
    assert parsed(line) == f"reconcile {words[0]}"
    assert sorted(shlex.split(line)) == sorted(["reconcile", *(word.format("guest2") for word in words), *WHERE])
    assert command("simulate").out == before


def test_the_command_that_is_offered_does_it(command: Command) -> None:
    """Whichever kind of command it is; options stay as they were given."""
    (suspends,) = offered(command.bare("suspend", "gest1", "--reason", "key ceremony", "--for", "2h", *WHERE))
    (shows,) = offered(command.bare("status", "gest1", "-o", "name", *WHERE))
    (starts,) = offered(command.bare("simulate", "start", "gest1", *WHERE))

    ran = [command.bare(*shlex.split(line)[1:]) for line in (suspends, shows, starts)]

    assert [one.code for one in ran] == [0, 0, 0]
    assert ran[0].out.startswith("guest guest1: suspended until ")
    assert ran[1].out == "guest1\n"
    assert "(a VM has it open)" in ran[2].out


def test_all_mistyped_guests_are_corrected_at_once(command: Command) -> None:
    """And what else was typed stays."""
    several = command.bare("status", "gest1", "05.0047", "guset2", "guest3", *WHERE)
    again = command.bare("suspend", "gest1", "guest1", "--reason", "x", *WHERE)

    assert offered(several) == ["reconcile status --simulate simulated-host.yaml guest1 05.0047 guest2 guest3"]
    assert offered(again) == ["reconcile suspend --reason x --simulate simulated-host.yaml guest1"]


def test_all_mistyped_targets_and_labels_are_corrected_at_once(command: Command) -> None:
    """Those that are like none stay as they were typed."""
    targets = ("--target", "gest1", "--target", "guset2", "--target", "guest3", "--target", "xyzzy")
    labels = ("-l", "tenant=payment,ter=gold")
    change(command, "{tenant: payments}", "{tenant: payments, tier: gold}")

    several = [command.bare(one, *targets, *WHERE) for one in ("plan", "apply")]
    labelled = command.bare("plan", *labels, *WHERE)

    for one, ran in zip(("plan", "apply"), several, strict=True):
        right = "--target guest1 --target guest2 --target guest3 --target xyzzy"
        assert offered(ran) == [f"reconcile {one} {right} --simulate simulated-host.yaml"]
    assert offered(labelled) == ["reconcile plan -l tenant=payments,tier=gold --simulate simulated-host.yaml"]


def test_a_mistyped_label_is_recognised(command: Command) -> None:
    """The other labels stay as they were given."""
    ran = command.bare("plan", "-l", "tenant=payment", *WHERE)

    assert ran.code == 64
    assert offered(ran) == ["reconcile plan -l tenant=payments --simulate simulated-host.yaml"]


@pytest.mark.parametrize("words", TAKES_GUESTS, ids=" ".join)
def test_a_name_that_is_like_none_is_answered_with_the_guests_that_there_are(
    command: Command, words: Sequence[str]
) -> None:
    """Nothing is guessed then."""
    ran = command.bare(*(word.format("xyzzy") for word in words), *WHERE)

    said = " ".join(ran.err.split())
    assert (ran.code, ran.out) == (64, "")
    assert "no guest called xyzzy is known here. There are: guest1, guest2, guest3" in said
    assert "Did you mean" not in said


@pytest.mark.parametrize("words", TAKES_GUESTS, ids=" ".join)
def test_what_was_typed_is_shown_without_what_people_cannot_see(command: Command, words: Sequence[str]) -> None:
    """A pasted character that is not printable never reaches the terminal."""
    ran = command.bare(*(word.format("guest\u202e2\x1b") for word in words), *WHERE)

    assert ran.code == 64
    assert ran.err.replace("\n", "").isprintable()


TAKES_A_HOST = [
    ("{}",),
    ("{}", "--apply"),
    ("status", "{}"),
    ("matrix", "{}"),
    ("plan", "{}"),
    ("drift", "{}"),
    ("apply", "{}"),
    ("validate", "{}"),
    ("watch", "{}"),
    ("doctor", "{}"),
    ("trigger", "{}"),
]
"""Where the name of a Host is likely to be given as a word."""


@pytest.mark.parametrize("words", TAKES_A_HOST, ids=" ".join)
@pytest.mark.parametrize(
    ("typed", "said"), [("lpar7", "lpar7 is the name of a Host"), ("LPAR-7", "Did you mean the Host 'lpar7'?")]
)
def test_host_is_offered_with_a_host_that_there_is(
    command: Command, words: Sequence[str], typed: str, said: str
) -> None:
    """The one that was named, or the one that it is most like; it is known from the manifests."""
    where = () if words[0] == "validate" else WHERE

    ran = command.bare(*(word.format(typed) for word in words), *where)

    last = ran.err.splitlines()[-1]
    assert (ran.code, said in " ".join(ran.err.split())) == (64, True)
    line = last[last.rindex("reconcile ") :]
    parsed(line)
    assert shlex.split(line)[shlex.split(line).index("--host") + 1] == "lpar7"


@pytest.mark.parametrize("words", TAKES_A_HOST, ids=" ".join)
@pytest.mark.parametrize("directory", [".", "/nowhere"])
def test_host_is_not_offered_for_what_no_host_is_like(command: Command, words: Sequence[str], directory: str) -> None:
    """Nor where there are no manifests that could have one."""
    where = () if words[0] == "validate" else WHERE

    ran = command.bare(*(word.format("xyzzy") for word in words), "-f", directory, *where)

    assert ran.code in {1, 3, 64}
    assert "--host" not in ran.err


def test_a_guest_is_offered_before_a_host_that_is_less_like_it(command: Command) -> None:
    """But a word that is the name of a Host is that."""
    change(command, "name: guest3", "name: lpar7a")
    assert command("apply", "--yes").code == 0

    guest, host = (command.bare("status", word, *WHERE) for word in ("lpar7b", "lpar7"))

    assert offered(guest) == ["reconcile status --simulate simulated-host.yaml lpar7a"]
    assert offered(host) == ["reconcile status --host lpar7 --simulate simulated-host.yaml"]


def test_manifests_that_cannot_be_read_in_time_offer_nothing(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message never takes longer than the command would."""
    monkeypatch.setattr(names, "_READ_SECONDS", -1.0)

    ran = command.bare("lpar8", *WHERE)

    assert ran.err.splitlines()[-1] == "Error: No such command 'lpar8'. 'reconcile --help' lists the commands."


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_missing_host_is_written_with_the_name_that_is_known(
    command: Command, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that was asked for, on a host that of the machine, and elsewhere a placeholder, which is called that."""
    Path("host.yaml").unlink()
    path = Path("guests.yaml")
    path.write_text(path.read_text(encoding="utf-8").replace("  host: lpar7\n", ""), encoding="utf-8")
    Path("sys/bus/ap").mkdir(parents=True)
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename="LPAR9.example.com"))

    def added(*words: str) -> tuple[str, str]:
        ran = command.bare("validate", "-f", "guests.yaml", "-o", format, *words)
        text = (ran.err + ran.out).replace("\\n", "\n").partition("Add one, ")[2]
        return text.partition(":")[0], text.partition("  name: ")[2].partition("\n")[0].partition('"')[0]

    assert added("--host", "lpar8") == ("by the host's short name", "lpar8")
    assert added("--sysfs", "sys") == ("by the host's short name", "lpar9")
    assert added("--sysfs", "nowhere") == ("with the host's short name in place of NAME", "NAME")


NAMES_A_FILE = [
    ("status", "--simulate", "{simulated-host.yaml}"),
    ("simulate", "--simulate", "{simulated-host.yaml}", "unplug", "5"),
    ("suspend", "guest1", "--reason", "key ceremony", "--simulate", "{simulated-host.yaml}"),
    ("plan", "--observed", "{lpar7.json}", "-o", "wide"),
    ("apply", "{saved.plan}", "--yes", *WHERE),
]
"""Commands that read one file which has to be there; its name is in braces."""


@pytest.fixture
def files(command: Command) -> Command:
    """Beside the manifests a record of the host, and a plan with nothing to do."""
    assert command.bare("observe", "--out", "lpar7.json", *WHERE).code == 0
    assert command.bare("plan", "--out", "saved.plan", *WHERE).code == 0
    return command


def misspelt(name: str) -> str:
    """`name` with its third and fourth letters exchanged."""
    return name[:2] + name[3] + name[2] + name[4:]


@pytest.mark.parametrize("words", NAMES_A_FILE, ids=" ".join)
@pytest.mark.parametrize("directory", ["", "./", "../three-guests/", "{}/"])
def test_a_mistyped_file_is_recognised(files: Command, words: Sequence[str], directory: str) -> None:
    """In the directory that was named; the command that is printed does what was meant."""
    directory = directory.format(files.directory)
    typed, right = (
        [f"{directory}{change(word[1:-1])}" if word[0] == "{" else word for word in words] for change in (misspelt, str)
    )

    ran = files.bare(*typed)

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[0].startswith("error: there is no file ")
    (line,) = offered(ran)
    assert sorted(shlex.split(line)[1:]) == sorted(right)
    assert "    # did you mean " in ran.err
    assert files.bare(*shlex.split(line)[1:]).code == 0


@pytest.mark.parametrize(
    ("kept", "words"),
    [("hosts.yaml", ("status", "--simulate", "hots.yaml")), ("guests.json", ("plan", "--observed", "gusts.json"))],
)
def test_only_a_file_of_the_right_kind_is_offered(files: Command, kept: str, words: Sequence[str]) -> None:
    """However alike the name of another one is."""
    Path(kept).write_text(Path("guests.yaml").read_text(encoding="utf-8"), encoding="utf-8")

    ran = files.bare(*words)

    assert (ran.code, offered(ran)) == (1, [])
    assert "there is no file" in ran.err


@pytest.mark.parametrize("words", [("status",), ("plan", "-o", "json"), ("simulate",)])
def test_manifests_that_were_named_as_a_simulated_host_lead_to_the_one_beside(
    command: Command, words: Sequence[str]
) -> None:
    """Where there is only one."""
    asked = (*words, "--simulate", "host.yaml")
    refused = command.bare(*asked)
    line = refused.err.partition("Run: ")[2].partition("\n")[0]
    done = command.bare(*shlex.split(line)[1:])
    Path("another.yaml").write_text(command.simulated_host.read_text(encoding="utf-8"), encoding="utf-8")

    assert refused.code != 0
    assert parsed(line).startswith(f"reconcile {words[0]}")
    assert done.code == 0
    assert "Run: " not in command.bare(*asked).err


@pytest.mark.parametrize("words", NAMES_A_FILE, ids=" ".join)
@pytest.mark.parametrize("path", ["xyzzy", "nowhere/simulated-host", "schemas/stored.plan"])
def test_no_file_is_offered_that_is_not_like_it(files: Command, words: Sequence[str], path: str) -> None:
    """Nor a directory."""
    Path("xyzy").mkdir()

    ran = files.bare(*(path if word[0] == "{" else word for word in words))

    assert (ran.code, offered(ran)) == (1, [])
    assert f"there is no file {path}" in ran.err


def test_a_mistyped_manifest_where_a_plan_is_expected_is_recognised(files: Command) -> None:
    """It is named with -f."""
    ran = files.bare("apply", "guest.yaml", "--yes", *WHERE)

    said = "there is no file guest.yaml. Manifests are named with -f: reconcile apply --yes -f guests.yaml --simulate "
    assert (ran.code, said in " ".join(ran.err.split())) == (64, True)


def test_only_so_many_files_are_looked_at(files: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """However full a directory is."""
    monkeypatch.setattr(names, "_MOST_ENTRIES", 0)

    assert offered(files.bare("status", "--simulate", "simulated-hots.yaml")) == []


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("plan", "guest1"), "reconcile plan --target guest1"),
        (("plan", "guest1", "-o", "wide"), "reconcile plan --target guest1 -o wide"),
        (("apply", "guest1", "--yes"), "reconcile apply --yes --target guest1"),
        (("drift", "guest2"), "reconcile status guest2"),
        (("validate", "guest2"), "reconcile status guest2"),
    ],
)
def test_a_guest_in_place_of_manifests_leads_to_a_command_for_it(
    command: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], meant: str
) -> None:
    """It is said that it is a guest; a plan and an apply are confined to it."""
    monkeypatch.chdir(command.directory)

    ran = command.bare(*words, "--simulate", "simulated-host.yaml")

    assert ran.code == 64
    shown = " ".join(ran.err.split())
    assert f"{words[1]} is the name of a guest: " in shown
    line = shown.partition("is the name of a guest: ")[2]
    assert sorted(shlex.split(line)) == sorted([*shlex.split(meant), "--simulate", "simulated-host.yaml"])
    assert command.bare(*shlex.split(line)[1:]).code in {0, 2}


def test_a_mistyped_guest_in_place_of_manifests_is_found(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no Host, no command and no file is as near."""
    monkeypatch.chdir(command.directory)

    ran = command.bare("plan", "guset1", "--simulate", "simulated-host.yaml")

    assert "Did you mean the guest 'guest1'? reconcile plan --target guest1" in " ".join(ran.err.split())
