"""Guests whose virtual machine runs, as far as the kernel can tell, and masks that change meanwhile."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .check import holds, same
from .scenario import (
    EXAMPLES,
    STRICT,
    Scenario,
    World,
    apply,
    apply_again,
    consent_where_strict,
    guests_of,
    hardware,
    in_sync,
    manifests,
    status,
    untouched,
)

_UUID: Final = "62177883-f1bb-47f0-914d-32a22e3a8804"
_CARDS: Final = {str(adapter): {"type": "CEX8", "mode": "cca"} for adapter in (5, 6)}
_HARDWARE: Final = {"adapters": _CARDS, "usage_domains": [4, 5, 6], "control_domains": [4, 5, 6]}
_POOL: Final = {"domains": [4, 5, 6]}
_FOREIGN: Final = "0f0e1a2b-0000-4000-8000-00000000f00d"
_RECORD: Final = "/tmp/lpar7.json"
_SAVED: Final = "/tmp/recorded.plan"
_LONGEST: Final = 60
"""Seconds that no command may take here: a removal that blocks would."""


def running_guest(world: World) -> None:
    """A guest that runs is shown so; what takes queues from it needs consent, and its device is never removed."""
    world.host.hardware(_HARDWARE)
    # The pool is given: a derived one would move from axis to axis, which is another scenario's business.
    site, less, more = (
        manifests({"payments": {"uuid": _UUID, "adapters": [5, 6], "domains": domains}}, pool=_POOL)
        for domains in ([4, 5], [4], [4, 5, 6])
    )
    nobody = manifests({}, pool=_POOL)
    apply(world, site)
    holds("nobody has it open", not status(world, site)["payments"]["inUse"])
    with virtual_machine(_UUID) as process:
        shown = status(world, site)["payments"]
        holds("status says in use", shown["inUse"])
        same("process in the status", shown["openedBy"]["process"], process)
        plan = world.tool("plan", manifests=less).out
        holds("the plan names the process", f"its VM ({shown['openedBy']['command']}, process {process})" in plan)
        apply(world, more)
        refused = untouched(world, lambda: world.tool("apply", "--yes", manifests=less), 4)
        holds("consent is asked for", "payments" in refused.out + refused.err)
        apply(world, less, "--allow-disruption")
        _emptied(world, nobody)
    apply(world, nobody)
    same("devices", world.host.uuids(), [])


def _emptied(world: World, nobody: Path) -> None:
    untouched(world, lambda: world.tool("apply", "--yes", manifests=nobody), 4)
    ran = world.tool.watched("apply", "--yes", "-o", "json", "--allow-disruption", manifests=nobody)
    same("exit code", ran.code, 0)
    holds("nothing blocked", ran.seconds < _LONGEST)
    same("removals", [one.path for one in ran.writes if one.path.endswith("/remove")], [])
    same("devices", world.host.authorised(), {_UUID: ([], [])})


def recorded_host(world: World) -> None:
    """A plan by the record of the host is the host's own, byte for byte; saved, it is applied once, then stale."""
    world.host.hardware(_HARDWARE)
    world.host.masks("+0", "-4,-5,-6")
    world.host.create(_FOREIGN, [6], [6])
    site, more = (
        manifests({"payments": {"uuid": _UUID, "adapters": [5, 9], "domains": domains}}, pool=_POOL)
        for domains in ([4], [4, 5])
    )
    _same_plans(world, site)
    apply(world, site)
    with virtual_machine(_UUID) as process:
        _same_plans(world, more, "--out", _SAVED)
        record = json.loads(Path(_RECORD).read_text(encoding="ascii"))
        opened = {one["uuid"]: one["openedBy"] for one in record["observed"]["mdevs"]}
        holds("the record has the process", opened[_UUID]["number"] == process and opened[_FOREIGN] is None)
        same("exit code of the apply", world.tool("apply", _SAVED, "--yes", manifests=more).code, 0)
        apply_again(world, more)
        same("exit code of another one", world.tool("apply", _SAVED, "--yes", manifests=more).code, 5)
    world.host.remove(_FOREIGN)


def _same_plans(world: World, site: Path, *options: str) -> None:
    ran = world.tool("observe", "--out", _RECORD)
    same("what could not be read", (ran.code, json.loads(Path(_RECORD).read_text(encoding="ascii"))["unread"]), (0, []))
    for form in ("json", "text", "markdown"):
        own = world.tool("plan", "-o", form, manifests=site)
        recorded = world.tool("plan", "-o", form, "--observed", _RECORD, *options, manifests=site)
        same(f"exit code and plan as {form}", recorded[:2], own[:2])


def closed_group(world: World) -> None:
    """A virtual machine that keeps the device open but not its group is noticed, and from 6.18 it has a name, too."""
    world.host.hardware(_HARDWARE)
    site = manifests({"payments": {"uuid": _UUID, "adapters": [5], "domains": [4]}}, pool=_POOL)
    apply(world, site)
    world.host.unplug(5)  # so that no queue tells that it is in use
    with virtual_machine(_UUID, "group-closed") as process:
        shown = status(world, site)["payments"]
        holds("status says in use", shown["inUse"])
        same(
            "process in the status",
            (shown["openedBy"] or {}).get("process"),
            process if world.kernel == STRICT else None,
        )
    holds("nobody has it open", not status(world, site)["payments"]["inUse"])


def masks_of_both_axes(world: World) -> None:
    """The pool moves from one axis to the other under a running guest: from 6.19 that takes its queues for a while."""
    world.host.hardware(_HARDWARE)
    guest = {"payments": {"uuid": _UUID, "adapters": [5], "domains": [4]}}
    adapters, domains = manifests(guest, pool={"adapters": [5]}), manifests(guest, pool={"domains": [4]})
    apply(world, adapters)
    with virtual_machine(_UUID) as process:
        plan = guests_of(world.tool("plan", "-o", "json", manifests=domains))["payments"]
        same("process in the plan", plan["openedBy"]["process"], process)
        same("interrupted by the plan", plan["interrupted"], world.kernel == STRICT)
        if plan["interrupted"]:
            untouched(world, lambda: world.tool("apply", "--yes", manifests=domains), 4)
            apply(world, domains, "--allow-disruption")
        else:
            apply(world, domains)
        same("matrix", world.host.authorised()[_UUID], ([5], [4]))
    in_sync(world, domains)


def gives_back_in_order(world: World) -> None:
    """A queue that a guest has goes back to the host: the guest lets go first, then the mask moves."""
    world.host.hardware(hardware("back-to-host"))
    apply(world, EXAMPLES / "back-to-host/before")

    ran = apply(world, EXAMPLES / "back-to-host/after", *consent_where_strict(world))

    paths = [one.path for one in ran.writes]
    first = next(place for place, path in enumerate(paths) if path.endswith("mask"))
    same("devices written before the masks", len({path.split("/")[3] for path in paths[:first]}), 2)
    if world.kernel != STRICT:
        same("masks written last", [path for path in paths[first:] if not path.endswith("mask")], [])
    apply_again(world, EXAMPLES / "back-to-host/after")


@contextmanager
def virtual_machine(uuid: str, *options: str) -> Iterator[int]:
    """Have the device `uuid` open in another process, as a virtual machine monitor has it; yields its id."""
    command = [sys.executable, "-m", "kernel.end_to_end.scenarios.virtual_machine", uuid, *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        same("what the virtual machine says", process.stdout.readline(), b"open\n")
        try:
            yield process.pid
        finally:
            process.stdin.close()
            process.wait()


RUNNING_SCENARIOS: Final = (
    Scenario(running_guest),
    Scenario(recorded_host, short=True),
    Scenario(closed_group),
    Scenario(masks_of_both_axes),
    Scenario(gives_back_in_order),
)
"""The scenarios, in the order in which they are run."""
