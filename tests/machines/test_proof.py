"""What machines prove without a host: against a checker that looks at every queue of every pair of LPARs."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.machines import texts as fleet
from reconciler.machines.proof import Proof, Proven, prove
from reconciler.model.desired import Activation, DesiredGuest, Presence
from reconciler.model.ids import IdSet
from reconciler.model.machines import DesiredLpar, DesiredMachine, LparName, MachineMode
from reconciler.model.matrix import ApConfig
from reconciler.model.problems import MOST_SHOWN, Position, Problem, Severity
from testing.manifests import OTHER_ID, guest_text, host_text, machine_text, texts_site

NOWHERE = Position("machines.yaml", 1, 1)
FEW = st.frozensets(st.integers(0, 3), max_size=3).map(IdSet)
LPARS = st.builds(
    lambda adapters, domains, control, is_active: DesiredLpar(
        "", "", ApConfig(adapters, domains, domains | control), is_active
    ),
    FEW,
    FEW,
    FEW,
    st.booleans(),
)


def machine_of(name: str, lpars: list[DesiredLpar]) -> DesiredMachine:
    """A machine with `lpars`, called L0, L1 and so on; each runs the host of its own name."""
    numbered = (
        lpar._replace(name=f"L{at}", number=at, host=lpar.host or f"{name}-l{at}") for at, lpar in enumerate(lpars)
    )
    return DesiredMachine(name, f"IBM-3931-{name:0>16}", MachineMode.CLASSIC, None, tuple(numbered), (), NOWHERE)


MACHINES = st.lists(st.lists(LPARS, max_size=5), min_size=1, max_size=3).map(
    lambda machines: tuple(machine_of(f"cpc-{at}", lpars) for at, lpars in enumerate(machines))
)


def shared(machines: tuple[DesiredMachine, ...]) -> list[tuple[str, str, str]]:
    """Each pair of active LPARs of a machine with a common queue, one queue at a time."""
    return [
        (machine.name, one.name, other.name)
        for machine in machines
        for one, other in combinations(machine.lpars, 2)
        if one.is_active and other.is_active and set(one.matrix.queues()) & set(other.matrix.queues())
    ]


def reported(proof: Proof) -> list[tuple[str, str, str]]:
    """The pairs of LPARs in the problems of `proof`, by what their places name."""
    found = []
    for one in proof.problems:
        if one.id == "lpar-overlap":
            other, first, machine = (part for at, part in enumerate(one.message.split("'")) if at in (1, 3, 5))
            found.append((machine, other, first))
    return found


@given(MACHINES)
def test_every_pair_of_active_lpars_with_a_common_queue_is_reported_and_no_other(
    machines: tuple[DesiredMachine, ...],
) -> None:
    """Whatever they have; only LPARs of one machine can be in each other's way."""
    proof = prove(Proven(machines, (), ()))

    assert sorted(reported(proof)) == sorted(shared(machines))
    assert {one.id for one in proof.problems} <= {"lpar-overlap"}
    assert (proof.machines, proof.lpars) == (len(machines), sum(len(one.lpars) for one in machines))


@given(MACHINES, st.data())
def test_what_concerns_one_host_is_what_its_lpar_has_to_do_with(
    machines: tuple[DesiredMachine, ...], data: st.DataObject
) -> None:
    """The pairs with the LPAR that runs it, and nothing of others."""
    places = [(machine, lpar) for machine in machines for lpar in machine.lpars]
    if not places:
        return
    machine, lpar = data.draw(st.sampled_from(places))
    expected = {frozenset(pair) for pair in shared(machines) if pair[0] == machine.name and lpar.name in pair[1:]}

    found = reported(prove(Proven(machines, (), ()), lpar.host))

    assert {frozenset(pair) for pair in found} == expected
    assert len(found) == len(expected)


GUESTS = st.builds(
    lambda host, config, activation, presence: DesiredGuest(
        f"of-{host}", host, "", config, activation, presence, (), NOWHERE
    ),
    st.sampled_from(["cpc-0-l0", "cpc-0-l1", "cpc-1-l0", "elsewhere"]),
    st.builds(ApConfig, FEW, FEW, FEW),
    st.sampled_from(Activation),
    st.sampled_from(Presence),
)


@given(MACHINES, st.lists(GUESTS, max_size=4))
def test_a_guest_that_asks_for_what_its_lpar_lacks_is_noted(
    machines: tuple[DesiredMachine, ...], guests: list[DesiredGuest]
) -> None:
    """Once each, with as many queues as there are; it is an error where the guest requires them."""
    lpars = {lpar.host: lpar for machine in machines for lpar in machine.lpars}
    outside: list[tuple[Severity, int]] = []
    for guest in guests:
        lpar = lpars.get(guest.host)
        if lpar is None or guest.activation is Activation.INACTIVE:
            continue
        queues = len(set(guest.config.matrix.queues()) - set(lpar.matrix.queues()))
        used = guest.config.domains if guest.config.adapters else IdSet()
        control = (
            set(guest.config.control_domains)
            - set(lpar.config.control_domains)
            - (set(used) - set(lpar.config.domains))
        )
        if queues or control:
            outside.append((Severity.ERROR if guest.presence is Presence.REQUIRED else Severity.NOTE, queues))

    proof = prove(Proven(machines, (), guests))

    found = [one for one in proof.problems if one.id == "outside-lpar"]
    assert [one.severity for one in found] == [severity for severity, _ in outside]
    assert proof.outside == sum(queues for _, queues in outside)


def proof_of(*texts: str, host: str | None = None) -> tuple[Problem, ...]:
    """What is found about a repository of `texts`, which must be without errors of their own."""
    site = texts_site(*texts)
    assert not [one for one in site.problems if one.severity is Severity.ERROR], site.problems
    return prove(Proven(site.machines, site.hosts, site.guests), host).problems


LPAR7 = "{name: LPAR7, host: lpar7, adapters: [5, 6], usageDomains: [4, 0x47]}"
LPAR8 = "{name: LPAR8, host: lpar8, adapters: [5, 6], usageDomains: [4, 0x47]}"


def test_a_standby_and_its_original_are_never_both_active() -> None:
    """On whichever machines; nor are two standbys of one original."""
    original = LPAR7.replace("{", "{active: false, ")
    standbys = [f"{{name: S{at}, standbyOf: cpc-a/lpar7, active: true}}" for at in (1, 2)]
    b, hosts = {"machineId": OTHER_ID}, host_text("lpar7")

    ids = [one.id for one in proof_of(hosts, machine_text("cpc-a", LPAR7), machine_text("cpc-b", standbys[0], **b))]
    assert ids == ["both-active"]
    assert not proof_of(hosts, machine_text("cpc-a", original), machine_text("cpc-b", standbys[0], **b))
    third = machine_text("cpc-c", standbys[1], machineId="IBM-3932-00000000000C0001")
    two = proof_of(hosts, machine_text("cpc-a", original), machine_text("cpc-b", standbys[0], **b), third)
    assert [one.id for one in two] == ["both-active"]
    assert "are standbys of 'cpc-a/lpar7', and both are active: host 'lpar7' would run twice" in two[0].message
    zos = [LPAR7.replace("host: lpar7, ", ""), standbys[0]]
    (found,) = proof_of(machine_text("cpc-a", zos[0]), machine_text("cpc-b", zos[1], **b))
    assert "the same system would run twice" in found.message
    assert not proof_of(hosts, machine_text("cpc-a", LPAR7), machine_text("cpc-b", standbys[0], **b), host="lpar9")


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (host_text(keep="[{adapters: [0, 5], domains: [4]}]"), "host 'lpar7' keeps adapter 0x00 (0)"),
        (host_text(pool="{domains: [4, 9]}"), "host 'lpar7' gives up usage domain 0x09 (9)"),
        (host_text(pool="{adapters: [9], domains: [4]}"), "host 'lpar7' gives up adapter 0x09 (9)"),
    ],
)
def test_what_a_host_keeps_or_gives_up_beyond_its_lpar_is_noted(host: str, words: str) -> None:
    """It is pending like a guest's queues."""
    (note,) = proof_of(host, machine_text("cpc-a", LPAR7))

    assert note.severity is Severity.NOTE
    assert note.message.startswith(words)
    inside = host_text(keep="[{adapters: [5], domains: [4]}]", pool="{domains: [4]}")
    assert not proof_of(inside, machine_text("cpc-a", LPAR7))
    assert not proof_of(host, machine_text("cpc-a", LPAR8), host_text("lpar8"))


def test_a_guest_is_measured_by_the_lpar_that_is_active() -> None:
    """After a takeover that is the standby's."""
    original = LPAR7.replace("{", "{active: false, ")
    standby = machine_text(
        "cpc-b", "{name: S, standbyOf: cpc-a/LPAR7, active: true, adapters: [9]}", machineId=OTHER_ID
    )

    (note,) = proof_of(host_text(), guest_text(), machine_text("cpc-a", original), standby)

    assert "its LPAR 'cpc-b/S' does not have" in note.message
    assert [place.field for place in note.places] == [("spec", "adapters"), ("spec", "lpars", 0, "adapters")]


def test_a_guest_without_a_queue_lacks_none() -> None:
    """An adapter without a domain is nothing that an LPAR could lack; control domains are."""
    machine = machine_of("a", [DesiredLpar("", "", ApConfig(IdSet([5]), IdSet([4]), IdSet([4])), is_active=True)])
    config = ApConfig(IdSet([7]), IdSet(), IdSet())
    guest = DesiredGuest("g", "a-l0", "", config, Activation.ACTIVE, Presence.REQUIRED, (), NOWHERE)
    controlling = guest._replace(config=config._replace(control_domains=IdSet([9])))

    assert prove(Proven((machine,), (), [guest])).problems == ()
    assert [one.id for one in prove(Proven((machine,), (), [controlling])).problems] == ["outside-lpar"]


def test_the_place_of_what_is_lacking_is_what_the_manifest_has() -> None:
    """Queues, domains or control domains."""
    for spec, field in (
        ({"queues": '["05.0004", "05.0009"]'}, "queues"),
        ({"domains": "[4, 9]"}, "domains"),
        ({"domains": "[4]", "controlDomains": "[4, 9]"}, "controlDomains"),
    ):
        (note,) = proof_of(host_text(), guest_text(**spec), machine_text("cpc-a", LPAR7))
        assert note.places[0].field == ("spec", field)


def test_partners_of_a_guest_are_on_machines_of_their_own_with_the_same_queues() -> None:
    """Two hosts of one machine can never have the same queue; the host that lacks something is named."""
    hosts = (host_text("lpar7"), host_text("lpar8"))
    guest = guest_text(hosts="[lpar7, lpar8]", domains="[4, 0x47]")
    other = {"machineId": OTHER_ID}

    same = LPAR8.replace("[4, 0x47]", "[9]")
    *_, together = proof_of(*hosts, guest, machine_text("cpc-a", LPAR7, same))
    assert together.id == "partners-in-one-machine"
    assert not proof_of(*hosts, guest, machine_text("cpc-a", LPAR7), machine_text("cpc-b", LPAR8, **other))
    less = LPAR8.replace("0x47", "9")
    *_, differ = proof_of(*hosts, guest, machine_text("cpc-a", LPAR7), machine_text("cpc-b", less, **other))
    assert (differ.id, differ.details) == (
        "partners-differ",
        ("'lpar8' lacks usage domain 0x47 (71)",),
    )
    nothing = LPAR8.replace("[5, 6]", "[7]")
    *_, differ = proof_of(*hosts, guest, machine_text("cpc-a", LPAR7), machine_text("cpc-b", nothing, **other))
    assert differ.details == ("'lpar8' lacks adapter 0x05 (5) and usage domains 0x04 (4), 0x47 (71)",)
    inactive = guest_text(hosts="[lpar7, lpar8]", activation="inactive")
    assert not proof_of(*hosts, inactive, machine_text("cpc-a", LPAR7), machine_text("cpc-b", nothing, **other))
    assert not proof_of(*hosts, guest, machine_text("cpc-a", LPAR7))
    of_host = proof_of(*hosts, guest, machine_text("cpc-a", LPAR7), machine_text("cpc-b", less, **other), host="lpar7")
    assert [one.id for one in of_host] == ["partners-differ"]


def test_very_many_pairs_are_counted() -> None:
    """The first ones are shown; so is for very many guests."""
    lpars = [DesiredLpar("", "", ApConfig(IdSet([5]), IdSet([4]), IdSet([4])))] * 40
    proof = prove(Proven((machine_of("cpc-a", lpars),), (), ()))
    assert sum(one.stands_for for one in proof.problems) == 40 * 39 // 2
    of_one = prove(Proven((machine_of("cpc-a", [lpars[0]] * 200),), (), ()), "cpc-a-l0")
    assert sum(one.stands_for for one in of_one.problems) == 199

    empty = DesiredLpar("", "lpar7", ApConfig(IdSet(), IdSet(), IdSet()))
    guests = [
        DesiredGuest(f"g{at}", "lpar7", "", lpars[0].config, Activation.ACTIVE, presence, (), NOWHERE)
        for at in range(MOST_SHOWN + 50)
        for presence in Presence
    ]
    proof = prove(Proven((machine_of("cpc-a", [empty]),), (), guests))
    assert proof.outside == len(guests)
    assert [one.stands_for for one in proof.problems if one.id == "more-problems"] == [50, 50]


def test_the_name_of_an_lpar_is_compared_without_case() -> None:
    """As ids are."""
    assert LparName.parsed("cpc-a/Prod/1") == ("cpc-a", "Prod/1")
    assert str(LparName("cpc-a", "LPAR7")) == "cpc-a/LPAR7"
    machine = machine_of("cpc-a", [DesiredLpar("", "", ApConfig(IdSet(), IdSet(), IdSet()))])
    assert machine.lpar("l0") == machine.lpars[0]
    assert machine.lpar("l1") is None


def test_the_fleet_of_the_benchmark_is_proved() -> None:
    """What is measured there is a fleet without a problem, and one more LPAR on a machine is found."""
    texts = dict(fleet(21))
    assert not proof_of(*texts.values())

    texts["machine-00.yaml"] += "  - {name: ZOS1, adapters: [25], usageDomains: [5]}\n"
    (problem,) = proof_of(*texts.values())
    assert (problem.id, problem.details) == ("lpar-overlap", ("19.0005 (adapter 0x19 (25) × domain 0x05 (5))",))
