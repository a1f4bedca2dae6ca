"""Steps become writes, and refusals words."""

import errno
import os
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel.observe import observe
from reconciler.kernel.paths import APMASK, AQMASK, CREATE, mdev
from reconciler.kernel.text_forms import ap_config_text, mask_text
from reconciler.kernel.writes import refusal_text, writes_of
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig, Matrix
from reconciler.model.observed import Abilities
from reconciler.model.steps import Action, Holdings, Step, Write
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import config, hardware, held, host_holding, rectangles, uuid
from testing.recording_sysfs import RecordingSysfs

NEW = Abilities(ap_config=True, over_provision=True, strict_in_use=False)
OLD = NEW._replace(ap_config=False)
DEVICE = mdev(uuid(1))
ALL_FREE = Matrix(IdSet(), IdSet())


def configure(before: ApConfig, after: ApConfig, abilities: Abilities) -> list[tuple[str, str]]:
    """The writes of a change, as the attribute's name and the value."""
    writes = writes_of(Step(Action.CONFIGURE, uuid(1), before, after), abilities)
    return [(one.path.removeprefix(f"{DEVICE}/"), one.value) for one in writes]


def test_each_step_but_one_is_a_single_write() -> None:
    """Masks in full width, the uuid to ``create``, 1 to ``remove``."""
    mask = ~IdSet([5])
    assert writes_of(Step(Action.APMASK, "", ALL_IDS, mask), OLD) == (Write(APMASK, mask_text(mask)),)
    assert writes_of(Step(Action.AQMASK, "", ALL_IDS, mask), OLD) == (Write(AQMASK, mask_text(mask)),)
    assert writes_of(Step(Action.CREATE, uuid(1), None, EMPTY_CONFIG), OLD) == (Write(CREATE, uuid(1)),)
    assert writes_of(Step(Action.REMOVE, uuid(1), EMPTY_CONFIG, None), OLD) == (Write(f"{DEVICE}/remove", "1"),)


def test_a_configuration_is_one_write_where_the_kernel_can() -> None:
    """``ap_config`` takes all at once."""
    after = config([5], [4])

    assert configure(EMPTY_CONFIG, after, NEW) == [("ap_config", ap_config_text(after))]


def test_single_writes_take_away_before_they_add() -> None:
    """Otherwise the product would grow on the way by queues that nobody chose."""
    assert configure(config([5], [4], [4]), config([6], [0x47], [4, 0x47]), OLD) == [
        ("unassign_adapter", "0x05"),
        ("unassign_domain", "0x04"),
        ("assign_adapter", "0x06"),
        ("assign_domain", "0x47"),
        ("assign_control_domain", "0x47"),
    ]


@given(rectangles(), rectangles(), st.sampled_from([PROFILES["5.15"], PROFILES["6.1"]]))
def test_single_writes_never_leave_old_and_new(before: Matrix, after: Matrix, profile: object) -> None:
    """After each of them the device is within old or new and has what both share."""
    old, new = ApConfig(*before, IdSet()), ApConfig(*after, IdSet())
    host = host_holding(Holdings(ALL_FREE, {uuid(1): old}), PROFILES["6.1"])
    seen: list[Matrix] = []
    sysfs = RecordingSysfs(host, lambda _: seen.append(held(host, OLD).mdevs[uuid(1)].matrix))
    for write in writes_of(Step(Action.CONFIGURE, uuid(1), old, new), OLD):
        sysfs.write(write.path, write.value)

    assert all(before.covers(one) or after.covers(one) for one in seen)
    assert all(one.covers(before.meet(after)) for one in seen)
    assert held(host, OLD).mdevs[uuid(1)] == new


@pytest.mark.parametrize(
    ("path", "code", "text"),
    [
        (CREATE, errno.EEXIST, "EEXIST: a mediated device of this uuid exists already"),
        (f"{DEVICE}/ap_config", errno.EADDRINUSE, "EADDRINUSE: another mediated device has one of the queues"),
        (APMASK, errno.EACCES, "EACCES: not permitted; reconcile must run as root to change a host"),
        (f"{DEVICE}/remove", errno.EPERM, "EPERM: not permitted; reconcile must run as root to change a host"),
        (CREATE, errno.EPERM, "EPERM: the kernel has no instance left"),
        (f"{DEVICE}/remove", errno.ENOENT, "ENOENT: it is not there; the device or the driver is gone"),
        (f"{DEVICE}/remove", errno.EAGAIN, f"EAGAIN: {os.strerror(errno.EAGAIN)}"),
        (APMASK, 4242, f"4242: {os.strerror(4242)}"),
    ],
)
def test_a_refusal_says_what_the_kernel_means(path: str, code: int, text: str) -> None:
    """The same errno means different things at different files."""
    assert refusal_text(Write(path, "1"), OSError(code, "x"), NEW) == text


BUSY: Final = f"EBUSY: {os.strerror(errno.EBUSY)}"
IN_USE: Final = "EBUSY: a VM uses the device, and this kernel then refuses any change"
COMPLETED: Final = "EBUSY: a mediated device has a queue that the host would get"
ANY_WITH_ID: Final = (
    "EBUSY: a mediated device has a queue with an id that the mask gives to the host; this kernel refuses that "
    "whatever the other mask says"
)
UNBOUND: Final = "EADDRNOTAVAIL: one of the queues is not bound to vfio_ap"
RESERVED: Final = "EADDRNOTAVAIL: the host has one of the queues"
NO_MASK: Final = "EINVAL: the kernel does not take this mask"
OVERRIDDEN: Final = "EINVAL: the kernel does not take this mask; a queue may have a driver_override"


@pytest.mark.parametrize(
    ("file", "code", "texts"),
    [
        ("assign_adapter", errno.EBUSY, (IN_USE, BUSY, BUSY, BUSY)),
        ("unassign_domain", errno.EBUSY, (IN_USE, BUSY, BUSY, BUSY)),
        ("assign_adapter", errno.EADDRNOTAVAIL, (UNBOUND, RESERVED, RESERVED, RESERVED)),
        ("ap_config", errno.EBUSY, (None, None, BUSY, BUSY)),
        ("apmask", errno.EBUSY, (BUSY, COMPLETED, COMPLETED, ANY_WITH_ID)),
        ("aqmask", errno.EBUSY, (BUSY, COMPLETED, COMPLETED, ANY_WITH_ID)),
        ("apmask", errno.EINVAL, (NO_MASK, NO_MASK, NO_MASK, OVERRIDDEN)),
        ("remove", errno.EBUSY, (BUSY, BUSY, BUSY, BUSY)),
    ],
)
def test_a_refusal_says_what_this_kernel_means(file: str, code: int, texts: tuple[str | None, ...]) -> None:
    """Kernels refuse different things with one errno; what a kernel never refuses so is not explained by a guess."""
    path = {"apmask": APMASK, "aqmask": AQMASK}.get(file, f"{DEVICE}/{file}")
    for profile, text in zip(("5.15", "6.1", "6.12", "7.2"), texts, strict=True):
        abilities = observe(SimulatedHost(hardware(), PROFILES[profile])).abilities

        assert text is None or refusal_text(Write(path, "1"), OSError(code, "x"), abilities) == text, profile


@pytest.mark.parametrize("profile", ["5.15", "6.1", "6.12", "7.2"])
def test_what_a_simulated_kernel_refuses_is_explained_by_what_it_refuses(profile: str) -> None:
    """A change below a VM, and a mask that completes a pair or has an id that a device has."""
    host = SimulatedHost(hardware(), PROFILES[profile])
    abilities = observe(host).abilities
    for path, value in ((APMASK, "-5"), (AQMASK, "-4"), (CREATE, uuid(1))):
        host.write(path, value)
    host.write(f"{DEVICE}/assign_adapter", "5")
    host.write(f"{DEVICE}/assign_domain", "4")
    host.start_vm(uuid(1))
    refused = {}
    for path, value in ((f"{DEVICE}/assign_control_domain", "4"), (AQMASK, "+4"), (APMASK, "+5")):
        try:
            host.write(path, value)
        except OSError as error:
            refused[path.rpartition("/")[2]] = refusal_text(Write(path, value), error, abilities)

    expected = {
        "5.15": {"assign_control_domain": IN_USE},
        "7.2": {"apmask": ANY_WITH_ID, "aqmask": ANY_WITH_ID},
    }
    assert expected.get(profile, {"apmask": COMPLETED}) == refused


def test_a_refusal_without_errno_is_an_io_error() -> None:
    """Something is always said."""
    assert refusal_text(Write(APMASK, "1"), OSError("?"), NEW).startswith("EIO: the hardware")
