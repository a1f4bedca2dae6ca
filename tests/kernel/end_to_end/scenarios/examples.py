"""Every example on the real kernel."""

from pathlib import Path
from typing import Final

from .check import holds, same
from .host import ALL
from .scenario import (
    EXAMPLES,
    Scenario,
    World,
    apply,
    apply_again,
    consent_where_strict,
    hardware,
    in_sync,
    manifests,
    status,
    untouched,
)


def three_guests(world: World) -> None:
    """The set-up of the kernel's own document: planned, applied, seen, applied again, and no drift."""
    _whole_way(world, "three-guests")
    same("domains of guest1", status(world, EXAMPLES / "three-guests")["guest1"]["effective"]["domains"], [4, 0xAB])


def card_to_come(world: World) -> None:
    """A card authorised in advance is the guest's when it is plugged, without a write, and goes when it is pulled."""
    site = EXAMPLES / "card-to-come"
    _whole_way(world, "card-to-come")
    (uuid,) = world.host.uuids()
    same("guest_matrix before", world.host.effective()[uuid], ([5], [4, 0x47]))
    holds("status says pending", "pending" in " ".join(status(world, site)["payments"]["why"]))

    world.host.plug(9, type="CEX8", mode="cca")

    same("guest_matrix with the card", world.host.effective()[uuid], ([5, 9], [4, 0x47]))
    same("what status says", status(world, site)["payments"]["effective"], {"adapters": [5, 9], "domains": [4, 0x47]})
    apply_again(world, site)

    world.host.unplug(9)

    same("guest_matrix without it", world.host.effective()[uuid], ([5], [4, 0x47]))
    same("matrix without it", world.host.authorised()[uuid], ([5, 9], [4, 0x47]))
    in_sync(world, site)


def swap(world: World) -> None:
    """Two guests exchange their cards."""
    _whole_way(world, "swap", "before")
    ran = _whole_way(world, "swap", "after")
    if world.kernel != "6.1":
        same("kernel writes", ran, 3)


def back_to_host(world: World) -> None:
    """What guests give up goes back to the host's drivers, after the devices have let go of it."""
    _whole_way(world, "back-to-host", "before")
    _whole_way(world, "back-to-host", "after", *consent_where_strict(world))
    holds("05.0005 is the host's again", "05.0005" not in world.host.guests_queues())

    site = manifests({})
    apply(world, site)

    same("masks", world.host.pool(), (ALL, ALL))
    same("devices", world.host.uuids(), [])


def on_demand(world: World) -> None:
    """The masks are made ready; the devices come with their VMs."""
    _whole_way(world, "on-demand")
    same("devices", world.host.uuids(), [])


def refused_write(world: World) -> None:
    """The manifests of the example, whose fault only a simulated host has, are applied."""
    _whole_way(world, "refused-write")


def conflict(world: World) -> None:
    """Two guests that claim the same queue: exit code 4, and nothing is written."""
    _refused(world, "conflict", 4)


def invalid(world: World) -> None:
    """Manifests with mistakes: exit code 3, and nothing is written."""
    _refused(world, "invalid", 3)


def large_host(world: World) -> None:
    """A hundred guests on 16 cards with 85 domains each."""
    _whole_way(world, "large-host")
    same("devices", len(world.host.uuids()), 100)


def _whole_way(world: World, name: str, part: str = ".", *options: str) -> int:
    """Plan, apply, look, apply again, look for drift; returns the count of writes."""
    site = _prepared(world, name) / part
    ahead = world.tool("plan", "-o", "json", "--detailed-exitcode", manifests=site)
    same("exit code of the plan", ahead.code, 2)
    ran = apply(world, site, *options)
    same("needs consent", ahead.record["summary"]["needsConsent"], bool(options))
    same("plan shown before and carried out", ran.record["plan"]["steps"], ahead.record["steps"])
    apply_again(world, site)
    in_sync(world, site)
    return len(ran.writes)


def _refused(world: World, name: str, code: int) -> None:
    site = _prepared(world, name)
    same("exit code of the plan", world.tool("plan", manifests=site).code, code)
    ran = untouched(world, lambda: world.tool.watched("apply", "--yes", manifests=site), code)
    same("writes", ran.writes, [])


def _prepared(world: World, name: str) -> Path:
    world.host.hardware(hardware(name))
    return EXAMPLES / name


EXAMPLE_SCENARIOS: Final = (
    Scenario(three_guests, short=True, whole=True),
    Scenario(card_to_come, short=True),
    Scenario(swap),
    Scenario(back_to_host),
    Scenario(on_demand),
    Scenario(refused_write),
    Scenario(conflict),
    Scenario(invalid),
    Scenario(large_host, large=True),
)
"""The scenarios, in the order in which they are run."""
