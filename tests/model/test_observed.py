"""What was found on a host, in words."""

from reconciler.model.observed import Process, Unread, VmName, in_brackets, its_vm


def test_the_vm_of_a_device_is_named_where_it_is_known() -> None:
    """By libvirt's name and state, or by its process."""
    assert in_brackets(VmName("payments-db", "shut off")) == " (VM payments-db, shut off)"
    assert in_brackets(None) == ""
    assert its_vm(Process(4711, "qemu-system-s390x")) == "its VM (qemu-system-s390x, process 4711)"
    assert its_vm(Process(4711, "")) == "its VM (process 4711)"
    assert its_vm(None) == "its VM"


def test_what_could_not_be_read_says_why() -> None:
    """In one line."""
    assert str(Unread("/sys/bus/ap", "Permission denied")) == "/sys/bus/ap: Permission denied"
