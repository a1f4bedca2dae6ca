"""``reconcile compare``: of hosts in the manifests, of recorded hosts, and of both."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from testing.commands import Command, Ran
from testing.golden import assert_golden
from testing.manifests import MACHINE_ID, OTHER_ID, guest_text, host_text, machine_text

THIRD_ID = "IBM-3932-00000000000B0001"
PAGE = Path(__file__).parents[2] / "docs/machines.md"
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas/comparison.schema.json").read_text(encoding="utf-8"))
SITE = {
    "machines.yaml": "---\n".join(
        [
            machine_text(
                "cpc-a",
                "{name: LPAR7, host: lpar7, adapters: [5, 6], usageDomains: [4, 0x47]}",
                "{name: ZOS1, adapters: [5], usageDomains: [9]}",
            ),
            machine_text(
                "cpc-b",
                "{name: LPAR8, host: lpar8, adapters: [5, 6], usageDomains: [4, 0x48]}",
                machineId=OTHER_ID,
            ),
            machine_text("cpc-c", "{name: LPAR7DR, standbyOf: cpc-a/LPAR7, adapters: [6]}", machineId=THIRD_ID),
        ]
    ),
    "hosts.yaml": "---\n".join([host_text(), host_text("lpar8")]),
    "payments.yaml": guest_text(hosts="[lpar7, lpar8]", adapters="[5, 6]"),
    "web.yaml": guest_text("web", host="lpar7", domains="[0x47]"),
}


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` in a directory with the manifests of two hosts, one of them with a standby."""
    (tmp_path / "site").mkdir()
    monkeypatch.chdir(tmp_path)
    for name, text in SITE.items():
        (tmp_path / "site" / name).write_text(text, encoding="utf-8")
    return Command(tmp_path / "site", capsys)


def compared(command: Command, *words: str) -> Ran:
    """What ``reconcile compare`` gives with these manifests."""
    return command.bare("compare", *words, "-f", "site")


def record_of(command: Command, *words: str) -> dict[str, Any]:
    """The same as JSON, which has the form of its schema."""
    found: dict[str, Any] = json.loads(compared(command, *words, "-o", "json").out)
    Draft202012Validator(SCHEMA).validate(found)
    return found


def missing(command: Command, *words: str) -> dict[str, dict[str, Any]]:
    """By guest, what is missing, without what is empty."""
    return {
        one["name"]: {key: value for key, value in one["missing"].items() if value}
        for one in record_of(command, *words)["guests"]
    }


def recorded(command: Command, name: str, cards: str = "{id: 5}, {id: 6}", lpar: str = "", **spec: str) -> str:
    """The file with the record of a simulated host, of which vfio_ap has everything unless `spec` says otherwise."""
    identity = lpar or f"machineId: {OTHER_ID}, lpar: {name.upper()}"
    values = {"adapters": f"[{cards}]", "usageDomains": "[4, 0x47]", "pool": "{adapters: [], domains: []}"} | spec
    fields = ", ".join(f"{key}: {value}" for key, value in values.items())
    text = f"apiVersion: reconciler/v1\nkind: SimulatedHost\nmetadata: {{name: {name}}}\nspec: {{{identity}, {fields}}}"
    Path(f"{name}-host.yaml").write_text(text, encoding="utf-8")
    ran = command.bare("observe", "--simulate", f"{name}-host.yaml", "--out", f"{name}.json")
    assert ran.code == 0, ran.err
    return f"{name}.json"


def device(command: Command, guest: str) -> str:
    """The uuid of the device of `guest`."""
    return str(next(one["uuid"] for one in record_of(command, "lpar7", "lpar8")["guests"] if one["name"] == guest))


def test_hosts_of_the_manifests_are_compared_by_what_their_machines_list(command: Command) -> None:
    """For the guests that name both, and for the others; nothing is known of cards and keys."""
    ran = compared(command, "lpar7", "lpar8")

    assert (ran.code, ran.err) == (2, "")
    assert_golden("commands/compare-hosts.txt", ran.out)
    assert f"```text\n{ran.out}```" in PAGE.read_text(encoding="utf-8")
    found = record_of(command, "lpar7", "lpar8")
    assert [(one["name"], one["namesBoth"], one["complete"]) for one in found["guests"]] == [
        ("payments", True, True),
        ("web", False, False),
    ]
    assert found["guests"][0]["unknown"] == {"keys": True, "cards": [5, 6]}
    assert missing(command, "lpar7", "lpar8")["web"] == {"queues": ["05.0047"], "controlDomains": [0x47]}


def test_where_all_can_move_the_exit_code_is_zero(command: Command) -> None:
    """And the text says so."""
    (command.directory / "web.yaml").unlink()

    ran = compared(command, "lpar7", "lpar8")

    assert ran.code == 0
    assert ran.out.endswith("All can move: 1 guest, as far as is known.\n")


@pytest.mark.parametrize(
    "words",
    [
        ("cpc-a/LPAR7", "cpc-c/lpar7dr"),
        ("lpar7", "cpc-c/LPAR7DR"),
        ("lpar7", "--standby"),
        ("--standby", "cpc-a/lpar7"),
    ],
)
def test_a_takeover_leaves_pending_what_the_standby_lacks(command: Command, words: tuple[str, ...]) -> None:
    """However the two places of the host are named; what names both hosts plays no part."""
    ran = compared(command, *words)

    assert (ran.code, ran.err) == (2, "")
    assert ran.out.startswith("What would be pending once cpc-c/LPAR7DR has taken over host lpar7 from cpc-a/LPAR7\n")
    assert ran.out.endswith("After a takeover 2 queues would be pending; cpc-c/LPAR7DR lacks something for 2 guests.\n")
    assert missing(command, *words) == {"payments": {"queues": ["05.0004"]}, "web": {"queues": ["05.0047"]}}


def test_a_standby_that_has_everything_leaves_nothing_pending(command: Command) -> None:
    """As one that leaves its lists to its original."""
    machines = command.directory / "machines.yaml"
    machines.write_text(machines.read_text(encoding="utf-8").replace(", adapters: [6]}", "}"), encoding="utf-8")

    ran = compared(command, "lpar7", "--standby")

    assert ran.code == 0
    assert ran.out.endswith("After a takeover nothing would be pending: cpc-c/LPAR7DR has all of 2 guests.\n")


def rival(command: Command, lpar: str) -> None:
    """Have one more LPAR on the machine of the standby."""
    machines = command.directory / "machines.yaml"
    text = machines.read_text(encoding="utf-8")
    machines.write_text(f"{text.rstrip()}\n    - {lpar}\n", encoding="utf-8")


def test_a_standby_does_not_start_with_the_queues_of_an_active_lpar(command: Command) -> None:
    """`validate` allows that, since the standby is not active; whoever takes over has to know before."""
    rival(command, "{name: ZOS9, adapters: [5, 6], usageDomains: [0x47, 0x48]}")
    assert command.bare("validate", "-f", "site").code == 0

    ran = compared(command, "lpar7", "--standby", "-o", "wide")
    found = record_of(command, "lpar7", "--standby")

    assert ran.code == 2
    assert "web lacks on cpc-c/LPAR7DR" in ran.out
    assert "cpc-c/LPAR7DR cannot be activated while cpc-c/ZOS9 is active, which has adapter 0x06" in ran.out
    assert ran.out.endswith("cpc-c/LPAR7DR has to be changed first: on the HMC, and in its Machine.\n")
    assert found["taken"] == [{"lpar": "cpc-c/ZOS9", "queues": ["06.0047"]}]
    assert not found["complete"]


@pytest.mark.parametrize(
    "lpar",
    [
        "{name: ZOS9, adapters: [5, 6], usageDomains: [0x48]}",
        "{name: ZOS9, adapters: [6], usageDomains: [0x47], active: false}",
    ],
)
def test_other_queues_and_other_inactive_lpars_keep_no_standby_from_starting(command: Command, lpar: str) -> None:
    """Only the same queues of an active LPAR do."""
    rival(command, lpar)

    assert record_of(command, "lpar7", "--standby")["taken"] == []


def test_the_original_beside_its_standby_has_ended_by_then(command: Command) -> None:
    """On one machine, as for a test of the takeover; also on the way back."""
    machines = command.directory / "machines.yaml"
    text = machines.read_text(encoding="utf-8")
    standby = "    - {name: HERE, standbyOf: cpc-a/LPAR7}\n"
    machines.write_text(text.replace("    - {name: ZOS1,", f"{standby}    - {{name: ZOS1,"), encoding="utf-8")

    assert compared(command, "cpc-a/LPAR7", "cpc-a/HERE").code == 0
    assert record_of(command, "cpc-a/HERE", "cpc-a/LPAR7")["taken"] == []


def test_a_recorded_host_shows_its_cards_devices_and_drivers(command: Command) -> None:
    """A name on one side and a file on the other, or two files with the manifests."""
    here = recorded(command, "lpar7", "{id: 5, type: CEX8}, {id: 6}", f"machineId: {MACHINE_ID}, lpar: LPAR7")
    other = "00000000-0000-4000-8000-000000000009"
    there = recorded(
        command,
        "lpar8",
        "{id: 5, mode: ep11}, {id: 6, configured: false}",
        mdevs=f"[{{uuid: {other}, adapters: [6], domains: [4]}}]",
        pool="{adapters: [5], domains: [0x47]}",
    )

    found = missing(command, here, there)

    assert found["payments"] == {
        "cards": [
            {"adapter": 5, "what": "type", "here": "CEX8", "there": "CEX7"},
            {"adapter": 5, "what": "mode", "here": "CCA", "there": "EP11"},
            {"adapter": 6, "what": "trouble", "reason": "is in standby (deconfigured)"},
        ],
        "held": [{"name": None, "uuid": other, "queues": ["06.0004"]}],
        "device": True,
    }
    assert found["web"]["notGiven"] == ["05.0047"]
    assert "queues" not in found["web"]
    assert [one["unknown"]["cards"] for one in record_of(command, here, there)["guests"]] == [[], []]
    assert [one["unknown"]["cards"] for one in record_of(command, "lpar7", there)["guests"]] == [[5, 6], [5]]
    text = compared(command, here, there, "-o", "wide").out
    assert "mode             adapter 0x05 (5): EP11 there, CCA here\n" in text
    assert "type             adapter 0x05 (5): CEX7 there is older than CEX8 here\n" in text
    assert f"held             adapter 0x06 (6) with domain 0x04 (4): by device {other}\n" in text


def test_a_destination_that_was_applied_to_has_everything(command: Command) -> None:
    """The guest's own device there is what it needs, not another holder."""
    uuid = device(command, "payments")
    here = recorded(command, "lpar7", lpar=f"machineId: {MACHINE_ID}, lpar: LPAR7")
    there = recorded(command, "lpar8", mdevs=f"[{{uuid: {uuid}, adapters: [5, 6], domains: [4]}}]")

    assert missing(command, here, there) == {"payments": {}, "web": {}}
    assert compared(command, here, there).code == 0
    assert compared(command, "lpar7", there).code == 0


def test_two_records_need_no_manifests(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guests are then the devices of the first one, by the names that were applied, if any."""
    uuid = "00000000-0000-4000-8000-000000000009"
    here = recorded(command, "lpar1", mdevs=f"[{{uuid: {uuid}, adapters: [5, 6], domains: [4]}}]")
    there = recorded(command, "lpar2", "{id: 5}", lpar=f"machineId: {MACHINE_ID}, lpar: LPAR2")

    Path("empty").mkdir()
    monkeypatch.chdir("empty")
    here, there = f"../{here}", f"../{there}"

    ran = command.bare("compare", here, there, "-o", "json")

    assert ran.code == 2
    found = json.loads(ran.out)
    (only,) = found["guests"]
    assert (only["name"], only["missing"]["queues"]) == (uuid, ["06.0004"])
    assert [found[one]["lparName"] for one in ("source", "target")] == ["LPAR1", "LPAR2"]
    assert f"from  lpar1, LPAR LPAR1, machine {OTHER_ID}, recorded " in command.bare("compare", here, there).out
    for words in ((here, "nothing.json"), ("lpar1", "lpar2")):
        ran = command.bare("compare", *words)
        assert (ran.code, ran.out) == (64, "")
        assert "there is no file " in ran.err


def test_two_records_are_compared_for_the_manifests_in_the_current_directory(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are any: they say which guests name both hosts."""
    here = recorded(command, "lpar7", lpar=f"machineId: {MACHINE_ID}, lpar: LPAR7")
    there = recorded(command, "lpar8", "{id: 5}")
    monkeypatch.chdir(command.directory)

    ran = command.bare("compare", f"../{here}", f"../{there}", "-o", "json")

    found = {one["name"]: one["namesBoth"] for one in json.loads(ran.out)["guests"]}
    assert (ran.code, found) == (2, {"payments": True, "web": False})


def test_a_recorded_standby_is_a_takeover(command: Command) -> None:
    """The record says in which LPAR it runs; its host is the same, whatever it is called there."""
    there = recorded(command, "lpar7dr", "{id: 6}", lpar=f"machineId: {THIRD_ID}, lpar: LPAR7DR")

    found = record_of(command, "lpar7", there)

    assert (found["purpose"], found["target"]["lpar"], found["target"]["host"]) == (
        "takeover",
        "cpc-c/LPAR7DR",
        "lpar7",
    )
    assert missing(command, "lpar7", there)["payments"] == {"queues": ["05.0004"]}


def test_what_a_host_keeps_and_what_its_guests_hold_is_not_free_for_others(command: Command) -> None:
    """Also where only the manifests say so; a guest whose device is made on demand holds nothing yet."""
    kept = "[{adapters: [6], domains: [4]}]"
    (command.directory / "hosts.yaml").write_text(
        "---\n".join([host_text(), host_text("lpar8", keep=kept)]), encoding="utf-8"
    )
    (command.directory / "other.yaml").write_text(guest_text("other", host="lpar8", domains="[0x48]"), encoding="utf-8")
    (command.directory / "web.yaml").write_text(guest_text("web", host="lpar7", domains="[0x48]"), encoding="utf-8")
    (command.directory / "payments.yaml").write_text(
        guest_text(host="lpar7", adapters="[6]", domains="[4]"), encoding="utf-8"
    )
    (command.directory / "day.yaml").write_text(
        guest_text("day", host="lpar8", domains="[0x48]", activation="on-demand"), encoding="utf-8"
    )

    found = missing(command, "lpar7", "lpar8")

    assert [(one["name"], one["queues"]) for one in found["web"]["held"]] == [("other", ["05.0048"])]
    assert found["payments"]["notGiven"] == ["06.0004"]


def test_lpars_of_one_machine_cannot_exchange_guests(command: Command) -> None:
    """A queue belongs to one active LPAR of a machine."""
    machines = command.directory / "machines.yaml"
    text = machines.read_text(encoding="utf-8")
    two = text.replace("    - {name: LPAR8,", "    - {name: DR, standbyOf: cpc-a/LPAR7}\n    - {name: LPAR8,")
    machines.write_text(two, encoding="utf-8")

    ran = compared(command, "lpar8", "cpc-b/dr")

    assert ran.code == 2
    assert f"both are on {OTHER_ID}, where a queue belongs to one active LPAR only" in ran.out


MISTAKES = [
    (("lpar7", "lpar9"), 64, "there is no Host, no LPAR and no file 'lpar9'. Did you mean 'lpar8'? There are: "),
    (("lpar7", "cpc-b/LPAR7RD"), 64, "Did you mean 'cpc-c/LPAR7DR'?"),
    (("lpar7", "lpar8.json"), 64, "no file 'lpar8.json'"),
    (("lpar7", "lpar7"), 64, "lpar7 cannot be compared with lpar7: both are the same LPAR"),
    (("lpar7", "cpc-a/lpar7"), 64, "lpar7 cannot be compared with cpc-a/LPAR7: both are the same LPAR"),
    (("lpar7", "site"), 64, "site is a directory; name a file that 'reconcile observe --out' has written"),
    (("lpar7", "/dev/null"), 64, "/dev/null is no regular file; name a file"),
    (("lpar7",), 64, "name two sides, A and B, or one side with --standby"),
    (("lpar7", "lpar8", "--standby"), 64, "name two sides"),
    (("lpar8", "--standby"), 64, "no Machine lists a standby of lpar8"),
    (("cpc-a/zos1", "--standby"), 1, "no Host runs in cpc-a/ZOS1, so that it has no guests that could move"),
    (("site/web.yaml", "lpar7"), 1, "site/web.yaml is no record of a host, or is damaged: it is not JSON"),
    (("cpc-a/zos1", "lpar8"), 1, "no Host runs in cpc-a/ZOS1, so that it has no guests that could move"),
]


@pytest.mark.parametrize(("words", "code", "text"), MISTAKES)
def test_a_mistake_is_refused_with_what_there_is(
    command: Command, words: tuple[str, ...], code: int, text: str
) -> None:
    """Never a traceback, and nothing is compared."""
    ran = compared(command, *words)

    assert (ran.code, ran.out) == (code, "")
    assert text in ran.err


def test_a_record_that_may_not_be_read_is_not_what_is_kept_of_a_host(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the file and the reason, and nothing about root."""
    (command.directory / "lpar8.json").write_text("{}", encoding="utf-8")

    def refuse(file: str) -> None:
        raise PermissionError(13, "Permission denied", file)

    monkeypatch.setattr("reconciler.cli.compare_command.read_host_record", refuse)
    ran = compared(command, "lpar7", "site/lpar8.json")

    assert (ran.code, ran.out) == (1, "")
    assert "site/lpar8.json cannot be read: Permission denied" in ran.err
    assert "kept of a host" not in ran.err


def test_a_directory_that_is_called_like_a_host_or_an_lpar_is_not_in_its_way(command: Command) -> None:
    """The name is that of the Host or LPAR."""
    (command.directory.parent / "lpar8").mkdir()
    (command.directory.parent / "cpc-b" / "lpar7dr").mkdir(parents=True)

    assert compared(command, "lpar7", "lpar8").code == 2
    assert compared(command, "lpar8", "cpc-c/lpar7dr").code == 2


def test_a_host_that_no_machine_lists_is_recorded_first(command: Command) -> None:
    """Nothing is known of what its LPAR has; the command to run is named."""
    (command.directory / "hosts.yaml").write_text(
        "---\n".join([host_text(), host_text("lpar8"), host_text("lpar9")]), encoding="utf-8"
    )

    for words in (("lpar7", "lpar9"), ("lpar9", "--standby")):
        ran = compared(command, *words)

        assert ran.code == 1
        assert "no Machine lists an LPAR in which lpar9 runs" in ran.err
        assert "next: reconcile observe --out lpar9.json\n" in ran.err


def test_a_record_of_another_version_or_of_the_same_lpar_is_refused(command: Command) -> None:
    """The message names the file, and the field where one is wrong."""
    there = recorded(command, "lpar8")
    named = compared(command, "lpar8", there)
    twice = command.bare("compare", there, there)
    content = json.loads(Path(there).read_text(encoding="ascii"))
    Path(there).write_text(json.dumps(content | {"formatVersion": 99}), encoding="ascii")
    old = compared(command, "lpar7", there)

    assert (named.code, twice.code, old.code) == (64, 64, 1)
    assert "both are the same LPAR" in named.err
    assert "both are the same LPAR" in twice.err
    assert "lpar8.json was made by a newer reconcile: formatVersion" in old.err


def test_hosts_that_do_not_say_where_they_run_are_told_apart_by_name(command: Command) -> None:
    """Two records of one host, of which it is not known where they were made, are not compared."""
    here = recorded(command, "lpar1", lpar="maxDomain: 84")
    there = recorded(command, "lpar2", lpar="maxDomain: 84")
    again = Path("again.json")
    again.write_text(Path(here).read_text(encoding="ascii"), encoding="ascii")

    assert command.bare("compare", here, there).code == 0
    ran = command.bare("compare", here, str(again))

    assert ran.code == 64
    assert "both are of host lpar1, and not both say in which LPAR" in ran.err


def test_several_standbys_have_to_be_named(command: Command) -> None:
    """Each with the command that compares it."""
    text = machine_text("cpc-d", "{name: DR2, standbyOf: cpc-a/LPAR7}", machineId="IBM-3932-00000000000A0002")
    (command.directory / "third.yaml").write_text(text, encoding="utf-8")

    ran = compared(command, "lpar7", "--standby")

    assert ran.code == 64
    assert "reconcile compare -f site lpar7 cpc-c/LPAR7DR" in ran.err
    assert "reconcile compare -f site lpar7 cpc-d/DR2" in ran.err
    assert compared(command, "lpar7", "cpc-d/DR2").code == 0


def test_a_file_has_no_standby(command: Command) -> None:
    """A record is of one LPAR; a Host that is called like a file is meant before the file."""
    recorded(command, "lpar7", lpar=f"machineId: {MACHINE_ID}, lpar: LPAR7")
    Path("lpar7").write_bytes(Path("lpar7.json").read_bytes())

    assert "a file is of one LPAR and has no standby" in compared(command, "lpar7.json", "--standby").err
    assert compared(command, "./lpar7", "--standby").code == 64
    assert compared(command, "lpar7", "--standby").code == 2


def test_a_record_may_be_standard_input(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """But only one of the two, and not beside manifests from there."""
    there = recorded(command, "lpar8")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(there).read_bytes())))

    assert compared(command, "lpar7", "-").out.startswith("Whether the guests of lpar7 can move to lpar8\n")
    for words in (("-", "-"), ("lpar7", "-", "-f", "-")):
        ran = command.bare("compare", *words)
        assert ran.code == 64
        assert "-: standard input is only one of them; name a file for the other" in ran.err


def test_what_the_source_lacks_too_is_said(command: Command) -> None:
    """The guest does without it already."""
    (command.directory / "web.yaml").write_text(guest_text("web", host="lpar7", domains="[4, 9]"), encoding="utf-8")

    assert missing(command, "lpar7", "lpar8")["web"]["pendingHere"] == ["05.0009"]
    assert "\n                   lpar7 lacks them, too\n" in compared(command, "lpar7", "lpar8").out


def test_manifests_that_cannot_be_used_are_refused(command: Command) -> None:
    """With their problems, as everywhere."""
    (command.directory / "web.yaml").write_text("kind: Gest\n", encoding="utf-8")

    assert compared(command, "lpar7", "lpar8").code == 3


def test_the_text_fits_the_page_and_many_guests_are_counted(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is wider than the terminal; what is left out is counted, with the command that shows it."""
    many = "---\n".join(
        guest_text(f"guest-{at:03}", host="lpar7", domains="[0x47]", activation="on-demand") for at in range(90)
    )
    (command.directory / "many.yaml").write_text(many, encoding="utf-8")

    for width in (80, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        ran = compared(command, "lpar7", "lpar8")
        assert_golden(f"commands/compare-many-{width}.txt", ran.out)
        assert max(map(len, ran.out.splitlines())) <= width
        assert len(ran.out.splitlines()) <= 60
        assert "  next: reconcile compare -o wide -f site lpar7 lpar8    # shows all of it\n" in ran.out
        assert ran.out.isascii() or "…" in ran.out

    monkeypatch.setenv("COLUMNS", "50")
    narrow = compared(command, "lpar7", "lpar8").out
    assert "\n  next: reconcile compare -o wide -f site lpar7 lpar8\n        # shows all of it\n" in narrow
    assert "\n  on the host itself:\n    reconcile observe --out lpar7.json\n" in narrow
    assert max(len(line) for line in narrow.splitlines() if not line.startswith("  next: ")) <= 50
    assert len(compared(command, "lpar7", "lpar8", "-o", "wide").out.splitlines()) > 400
