"""Other people's mediated devices, changes behind the tool's back, and a tool that is killed."""

import os
import signal
from pathlib import Path
from typing import Final

from .check import holds, same
from .scenario import (
    EXAMPLES,
    Scenario,
    World,
    apply,
    apply_again,
    hardware,
    in_sync,
    manifests,
    untouched,
)
from .tool import halted, when

_FOREIGN: Final = "0f0e1a2b-0000-4000-8000-00000000f00d"
_GUEST1: Final = "3783d4a7-df47-58ab-bed9-cee63c6e6f5e"


def foreign_conflict(world: World) -> None:
    """A device that no manifest names has a guest's queue: exit code 4, and it is named."""
    site = _prepared(world)
    world.host.masks("-5", "+0")
    world.host.create(_FOREIGN, [5], [0x47])

    ran = untouched(world, lambda: world.tool.watched("apply", "--yes", manifests=site), 4)

    same("writes", ran.writes, [])
    holds("the device is named", _FOREIGN in ran.err and "foreign-overlap" in ran.err)


def foreign_beside(world: World) -> None:
    """A device that no manifest names, with other queues, is left alone and keeps its queues out of the pool."""
    site = _prepared(world)
    world.host.masks("-5,-6", "+0")
    world.host.create(_FOREIGN, [5], [6])

    apply(world, site)

    same("its matrix", world.host.authorised()[_FOREIGN], ([5], [6]))
    apply_again(world, site)


def taken_before_apply(world: World) -> None:
    """A saved plan is stale once somebody has made a device: exit code 5, nothing written."""
    site, saved = _prepared(world), "/tmp/saved.plan"
    same("exit code of the plan", world.tool("plan", "--out", saved, manifests=site).code, 0)
    world.host.masks("-5", "+0")
    world.host.create(_FOREIGN, [5], [0x47])

    ran = untouched(world, lambda: world.tool.watched("apply", saved, "--yes", manifests=site), 5)

    same("writes", ran.writes, [])


def taken_during_apply(world: World) -> None:
    """Somebody takes a queue while the apply runs: the kernel refuses, everything goes back, exit code 6."""
    site = _prepared(world)
    world.host.masks("-5,-6", "+0")
    before = world.host.pool()

    ran = world.tool.watched("apply", "--yes", "-o", "json", manifests=site, meanwhile=lambda pid: _take(world, pid))

    same("exit code", ran.code, 6)
    same("refusals", [one.error for one in ran.writes if one.error], ["EADDRINUSE"])
    outcome = ran.record
    same("writes counted", outcome["kernelWrites"] + outcome["rollbackWrites"], len(ran.taken))
    holds("the reason is told", "EADDRINUSE" in outcome["failure"])
    same("devices", world.host.authorised(), {_FOREIGN: ([5], [0x47])})
    same("masks", world.host.pool(), before)


def taken_from_host(world: World) -> None:
    """The same with a queue that was the host's and cannot go back: exit code 7, and what is left is told."""
    site = _prepared(world)

    ran = world.tool.watched("apply", "--yes", "-o", "json", manifests=site, meanwhile=lambda pid: _take(world, pid))

    same("exit code", ran.code, 7)
    same("devices", world.host.authorised(), {_FOREIGN: ([5], [0x47])})
    holds("the mask is named", any("apmask" in one for one in ran.record["differences"]))
    world.host.remove(_FOREIGN)

    apply(world, site)
    in_sync(world, site)


def killed(world: World) -> None:
    """A tool that is killed in the middle: the next one puts things in order first, then applies."""
    site = _prepared(world)

    def kill(pid: int) -> None:
        when(lambda: _has_device(_GUEST1))
        os.kill(pid, signal.SIGKILL)

    ran = world.tool.watched("apply", "--yes", manifests=site, meanwhile=kill)
    same("exit code", ran.code, -signal.SIGKILL)
    holds("status warns", "not finished" in world.tool("status", manifests=site).err)

    same("exit code of the next", world.tool("apply", "--yes", manifests=site).code, 0)

    same("devices", len(world.host.uuids()), 3)
    apply_again(world, site)
    in_sync(world, site)


def drifted(world: World) -> None:
    """Somebody unassigns by hand: drift tells, an apply corrects it with the least writes."""
    site = _prepared(world)
    apply(world, site)
    world.host.write(Path(f"/sys/devices/vfio_ap/matrix/{_GUEST1}/unassign_adapter"), "6")

    same("exit code of drift", world.tool("drift", manifests=site).code, 2)

    ran = apply(world, site)
    same("kernel writes", len(ran.writes), 1)
    same("cause", {one["cause"] for one in ran.record["plan"]["guests"]} - {None}, {"host-changed"})
    in_sync(world, site)


def pool_takes_foreign(world: World) -> None:
    """Masks that would give a foreign device's queues to the host are refused before they are tried."""
    _prepared(world)
    world.host.masks("-5", "+0")
    world.host.create(_FOREIGN, [5], [4])

    site = manifests({}, pool={"domains": [5]})

    ran = untouched(world, lambda: world.tool("apply", "--yes", manifests=site), 4)
    holds("the device is named", _FOREIGN in ran.err)


def _prepared(world: World) -> Path:
    world.host.hardware(hardware("three-guests"))
    return EXAMPLES / "three-guests"


def _take(world: World, pid: int) -> None:
    when(lambda: _has_device(_GUEST1))
    with halted(pid):
        world.host.create(_FOREIGN, [5], [0x47])


def _has_device(uuid: str) -> bool:
    return os.path.exists(f"/sys/devices/vfio_ap/matrix/{uuid}")


OTHER_SCENARIOS: Final = (
    Scenario(foreign_conflict, short=True),
    Scenario(foreign_beside),
    Scenario(taken_before_apply),
    Scenario(taken_during_apply, short=True),
    Scenario(taken_from_host),
    Scenario(killed),
    Scenario(drifted),
    Scenario(pool_takes_foreign),
)
"""The scenarios, in the order in which they are run."""
