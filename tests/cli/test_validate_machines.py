"""``reconcile validate`` of a repository with machines."""

import json
from pathlib import Path

import pytest

from testing.commands import Command, Ran
from testing.manifests import OTHER_ID, guest_text, host_text, machine_text

LPAR7 = "{name: LPAR7, host: lpar7, adapters: [5, 6], usageDomains: [4]}"
ZOS1 = "{name: ZOS1, adapters: [6], usageDomains: [4, 5]}"


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` with an empty directory of manifests."""
    return Command(tmp_path, capsys)


def validated(command: Command, *texts: str, words: tuple[str, ...] = ()) -> Ran:
    """What ``reconcile validate`` gives where the manifests are `texts`."""
    for at, text in enumerate(texts):
        (command.directory / f"{at}.yaml").write_text(text, encoding="utf-8")
    return command.bare("validate", "-f", str(command.directory), *words)


def test_what_is_proved_is_said_with_the_number_of_lpars(command: Command) -> None:
    """An LPAR that is not listed is invisible; without machines nothing is said of them."""
    assert validated(command, host_text(), guest_text()).out == "valid: 1 host, 1 guest\n"

    ran = validated(command, host_text(), guest_text(), machine_text("cpc-a", LPAR7))

    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        "valid: 1 host, 1 guest\nproved for the 1 LPAR listed of the 1 machine: one that is not listed is invisible\n"
    )


def test_a_queue_of_two_active_lpars_is_refused(command: Command) -> None:
    """With both places; a host that has nothing to do with it can be asked for alone."""
    other = machine_text("cpc-b", "{name: LPAR8, host: lpar8, adapters: [5], usageDomains: [4]}", machineId=OTHER_ID)
    texts = (host_text(), guest_text(host="lpar7"), machine_text("cpc-a", LPAR7, ZOS1), host_text("lpar8"), other)

    ran = validated(command, *texts)

    assert ran.code == 4
    assert "error[lpar-overlap]: the LPARs 'LPAR7' and 'ZOS1' of machine 'cpc-a' are both active" in ran.err
    assert "06.0004" in ran.err
    assert ran.err.count("2.yaml:") == 2
    assert validated(command, *texts, words=("--host", "lpar7")).code == 4
    assert validated(command, *texts, words=("--host", "lpar8")).code == 0


def test_what_is_pending_is_counted_and_strict_refuses_it(command: Command) -> None:
    """The notes stand in the JSON, one for each guest."""
    texts = (host_text(), guest_text(adapters="[5, 9]"), guest_text("b", domains="[6]"), machine_text("cpc-a", LPAR7))

    ran = validated(command, *texts)
    record = json.loads(validated(command, *texts, words=("-o", "json")).out)
    strict = validated(command, *texts, words=("--strict",))

    assert (ran.code, ran.err) == (0, "")
    assert "2 notes about what LPARs do not have, among them 2 queues of guests: -o json lists them\n" in ran.out
    assert [(one["id"], one["severity"]) for one in record["problems"]] == [("outside-lpar", "note")] * 2
    assert record["valid"]
    assert record["counts"] == {"error": 0, "warning": 0, "note": 2}
    assert record["machines"] == {"count": 1, "lpars": 1, "queuesOutside": 2}
    assert strict.code == 4
    assert strict.err.count("error[outside-lpar]") == 2


def test_notes_are_counted_beside_errors(command: Command) -> None:
    """Whatever else is wrong."""
    texts = (host_text(), guest_text(adapters="[5, 9]"), machine_text("cpc-a", LPAR7, ZOS1))

    ran = validated(command, *texts)

    assert ran.code == 4
    assert ran.err.endswith("1 error\n\nand 1 note about what LPARs do not have: -o json lists them\n")


def test_strict_refuses_warnings_too(command: Command) -> None:
    """Such as an LPAR whose host no manifest describes."""
    texts = (host_text(), machine_text("cpc-a", LPAR7.replace("host: lpar7", "host: lpar9")))

    assert validated(command, *texts).code == 0
    assert validated(command, *texts, words=("--strict",)).code == 4


def test_a_required_queue_outside_of_the_lpar_is_an_error(command: Command) -> None:
    """It can never be there."""
    ran = validated(command, host_text(), guest_text(domains="[9]", presence="required"), machine_text("cpc-a", LPAR7))

    assert ran.code == 4
    assert "error[outside-lpar]: guest 'payments' requires usage domain 0x09 (9)" in ran.err


def test_the_order_of_paths_changes_no_byte(command: Command) -> None:
    """Whatever is wrong, in text and JSON."""
    texts = [
        host_text(),
        machine_text("cpc-a", LPAR7, ZOS1, "{name: DR, standbyOf: cpc-b/LPAR8, active: true}"),
        machine_text("cpc-b", "{name: LPAR8, host: lpar8, adapters: [5], usageDomains: [4]}", machineId=OTHER_ID),
        host_text("lpar8"),
        guest_text(hosts="[lpar7, lpar8]", domains="[4, 9]"),
    ]
    validated(command, *texts)
    paths = [str(command.directory / f"{at}.yaml") for at in range(len(texts))]

    for form in ("text", "json"):
        orders = (paths, paths[::-1], paths[2:] + paths[:2])
        ran = {command.bare("validate", "-o", form, *(w for one in order for w in ("-f", one))) for order in orders}
        assert len(ran) == 1
        assert {one.code for one in ran} == {4}
