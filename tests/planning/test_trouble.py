"""What is there and does not work, or was granted and is not there: cards in trouble, control domains of the LPAR."""

from typing import Any

import pytest

from reconciler.kernel.observe import observe
from reconciler.kernel.writes import writes_of
from reconciler.model.desired import Presence
from reconciler.model.ids import IdSet
from reconciler.model.observed import Observed
from reconciler.planning.planner import make_plan
from reconciler.planning.status import status_of
from reconciler.render.plan_json import json_text
from reconciler.render.status_record import status_record
from reconciler.render.status_text import status_text
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import config, desired, guest, hardware, uuid
from testing.plans import problem_ids

A = guest("a", config([5, 6], [4], [4, 0x47, 9]), 1)
B = guest("b", config([7], [4]), 2)


def seen(**card: Any) -> Observed:
    """A host with a device for the guest ``a``, whose card 5 is as `card` says."""
    host = SimulatedHost(hardware(), PROFILES["6.12"])
    for planned in make_plan(desired([A]), observe(host)).steps:
        for write in writes_of(planned.step, observe(host).abilities):
            host.write(write.path, write.value)
    found = observe(host)
    cards = tuple(one._replace(**card) if one.adapter == 5 else one for one in found.cards)
    return found._replace(cards=cards)


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"checkstopped": True}, "is check-stopped"),
        ({"configured": False}, "is in standby (deconfigured)"),
        ({"checkstopped": True, "configured": False}, "is check-stopped"),
    ],
)
def test_a_card_in_trouble_is_seen_in_plan_and_status(card: dict[str, bool], words: str) -> None:
    """Whose it is, and that every request on it fails; guests of other cards are not named."""
    plan = make_plan(desired([A, B]), seen(**card))
    status = status_of(plan)

    assert problem_ids(plan) == [("card-in-trouble", "warning")]
    assert words in plan.problems[0].message
    assert "'a'" in plan.problems[0].message
    assert "'b'" not in plan.problems[0].message
    assert f"adapter 0x05 (5) {words}: every request on it fails" in status.guests[0].why
    assert f"  card        adapter 0x05 (5) {words}\n" in status_text(status)
    assert '"checkstopped": true' in json_text(status_record(status)) or "configured" in card


def test_a_card_in_trouble_that_no_guest_claims_is_in_the_status_alone() -> None:
    """No plan concerns it."""
    plan = make_plan(desired([B]), seen(checkstopped=True))

    assert plan.problems == ()
    assert "is check-stopped" in status_text(status_of(plan))


def test_a_card_that_is_offline_is_seen_in_the_status() -> None:
    """It is the host's drivers that do not use it, so that no guest is concerned, and no plan becomes stale by it."""
    plan = make_plan(desired([A]), seen(online=False))

    assert plan.problems == ()
    assert "adapter 0x05 (5) is offline: the host's drivers do not use it" in status_text(status_of(plan))
    assert plan.basis == make_plan(desired([A]), seen()).basis


def test_many_guests_of_a_card_in_trouble_are_counted() -> None:
    """Eight are named."""
    many = [guest(f"g{number:x}", config([5], [number]), number) for number in range(1, 12)]

    plan = make_plan(desired(many), seen(checkstopped=True))

    assert "'g7', 'g8' and 3 more" in plan.problems[0].message


def test_control_domains_that_the_lpar_lacks_are_reported() -> None:
    """In plan and status; one that is missing as a usage domain as well is told once."""
    plan = make_plan(desired([A]), seen())
    both = guest("a", config([5, 6], [4, 9], [4, 9]), 1)

    assert "pending: control domain 0x09 (9) is not in the LPAR yet" in plan.guests[0].because
    assert "pending: control domain 0x09 (9) is not in the LPAR yet" in status_of(plan).guests[0].why
    assert make_plan(desired([both]), seen()).guests[0].because == ("pending: domain 0x09 (9) is not in the LPAR yet",)
    assert plan.is_valid


def test_where_presence_is_required_they_are_refused() -> None:
    """Also where all queues are there; with what the LPAR has it is valid."""
    needs = A._replace(presence=Presence.REQUIRED)
    found = seen()
    enough = found._replace(lpar=found.lpar._replace(control_domains=found.lpar.control_domains | IdSet([9])))

    plan = make_plan(desired([needs]), found)

    assert problem_ids(plan) == [("required-absent", "error")]
    assert "control domain 0x09 (9)" in " ".join(plan.problems[0].details)
    assert make_plan(desired([needs]), enough).is_valid
    assert uuid(1) == needs.uuid
