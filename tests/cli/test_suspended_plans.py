"""A person's plan says what is suspended, and an apply changes that only with consent."""

import json
import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest

from reconciler.planning.status import WITHHELD
from testing.commands import Command, example


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """The three guests, applied, of which one is suspended."""
    made = example("three-guests", tmp_path, capsys)
    assert made("apply", "--yes").code == 0
    where = ("--simulate", str(made.simulated_host))
    assert made.bare("suspend", "guest1", "--reason", "ticket 42", "--for", "2h", *where).code == 0
    return made


@pytest.mark.parametrize("words", [("plan",), ("apply", "--yes"), ("drift",), ("plan", "-o", "markdown")])
def test_who_is_suspended_is_said(command: Command, words: tuple[str, ...]) -> None:
    """With who said so, until when and why."""
    ran = command(*words)

    assert "guest 'guest1' is suspended by " in ran.out + ran.err
    assert " UTC: ticket 42" in ran.out + ran.err


def test_a_status_says_it_in_the_row_of_the_guest(command: Command) -> None:
    """Once, and without a warning."""
    ran = command("status")

    assert ran.err == ""
    assert re.search(r"^guest1  suspended .* until .*\d\d:\d\d UTC by \S+: ticket 42$", ran.out, re.MULTILINE)


def test_programs_see_it_as_a_problem(command: Command) -> None:
    """A warning with an id of its own."""
    found = json.loads(command("plan", "-o", "json").out)["problems"]

    assert [(one["id"], one["severity"]) for one in found] == [("suspended", "warning")]


def test_an_apply_of_a_person_needs_consent(command: Command) -> None:
    """Without it nothing is done; other guests are applied by name, and the command that ends the suspension works."""
    file = command.directory / "guests.yaml"
    file.write_text(file.read_text().replace("[4, 0xab]", "[4]").replace("[0x47, 0xff]", "[0x47]"))

    assert command("drift").code == 2
    ran = command("apply", "--yes")
    assert (ran.code, "--allow-suspended" in ran.err) == (4, True), ran.err
    assert command("apply", "--yes", "--target", "guest2").code == 0
    assert "      suspended: changed with --allow-suspended only\n" in command("plan").out
    ran = command("apply", "--yes", "--allow-suspended")

    assert ran.code == 0, ran.err
    assert "guest 'guest1' is suspended by " in ran.err
    assert (ran.out + ran.err).count("suspended by ") == 1, "it is said twice"
    assert "reconcile resume guest1" in ran.err
    assert command.bare("resume", "guest1", "--simulate", str(command.simulated_host)).code == 0
    assert "suspended" not in command("plan").err


def consents_listed(text: str) -> dict[str, list[str]]:
    """The consents that a plan lists, by option."""
    found: dict[str, list[str]] = {}
    for heading, lines in re.findall(r"^Needs consent \(([^)]*)\):\n((?:  .*\n)+)", text, re.MULTILINE):
        found[heading] = [line.strip() for line in lines.splitlines()]
    return found


@pytest.mark.parametrize(
    "words", [("plan",), ("plan", "-o", "wide"), ("plan", "-o", "diff"), ("apply", "--yes"), ("rollback", "1", "--yes")]
)
@pytest.mark.parametrize("runs", [False, True], ids=["stopped", "running"])
@pytest.mark.parametrize("host", [False, True], ids=["guest", "host"])
def test_a_plan_lists_every_consent_with_its_option(
    command: Command, words: tuple[str, ...], runs: bool, host: bool
) -> None:
    """So that nobody learns of another one from the apply; also where only a suspension stands in the way."""
    where = ("--simulate", str(command.simulated_host))
    guests = command.directory / "guests.yaml"
    guests.write_text(guests.read_text().replace("[4, 0xab]", "[4]").replace("[0x47, 0xff]", "[0x47]"))
    if words[0] == "rollback":
        guests.write_text(guests.read_text().replace("domains: [4]", "domains: [4, 5]"))
        assert command("apply", "--yes", "--allow-suspended").code == 0
    if runs:
        assert command.bare("simulate", "start", "guest1", *where).code == 0
    if host:
        assert command.bare("suspend", "--reason", "move", *where).code == 0

    ran = command(*words) if words[0] != "rollback" else command.bare(*words, *where)

    listed = consents_listed(ran.out + ran.err)
    expected = {"--allow-suspended": ["host: all of it is suspended" if host else "guest1: it is suspended"]}
    if runs:
        (loses,) = listed.pop("--allow-disruption")
        assert loses.startswith("guest1: its VM runs and loses ")
    assert listed == expected


def test_the_history_says_that_a_suspension_was_overridden(command: Command) -> None:
    """Of the guest or of the whole host; no warning says that anything was left as it was."""
    where = ("--simulate", str(command.simulated_host))
    guests = command.directory / "guests.yaml"
    guests.write_text(guests.read_text().replace("[4, 0xab]", "[4]").replace("[0x47, 0xff]", "[0x47]"))
    assert command("apply", "--yes", "--allow-suspended").code == 0

    listed, shown = command.bare("history", "-o", "wide", *where), command.bare("history", "show", "2", *where)

    assert "suspension of guest1 overridden: guest1, guest2" in listed.out
    assert "  consent:   suspension of guest1 overridden (--allow-suspended)\n" in shown.out
    assert not any("but for" in one.out or "differs" in one.out or "warning" in one.err for one in (listed, shown))
    newest = json.loads(command.bare("history", "-o", "json", *where).out)["generations"][-1]
    assert (newest["suspended"], newest["overridden"]) == ([], ["guest1"])

    assert command.bare("suspend", "--reason", "move", *where).code == 0
    guests.write_text(guests.read_text().replace("[0x47]", "[0x47, 0xff]"))
    assert command("apply", "--yes", "--allow-suspended").code == 0
    assert "suspension of the whole host overridden: " in command.bare("history", "-o", "wide", *where).out


def test_a_rollback_of_a_suspended_guest_says_nothing_of_its_manifest(command: Command) -> None:
    """Which it may well follow: it is the rollback that changes it."""
    guests = command.directory / "guests.yaml"
    guests.write_text(guests.read_text().replace("[4, 0xab]", "[4]"))
    assert command("apply", "--yes", "--allow-suspended").code == 0

    ran = command.bare("rollback", "1", "--yes", "--allow-suspended", "--simulate", str(command.simulated_host))

    said = " ".join(ran.err.split())
    assert ran.code == 0
    assert "guest 'guest1' is suspended by " in said
    assert "; this rollback changes it" in said
    assert "as its manifest says" not in said


def test_the_whole_host_and_what_cannot_be_read(command: Command) -> None:
    """Both are said, and neither holds up a plan; no apply changes anything while the host is suspended."""
    assert command.bare("suspend", "--reason", "move", "--simulate", str(command.simulated_host)).code == 0
    assert "the whole host is suspended by " in command("plan").err
    assert command("apply", "--yes").code == 0
    guests = command.directory / "guests.yaml"
    guests.write_text(guests.read_text().replace("[0x47, 0xff]", "[0x47]"))
    assert command("apply", "--yes").code == 4
    assert command("rollback", "--yes").code == 4
    (command.directory / "simulated-host.yaml.state/suspended.json").write_text("{")
    ran = command("plan")
    assert (ran.code, "who is suspended is not known" in ran.err) == (0, True)


def test_many_guests_that_are_suspended_alike_are_one_warning(command: Command) -> None:
    """The first names, and how many more; what it leads to says it of each."""
    guests = command.directory / "guests.yaml"
    names = [f"extra{number}" for number in range(8)]
    documents = [
        f"---\napiVersion: reconciler/v1\nkind: Guest\nmetadata: {{name: {name}}}\n"
        f"spec: {{host: lpar7, adapters: [{20 + number}], domains: [9]}}\n"
        for number, name in enumerate(names)
    ]
    guests.write_text(guests.read_text(encoding="utf-8") + "".join(documents), encoding="utf-8")
    assert command("apply", "--yes").code == 0
    where = ("--simulate", str(command.simulated_host))
    assert command.bare("suspend", *names, "--reason", "move", *where).code == 0

    ran = command("plan")
    before = command("status", "extra7")
    guests.write_text(guests.read_text(encoding="utf-8").replace("domains: [9]", "domains: [8]"), encoding="utf-8")
    differing = command("plan")

    assert ran.err.count("warning[suspended]") == 2
    assert "warning[suspended]: 8 guests are suspended by " in ran.err
    assert "extra0, extra1, extra2, extra3, extra4 and 3 more\n" in ran.err
    assert "reconcile status -f " in ran.err
    assert "suspended by " in before.out
    assert "move; they are not as their manifests say\n" in differing.err


def test_a_refused_apply_says_whom_to_ask_and_how_to_apply_the_others(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole and wrapped at the width of the terminal; the command for the others works, and the override comes last."""
    monkeypatch.setenv("COLUMNS", "80")
    file = command.directory / "guests.yaml"
    file.write_text(file.read_text().replace("[4, 0xab]", "[4]").replace("[0x47, 0xff]", "[0x47]"))
    reason = "the key ceremony of the payments team, which must not be disturbed before its end"
    assert command.bare("suspend", "guest1", "--reason", reason, "--simulate", str(command.simulated_host)).code == 0

    ran = command("apply", "--yes")
    lines = ran.err[ran.err.index("ask first: ") :].splitlines()
    asked = list(takewhile(lambda line: not line.startswith("  next: "), lines))
    others = [line for line in lines if line.startswith("  next: ")][-1].removeprefix("  next: ")

    assert ran.code == 4
    assert max(map(len, asked)) <= 80
    assert "guest1: suspended by " in asked[0]
    assert " ".join(" ".join(asked).split()).endswith(f"until it is resumed: {reason}")
    assert shlex.split(others)[-4:] == ["--target", "guest2", "--target", "guest3"] or "--target guest2" in others
    assert "not applied: this needs consent\nask first: " in ran.err
    assert (ran.out + " ".join(ran.err.split())).count("key ceremony") == 1
    assert command.bare(*shlex.split(others)[1:]).code == 0
    assert [one["name"] for one in json.loads(command("drift", "-o", "json").out)["guests"]] == ["guest1"]


def test_no_apply_of_the_others_is_offered_where_it_would_be_refused(command: Command) -> None:
    """One of them needs what the suspended guest has; the apply of both swaps them."""
    guests = command.directory / "guests.yaml"
    text = guests.read_text(encoding="utf-8")
    swapped = text.replace("name: guest1\n", "name: guest-x\n").replace("name: guest2\n", "name: guest1\n")
    guests.write_text(swapped.replace("name: guest-x\n", "name: guest2\n"), encoding="utf-8")

    ran = command("apply", "--yes")

    assert ran.code == 4
    assert "--target" not in ran.err, ran.err
    both = ("--target", "guest1", "--target", "guest2")
    assert command("apply", "--yes", "--allow-disruption", "--allow-suspended", *both).code == 0


PLANS = [("plan",), ("plan", "-o", "diff"), ("plan", "-o", "wide"), ("apply",), ("apply", "--yes")]
MARK = "suspended: changed with --allow-suspended only"


@pytest.mark.parametrize("words", PLANS, ids=" ".join)
def test_a_plan_marks_each_suspended_guest_and_says_once_why(command: Command, words: tuple[str, ...]) -> None:
    """The mark stands at the guest's own lines, and the totals count those that need consent, in the singular too."""
    where = ("--simulate", str(command.simulated_host))
    assert command.bare("suspend", "guest1", "guest3", "--reason", "ticket 42", *where).code == 0
    file = command.directory / "guests.yaml"
    file.write_text(file.read_text().replace("[4, 0xab]", "[4]").replace("[0x47, 0xff]", "[0x47]"))

    ran = command(*words)
    said = ran.out + " ".join(ran.err.split())

    holders = re.split("^(?:  ~ |@@ )guest ", ran.out, flags=re.MULTILINE)[1:]
    assert {one[:6]: MARK in one for one in holders} == {"guest1": True, "guest2": False, "guest3": True}
    assert "0 guests interrupted; 2 guests need consent.\n" in ran.out + ran.err
    assert said.count("suspended by ") == said.count("ticket 42") == 1, said
    assert command.bare("resume", "guest3", *where).code == 0
    assert "; 1 guest needs consent.\n" in "".join(command(*words)[1:])


def test_totals_say_that_the_host_needs_consent(command: Command) -> None:
    """All of it is suspended, so that no guests are counted, also where one is suspended besides."""
    assert command.bare("suspend", "--reason", "move", "--simulate", str(command.simulated_host)).code == 0
    file = command.directory / "guests.yaml"
    file.write_text(file.read_text().replace("[4, 0xab]", "[4]"))

    assert "0 guests interrupted; needs consent.\n" in command("plan").out


def test_a_status_says_once_of_a_guest_that_it_is_suspended(command: Command) -> None:
    """Who, until when and why, that it differs, and how it is resumed, a line each."""
    file = command.directory / "guests.yaml"
    file.write_text(file.read_text().replace("[4, 0xab]", "[4]"))

    ran = command("status", "guest1")

    whys = [line.split(maxsplit=1)[1] for line in ran.out.splitlines() if line.startswith("  why ")]
    assert [whys[0].split()[:2], whys[1:]] == [["suspended", "by"], [WITHHELD]]
    assert (ran.err, ran.out.count("ticket 42")) == ("", 1)
    line = ran.out.splitlines()[-1].removeprefix("  next: ").partition("    #")[0]
    assert command.bare(*shlex.split(line)[1:]).out == "guest guest1: resumed\n"


@pytest.mark.parametrize("reason", [[], ["--reason", ""], ["--reason", "  "]])
def test_a_suspension_without_a_reason_is_refused_with_an_example(command: Command, reason: list[str]) -> None:
    """What has to be written, and the command with one that could be."""
    ran = command.bare("suspend", "guest2", *reason, "--simulate", str(command.simulated_host))

    assert (ran.code, ran.out) == (64, "")
    said = " ".join(ran.err.split())
    assert "--reason 'key ceremony, ask Kim'" in said
    assert said.endswith("# with your own reason")


def test_suspend_says_what_it_keeps_off_and_how_it_ends(command: Command) -> None:
    """The loop, an apply and its override, and a command for the end that works."""
    where = ("--simulate", str(command.simulated_host))

    ran = command.bare("suspend", "guest2", "guest3", "--reason", "move", *where)

    assert "leaves them alone, and an apply changes them only with --allow-suspended" in ran.err
    line = ran.err.partition("  next: ")[2].partition("    #")[0]
    assert command.bare(*shlex.split(line)[1:]).out == "guests guest2, guest3: resumed\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gest1", "none called 'gest1' is suspended. Did you mean 'guest1'?"),
        ("zzz", "none called 'zzz' is suspended.\n"),
        ("guest2", "error: guest 'guest2' is not suspended\n"),
        ("guest2 guest1x", "error: guest 'guest2' is not suspended\nerror: there is no such guest here, and none"),
    ],
)
def test_resuming_what_is_not_suspended_says_what_is(command: Command, name: str, said: str) -> None:
    """With the name that was probably meant; the others that were named are resumed nevertheless."""
    where = ("--simulate", str(command.simulated_host))
    assert command.bare("suspend", "guest3", "--reason", "move", *where).code == 0

    ran = command.bare("resume", "guest3", *name.split(), *where)

    assert (ran.code, ran.out) == (1, "guest guest3: resumed\n")
    assert said in ran.err
    assert "note: suspended: guest1\n  next: reconcile resume guest1 --simulate " in ran.err


def test_resuming_several_that_are_not_suspended_is_one_error(command: Command) -> None:
    """With all their names."""
    ran = command.bare("resume", "guest2", "guest3", "--simulate", str(command.simulated_host))

    assert ran.err.startswith("error: guests 'guest2', 'guest3' are not suspended\nnote: suspended: guest1\n")


def test_consent_that_was_given_is_not_asked_for(command: Command) -> None:
    """What is still missing is, with its option; what was given is listed as given, and counted no more."""
    where = ("--simulate", str(command.simulated_host))
    guests = command.directory / "guests.yaml"
    guests.write_text(guests.read_text().replace("[4, 0xab]", "[4]").replace("[0x47, 0xff]", "[0x47]"))
    assert command.bare("simulate", "start", "guest2", *where).code == 0

    part = command("apply", "--yes", "--allow-disruption")
    assert part.code == 4
    assert "Consent given (--allow-disruption):\n  guest2: " in part.out
    assert "Needs consent (--allow-suspended):\n  guest1: it is suspended\n" in part.out
    assert "; 1 guest needs consent." in part.out

    whole = command("apply", "--yes", "--allow-disruption", "--allow-suspended")
    assert whole.code == 0
    assert "Consent given (--allow-suspended):\n" in whole.out
    assert "eeds consent" not in whole.out
    assert "need consent" not in whole.out


@pytest.mark.parametrize("observed", [False, True])
def test_a_saved_plan_is_applied_by_the_command_that_it_prints(
    command: Command, observed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all consents that it needs, made with relative paths or from a record, and from another directory, too."""
    monkeypatch.chdir(command.directory)
    host = ("--simulate", command.simulated_host.name)
    assert command.bare("simulate", *host, "start", "guest1").code == 0
    file = Path("guests.yaml")
    file.write_text(file.read_text().replace("[4, 0xab]", "[4]"))
    where = host
    if observed:
        assert command.bare("observe", "--out", "../host.json", *host).code == 0
        where = ("--observed", "../host.json")
    saved = command.bare("plan", "--out", "../plan.json", *where)
    (line,) = [one for one in saved.err.splitlines() if "reconcile apply" in one and ".json" in one]
    words = shlex.split(line.partition("reconcile ")[2], comments=True)
    assert {"--allow-disruption", "--allow-suspended"} <= {*words}

    if observed:  # beside the file, on the host
        monkeypatch.chdir("..")
    ran = command.bare(*words, "--yes")

    assert ran.code == 0, ran.err
