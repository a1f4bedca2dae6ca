"""Machines in the manifests: what an LPAR has, what a standby has from its original, and what is wrong with them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifests.site import Site
from reconciler.model.desired import Desired
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.machines import DesiredLpar, LparName, MachineMode
from reconciler.model.matrix import ApConfig
from reconciler.model.problems import Severity
from testing.manifests import (
    HOST,
    MACHINE_ID,
    OTHER_ID,
    guest_text,
    host_text,
    machine_text,
    marked,
    only_problem,
    site_of,
    texts_site,
)

LPAR7 = "{name: LPAR7, host: lpar7, adapters: [5, 6], usageDomains: [4, 0x47]}"


def lpars_of(site: Site, machine: str = "cpc-a") -> dict[str, DesiredLpar]:
    """The LPARs of a machine of `site`, which must be without errors, by name."""
    assert not [one for one in site.problems if one.severity is Severity.ERROR], site.problems
    return {lpar.name: lpar for one in site.machines if one.name == machine for lpar in one.lpars}


def test_everything_that_a_machine_can_say_is_understood(tmp_path: Path) -> None:
    """Each field ends up in the value that it stands for."""
    lpar = (
        '{name: "Prod / Ä1", host: lpar7, adapters: [5-6], usageDomains: [4], controlDomains: [4, 0x47], active: false}'
    )
    text = machine_text("cpc-a", lpar, machineId=MACHINE_ID.lower(), mode="dpm", maxDomain="84")

    (machine,) = site_of(tmp_path, HOST, text).machines

    assert (machine.name, machine.id, machine.mode, machine.max_domain) == ("cpc-a", MACHINE_ID, MachineMode.DPM, 84)
    (found,) = machine.lpars
    assert (found.name, found.host, found.is_active, found.standby_of) == ("Prod / Ä1", "lpar7", False, None)
    assert found.config == ApConfig(IdSet([5, 6]), IdSet([4]), IdSet([4, 0x47]))


def test_control_domains_that_are_left_out_are_the_usage_domains(tmp_path: Path) -> None:
    """As for a guest; an LPAR is active unless it says otherwise, and one without crypto has empty lists."""
    zos = "{name: ZOS1, adapters: [], usageDomains: []}"
    lpars = lpars_of(site_of(tmp_path, HOST, machine_text("cpc-a", LPAR7, zos)))

    assert lpars["LPAR7"].config.control_domains == IdSet([4, 0x47])
    assert lpars["LPAR7"].is_active
    assert lpars["ZOS1"].config == ApConfig(NO_IDS, NO_IDS, NO_IDS)


STANDBYS = [
    ("{name: DR, standbyOf: cpc-a/lpar7}", ApConfig(IdSet([5, 6]), IdSet([4, 0x47]), IdSet([4, 0x47]))),
    ("{name: DR, standbyOf: cpc-a/LPAR7, adapters: [9]}", ApConfig(IdSet([9]), IdSet([4, 0x47]), IdSet([4, 0x47]))),
    ("{name: DR, standbyOf: cpc-a/Lpar7, usageDomains: [1]}", ApConfig(IdSet([5, 6]), IdSet([1]), IdSet([1]))),
    (
        "{name: DR, standbyOf: cpc-a/LPAR7, usageDomains: [1], controlDomains: [1, 2], adapters: []}",
        ApConfig(NO_IDS, IdSet([1]), IdSet([1, 2])),
    ),
    (
        "{name: DR, standbyOf: cpc-a/LPAR7, controlDomains: [4, 0x47, 9]}",
        ApConfig(IdSet([5, 6]), IdSet([4, 0x47]), IdSet([4, 0x47, 9])),
    ),
]


@pytest.mark.parametrize(("text", "config"), STANDBYS)
def test_a_standby_has_what_it_leaves_out_from_its_original(tmp_path: Path, text: str, config: ApConfig) -> None:
    """Also the Host, on whichever machine it is; it is not active unless it says so."""
    other = machine_text("cpc-b", text, machineId=OTHER_ID)
    standby = lpars_of(site_of(tmp_path, other, HOST, machine_text("cpc-a", LPAR7)), "cpc-b")["DR"]

    assert standby.config == config
    assert (standby.host, standby.is_active) == ("lpar7", False)
    assert standby.standby_of is not None
    assert standby.standby_of.folded == LparName("cpc-a", "lpar7")


def test_a_standby_may_have_taken_over(tmp_path: Path) -> None:
    """Then it is the active one, and its original is not."""
    original = LPAR7.replace("name", "active: false, name")
    lpars = lpars_of(
        site_of(tmp_path, HOST, machine_text("cpc-a", original, "{name: DR, standbyOf: cpc-a/lpar7, active: true}"))
    )

    assert {name: lpar.is_active for name, lpar in lpars.items()} == {"LPAR7": False, "DR": True}


WRONG = [
    (machine_text(machineId="IBM-3931-829E7"), "bad-machine-id", "IBM-3931-829E7"),
    (machine_text(machineId="3931"), "bad-machine-id", "3931"),
    (machine_text("cpc-a", "{name: '', adapters: [], usageDomains: []}"), "bad-lpar-name", "''"),
    (machine_text("cpc-a", '{name: "A\\u200b", adapters: [], usageDomains: []}'), "control-character", '"A\\u200b"'),
    (machine_text("cpc-a", "{name: 7, adapters: [], usageDomains: []}"), "bad-lpar-name", "7"),
    (machine_text("cpc-a", "{name: A, adapters: []}"), "lpar-without-queues", "{name: A, adapters: []}"),
    (machine_text("cpc-a", "{name: A}"), "lpar-without-queues", "{name: A}"),
    (machine_text("cpc-a", LPAR7, "{name: B, standbyOf: LPAR7}"), "bad-standby", "LPAR7"),
    (machine_text("cpc-a", LPAR7, "{name: B, standbyOf: cpc-a/LPAR7, host: lpar7}"), "standby-with-host", "lpar7"),
    (machine_text("cpc-a", "[A]"), "wrong-type", "[A]"),
    (machine_text("cpc-a", "{name: A, adapters: [6-5], usageDomains: [1]}"), "reversed-range", "6-5"),
    (machine_text("cpc-a", "{name: A, adapters: [256], usageDomains: [1]}"), "id-out-of-range", "256"),
    (machine_text("cpc-a", "{name: A, adapters: [5, 5], usageDomains: [1]}"), "repeated-id", "5"),
    (machine_text("cpc-a", "{name: LPAR789012, adapters: [], usageDomains: []}"), "lpar-name-too-long", "LPAR789012"),
    (
        machine_text("cpc-a", LPAR7, LPAR7.replace("LPAR7", "lpar7").replace("host: lpar7, ", "")),
        "duplicate-lpar",
        "lpar7",
    ),
    (machine_text("cpc-a", "{name: B, standbyOf: cpc-a/B}"), "standby-of-standby", "cpc-a/B"),
    (machine_text("cpc-a", LPAR7, "{name: B, standbyOf: cpc-a/LPAR8}"), "unknown-lpar", "cpc-a/LPAR8"),
    (machine_text("cpc-a", LPAR7, LPAR7.replace("LPAR7", "B")), "host-in-two-lpars", "lpar7"),
    (machine_text("cpc-a", LPAR7.replace("host: lpar7", "host: lpar9")), "host-not-described", "lpar9"),
    (machine_text("cpc-a", LPAR7, maxDomain="70"), "domain-beyond-machine", "[4, 0x47]"),
    (machine_text("cpc-a", LPAR7.replace("}", ", controlDomains: [4]}")), "control-lacks-usage", "[4]"),
]


@pytest.mark.parametrize(("text", "id", "at"), WRONG, ids=[f"{one[1]}-{at}" for at, one in enumerate(WRONG)])
def test_what_is_wrong_with_a_machine_is_shown_where_it_stands(tmp_path: Path, text: str, id: str, at: str) -> None:
    """With its place, and with what to do."""
    problem = only_problem(site_of(tmp_path, HOST, text))

    assert (problem.id, marked(problem)) == (id, at)
    assert problem.help


def test_labels_of_a_machine_are_made_of_characters_that_can_be_seen(tmp_path: Path) -> None:
    """As those of guests and hosts."""
    text = machine_text().replace("  name: cpc-a\n", '  name: cpc-a\n  labels: {site: "a\\u200b"}\n')

    assert only_problem(site_of(tmp_path, HOST, text)).id == "control-character"


def test_machines_have_names_and_ids_of_their_own(tmp_path: Path) -> None:
    """Both places are shown; ids are compared without case."""
    again = machine_text("cpc-a", "{name: B, adapters: [], usageDomains: []}", machineId=OTHER_ID)
    same_id = machine_text("cpc-b", "{name: B, adapters: [], usageDomains: []}", machineId=MACHINE_ID.lower())

    assert only_problem(site_of(tmp_path, HOST, machine_text(), machine_text())).id == "duplicate-machine"
    for text, expected in ((again, "duplicate-machine"), (same_id, "duplicate-machine-id")):
        problem = only_problem(site_of(tmp_path, HOST, machine_text(), text))
        assert (problem.id, len(problem.places)) == (expected, 2)


def test_a_standby_of_a_standby_is_shown_with_both(tmp_path: Path) -> None:
    """The second place says that the other one is a standby."""
    chain = ("{name: B, standbyOf: cpc-a/LPAR7}", "{name: C, standbyOf: cpc-a/b}")

    problem = only_problem(site_of(tmp_path, HOST, machine_text("cpc-a", LPAR7, *chain)))

    assert [marked(problem, at) for at in range(2)] == ["cpc-a/b", "cpc-a/LPAR7"]


def test_what_could_not_be_read_is_not_missed(tmp_path: Path) -> None:
    """A standby whose original may stand in a refused Machine, and a host likewise, are not reported on top."""
    standby = machine_text("cpc-b", "{name: DR, standbyOf: cpc-a/LPAR7}", machineId=OTHER_ID)
    refused = machine_text(machineId="IBM")

    assert only_problem(site_of(tmp_path, HOST, standby, refused)).id == "bad-machine-id"
    unread = "kind: Host\nmetadata: {name: &a}\n"
    ids = {one.id for one in site_of(tmp_path, machine_text(), unread).problems}
    assert not ids & {"host-not-described", "no-host"}
    unclear = machine_text().replace("kind: Machine", "kind: Machin").replace("usageDomains", "usagedomains")
    assert "unknown-lpar" not in {one.id for one in site_of(tmp_path, HOST, standby, unclear).problems}


def test_a_repository_of_machines_alone_needs_no_host(tmp_path: Path) -> None:
    """Such as one that was just imported; also where a Machine is refused."""
    assert not site_of(tmp_path, machine_text("cpc-a", "{name: Z, adapters: [1], usageDomains: [1]}")).problems
    assert only_problem(site_of(tmp_path, machine_text(machineId="IBM"))).id == "bad-machine-id"
    assert {one.id for one in site_of(tmp_path, machine_text(), guest_text()).problems} >= {"no-host"}


def test_a_machine_changes_nothing_of_what_is_wanted_of_a_host(tmp_path: Path) -> None:
    """Neither guests nor digest: an LPAR's lists are about what is possible."""
    alone = site_of(tmp_path, host_text(), guest_text()).desired("lpar7", "")
    together = site_of(tmp_path, host_text(), guest_text(), machine_text()).desired("lpar7", "")

    assert isinstance(alone, Desired)
    assert isinstance(together, Desired)
    assert (alone.guests, alone.digest) == (together.guests, together.digest)
    assert [place.name for place in together.places] == ["cpc-a/LPAR7"]


@given(st.permutations([HOST, machine_text(), machine_text("cpc-b", STANDBYS[0][0], machineId=OTHER_ID), guest_text()]))
def test_the_order_of_documents_changes_no_machine(documents: list[str]) -> None:
    """Only the places and the order in which they were found."""
    site = texts_site(*documents)

    assert not site.problems
    lpars = {one.name: [lpar.config for lpar in one.lpars] for one in site.machines}
    assert lpars == {
        "cpc-a": [ApConfig(*map(IdSet, ([5], [4], [4])))],
        "cpc-b": [ApConfig(*map(IdSet, ([5], [4], [4])))],
    }
