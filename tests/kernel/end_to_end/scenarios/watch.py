"""The loop on a real kernel: files, hardware, other people's changes told by uevents, and those that are not told.

Each resync but one is an hour away, so that whatever is found was heard.
"""

import time
from datetime import datetime
from pathlib import Path
from typing import Final

from .check import holds, same
from .host import BUS, MATRIX
from .loop import Cost, Line, Loop, loop
from .scenario import Scenario, World, in_sync, manifests, manifests_in

_UUID: Final = "62177883-f1bb-47f0-914d-32a22e3a8804"
_FOREIGN: Final = "0f0e1a2b-0000-4000-8000-00000000f00d"
_HARDWARE: Final = {
    "adapters": {"6": {"type": "CEX8", "mode": "cca"}},
    "usage_domains": [4, 5, 6, 0x47],
    "control_domains": [4, 5, 6, 0x47],
}
_POOL: Final = {"domains": [4, 5, 6]}
_NEVER: Final = ("--resync", "1h")
_REST_SECONDS: Final = 20
_CHANGES: Final = 2
_REFUSED: Final = 4


def watch_files(world: World) -> None:
    """A file that is saved is applied; a broken one is refused, and the last good one enforced until it is mended."""
    site = _site(world, [4])
    with loop(world, site, "--apply", "--self-heal", *_NEVER) as watching:
        _settled(world, watching)
        _saved_and_applied(world, watching, site)
        _refuses_what_is_broken(world, watching, site)
        same("what has woken it", set(watching.triggers()), {"start", "files", "kernel", "request"})
    in_sync(world, site)


def watch_hardware(world: World) -> None:
    """A card that is plugged is told with since when its queues were granted; so is one that is pulled."""
    site = _site(world, [4, 5])
    with loop(world, site, "--apply", *_NEVER) as watching:
        _settled(world, watching)
        before = world.host.pool(), world.host.authorised()
        plugged = time.time()
        world.host.plug(5, type="CEX8", mode="cca")
        line = watching.wait("appeared", "payments now has 05.0004, 05.0005 (authorised since ")
        _took(world, "from a plugged card to the line that tells it", plugged, line)
        same("what payments sees", world.host.effective()[_UUID], ([5, 6], [4, 5]))
        world.host.unplug(5)
        watching.wait("lost", "payments")
        same("host otherwise", (world.host.pool(), world.host.authorised()), before)
        same("what has woken it", set(watching.triggers()), {"start", "kernel", "request"})


def watch_drift(world: World) -> None:
    """What others change is told, and left as it is: a mask, a device that is removed, one with its queues."""
    site = _site(world, [4])
    with loop(world, site, "--apply", *_NEVER) as watching:
        _settled(world, watching)
        pool = world.host.pool()
        changed = time.time()
        world.host.write(BUS / "aqmask", "-0x47")
        line = watching.wait("condition", "drift")
        _took(world, "from a foreign write to a mask to the line that tells it", changed, line)
        same("exit code of trigger", watching.turn(), _CHANGES)
        holds("the mask is as it was changed", world.host.pool() != pool)
        world.host.write(BUS / "aqmask", "+0x47")
        watching.wait("condition", "in sync")

        world.host.remove(_UUID)
        watching.wait("condition", "drift")
        same("devices", world.host.uuids(), [])
        world.host.create(_FOREIGN, [6], [4])
        line = watching.wait("condition", "needs person")
        holds("it is named", _FOREIGN in line["event"])
        same("exit code of trigger", watching.turn(), _REFUSED)
        world.host.remove(_FOREIGN)
        watching.wait("condition", "drift")
        watching.nothing_more()
        same("devices", world.host.uuids(), [])


def watch_healing(world: World) -> None:
    """With --self-heal the same is put back: a mask, a device that is removed."""
    site = _site(world, [4])
    with loop(world, site, "--apply", "--self-heal", *_NEVER) as watching:
        _settled(world, watching)
        expected = world.host.pool(), world.host.authorised()
        changed = time.time()
        world.host.write(BUS / "apmask", "-7")
        _took(world, "from a foreign write to a mask to the line that it is healed", changed, watching.wait("healed"))
        same("host", (world.host.pool(), world.host.authorised()), expected)
        world.host.remove(_UUID)
        # The second time it waits some seconds: it does not fight.
        watching.wait("healed")
        same("host", (world.host.pool(), world.host.authorised()), expected)
        same("healed", watching.status()["counters"]["healed"], 2)
        same("exit code of trigger", watching.turn(), 0)


def watch_resync(world: World) -> None:
    """A matrix that is changed by hand tells nothing: it is found by the next resync, or when somebody asks."""
    site = _site(world, [4])
    assign, unassign = (MATRIX / _UUID / f"{word}_domain" for word in ("assign", "unassign"))
    with loop(world, site, "--apply", *_NEVER) as watching:
        _settled(world, watching)
        heard = watching.triggers()["kernel"]
        world.host.write(assign, "5")
        same("exit code of trigger", watching.turn(), _CHANGES)
        watching.wait("drift", "payments")
        same("uevents that were heard", watching.triggers()["kernel"], heard)
        world.host.write(unassign, "5")
        same("exit code of trigger", watching.turn(), 0)
    with loop(world, site, "--apply", "--self-heal", "--resync", "5s") as watching:
        watching.wait("started")
        changed = time.time()
        world.host.write(assign, "5")
        line = watching.wait("healed")
        _took(world, "from a foreign assignment to the line that it is healed, with a resync of 5 s", changed, line)
        same("matrix", world.host.authorised(), {_UUID: ([5, 6], [4])})


def watch_at_rest(world: World) -> None:
    """While nothing changes the loop makes no turn, tells nothing, and takes hardly any CPU time."""
    site = _site(world, [4])
    with loop(world, site, "--apply", *_NEVER) as watching:
        _settled(world, watching)
        turns, before = watching.turns(), watching.cost()
        watching.silence(_REST_SECONDS)
        after = watching.cost()
        same("turns at rest", watching.turns(), turns)
        cost = Cost(after.seconds - before.seconds, after.wakes - before.wakes)
        world.tool.story.append(f"MEASURED {_REST_SECONDS} s at rest: {cost}")
        holds("at most 40 wake-ups a second", cost.wakes <= 40 * _REST_SECONDS)
        holds("less than 5 % of the emulated CPU", cost.seconds < 0.05 * _REST_SECONDS)


def _site(world: World, domains: list[int]) -> Path:
    """Manifests of a guest with a card that is there, one that is not, and these domains."""
    world.host.hardware(_HARDWARE)
    return _written(manifests({}), domains)


def _written(site: Path, domains: list[int]) -> Path:
    guest = {"payments": {"uuid": _UUID, "adapters": [5, 6], "domains": domains}}
    return manifests_in(site, guest, pool=_POOL)


def _settled(world: World, watching: Loop) -> None:
    """Return when the loop has applied what it was started with, and has heard of all that came of that."""
    watching.wait("applied")
    # Newer kernels tell only with the next scan that all queues are bound.
    world.host.write(BUS / "scans", "1")
    same("exit code of trigger", watching.turn(), 0)
    holds("the guest has its device", _UUID in world.host.uuids())


def _saved_and_applied(world: World, watching: Loop, site: Path) -> None:
    saved = time.time()
    _written(site, [4, 6])
    _took(world, "from a file saved to the line that it is applied", saved, watching.wait("applied"))
    same("matrix", world.host.authorised(), {_UUID: ([5, 6], [4, 6])})
    same("what payments sees", world.host.effective(), {_UUID: ([6], [4, 6])})


def _refuses_what_is_broken(world: World, watching: Loop, site: Path) -> None:
    expected = world.host.pool(), world.host.authorised()
    broken = site / "broken.yaml"
    broken.write_text("apiVersion: reconciler/v1\nkind: Guest\nspec: {domains: [007]}\n", encoding="utf-8")
    line = watching.wait("refused")
    holds("the file is named", any(broken.name in reason for reason in line["details"]))
    world.host.write(BUS / "aqmask", "-0x47")
    watching.wait("healed")
    same("host, enforced", (world.host.pool(), world.host.authorised()), expected)
    broken.unlink()
    watching.wait("accepted")
    same("exit code of trigger", watching.turn(), 0)
    same("host", (world.host.pool(), world.host.authorised()), expected)


def _took(world: World, what: str, since: float, line: Line) -> None:
    seconds = datetime.fromisoformat(line["timestamp"]).timestamp() - since
    world.tool.story.append(f"MEASURED {what}: {seconds:.2f} s")


WATCH_SCENARIOS: Final = (
    Scenario(watch_files, short=True),
    Scenario(watch_hardware, short=True),
    Scenario(watch_drift),
    Scenario(watch_healing),
    Scenario(watch_resync),
    Scenario(watch_at_rest),
)
"""The scenarios, in the order in which they are run."""
