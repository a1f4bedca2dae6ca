"""Names for guests that have none: valid, unique, always the same."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.planning.adoption import guest_names, names_of, valid_name
from testing.holdings import uuid

VALID = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")
CLOSE = st.sampled_from(["web", "WEB", "web!", "guest-00000000", "guest-00000000-2", "web-00000000", "é", ""])


@given(
    names=st.dictionaries(st.integers(0, 9).map(uuid), CLOSE | st.text(max_size=90)), more=st.sets(st.integers(0, 9))
)
def test_every_device_gets_a_valid_name_of_its_own(names: dict[str, str], more: set[int]) -> None:
    """Whatever virtual machines are called, and in whatever order devices come."""
    uuids = [*names, *(uuid(one) for one in more)]

    made = guest_names(uuids, names)

    assert set(uuids) == set(made)
    assert len(made) == len(set(made.values()))
    assert all(VALID.fullmatch(name) for name in made.values())
    assert made == guest_names(sorted(uuids, reverse=True), names)


def test_a_guest_is_called_like_its_virtual_machine() -> None:
    """In lower case, with a dash for what may not stand in a name; else by its uuid."""
    made = guest_names([uuid(1), "62177883-f1bb-47f0-914d-32a22e3a8804"], {uuid(1): "Payments (EU)"})
    assert {uuid(1): "payments-eu", "62177883-f1bb-47f0-914d-32a22e3a8804": "guest-62177883"} == made


def test_names_that_become_the_same_are_told_apart_by_the_uuid() -> None:
    """First by its beginning, then by all of it."""
    made = guest_names([uuid(1), uuid(2), uuid(3)], dict.fromkeys([uuid(1), uuid(2), uuid(3)], "web"))
    assert ["web", "web-00000000", f"web-{uuid(3)}"] == [*made.values()]
    assert ["guest-00000000", f"guest-{uuid(2)}"] == [*guest_names([uuid(1), uuid(2)], {}).values()]


def test_a_name_whose_ends_are_all_taken_gets_a_number() -> None:
    """Other virtual machines may be called like a name with a uuid at its end."""
    vm_names = {uuid(1): "web", uuid(2): "web-00000000", uuid(3): f"web-{uuid(4)}", uuid(4): "web"}
    assert "web-2" == guest_names(vm_names, vm_names)[uuid(4)]


def test_a_long_name_is_cut() -> None:
    """To 63 characters, and not at a dash."""
    assert f"{'a' * 62}" == valid_name("a" * 62 + "--b", "x")


def test_a_name_of_nothing_usable_is_replaced() -> None:
    """By what the caller says."""
    assert "host" == valid_name("--..é", "host")


@example(found=["a-b", "a_b", "A.b", "a.b", "", "_"])
@given(found=st.lists(CLOSE | st.sampled_from(["web-2", "a_b", "a-b", "a.b"]) | st.text(max_size=90)))
def test_every_name_from_elsewhere_becomes_a_valid_one_of_its_own(found: list[str]) -> None:
    """Those that are valid stay as they are; the order changes nothing."""
    made = names_of(found, "guest")

    assert set(found) == set(made)
    assert len(made) == len(set(made.values()))
    assert all(VALID.fullmatch(name) for name in made.values())
    assert all(made[one] == one for one in found if VALID.fullmatch(one))
    assert made == names_of(reversed(found), "guest")
