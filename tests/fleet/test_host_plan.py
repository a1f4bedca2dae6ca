"""What a commit takes from the plan of one host."""

from typing import Any

import pytest

from reconciler.fleet.host_plan import WHOLE_HOST, read_host_plan
from reconciler.model.codec import BadRecord
from reconciler.model.matrix import ApConfig
from testing.fleet_plans import WEB, host_plan
from testing.holdings import config

TWO = config([5, 6], [4])
OTHER = config([6], [4])


@pytest.mark.parametrize(
    ("before", "after", "only_gives_up"),
    [
        ({"m1": TWO}, {"m1": WEB}, True),
        ({"m1": TWO}, {}, True),
        ({"m1": WEB}, {"m1": TWO}, False),
        ({"m1": WEB}, {"m1": OTHER}, False),
        ({"m1": TWO}, {"m1": WEB, "m2": OTHER}, False),
        ({}, {"m1": WEB}, False),
        ({"m1": WEB}, {"m1": WEB}, False),
        ({}, {}, False),
    ],
)
def test_a_host_only_gives_up_where_its_guests_only_lose(
    before: dict[str, ApConfig], after: dict[str, ApConfig], only_gives_up: bool
) -> None:
    """What goes from one guest to another one of the host, or to a new one, is no giving up."""
    plan = read_host_plan(host_plan("a", before, after))

    assert plan.only_gives_up is only_gives_up
    assert plan.has_changes is (before != after)


def test_consent_is_for_one_guest_or_for_one_host() -> None:
    """Interrupting a guest is allowed by its name or for its host; removing everything only by a flag of its own."""
    guests = {"m1": TWO, "m2": config([5, 6], [0x47])}
    plan = read_host_plan(host_plan("a", guests, {"m1": WEB, "m2": config([5], [0x47])}, ("m1", "m2")))

    def missing(guests: tuple[str, ...] | str, *flags: str) -> list[str]:
        return [one.holder for one in plan.missing(guests, flags)]

    assert missing(()) == ["m1", "m2"]
    assert missing(("m1",)) == ["m2"]
    assert missing(("m1", "m2")) == missing(WHOLE_HOST) == []
    assert missing((), "--allow-empty") == ["m1", "m2"]
    assert plan.needed_flags() == ("--allow-disruption",)

    emptied = read_host_plan(host_plan("a", {"m1": WEB}, {}))
    assert [one.flag for one in emptied.missing(WHOLE_HOST, ())] == ["--allow-empty"]
    assert not emptied.missing((), ("--allow-empty",))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"consents": [{"holder": "a", "reason": "b", "flag": "--yes"}]}, "consents: it has a flag that is not known"),
        ({"guests": [{"name": "m1", "authorised": {"before": None}}]}, r"guests\[0\]\.authorised\.after: missing"),
        ({"summary": {}}, "summary.text: missing"),
        ({"steps": {}}, "steps: an object is here, where list is expected"),
        ({"fingerprint": 1}, "fingerprint: a number is here"),
    ],
)
def test_what_is_no_plan_is_refused(changed: dict[str, Any], message: str) -> None:
    """With the field named; what else a plan has is passed over."""
    with pytest.raises(BadRecord, match=message):
        read_host_plan({**host_plan("a", after={"m1": WEB}), **changed})
    with pytest.raises(BadRecord, match="a list is here, where object is expected"):
        read_host_plan([])
