"""The host is booted again, with the files that the apply has left: what was applied has to be there again."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from .check import holds, same
from .host import ALL, MATRIX
from .scenario import STRICT, Reboot, Scenario, World, apply, apply_again, hardware, in_sync, manifests_in

_SITE: Final = Path("/etc/reconcile/site")
_EXPECTED: Final = Path("/var/tmp/expected.json")
_GUESTS: Final[dict[str, dict[str, object]]] = {
    "payments": {"adapters": [5, 9], "domains": [4, 0x47]},  # there is no card 9
    "clearing": {"adapters": [6], "domains": [4], "controlDomains": [4, 0xFF]},
    "day-shift": {"adapters": [4], "domains": [4, 0xAB], "activation": "on-demand"},
}
_MDEVCTL: Final = Path("/usr/sbin/mdevctl")
_NOTHING: Final = "mdevctl-starts-nothing"
_SECONDS: Final = 120
_UNITS: Final = Path("/etc/systemd/system")
_SEEN: Final = Path("/var/tmp/seen-by-libvirt")
_LIBVIRT: Final = f"""\
# Stands for libvirt's daemon: notes which devices are there when it is started.
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'ls {MATRIX} | grep ....-....-....-.... > {_SEEN}; true'
[Install]
WantedBy=multi-user.target
"""


def reboot_mdevctl(world: World) -> None:
    """With `persistence: mdevctl`, udev and mdevctl alone bring back masks and devices; then nothing is to be done."""
    _applied(world, "mdevctl")
    if not _MDEVCTL.exists():  # as in Debian, whose rule runs it from there all the same
        holds("doctor finds that nothing would be started", _NOTHING in _said("reconcile", "doctor"))
        _MDEVCTL.symlink_to("/usr/bin/mdevctl")
    holds("doctor finds nothing of that kind", _NOTHING not in _said("reconcile", "doctor"))


def reboot_mdevctl_bound(world: World) -> None:
    """The same where all queues were bound before udev was there: from 6.19 on it is told; before, `drift` tells us."""
    reboot_mdevctl(world)


def reboot_service(world: World) -> None:
    """With `persistence: service`, our unit brings back masks and devices before libvirt's daemon is started."""
    _applied(world, "service")
    _run("reconcile", "service", "install", "boot")
    _run("systemctl", "enable", str(_UNITS / "reconcile-boot.service"))


def _after_mdevctl(world: World) -> None:
    expected = _expected()
    _until(world, lambda: _state(world) == expected)
    _story(world, "journalctl -b -t mdevctl -o short-monotonic --no-pager", f"cat {_SEEN}")
    _as_before(world)


def _after_mdevctl_bound(world: World) -> None:
    if world.kernel == STRICT:
        _after_mdevctl(world)
        return
    _run("udevadm", "settle")
    same("masks", world.host.pool(), (ALL, ALL))
    holds("vfio_ap is not loaded", not MATRIX.exists())
    ran = world.tool("drift", manifests=_SITE)
    same("exit code of drift", ran.code, 4)
    holds("drift says both", all(f"[{one}]" in ran.err for one in ("no-vfio-ap", "masks-not-as-at-boot")))
    _run("modprobe", "vfio_ap")
    same("exit code of the apply", world.tool("apply", "--yes", manifests=_SITE).code, 0)
    _as_before(world)


def _after_service(world: World) -> None:
    _story(world, "journalctl -b -u reconcile-boot -o short-monotonic --no-pager", f"cat {_SEEN}")
    same("the unit", _said("systemctl", "show", "-P", "ActiveState", "reconcile-boot.service"), "active")
    same("devices that libvirt's daemon found", _SEEN.read_text(encoding="ascii").split(), world.host.uuids())
    _as_before(world)


def _applied(world: World, persistence: str) -> None:
    """The manifests applied, and what the host then is written down."""
    world.host.hardware(hardware("three-guests"))
    _SITE.mkdir(parents=True)
    (_UNITS / "virtqemud.service").write_text(_LIBVIRT, encoding="ascii")
    _run("systemctl", "enable", "virtqemud.service")
    manifests_in(_SITE, _GUESTS, persistence=persistence)
    apply(world, _SITE)
    in_sync(world, _SITE)
    _EXPECTED.write_text(json.dumps(_state(world)), encoding="utf-8")


def _as_before(world: World) -> None:
    """Require that the host is as it was before the reboot, and that the tool thinks so too."""
    same("host after the reboot", _state(world), _expected())
    same("mdevctl list", world.host.mdevctl(), world.host.uuids())
    ran = world.tool("drift", manifests=_SITE)
    world.tool.story += [f"    {line}" for line in (ran.out + ran.err).splitlines()]
    same("exit code of drift", ran.code, 0)
    apply_again(world, _SITE)


def _expected() -> Any:
    return json.loads(_EXPECTED.read_text(encoding="utf-8"))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    same(f"exit code of {' '.join(command)} ({done.stderr})", done.returncode, 0)


def _said(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()


def _state(world: World) -> Any:
    """Masks, matrices and guest matrices, as ``cat`` tells them; {} where the driver is not there."""
    try:
        state = {"pool": world.host.pool(), "authorised": world.host.authorised(), "effective": world.host.effective()}
    except FileNotFoundError:
        return {}
    return json.loads(json.dumps(state))


def _until(world: World, condition: Callable[[], object]) -> None:
    """Return when `condition` holds, or after a while: boot goes on when the first programs have been started."""
    started = time.monotonic()
    while not condition() and time.monotonic() - started < _SECONDS:
        time.sleep(1)
    world.tool.story.append(f"the host was as before {time.monotonic() - started:.0f} s after systemd's last target")


def _story(world: World, *commands: str) -> None:
    """Keep what `commands` print."""
    for command in commands:
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        world.tool.story += [command, *(f"    {line}" for line in done.stdout.splitlines())]


REBOOT_SCENARIOS: Final = (
    Scenario(reboot_service, reboot=Reboot(_after_service)),
    Scenario(reboot_mdevctl, reboot=Reboot(_after_mdevctl)),
    Scenario(reboot_mdevctl_bound, reboot=Reboot(_after_mdevctl_bound, "lab.early=zcrypt_cex4")),
)
"""The scenarios, in the order in which they are run."""
