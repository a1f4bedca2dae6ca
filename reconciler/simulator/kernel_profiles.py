"""What differs between the kernels that can be simulated, as switches.

A rule that changed has one switch here, named for what it does; nothing compares version numbers. The three newer
profiles are proved against recordings of those kernels (tests/simulator/test_replay.py); ``5.15`` is from reading
only. docs/kernel-rules.md has each rule with its source.
"""

from enum import StrEnum
from errno import EPERM, EUSERS
from typing import Final, NamedTuple


class InUseCheck(StrEnum):
    """When setting a mask bit is refused because a mediated device has a queue (ap_bus.c, vfio_ap_ops.c).

    ``none``: never. ``pair``: if the *other* mask as it is now would give the queue to the host. ``either``:
    whatever the other mask says.
    """

    NONE = "none"
    PAIR = "pair"
    EITHER = "either"


class Profile(NamedTuple):
    """The rules of one kernel era.

    Attributes:
        name: what descriptions call it, for example ``6.12``.
        release: a release string of such a kernel, for people.
        over_provision: absent queues can be assigned, a running VM's device can change, ``guest_matrix`` exists.
        in_use_check: see `InUseCheck`.
        ap_config: a mediated device has ``ap_config``.
        features: the bus and the parent of mediated devices have ``features``.
        driver_override: queues have ``driver_override``, the bus ``bindings_complete_count``.
        scans_writable: a write to ``scans`` makes the bus look at the hardware at once.
        queue_functions: queues have ``ap_functions``.
        card_chkstop: cards have ``chkstop``.
        checkstop_is_offline: a check-stopped card or queue reads ``online`` 0.
        depth_counts_from_one: ``depth`` is the depth; before, it was one less.
        effective_status: ``status`` says "in use" only for queues that the VM really sees.
        failed_reset_hides: an adapter is left out of ``guest_matrix`` while the last reset of one of its queues was
            refused because the card is in standby or check-stopped; later kernels let these pass.
        vfio_devices: a mediated device has ``vfio-dev``.
        newest_vfio_type: the newest hardware type that the vfio_ap driver takes (13 CEX7, 14 CEX8).
        no_instance_errno: the errno of ``create`` where 65536 devices exist.
        driverless_is_hosts: a mask write takes a queue without driver for one with the host's, and so binds it where
            the masks free it; otherwise for one with another driver, and binds it where it is the host's.
        numbers_wrap: a number of more than 64 bits in a mask or in ``ap_domain`` counts modulo 2**64.
        parameter_mode: permission bits of ``/sys/module/ap/parameters/*``.
    """

    name: str
    release: str
    over_provision: bool
    in_use_check: InUseCheck
    ap_config: bool
    features: bool
    driver_override: bool
    scans_writable: bool
    queue_functions: bool
    card_chkstop: bool
    checkstop_is_offline: bool
    depth_counts_from_one: bool
    effective_status: bool
    failed_reset_hides: bool
    vfio_devices: bool
    newest_vfio_type: int
    no_instance_errno: int
    driverless_is_hosts: bool
    numbers_wrap: bool
    parameter_mode: int


_V5_15: Final = Profile(
    name="5.15",
    release="5.15.0",
    over_provision=False,
    in_use_check=InUseCheck.NONE,
    ap_config=False,
    features=False,
    driver_override=False,
    scans_writable=False,
    queue_functions=False,
    card_chkstop=False,
    checkstop_is_offline=False,
    depth_counts_from_one=False,
    effective_status=False,
    failed_reset_hides=False,
    vfio_devices=False,
    newest_vfio_type=13,
    no_instance_errno=EPERM,
    driverless_is_hosts=False,
    numbers_wrap=True,
    parameter_mode=0o440,
)


_V6_1: Final = _V5_15._replace(
    name="6.1",
    release="6.1.176",
    over_provision=True,
    in_use_check=InUseCheck.PAIR,
    scans_writable=True,
    card_chkstop=True,
    effective_status=True,
    failed_reset_hides=True,
    vfio_devices=True,
    newest_vfio_type=14,
    no_instance_errno=EUSERS,
)


_V6_12: Final = _V6_1._replace(
    name="6.12",
    release="6.12.107",
    ap_config=True,
    features=True,
    queue_functions=True,
    failed_reset_hides=False,
    checkstop_is_offline=True,
    depth_counts_from_one=True,
)


_V7_2: Final = _V6_12._replace(
    name="7.2",
    release="7.2.13",
    in_use_check=InUseCheck.EITHER,
    driver_override=True,
    driverless_is_hosts=True,
    numbers_wrap=False,
    parameter_mode=0o444,
)


PROFILES: Final = {profile.name: profile for profile in (_V5_15, _V6_1, _V6_12, _V7_2)}
"""Every profile by name, oldest first."""


DEFAULT_PROFILE: Final = _V6_12
