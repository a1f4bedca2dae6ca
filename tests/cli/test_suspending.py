"""A suspension ends only by its own command, and is replaced only knowingly."""

import re
import shlex
from pathlib import Path

import pytest

from testing.commands import Command, Ran, change, example


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """The three guests, applied; guest1 is suspended for two hours."""
    made = example("three-guests", tmp_path, capsys)
    assert made("apply", "--yes").code == 0
    assert on_host(made, "suspend", "guest1", "--reason", "key ceremony", "--for", "2h").code == 0
    return made


def on_host(command: Command, *words: str) -> Ran:
    """Run ``reconcile`` with `words` for the simulated host."""
    return command.bare(*words, "--simulate", str(command.simulated_host))


def offered(ran: Ran) -> list[list[str]]:
    """The words of each command that `ran` offers next, without the program."""
    lines = [line.removeprefix("  next: ") for line in ran.err.splitlines() if line.startswith("  next: ")]
    return [shlex.split(line.partition("    #")[0])[1:] for line in lines]


def test_the_command_that_a_suspended_host_prints_ends_that_suspension_alone(command: Command) -> None:
    """A guest that a colleague suspended stays so; it is named, with the command that resumes it."""
    (line,) = offered(on_host(command, "suspend", "--reason", "reboot", "--for", "10m"))

    ran = command.bare(*line)

    assert (ran.code, ran.out) == (0, "the whole host: resumed\n")
    assert "still suspended: guest1" in ran.err
    plan, line = offered(ran)
    assert plan[0] == "plan", "no loop runs that would change what differs"
    assert command.bare(*line).out == "guest guest1: resumed\n"


def test_a_host_that_is_not_suspended_is_not_resumed_by_resuming_its_guests(command: Command) -> None:
    """What is suspended is named, with the command for it."""
    ran = on_host(command, "resume")

    assert (ran.code, ran.out) == (1, "")
    assert "error: the whole host is not suspended" in ran.err
    assert "suspended: guest1" in ran.err
    (line,) = offered(ran)
    assert command.bare(*line).out == "guest guest1: resumed\n"


def test_everything_is_resumed_when_that_is_asked_for(command: Command) -> None:
    """With --all, which no name goes with."""
    assert on_host(command, "suspend", "--reason", "reboot").code == 0

    assert on_host(command, "resume", "--all", "guest1").code == 64
    assert on_host(command, "resume", "--all").out == "the whole host and guest guest1: resumed\n"
    assert on_host(command, "resume", "--all").out == "nothing is suspended, so there is nothing to resume\n"


def test_a_suspension_that_lasts_as_long_replaces_another_and_says_which(command: Command) -> None:
    """By which user, until when and why it was; with the name where others were not suspended before."""
    longer = on_host(command, "suspend", "guest1", "--reason", "moves", "--for", "3h")
    open_ended = on_host(command, "suspend", "guest2", "guest1", "--reason", "audit")
    host = on_host(command, "suspend", "--reason", "reboot", "--for", "10m")
    again = on_host(command, "suspend", "--reason", "new kernel")

    assert [one.code for one in (longer, open_ended, host, again)] == [0, 0, 0, 0]
    assert re.search(r"^replaces: by \S+ until .* UTC: key ceremony$", longer.err, re.MULTILINE)
    assert re.search(r"^replaces: guest1: by \S+ until .* UTC: moves$", open_ended.err, re.MULTILINE)
    assert "replaces" not in host.err
    assert re.search(r"^replaces: by \S+ until .* UTC: reboot$", again.err, re.MULTILINE)


@pytest.mark.parametrize("names", [("guest1",), ("guest2", "guest1"), ()], ids=["one", "of several", "the host"])
def test_no_suspension_ends_earlier_unless_that_is_asked_for(command: Command, names: tuple[str, ...]) -> None:
    """The earlier one is shown and stays; the command that is printed replaces it."""
    if not names:
        assert on_host(command, "suspend", "--reason", "key ceremony").code == 0
    kept = command.directory / "simulated-host.yaml.state" / "suspended.json"
    before = kept.read_text(encoding="utf-8")

    ran = on_host(command, "suspend", *names, "--reason", "other", "--for", "1m")

    assert (ran.code, ran.out) == (4, "")
    assert kept.read_text(encoding="utf-8") == before
    assert re.search(rf"^ask first: {'guest1' if names else 'the whole host'}: .* key ceremony$", ran.err, re.MULTILINE)
    line = offered(ran)[0]
    assert line[: 1 + len(names)] == ["suspend", *names]  # not behind the flag
    done = command.bare(*line)
    assert done.code == 0
    assert "replaces: " in done.err
    assert kept.read_text(encoding="utf-8").count("other") == max(len(names), 1)


def test_a_guest_that_cannot_be_checked_is_suspended_with_a_note(command: Command) -> None:
    """As on a host where nothing is applied yet; the directory is named."""
    state = command.directory / "new"

    ran = on_host(command, "suspend", "gest1", "--reason", "x", "--state-dir", str(state))

    assert (ran.code, ran.out) == (0, "guest gest1: suspended until it is resumed\n")
    note = " ".join(ran.err.split())
    assert f"{state} has no record of any guest, so whether there is a guest gest1 was not checked" in note
    assert "was not checked" not in on_host(command, "suspend", "guest2", "--reason", "x").err


@pytest.mark.parametrize("words", [("suspend", "guest1", "--reason", "x"), ("resume", "guest1"), ("history",)])
@pytest.mark.parametrize("name", ["simulated-host.yml", "guests.yaml"])
def test_what_is_no_simulated_host_has_no_records(command: Command, words: tuple[str, ...], name: str) -> None:
    """A mistyped name would protect nothing, or show that nothing ever happened."""
    ran = command.bare(*words, "--simulate", str(command.directory / name))

    assert ran.code in (1, 3)
    assert name in ran.err
    assert "suspended until" not in ran.out
    assert not Path(f"{command.directory / name}.state").exists()


def test_a_guest_that_is_only_in_the_manifests_is_suspended(command: Command) -> None:
    """Before it is applied for the first time; a mistyped one is refused all the same."""
    guests = command.directory / "guests.yaml"
    text = guests.read_text(encoding="utf-8")
    batch = text.partition("\n---\n")[0].replace("guest1", "batch").replace("adapters: [5, 6]", "adapters: [7]")
    guests.write_text(f"{text}---\n{batch}\n", encoding="utf-8")
    where = ("-f", str(command.directory), "--reason", "new")

    assert on_host(command, "suspend", "batch", *where).out == "guest batch: suspended until it is resumed\n"
    assert on_host(command, "suspend", "bach", *where).code == 64


def test_who_suspends_learns_of_an_apply_that_waits(command: Command) -> None:
    """Its rollback changes the guest all the same, and says so."""
    change(command, "domains: [4, 0xab]", "domains: [4]")
    on_host(command, "resume", "guest1")
    assert command("apply", "--yes", "--confirm-within", "90s").code == 0

    other = on_host(command, "suspend", "guest3", "--reason", "x")
    ran = on_host(command, "suspend", "guest1", "--reason", "key ceremony")

    assert "waits to be confirmed" not in other.err
    said = " ".join(ran.err.split())
    assert "generation 2 waits to be confirmed; if it is rolled back, that changes guest1 all the same" in said
    assert [line[0] for line in offered(ran)] == ["resume", "confirm", "cancel"]
    cancelled = command.bare(*offered(ran)[2])
    assert cancelled.code == 0
    assert "it changed guest1, which is suspended by " in cancelled.err
    assert ": key ceremony\n" in cancelled.err


def test_without_a_reason_the_command_is_printed_with_one(command: Command) -> None:
    """Which can be run as it stands."""
    ran = on_host(command, "suspend", "guest3")

    assert ran.code == 64
    assert "--reason has to say why" in ran.err
    (line,) = offered(ran)
    assert command.bare(*line).out == "guest guest3: suspended until it is resumed\n"


def test_how_long_it_is_until_the_end_is_said_wherever_a_person_reads_it(command: Command) -> None:
    """Without seconds; in a table, which has little room, until when comes first."""
    answer = on_host(command, "suspend", "guest1", "--reason", "key ceremony", "--for", "47h")
    change(command, "adapters: [5, 6]", "adapters: [6]")

    page = " ".join(on_host(command, "status", "guest1").out.split())
    table = on_host(command, "status").out
    refused = " ".join(command("apply", "--yes").err.split())

    assert re.fullmatch(r"guest guest1: suspended until [-0-9]{10} \d\d:\d\d UTC \(1d2[23]h left\)\n", answer.out)
    assert re.search(r"suspended by \S+ until [-0-9]{10} \d\d:\d\d UTC \(1d2[23]h left\): key ceremony", page)
    assert re.search(r"  suspended .*  until [-0-9]{5,10} \d\d:\d\d UTC by \S+: key ceremony", table)
    assert re.search(r"ask first: guest1: suspended by \S+ until \S+ \S+ UTC \(1d2[23]h left\): key ceremony", refused)


@pytest.mark.parametrize("names", ["guset3", "guest", "guest guest3", "lpar7", "guest1,guest3", "Guest3"])
def test_a_name_is_looked_at_before_a_missing_reason(command: Command, names: str) -> None:
    """So that the command that is printed is not refused for the name, nor for the reason."""
    ran = on_host(command, "suspend", *names.split())

    (line,) = offered(ran)
    assert (ran.code, "--reason" in line) == (64, True)
    assert command.bare(*line).code == 0


@pytest.mark.parametrize("name", ["suspend", "resume"])
@pytest.mark.parametrize("words", ["list", "ls", "--list", "--show", "status", "list guest1"])
def test_what_is_suspended_is_listed_by_status(command: Command, name: str, words: str) -> None:
    """To which a list that neither command has leads."""
    assert on_host(command, "suspend", "guest1", "--reason", "an audit").code == 0
    ran = on_host(command, name, *words.split())

    (line,) = offered(ran)
    assert (ran.code, line[0]) == (64, "status")
    assert "an audit" in command.bare(*line).out


def test_without_a_guest_and_a_reason_a_guest_is_meant_first(command: Command) -> None:
    """What is printed first suspends no host as it stands; that a command without a guest does is said beside it."""
    ran = on_host(command, "suspend")

    assert ran.code == 64
    one, whole = offered(ran)
    assert "GUEST" in one
    assert "GUEST" not in whole
    assert "# a guest, for example" in ran.err
    assert "# the whole host: no guest is changed" in ran.err
    assert command.bare(*whole).out == "the whole host: suspended until it is resumed\n"


def test_guests_behind_commas_are_all_meant(command: Command) -> None:
    """The command that is offered leaves none of them out."""
    ran = on_host(command, "suspend", "guest2,guest3", "--reason", "x")

    assert (ran.code, "without commas" in ran.err) == (64, True)
    (line,) = offered(ran)
    assert command.bare(*line).code == 0
    resumed = on_host(command, "resume", "guest2", "guest3")
    assert resumed.code == 0, resumed.err


def test_where_one_suspension_is_refused_no_other_guest_is_suspended(command: Command) -> None:
    """Which is said, with the command that suspends the others alone."""
    ran = on_host(command, "suspend", "guest1", "guest3", "--reason", "x", "--for", "1m")

    assert ran.code == 4
    assert "nothing was suspended: for guest1 this would end it earlier (" in " ".join(ran.err.split())
    anew, others = offered(ran)
    assert "--replace" in anew
    assert ("guest1" in others, "guest3" in others) == (False, True)
    assert "guest3" not in on_host(command, "status", "-o", "json").out.partition('"problems"')[2]
    assert command.bare(*others).out.startswith("guest guest3: suspended until ")


def test_who_resumes_is_shown_whose_suspension_ends(command: Command) -> None:
    """It may be another person's."""
    assert ": key ceremony\n" in on_host(command, "resume", "guest1").err


def test_a_mistyped_guest_is_resumed_by_the_printed_command_alone(command: Command) -> None:
    """Not the whole host, which is suspended besides."""
    on_host(command, "suspend", "--reason", "reboot")

    ran = on_host(command, "resume", "gest1")

    assert ran.code == 1
    assert command.bare(*offered(ran)[-1]).out == "guest guest1: resumed\n"


def test_what_is_not_suspended_is_said_in_a_sentence(command: Command) -> None:
    """Where nothing is suspended at all."""
    on_host(command, "resume", "guest1")

    ran = on_host(command, "resume", "guest1")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "error: guest 'guest1' is not suspended\nnote: nothing is suspended\n"


NO_BUS = ("--sysfs", "nowhere", "--state-dir", "kept")


@pytest.mark.parametrize(
    "line",
    ["suspend guest1 --reason move", "suspend --reason move", "resume guest1", "resume --all", "cancel deploy-42"],
)
def test_nothing_is_recorded_where_there_is_no_ap_bus(
    command: Command, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """The guest that is meant is on another host, mostly a simulated one: the command for that is shown."""
    monkeypatch.chdir(command.directory)

    ran = command.bare(*shlex.split(line), *NO_BUS)

    assert (ran.code, ran.out, Path("kept").exists()) == (1, "", False)
    assert "error: no AP bus here " in ran.err
    (offer,) = offered(ran)
    assert sorted(offer) == sorted([*shlex.split(line), "--simulate", "simulated-host.yaml", "--state-dir", "kept"])


def test_what_is_suspended_is_resumed_also_where_the_ap_bus_is_gone(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its record is changed."""
    monkeypatch.chdir(command.directory)
    kept = ("--sysfs", "nowhere", "--state-dir", "simulated-host.yaml.state")

    assert command.bare("resume", "guest1", *kept).out == "guest guest1: resumed\n"
    assert "error: no AP bus here " in command.bare("resume", "guest1", *kept).err


def test_labels_are_printed_as_they_are_typed(command: Command, tmp_path: Path) -> None:
    """In the command with which a simulated host is meant."""
    labels = ("-l", "tenant=payments,site=a b", "-l", "x=1")
    state = ("--sysfs", str(tmp_path / "nothing"), "--state-dir", str(tmp_path / "state"))

    (line,) = (one for one in offered(command.bare("suspend", *labels, "--reason", "x", *state)) if "-l" in one)

    assert [line[place + 1] for place, word in enumerate(line) if word == "-l"] == [*labels[1::2]]


def refused(command: Command, *words: str) -> tuple[str, list[list[str]]]:
    """What is said where `words` cannot be suspended, and the commands that are offered; nothing is recorded."""
    kept = command.directory / "simulated-host.yaml.state" / "suspended.json"
    before = kept.read_text(encoding="utf-8")
    ran = on_host(command, "suspend", *words, "--reason", "key ceremony")

    assert (ran.code, ran.out, kept.read_text(encoding="utf-8")) == (64, "", before)
    return ran.err.splitlines()[0], offered(ran)


@pytest.mark.parametrize("others", [(), ("guest2",)])
def test_the_name_of_the_host_is_answered_with_the_command_for_the_whole_host(
    command: Command, others: tuple[str, ...]
) -> None:
    """Which suspends all its guests; the reason stays as it was given."""
    said, (line,) = refused(command, "lpar7", *others)

    assert said == "Error: lpar7 is the host, not a guest; to suspend the whole host, name no guest"
    assert command.bare(*line).out == "the whole host: suspended until it is resumed\n"


@pytest.mark.parametrize("word", ["LPAR7", "lpr7", "Lpar-7"])
def test_a_mistyped_name_of_the_host_is_answered_with_the_command_for_the_whole_host(
    command: Command, word: str
) -> None:
    """Whatever the case; a name that is more like that of a guest means the guest."""
    said, (line,) = refused(command, word)

    whole = "Did you mean the host 'lpar7'? To suspend the whole host, name no guest"
    assert said == f"Error: no guest called {word} is known here. {whole}"
    assert command.bare(*line).out == "the whole host: suspended until it is resumed\n"
    assert "the host" not in refused(command, "gest1")[0]


@pytest.mark.parametrize("word", ["lpar7", "LPAR7", "lpr7"])
def test_who_resumes_the_host_by_its_name_gets_the_command_that_does_it(command: Command, word: str) -> None:
    """Where the host is suspended; the guests that are suspended stay so."""
    assert on_host(command, "suspend", "--reason", "reboot").code == 0

    ran = on_host(command, "resume", word)

    assert (ran.code, ran.out) == (1, "")
    assert f"error: {word} is the host, not a guest; to resume the whole host, name no guest\n" in ran.err
    (line,) = offered(ran)
    assert command.bare(*line).out == "the whole host: resumed\n"


def test_so_it_is_where_nothing_is_recorded_yet(command: Command) -> None:
    """Instead of suspending a guest that has the name of the host."""
    ran = on_host(command, "suspend", "lpar7", "--reason", "x", "--state-dir", str(command.directory / "new"))

    assert (ran.code, "lpar7 is the host, not a guest" in ran.err) == (64, True)


@pytest.mark.parametrize(
    ("word", "guests"),
    [
        ("05.0047", ["guest2"]),
        ("06.00AB", ["guest1"]),
        ("5.71", ["guest2"]),
        ("5:0x47", ["guest2"]),
        ("7C3B6979-3EDC-5D3C-AF18-0C54F8134122", ["guest2"]),
    ],
)
def test_a_queue_or_a_device_is_answered_with_the_command_for_its_guest(
    command: Command, word: str, guests: list[str]
) -> None:
    """However the queue is written; a guest that was named besides stays."""
    said, (line,) = refused(command, "guest3", word)

    assert f"Error: {word} is " in said
    assert line[-2:] == ["guest3", *guests]
    assert command.bare(*line).out == f"guests guest3, {guests[0]}: suspended until it is resumed\n"


def test_a_queue_that_no_guest_has_is_answered_with_its_status(command: Command) -> None:
    """And with what can be suspended."""
    said, (line,) = refused(command, "05.0005")

    assert said.startswith("Error: 05.0005 is a queue, and no guest is known to have it; what can be suspended is a ")
    assert command.bare(*line).out.startswith("05.0005: free")


QUOTED = [
    (("guest1", "--reason", "disk", "swap"), ["guest1"], "disk swap"),
    (("--reason", "key", "ceremony,", "ask", "Kim", "--for", "9h", "guest1"), ["guest1"], "key ceremony, ask Kim"),
    (("guest3", "--reason=disk", "swap", "guest2"), ["guest3", "guest2"], "disk swap"),
    (("guest3", "guest2", "--reason", "card", "05.0004", "of", "guest3", "fails"), ["guest3", "guest2"], None),
    (("guest2", "--reason", "the", "host", "reboots"), ["guest2"], "the host reboots"),
    (("--reason", "disk", "swap"), [], "disk swap"),
]


@pytest.mark.parametrize(("words", "guests", "reason"), QUOTED, ids=[" ".join(one) for one, *_ in QUOTED])
def test_a_reason_without_quotes_is_put_into_them(
    command: Command, words: tuple[str, ...], guests: list[str], reason: str | None
) -> None:
    """The message names the word that is no guest; the command suspends those that were named, for that reason."""
    refused = on_host(command, "suspend", *words, "--replace")

    assert refused.code == 64
    assert "is no guest, and probably belongs to the reason" in refused.err
    ((*line,),) = offered(refused)
    assert line[line.index("--reason") + 1] == (reason or "card 05.0004 of guest3 fails")
    assert [one for one in line if one in {"guest1", "guest2", "guest3"}] == guests
    assert set(words) - {*line} <= {*(reason or "card 05.0004 of guest3 fails").split(), "--reason=disk"}
    ran = command.bare(*line)
    assert ran.code == 0
    assert ran.out.startswith(f"guest{'s' * (len(guests) > 1)} {', '.join(guests)}: " if guests else "the whole host: ")


def test_guests_behind_a_reason_are_guests(command: Command) -> None:
    """Also mistyped ones."""
    ran = on_host(command, "suspend", "--reason", "disk", "guest2", "guest3")
    assert ran.out.startswith("guests guest2, guest3: suspended")

    mistyped = on_host(command, "suspend", "--reason", "disk", "gust2")
    assert "Did you mean 'guest2'?" in mistyped.err
