"""Whether a host runs in the LPAR that its manifests have it in, and what that LPAR really has."""

import pytest

from reconciler.kernel.observe import observe
from reconciler.machines.location import Elsewhere, Here, Unknown, located, location_note, location_problems
from reconciler.model.desired import DesiredHost, Unmanaged
from reconciler.model.identity import MachineIdentity
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.machines import HostPlace
from reconciler.model.matrix import ApConfig
from reconciler.model.observed import Observed
from reconciler.model.problems import Position, Severity
from reconciler.simulator.hardware import Card
from reconciler.simulator.host import SimulatedHost
from testing.holdings import hardware
from testing.manifests import MACHINE_ID, OTHER_ID

HOST = DesiredHost("lpar7", None, (), Unmanaged.IGNORE, Position("host.yaml", 1, 1))
HAS = ApConfig(IdSet([5, 6]), IdSet([4, 5]), IdSet([4, 5]))
OWN = HostPlace("cpc-a", MACHINE_ID, "LPAR7", HAS)
STANDBY = HostPlace("cpc-b", OTHER_ID, "lp7dr", HAS, is_active=False, standby_of="cpc-a/LPAR7")
PLACES = (OWN, STANDBY)


def host_at(identity: MachineIdentity | None, standby: int | None = None) -> Observed:
    """A host with adapters 5 and 6, of which `standby` is deconfigured, and domains 4 and 5."""
    there = hardware((5, 6), (4, 5))
    if standby is not None:
        there = there._replace(cards={**there.cards, standby: Card(configured=False)})
    return observe(SimulatedHost(there._replace(identity=identity)))


@pytest.mark.parametrize(
    ("identity", "place"),
    [
        (MachineIdentity(MACHINE_ID, "LPAR7"), OWN),
        (MachineIdentity(MACHINE_ID, "LPX", "lpar7"), OWN),
        (MachineIdentity(OTHER_ID, "LP7DR"), STANDBY),
    ],
)
def test_a_host_is_in_the_place_whose_machine_and_lpar_it_has(identity: MachineIdentity, place: HostPlace) -> None:
    """Names compare without case; a DPM partition has an extended name."""
    found = located(PLACES, host_at(identity))

    nothing = ApConfig(NO_IDS, NO_IDS, NO_IDS)
    assert found == Here(place, nothing, nothing)
    assert not list(location_problems(HOST, found, is_accepted=False))


@pytest.mark.parametrize(
    "identity",
    [
        MachineIdentity(MACHINE_ID, "LPAR8"),
        MachineIdentity(OTHER_ID, "LPAR7"),
        MachineIdentity(MACHINE_ID, "LPAR7", "other"),
        MachineIdentity(MACHINE_ID),
    ],
)
def test_any_other_place_is_wrong_unless_it_is_accepted(identity: MachineIdentity) -> None:
    """Another LPAR, another machine, another partition, or none with a name."""
    found = located(PLACES, host_at(identity))
    (refused,) = location_problems(HOST, found, is_accepted=False)
    (accepted,) = location_problems(HOST, found, is_accepted=True)

    assert found == Elsewhere(identity, PLACES)
    assert (refused.id, refused.severity) == ("wrong-machine", Severity.ERROR)
    assert refused.details == (
        f"cpc-a/LPAR7 is LPAR LPAR7 of machine {MACHINE_ID}, its LPAR",
        f"cpc-b/lp7dr is LPAR lp7dr of machine {OTHER_ID}, standby of cpc-a/LPAR7",
    )
    assert (accepted.id, accepted.severity) == ("wrong-machine", Severity.WARNING)
    assert location_note(found) == ""


def test_where_nothing_is_known_of_the_machine_it_is_said() -> None:
    """As on a simulated host without one; where no machine names the host, nothing is said at all."""
    found = located(PLACES, host_at(None))

    assert isinstance(found, Unknown)
    (problem,) = location_problems(HOST, found, is_accepted=False)
    assert (problem.id, problem.severity) == ("machine-unknown", Severity.WARNING)
    assert "there is no /proc/sysinfo" in problem.message
    assert located((), host_at(MachineIdentity(MACHINE_ID, "LPAR8"))) is None
    assert not list(location_problems(HOST, None, is_accepted=False))


def test_what_the_lpar_really_has_is_compared() -> None:
    """Both ways; a card in standby counts as absent, and a control domain that is a missing usage domain once."""
    said = ApConfig(IdSet([5, 7]), IdSet([4, 9]), IdSet([4, 9, 10]))
    found = located((OWN._replace(config=said),), host_at(MachineIdentity(MACHINE_ID, "LPAR7"), standby=5))

    assert isinstance(found, Here)
    assert found.lacks == ApConfig(IdSet([5, 7]), IdSet([9]), IdSet([10]))
    assert found.more == ApConfig(IdSet([6]), IdSet([5]), NO_IDS)
    problems = list(location_problems(HOST, found, is_accepted=False))
    assert [(one.id, one.severity) for one in problems] == [
        ("lpar-lacks", Severity.WARNING),
        ("lpar-has-more", Severity.WARNING),
    ]
    lacks = "adapters 0x05 (5), 0x07 (7), usage domain 0x09 (9) and control domain 0x0a (10)"
    assert lacks in problems[0].message


def test_a_standby_and_an_inactive_place_are_accepted_with_a_note() -> None:
    """So that who reads the plan knows that the host has moved."""
    at = MachineIdentity(OTHER_ID, "lp7dr")

    assert location_note(located(PLACES, host_at(at))) == "it runs in the standby cpc-b/lp7dr of cpc-a/LPAR7"
    own = OWN._replace(is_active=False)
    note = location_note(located((own,), host_at(MachineIdentity(MACHINE_ID, "LPAR7"))))
    assert note == "it runs in cpc-a/LPAR7, which its Machine says is not active"
    assert location_note(located(PLACES, host_at(MachineIdentity(MACHINE_ID, "LPAR7")))) == ""
