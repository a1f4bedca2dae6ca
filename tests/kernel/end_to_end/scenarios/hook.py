"""VMs that start and end, as libvirt tells its hook: the installed hook file, run with a VM's XML on standard input."""

import shutil
import subprocess
import time
from pathlib import Path
from typing import Final, NamedTuple

from .check import holds, same
from .scenario import EXAMPLES, Scenario, World, apply, hardware, in_sync, status
from .tool import Ran

_SITE: Final = EXAMPLES / "on-demand"
_HOOKS: Final = Path("/tmp/hooks")
_SECONDS: Final = 60
_BEGIN: Final = ("prepare", "begin", "-")
_END: Final = ("release", "end", "-")
_RECONNECT: Final = ("reconnect", "begin", "-")


class _Vm(NamedTuple):
    """A VM by its name, the uuid of its device, and what libvirt has of it."""

    name: str
    uuid: str
    xml: str


def vm_start(world: World) -> None:
    """A VM's start makes its guest's device; one that overlaps is refused by name until that VM has ended."""
    day, night = _prepared(world)

    _succeeds(world, day, *_BEGIN)

    same("matrices", world.host.authorised(), {day.uuid: ([5], [4, 5])})
    same("what the VM gets", world.host.effective(), {day.uuid: ([5], [4, 5])})
    same("mdevctl list", world.host.mdevctl(), [day.uuid])
    in_sync(world, _SITE)

    before = world.host.pool(), world.host.authorised()
    ran = _hook(world, night, *_BEGIN)
    holds("the second start is refused", ran.code > 0)
    same("lines that libvirt shows", len(ran.err.splitlines()), 1)
    holds(
        f"the line names guest and queue: {ran.err}", all(word in ran.err for word in (night.name, day.name, "05.0004"))
    )
    _succeeds(world, day, *_RECONNECT)
    same("host afterwards", (world.host.pool(), world.host.authorised()), before)

    _succeeds(world, day, *_END)
    same("devices", world.host.uuids(), [])
    _succeeds(world, night, *_BEGIN)
    same("matrices", world.host.authorised(), {night.uuid: ([5], [4])})
    _succeeds(world, night, *_END)
    same("devices at the end", world.host.uuids(), [])
    in_sync(world, _SITE)


def _prepared(world: World) -> tuple[_Vm, _Vm]:
    """The manifests applied and the hook installed; the example's VMs."""
    world.host.hardware(hardware("on-demand"))
    apply(world, _SITE)
    shutil.rmtree(_HOOKS, ignore_errors=True)
    _HOOKS.mkdir()
    done = subprocess.run(
        ["reconcile", "service", "install", "hook", "--directory", _HOOKS, "-f", _SITE],
        capture_output=True,
        text=True,
        check=False,
    )
    same(f"exit code of the installation ({done.stderr})", done.returncode, 0)
    guests = status(world, _SITE)
    xml = (_SITE / "day-shift.xml").read_text(encoding="utf-8")
    uuids = {name: guests[name]["uuid"] for name in ("day-shift", "night-shift")}
    holds("the example's XML has the uuid of status", uuids["day-shift"] in xml)
    other = xml.replace(uuids["day-shift"], uuids["night-shift"]).replace("day-shift", "night-shift")
    return _Vm("day-shift", uuids["day-shift"], xml), _Vm("night-shift", uuids["night-shift"], other)


def _succeeds(world: World, vm: _Vm, *operation: str) -> None:
    ran = _hook(world, vm, *operation)
    same(f"exit code and message of {vm.name} {' '.join(operation)}", (ran.code, ran.err), (0, ""))


def _hook(world: World, vm: _Vm, *operation: str) -> Ran:
    """Run the hook as libvirt does, without anything in its environment."""
    started = time.monotonic()
    command = [str(_HOOKS / "reconcile"), vm.name, *operation]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(
        command, input=vm.xml, capture_output=True, text=True, check=False, timeout=_SECONDS, env=environment, cwd="/"
    )
    seconds = time.monotonic() - started
    world.tool.story.append(f"hook {vm.name} {' '.join(operation)}: exit code {done.returncode}, {seconds:.1f} s")
    world.tool.story += [f"    {line}" for line in done.stderr.splitlines()]
    return Ran(done.returncode, done.stdout, done.stderr, seconds, [])


HOOK_SCENARIOS: Final = (Scenario(vm_start),)
"""The scenarios, in the order in which they are run."""
