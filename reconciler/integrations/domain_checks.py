"""What is wrong with the AP devices of a virtual machine, reported before libvirt, QEMU or the kernel refuse it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from reconciler.integrations.domain_xml import Domain, DomainMdev
from reconciler.model.desired import DesiredGuest
from reconciler.model.problems import Place, Problem, Severity

MODEL: Final = "vfio-ap"
"""The model that QEMU gives a guest's crypto queues with (libvirt: Domain XML format, "Host device assignment")."""

_USEFUL: Final = ("apqci", "apft")
"""The CPU's features by which Linux in a guest finds its queues, beside ``ap`` itself (QEMU: vfio-ap.rst)."""

_FEATURE_TEXT: Final = "<feature policy='require' name='%s'/>"


def domain_problems(domain: Domain, guests: Iterable[DesiredGuest]) -> list[Problem]:
    """Every problem of `domain`, held against the `guests` of all manifests.

    Mediated devices of other kinds are not checked, unless a manifest has their uuid.
    """
    known = {guest.uuid: guest for guest in guests}
    ours = [one for one in domain.mdevs if one.model == MODEL or one.uuid in known]
    problems = [problem for one in ours for problem in _device_problems(domain, one, known.get(one.uuid))]
    problems += [*_too_many(domain, ours), *(_cpu_problems(domain, ours[0]) if ours else ())]
    return [*problems, *unread_parts(domain)]


def unread_parts(domain: Domain) -> list[Problem]:
    """A warning for each part of `domain` that may give it crypto queues, and that cannot be looked into."""
    return [
        Problem(
            "vm-unread-part",
            Severity.WARNING,
            f"VM '{domain.name}' has {one.what}, which is not looked into: it may have crypto queues that are not seen",
            (Place(one.position),),
            (),
            f"Write its device as <hostdev mode='subsystem' type='mdev' managed='no' model='{MODEL}'> with its uuid.",
        )
        for one in domain.unread
    ]


def shared_devices(domains: Sequence[Domain]) -> list[Problem]:
    """The devices of crypto queues that several of `domains` have: the second VM that starts finds it in use."""
    users: dict[str, list[tuple[Domain, DomainMdev]]] = {}
    for domain in domains:
        first = {mdev.uuid: mdev for mdev in reversed(domain.mdevs) if mdev.model == MODEL}
        for uuid, mdev in first.items():
            users.setdefault(uuid, []).append((domain, mdev))
    return [
        Problem(
            "vm-shared-device",
            Severity.ERROR,
            f"VMs {', '.join(repr(one.name) for one, _ in found)} have the same mediated device {uuid}, "
            "and one VM at a time can use it",
            tuple(Place(mdev.position) for _, mdev in found),
            (),
            "Write a Guest of its own for each VM; with 'activation: on-demand' guests that never run together can "
            "have the same queues.",
        )
        for uuid, found in sorted(users.items())
        if len(found) > 1
    ]


def _cpu_problems(domain: Domain, device: DomainMdev) -> Iterator[Problem]:
    """What the CPU lacks for the device; host-model, host-passthrough and no CPU at all have what the host has."""
    cpu = domain.cpu
    place = Place(cpu.position or device.position)
    custom = cpu.mode == "custom" and bool(cpu.model)
    if not cpu.features.get("ap", not custom):
        said = "without the feature 'ap'" if "ap" in cpu.features else f"of model '{cpu.model}', which has no 'ap'"
        yield Problem(
            "vm-cpu-without-ap",
            Severity.ERROR,
            f"VM '{domain.name}' has a device with crypto queues and a CPU {said}: QEMU has no bus for the device",
            (place,),
            (),
            "Write <feature policy='require' name='ap'/>, or use mode='host-model'.",
        )
        return
    lacking = [name for name in _USEFUL if not cpu.features.get(name, not custom)]
    if lacking:
        yield Problem(
            "vm-cpu-lacks-ap-facilities",
            Severity.WARNING,
            f"VM '{domain.name}' has a CPU without {' and '.join(lacking)}: Linux in it may not find all its queues",
            (place,),
            (),
            f"Write {' '.join(_FEATURE_TEXT % name for name in lacking)}.",
        )


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
            "Write managed='no': the device is made by 'reconcile apply', or on demand by the hook.",
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
