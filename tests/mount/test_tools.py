"""Other programs on a mounted host: reconcile itself with --sysfs, and the real mdevctl."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from reconciler.cli.main import run
from testing.commands import Ran
from testing.mounted_hosts import MountedHost

MINE: Final = "62177883-f1bb-47f0-914d-32a22e3a8804"
FOREIGN: Final = "00000000-0000-4000-8000-00000000000a"
MANIFESTS: Final = f"""\
apiVersion: reconciler/v1
kind: Host
metadata: {{name: lab}}
spec:
  pool: {{adapters: [5, 6, 9]}}
---
apiVersion: reconciler/v1
kind: Guest
metadata: {{name: payments}}
spec:
  host: lab
  uuid: {MINE}
  adapters: [5, 9]
  domains: [4, 0x47]
"""
_PRIVATE_MOUNTS: Final = ("unshare", "--mount", "--propagation", "private")


class Reconcile:
    """``reconcile --sysfs`` on a mounted host."""

    def __init__(self, host: MountedHost, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self._folder, self._capture = folder, capture
        (folder / "site").mkdir()
        (folder / "site" / "site.yaml").write_text(MANIFESTS)
        self._where = ["-f", str(folder / "site"), "--sysfs", str(host.root), "--state-dir", str(folder / "known")]

    def __call__(self, *words: str) -> Ran:
        """Run it with `words`."""
        self._capture.readouterr()
        code = run([*words, *self._where])
        return Ran(code, *self._capture.readouterr())


@pytest.fixture
def reconcile(lab: MountedHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Reconcile:
    """The command with manifests for the mounted host."""
    return Reconcile(lab, tmp_path, capsys)


class Mdevctl:
    """The real mdevctl, which finds the mounted host in ``/sys`` of a mount namespace of its own."""

    def __init__(self, host: MountedHost, definitions: Path) -> None:
        self._host, self._definitions = host, definitions
        for folder in ("callouts", "notifiers"):  # which mdevctl 1.2 wants to be there
            (definitions / "scripts.d" / folder).mkdir(parents=True)

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run it with `words`."""
        script = 'mount --bind "$1" /sys && mount --bind "$2" /etc/mdevctl.d && shift 2 && exec mdevctl "$@"'
        return subprocess.run(
            [*_PRIVATE_MOUNTS, "sh", "-c", script, "sh", str(self._host.root), str(self._definitions), *words],
            capture_output=True,
            text=True,
            check=False,
        )

    def define(self, uuid: str, *attributes: tuple[str, str]) -> None:
        """Define a device that is started by hand, with `attributes`."""
        definition = {
            "mdev_type": "vfio_ap-passthrough",
            "start": "manual",
            "attrs": [{name: value} for name, value in attributes],
        }
        file = self._definitions.parent / f"{uuid}.json"
        file.write_text(json.dumps(definition))
        done = self("define", "--uuid", uuid, "--parent", "matrix", "--jsonfile", str(file))
        assert 0 == done.returncode, done.stderr


@pytest.fixture
def mdevctl(lab: MountedHost, tmp_path: Path) -> Mdevctl:
    """Mdevctl on the mounted host."""
    for program in ("mdevctl", "unshare"):
        if not shutil.which(program):
            pytest.skip(f"NOT TESTED: the real mdevctl on a mounted host ({program} is not installed)")
    if os.getuid() != 0:
        pytest.skip("NOT TESTED: the real mdevctl on a mounted host (only root can bind it over /sys)")
    tried = subprocess.run([*_PRIVATE_MOUNTS, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"NOT TESTED: the real mdevctl on a mounted host ({tried.stderr.strip()})")
    return Mdevctl(lab, tmp_path / "mdevctl.d")


def test_plan_apply_and_status_work_on_the_mount(reconcile: Reconcile) -> None:
    """A plan is applied through the mount, and then there is nothing left to do."""
    assert 2 == reconcile("plan", "--detailed-exitcode").code
    applied = reconcile("apply", "--yes")
    assert 0 == applied.code, applied.err
    assert 0 == reconcile("plan", "--detailed-exitcode").code
    assert 0 == reconcile("drift").code
    assert MINE in reconcile("status", "-o", "json").out


def test_a_card_that_comes_later_is_effective_at_once(lab: MountedHost, reconcile: Reconcile) -> None:
    """Adapter 9 was authorised when it was absent; plugged, its guest has it, and nothing is to be done."""
    assert 0 == reconcile("apply", "--yes").code
    effective = lab.root / "bus/mdev/devices" / MINE / "guest_matrix"
    assert "05.0004\n05.0047\n" == effective.read_text()

    lab.request(("plug", "9", "type=CEX8"))

    assert "05.0004\n05.0047\n09.0004\n09.0047\n" == effective.read_text()
    assert 0 == reconcile("plan", "--detailed-exitcode").code


def test_a_running_vm_is_seen_through_its_queues(lab: MountedHost, reconcile: Reconcile) -> None:
    """What takes a queue from it needs consent."""
    assert 0 == reconcile("apply", "--yes").code
    lab.request(("start", MINE))
    site = reconcile._folder / "site" / "site.yaml"
    site.write_text(MANIFESTS.replace("[4, 0x47]", "[4]"))

    refused = reconcile("apply", "--yes")

    assert 4 == refused.code
    assert 0 == reconcile("apply", "--yes", "--allow-disruption").code


def test_mdevctl_lists_types(mdevctl: Mdevctl) -> None:
    """The parent and its type are found."""
    done = mdevctl("types")

    assert 0 == done.returncode, done.stderr
    assert "matrix\n  vfio_ap-passthrough\n    Available instances: 65536\n    Device API: vfio-ap\n" in done.stdout


def test_mdevctl_starts_and_stops_what_it_has_defined(lab: MountedHost, mdevctl: Mdevctl) -> None:
    """A defined device gets its attributes when it is started, and is gone when it is stopped."""
    lab.store("bus/ap/apmask", "-5")
    mdevctl.define(MINE, ("assign_adapter", "5"), ("assign_domain", "4"), ("assign_domain", "0x47"))

    started = mdevctl("start", "--uuid", MINE)
    active = mdevctl("list", "--defined").stdout
    matrix = (lab.root / "bus/mdev/devices" / MINE / "matrix").read_text()
    stopped = mdevctl("stop", "--uuid", MINE)

    assert (0, 0) == (started.returncode, stopped.returncode), started.stderr + stopped.stderr
    assert f"{MINE} matrix vfio_ap-passthrough manual (active)" == active.strip()
    assert "05.0004\n05.0047\n" == matrix
    assert not (lab.root / "bus/mdev/devices" / MINE).exists()


def test_mdevctl_takes_back_what_the_kernel_refuses(lab: MountedHost, mdevctl: Mdevctl) -> None:
    """The errno of a refused attribute reaches mdevctl, which then removes the half-made device."""
    mdevctl.define(MINE, ("assign_domain", "4"), ("assign_adapter", "5"))

    started = mdevctl("start", "--uuid", MINE)

    assert 1 == started.returncode
    assert "Cannot assign requested address" in started.stderr
    assert [] == lab.sysfs.list("bus/mdev/devices")


def test_what_mdevctl_started_is_foreign_to_reconcile(lab: MountedHost, mdevctl: Mdevctl, reconcile: Reconcile) -> None:
    """It is left alone, and conflicts with it are told."""
    lab.store("bus/ap/apmask", "-5,-6")
    mdevctl.define(FOREIGN, ("assign_adapter", "6"), ("assign_domain", "4"))
    assert 0 == mdevctl("start", "--uuid", FOREIGN).returncode

    applied = reconcile("apply", "--yes")
    status = reconcile("status")

    assert 0 == applied.code, applied.err
    assert FOREIGN in status.out
    assert "06.0004\n" == (lab.root / "bus/mdev/devices" / FOREIGN / "matrix").read_text()


def test_a_guest_cannot_have_what_mdevctl_gave_away(lab: MountedHost, mdevctl: Mdevctl, reconcile: Reconcile) -> None:
    """A foreign device counts in the conflict checks."""
    lab.store("bus/ap/apmask", "-5")
    mdevctl.define(FOREIGN, ("assign_adapter", "5"), ("assign_domain", "4"))
    assert 0 == mdevctl("start", "--uuid", FOREIGN).returncode

    planned = reconcile("plan")

    assert 4 == planned.code
    assert FOREIGN in planned.err
