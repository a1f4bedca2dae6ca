"""Which guests a host has already: each with the activation that the manifests' rules allow, and with the reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, GivenUp
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import EMPTY_CONFIG, FULL_MATRIX, ApConfig, Matrix
from reconciler.model.observed import Observed
from reconciler.model.steps import Definition, Holdings
from reconciler.planning.adoption import Adopted, Adoption, CannotAdopt, Claims, adopt, boots_as_adopted
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import config, host_holding, rectangles, uuid

POOL = Matrix(~IdSet([5, 6, 7]), ALL_IDS)


def found(mdevs: dict[str, ApConfig], pool: Matrix = POOL, profile: str = "6.12") -> Observed:
    """A host with these devices."""
    return observe(host_holding(Holdings(pool, mdevs), PROFILES[profile]))


def only(adoption: Adoption) -> Adopted:
    """Its only guest."""
    assert 1 == len(adoption.guests)
    return adoption.guests[0]


def defined(number: int, what: ApConfig, *, autostart: bool = False) -> Definition:
    """A definition of device `number`."""
    return Definition(uuid(number), what, autostart)


def test_a_device_is_an_active_guest() -> None:
    """With its uuid and what it has, and the host gives up what it gives up now."""
    adoption = adopt(found({uuid(1): config([5], [4])}), [], {uuid(1): "web"})

    assert Adopted("web", uuid(1), config([5], [4]), Activation.ACTIVE, ()) == only(adoption)
    assert GivenUp(IdSet([5, 6, 7]), NO_IDS) == adoption.given_up
    assert () == adoption.not_started


@pytest.mark.parametrize(
    ("definition", "notes"),
    [
        (defined(1, config([5], [4]), autostart=True), ()),
        (defined(1, config([5], [4])), ("In mdevctl it is started by hand.",)),
        (
            defined(1, config([5], [5]), autostart=True),
            ("Defined otherwise in mdevctl; this is what it has now.",),
        ),
    ],
)
def test_what_a_device_has_counts_more_than_its_definition(definition: Definition, notes: tuple[str, ...]) -> None:
    """Where they differ that is noted."""
    guest = only(adopt(found({uuid(1): config([5], [4])}), [definition], {}))
    assert (config([5], [4]), Activation.ACTIVE, notes) == (guest.config, guest.activation, guest.notes)


def test_a_virtual_machine_with_an_odd_name_is_told() -> None:
    """The guest has another name then."""
    guest = only(adopt(found({uuid(1): config([5], [4])}), [], {uuid(1): "Web (EU)"}))
    assert ("web-eu", ("Its virtual machine is called 'Web (EU)', which cannot be a name here.",)) == (
        guest.name,
        guest.notes,
    )


def test_a_definition_without_a_device_is_on_demand() -> None:
    """Whether it is started at boot or by hand: an import starts nothing. What should be there is told."""
    adoption = adopt(found({}), [defined(1, config([5], [4]), autostart=True), defined(2, config([6], [4]))], {})
    assert [Activation.ON_DEMAND, Activation.ON_DEMAND] == [one.activation for one in adoption.guests]
    assert ("guest-00000000",) == adoption.not_started


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        (defined(2, config([5], [4])), f"device {uuid(1)} has 05.0004"),
        (defined(2, config([1], [4])), "the host's own drivers have 01.0004"),
        (defined(2, config([200], [4])), "this machine cannot have all its ids"),
        (defined(2, config([6], [90])), "this machine cannot have all its ids"),
        (defined(2, config([6], [4], [90])), "this machine cannot have all its ids"),
    ],
)
@pytest.mark.parametrize("autostart", [True, False])
def test_what_could_never_start_is_inactive(definition: Definition, reason: str, autostart: bool) -> None:
    """With the reason."""
    observed = found({uuid(1): config([5], [4])})
    observed = observed._replace(lpar=observed.lpar._replace(max_adapter=84, max_domain=84))
    adoption = adopt(observed, [definition._replace(autostart=autostart)], {})
    (guest,) = (one for one in adoption.guests if one.uuid == uuid(2))
    assert Activation.INACTIVE is guest.activation
    assert reason in guest.notes[0]
    assert () == adoption.not_started


@pytest.mark.parametrize("autostart", [True, False])
def test_definitions_with_a_common_queue_are_on_demand(autostart: bool) -> None:
    """Also those that are to start at boot; each names one it cannot run beside."""
    waiting = [
        defined(1, config([5], [4]), autostart=True),
        defined(2, config([5, 6], [4]), autostart=autostart),
        defined(3, config([7], [4]), autostart=True),
    ]
    adoption = adopt(found({}), waiting, {uuid(1): "day", uuid(2): "night", uuid(3): "web"})
    assert {
        "day": Activation.ON_DEMAND,
        "night": Activation.ON_DEMAND,
        "web": Activation.ON_DEMAND,
    } == {one.name: one.activation for one in adoption.guests}
    assert "guest night is defined with queues of it, too" in adoption.guests[0].notes[0]


def test_an_inactive_definition_is_in_nobodys_way() -> None:
    """What the host has keeps one from starting, and not the other that overlaps it."""
    adoption = adopt(found({}), [defined(1, config([1, 5], [4])), defined(2, config([5], [4]), autostart=True)], {})
    assert {uuid(1): Activation.INACTIVE, uuid(2): Activation.ON_DEMAND} == {
        one.uuid: one.activation for one in adoption.guests
    }


@pytest.mark.parametrize("what", [EMPTY_CONFIG, config([5], [], [4]), config([], [4])])
def test_what_has_no_queue_is_a_guest_as_well(what: ApConfig) -> None:
    """Its VM can be given queues while it runs."""
    adoption = adopt(found({uuid(1): what}), [defined(2, what), defined(1, config([5], [4]))], {})

    assert {uuid(1): (what, Activation.ACTIVE), uuid(2): (what, Activation.ON_DEMAND)} == {
        one.uuid: (one.config, one.activation) for one in adoption.guests
    }


@pytest.mark.parametrize("domains", [range(64), range(80)])
def test_more_queues_than_the_kernel_shows_are_not_guessed(domains: range) -> None:
    """Eight adapters with 64 domains: whether the text was cut or just full."""
    big = config(range(8), domains)
    observed = found({uuid(1): big}, Matrix(~IdSet(range(8)), ALL_IDS), "6.1")
    with pytest.raises(CannotAdopt, match="more queues than this kernel shows"):
        adopt(observed, [], {})


def test_a_definition_with_more_queues_than_the_kernel_shows_is_inactive() -> None:
    """As a guest it would forbid every plan."""
    big = defined(1, config(range(8), range(64)), autostart=True)
    assert Activation.INACTIVE is only(adopt(found({}, Matrix(NO_IDS, NO_IDS), "6.1"), [big], {})).activation
    assert Activation.ON_DEMAND is only(adopt(found({}, Matrix(NO_IDS, NO_IDS), "6.12"), [big], {})).activation


def test_a_device_with_the_hosts_queues_is_refused() -> None:
    """Before 6.0 the masks can take a device's queues; no manifest says that."""
    observed = found({uuid(1): config([5], [4])})._replace(pool=FULL_MATRIX)
    with pytest.raises(CannotAdopt, match=r"leave to the host's own drivers: 05\.0004"):
        adopt(observed, [], {})


def test_two_devices_with_one_queue_are_refused() -> None:
    """No kernel allows it; nothing is made of it."""
    observed = found({uuid(1): config([5], [4]), uuid(2): config([6], [4])})
    second = observed.mdevs[1]._replace(config=config([5], [4]))
    with pytest.raises(CannotAdopt, match="another one has, too"):
        adopt(observed._replace(mdevs=(observed.mdevs[0], second)), [], {})


@given(matrices=st.lists(rectangles(), max_size=4), one=rectangles())
def test_claims_tell_what_pairs_of_matrices_would(matrices: list[Matrix], one: Matrix) -> None:
    """In one pass."""
    claims = Claims(matrices)
    pairs = [(a, b) for place, a in enumerate(matrices) for b in matrices[:place]]
    assert any(one.overlaps(other) for other in matrices) == claims.have_of(one)
    assert any(a.meet(b).overlaps(one) for a, b in pairs) == claims.have_twice(one)


def boots(*definitions: Definition, same_pool: bool = True) -> bool:
    """Whether a host with one device, and these definitions, boots into the guests that are adopted."""
    adopted = adopt(found({uuid(1): config([5], [4])}), definitions, {})
    return boots_as_adopted(adopted, definitions, same_pool)


def test_a_host_boots_as_adopted_where_its_devices_are_defined_and_started() -> None:
    """Each as it is now, and the masks too; then nothing has to be written for the next boot."""
    as_it_is, by_hand = defined(1, config([5], [4]), autostart=True), defined(2, config([6], [4]))

    assert boots(as_it_is)
    assert boots(as_it_is, by_hand)
    assert not boots(as_it_is, same_pool=False)
    assert not boots()
    assert not boots(by_hand)
    assert not boots(defined(1, config([5], [4])))
    assert not boots(defined(1, config([5], [5]), autostart=True))
    assert not boots(as_it_is, by_hand._replace(autostart=True)), "what should have started is adopted as on-demand"


def test_definitions_that_start_nothing_make_no_difference() -> None:
    """One that could never start is inactive; a host without a guest does not boot into any."""
    never = defined(2, config([200], [4]))

    assert boots(defined(1, config([5], [4]), autostart=True), never)
    assert not boots_as_adopted(adopt(found({}), [never], {}), [never], same_pool=True)
