"""The module ``import_manifests`` on a simulated host."""

import json
from pathlib import Path
from typing import Final

import pytest

from testing.collection import ran, unconnected_host
from testing.ssh_hosts import DESCRIPTION, SshHost

UUID: Final = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
MAP: Final = json.dumps({"cex_uuid_map": {"compute-1": [f"{UUID}:05.0004", f"{UUID}:06.0004"]}})


@pytest.fixture
def host(tmp_path: Path) -> SshHost:
    """A host with a device that was made by hand."""
    made = f"  mdevs:\n    - {{uuid: {UUID}, adapters: [5], domains: [4]}}\n  pool: {{adapters: [0-4, 6-255]}}\n"
    return unconnected_host(tmp_path, "lpar7", DESCRIPTION % "lpar7" + made)


def test_a_host_is_imported_as_it_is(host: SshHost, tmp_path: Path) -> None:
    """A plan of the manifests has nothing to do; check mode gives the same."""
    found = ran(host, "import_manifests")

    assert (found["changed"], found["hosts"], found["file"]) == (False, ["lpar7"], "lpar7.yaml")
    assert f"uuid: {UUID}" in found["manifests"]
    assert ran(host, "import_manifests", check=True)["manifests"] == found["manifests"]
    (tmp_path / "site.yaml").write_text(found["manifests"])
    assert ran(host, "plan", manifests=[str(tmp_path / "site.yaml")])["changed"] is False


def test_what_another_role_has_written_down_is_imported(host: SshHost, tmp_path: Path) -> None:
    """From a text or from a file on the host, with the same result at any time."""
    (tmp_path / "vars.yaml").write_text(MAP)
    kind = {"from": "cex-uuid-map", "host": "kvm.example", "pool": "derived"}

    texts = [ran(host, "import_manifests", content=MAP, **kind) for _ in range(2)]
    file = ran(host, "import_manifests", path=str(tmp_path / "vars.yaml"), **kind)

    assert texts[0]["manifests"] == texts[1]["manifests"]
    assert "adapters: [0x05-0x06]" in texts[0]["manifests"]
    assert "pool:" not in texts[0]["manifests"]
    assert (file["hosts"], file["file"]) == (["kvm.example"], "kvm.example.yaml")
    unnamed = ran(host, "import_manifests", content=MAP, **{"from": "cex-uuid-map"})
    assert any("--host gives its name" in str(one) for one in unnamed["warnings"])


def test_what_cannot_be_imported_is_refused(host: SshHost) -> None:
    """With what reconcile says, or where options do not go together."""
    bent = MAP.replace("06.0004", "06.0005")

    refused = ran(host, "import_manifests", content=bent, **{"from": "cex-uuid-map"})
    without = ran(host, "import_manifests", **{"from": "cex-uuid-map"})
    alone = ran(host, "import_manifests", content=MAP)

    assert (refused["failed"], refused["rc"], refused["meaning"]) == (True, 3, "invalid")
    assert "are no full product" in refused["msg"]
    assert "content, path" in without["msg"]
    assert "from" in alone["msg"]
