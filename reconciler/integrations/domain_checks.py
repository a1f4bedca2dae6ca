"""What is wrong with the AP devices of a virtual machine, told before libvirt, QEMU or the kernel refuse it."""

from collections.abc import Iterable, Iterator
from typing import Final

from reconciler.integrations.domain_xml import Domain, DomainMdev
from reconciler.model.desired import DesiredGuest
from reconciler.model.problems import Place, Problem, Severity

MODEL: Final = "vfio-ap"
"""The model that QEMU gives a guest's crypto queues with (libvirt: Domain XML format, "Host device assignment")."""


def domain_problems(domain: Domain, guests: Iterable[DesiredGuest]) -> list[Problem]:
    """Every problem of `domain`, held against the `guests` of all manifests.

    Mediated devices of other kinds are nobody's business here, unless a manifest has their uuid.
    """
    known = {guest.uuid: guest for guest in guests}
    ours = [one for one in domain.mdevs if one.model == MODEL or one.uuid in known]
    return [problem for one in ours for problem in _device_problems(domain, one, known.get(one.uuid))] + [
        *_too_many(domain, ours)
    ]


def _device_problems(domain: Domain, mdev: DomainMdev, guest: DesiredGuest | None) -> Iterator[Problem]:
    place = Place(mdev.position)
    if guest is None:
        yield Problem(
            "vm-unknown-device",
            Severity.ERROR,
            f"VM '{domain.name}' has mediated device {mdev.uuid}, which no manifest names",
            (place,),
            (),
            f"Write a Guest with 'uuid: {mdev.uuid}', or give the VM the uuid of its guest.",
        )
    elif mdev.model != MODEL:
        named = f"model '{mdev.model}'" if mdev.model else "no model"
        yield Problem(
            "vm-wrong-model",
            Severity.ERROR,
            f"VM '{domain.name}' has the device of guest '{guest.name}' with {named} instead of '{MODEL}'",
            (place, Place(guest.position, "its crypto queues are granted here")),
            (),
            f"Write <hostdev mode='subsystem' type='mdev' managed='no' model='{MODEL}'>.",
        )
    if mdev.managed:
        yield Problem(
            "vm-managed-device",
            Severity.WARNING,
            f"VM '{domain.name}' has managed='yes' for mediated device {mdev.uuid}, and libvirt manages none",
            (place,),
            (),
            "Write managed='no': the device is made by 'reconcile --apply', or on demand by the hook.",
        )


def _too_many(domain: Domain, ours: list[DomainMdev]) -> Iterator[Problem]:
    if len(ours) > 1:
        yield Problem(
            "vm-two-devices",
            Severity.ERROR,
            f"VM '{domain.name}' has {len(ours)} mediated devices with crypto queues, and a VM can have one",
            tuple(Place(one.position) for one in ours),
            (),
            "Give one guest all the queues and the VM its device alone: a matrix has several adapters and domains.",
        )
