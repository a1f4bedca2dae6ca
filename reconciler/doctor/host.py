"""What is wrong with the host as the kernel shows it."""

import re
from typing import Final

from reconciler.doctor.finding import Finding, error, listed, warning
from reconciler.integrations.tool_commands import configure_cards
from reconciler.model.commands import BOOT_INSTALL, STATUS
from reconciler.model.ids import IdSet
from reconciler.model.observed import Observed, ObservedMdev
from reconciler.planning.effect import Bindings, bindings_now, hidden_because

_BINDINGS: Final = re.compile(r"(\d+)/(\d+)( \(complete\))?")
_MOST_DEVICES: Final = 16


def host_findings(observed: Observed, bindings: str) -> list[Finding]:
    """Everything about the AP bus, its queues and the mediated devices.

    Args:
        observed: the host.
        bindings: the text of ``bus/ap/bindings``; empty where the kernel has none.
    """
    return [
        *_module(observed),
        *_bindings(bindings),
        *_unbound(observed),
        *_overrides(observed),
        *_cards(observed),
        *_cut(observed),
        *_hidden(observed),
    ]


def _module(observed: Observed) -> list[Finding]:
    if observed.vfio_ap:
        return []
    return [
        error(
            "vfio-ap-not-loaded",
            "the vfio_ap module is not loaded",
            "without it no queue that the host gives up has a driver, and no mediated device can be made",
            "modprobe vfio_ap; for every boot: 'persistence: service' in the Host, and the boot unit",
            BOOT_INSTALL,
        )
    ]


def _bindings(text: str) -> list[Finding]:
    found = _BINDINGS.match(text)
    if not found or found[3] or found[1] == found[2]:
        return []
    return [
        warning(
            "bindings-incomplete",
            f"the AP bus has bound {found[1]} of {found[2]} queues to drivers",
            "until it is done, masks that were set at boot may not be in force for all queues",
            "wait a moment and look again: cat /sys/bus/ap/bindings",
        )
    ]


def _unbound(observed: Observed) -> list[Finding]:
    # Without vfio_ap that is no wonder, and told already; a pinned queue is a finding of its own.
    loose = [one for one in observed.queues if one.driver is None and not one.overridden]
    for_guests = [str(one.queue) for one in loose if not observed.pool.has(one.queue)]
    for_host = [str(one.queue) for one in loose if observed.pool.has(one.queue)]
    found = []
    if for_guests and observed.vfio_ap:
        found.append(
            error(
                "unbound-queues",
                f"vfio_ap has not taken queues that the host gives up: {listed(for_guests)}",
                "a guest that is authorised for one of them does not see the whole adapter",
                f"{_probe(for_guests)}; cards that are newer than the kernel knows cannot be bound",
            )
        )
    if for_host:
        found.append(
            warning(
                "unbound-host-queues",
                f"no driver of the host has taken queues that are the host's: {listed(for_host)}",
                "neither the host nor a guest can use them",
                _probe(for_host),
            )
        )
    return found


def _probe(queues: list[str]) -> str:
    """Has the bus look for drivers of `queues`."""
    return f"for queue in {' '.join(queues)}; do echo $queue > /sys/bus/ap/drivers_probe; done"


def _overrides(observed: Observed) -> list[Finding]:
    pinned = [str(one.queue) for one in observed.queues if one.overridden]
    if not pinned:
        return []
    return [
        error(
            "driver-override",
            f"queues have a driver_override: {listed(pinned)}",
            "while there is one, this kernel refuses every write to the masks",
            f"for queue in {' '.join(pinned)}; do echo > /sys/bus/ap/devices/$queue/driver_override; "
            "echo $queue > /sys/bus/ap/devices/$queue/driver/unbind; echo $queue > /sys/bus/ap/drivers_probe; done",
        )
    ]


def _cards(observed: Observed) -> list[Finding]:
    standby = IdSet(one.adapter for one in observed.cards if not one.configured)
    stopped = IdSet(one.adapter for one in observed.cards if one.checkstopped)
    found = []
    if standby:
        found.append(
            warning(
                "standby-cards",
                f"adapters {standby} are in standby",
                "guests see them, but every request on them fails",
                configure_cards(standby),
            )
        )
    if stopped:
        found.append(
            error(
                "checkstopped-cards",
                f"adapters {stopped} are check-stopped",
                "guests see them, but every request on them fails",
                "look at the support element or the HMC: the hardware reports a failure",
            )
        )
    return found


def _cut(observed: Observed) -> list[Finding]:
    cut = [one.uuid for one in observed.mdevs if not one.complete]
    if not cut:
        return []
    return [
        warning(
            "matrix-cut",
            f"the kernel shows only the first 512 queues of mediated devices {listed(cut, _MOST_DEVICES)}",
            "what else they have is not known, so that they cannot be imported, and plans do not touch them",
            "a kernel from 6.10 on shows all of it (ap_config); or give such a device fewer queues",
        )
    ]


def _hidden(observed: Observed) -> list[Finding]:
    now = bindings_now(observed)
    return [found for one in observed.mdevs for found in _hidden_of(one, now)][:_MOST_DEVICES]


def _hidden_of(mdev: ObservedMdev, now: Bindings) -> list[Finding]:
    reasons = [one for one in hidden_because(mdev.config.matrix, now) if not one.startswith("pending")]
    if not reasons:
        return []
    return [
        error(
            "hidden-adapters",
            f"mediated device {mdev.uuid}: {'; '.join(reasons)}",
            "one queue that is missing hides its whole adapter from the guest",
            "see who has the queue; a queue without a driver is a finding of its own",
            STATUS,
        )
    ]
