"""A plan from the record of a mounted host is the one that the host itself gives, as a program sees its files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.cli.main import run
from reconciler.integrations.boot_masks import PersistentMasks
from reconciler.model.ids import IdSet
from reconciler.model.steps import Definition
from testing.boot_files import write_ap_rules, write_definition
from testing.commands import Ran
from testing.holdings import config, uuid
from testing.mounted_hosts import MountedHost

SITE = """\
apiVersion: reconciler/v1
kind: Host
metadata: {name: lpar7}
spec: {persistence: mdevctl}
---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: web}
spec: {adapters: [5, 9], domains: [4]}
---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: pay}
spec: {adapters: [6], domains: [4, 0x47], activation: on-demand}
"""
FORMATS = ("text", "wide", "diff", "json", "markdown", "github", "sarif")
Reconcile = Callable[..., Ran]


@pytest.fixture
def reconcile(
    lab: MountedHost, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Reconcile:
    """``reconcile`` with manifests, on the mounted host where it says so."""
    monkeypatch.setenv("MDEVCTL_ENV_ROOT", str(tmp_path / "root"))
    monkeypatch.chdir(tmp_path)
    Path("site.yaml").write_text(SITE, encoding="utf-8")
    host = ("--sysfs", str(lab.root), "--state-dir", str(tmp_path / "known"))

    def call(*words: str, on_host: bool = True) -> Ran:
        capsys.readouterr()
        code = run([*words, *(host if on_host else ())])
        return Ran(code, *capsys.readouterr())

    return call


def assert_same_plans(reconcile: Reconcile) -> None:
    """By the record as on the host, in every format, with all that is said beside it."""
    assert reconcile("observe", "--out", "lpar7.json").code == 0
    for format_ in FORMATS:
        words = ("plan", "-o", format_, "-f", "site.yaml")
        made = reconcile(*words, "--observed", "lpar7.json", on_host=False)
        age, other_host, others = made.err.split("\n", 2)
        assert age.startswith("note: host ")
        assert other_host.endswith("it is compared with the manifests of host lpar7")
        assert reconcile(*words) == made._replace(err=others)


def test_a_record_of_a_mounted_host_gives_its_plan(lab: MountedHost, reconcile: Reconcile, tmp_path: Path) -> None:
    """As it is found, with definitions of others; applied from a saved plan; drifted, with a VM that runs."""
    write_definition(tmp_path / "root", Definition(uuid(9), config([6], [4]), autostart=True))
    write_ap_rules(tmp_path / "root", PersistentMasks(~IdSet([7]), None))
    assert_same_plans(reconcile)

    saved = ("plan", "-f", "site.yaml", "--observed", "lpar7.json", "--out", "plan.json")
    assert reconcile(*saved, on_host=False).code == 0
    assert reconcile("apply", "--yes", "plan.json").code == 0
    assert_same_plans(reconcile)
    assert "Nothing to do" in reconcile("plan", "-f", "site.yaml", "--observed", "lpar7.json", on_host=False).out

    (device,) = (one.name for one in (lab.root / "devices/vfio_ap/matrix").iterdir() if one.name.count("-") == 4)
    lab.request(("start", device))
    lab.store(f"devices/vfio_ap/matrix/{device}/unassign_domain", "4")
    lab.request(("unplug", "5"))
    assert_same_plans(reconcile)
    assert reconcile("plan", "-f", "site.yaml", "--out", "plan.json").code in (0, 4)
    lab.request(("plug", "5"))
    assert reconcile("apply", "--yes", "plan.json").code == 5
