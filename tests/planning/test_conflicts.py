"""Who claims what somebody else has, told exactly."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.desired import Activation, Desired, DesiredGuest, GivenUp, Keep, Unmanaged
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.observed import ObservedMdev
from reconciler.model.overlaps import MOST_PAIRS
from reconciler.model.problems import Problem
from reconciler.planning.conflicts import conflicts
from reconciler.planning.target import pool_of
from testing.holdings import config, desired, guest, matrix, rectangles, uuid

ONE = config([5], [4])
KEEP = Keep(matrix([5], [4]), 0)


def foreign(what: ApConfig, number: int = 0xF) -> ObservedMdev:
    """A device of somebody else."""
    return ObservedMdev(uuid(number), what, None, in_use=False)


def problems_of(what: Desired, others: tuple[ObservedMdev, ...] = (), built: tuple[str, ...] = ()) -> list[Problem]:
    """Every conflict of `what` beside devices of others."""
    derived = pool_of(what, others)
    return conflicts(what, derived.pool if derived else None, others, built)


def told(problems: list[Problem]) -> list[tuple[str, str, str]]:
    """Id, severity and message of each."""
    return [(one.id, one.severity.value, one.message) for one in problems]


# Guests among themselves ---------------------------------------------------------------------------------------------


def test_two_active_guests_on_a_queue_are_told_with_both_names() -> None:
    """Both names, both places, the queue, and its ids in hex and decimal."""
    two = desired([guest("a", config([5, 6], [0x47]), 1), guest("b", config([5], [4, 0x47]), 2, queues_listed=True)])

    (problem,) = problems_of(two)

    assert told([problem]) == [
        ("guest-overlap", "error", "guests 'a' and 'b' claim the same queue, and both are active")
    ]
    assert [(one.position.line, one.field, one.label) for one in problem.places] == [
        (11, ("spec", "domains"), "claimed by 'a' here"),
        (12, ("spec", "queues"), "and by 'b' here"),
    ]
    assert problem.details == ("05.0047 (adapter 0x05 (5) × domain 0x47 (71))",)
    assert problem.help == "Take the queue from one of them, or make both on-demand if they never run together."


@given(st.lists(st.tuples(rectangles(), st.sampled_from(Activation), st.booleans()), max_size=7))
def test_exactly_the_pairs_that_cannot_both_be_served_are_told(
    specs: list[tuple[Matrix, Activation, bool]],
) -> None:
    """Active with active or on-demand; on-demand with on-demand only where both are built; inactive never."""
    guests = [
        guest(f"g{number}", ApConfig(*what, NO_IDS), number, activation=activation)
        for number, (what, activation, _) in enumerate(specs)
    ]
    built = {one.uuid for one, (_, _, is_built) in zip(guests, specs, strict=True) if is_built}

    pairs = {
        (one.message.split("'")[1], one.message.split("'")[3])
        for one in problems_of(desired(guests), built=tuple(built))
        if one.id == "guest-overlap"
    }

    assert pairs == {
        (one.name, other.name)
        for place, other in enumerate(guests)
        for one in guests[:place]
        if one.config.matrix.overlaps(other.config.matrix) and _cannot_both(one, other, built)
    }


def _cannot_both(one: DesiredGuest, other: DesiredGuest, built: set[str]) -> bool:
    kinds = {one.activation, other.activation}
    if Activation.INACTIVE in kinds:
        return False
    return kinds != {Activation.ON_DEMAND} or {one.uuid, other.uuid} <= built


def test_an_on_demand_guest_beside_an_active_one_could_never_start() -> None:
    """That is what is told, and who."""
    two = desired([guest("a", ONE, 1), guest("b", ONE, 2, activation=Activation.ON_DEMAND)])

    assert told(problems_of(two)) == [
        (
            "guest-overlap",
            "error",
            (
                "guests 'a' and 'b' claim the same queue, but 'b' is on-demand and "
                "could never start beside an active guest"
            ),
        )
    ]


def test_on_demand_guests_share_until_both_are_built() -> None:
    """They never run together; where both have their device nevertheless, one VM must stop."""
    guests = [guest(name, ONE, number, activation=Activation.ON_DEMAND) for number, name in enumerate("ab")]

    assert problems_of(desired(guests)) == []
    assert problems_of(desired(guests), built=(uuid(0),)) == []
    (problem,) = problems_of(desired(guests), built=(uuid(0), uuid(1)))
    assert problem.message.endswith("and both need their device now")
    assert problem.help.endswith("or stop the VM of one of them.")


def test_on_demand_guests_whose_devices_no_vm_has_open() -> None:
    """No VM has to stop: the help says how the device is removed that no VM has open."""
    guests = [guest(name, ONE, number, activation=Activation.ON_DEMAND) for number, name in enumerate("ab")]
    both = (uuid(0), uuid(1))

    neither, one = (conflicts(desired(guests), None, (), both, idle=idle)[0] for idle in (both, (uuid(0),)))

    assert neither.message.endswith("and both have a device now, though no VM has either of them open")
    assert one.message.endswith("and both have a device now, though no VM has that of 'a' open")
    assert one.help == (
        "Take the queue from one of them, or remove the device of 'a': write 'activation: inactive' into its manifest, "
        "apply, and then write 'activation: on-demand' again."
    )


def test_thousands_of_pairs_are_counted(monkeypatch: object) -> None:
    """The first are told one by one, the rest as a number."""
    guests = [guest(f"g{number:02}", ONE, number) for number in range(20)]

    problems = problems_of(desired(guests))

    assert len(problems) == MOST_PAIRS + 1
    assert problems[-1].message == "90 more pairs of guests claim the same queues"


def test_many_on_demand_guests_on_one_queue_are_no_problem() -> None:
    """They may share it, however many they are."""
    guests = [guest(f"g{number}", ONE, number, activation=Activation.ON_DEMAND) for number in range(300)]

    assert problems_of(desired(guests)) == []


def test_many_queues_are_told_by_the_first_few() -> None:
    """The first by name, then how many more, then all as adapters and domains."""
    assert matrix(range(5), [4, 5]).text == (
        "00.0004, 00.0005, 01.0004, 01.0005, 02.0004, 02.0005, 03.0004, 03.0005 and 2 more "
        "(adapter 0x00-0x04 (0-4) × domain 0x04-0x05 (4-5))"
    )


# Devices of others ---------------------------------------------------------------------------------------------------


def test_a_foreign_device_in_the_way_of_a_guest_is_named() -> None:
    """An error for who needs the queues now, a warning for who may need them later, nothing for the inactive."""
    others = (foreign(config([5, 6], [4])),)
    message = f"guest 'a' claims a queue of mediated device {uuid(0xF)}, which no manifest names"

    def severity(activation: Activation, *built: str) -> list[str]:
        found = problems_of(desired([guest("a", ONE, 1, activation=activation)]), others, built)
        assert all(one.message == message for one in found)
        assert all(f"uuid: {uuid(0xF)}" in one.help for one in found)
        return [one.severity.value for one in found]

    assert severity(Activation.ACTIVE) == ["error"]
    assert severity(Activation.ON_DEMAND) == ["warning"]
    assert severity(Activation.ON_DEMAND, uuid(1)) == ["error"]
    assert severity(Activation.INACTIVE) == []


# What the host keeps -------------------------------------------------------------------------------------------------


def test_a_guest_cannot_have_what_the_host_keeps() -> None:
    """Guest and entry are both shown; that no pool exists either need not be said."""
    (problem,) = problems_of(desired([guest("a", config([5, 6], [4, 5]), 1)], keep=(KEEP,)))

    assert told([problem]) == [("kept-queue", "error", "guest 'a' claims a queue that host 'lpar7' keeps")]
    assert problem.places[1].field == ("spec", "keep", 0)


def test_a_foreign_device_cannot_have_what_the_host_keeps() -> None:
    """Nothing can be done about it but by hand; it is told once."""
    problems = problems_of(desired([], keep=(KEEP,)), (foreign(config([5, 6], [4])),))

    assert [one.id for one in problems] == ["kept-by-foreign"]
    assert uuid(0xF) in problems[0].message


def test_a_hole_in_the_pool_is_impossible_and_explained() -> None:
    """Nobody claims a kept queue, but the pool is a product; all who are in the way are named."""
    keep = (Keep(matrix([5], [4]), 0), Keep(matrix([6], [5]), 1))
    what = desired([guest("a", config([5], [5]), 1), guest("b", config([7], [7]), 2)], keep=keep)

    (problem,) = problems_of(what, (foreign(config([6], [4])),))

    assert told([problem]) == [
        (
            "no-pool",
            "error",
            (
                "no pair of masks lets host 'lpar7' keep its queues and leaves "
                f"guest 'a', mediated device {uuid(0xF)} theirs"
            ),
        )
    ]
    assert [one.field for one in problem.places] == [("spec", "domains"), ("spec", "keep", 0), ("spec", "keep", 1)]
    assert problem.details == (
        (
            "the host pool is a product, adapters × domains: keeping these entries keeps every combination, "
            "adapter 0x05-0x06 (5-6) × domain 0x04-0x05 (4-5)"
        ),
        "05.0005 (adapter 0x05 (5) × domain 0x05 (5))",
        "06.0004 (adapter 0x06 (6) × domain 0x04 (4))",
    )


@given(st.lists(rectangles(), max_size=3), st.lists(rectangles(), max_size=2), st.booleans())
def test_a_pool_that_does_not_exist_is_always_told(needed: list[Matrix], kept: list[Matrix], as_foreign: bool) -> None:
    """Where none can be derived there is an error, whoever is to blame."""
    configs = [ApConfig(*one, NO_IDS) for one in needed]
    guests = [] if as_foreign else [guest(f"g{place}", one, place) for place, one in enumerate(configs)]
    others = tuple(foreign(one, place) for place, one in enumerate(configs)) if as_foreign else ()
    what = desired(guests, keep=tuple(Keep(one, place) for place, one in enumerate(kept)))

    if pool_of(what, others) is None:
        assert {one.id for one in problems_of(what, others)} & {"no-pool", "kept-queue", "kept-by-foreign"}
    else:
        assert not any(one.id == "no-pool" for one in problems_of(what, others))


# A given pool --------------------------------------------------------------------------------------------------------

GIVEN = GivenUp(NO_IDS, IdSet([4]))


def test_a_given_pool_must_leave_guests_what_they_need() -> None:
    """What is missing from spec.pool is named, in hex and decimal."""
    (problem,) = problems_of(desired([guest("a", config([5], [4, 0x47]), 1)], GIVEN))

    assert told([problem]) == [
        ("queue-left-to-host", "error", "guest 'a' needs a queue that the host does not give up")
    ]
    assert problem.help.startswith("Add domain 0x47 (71) or adapter 0x05 (5) to spec.pool of host 'lpar7'")
    assert [one.field for one in problem.places] == [("spec", "domains"), ("spec", "pool")]


def test_a_given_pool_must_leave_foreign_devices_what_they_have() -> None:
    """The host would take their queues."""
    assert told(problems_of(desired([], GIVEN), (foreign(config([5], [0x47])),))) == [
        (
            "pool-takes-foreign",
            "error",
            f"the host pool takes a queue of mediated device {uuid(0xF)}, which no manifest names",
        )
    ]


def test_a_given_pool_must_have_what_the_host_keeps() -> None:
    """Giving up and keeping the same is a contradiction in one document."""
    (problem,) = problems_of(desired([], GIVEN, keep=(Keep(matrix([5], [4, 5]), 0),)))

    assert told([problem]) == [("kept-queue-given-up", "error", "host 'lpar7' gives up queues that it keeps")]
    assert problem.details == ("05.0004 (adapter 0x05 (5) × domain 0x04 (4))",)
    assert [one.field for one in problem.places] == [("spec", "pool"), ("spec", "keep", 0)]


def test_a_given_pool_without_conflict_is_no_problem() -> None:
    """Guests, foreign devices and kept queues, each with what is theirs."""
    what = desired([guest("a", ONE, 1)], GIVEN, keep=(Keep(matrix([5], [5]), 0),), unmanaged=Unmanaged.IGNORE)

    assert problems_of(what, (foreign(config([6], [4])),)) == []
    assert ALL_IDS - GIVEN.domains == pool_of(what, ()).pool.domains  # type: ignore[union-attr]
