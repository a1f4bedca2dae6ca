"""After a rollback: what the manifests want again was undone by it, and what rolls back is of an earlier generation."""

import pytest

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation
from reconciler.model.ids import IdSet
from reconciler.model.matrix import FULL_MATRIX, ApConfig, Matrix
from reconciler.model.outcome import Unconfirmed
from reconciler.planning.plan import Cause, RolledBack, RollsBack, cause_text, reason_text, rolling_back
from reconciler.planning.planner import make_plan
from reconciler.planning.status import status_of
from testing.holdings import config, desired, guest, uuid
from testing.plans import FREE, GIVES_UP, ONE, applied, host_with, plan_of

BEFORE = config([5], [4, 0x47])
"""What guest ``a`` had before the rollback, which gave it ``ONE`` again."""

FROM_3_TO_1 = RolledBack(3, 1, 0, FREE, {uuid(1): BEFORE, uuid(2): config([6], [4]), uuid(3): None})
AS_1 = applied(m1=ONE, m3=config([7], [4]))._replace(generation=3, digest="of 1", rolled_back=FROM_3_TO_1)


def causes(*guests: tuple[str, ApConfig, int], **fields: object) -> dict[str, Cause | None]:
    """Why each guest changes, where the manifests have `guests` after the rollback."""
    wanted = desired([guest(name, what, number, **fields) for name, what, number in guests], GIVES_UP)
    found = observe(host_with(m1=ONE, m3=config([7], [4])))
    return {one.name: one.cause for one in make_plan(wanted, found, AS_1).guests}


def test_what_the_manifests_want_again_was_undone_by_the_rollback() -> None:
    """A configuration, a guest that it has removed, and that a guest which it has brought back is gone."""
    assert causes(("a", BEFORE, 1), ("b", config([6], [4]), 2)) == {
        "a": Cause.UNDONE,
        "b": Cause.UNDONE,
        "m3": Cause.UNDONE,
    }


def test_what_the_manifests_have_changed_since_the_rollback_is_a_change_of_theirs() -> None:
    """Of a guest that it has removed, too, which is no new one."""
    found = causes(("a", config([6], [0x47]), 1), ("b", config([6], [4, 0x47]), 2), ("c", config([7], [0x47]), 3))
    assert found == {"a": Cause.MANIFEST, "b": Cause.MANIFEST, "c": Cause.MANIFEST}

    without_claim = causes(("a", BEFORE, 1), activation=Activation.INACTIVE)
    assert (without_claim["a"], without_claim["m3"]) == (Cause.MANIFEST, Cause.UNDONE)
    assert causes(("new", config([6], [4]), 4))["new"] is Cause.NEW


def test_the_host_pool_from_before_the_rollback_was_undone_by_it() -> None:
    """Another one is a change of the manifests."""
    now = host_with()
    now.write("bus/ap/aqmask", "+0x47")
    rolled_back = AS_1._replace(pool=Matrix(FREE.adapters, FREE.domains | IdSet([0x47])), guests={})

    undone = make_plan(desired([], GIVES_UP), observe(now), rolled_back)
    changed = make_plan(desired([], GIVES_UP._replace(domains=IdSet([4, 5]))), observe(now), rolled_back)

    assert undone.pool_cause is Cause.UNDONE
    assert changed.pool_cause is Cause.MANIFEST


def test_the_rollback_is_named_by_its_generation() -> None:
    """As the cause, in the plan, and in the status of the guest."""
    wanted = desired([guest("a", BEFORE, 1), guest("c", config([7], [4]), 3)], GIVES_UP)
    plan = make_plan(wanted, observe(host_with(m1=ONE, m3=config([7], [4]))), AS_1)

    assert plan.rolled_back == FROM_3_TO_1
    assert cause_text(Cause.UNDONE, plan.rolled_back) == "rolled back by generation 3"
    assert cause_text(Cause.MANIFEST, plan.rolled_back) == "the manifest changed"
    reasons = {one.name: reason_text(one, plan.rolled_back) for one in plan.guests}
    assert reasons == {"a": "rolled back by generation 3", "c": ""}
    (why, *_) = next(one.why for one in status_of(plan).guests if one.name == "a")
    assert why == "rolled back by generation 3"


@pytest.mark.parametrize(
    ("rolled_back", "where"),
    [(FROM_3_TO_1, "to generation 1"), (FROM_3_TO_1._replace(to=0, before=2), "to before generation 2")],
)
def test_a_rollback_says_where_it_led(rolled_back: RolledBack, where: str) -> None:
    """To a generation, or to what there was before one."""
    assert rolled_back.text == f"generation 3 rolled the host back {where}, and the manifests say otherwise"


@pytest.mark.parametrize(
    ("why", "cause", "what"),
    [
        (Unconfirmed.CANCELLED, "was cancelled", "was rolled back since it was cancelled"),
        (Unconfirmed.EXPIRED, "was not confirmed", "was rolled back since it was not confirmed in time"),
        (
            Unconfirmed.REBOOTED,
            "was not confirmed",
            "was rolled back since the host was booted before it was confirmed",
        ),
    ],
)
def test_an_apply_that_was_not_confirmed_is_named_by_its_own_generation(
    why: Unconfirmed, cause: str, what: str
) -> None:
    """It is rolled back without a generation of its own: as the cause of a guest, and in the plan."""
    rolled_back = RolledBack(3, 0, 3, FREE, {uuid(1): BEFORE}, why)

    assert cause_text(Cause.UNDONE, rolled_back) == f"generation 3 {cause}"
    assert rolled_back.text == f"generation 3 {what}, and the manifests say otherwise"


def test_in_a_plan_of_a_rollback_no_manifest_is_the_cause() -> None:
    """An earlier generation wants it; what was changed on the host is still drift."""
    wanted = desired([guest("a", BEFORE, 1), guest("b", config([6], [4]), 2)])
    made = make_plan(wanted, observe(host_with(m1=ONE, m3=config([7], [0x47]))), AS_1._replace(rolled_back=None))
    drifted = make_plan(wanted, observe(host_with(m1=ONE)), applied(m1=BEFORE)._replace(digest=wanted.digest))

    plan = rolling_back(made._replace(pool_cause=Cause.MANIFEST), RollsBack(1, 0))

    assert {one.name: one.cause for one in plan.guests} == {
        "a": Cause.EARLIER,
        "b": Cause.EARLIER,
        "m3": Cause.EARLIER,
    }
    assert (plan.pool_cause, plan.rolls_back, plan.rolled_back) == (Cause.EARLIER, RollsBack(1, 0), None)
    assert plan_of(rolling_back(drifted, RollsBack(1, 0)), "a").cause is Cause.HOST
    assert plan.pool != FULL_MATRIX
