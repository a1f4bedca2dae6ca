"""Modules of the collection on a simulated host: they run its ``reconcile``, and decide nothing by themselves."""

import ast
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest

from testing.collection import ran, unconnected_host
from testing.ssh_hosts import DESCRIPTION, ROOT, SshHost

MODULES: Final = ROOT / "ansible/plugins/modules"
MANIFESTS: Final = """\
apiVersion: reconciler/v1
kind: Host
metadata: {name: lpar7}
---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: web}
spec: {host: lpar7, adapters: [5], domains: [4]}
"""

Module = Callable[..., dict[str, Any]]


@pytest.fixture
def host(tmp_path: Path) -> SshHost:
    """A host on which nothing was done yet."""
    return unconnected_host(tmp_path, "lpar7", DESCRIPTION % "lpar7")


@pytest.fixture
def site(tmp_path: Path) -> list[str]:
    """Manifests for it."""
    file = tmp_path / "site.yaml"
    file.write_text(MANIFESTS)
    return [str(file)]


def everything(host: SshHost) -> dict[str, bytes]:
    """What is on the host and recorded of it."""
    return {
        str(one): one.read_bytes() for one in sorted(host.folder.rglob("*")) if one.is_file() and one.name != "lock"
    }


def test_a_plan_says_what_an_apply_would_change(host: SshHost, site: list[str]) -> None:
    """With the diff that the tool shows, and nothing is changed."""
    found = ran(host, "plan", manifests=site, diff=True)

    assert (found["changed"], found["rc"], found["meaning"]) == (True, 0, "done")
    assert found["plan"]["summary"]["create"] == 1
    assert found["diff"]["prepared"] == host.run("plan", "-o", "diff", "-f", *site).stdout
    assert found["plan"]["fingerprint"] == found["saved"]["fingerprint"]
    assert host.json("history")["generations"] == []


def test_an_apply_changes_the_host_once(host: SshHost, site: list[str]) -> None:
    """The second one reports that nothing changed."""
    foretold = ran(host, "apply", manifests=site, check=True, diff=True)
    assert host.json("history")["generations"] == []
    first = ran(host, "apply", manifests=site, diff=True)
    second = ran(host, "apply", manifests=site, diff=True)

    assert [foretold["changed"], first["changed"], second["changed"]] == [True, True, False]
    assert foretold["diff"] == first["diff"] != second["diff"] == {"prepared": ""}
    assert (first["result"], first["generation"], second["result"]) == ("applied", 1, "nothing to do")
    assert ran(host, "plan", manifests=site)["changed"] is False
    assert ran(host, "apply", manifests=site, check=True)["changed"] is False


def test_a_plan_that_was_looked_at_is_applied_or_nothing(host: SshHost, site: list[str]) -> None:
    """Stale where the manifests have changed since, in check mode, too."""
    saved = ran(host, "plan", manifests=site)["saved"]
    text = Path(site[0]).read_text()
    Path(site[0]).write_text(text.replace("domains: [4]", "domains: [5]"))

    for check in (True, False):
        refused = ran(host, "apply", plan=saved, check=check)
        assert (refused["failed"], refused["rc"], refused["meaning"]) == (True, 5, "stale")
        other = ran(host, "apply", manifests=site, fingerprint=saved["fingerprint"], check=check)
        assert (other["failed"], other["rc"], other["refusal"]) == (True, 5, "stale")
    Path(site[0]).write_text(text)
    assert ran(host, "apply", manifests=site, fingerprint=saved["fingerprint"], check=True)["changed"]
    assert ran(host, "apply", plan=saved, check=True)["changed"]
    assert ran(host, "apply", plan=saved)["result"] == "applied"


def test_manifests_may_be_a_text_that_the_host_keeps_for_root_alone(host: SshHost) -> None:
    """Where its digest is right; a plan in check mode writes nothing."""
    digest = sha256(MANIFESTS.encode()).hexdigest()
    kept = host.state_directory / "fleet" / digest / "manifests.yaml"

    assert ran(host, "plan", content=MANIFESTS, sha256=digest, check=True)["changed"]
    damaged = ran(host, "plan", content=MANIFESTS, sha256="0" * 64)
    assert damaged["meaning"] == "damaged"
    assert not kept.exists()
    planned = ran(host, "plan", content=MANIFESTS, sha256=digest)
    applied = ran(host, "apply", plan=planned["saved"], content=MANIFESTS, sha256=digest)

    assert applied["result"] == "applied"
    assert MANIFESTS == kept.read_text()
    assert [0o600, 0o700, 0o700] == [one.stat().st_mode & 0o777 for one in (kept, kept.parent, host.state_directory)]


def test_a_host_keeps_the_newest_manifests_only(host: SshHost) -> None:
    """So that years of commits do not fill its disk; other files in the folder are not touched."""
    folder = host.state_directory / "fleet"
    for number in range(30):
        (folder / f"{number:064x}").mkdir(parents=True)
        os.utime(folder / f"{number:064x}", (number, number))
    (folder / "notes").write_text("")

    assert ran(host, "plan", content=MANIFESTS)["changed"]

    kept = sorted(one.name for one in folder.iterdir() if one.name != "notes")
    assert [*(f"{number:064x}" for number in range(11, 30)), sha256(MANIFESTS.encode()).hexdigest()] == kept
    assert (folder / "notes").exists()


def test_what_reconcile_says_and_its_exit_code_are_in_the_error(host: SshHost, site: list[str]) -> None:
    """For people in the message, for programs as a number and a word."""
    Path(site[0]).write_text(MANIFESTS.replace("[5]", "[700]"))

    for module in ("plan", "apply"):
        found = ran(host, module, manifests=site)
        assert (found["failed"], found["rc"], found["meaning"]) == (True, 3, "invalid")
        assert "exit code 3 (invalid)" in found["msg"]
        assert any("700" in line for line in found["stderr_lines"])
    missing = ran(host, "plan", manifests=site, executable="no-reconcile-here")
    assert missing["meaning"] == "missing"
    assert "this host has no no-reconcile-here" in missing["msg"]


def test_consents_are_asked_for_in_check_mode_as_well(host: SshHost, site: list[str]) -> None:
    """That of the removal of everything, which is refused without."""
    ran(host, "apply", manifests=site)
    Path(site[0]).write_text(MANIFESTS.partition("---")[0])

    for check in (True, False):
        refused = ran(host, "apply", manifests=site, check=check)
        assert (refused["failed"], refused["rc"], refused["meaning"]) == (True, 4, "refused")
        assert "--allow-empty" in refused["msg"]
        assert refused["plan"]["summary"]["remove"] == 1
    assert ran(host, "apply", manifests=site, allow_empty=True, check=True)["changed"]
    assert ran(host, "apply", manifests=site, allow_empty=True)["changed"]


def test_an_apply_is_confirmed_once(host: SshHost, site: list[str]) -> None:
    """Check mode says before whether it would be."""
    assert ran(host, "confirm", id="night", check=True)["failed"]
    ran(host, "apply", manifests=site, id="night", confirm_within="1h")
    again = ran(host, "apply", manifests=site, id="night", confirm_within="1h")
    assert (again["changed"], again["result"]) == (False, "applied")
    extended = ran(host, "confirm", id="night", extend="2h")
    assert (extended["state"]["state"], extended["state"]["secondsLeft"] > 3600) == ("pending", True)

    foretold = ran(host, "confirm", id="night", check=True)
    assert host.state("night") == "pending"
    confirmed, twice = ran(host, "confirm", id="night"), ran(host, "confirm", id="night")

    assert [foretold["changed"], confirmed["changed"], twice["changed"]] == [True, True, False]
    assert confirmed["state"]["state"] == "confirmed"
    for check in (True, False):
        refused = ran(host, "cancel", id="night", check=check)
        assert (refused["failed"], refused["rc"]) == (True, 4)
    assert host.state("night") == "confirmed"


def test_an_apply_is_cancelled_also_before_it_comes(host: SshHost, site: list[str]) -> None:
    """Twice succeeds; it cannot be confirmed any more."""
    ran(host, "apply", manifests=site, id="night", confirm_within="1h")

    foretold = ran(host, "cancel", id="night", check=True)
    assert host.state("night") == "pending"
    found = [ran(host, "cancel", id="night") for _ in range(2)]

    assert [True, True, False] == [one["changed"] for one in (foretold, *found)]
    assert host.state("night") == "cancelled"
    assert ran(host, "cancel", id="late", check=True)["changed"]
    assert ran(host, "cancel", id="late")["changed"]
    late = ran(host, "apply", manifests=site, id="late", confirm_within="1h")
    assert (late["failed"], late["rc"]) == (True, 4)
    for check in (True, False):
        assert ran(host, "confirm", id="night", check=check)["failed"]


def test_a_failed_apply_says_whether_the_host_is_as_before(tmp_path: Path, site: list[str]) -> None:
    """The kernel refuses a write; everything was rolled back."""
    refusing = DESCRIPTION % "lpar7" + "  faults: [{write: 2, errno: EADDRINUSE}]\n"
    found = ran(unconnected_host(tmp_path, "lpar7", refusing), "apply", manifests=site)

    assert (found["failed"], found["changed"], found["rc"], found["meaning"]) == (True, False, 6, "rolled-back")
    assert found["answer"]["failure"]


def test_a_host_is_reported_on(host: SshHost, site: list[str]) -> None:
    """Its state and history, and how one apply stands; nothing changes."""
    ran(host, "apply", manifests=site, id="night")
    before = everything(host)
    found = ran(host, "host_info", id="night", check=True)

    assert everything(host) == before
    assert (found["changed"], found["status"]["inSync"], found["state"]["state"]) == (False, True, "confirmed")
    assert [one["id"] for one in found["history"]["generations"]] == ["night"]
    part = ran(host, "host_info", gather_subset=["state"], id="x").keys()
    assert part - {"invocation"} == {"changed", "version", "state"}  # which not every ansible-core adds


@pytest.mark.parametrize("name", [*sorted(one.stem for one in MODULES.glob("*.py"))])
def test_modules_are_of_the_standard_library_and_python_3_6(name: str) -> None:
    """Managed hosts have nothing else; the same holds for what they share."""
    for file in (MODULES / f"{name}.py", *MODULES.parent.glob("module_utils/*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 6))
        imports = {one.module for one in ast.walk(tree) if isinstance(one, ast.ImportFrom) and one.module}
        imports |= {alias.name for one in ast.walk(tree) if isinstance(one, ast.Import) for alias in one.names}
        ours = {one for one in imports if one.startswith(("ansible.module_utils.basic", "ansible_collections."))}
        assert imports - ours <= {"json", "os", "re", "hashlib", "tempfile", "shutil", "typing"}, file
