"""A real libvirt daemon: it runs our hook, and its files tell whose VM has a device.

libvirt gives up each start of a VM with a mediated device after the hook, since there is no VFIO on this machine: so a
start is seen as far as it concerns us, and so is the end that follows.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.main import run
from reconciler.integrations.domain_xml import Domain, read_domain
from testing.commands import EXAMPLES
from testing.libvirt import Daemon, daemon, hostdev, why_no_daemon
from testing.mounted_hosts import MountedHost, mounted_host

DAY = "3aa99fdc-2dee-5750-9ebd-0a7e3b558c64"
NIGHT = "6b33b9e3-bd95-5aed-b834-b6dd4132e556"

pytestmark = pytest.mark.slow


class World:
    """The daemon on the host of the example of two guests that never run together, with our hook."""

    def __init__(self, libvirt: Daemon, host: MountedHost, site: Path) -> None:
        self.libvirt, self.host, self.site = libvirt, host, site
        libvirt.define("day", hostdev(DAY))
        libvirt.define("night", hostdev(NIGHT))

    def reconcile(self, *words: str, given: str = "") -> str:
        """What our command prints, run as on any host: on ``/sys``, with the usual state directory."""
        done = self.libvirt.run(sys.executable, "-m", "reconciler.cli", *words, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, name: str) -> str:
        """Why VM `name` was not started."""
        done = self.libvirt.run("virsh", "start", "--paused", name)
        assert done.returncode == 1, done.stdout
        return done.stderr

    def devices(self) -> set[str]:
        """The mediated devices that there are."""
        return {one.name for one in (self.host.root / "devices/vfio_ap/matrix").iterdir()} & {DAY, NIGHT}


@pytest.fixture
def a_daemon() -> None:
    """Skip where there can be none."""
    why_not = why_no_daemon()
    if why_not:
        pytest.skip(f"NOT TESTED: a real libvirt daemon ({why_not})")


@pytest.fixture
def world(a_daemon: None, mounting: None, tmp_path: Path) -> Iterator[World]:
    """Everything as an administrator sets it up."""
    site = tmp_path / "site"
    shutil.copytree(EXAMPLES / "on-demand", site, ignore=shutil.ignore_patterns("*.state*"))
    # Before the daemon starts, since it looks for hooks only then.
    hooks = tmp_path / "libvirt/etc/hooks"
    hooks.mkdir(parents=True)
    assert (
        run(["service", "install", "hook", "--directory", str(hooks / "qemu.d"), "-f", str(site), "--host", "lpar7"])
        == 0
    )
    with (
        mounted_host(tmp_path, (site / "simulated-host.yaml").read_text()) as host,
        daemon(tmp_path / "libvirt", host.root) as libvirt,
    ):
        yield World(libvirt, host, site)


def test_the_names_of_vms_are_those_of_libvirt(world: World) -> None:
    """In status, plan and conflicts, of definitions that the daemon has written; without it only the names are gone."""
    where = ("-f", str(world.site), "--host", "lpar7")

    status = json.loads(world.reconcile("status", *where, "-o", "json"))["guests"]
    shown = world.reconcile("status", *where)

    assert {one["uuid"]: (one["vm"]["name"], one["vm"]["state"]) for one in status} == {
        DAY: ("day", "shut off"),
        NIGHT: ("night", "shut off"),
    }
    assert "day (shut off)" in shown
    world.libvirt.run("virsh", "undefine", "day")
    world.libvirt.run("virsh", "undefine", "night")
    without = json.loads(world.reconcile("status", *where, "-o", "json"))["guests"]
    assert without == [{key: value for key, value in one.items() if key != "vm"} for one in status]


def test_the_file_of_a_running_vm_tells_its_state(a_daemon: None, tmp_path: Path) -> None:
    """As this version of libvirt writes it."""
    with daemon(tmp_path, Path("/sys")) as libvirt:
        libvirt.define("plain", "")
        started = libvirt.run("virsh", "start", "--paused", "plain")
        assert started.returncode == 0, started.stderr
        file = libvirt.root / "run/libvirt/qemu/plain.xml"

        paused = read_domain(file.read_bytes(), str(file))
        libvirt.run("virsh", "destroy", "plain")

        assert isinstance(paused, Domain)
        assert (paused.name, paused.state) == ("plain", "paused")
        assert not file.exists()


def test_libvirt_has_devices_made_and_removed(world: World) -> None:
    """By the hook that was installed; and it does not start the second of two, with our reason."""
    given_up = world.start("day")
    history = json.loads(world.reconcile("history", "-o", "json"))["generations"]

    assert "hook" not in given_up.lower(), given_up
    assert "VFIO" in given_up or "vfio" in given_up
    assert [(one["result"], one["actor"]) for one in history] == [("applied", "hook"), ("applied", "hook")]
    assert ["1 to create" in history[0]["summary"], "1 to remove" in history[1]["summary"]] == [True, True]
    assert world.devices() == set()

    hook = "/etc/libvirt/hooks/qemu.d/reconcile"
    xml = world.libvirt.run("virsh", "dumpxml", "day").stdout
    assert world.libvirt.run(hook, "day", "prepare", "begin", "-", given=xml).returncode == 0
    assert world.devices() == {DAY}
    refused = world.start("night")
    assert "VM 'night' does not start" in refused
    assert "05.0004" in refused
    assert "(VM day" in refused
    assert world.devices() == {DAY}
