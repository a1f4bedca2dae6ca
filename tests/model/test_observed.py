"""What was found on a host, in words."""

import pytest

from reconciler.kernel.observe import observe
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.observed import MOVE_AWAY, Process, Unread, VmName, in_brackets, its_vm, unread_texts
from reconciler.model.steps import Holdings
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import config, host_holding, uuid


def test_the_vm_of_a_device_is_named_where_it_is_known() -> None:
    """By libvirt's name and state, or by its process."""
    assert in_brackets(VmName("payments-db", "shut off")) == " (VM payments-db, shut off)"
    assert in_brackets(None) == ""
    assert its_vm(Process(4711, "qemu-system-s390x")) == "its VM (qemu-system-s390x, process 4711)"
    assert its_vm(Process(4711, "")) == "its VM (process 4711)"
    assert its_vm(None) == "its VM"


@pytest.mark.parametrize(
    ("state", "in_use", "is_idle"),
    [
        ("shut off", False, True),
        (None, False, True),
        ("running", False, False),
        ("paused", False, False),
        (None, True, False),
    ],
)
def test_a_device_is_idle_where_no_vm_has_it_or_is_about_to(state: str | None, in_use: bool, is_idle: bool) -> None:
    """A VM that libvirt calls running will open its device in a moment."""
    on = host_holding(Holdings(Matrix(ALL_IDS, ~IdSet([4])), {uuid(1): config([5], [4])}), PROFILES["6.12"])
    if in_use:
        on.start_vm(uuid(1))
    observed = observe(on)._replace(vms={uuid(1): VmName("vm", state)} if state else {})

    assert (uuid(1) in observed.idle) is is_idle


def test_what_could_not_be_read_says_why() -> None:
    """In one line."""
    assert str(Unread("/sys/bus/ap", "Permission denied")) == "/sys/bus/ap: Permission denied"


def test_what_is_damaged_is_told_from_what_may_not_be_read() -> None:
    """Another user can read no more of it."""
    assert Unread("suspensions", f"suspended.json is damaged{MOVE_AWAY}mv a b").is_damaged
    assert not Unread("/sys/bus/ap", "Permission denied").is_damaged


def test_of_many_things_that_could_not_be_read_the_first_are_shown() -> None:
    """Of each at most its beginning, and how many more there are."""
    assert unread_texts([Unread("a", "b")]) == ("a: b",)
    texts = unread_texts([Unread(str(number), "x" * 3000) for number in range(12)])
    assert len(texts) == 11
    assert texts[0] == f"0: {'x' * 1997}…"
    assert texts[-1] == "and 2 more"
