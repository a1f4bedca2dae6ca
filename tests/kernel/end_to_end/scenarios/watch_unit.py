"""The loop as the unit of `reconcile service install watch`, started by systemd at boot, with all that confines it."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .check import holds, same
from .host import BUS, STATE
from .scenario import Reboot, Scenario, World, in_sync, manifests_in

_SITE: Final = Path("/etc/reconcile/site")
_UNIT: Final = "reconcile-watch.service"
_UNITS: Final = Path("/etc/systemd/system")
_UUID: Final = "62177883-f1bb-47f0-914d-32a22e3a8804"
_SECONDS: Final = 120
_WATCHDOG_SECONDS: Final = 30
"""Longer than any turn takes on a busy emulated machine, and much shorter than the 600 of the unit."""
_DROP_IN: Final = f"[Service]\nWatchdogSec={_WATCHDOG_SECONDS}\n"


def reboot_watch_unit(world: World) -> None:
    """At boot systemd starts the loop: it applies, hears, heals, reloads and ends well, with all that confines it."""
    _written([4], "none")
    loop = ["--apply", "--self-heal", "--resync", "1h", "-f", str(_SITE)]
    _run("reconcile", "service", "install", "watch", *loop)
    drop_ins = _UNITS / f"{_UNIT}.d"
    drop_ins.mkdir()
    (drop_ins / "watchdog.conf").write_text(_DROP_IN, encoding="ascii")
    _run("systemctl", "enable", str(_UNITS / _UNIT))


def _after(world: World) -> None:
    try:
        _watched_over(world)
    finally:
        for command in (f"systemctl status -n 0 {_UNIT}", f"journalctl -b -u {_UNIT} -o short-monotonic --no-pager"):
            done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
            world.tool.story += [command, *(f"    {line}" for line in done.stdout.splitlines())]


def _watched_over(world: World) -> None:
    host = world.host
    _until("the unit is active", lambda: _shown("ActiveState") == "active")
    _until("the queues have settled and the guest sees its own", lambda: host.effective() == {_UUID: ([5, 6], [4])})
    _trigger(world)
    same("what systemctl status tells", _shown("StatusText"), "in sync: the host is as the manifests say")
    began, started = time.monotonic(), _shown("WatchdogTimestampMonotonic")
    _follows_files(world)
    _hears_the_kernel(world)
    _reloads(world)
    _until("the watchdog would have ended it", lambda: time.monotonic() - began > _WATCHDOG_SECONDS + 5)
    holds("the watchdog was told", int(_shown("WatchdogTimestampMonotonic")) > int(started))
    same("restarts", _shown("NRestarts"), "0")
    _ends_and_starts(world)
    in_sync(world, _SITE)


def _follows_files(world: World) -> None:
    """What is saved is applied, the state and the files of other tools can be written."""
    saved = time.monotonic()
    _written([4, 0x47], "mdevctl")
    _until("the manifest is applied", lambda: world.host.authorised() == {_UUID: ([5, 6], [4, 0x47])})
    world.tool.story.append(
        f"MEASURED from a file saved to the device that is changed: {time.monotonic() - saved:.2f} s"
    )
    _trigger(world)
    holds("mdevctl has its definition", Path(f"/etc/mdevctl.d/matrix/{_UUID}").is_file())
    holds("chzdev's rule is there", Path("/etc/udev/rules.d/41-ap.rules").is_file())


def _hears_the_kernel(world: World) -> None:
    """Uevents come through: a foreign write is healed, though the next resync is an hour away."""
    pool = world.host.pool()
    world.host.write(BUS / "apmask", "-7")
    holds("the mask was changed", world.host.pool() != pool)
    _until("the mask is healed", lambda: world.host.pool() == pool)
    world.host.unplug(5)
    _until("the status file tells it", lambda: _guest()["effective"] == 2)
    _trigger(world)


def _reloads(world: World) -> None:
    before = _shown("MainPID")
    _run("systemctl", "reload", _UNIT)
    _trigger(world)
    same("process after a reload", _shown("MainPID"), before)
    same("the unit", _shown("ActiveState"), "active")


def _ends_and_starts(world: World) -> None:
    expected = world.host.pool(), world.host.authorised()
    stopped = time.monotonic()
    _run("systemctl", "stop", _UNIT)
    world.tool.story.append(f"MEASURED systemctl stop: {time.monotonic() - stopped:.2f} s")
    same("how it ended", (_shown("Result"), _shown("ExecMainCode"), _shown("ExecMainStatus")), ("success", "1", "0"))
    same("host", (world.host.pool(), world.host.authorised()), expected)
    started = time.monotonic()
    _run("systemctl", "start", _UNIT)
    world.tool.story.append(f"MEASURED systemctl start: {time.monotonic() - started:.2f} s")
    same("what systemctl status tells", _shown("StatusText"), "in sync: the host is as the manifests say")


def _written(domains: list[int], persistence: str) -> None:
    _SITE.mkdir(parents=True, exist_ok=True)
    guest = {"payments": {"uuid": _UUID, "adapters": [5, 6], "domains": domains}}
    manifests_in(_SITE, guest, pool={"domains": [4, 0x47]}, persistence=persistence)


def _trigger(world: World) -> None:
    ran = world.tool("trigger", "--wait", manifests=_SITE)
    same(f"exit code of trigger ({ran.out}{ran.err})", ran.code, 0)


def _guest() -> dict[str, object]:
    guests = json.loads((STATE / "watch.json").read_text(encoding="utf-8"))["guests"]
    found: dict[str, object] = next(one for one in guests if one["name"] == "payments")
    return found


def _shown(what: str) -> str:
    done = subprocess.run(["systemctl", "show", "-P", what, _UNIT], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    same(f"exit code of {' '.join(command)} ({done.stdout}{done.stderr})", done.returncode, 0)


def _until(what: str, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {_SECONDS} s: {what}")
        time.sleep(0.2)


UNIT_SCENARIOS: Final = (Scenario(reboot_watch_unit, reboot=Reboot(_after)),)
"""The scenarios, in the order in which they are run."""
