"""A plan that is only for guests that a person has chosen; tests/laws/test_targets.py has its laws."""

from reconciler.kernel.observe import observe
from reconciler.model.desired import Selector
from reconciler.planning.plan import partial_text, unconfirmed_text
from reconciler.planning.planner import make_plan
from reconciler.planning.scope import Targets, labels_of, no_label_text, wrong_labels
from testing.holdings import config, desired, guest, uuid
from testing.plans import GIVES_UP, ONE, applied, host_with

WANTED = desired([guest("a", ONE, 1), guest("b", config([6], [4]), 2)], GIVES_UP)


def test_chosen_guests_that_do_not_exist_are_named() -> None:
    """A guest has its name or the uuid of its device, also one that has left the manifests."""
    ours = applied(m9=ONE).guests
    targets = Targets(frozenset(["b", uuid(1), "m9", uuid(9), "zeta", "c", uuid(3)]))

    assert targets.unknown(WANTED, ours) == (uuid(3), "c", "zeta")
    assert targets.chosen(WANTED, ours) == {uuid(1), uuid(2), uuid(9)}
    assert Targets(frozenset("a")).unknown(WANTED, ours) == ()


def test_a_partial_plan_says_whom_it_is_about() -> None:
    """By the first few names, and how many more there are."""
    plan = make_plan(WANTED, observe(host_with()), scope=Targets(frozenset("b")))

    assert plan.targets == ("b",)
    assert partial_text(plan.targets).startswith("partial: this is only about 'b'; all else stays")
    assert "about 'a', 'b', 'c', 'd', 'e' and 2 more; all else" in partial_text("abcdefg")


def test_who_gets_queues_loses_them_again_where_the_plan_is_not_confirmed() -> None:
    """Those guests are named, and no other."""
    wanted = desired([guest("a", ONE, 1), guest("b", config([6], [4]), 2), guest("c", config([5], []), 3)], GIVES_UP)
    plan = make_plan(wanted, observe(host_with(m1=ONE, m3=config([5], [0x47]))))
    grows = make_plan(desired([guest("a", config([5], [4, 0x47]), 1)], GIVES_UP), observe(host_with(m1=ONE)))

    assert unconfirmed_text(plan.guests).endswith("lose what their guest gets here: 'b'")
    assert unconfirmed_text(grows.guests).endswith("lose what their guest gets here: 'a'")
    assert unconfirmed_text(one for one in plan.guests if one.name != "b") == ""


def test_labels_that_no_guest_has_are_named_with_those_that_there_are() -> None:
    """And with the one that was probably meant; where no guest has any, that is said."""
    asked, found = Selector((("tenant", "bankk"),)), [[("tenant", "bank"), ("env", "x")], [("tenant", "bank")]]
    labels = labels_of(found)

    assert labels == ["env=x", "tenant=bank"]
    assert wrong_labels(asked, labels) == ["tenant=bankk"]
    said = (
        "no guest has the label tenant=bankk. Did you mean 'tenant=bank'? Labels that guests have: env=x, tenant=bank"
    )
    assert no_label_text(asked, found) == said
    both = Selector((("env", "x"), ("tenant", "bank")))
    assert no_label_text(both, []).startswith("no guest has all of the labels env=x,tenant=bank. ")
    assert no_label_text(both, []).endswith("Labels that guests have: none")
    assert no_label_text(both, [[("env", "x"), ("tenant", "bank")]]).startswith("no guest has all of the labels")
